# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6: networks with it, with nothing else, and without it; routers that advertise themselves; IPv6 switched off."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from engine import absent, attach, detach, do, present, refusal, sandwich

ICMPV6_HOPS = 255  # RFC 4861, section 6.1.2: others are discarded
PREFIX = "2001:db8:aaaa::"


def sysctl(path: str, value: int | None = None, netns: str | None = None) -> int:
    with rig.inside(netns):
        file = Path("/proc/sys", path)
        if value is not None:
            file.write_text(str(value))
        return int(file.read_text())


def advertise(netns: str | None, ifname: str, *, prefix: bool = False) -> None:
    """Send a router advertisement (RFC 4861, section 4.2) for half an hour, with a prefix for everybody's own addresses."""
    option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + socket.inet_pton(socket.AF_INET6, PREFIX)
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + (option if prefix else b"")
    with rig.inside(netns):
        index = socket.if_nametoindex(ifname)
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as packets:
            packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ICMPV6_HOPS)
            packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            packets.sendto(message, ("ff02::1", 0, 0, index))


def learnt(netns: str | None = None) -> list[str]:
    """Return the interfaces of the default routes that routers have advertised."""
    routes = json.loads(rig.run("ip", "-j", "-6", "route", "show", "default", "proto", "ra", netns=netns).stdout)
    return [route["dev"] for route in routes]


def addresses(netns: str | None, ifname: str, *options: str) -> list[str]:
    links = json.loads(rig.run("ip", "-j", *options, "address", "show", ifname, netns=netns).stdout)
    return [each["local"] for link in links for each in link.get("addr_info", ())]


@pytest.fixture
def advertised() -> rig.Lan:
    """Return a LAN whose only way out for IPv6 is the one that the neighbour advertises."""
    lan = rig.lan()
    sysctl("net/ipv6/conf/all/forwarding", 0)
    rig.run("ip", "-6", "route", "delete", "default")
    rig.run("ip", "address", "add", "fe80::1/64", "dev", lan.ifname, "nodad")
    rig.run("ip", "address", "add", "fe80::2/64", "dev", "eth0", "nodad", netns=lan.netns)
    sysctl(f"net/ipv6/conf/{lan.ifname}/accept_ra", 1)
    advertise(lan.netns, "eth0")
    rig.until(learnt)
    for place, address in ((None, lan.neighbour), (None, lan.neighbour6), (lan.netns, lan.host)):
        rig.pings(place, address)  # routes of a link come in a moment after it is up
    return lan


# --- routers' advertisements ---


def test_a_default_route_that_a_router_advertises_is_kept_when_forwarding_is_switched_on(advertised):
    setting = f"net/ipv6/conf/{advertised.ifname}/accept_ra"
    before = engine.picture()
    changes = sandwich(present("net", "fd00:1::/64", enable_ipv4=False))
    forwarding = changes.index("set sysctl net.ipv6.conf.all.forwarding: value 0 -> 1")
    assert changes.index(f"set sysctl net.ipv6.conf.{advertised.ifname}.accept_ra: value 1 -> 2") < forwarding
    assert learnt() == [advertised.ifname]
    do(present("other", enable_ipv6=True), absent("net"))
    assert (sysctl(setting), learnt()) == (2, [advertised.ifname])
    rig.run("ip", "-6", "route", "flush", "proto", "ra")
    advertise(advertised.netns, "eth0")
    rig.until(learnt)  # what is advertised from now on is heard as well
    assert sandwich(absent("other"))
    assert sysctl(setting) == 1
    assert learnt() == [advertised.ifname]
    engine.same(engine.picture(), before, "made and removed")


def test_forwarding_alone_would_have_cost_the_host_its_default_route(advertised):
    sysctl("net/ipv6/conf/all/forwarding", 1)
    assert learnt() == []


def test_an_internal_network_neither_forwards_nor_touches_the_hosts_uplinks(advertised):
    do(present("net", "fd00:1::/64", enable_ipv4=False, internal=True))
    assert sysctl("net/ipv6/conf/all/forwarding") == 0
    assert sysctl(f"net/ipv6/conf/{advertised.ifname}/accept_ra") == 1
    assert sandwich(present("net", internal=False))
    assert sysctl(f"net/ipv6/conf/{advertised.ifname}/accept_ra") == 2
    assert learnt() == [advertised.ifname]


def test_a_member_is_no_router_to_other_members():
    for name in ("c1", "c2"):
        rig.netns(name)
    do(present("net", "fd00:1::/64", enable_ipv4=False), attach("net", "c1"), attach("net", "c2"))
    for name in ("c1", "c2"):  # what is not from a link-local address is no advertisement
        rig.until(
            lambda name=name: rig.run("ip", "-6", "address", "show", "scope", "link", "-tentative", netns=name).stdout
        )
    advertise("c2", "eth0", prefix=True)
    rig.run("sleep", "0.5")
    assert learnt("c1") == []
    assert not [each for each in addresses("c1", "eth0") if each.startswith("2001:db8:aaaa:")]
    sysctl("net/ipv6/conf/eth0/accept_ra", 1, netns="c1")
    advertise("c2", "eth0", prefix=True)
    rig.until(lambda: [each for each in addresses("c1", "eth0") if each.startswith("2001:db8:aaaa:")])


# --- subnets of our choice ---


