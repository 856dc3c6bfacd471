# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our rules do to packets. Links are made by hand: nothing but the firewall is under test.

Every "does not arrive" stands beside an "arrives" that differs in one element of one set.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._firewall import (
    ROUTED,
    RULESET,
    Family,
    elements,
    opened,
)
from ansible_collections.netloom.containers.plugins.module_utils._kernel import firewall
from ansible_collections.netloom.containers.plugins.module_utils._model import UNPROTECTED
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element
from rig import Lan, connects, inside, lan, listens, netns, pings, run, seen_by

pytestmark = pytest.mark.packets

PORT = 7777
HOST = SimpleNamespace(execute=lambda what, function, *args, **kwargs: function(*args, **kwargs))
NAT: dict[str, Any] = {}
PLAIN = {"translate": False}  # ip_masquerade: false
OPEN = {"mode": UNPROTECTED, "translate": False}
OPENED = {"mode": ROUTED}
INTERNAL = {"internal": True}
CLOSED = {"icc": False}

NODAD = {4: (), 6: ("nodad",)}  # for ip address add

both_families = pytest.mark.parametrize("version", [4, 6])


def sysctl(path: str, value: int) -> None:
    Path("/proc/sys", path).write_text(str(value))


@pytest.fixture(params=["alone", "with Docker"])
def wire(request) -> Lan:
    """Return the LAN of a host that forwards, alone, or with what Docker leaves: br_netfilter and other tables."""
    here = lan()
    # The kernel solicits a neighbour for a packet of somebody else from a link-local address only.
    run("ip", "address", "add", "fe80::1/64", "dev", here.ifname, "nodad")
    sysctl("net/ipv4/ip_forward", 1)
    sysctl("net/ipv6/conf/all/forwarding", 1)
    for name in ("iptables", "ip6tables"):
        with contextlib.suppress(FileNotFoundError):
            sysctl(f"net/bridge/bridge-nf-call-{name}", int(request.param == "with Docker"))
    if request.param == "with Docker":
        chain = "chain forward { type filter hook forward priority 0; policy accept; ct state established accept; }"
        run("nft", "-f", "-", stdin=f"table ip filter {{ {chain}\n}}\ntable inet other {{ {chain}\n}}\n")
    firewall.apply(HOST, [Change(None, RULESET)])
    return here


def addresses(network: int, member: int) -> dict[int, str]:
    return {4: f"10.{network}.0.{member}", 6: f"fd00:{network}::{member}"}


def treatment(network: int, *, internal: bool = False, icc: bool = True, **family: Any) -> list[Element]:
    """Return what the firewall is told of a network; `family` are the fields of `Family`, the same for both."""
    both = dict.fromkeys((4, 6), Family(**family))
    return [*elements(f"br{network}", both, internal=internal, icc=icc)]


def treat(network: int, **options: Any) -> None:
    """Have the firewall treat a network like this, whatever it did before; one transaction."""
    ifname = f"br{network}"
    before = [item for item in firewall.table() if ifname in getattr(item, "value", ())]
    after = treatment(network, **options)
    removed = [Change(item, None) for item in before if item not in after]
    changes = removed + [Change(None, item) for item in after if item not in before]
    if changes:
        firewall.apply(HOST, changes)


def bridge(network: int, members: int = 1, isolated: bool = False, **options: Any) -> None:
    """Make the bridge br<network> with members c<network>1, c<network>2, each with a default route."""
    treat(network, **options)
    run("ip", "link", "add", f"br{network}", "address", f"02:00:00:00:0{network}:01", "type", "bridge")
    gateways = addresses(network, 1)
    run("ip", "address", "add", f"{gateways[4]}/24", "dev", f"br{network}")
    run("ip", "address", "add", f"{gateways[6]}/64", "dev", f"br{network}", "nodad")
    run("ip", "link", "set", f"br{network}", "up")
    for number in range(1, members + 1):
        name = netns(f"c{network}{number}")
        port = f"v{network}{number}"
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", port, "master", f"br{network}")
        run("ip", "link", "set", port, "type", "bridge_slave", "isolated", "on" if isolated else "off")
        run("ip", "link", "set", port, "up")
        run("ip", "link", "set", "eth0", "up", netns=name)
        for version, address in addresses(network, 10 + number).items():
            length = {4: 24, 6: 64}[version]
            run("ip", "address", "add", f"{address}/{length}", "dev", "eth0", *NODAD[version], netns=name)
            run("ip", f"-{version}", "route", "add", "default", "via", gateways[version], netns=name)


