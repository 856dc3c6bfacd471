# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb, with each of its side effects failing, and with the process killed before and after each.

How many side effects there are is read from a recording run. Killing before effect k + 1 is killing after effect k.
"""

from __future__ import annotations

import errno
import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import engine
import netavark_plugin
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._apply import Outcome
from ansible_collections.netloom.containers.plugins.module_utils._docker_calls import EndpointCall, NetworkCall, PoolId
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import DRIVERS, driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._names import endpoint_id, network_id
from ansible_collections.netloom.containers.plugins.module_utils._netavark import NETAVARK_DIRS
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._routes import static_routes
from ansible_collections.netloom.containers.plugins.module_utils._settings import interface_settings
from ansible_collections.netloom.containers.plugins.module_utils._verbs.docker_endpoints import (
    endpoint_created,
    endpoint_deleted,
    endpoint_joined,
    endpoint_left,
    endpoint_published,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs.docker_networks import (
    network_created,
    network_deleted,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs.docker_pools import address_requested
from ansible_collections.netloom.containers.plugins.module_utils._verbs.result import Result
from docker_plugin import DockerPlugin
from engine import absent, attach, detach, do, namespace, network, no_namespace, no_topology, pool, present, topology

CONTAINERS = ("c1", "c2", "c3")
NETWORKS = ("net", "other")
CODES = {
    errno.EPERM: "permission_denied",
    errno.EBUSY: "apply_failed",
    errno.ENOBUFS: "apply_failed",
    errno.ENOSPC: "apply_failed",
}
NET = present("net", "10.1.0.0/24")
OTHER = present("other", "10.2.0.0/24")
RANGE = pool("10.1.0.0/24", ip_range="10.1.0.0/25")


@dataclass(frozen=True)
class Case:
    """A verb, what is there before it, and damage that is done to that."""

    verb: engine.Verb
    before: tuple[engine.Verb, ...] = ()
    damage: tuple[str, ...] = ()
    lan: bool = False  # it needs a neighbour
    plugin: bool = False  # it needs Docker's plugin of the tests

    def prepare(self) -> None:
        do(*self.before)
        for command in self.damage:
            bridge = engine.bridge("net")
            rig.run(*command.format(bridge=bridge, vxlan=bridge.replace("br-", "vx-")).split())


TWO = (network("net", "10.1.0.0/24"), network("other", "10.2.0.0/24"))
SHOP = topology(
    "shop", namespaces=["c8", "c9"], networks=TWO, attachments=[("net", "c8"), ("other", "c8"), ("net", "c1")]
)
LESS = topology("shop", namespaces=["c9"], networks=TWO[:1], attachments=[("net", "c9")], purge=True)
MEMBERS = (NET, attach("net", "c1"), attach("net", "c2"))
TWICE = (NET, attach("net", "c1", ifname="a0"), attach("net", "c1", ifname="b0"))
ROUTED = (*MEMBERS, OTHER, attach("other", "c1", gw_priority=1))
SIX = present("net", "10.1.0.0/24", enable_ipv6=True)
PORTS = port_specs(["8080:80", "127.0.0.1:53:53/udp", "90"])
SECURED = (("port_security", "true"),)
SLOW = (("burst", "64k"), ("egress_rate", "30mbit"), ("ingress_rate", "20mbit"))
SLOWER = (("egress_rate", "3mbit"), ("ingress_rate", "2mbit"))
PUBLISHED = (SIX, attach("net", "c1", ports=PORTS), attach("net", "c2", ports=port_specs(["91"]), driver_opts=SECURED))


def by_driver(name: str, **options) -> engine.Verb:
    """Return the verb that makes a network of a driver, as its example says."""
    return present("net", "10.1.0.0/24", driver=name, options=dict(driver(name).example), **options)


WIRE = present("net", pool("10.1.0.0/24", gateway="10.1.0.1"), driver="macvlan", options={"parent": "up0"})
SHIM = present("net", driver="macvlan", options={"parent": "up0", "host_shim": "true"})
VEPA = present("net", driver="macvlan", options={"parent": "up0", "mode": "vepa"})
ELSEWHERE = present("net", driver="macvlan", options={"parent": "up1"}, force=True)
ON_WIRE = (WIRE, attach("net", "c1"), attach("net", "c2"))
IFB = f"ifb{endpoint_id(network_id(rig.STATE_DIR, 'net'), 'netns:c1')[:12]}"
LIMITED = (NET, *(attach("net", name, driver_opts=SLOW) for name in ("c1", "c2")))
ONE_WAY = attach("net", "c1", driver_opts=SLOWER[1:])


def routes(*given: str) -> tuple:
    """Return routes: DESTINATION and GATEWAY, or the type of one that leads nowhere, and a metric."""
    items = []
    for to, via, metric in map(str.split, given):
        leads = via[0].isdigit()
        kind, gateway = ("unicast", via) if leads else (via, None)
        items.append({"destination": to, "gateway": gateway, "metric": int(metric), "type": kind})
    return static_routes(items)


def addresses(*texts: str) -> tuple:
    return tuple(map(ip_address, texts))


LOGGED, QUIET, UNASKED = (
    "net.ipv4.conf.IFNAME.log_martians",
    "net.ipv4.conf.IFNAME.arp_notify",
    "net.ipv4.neigh.IFNAME.ucast_solicit",
)
FULL = attach(
    "net",
    "c1",
    routes=routes(
        "default 10.1.0.9 0", "10.9.0.0/16 10.1.0.9 5", "10.10.0.0/16 blackhole 0", "10.11.0.0/16 prohibit 0"
    ),
    sysctls=interface_settings({LOGGED: 1, QUIET: 0}),
    secondary=addresses("10.1.0.20", "10.1.0.21"),
)
CHANGED = attach(
    "net",
    "c1",
    ipv4="10.1.0.20",
    routes=routes("10.9.0.0/16 10.1.0.8 6", "10.10.0.0/16 10.1.0.8 0", "10.12.0.0/16 unreachable 0"),
    sysctls=interface_settings({UNASKED: 5}),
    secondary=addresses("10.1.0.2", "10.1.0.22"),
)
CASES = {
    "attach to macvlan": Case(attach("net", "c3"), before=(*ON_WIRE, SHIM)),
    "change macvlan to have a shim": Case(SHIM, before=ON_WIRE),
    "change the mode of macvlan": Case(VEPA, before=ON_WIRE),
    "change the parent of macvlan": Case(ELSEWHERE, before=(*ON_WIRE, SHIM)),
    "detach from macvlan": Case(detach("net", "c1"), before=(*ON_WIRE, SHIM)),
    "repair macvlan": Case(present("net"), before=(*ON_WIRE, SHIM), damage=("ip -n c1 link delete eth0",)),
    "create": Case(present("net", "10.1.0.0/24", "fd00:1::/64", labels={"a": "b"})),
    "create internal": Case(present("net", internal=True), before=(OTHER,)),
    "create with members": Case(present("net", "10.1.0.0/24", connected=["c1", "c2"])),
    "change labels": Case(present("net", labels={"a": "b"}), before=MEMBERS),
    "change mtu": Case(present("net", options={"mtu": "1400"}), before=MEMBERS),
    "change icc": Case(present("net", options={"icc": "false"}), before=MEMBERS),
    "change masquerade": Case(present("net", options={"ip_masquerade": "false"}), before=MEMBERS),
    "change internal": Case(present("net", internal=True), before=MEMBERS),
    "change range": Case(present("net", RANGE), before=MEMBERS),
    "change gateway": Case(present("net", pool("10.1.0.0/24", gateway="10.1.0.254")), before=MEMBERS),
    "add subnet": Case(present("net", "10.1.0.0/24", "fd00:1::/64"), before=MEMBERS),
    "list of members": Case(present("net", connected=["c2", "c3"]), before=MEMBERS),
    "rebuild elsewhere": Case(present("net", "10.9.0.0/24", force=True), before=MEMBERS),
    "rebuild under another name": Case(present("net", options={"bridge_name": "br9"}, force=True), before=MEMBERS),
    "remove": Case(absent("net"), before=(NET,)),
    "remove with members": Case(absent("net", force=True), before=ROUTED),
    "attach": Case(attach("net", "c1"), before=(NET,)),
    "attach with the default route": Case(attach("other", "c1", gw_priority=1), before=(*MEMBERS, OTHER)),
    "change address": Case(attach("net", "c1", ipv4="10.1.0.50"), before=MEMBERS),
    "change interface": Case(attach("net", "c1", ifname="lan0", mac="02:00:00:00:00:11"), before=MEMBERS),
    "attach once more": Case(attach("net", "c1", ifname="b0"), before=TWICE[:2]),
    "detach one of two": Case(detach("net", "c1", ifname="b0"), before=TWICE),
    "detach both": Case(detach("net", "c1"), before=TWICE),
    "detach": Case(detach("net", "c1"), before=MEMBERS),
    "detach with the default route": Case(detach("other", "c1"), before=ROUTED),
    "attach with limits": Case(attach("net", "c1", driver_opts=SLOW), before=(NET,)),
    "limit": Case(attach("net", "c1", driver_opts=SLOW), before=MEMBERS),
    "change limits": Case(attach("net", "c1", driver_opts=SLOWER), before=LIMITED),
    "limit the other direction": Case(attach("net", "c1", driver_opts=SLOWER[:1]), before=(NET, ONE_WAY)),
    "repair limits": Case(present("net"), before=LIMITED, damage=(f"ip link delete {IFB}",)),
    "lift limits": Case(attach("net", "c1", driver_opts=()), before=LIMITED),
    "detach with limits": Case(detach("net", "c1"), before=LIMITED),
    "remove with limited members": Case(absent("net", force=True), before=LIMITED),
    "attach with routes, settings and addresses": Case(FULL, before=(NET,)),
    "change routes, settings and addresses": Case(CHANGED, before=(NET, FULL)),
    "detach with routes, settings and addresses": Case(detach("net", "c1"), before=(NET, FULL)),
    "make namespace": Case(namespace("c9")),
    "make namespace with settings": Case(namespace("c9", {"net.ipv4.ip_forward": 1, "net.core.somaxconn": 99})),
    "set settings of a namespace": Case(
        namespace("c9", {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.arp_ignore": 1}), before=(namespace("c9"),)
    ),
    "remove namespace": Case(no_namespace("c9"), before=(NET, namespace("c9"), attach("net", "c9"))),
    "topology": Case(SHOP),
    "topology around a network": Case(SHOP, before=(NET, attach("net", "c2"))),
    "less of a topology": Case(LESS, before=(SHOP,)),
    "no topology": Case(no_topology("shop"), before=(SHOP,)),
    "repair firewall": Case(present("net"), before=(*MEMBERS, OTHER), damage=("nft flush ruleset",)),
    "repair links": Case(
        present("net"), before=MEMBERS, damage=("ip link delete {bridge}", "ip -n c2 link delete eth0")
    ),
}
FIREWALL = {
    "create with IPv6": Case(present("net", enable_ipv6=True)),
    "publish": Case(attach("net", "c1", ports=PORTS), before=(SIX, attach("net", "c1"))),
    "attach with ports": Case(attach("net", "c1", ports=PORTS, driver_opts=SECURED), before=(SIX,)),
    "move ports": Case(attach("net", "c1", ports=port_specs(["8081:80", "90:90"]), ipv4="10.1.0.9"), before=PUBLISHED),
    "withdraw ports": Case(attach("net", "c1", ports=()), before=PUBLISHED),
    "secure": Case(attach("net", "c1", driver_opts=SECURED), before=PUBLISHED),
    "change gateway modes": Case(
        present("net", options={"gateway_mode_ipv4": "routed", "gateway_mode_ipv6": "nat-unprotected"}),
        before=PUBLISHED,
    ),
    "isolate": Case(
        present("net", internal=True, options={"gateway_mode_ipv4": "isolated", "gateway_mode_ipv6": "isolated"}),
        before=PUBLISHED,
    ),
    "detach with ports": Case(detach("net", "c2"), before=PUBLISHED),
    "repair ports": Case(present("net"), before=PUBLISHED, damage=("nft flush ruleset",)),
}
OVERLAY = present("net", "10.1.0.0/24", driver="overlay", options={"vni": "42", "peers": "198.51.100.2,198.51.100.3"})
STATIC = {"vni": "42", "peers": "198.51.100.2", "learning": "false", "endpoints": "10.1.0.9@198.51.100.2"}
JOINED = (OVERLAY, attach("net", "c1"))
FIREWALL |= {
    "change peers": Case(
        present("net", options={"vni": "42", "peers": "198.51.100.2,198.51.100.4"}), before=JOINED, lan=True
    ),
    "stop learning": Case(present("net", options=STATIC), before=JOINED, lan=True),
    "start a control plane": Case(
        present("net", options={"vni": "42", "peers": "198.51.100.2", "control_plane": "evpn"}), before=JOINED, lan=True
    ),
    "repair overlay": Case(
        present("net"), before=JOINED, damage=("nft flush ruleset", "ip link delete {vxlan}"), lan=True
    ),
}
NETAVARK = present("net", "10.1.0.0/24", driver="netavark:macvlan", options={"parent": "up0"})
IN_NETAVARK = (NETAVARK, attach("net", "c1"), attach("net", "c2"))
PLUGIN = present("net", "10.1.0.0/24", driver="netavark:test", options={"plugin_dirs": "/run/plugins"})
NETAVARKS = {
    "attach to one of netavark": Case(attach("net", "c3"), before=IN_NETAVARK),
}
PLUGINS = {
    "make a network of a netavark plugin": Case(PLUGIN),
    "attach to one of a netavark plugin": Case(attach("net", "c1"), before=(PLUGIN,)),
    "detach from one of a netavark plugin": Case(detach("net", "c1"), before=(PLUGIN, attach("net", "c1"))),
}
if shutil.which("netavark", path=NETAVARK_DIRS):
    PLUGINS |= NETAVARKS
NAMED = (
    present("net", "10.1.0.0/24", dns=True),
    present("other", "10.2.0.0/24", dns=True),
    attach("net", "c1", aliases=("a",)),
    attach("other", "c1"),
    attach("net", "c2"),
)
NAMES = {
    "attach with names": Case(attach("net", "c1", aliases=("a", "b")), before=NAMED[:1]),
    "attach to two networks with names": Case(attach("other", "c2", gw_priority=1), before=NAMED),
    "change aliases": Case(attach("net", "c1", aliases=("b",)), before=NAMED),
    "detach the last with a name": Case(detach("other", "c1"), before=NAMED),
    "names on": Case(present("net", dns=True), before=(NET, attach("net", "c1"), attach("net", "c2"))),
    "names off": Case(present("net", dns=False), before=NAMED),
    "change name servers": Case(present("net", dns=True, dns_servers=("192.0.2.1",)), before=NAMED),
    "remove with names": Case(absent("net", force=True), before=NAMED),
    "repair names": Case(
        present("net", dns=True),
        before=NAMED,
        damage=("pkill -KILL dnsmasq", "rm -r /etc/netns", "find /run/netloom/dns -path */hosts/* -delete"),
    ),
}
LEASES = Path("/run/leases")
ADDRESSES = {"type": "host-local", "dataDir": str(LEASES), "subnet": "10.1.0.0/24"}
ON_UP0 = {"type": "macvlan", "master": "up0", "ipam": ADDRESSES, "capabilities": {"ips": True, "mac": True}}


def by_cni(*plugins: dict, **more) -> engine.Verb:
    """Return the verb that makes a network of CNI plugins; `more` is of their list."""
    conflist = json.dumps({"cniVersion": "1.0.0", "name": "net", "plugins": plugins, **more})
    return present("net", driver="cni", options={"conflist": conflist})


def by_plugin(container: str, number: int) -> engine.Verb:
    """Return the verb that attaches a container with a MAC and an address that are the same each time."""
    return attach("net", container, mac=f"02:00:00:00:00:0{number}", ipv4=f"10.1.0.{number}")


UNCHECKED = by_cni(ON_UP0, disableCheck=True)  # quicker
WITHOUT_LEASES = by_cni(
    {**ON_UP0, "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}}, disableCheck=True
)
PLUGINS |= {
    "attach by CNI": Case(by_plugin("c1", 5), before=(by_cni(ON_UP0, {"type": "tuning", "mtu": 1400}),)),
    "change an address by CNI": Case(by_plugin("c1", 7), before=(UNCHECKED, by_plugin("c1", 5))),
    "repair by CNI": Case(
        present("net"),
        before=(WITHOUT_LEASES, attach("net", "c1", mac="02:00:00:00:00:05")),
        damage=("ip -n c1 link delete eth0",),
    ),
    "remove a CNI network": Case(absent("net", force=True), before=(UNCHECKED, by_plugin("c1", 5))),
}
PLUGGED_IN = present("net", "10.77.1.0/24", driver="lbplug")
PLUGGED_MEMBERS = (PLUGGED_IN, attach("net", "c1"), attach("net", "c2", ports=PORTS))
ADDRESSED = present("net", ipam_driver="lbplug", enable_ipv6=True)
PLUGGED = {
    "attach to a Docker plugin": Case(
        attach("net", "c1", mac="02:00:00:00:00:11"), before=(PLUGGED_IN, OTHER, attach("other", "c1")), plugin=True
    ),
    "rebuild of a Docker plugin": Case(
        present("net", "10.78.1.0/24", force=True), before=PLUGGED_MEMBERS[:2], plugin=True
    ),
    "detach from a Docker plugin": Case(detach("net", "c2"), before=PLUGGED_MEMBERS, plugin=True),
    "remove of a Docker plugin": Case(absent("net"), before=PLUGGED_MEMBERS[:1], plugin=True),
    "make a network of plugin addresses": Case(ADDRESSED, plugin=True),
    "attach with plugin addresses": Case(attach("net", "c1"), before=(ADDRESSED,), plugin=True),
    "detach with plugin addresses": Case(
        detach("net", "c1"), before=(ADDRESSED, attach("net", "c1"), attach("net", "c2")), plugin=True
    ),
    "remove a network of plugin addresses": Case(absent("net"), before=(ADDRESSED,), plugin=True),
}
# Every driver that there is goes through these, by its example.
DRIVEN: dict[str, Case] = {}
for each in DRIVERS:
    if driver(each).attachable:
        MADE = by_driver(each, connected=["c1", "c2"])
        DRIVEN[f"make a network of driver {each} with members"] = Case(MADE, lan=True)
        DRIVEN[f"repair one of driver {each}"] = Case(
            present("net"), before=(MADE,), damage=("nft flush ruleset", "ip -n c1 link delete eth0"), lan=True
        )
        DRIVEN[f"remove one of driver {each}"] = Case(absent("net", force=True), before=(MADE,), lan=True)
ID, MEMBER = "5" * 64, "e" * 64  # Docker's own


def by_docker(call: Callable[..., Any], *args: Any) -> engine.Verb:
    """Return the verb that a call of Docker's plugin protocol is."""

    def verb(*, host: Any, dry_run: bool) -> Any:
        found = call(host, *args)
        told = found if isinstance(found, tuple) else (found,)
        return Result(next((each for each in told if isinstance(each, Outcome)), Outcome()))

    return verb


