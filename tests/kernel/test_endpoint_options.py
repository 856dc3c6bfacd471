# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attachment can have besides its address: routes, settings of its interface, and further addresses.

A router, which is a member too, leads from the network to another one behind it, with two servers.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from itertools import permutations
from typing import Any

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._routes import static_routes
from ansible_collections.netloom.containers.plugins.module_utils._settings import interface_settings
from engine import absent, detach, do, drift, present, refusal, sandwich

NET = present("net", "10.1.0.0/24", "fd00:1::/64")
ROUTER = {4: "10.1.0.100", 6: "fd00:1::100"}
OTHER_ROUTER = {4: "10.1.0.101", 6: "fd00:1::101"}
BEHIND = {4: "10.5.0.0/24", 6: "fd00:5::/64"}
SERVERS = {4: ("10.5.0.2", "10.5.0.3"), 6: ("fd00:5::2", "fd00:5::3")}
VERSIONS = pytest.mark.parametrize("version", [4, 6])


def attach(network: str, container: str, **options: Any) -> engine.Verb:
    """Return the verb that attaches a container, with routes, settings and further addresses as users give them."""
    if "routes" in options:
        empty = {"gateway": None, "metric": None, "type": "unicast"}
        options["routes"] = static_routes([{**empty, **route} for route in options["routes"]])
    if "sysctls" in options:
        options["sysctls"] = interface_settings(options["sysctls"])
    if "secondary" in options:
        options["secondary"] = tuple(map(ip_address, options["secondary"]))
    return engine.attach(network, container, **options)


def step(verb: engine.Verb) -> list[str]:
    """Carry out a verb in check mode, for real, and again; return its changes. For hosts on which packets go around."""
    predicted = engine.predict(verb)
    assert do(verb) == predicted
    assert do(verb) == []
    return predicted


def of_kernel(lines: list[str]) -> list[str]:
    return [line for line in lines if " endpoint of " not in line]


def routes(container: str, version: int = 4, *, proto: str = "157") -> list[str]:
    """Return the routes of a container as `ip route` prints them."""
    shown = rig.run("ip", "-n", container, f"-{version}", "route", "show", "proto", proto).stdout
    return sorted(" ".join(line.split()) for line in shown.splitlines())


def addresses(container: str, ifname: str = "eth0") -> list[tuple[str, str]]:
    """Return the addresses of an interface in the kernel's order, each with what sets it apart."""
    (link,) = json.loads(rig.run("ip", "-j", "-n", container, "address", "show", ifname).stdout)
    kinds = ("secondary", "deprecated")
    return [
        (f"{each['local']}/{each['prefixlen']}", next((kind for kind in kinds if each.get(kind)), ""))
        for each in link["addr_info"]
        if each["scope"] == "global"
    ]


def setting(container: str, path: str) -> str:
    return rig.run("cat", f"/proc/sys/{path}", netns=container).stdout.strip()


def ifindex(container: str, ifname: str = "eth0") -> int:
    return json.loads(rig.run("ip", "-j", "-n", container, "link", "show", ifname).stdout)[0]["ifindex"]


def source(container: str, target: str) -> str:
    """Return the address that a container sends from."""
    return json.loads(rig.run("ip", "-j", "-n", container, "route", "get", target).stdout)[0]["prefsrc"]


def bridged(called: int) -> None:
    """Switch on or off that frames from member to member pass the host's firewall; they do not where there is no switch."""
    for name in ("iptables", "ip6tables"):
        rig.run("sysctl", "-q", "-w", f"net.bridge.bridge-nf-call-{name}={called}", check=False)


@pytest.fixture(autouse=True)
def machine() -> None:
    for name in ("c1", "c2", "r1", "r2", "s1", "s2"):
        rig.netns(name)
    bridged(1)  # as Docker leaves it
    do(NET)