def datagram(sender: str | None, receiver: str | None, to: str, expect: bool, source: str = "") -> str:
    """Assert that a datagram arrives, or that it does not; return the address that it came from.

    One way only: no answer is needed, so what is dropped was dropped on this way.
    """
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with inside(receiver):
        target = socket.socket(family, socket.SOCK_DGRAM)
    with inside(sender):
        origin = socket.socket(family, socket.SOCK_DGRAM)
    with target, origin:
        target.bind((to, PORT))
        target.settimeout(1 if expect else 0.4)
        if source:
            origin.bind((source, 0))
        for _attempt in range(3 if expect else 1):
            origin.sendto(b"x", (to, PORT))
            with contextlib.suppress(socket.timeout):
                came_from = target.recvfrom(1)[1][0]
                assert expect, f"a datagram from {source or sender} to {to} arrived"
                return came_from
    assert not expect, f"no datagram from {source or sender} to {to} arrived"
    return ""


def route_to(network: int, wire: Lan) -> None:
    """Give the neighbour on the LAN a route to a network, through the host."""
    run("ip", "route", "add", f"10.{network}.0.0/24", "via", wire.host, netns=wire.netns)
    run("ip", "-6", "route", "add", f"fd00:{network}::/64", "via", wire.host6, netns=wire.netns)


def neighbour(wire: Lan) -> dict[int, str]:
    return {4: wire.neighbour, 6: wire.neighbour6}


def own(wire: Lan) -> dict[int, str]:
    return {4: wire.host, 6: wire.host6}


@both_families
def test_members_reach_the_outside_under_the_address_of_the_host(wire, version):
    bridge(1, **NAT)
    outside = neighbour(wire)[version]
    pings("c11", outside)  # it has no route to the member
    assert seen_by(wire.netns, "c11", outside) == own(wire)[version]
    treat(1, **OPEN)
    pings("c11", outside, expect=False)


@both_families
def test_members_of_a_network_see_the_address_of_each_other(wire, version):
    bridge(1, members=2, **NAT)
    assert seen_by("c12", "c11", addresses(1, 12)[version]) == addresses(1, 11)[version]
    pings("c11", addresses(1, 1)[version])


@both_families
@pytest.mark.parametrize("options", [NAT, OPEN, CLOSED], ids=["nat", "open", "closed"])
def test_networks_do_not_reach_each_other(wire, version, options):
    bridge(1, **options)
    bridge(2, **OPEN)
    target = addresses(2, 11)[version]
    datagram("c11", "c21", target, expect=False)
    datagram("c21", "c11", addresses(1, 11)[version], expect=False)
    pings("c11", addresses(1, 1)[version])
    firewall.apply(HOST, [Change(item, None) for item in treatment(2, **OPEN)])
    datagram("c11", "c21", target, expect=True)


@both_families
def test_members_of_an_internal_network_reach_each_other_and_their_gateway(wire, version):
    bridge(1, members=2, **INTERNAL)
    connection = addresses(1, 12)[version]
    assert seen_by("c12", "c11", connection) == addresses(1, 11)[version]
    pings("c11", addresses(1, 1)[version])
    pings(None, addresses(1, 11)[version])