LENDING = by_docker(
    network_created, NetworkCall(ID, "net", "", (), False, (pool("10.1.0.0/24", gateway="10.1.0.1"),), False)
)
HOLD = by_docker(partial(address_requested, gateway=False), PoolId("netloom", ip_network("10.1.0.0/24"), None), None)
MADE_BY_DOCKER = (
    LENDING,
    HOLD,
    by_docker(endpoint_created, EndpointCall(ID, MEMBER, ip_interface("10.1.0.2/24"), None, "", ())),
)
JOIN = by_docker(endpoint_joined, ID, MEMBER, "/run/docker/netns/1")
PUBLISH = by_docker(endpoint_published, ID, MEMBER, port_specs(["8080:80"]))
DOCKER = {
    "make a network for Docker": Case(LENDING),
    "record an endpoint of Docker's": Case(MADE_BY_DOCKER[2], before=MADE_BY_DOCKER[:2]),
    "join for Docker": Case(JOIN, before=MADE_BY_DOCKER),
    "change a network under Docker's endpoint": Case(
        present("net", options={"icc": "false", "mtu": "1400"}), before=(*MADE_BY_DOCKER, JOIN, PUBLISH)
    ),
    "leave for Docker": Case(by_docker(endpoint_left, ID, MEMBER), before=(*MADE_BY_DOCKER, JOIN, PUBLISH)),
    "delete for Docker": Case(by_docker(endpoint_deleted, ID, MEMBER), before=(*MADE_BY_DOCKER, JOIN)),
    "delete a network of Docker's": Case(by_docker(network_deleted, ID), before=(*MADE_BY_DOCKER, JOIN)),
}
each_case = pytest.mark.parametrize(
    "case",
    [
        *(pytest.param(case, id=name) for name, case in {**CASES, **DRIVEN}.items()),
        *(
            pytest.param(case, id=name, marks=pytest.mark.packets)
            for name, case in {**FIREWALL, **NAMES, **PLUGINS, **PLUGGED, **DOCKER}.items()
        ),
    ],
)