@pytest.fixture
def behind(machine) -> None:
    """Put the servers s1 and s2 behind the routers r1 and r2."""
    do(present("far", BEHIND[4], BEHIND[6], internal=True))
    for name, here, there in (("r1", ROUTER, 100), ("r2", OTHER_ROUTER, 101)):
        do(attach("net", name, ipv4=here[4], ipv6=here[6]))
        do(attach("far", name, ipv4=f"10.5.0.{there}", ipv6=f"fd00:5::{there}"))
        rig.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", netns=name)
    back = [{"destination": "default", "gateway": gateway} for gateway in ("10.5.0.100", "fd00:5::100")]
    for number, name in enumerate(("s1", "s2")):
        do(attach("far", name, ipv4=SERVERS[4][number], ipv6=SERVERS[6][number], routes=back))


def both(routers: dict[int, str] | None = None, **more: Any) -> list[dict[str, Any]]:
    """Return routes to what is behind the routers, by default the first one, over IPv4 and IPv6."""
    return [{"destination": BEHIND[version], "gateway": (routers or ROUTER)[version], **more} for version in (4, 6)]


# --- routes ---


@pytest.mark.parametrize("called", [0, 1], ids=["alone", "bridge-nf-call-iptables"])
def test_routes_lead_to_what_is_behind_a_neighbour_and_one_that_leads_nowhere_drops(behind, called):
    bridged(called)
    dropped = [{"destination": SERVERS[version][1], "type": "blackhole"} for version in (4, 6)]
    do(attach("net", "c1"), attach("net", "c2"))
    for version in (4, 6):
        rig.pings("c1", SERVERS[version][0], expect=False)
    assert step(attach("net", "c1", routes=[*both(), *dropped])) == [
        (
            "change endpoint of c1 on network net: routes [] -> [10.5.0.0/24 via 10.1.0.100, blackhole 10.5.0.3/32,"
            " fd00:5::/64 via fd00:1::100, blackhole fd00:5::3/128]"
        ),
        "add route 10.5.0.0/24 in c1",
        "add route 10.5.0.3/32 in c1",
        "add route fd00:5::/64 in c1",
        "add route fd00:5::3/128 in c1",
    ]
    do(attach("net", "c2", routes=both()))
    for version in (4, 6):
        passed, closed = SERVERS[version]
        rig.pings("c1", passed)
        rig.pings("c1", closed, expect=False)
        rig.pings("c2", closed)  # it is there


@pytest.mark.parametrize(
    ("kind", "says"), [("unreachable", "unreachable"), ("prohibit", "prohibit"), ("blackhole", "blackhole")]
)
def test_what_leads_nowhere_is_changed_in_place_to_what_leads_somewhere_and_back(behind, kind, says):
    def given(**more: Any) -> engine.Verb:
        return attach("net", "c1", routes=[{"destination": BEHIND[version], **more} for version in (4, 6)])

    passing = attach("net", "c1", routes=both())
    do(given(type=kind))
    assert [line for version in (4, 6) for line in routes("c1", version) if line.startswith(says)]
    before = ifindex("c1")
    assert of_kernel(step(passing)) == [
        f"change route 10.5.0.0/24 in c1: gateway none -> 10.1.0.100, ifname none -> eth0, type {kind} -> unicast",
        f"change route fd00:5::/64 in c1: gateway none -> fd00:1::100, ifname none -> eth0, type {kind} -> unicast",
    ]
    for version in (4, 6):
        rig.pings("c1", SERVERS[version][0])
    assert len(step(given(type=kind))) == 3
    for version in (4, 6):
        rig.pings("c1", SERVERS[version][0], expect=False)
    assert ifindex("c1") == before


def test_gateway_and_metric_are_changed_on_the_running_container(behind):
    do(attach("net", "c1", routes=both()))
    before = ifindex("c1")
    assert of_kernel(sandwich(attach("net", "c1", routes=both(OTHER_ROUTER)))) == [
        "change route 10.5.0.0/24 in c1: gateway 10.1.0.100 -> 10.1.0.101",
        "change route fd00:5::/64 in c1: gateway fd00:1::100 -> fd00:1::101",
    ]
    sandwich(attach("net", "c1", routes=both(OTHER_ROUTER, metric=50)))
    assert routes("c1")[:-1] == ["10.5.0.0/24 via 10.1.0.101 dev eth0 metric 50"]
    assert [line for line in routes("c1", 6) if "metric 50" in line]
    sandwich(attach("net", "c1", routes=[*both(), *both(OTHER_ROUTER, metric=50)]))
    assert len(routes("c1")) == len(routes("c1", 6)) == 3
    assert (ifindex("c1"), drift("net")) == (before, [])
    assert do(attach("net", "c1")) == []
    sandwich(attach("net", "c1", routes=[]))
    assert len(routes("c1")) == len(routes("c1", 6)) == 1  # the default route


