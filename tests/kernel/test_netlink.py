# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read over netlink, against `ip` and the files; what is sent, against pyroute2; and how much of both."""

from __future__ import annotations

import errno
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel import devconf, messages, netlink, netns
from ansible_collections.netloom.containers.plugins.module_utils._kernel.wire import Message, Wire
from ansible_collections.netloom.containers.plugins.module_utils._model import HOST
from ansible_collections.netloom.containers.plugins.module_utils._resources import Route
from engine import absent, do, present
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

TEN = [f"c{number}" for number in range(10)]
MAC, OTHER_MAC = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


@pytest.fixture
def wire() -> Wire:
    """Return a socket in a host with a bridge br0, its isolated port v0 (other end v1), and addresses."""
    for command in (
        f"link add br0 address {MAC} type bridge",
        f"link add v0 address {OTHER_MAC} mtu 1400 type veth peer name v1",
        "link set v0 master br0 alias netloom:net/12ab",
        "link set v0 type bridge_slave isolated on",
        "address add 10.1.0.1/24 dev br0",
        "address add 10.1.0.2/24 dev br0",
        "address add fd00:1::1/64 dev br0 nodad",
        "link set br0 up",
        "link set v0 up",
        "link set v1 up",
        "route add 10.2.0.0/16 via 10.1.0.9 metric 7 proto 157",
        "route add default via 10.1.0.9",
        "route add blackhole 10.3.0.0/16",
        "route add 10.4.0.0/16 dev br0 table 99",
        "-6 route add default via fd00:1::9 dev br0",
    ):
        rig.run("ip", *command.split())
    return Wire()


def shown(*words: str) -> list[dict[str, Any]]:
    return json.loads(rig.run("ip", "-j", "-d", *words).stdout)


# --- what is read ---


@pytest.mark.parametrize("name", ["lo", "br0", "v0", "v1"])
def test_a_link_is_what_ip_shows(wire, name):
    (expected,) = shown("link", "show", "dev", name)
    indexes = {each["ifname"]: each["ifindex"] for each in shown("link")}
    info = expected.get("linkinfo", {})
    found = netlink.link(wire, name)
    assert found is not None
    assert found[:10] == (
        expected["ifindex"],
        name,
        info.get("info_kind", ""),
        found.flags,
        expected["mtu"],
        expected["address"],
        expected.get("ifalias", ""),
        indexes.get(expected.get("master", ""), 0),
        indexes.get(expected.get("link", ""), 0),
        info.get("info_slave_data", {}).get("isolated", False),
    )
    assert bool(found.flags & 1) == ("UP" in expected["flags"])


def test_all_links_are_listed_or_those_of_a_kind(wire):
    assert [link.name for link in netlink.links(wire)] == [each["ifname"] for each in shown("link")]
    assert [link.name for link in netlink.links(wire, "bridge")] == ["br0"]
    assert netlink.link(wire, "nobody") is None


@pytest.mark.parametrize("name", ["lo", "br0", "v0"])
def test_settings_that_come_with_a_link_are_those_of_the_files(wire, name):
    changed = {"br0": ("ipv6", "accept_ra", "0"), "v0": ("ipv4", "arp_notify", "1"), "lo": ("ipv6", "autoconf", "0")}
    protocol, setting, value = changed[name]
    Path(f"/proc/sys/net/{protocol}/conf/{name}/{setting}").write_text(value)
    link = netlink.link(wire, name)
    assert link is not None
    names = {"ipv4": devconf._INET, "ipv6": devconf._INET6}
    paths = [f"net/{protocol}/conf/{name}/{each}" for protocol, each_name in names.items() for each in each_name]
    files = {path: Path("/proc/sys", path).read_text().strip() for path in paths}
    assert {path: devconf.setting(link, path) for path in paths} == files


def test_a_link_too_small_for_ipv6_has_no_settings_for_it(wire):
    rig.run("ip", "link", "set", "v1", "mtu", "1000")
    link = netlink.link(wire, "v1")
    assert link is not None
    assert devconf.setting(link, "net/ipv6/conf/v1/disable_ipv6") is None
    assert not Path("/proc/sys/net/ipv6/conf/v1").exists()