@both_families
def test_an_internal_network_has_no_way_out(wire, version):
    bridge(1, **INTERNAL)
    datagram("c11", wire.netns, neighbour(wire)[version], expect=False)
    treat(1, **OPEN)
    datagram("c11", wire.netns, neighbour(wire)[version], expect=True)


@both_families
def test_an_internal_network_has_no_way_in(wire, version):
    bridge(1, **INTERNAL)
    route_to(1, wire)
    datagram(wire.netns, "c11", addresses(1, 11)[version], expect=False)
    treat(1, **OPEN)
    datagram(wire.netns, "c11", addresses(1, 11)[version], expect=True)


@both_families
def test_an_internal_network_reaches_no_other_address_of_the_host(wire, version):
    bridge(1, **INTERNAL)
    bridge(2, **NAT)
    for address in (own(wire)[version], addresses(2, 1)[version]):
        datagram("c11", None, address, expect=False)
    datagram("c11", None, addresses(1, 1)[version], expect=True)
    treat(1, **OPEN)
    datagram("c11", None, own(wire)[version], expect=True)


@both_families
def test_the_host_opens_connections_to_an_internal_network_from_any_of_its_addresses(wire, version):
    bridge(1, **INTERNAL)
    target = addresses(1, 11)[version]
    pings(None, target)  # an advertisement is untracked: it is let in to the gateway's address only
    run("ping", "-c1", "-W2", "-I", own(wire)[version], target)


@both_families
def test_members_of_a_closed_network_do_not_reach_each_other(wire, version):
    bridge(1, members=2, isolated=True, **CLOSED)
    target = addresses(1, 12)[version]
    datagram("c11", "c12", target, expect=False)
    pings("c11", addresses(1, 1)[version])
    pings("c11", neighbour(wire)[version])
    for port in ("v11", "v12"):
        run("ip", "link", "set", port, "type", "bridge_slave", "isolated", "off")
    treat(1, **NAT)
    datagram("c11", "c12", target, expect=True)


@both_families
def test_members_of_a_closed_network_do_not_reach_each_other_through_the_gateway(wire, version):
    bridge(1, members=2, isolated=True, **CLOSED)
    target = addresses(1, 12)[version]
    run("ip", f"-{version}", "route", "add", target, "via", addresses(1, 1)[version], netns="c11")
    datagram("c11", "c12", target, expect=False)
    treat(1, **NAT)  # the ports stay isolated: the packet can only have gone through the gateway
    datagram("c11", "c12", target, expect=True)


@both_families
@pytest.mark.parametrize("options", [NAT, OPEN, INTERNAL], ids=["nat", "open", "internal"])
def test_a_member_cannot_send_from_an_address_outside_its_subnet(wire, version, options):
    bridge(1, **options)
    bridge(2, **NAT)
    forged = {4: "203.0.113.5", 6: "2001:db8:5::5"}[version]
    for address in (forged, addresses(2, 99)[version], own(wire)[version]):
        run("ip", "address", "add", address, "dev", "lo", *NODAD[version], netns="c11")
        datagram("c11", None, addresses(1, 1)[version], source=address, expect=False)
    datagram("c11", None, addresses(1, 1)[version], source=addresses(1, 11)[version], expect=True)
    treat(1, check_sources=False, **options)
    datagram("c11", None, addresses(1, 1)[version], source=forged, expect=True)


@both_families
def test_no_forged_source_leaves_the_host(wire, version):
    bridge(1, **NAT)
    forged = {4: "203.0.113.5", 6: "2001:db8:5::5"}[version]
    run("ip", "address", "add", forged, "dev", "lo", *NODAD[version], netns="c11")
    datagram("c11", wire.netns, neighbour(wire)[version], source=forged, expect=False)
    datagram("c11", wire.netns, neighbour(wire)[version], expect=True)