def test_metric_0_of_ipv6_is_what_the_kernel_makes_of_it():
    do(attach("net", "c1", routes=[{"destination": "fd00:9::/32", "gateway": ROUTER[6]}]))
    assert do(attach("net", "c1", routes=[{"destination": "fd00:9::/32", "gateway": ROUTER[6], "metric": 1024}])) == []
    sandwich(attach("net", "c1", routes=[{"destination": "fd00:9::/32", "gateway": ROUTER[6], "metric": 1}]))
    assert [line for line in routes("c1", 6) if "fd00:9::/32" in line and "metric 1 " in line]


ALL = [*both(), {"destination": "10.9.0.0/16", "type": "blackhole"}, {"destination": "fd00:9::/32", "type": "prohibit"}]


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("ip route delete 10.5.0.0/24", ["route 10.5.0.0/24 in c1 is missing"]),
        ("ip -6 route delete fd00:5::/64", ["route fd00:5::/64 in c1 is missing"]),
        ("ip route delete blackhole 10.9.0.0/16", ["route 10.9.0.0/16 in c1 is missing"]),
        ("ip -6 route delete prohibit fd00:9::/32", ["route fd00:9::/32 in c1 is missing"]),
        (
            "ip route replace 10.5.0.0/24 via 10.1.0.7 proto 157",
            ["route 10.5.0.0/24 in c1: gateway is 10.1.0.7, not 10.1.0.100"],
        ),
    ],
)
def test_a_route_that_somebody_takes_away_is_reported_and_put_back(command, lines):
    do(attach("net", "c1", routes=ALL))
    before = engine.picture("c1")
    rig.run(*command.split(), netns="c1")
    assert drift("net") == lines
    assert do(NET) == [
        line.replace("route", "add route", 1).removesuffix(" is missing")
        if line.endswith("missing")
        else "change route 10.5.0.0/24 in c1: gateway 10.1.0.7 -> 10.1.0.100"
        for line in lines
    ]
    engine.same(engine.picture("c1"), before, "repaired")


def test_routes_go_with_the_endpoint_and_come_back_with_it():
    do(attach("net", "c1"), detach("net", "c1"))
    before = engine.picture("c1")
    do(attach("net", "c1", routes=ALL))
    there = (routes("c1"), routes("c1", 6))
    do(detach("net", "c1"))
    engine.same(engine.picture("c1"), before, "attached and detached")
    do(attach("net", "c1", routes=ALL))
    rig.run("ip", "netns", "delete", "c1")
    rig.no_veths()
    rig.netns("c1")
    do(NET)
    assert (routes("c1"), routes("c1", 6)) == there
    do(absent("net", force=True))
    assert (routes("c1"), routes("c1", 6)) == ([], [])


def test_routes_stay_when_the_address_changes():
    do(attach("net", "c1", routes=ALL))
    before = routes("c1")
    sandwich(attach("net", "c1", ipv4="10.1.0.77"))
    assert routes("c1") == before
    sandwich(attach("net", "c1", ifname="lan0"))
    assert routes("c1") == [line.replace("eth0", "lan0") for line in before]


def test_a_route_of_somebody_else_is_kept_with_a_warning():
    do(attach("net", "c1"))
    rig.run("ip", "-n", "c1", "route", "add", "10.9.0.0/16", "via", "10.1.0.7")
    before = engine.picture("c1")
    for kind, gateway in (("unicast", "10.1.0.8"), ("blackhole", None)):
        asked = {"destination": "10.9.0.0/16", "gateway": gateway, "type": kind}
        result = engine.result_of(attach("net", "c1", routes=[asked]))
        assert result.outcome.warnings == (
            "route 10.9.0.0/16 in c1: there is one already that is not ours, through 10.1.0.7; it is kept",
        )
    do(attach("net", "c1", routes=[]))
    engine.same(engine.picture("c1"), before, "asked for, refused and taken back")