@pytest.fixture(autouse=True)
def machine(request, tmp_path):
    for name in CONTAINERS:
        rig.netns(name)
    Path("/run/plugins").mkdir()
    netavark_plugin.install("/run/plugins")
    for name in ("eth0", "up0", "up1"):  # parents
        rig.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        rig.run("ip", "link", "set", name, "up")
    if "case" in request.fixturenames and request.getfixturevalue("case").lan:
        rig.lan()
    if "case" in request.fixturenames and request.getfixturevalue("case").plugin:
        machine.plugin = DockerPlugin(tmp_path)


def picture() -> rig.Snapshot:
    found = engine.picture(*CONTAINERS, "c8", "c9")
    leases = (path for path in LEASES.glob("*/*") if path.name[0].isdigit())
    found = rig.Snapshot(
        {**found.sections, "leases": tuple(sorted(f"{path.name} {path.read_text()!r}" for path in leases))}
    )
    plugin = getattr(machine, "plugin", None)
    return plugin.pictured(found) if plugin else found


def wipe() -> None:
    """Ask for the absence of everything that a case can have made."""
    do(*(absent(name, force=True) for name in NETWORKS), no_topology("shop"), no_namespace("c9"))


def failing(
    verb: engine.Verb, errors: dict[int, BaseException], *, late: bool = False
) -> tuple[NetloomError, engine.Failing]:
    """Carry out a verb with failing side effects; return its error, and the host."""
    host = engine.Failing(errors, rig.STATE_DIR, engine.LOCK_TIMEOUT_SECONDS, late=late)
    with pytest.raises(NetloomError) as caught:
        with host:
            verb(host=host, dry_run=False)
    return caught.value, host