@pytest.mark.parametrize("version", [4, 6])
def test_addresses_are_what_ip_shows(wire, version):
    (link,) = shown(f"-{version}", "address", "show", "dev", "br0")
    found = netlink.addresses(wire, link["ifindex"], version)
    expected = [(ip_address(each["local"]).packed, each["prefixlen"]) for each in link["addr_info"] if each]
    assert [(each.address, each.prefixlen) for each in found] == expected


def test_all_addresses_are_what_ip_shows(wire):
    expected = {
        (link["ifindex"], ip_address(each["local"]).packed, each["prefixlen"])
        for link in shown("address")
        for each in link["addr_info"]
    }
    assert {each[:3] for each in netlink.all_addresses(wire)} == expected


@pytest.mark.parametrize("version", [4, 6])
def test_routes_are_what_ip_shows(wire, version):
    indexes = {each["ifname"]: each["ifindex"] for each in shown("link")}
    listed = shown(f"-{version}", "-N", "route", "show", "type", "1")
    expected = {
        (
            ip_interface(each["dst"]).ip.packed if each["dst"] != "default" else b"",
            ip_interface(each["dst"]).network.prefixlen if each["dst"] != "default" else 0,
            ip_address(each["gateway"]).packed if "gateway" in each else b"",
            indexes[each["dev"]],
            int(each["protocol"]),
            each.get("metric", 0),
        )
        for each in listed
    }
    found = netlink.routes(wire, version, netlink.RT_TABLE_MAIN)
    assert {each[:6] for each in found} == expected
    assert {each.kind for each in found} == {netlink.RTN_UNICAST}
    assert len(netlink.routes(wire, 4)) == len(netlink.routes(wire, 4, netlink.RT_TABLE_MAIN)) + 1


def test_a_namespace_without_routes_has_none():
    rig.run("ip", "netns", "add", "empty")
    with rig.inside("empty"):
        wire = Wire()
    assert netlink.routes(wire, 4, netlink.RT_TABLE_MAIN) == []
    wire.close()


def test_what_others_send_to_the_socket_is_no_answer(wire):
    netlink.link(wire, "lo")  # the socket has an address from its first request on
    wire._sequence = 41
    forged = struct.pack("=IHHIIi", 36, 2, 0, 42, 0, -errno.EPERM) + bytes(16)  # NLMSG_ERROR, to the next request
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as other:
        other.sendto(forged, wire.socket.getsockname())
    wire.change(messages.set_up(socket.if_nametoindex("v0"), up=False))
    (link,) = shown("link", "show", "dev", "v0")
    assert "UP" not in link["flags"]


# --- what is sent ---