def test_of_two_endpoints_only_one_gives_a_destination_at_a_metric():
    do(present("other", "10.2.0.0/24"))
    do(attach("net", "c1", routes=[{"destination": "10.9.0.0/16", "gateway": ROUTER[4]}]))
    error = refusal(attach("other", "c1", routes=[{"destination": "10.9.0.0/16", "gateway": "10.2.0.9"}]))
    assert (error.code, error.message) == (
        "option_invalid",
        (
            "routes[0].destination: c1 has 10.9.0.0/16 with metric 0 on network net already; of the same destination and"
            " metric there is one route"
        ),
    )
    do(attach("other", "c1", routes=[{"destination": "10.9.0.0/16", "gateway": "10.2.0.9", "metric": 9}]))
    assert [line for line in routes("c1") if line.startswith("10.9")] == [
        "10.9.0.0/16 via 10.1.0.100 dev eth0",
        "10.9.0.0/16 via 10.2.0.9 dev eth1 metric 9",
    ]
    sandwich(detach("net", "c1"))
    assert [line for line in routes("c1") if line.startswith("10.9")] == ["10.9.0.0/16 via 10.2.0.9 dev eth1 metric 9"]


@pytest.mark.parametrize(
    ("route", "start"),
    [
        (
            {"gateway": "10.7.0.1"},
            "routes[0].gateway: 10.7.0.1 is in no subnet that c1 has an address in on network net",
        ),
        ({"gateway": "10.1.0.2"}, "routes[0].gateway: 10.1.0.2 is the container's own address"),
    ],
)
def test_a_gateway_that_is_no_neighbour_is_refused(route, start):
    before = rig.snapshot()
    error = refusal(attach("net", "c1", routes=[{"destination": "10.9.0.0/16", **route}]))
    assert (error.code, error.message[: len(start)]) == ("option_invalid", start)
    engine.same(rig.snapshot(), before, "refused")


def test_an_address_that_is_a_gateway_of_its_own_routes_is_refused():
    do(attach("net", "c1", routes=both()))
    error = refusal(attach("net", "c1", ipv4=ROUTER[4]))
    assert (error.code, error.message.partition(";")[0]) == (
        "option_invalid",
        "routes[0].gateway: 10.1.0.100 is the container's own address",
    )


def test_a_default_route_of_its_own_replaces_the_gateway_and_the_priority_decides_still(behind):
    own = [{"destination": "default", "gateway": ROUTER[version]} for version in (4, 6)]
    do(attach("net", "c1"))
    assert of_kernel(step(attach("net", "c1", routes=own))) == [
        "change route 0.0.0.0/0 in c1: gateway 10.1.0.1 -> 10.1.0.100",
        "change route ::/0 in c1: gateway fd00:1::1 -> fd00:1::100",
    ]
    for version in (4, 6):
        rig.pings("c1", SERVERS[version][0])
    do(present("z", "10.3.0.0/24", "fd00:3::/64"), attach("z", "c1"))
    assert routes("c1") == ["default via 10.1.0.100 dev eth0"]
    do(attach("z", "c1", gw_priority=1))
    assert routes("c1") == ["default via 10.3.0.1 dev eth1"]
    do(attach("net", "c1", gw_priority=2))
    assert routes("c1") == ["default via 10.1.0.100 dev eth0"]
    do(detach("z", "c1"))
    assert of_kernel(step(attach("net", "c1", routes=[]))) == [
        "change route 0.0.0.0/0 in c1: gateway 10.1.0.100 -> 10.1.0.1",
        "change route ::/0 in c1: gateway fd00:1::100 -> fd00:1::1",
    ]