def test_a_network_that_asks_for_ipv6_gets_the_same_subnet_each_time():
    assert sandwich(present("net", enable_ipv6=True))
    (_ipv4, pool) = engine.result_of(present("net")).network.pools
    assert (pool.subnet.prefixlen, pool.subnet.network_address.packed[0]) == (64, 0xFD)
    do(present("other", enable_ipv6=True))
    assert engine.result_of(present("other")).network.pools[1].subnet != pool.subnet
    do(absent("net"), absent("other"))
    do(present("net", enable_ipv6=True))
    assert engine.result_of(present("net")).network.pools[1] == pool


def test_ipv6_is_added_and_removed_in_place():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"), attach("net", "c1"))
    assert sandwich(present("net", enable_ipv6=True))
    assert sandwich(present("net", "10.1.0.0/24")) == []  # the subnet was our choice, and is not asked to go
    assert sandwich(attach("net", "c1"))
    (address,) = [each for each in addresses("c1", "eth0", "-6") if each.startswith("fd")]
    rig.pings(None, address)
    assert refusal(present("net", enable_ipv6=False)).code == "network_exists_different"
    do(detach("net", "c1"))
    assert sandwich(present("net", enable_ipv6=False))
    assert addresses(None, engine.bridge("net"), "-6") == []


def test_a_network_with_ipv6_only_has_no_ipv4_at_all():
    lan = rig.lan()
    rig.netns("c1")
    do(present("net", enable_ipv6=True, enable_ipv4=False), attach("net", "c1", ports=port_specs(["8080:80"])))
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
    assert addresses("c1", "eth0", "-4") == addresses(None, engine.bridge("net"), "-4") == []
    assert "ipv4 ." not in rig.run("nft", "list", "ruleset").stdout
    rig.pings("c1", lan.neighbour6)
    with rig.listens("c1", "::", 80):
        rig.connects(lan.netns, lan.host6, 8080)
        rig.connects(lan.netns, lan.host6, 80, expect=False)


def test_a_network_without_ipv6_has_none_at_all():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"), attach("net", "c1"))
    rig.pings("c1", "10.1.0.1")
    host_end = engine.result_of(attach("net", "c1")).endpoint.host_ifname
    assert addresses("c1", "eth0", "-6") == addresses(None, engine.bridge("net"), "-6") == []
    assert addresses(None, host_end, "-6") == []
    assert "ipv6 ." not in rig.run("nft", "list", "ruleset").stdout
    assert sysctl("net/ipv6/conf/all/forwarding") == 0


def test_an_address_is_usable_at_once():
    for name in ("c1", "c2"):
        rig.netns(name)
    do(present("net", "fd00:1::/64", enable_ipv4=False), attach("net", "c1"), attach("net", "c2"))
    # Without an IPv4 address to derive it from, a MAC is made up: not the one that the host's end of the pair has.
    for address in ("fd00:1::3", "fd00:1::1"):
        assert rig.run("ping", "-n", "-c1", "-W1", address, netns="c1").returncode == 0


# --- IPv6 switched off ---


@pytest.fixture
def silenced() -> str:
    """Return a container that has been told to have no IPv6."""
    name = rig.netns("c1")
    rig.run("ip", "netns", "exec", name, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
    return name


def test_a_container_without_ipv6_gets_ipv4_alone_and_is_told_so(silenced):
    do(present("net", "10.1.0.0/24", "fd00:1::/64"))
    assert sandwich(attach("net", silenced))
    result = engine.result_of(attach("net", silenced))
    assert result.endpoint.ipv6 is None
    assert result.outcome.warnings == (
        "container: c1 has IPv6 switched off (net.ipv6.conf.all.disable_ipv6); its endpoint on network net has IPv4 only",
    )
    assert addresses(silenced, "eth0") == ["10.1.0.2"]
    rig.netns("c2")
    do(attach("net", "c2"))
    assert "fd00:1::2" in addresses("c2", "eth0")  # nobody has it


def test_a_container_without_ipv6_cannot_have_what_needs_it(silenced):
    do(present("net", "10.1.0.0/24", "fd00:1::/64"), present("six", "fd00:2::/64", enable_ipv4=False))
    before = rig.snapshot()
    error = refusal(attach("net", silenced, ipv6="fd00:1::9"))
    assert error.code == "kernel_unsupported"
    assert error.message == "ipv6_address: c1 has IPv6 switched off (net.ipv6.conf.all.disable_ipv6)"
    error = refusal(attach("six", silenced))
    assert error.code == "kernel_unsupported"
    assert error.message.endswith("and network six has no IPv4")
    engine.same(rig.snapshot(), before, "refused")


def test_a_container_that_switches_ipv6_on_again_gets_its_address(silenced):
    do(present("net", "10.1.0.0/24", "fd00:1::/64"), attach("net", silenced))
    rig.pings(silenced, "10.1.0.1")
    rig.run("ip", "netns", "exec", silenced, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=0")
    assert sandwich(attach("net", silenced))
    rig.pings(silenced, "fd00:1::1")


def test_a_kernel_without_ipv6_is_told_before_anything_is_touched():
    rig.run("mount", "-t", "tmpfs", "none", "/proc/sys/net/ipv6")
    error = refusal(present("net", enable_ipv6=True))
    assert error.code == "kernel_unsupported"
    assert error.message.startswith("enable_ipv6: this kernel has no IPv6")
    assert not Path(rig.STATE_DIR).exists()