def decoded(kind: Callable[..., Any], message: Message) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the attributes of a message as pyroute2 reads them."""
    found = kind(bytearray((16 + len(message.body)).to_bytes(4, sys.byteorder) + bytes(12) + message.body))
    found.decode()
    header = {name: found[name] for name in ("family", "index", "flags", "prefixlen", "dst_len") if name in found}
    return header, _values(found["attrs"])


def _values(attributes: Any) -> dict[str, Any]:
    return {
        each[0]: _values(each[1]["attrs"]) if isinstance(each[1], dict) and "attrs" in each[1] else each[1]
        for each in attributes
    }


@pytest.mark.parametrize(("name", "peer", "number"), [("veth0123456789a", "eth0", 7), ("v", "a-name-of-fifte", 900)])
def test_a_veth_pair_is_described_as_pyroute2_would(name, peer, number):
    _header, found = decoded(ifinfmsg, messages.new_veth(name, MAC, 1400 + number, number, (peer, 5, OTHER_MAC)))
    other = found["IFLA_LINKINFO"]["IFLA_INFO_DATA"]["VETH_INFO_PEER"]
    assert (found["IFLA_IFNAME"].rstrip("\0"), found["IFLA_ADDRESS"]) == (name, MAC)
    assert (found["IFLA_MTU"], found["IFLA_MASTER"]) == (1400 + number, number)
    assert found["IFLA_LINKINFO"]["IFLA_INFO_KIND"] == "veth"
    assert (other["IFLA_IFNAME"].rstrip("\0"), other["IFLA_ADDRESS"]) == (peer, OTHER_MAC)
    assert (other["IFLA_MTU"], other["IFLA_NET_NS_FD"]) == (1400 + number, 5)


@pytest.mark.parametrize("alias", ["netloom:a/1", "netloom:a-longer-name/123456789abc", ""])
def test_settings_of_a_link_are_described_as_pyroute2_would(alias):
    header, found = decoded(ifinfmsg, messages.set_link(3, alias=alias, mtu=1400, master=8, address=MAC))
    assert header["index"] == 3
    expected = {"IFLA_MTU": 1400, "IFLA_MASTER": 8, "IFLA_ADDRESS": MAC, "IFLA_IFALIAS": alias}
    assert found == expected


@pytest.mark.parametrize("text", ["10.1.2.3/24", "172.16.0.0/31", "fd00::5/64"])
def test_an_address_is_described_as_pyroute2_would(text):
    interface = ip_interface(text)
    header, found = decoded(ifaddrmsg, messages.address(300, interface, present=True))
    assert (header["index"], header["prefixlen"]) == (300, interface.network.prefixlen)
    assert ip_interface(f"{found['IFA_LOCAL']}/{header['prefixlen']}") == interface
    assert found.get("IFA_BROADCAST") == ("10.1.2.255" if text == "10.1.2.3/24" else None)


@pytest.mark.parametrize("metric", [0, 7])
@pytest.mark.parametrize(
    ("destination", "gateway"), [("0.0.0.0/0", "10.1.0.9"), ("10.9.0.0/16", "10.1.0.9"), ("::/0", "fd00:1::9")]
)
def test_a_route_is_made_and_removed(wire, destination, gateway, metric):
    rig.run("ip", "route", "flush", "proto", "boot", check=False)
    rig.run("ip", "-6", "route", "flush", "default", check=False)
    index = socket.if_nametoindex("br0")
    version = ip_address(gateway).version
    route = Route("", destination, gateway, "br0", metric)
    before = netlink.routes(wire, version, netlink.RT_TABLE_MAIN)
    wire.change(messages.route(route, index, 157, present=True))
    (new,) = set(netlink.routes(wire, version, netlink.RT_TABLE_MAIN)) - set(before)
    assert (new.gateway, new.oif, new.protocol) == (ip_address(gateway).packed, index, 157)
    assert new.metric == (metric or {4: 0, 6: netlink.IP6_RT_PRIO_USER}[version])
    wire.change(messages.route(route, index, 157, present=False))
    assert netlink.routes(wire, version, netlink.RT_TABLE_MAIN) == before
    header, _found = decoded(rtmsg, messages.route(route, index, 157, present=True))
    assert header["dst_len"] == int(destination.partition("/")[2])


@pytest.mark.parametrize("destination", ["10.9.0.0/16", "fd00:9::/32"])
@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_route_that_leads_nowhere_is_made_and_removed(wire, destination, kind):
    version = 6 if ":" in destination else 4
    route = Route("", destination, "", "", 5, kind)
    kinds = tuple(netlink.ROUTE_TYPES)
    before = set(netlink.routes(wire, version, 254, kinds=kinds))
    wire.change(messages.route(route, 0, 157, present=True))
    assert f"{kind} {destination}" in rig.run("ip", f"-{version}", "route", "show", "proto", 157).stdout
    (ours,) = set(netlink.routes(wire, version, 254, kinds=kinds)) - before
    assert (netlink.ROUTE_TYPES[ours.kind], ours.metric, ours.protocol) == (kind, 5, 157)
    wire.change(messages.route(route, 0, 157, present=False))
    assert set(netlink.routes(wire, version, 254, kinds=kinds)) == before


def test_a_setting_is_changed_over_netlink(wire):
    wire.change(messages.set_inet(socket.if_nametoindex("v0"), devconf.settable("net/ipv4/conf/v0/arp_notify"), 1))
    assert Path("/proc/sys/net/ipv4/conf/v0/arp_notify").read_text() == "1\n"


def test_a_refusal_has_the_words_of_the_kernel(wire):
    index = socket.if_nametoindex("br0")
    message = messages.route(Route("", "10.9.0.0/16", "192.0.2.1", "br0"), index, 157, present=True)
    with engine.Host(rig.STATE_DIR) as host, pytest.raises(NetloomError) as caught:
        host.execute("add route 10.9.0.0/16", host.netlink(HOST).change, message)
    wanted = "cannot add route 10.9.0.0/16: Network is unreachable (Nexthop has invalid gateway)"
    assert caught.value.message == wanted


# --- how much ---


@pytest.fixture
def entries(monkeypatch) -> list[int]:
    """Return a list that grows by one each time a namespace is entered; coming back does not count."""
    seen: list[int] = []
    enter = netns.in_namespace

    def counted(fd: int, *home: int) -> Any:
        seen.append(fd)
        return enter(fd, *home)

    monkeypatch.setattr(netns, "in_namespace", counted)
    return seen


@pytest.fixture
def ten() -> None:
    for name in TEN:
        rig.netns(name)


def test_ten_attachments_take_nine_effects_and_two_visits_each(ten, entries):
    do(present("net", "10.1.0.0/24"))
    effects = engine.recorded(present("net", connected=TEN))
    assert len(effects) == 2 + 10 * 9  # the intent, the completion, and what each needs
    assert len(entries) == 10 * 2  # to open it, and for its settings


def test_a_second_run_has_no_effect_and_visits_each_once(ten, entries):
    do(present("net", "10.1.0.0/24", connected=TEN))
    entries.clear()
    assert engine.recorded(present("net", connected=TEN)) == []
    assert len(entries) == 10


def test_members_of_a_new_bridge_are_up_before_it():
    rig.netns("c1")
    changes = do(present("net", "10.1.0.0/24", connected=["c1"]))
    up = [line.split()[2] for line in changes if line.startswith("bring up")]
    assert up[-1] == engine.bridge("net")
    assert len(up) == 3


# --- the library ---


def driven(*arguments: str, prelude: str = "", then: str = "") -> subprocess.CompletedProcess:
    """Run the driving script in a Python of its own, with code before and after it."""
    folder = str(Path(__file__).parent)
    script = f"import sys\nsys.path.insert(0, {folder!r})\n{prelude}\nimport drive\ndrive.main()\n{then}"
    return rig.run(sys.executable, "-c", script, *arguments, check=False)


def test_only_who_changes_something_imports_the_library_and_only_its_messages():
    rig.netns("c1")
    hook = "names = []\nsys.addaudithook(lambda event, about: event == 'import' and names.append(about[0]))"
    then = "print(*sorted({name for name in names if name.split('.')[0] == 'pyroute2'}))"
    first, second = (driven("network=net", "attach=net/c1", prelude=hook, then=then) for _run in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    imported = first.stdout.splitlines()[-1].split()
    assert "pyroute2.netlink.rtnl.rtmsg" in imported
    assert len(imported) < 40
    assert second.stdout.splitlines()[-1] == ""


def test_the_library_is_whole_for_who_imports_it_afterwards():
    script = "import look\nfrom ansible_collections.netloom.containers.plugins.module_utils._kernel import templates\n"
    script += "classes = templates.library()\nimport pyroute2\nprint(pyroute2.IPRoute, pyroute2.netlink.NLM_F_ACK)"
    done = rig.run(sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{script}")
    assert "IPRoute" in done.stdout


def test_without_the_library_nothing_is_touched_and_what_is_right_is_right():
    hidden = "sys.modules['pyroute2'] = None"
    look = "import drive\nwith drive.Host('/var/lib/netloom') as host:\n"
    look += "    drive.networks.network_present(host, drive.NetworkSpec('net'), dry_run=True)"
    before = engine.picture()
    for prelude in (hidden, f"{hidden}\n{look}"):
        done = driven("network=net", prelude=prelude)
        assert "NetloomError: the target needs the Python library pyroute2, 0.7.2 or later" in done.stderr
        engine.same(engine.picture(), before, "without pyroute2")
    do(present("net"))
    assert driven("network=net", prelude=f"{hidden}\n{look}").returncode == 0
    do(absent("net"))


def test_with_few_descriptors_sockets_are_closed_and_opened_again(ten):
    do(present("net", "10.1.0.0/24", connected=TEN))
    rig.run("ip", "link", "delete", engine.bridge("net"))
    few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (36, 36))"  # 9 sockets, and 11 places
    done = driven("network=net", prelude=few)
    assert done.returncode == 0, done.stderr
    assert engine.predict(present("net")) == []