@VERSIONS
def test_a_member_of_an_internal_network_can_have_a_way_out_through_another_member(version):
    do(present("inner", "10.4.0.0/24", "fd00:4::/64", internal=True))
    gateway, target = {4: ("10.4.0.100", "10.1.0.1"), 6: ("fd00:4::100", "fd00:1::1")}[version]
    do(attach("inner", "r1", ipv4="10.4.0.100", ipv6="fd00:4::100"), attach("net", "r1"), attach("inner", "c1"))
    # Whoever leaves through a member leaves with its address.
    rig.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", netns="r1")
    rules = "table inet x { chain p { type nat hook postrouting priority 100; oifname eth1 masquerade; }; }"
    rig.run("nft", "-f", "-", netns="r1", stdin=rules)
    rig.pings("c1", target, expect=False)
    step(attach("inner", "c1", routes=[{"destination": "default", "gateway": gateway}]))
    rig.pings("c1", target)
    step(attach("inner", "c1", routes=[]))
    rig.pings("c1", target, expect=False)


def test_a_rebuilt_network_takes_those_routes_along_whose_gateway_it_still_holds():
    do(attach("net", "c1", routes=ALL))
    result = engine.result_of(present("net", "10.8.0.0/24", "fd00:1::/64", force=True))
    assert result.outcome.warnings == (
        "force: c1 loses the route 10.5.0.0/24 via 10.1.0.100: no subnet of network net holds its gateway",
    )
    assert [line for line in routes("c1") if "default" not in line] == ["blackhole 10.9.0.0/16"]
    assert drift("net") == []


# --- settings of the interface ---

MARTIANS, SHOW = "net/ipv4/conf/eth0/log_martians", "net.ipv4.conf.IFNAME.log_martians"
SETTINGS = {
    SHOW: "1",
    "net/ipv4/conf/IFNAME/arp_notify": 0,  # the driver sets it as well
    "net.ipv4.neigh.IFNAME.gc_stale_time": 77,
    "net.ipv6.conf.IFNAME.accept_ra": 2,  # and this
    "net.ipv6.neigh.IFNAME.ucast_solicit": "5",
}
VALUES = {
    MARTIANS: "1",
    "net/ipv4/conf/eth0/arp_notify": "0",
    "net/ipv4/neigh/eth0/gc_stale_time": "77",
    "net/ipv6/conf/eth0/accept_ra": "2",
    "net/ipv6/neigh/eth0/ucast_solicit": "5",
}


def test_settings_win_over_the_drivers_and_are_set_once():
    done = sandwich(attach("net", "c1", sysctls=SETTINGS))
    assert {path: setting("c1", path) for path in VALUES} == VALUES
    lines = [line.split()[2] for line in done if line.startswith("set sysctl")]
    assert len(lines) == len(set(lines))
    assert {path.replace("/", ".") for path in VALUES} <= set(lines)
    assert setting("c1", "net/ipv6/conf/eth0/disable_ipv6") == "0"
    assert drift("net") == []


def test_a_setting_that_is_dropped_goes_back_to_what_new_interfaces_get():
    rig.run("sysctl", "-qw", "net.ipv4.conf.default.log_martians=1", netns="c1")
    do(attach("net", "c1"))
    plain = {path: setting("c1", path) for path in VALUES}
    assert (plain[MARTIANS], plain["net/ipv6/conf/eth0/accept_ra"]) == ("1", "0")
    before = ifindex("c1")
    sandwich(attach("net", "c1", sysctls={**SETTINGS, SHOW: 0}))
    assert of_kernel(sandwich(attach("net", "c1", sysctls={"net.ipv4.neigh.IFNAME.gc_stale_time": 77}))) == [
        "restore sysctl net.ipv6.neigh.eth0.ucast_solicit in c1",
        "restore sysctl net.ipv4.conf.eth0.log_martians in c1",
        "set sysctl net.ipv6.conf.eth0.accept_ra in c1: value 2 -> 0",
        "set sysctl net.ipv4.conf.eth0.arp_notify in c1: value 0 -> 1",
    ]
    assert do(attach("net", "c1")) == []
    sandwich(attach("net", "c1", sysctls={}))
    assert {path: setting("c1", path) for path in VALUES} == plain
    assert ifindex("c1") == before


def test_a_setting_that_somebody_changes_is_reported_and_set_again():
    do(attach("net", "c1", sysctls=SETTINGS))
    for path in VALUES:
        rig.run("sysctl", "-qw", f"{path.replace('/', '.')}=3", netns="c1", check=False)
    assert setting("c1", MARTIANS) == "3"
    assert len(drift("net")) == len([path for path, value in VALUES.items() if setting("c1", path) != value]) > 3
    do(NET)
    assert {path: setting("c1", path) for path in VALUES} == VALUES