ONCE = pytest.mark.packets  # with one version of the libraries: each effect fails with both, in the tests by case


def recording(case: Case) -> tuple[list[str], rig.Snapshot, rig.Snapshot]:
    """Return the names of a case's side effects, and the pictures before it and after it; it is gone again."""
    try:
        case.prepare()
        before = picture()
        effects = engine.recorded(case.verb)
    except NetloomError as exc:
        if exc.code == "kernel_unsupported":
            pytest.skip(exc.message)
        raise
    after = picture()
    wipe()
    assert effects
    return effects, before, after


@pytest.fixture
def every(request):
    """Return a function that returns the (position, effect) of those effects that are this test's.

    Each of the four tests has others, so that every effect goes wrong in one way with the oldest version of the libraries,
    and in another one with the newest. Where a plugin has to be started each time, it is every sixth.
    """
    newest = tuple(map(int, version("pyroute2").split(".")[:2])) >= (0, 9)
    way = WAYS.index(request.node.originalname) + (len(WAYS) // 2 if newest else 0)

    def mine(effects: list[str]) -> list[tuple[int, str]]:
        step = 6 if request.getfixturevalue("case").plugin else len(WAYS)
        return list(enumerate(effects))[way % step :: step]

    return mine


WAYS = (
    "test_a_refused_effect_leaves_host_and_records_as_they_were",
    "test_an_effect_that_is_done_and_then_reported_failed_is_undone",
    "test_a_killed_run_is_finished_by_the_same_task",
    "test_what_a_killed_run_left_is_removed_by_absent",
)


@each_case
def test_a_refused_effect_leaves_host_and_records_as_they_were(case, every):
    engine.without_waiting()
    effects, _before, _after = recording(case)
    case.prepare()
    before = picture()
    for position, effect in every(effects):
        number, code = list(CODES.items())[position // len(WAYS) % len(CODES)]
        error, host = failing(case.verb, {position: engine.error(number)})
        assert f"cannot {effect}: " in error.message
        assert (error.code, host.attempts) == (code, 5 if number == errno.EBUSY else 1)
        engine.same(picture(), before, f"after {effect} ({position}) failed")


@each_case
def test_an_effect_that_is_done_and_then_reported_failed_is_undone(case, every):
    effects, _before, _after = recording(case)
    case.prepare()
    before = picture()
    for position, effect in every(effects):
        error, _host = failing(case.verb, {position: engine.error(errno.ENOBUFS)}, late=True)
        engine.same(picture(), before, f"after {effect} ({position}) was done and failed")
        assert f"cannot {effect}: " in error.message


@each_case
def test_a_killed_run_is_finished_by_the_same_task(case, every):
    effects, _before, after = recording(case)
    for position, effect in every([*effects, "nothing"]):
        case.prepare()
        assert engine.killed(case.verb, position) == (position < len(effects))
        engine.inspected()
        do(case.verb)
        engine.same(picture(), after, f"killed before {effect} ({position})")
        wipe()


@each_case
def test_what_a_killed_run_left_is_removed_by_absent(case, every):
    beginning = picture()
    effects, _before, _after = recording(case)
    for position, effect in every(effects):
        case.prepare()
        assert engine.killed(case.verb, position)
        wipe()
        engine.same(picture(), beginning, f"killed before {effect} ({position})")


@ONCE
@pytest.mark.parametrize("name", ["create", "attach", "change mtu"])
def test_an_effect_that_is_refused_for_any_reason_is_told_by_its_code(name):
    engine.without_waiting()
    case = CASES[name]
    effects, _before, _after = recording(case)
    case.prepare()
    before = picture()
    for position, effect in enumerate(effects):
        for number, code in CODES.items():
            error, host = failing(case.verb, {position: engine.error(number)})
            assert f"cannot {effect}: " in error.message
            assert (error.code, host.attempts) == (code, 5 if number == errno.EBUSY else 1)
        engine.same(picture(), before, f"after {effect} ({position}) failed")


# Every pair of crash points costs a run each, so of the large cases only some.
PAIRS = {
    "make namespace": 1,
    "detach": 1,
    "attach": 5,
    "create": 7,
    "remove with members": 7,
    "change interface": 7,
    "rebuild elsewhere": 19,
}


@ONCE
@pytest.mark.parametrize(("name", "step"), PAIRS.items())
def test_a_repair_that_is_killed_too_is_finished_by_the_next(name, step):
    case = CASES[name]
    effects, _before, after = recording(case)
    positions = range(len(effects))
    for first, second in list(itertools.product(positions, positions))[::step]:
        case.prepare()
        assert engine.killed(case.verb, first)
        engine.killed(case.verb, second)  # or done, where less was left to do
        engine.inspected()
        do(case.verb)
        engine.same(picture(), after, f"killed before {effects[first]} ({first}), then before effect {second}")
        assert engine.predict(case.verb) == []
        wipe()


@ONCE
@pytest.mark.parametrize("name", ["create", "attach", "change mtu", "remove with members", "rebuild elsewhere"])
def test_an_undo_that_fails_names_both_errors_and_the_next_run_repairs(name):
    case = CASES[name]
    effects, _before, after = recording(case)
    for position in range(2, len(effects)):  # something was done that can be undone
        case.prepare()
        errors = {position: engine.error(errno.ENOSPC), position + 1: engine.error(errno.EPERM)}
        error, host = failing(case.verb, errors)
        assert f"cannot {effects[position]}: No space left on device" in error.message
        assert f"undoing it failed too: cannot {host.effects[position + 1]}: Operation not permitted" in error.message
        assert engine.inspected("net")[0]["Drift"] or name == "remove with members"
        do(case.verb)
        engine.same(picture(), after, f"{effects[position]} ({position}) and its undoing failed")
        wipe()


@ONCE
@pytest.mark.parametrize("name", ["create", "attach", "change labels", "remove"])
def test_a_full_disk_refuses_the_task_before_anything_is_touched(name, monkeypatch):
    case = CASES[name]
    rig.run("mkdir", "-p", "-m", "700", rig.STATE_DIR)
    rig.run("mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "full", rig.STATE_DIR)
    case.prepare()
    fill = "cat /dev/zero >{0}/fill 2>/dev/null; :"
    rig.run("sh", "-c", fill.format(rig.STATE_DIR))
    before = picture()
    with pytest.raises(NetloomError) as caught:
        do(case.verb)
    assert (caught.value.code, "cannot write" in caught.value.message) == ("apply_failed", True)
    engine.same(picture(), before, "the disk is full")
    rig.run("rm", f"{rig.STATE_DIR}/fill")
    assert do(case.verb)


def test_a_file_that_a_killed_run_left_for_a_namespace_becomes_one():
    open("/run/netns/c9", "w").close()
    record = "record of network namespace c9"
    assert engine.sandwich(namespace("c9")) == [f"create {record}", "create network namespace c9"]
    assert do(no_namespace("c9")) == ["remove network namespace c9", f"remove {record}"]