def test_no_forged_source_speaks_to_a_group_that_the_host_is_in(wire):
    bridge(1, **NAT)
    forged = "2001:db8:5::5"
    run("ip", "address", "add", forged, "dev", "lo", "nodad", netns="c11")
    group = "ff02::1%eth0"  # all nodes
    with inside("c11"):
        senders = {
            source: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for source in (forged, addresses(1, 11)[6])
        }
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as host:
        host.bind(("::", PORT))
        host.settimeout(1)
        for source, sender in senders.items():
            stack.enter_context(sender).bind((source, 0))
            with inside("c11"):
                sender.sendto(b"x", (group, PORT))
        assert host.recvfrom(1)[1][0] == addresses(1, 11)[6]  # sent after the forged one


def test_a_member_finds_out_that_the_gateway_holds_an_address_already(wire):
    bridge(1, **NAT)
    run("ip", "address", "add", f"{addresses(1, 1)[6]}/64", "dev", "eth0", netns="c11")
    for _attempt in range(40):
        if "dadfailed" in run("ip", "-6", "address", "show", "dev", "eth0", netns="c11").stdout:
            return
        run("sleep", "0.1")
    pytest.fail("duplicate address detection did not reach the bridge")


def test_a_member_without_an_address_reaches_a_dhcp_server_on_the_bridge(wire):
    bridge(1, **INTERNAL)
    run("ip", "-4", "address", "flush", "dev", "eth0", netns="c11")
    with inside("c11"):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 67))
        server.settimeout(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.bind(("0.0.0.0", 68))
        client.sendto(b"x", ("255.255.255.255", 67))
        assert server.recvfrom(1) == (b"x", ("0.0.0.0", 68))


def test_members_reach_the_link_local_address_of_the_gateway(wire):
    bridge(1, **INTERNAL)
    words: list = []
    for _attempt in range(50):  # the bridge gets it some time after it came up
        words = run("ip", "-6", "-o", "address", "show", "dev", "br1", "scope", "link", "-tentative").stdout.split()
        if words:
            break
        run("sleep", "0.1")
    pings("c11", words[words.index("inet6") + 1].split("/")[0] + "%eth0")


def test_members_of_a_network_whose_bridge_has_no_address_reach_each_other(wire):
    bridge(1, members=2, check_sources=False, **NAT)
    run("ip", "address", "flush", "dev", "br1")
    pings("c11", addresses(1, 12)[4])
    pings("c11", addresses(1, 12)[6])


@both_families
def test_a_neighbour_with_a_route_reaches_no_member_of_a_masqueraded_network(wire, version):
    bridge(1, **NAT)
    route_to(1, wire)
    target = addresses(1, 11)[version]
    datagram(wire.netns, "c11", target, expect=False)
    with listens("c11", target, PORT):
        connects(wire.netns, target, PORT, expect=False)
        pings("c11", neighbour(wire)[version])
        treat(1, **OPEN)
        connects(wire.netns, target, PORT)


@both_families
def test_who_keeps_the_addresses_of_members_opens_nothing(wire, version):
    bridge(1, **PLAIN)
    route_to(1, wire)
    target = addresses(1, 11)[version]
    datagram(wire.netns, "c11", target, expect=False)
    pings(wire.netns, target, expect=False)
    assert seen_by(wire.netns, "c11", neighbour(wire)[version]) == target
    treat(1, **OPEN)
    datagram(wire.netns, "c11", target, expect=True)
    pings(wire.netns, target)


@both_families
def test_a_neighbour_with_a_route_reaches_what_a_routed_network_opens_and_pings_its_members(wire, version):
    bridge(1, members=2, **OPENED)
    route_to(1, wire)
    target = addresses(1, 11)[version]
    pings(wire.netns, target)
    datagram(wire.netns, "c11", target, expect=False)
    opening = opened("udp", (target, PORT))
    firewall.apply(HOST, [Change(None, opening)])
    datagram(wire.netns, "c11", target, expect=True)
    datagram(wire.netns, "c12", addresses(1, 12)[version], expect=False)
    with listens("c11", target, PORT):
        connects(wire.netns, target, PORT, expect=False)
        connects("c12", target, PORT)
    firewall.apply(HOST, [Change(opening, None)])
    datagram(wire.netns, "c11", target, expect=False)
    treat(1, **NAT)
    pings(wire.netns, target, expect=False)


@both_families
def test_what_a_routed_network_opens_is_not_open_to_other_networks(wire, version):
    bridge(1, **OPENED)
    bridge(2, **NAT)
    target = addresses(1, 11)[version]
    firewall.apply(HOST, [Change(None, opened("udp", (target, PORT)))])
    datagram("c21", "c11", target, expect=False)
    firewall.apply(HOST, [Change(item, None) for item in treatment(2, **NAT)])
    datagram("c21", "c11", target, expect=True)


@both_families
def test_members_leave_under_the_address_that_they_are_given(wire, version):
    bridge(1, **NAT)
    bridge(2, **NAT)
    source = {4: "198.51.100.9", 6: "2001:db8:ffff::9"}[version]
    length = {4: 24, 6: 64}[version]
    run("ip", "address", "add", f"{source}/{length}", "dev", wire.ifname, "preferred_lft", "0", *NODAD[version])
    outside = neighbour(wire)[version]
    assert seen_by(wire.netns, "c11", outside) == own(wire)[version]
    firewall.apply(HOST, [Change(None, Element(f"sources{version}", ("br1",), (source,)))])
    assert seen_by(wire.netns, "c11", outside) == source
    assert seen_by(wire.netns, "c21", outside) == own(wire)[version]


def test_members_do_not_reach_the_loopback_of_the_host_whatever_others_have_set(wire):
    bridge(1, **NAT)
    sysctl("net/ipv4/conf/all/route_localnet", 1)
    run("ip", "netns", "exec", "c11", "sysctl", "-q", "-w", "net.ipv4.conf.all.route_localnet=1")
    run("ip", "address", "flush", "dev", "lo", netns="c11")
    run("ip", "route", "add", "127.0.0.1", "via", addresses(1, 1)[4], netns="c11")
    datagram("c11", None, "127.0.0.1", expect=False)
    run("nft", "flush", "chain", "inet", "netloom", "prerouting")
    datagram("c11", None, "127.0.0.1", expect=True)


@both_families
@pytest.mark.parametrize("where", ["neighbour", "host"])
def test_open_connections_end_when_a_network_becomes_internal(wire, version, where):
    bridge(1, **NAT)
    place, address = {"neighbour": (wire.netns, neighbour(wire)), "host": (None, own(wire))}[where]
    with listens(place, address[version], PORT) as listener:
        with inside("c11"):
            client = socket.create_connection((address[version], PORT), timeout=3)
        server, _peer = listener.accept()
    with client, server:
        server.settimeout(0.5)
        client.sendall(b"a")
        assert server.recv(1) == b"a"
        treat(1, **INTERNAL)
        client.sendall(b"b")
        with pytest.raises(socket.timeout):
            server.recv(1)
        treat(1, **NAT)
        server.settimeout(10)
        assert server.recv(1) == b"b"  # sent again by TCP


@both_families
def test_replacing_a_damaged_table_keeps_open_connections(wire, version):
    bridge(1, **NAT)
    with listens(wire.netns, neighbour(wire)[version], PORT) as listener:
        with inside("c11"):
            client = socket.create_connection((neighbour(wire)[version], PORT), timeout=3)
        server, _peer = listener.accept()
    with client, server:
        server.settimeout(5)
        run("nft", "flush", "chain", "inet", "netloom", "postrouting")
        firewall.apply(HOST, [Change(firewall.table()[0], RULESET)])
        client.sendall(b"a")
        assert server.recv(1) == b"a"
        client.settimeout(5)
        server.sendall(b"b")
        assert client.recv(1) == b"b"
    pings("c11", neighbour(wire)[version])