def test_settings_follow_the_interface_to_another_name_and_come_back_with_the_container():
    do(attach("net", "c1", sysctls={SHOW: 1}))
    do(attach("net", "c1", ifname="lan0"))
    assert setting("c1", "net/ipv4/conf/lan0/log_martians") == "1"
    rig.run("ip", "netns", "delete", "c1")
    rig.no_veths()
    rig.netns("c1")
    do(NET)
    assert setting("c1", "net/ipv4/conf/lan0/log_martians") == "1"


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("net.ipv4.conf.IFNAME.no_such", "the kernel has no such setting there"),
        ("net.ipv6.conf.IFNAME.log_martians", "the kernel has no such setting there"),
        ("net.ipv4.neigh.IFNAME.gc_interval", "the kernel has no such setting there"),
        ("net.ipv4.conf.IFNAME.mc_forwarding", "the kernel lets nobody set it there"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_touched(name, reason, runs):
    do(attach("net", "c1"))
    if not runs:
        rig.run("ip", "netns", "delete", "c1")
        rig.no_veths()
    before = rig.snapshot()
    error = refusal(attach("net", "c1", sysctls={name: 1}))
    assert (error.code, error.message) == ("option_invalid", f"sysctls.{name}: {reason}")
    engine.same(rig.snapshot(), before, "refused")


def test_a_value_that_the_kernel_refuses_leaves_all_as_it_was():
    do(attach("net", "c1"))
    before = engine.picture("c1")
    with pytest.raises(NetloomError) as caught:
        do(attach("net", "c1", sysctls={SHOW: 1, "net.ipv6.conf.IFNAME.addr_gen_mode": 99}))
    assert (caught.value.code, caught.value.message) == (
        "apply_failed",
        "cannot set sysctl net.ipv6.conf.eth0.addr_gen_mode in c1: value 0 -> 99: Invalid argument",
    )
    engine.same(engine.picture("c1"), before, "refused")


# --- further addresses ---

MORE = ("10.1.0.20", "10.1.0.10", "fd00:1::20")


def test_further_addresses_answer_and_the_first_is_the_source():
    do(attach("net", "c2"))
    done = sandwich(attach("net", "c1", secondary=MORE))
    assert [line for line in done if line.startswith("add address")] == [
        "add address 10.1.0.3/24 on eth0 in c1",
        "add address fd00:1::3/64 on eth0 in c1",
        "add address 10.1.0.10/24 on eth0 in c1",
        "add address 10.1.0.20/24 on eth0 in c1",
        "add address fd00:1::20/64 on eth0 in c1",
    ]
    for address in MORE:
        rig.pings("c2", address)
    assert (source("c1", "10.1.0.1"), source("c1", "192.0.2.1")) == ("10.1.0.3", "10.1.0.3")
    assert rig.seen_by("c2", "c1", "fd00:1::2") == "fd00:1::3"
    assert drift("net") == []


def test_they_are_added_and_removed_in_place():
    do(attach("net", "c1"))
    before, plain = ifindex("c1"), addresses("c1")
    assert of_kernel(sandwich(attach("net", "c1", secondary=MORE))) == [
        "add address 10.1.0.10/24 on eth0 in c1",
        "add address 10.1.0.20/24 on eth0 in c1",
        "add address fd00:1::20/64 on eth0 in c1",
    ]
    assert do(attach("net", "c1", secondary=MORE[::-1])) == do(attach("net", "c1")) == []
    assert of_kernel(sandwich(attach("net", "c1", secondary=MORE[1:2]))) == [
        "remove address fd00:1::20/64 on eth0 in c1",
        "remove address 10.1.0.20/24 on eth0 in c1",
    ]
    sandwich(attach("net", "c1", secondary=[]))
    assert (ifindex("c1"), addresses("c1")) == (before, plain)
    assert len(routes("c1")) == 1


@pytest.mark.parametrize("promote", [0, 1])
def test_the_first_address_changes_and_the_others_stay_behind_it(promote):
    """The kernel removes those behind it, or makes one of them the first (promote_secondaries)."""
    rig.run("sysctl", "-qw", f"net.ipv4.conf.all.promote_secondaries={promote}", netns="c1")
    do(attach("net", "c1", secondary=MORE))
    before = ifindex("c1")
    sandwich(attach("net", "c1", ipv4="10.1.0.50", ipv6="fd00:1::50"))
    assert addresses("c1")[:3] == [
        ("10.1.0.50/24", ""),
        ("10.1.0.10/24", "secondary"),
        ("10.1.0.20/24", "secondary"),
    ]
    assert sorted(addresses("c1")[3:]) == [("fd00:1::20/64", "deprecated"), ("fd00:1::50/64", "")]
    # They change places.
    sandwich(attach("net", "c1", ipv4="10.1.0.20", secondary=["10.1.0.50", "10.1.0.10", "fd00:1::20"]))
    assert addresses("c1")[:3] == [
        ("10.1.0.20/24", ""),
        ("10.1.0.10/24", "secondary"),
        ("10.1.0.50/24", "secondary"),
    ]
    assert (source("c1", "10.1.0.1"), ifindex("c1"), len(routes("c1"))) == ("10.1.0.20", before, 1)
    assert drift("net") == []


@pytest.mark.parametrize("promote", [0, 1])
@pytest.mark.parametrize("address", ["10.1.0.2/24", "10.1.0.20/24", "fd00:1::2/64", "fd00:1::20/64"])
def test_an_address_that_somebody_takes_away_is_reported_and_put_back(address, promote):
    rig.run("sysctl", "-qw", f"net.ipv4.conf.all.promote_secondaries={promote}", netns="c1")
    do(attach("net", "c1", secondary=MORE))
    before = addresses("c1")
    rig.run("ip", "-n", "c1", "address", "delete", address, "dev", "eth0")
    assert f"address {address} on eth0 in c1 is missing" in drift("net")
    do(NET)
    assert sorted(addresses("c1")) == sorted(before)
    assert addresses("c1")[:3] == before[:3]
    assert do(NET) == drift("net") == []


def test_they_are_leases_like_others():
    do(attach("net", "c1", secondary=["10.1.0.2", "10.1.0.4"]))  # the first free one is taken by itself
    assert addresses("c1")[0] == ("10.1.0.3/24", "")
    do(attach("net", "c2"))
    assert addresses("c2")[0] == ("10.1.0.5/24", "")
    for verb in (attach("net", "r1", ipv4="10.1.0.4"), attach("net", "r1", secondary=["10.1.0.4"])):
        error = refusal(verb)
        option = "ipv4_address" if "ipv4_address" in error.message else "secondary_addresses[0]"
        assert (error.code, error.message) == (
            "address_in_use",
            f"{option}: 10.1.0.4 on network net is held by c1",
        )
    do(attach("net", "c1", secondary=[]), attach("net", "r1"))
    assert addresses("r1")[0] == ("10.1.0.2/24", "")
    assert engine.inspected("net")[0]["Status"]["IPAM"]["Subnets"]["10.1.0.0/24"]["IPsInUse"] == 6


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (["10.1.0.9", "10.7.0.1"], "invalid_address", "[1]: 10.7.0.1 is not in 10.1.0.0/24 of network net"),
        (["10.1.0.1"], "address_reserved", "[0]: 10.1.0.1 is the gateway of 10.1.0.0/24"),
        (
            ["10.1.0.2"],
            "address_in_use",
            "[0]: 10.1.0.2 is the ipv4_address of c1 on network net; an address is one or the other",
        ),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(asked, code, message):
    do(attach("net", "c1"))
    before = rig.snapshot()
    error = refusal(attach("net", "c1", secondary=asked))
    assert (error.code, error.message) == (code, f"secondary_addresses{message}")
    engine.same(rig.snapshot(), before, "refused")


def test_a_further_address_does_not_become_the_first_unasked():
    do(attach("net", "c1", secondary=["10.1.0.9"]))
    error = refusal(attach("net", "c1", ipv4="10.1.0.9"))
    assert (error.code, error.message.partition(":")[0]) == ("address_in_use", "secondary_addresses")
    do(attach("net", "c1", ipv4="10.1.0.9", secondary=["10.1.0.2"]))
    assert addresses("c1")[:2] == [("10.1.0.9/24", ""), ("10.1.0.2/24", "secondary")]


def test_a_rebuilt_network_gives_new_ones_for_those_that_fit_nowhere():
    do(attach("net", "c1", secondary=MORE), attach("net", "c2"))
    sandwich(present("net", "10.8.0.0/24", "fd00:1::/64", force=True))
    assert addresses("c1")[:3] == [
        ("10.8.0.2/24", ""),
        ("10.8.0.3/24", "secondary"),
        ("10.8.0.4/24", "secondary"),
    ]
    assert sorted(addresses("c1")[3:]) == [("fd00:1::2/64", ""), ("fd00:1::20/64", "deprecated")]
    assert addresses("c2")[0] == ("10.8.0.5/24", "")
    rig.pings("c2", "10.8.0.4")


def test_they_can_be_in_another_subnet_of_the_network():
    do(present("two", "10.3.0.0/24", "10.4.0.0/24"), attach("two", "c1", secondary=["10.4.0.9", "10.4.0.8"]))
    assert addresses("c1") == [("10.3.0.2/24", ""), ("10.4.0.8/24", ""), ("10.4.0.9/24", "secondary")]
    rig.pings(None, "10.4.0.9")
    assert of_kernel(sandwich(attach("two", "c1", secondary=["10.4.0.9"]))) == [
        "remove address 10.4.0.9/24 on eth0 in c1",
        "remove address 10.4.0.8/24 on eth0 in c1",
        "add address 10.4.0.9/24 on eth0 in c1",
    ]
    assert routes("c1") == ["default via 10.3.0.1 dev eth0"]


@pytest.mark.packets
def test_port_security_allows_them_and_ports_are_published_to_the_first():
    do(attach("net", "c2"), attach("net", "c1", driver_opts=(("port_security", "true"),), secondary=MORE))
    for address in MORE:
        rig.pings("c2", address)
    do(attach("net", "c1", ports=port_specs(["8080:80"])))
    with rig.listens("c1", "10.1.0.3", 80):
        rig.connects(None, "10.1.0.1", 8080)
    rig.run("ip", "-n", "c1", "address", "add", "10.1.0.99/24", "dev", "eth0")  # not one of its own
    rig.pings("c2", "10.1.0.99", expect=False)


# --- which network gives the default route ---

THREE = {"a": 1, "b": 2, "c": 3}
OUTSIDE = {4: "192.0.2.4", 6: "2001:db8::6"}


@pytest.mark.parametrize("order", list(permutations(THREE)), ids="".join)
def test_the_priority_decides_in_whatever_order_networks_come_and_go(order):
    """What comes over a bridge with the address of another network is dropped, so a source tells the way."""
    rig.run("ip", "address", "add", f"{OUTSIDE[4]}/32", "dev", "lo")
    rig.run("ip", "address", "add", f"{OUTSIDE[6]}/128", "dev", "lo", "nodad")
    priorities = {"a": 0, "b": 5, "c": 5}
    for name, number in THREE.items():
        do(present(name, f"10.2{number}.0.0/24", f"fd00:2{number}::/64"))
    here: list[str] = []

    def is_right() -> bool:
        best = THREE[min(here, key=lambda name: (-priorities[name], name))]
        for version, prefix in ((4, f"10.2{best}.0."), (6, f"fd00:2{best}::")):
            (route,) = routes("c1", version)
            assert route.startswith(f"default via {prefix}1 dev up{best}")
            rig.pings("c1", OUTSIDE[version])
            assert rig.seen_by(None, "c1", OUTSIDE[version]) == f"{prefix}2"
        return True

    for name in order:
        do(attach(name, "c1", gw_priority=priorities[name], ifname=f"up{THREE[name]}"))
        here.append(name)
        assert is_right()
    for name in order[:-1]:
        do(detach(name, "c1"))
        here.remove(name)
        assert is_right()
    do(detach(order[-1], "c1"))
    assert routes("c1") == routes("c1", 6) == []
