# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port security: a member sends from its own addresses only, and answers for no others. Each frame is made by hand.

Every frame that is dropped stands beside the same frame of a member without port security, which arrives.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Iterator

import engine
import pytest
import rig
from engine import absent, attach, detach, do, present, sandwich

pytestmark = pytest.mark.packets

SECURE = (("port_security", "true"),)
BROADCAST = b"\xff" * 6
MACS = {"c1": "02:42:0a:01:00:02", "c2": "02:42:0a:01:00:03", "c3": "02:42:0a:01:00:04"}
IPV4 = {"c1": "10.1.0.2", "c2": "10.1.0.3", "c3": "10.1.0.4"}
IPV6 = {"c1": "fd00:1::2", "c2": "fd00:1::3", "c3": "fd00:1::4"}
LINK_LOCAL = "fe80::42:aff:fe01:2"  # of c1


@pytest.fixture(params=["alone", "with br_netfilter"])
def members(request) -> None:
    """Make a network with the members c1, which has port security, c2 and c3."""
    for name in MACS:
        rig.netns(name)
    called = int(request.param == "with br_netfilter")
    for name in ("iptables", "ip6tables"):
        rig.run("sysctl", "-q", "-w", f"net.bridge.bridge-nf-call-{name}={called}", check=False)
    do(present("net", "10.1.0.0/24", "fd00:1::/64"))
    do(attach("net", "c1", driver_opts=SECURE), attach("net", "c2"), attach("net", "c3"))


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source: str, kind: int, payload: bytes, target: str = "") -> bytes:
    return (mac(target) if target else BROADCAST) + mac(source) + struct.pack("!H", kind) + payload


def arp(source: str, sender_mac: str, sender: str, target: str, operation: int = 1) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac(sender_mac) + ip(sender) + bytes(6) + ip(target)
    return ethernet(source, 0x0806, body)


def udp(source: str, sender: str, target: str, port: int = 7777) -> bytes:
    datagram = struct.pack("!HHHH", port, port, 8, 0)
    if ":" in sender:
        header = struct.pack("!IHBB", 6 << 28, len(datagram), socket.IPPROTO_UDP, 64) + ip(sender) + ip(target)
        return ethernet(source, 0x86DD, header + datagram)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0) + ip(sender) + ip(target)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return ethernet(source, 0x0800, header + datagram)


def icmpv6(source: str, sender: str, message: bytes, target: str = "ff02::1") -> bytes:
    pseudo = ip(sender) + ip(target) + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255) + ip(sender) + ip(target)
    return ethernet(source, 0x86DD, header + message)


def advert(source: str, sender: str, target: str) -> bytes:
    return icmpv6(source, sender, struct.pack("!BBHI", 136, 0, 0, 0x20000000) + ip(target) + b"\2\1" + mac(source))


def solicit(source: str, target: str) -> bytes:
    return icmpv6(source, "::", struct.pack("!BBHI", 135, 0, 0, 0) + ip(target))


def router(source: str, sender: str) -> bytes:
    return icmpv6(source, sender, struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0))


@contextlib.contextmanager
def packets(netns: str) -> Iterator[socket.socket]:
    with rig.inside(netns):
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        found.bind(("eth0", 3))
    with found:
        yield found


def arrives(sender: str, frame: bytes) -> bool:
    """Return whether a frame that a member sends arrives at c3. A frame that always does says when to stop looking."""
    end = udp(MACS[sender], IPV4[sender], IPV4["c3"], port=9999)
    with packets("c3") as target, packets(sender) as origin:
        target.settimeout(3)
        origin.send(frame)
        origin.send(end)
        seen = []
        while end not in seen:
            seen.append(target.recv(2000)[: max(len(frame), len(end))])
        return any(each[: len(frame)] == frame for each in seen)


def forgeries(me: str, other: str) -> dict[str, bytes]:
    """Return frames that nobody should send."""
    own, stranger = MACS[me], "02:00:00:00:00:66"
    return {
        "a MAC of nobody": udp(stranger, IPV4[me], IPV4["c3"]),
        "the MAC of another": udp(MACS[other], IPV4[me], IPV4["c3"]),
        "the IPv4 address of another": udp(own, IPV4[other], IPV4["c3"]),
        "an IPv4 address of the outside": udp(own, "203.0.113.7", IPV4["c3"]),
        "no IPv4 address": udp(own, "0.0.0.0", IPV4["c3"]),
        "the IPv6 address of another": udp(own, IPV6[other], IPV6["c3"]),
        "an IPv6 address of nobody": udp(own, "fd00:1::99", IPV6["c3"]),
        "another link-local address": udp(own, "fe80::1", IPV6["c3"]),
        "an ARP answer for another": arp(own, own, IPV4[other], IPV4["c3"], operation=2),
        "an ARP request as another": arp(own, own, IPV4[other], IPV4["c3"]),
        "an ARP answer for the gateway": arp(own, own, "10.1.0.1", IPV4["c3"], operation=2),
        "an ARP answer with the MAC of another": arp(own, MACS[other], IPV4[me], IPV4["c3"], operation=2),
        "an advertisement for another": advert(own, IPV6[me], IPV6[other]),
        "an advertisement for the gateway": advert(own, IPV6[me], "fd00:1::1"),
        "an advertisement for another, link-local": advert(own, IPV6[me], "fe80::42:aff:fe01:3"),
        "an advertisement of both halves": advert(own, IPV6[me], "fd00:1::42:aff:fe01:2"),
        "an advertisement as a router": router(own, IPV6[me]),
        "another protocol": ethernet(own, 0x88CC, b"x" * 50),
    }


HONEST = {
    "IPv4": udp(MACS["c1"], IPV4["c1"], IPV4["c3"]),
    "IPv6": udp(MACS["c1"], IPV6["c1"], IPV6["c3"]),
    "link-local": udp(MACS["c1"], LINK_LOCAL, IPV6["c3"]),
    "an ARP request": arp(MACS["c1"], MACS["c1"], IPV4["c1"], IPV4["c3"]),
    "an ARP answer": arp(MACS["c1"], MACS["c1"], IPV4["c1"], IPV4["c3"], operation=2),
    "an ARP probe": arp(MACS["c1"], MACS["c1"], "0.0.0.0", IPV4["c1"]),
    "an advertisement": advert(MACS["c1"], IPV6["c1"], IPV6["c1"]),
    "an advertisement, link-local": advert(MACS["c1"], LINK_LOCAL, LINK_LOCAL),
    "duplicate address detection": solicit(MACS["c1"], IPV6["c1"]),
    "DHCP": udp(MACS["c1"], "0.0.0.0", "255.255.255.255", port=67),
}


@pytest.mark.parametrize("what", forgeries("c1", "c2"))
def test_a_member_with_port_security_cannot_send(members, what):
    assert not arrives("c1", forgeries("c1", "c2")[what])


@pytest.mark.parametrize("what", [name for name in forgeries("c2", "c1") if name != "an IPv4 address of the outside"])
def test_a_member_without_it_can_send(what):
    for name in MACS:
        rig.netns(name)
    for name in ("iptables", "ip6tables"):  # with it, the host's own check of sources sees frames as well
        rig.run("sysctl", "-q", "-w", f"net.bridge.bridge-nf-call-{name}=0", check=False)
    do(present("net", "10.1.0.0/24", "fd00:1::/64"))
    do(attach("net", "c1"), attach("net", "c2"), attach("net", "c3"))
    assert arrives("c2", forgeries("c2", "c1")[what])


@pytest.mark.parametrize("what", HONEST)
def test_a_member_with_port_security_can_send_what_is_its_own(members, what):
    assert arrives("c1", HONEST[what])


def test_a_member_with_port_security_reaches_and_is_reached(members):
    for name in ("c1", "c2"):
        rig.run("ip", "neighbour", "flush", "all", netns=name)
    for version in (IPV4, IPV6):
        rig.pings("c1", version["c2"])
        rig.pings("c2", version["c1"])
        rig.pings(None, version["c1"])
    rig.pings("c1", "10.1.0.1")
    rig.pings("c1", "fd00:1::1")


def test_what_is_secured_follows_a_changed_address(members):
    assert sandwich(attach("net", "c1", ipv4="10.1.0.50", ipv6="fd00:1::50"))
    assert arrives("c2", udp(MACS["c2"], IPV4["c2"], IPV4["c3"]))
    with packets("c3") as target, packets("c1") as origin:
        target.settimeout(3)
        old, new = (udp(MACS["c1"], address, IPV4["c3"], port=99) for address in (IPV4["c1"], "10.1.0.50"))
        origin.send(old)
        origin.send(new)
        seen = [target.recv(2000)[: len(new)]]
        while new not in seen:
            seen.append(target.recv(2000)[: len(new)])
        assert old not in seen
    rig.pings("c1", "fd00:1::3")


def test_port_security_is_switched_on_and_off_on_a_live_member_and_leaves_nothing():
    for name in MACS:
        rig.netns(name)
    do(present("net", "10.1.0.0/24", "fd00:1::/64"), attach("net", "c1"), attach("net", "c2"), attach("net", "c3"))
    before = rig.run("nft", "list", "ruleset").stdout
    forged = forgeries("c1", "c2")["an ARP answer for another"]
    assert arrives("c1", forged)
    changes = sandwich(attach("net", "c1", driver_opts=SECURE))
    assert changes[0] == "change endpoint of c1 on network net: driver_opts {} -> {port_security: true}"
    assert changes[1] == "create firewall table bridge netloom"
    assert not arrives("c1", forged)
    assert sandwich(attach("net", "c2", driver_opts=SECURE))
    assert sandwich(attach("net", "c1", driver_opts=()))
    assert arrives("c1", forged)
    assert not arrives("c2", forgeries("c2", "c1")["an ARP answer for another"])
    assert sandwich(detach("net", "c2"))
    assert rig.run("nft", "list", "ruleset").stdout == before
    do(absent("net", force=True))
    assert rig.run("nft", "list", "ruleset").stdout == ""


def test_a_flushed_table_is_reported_and_repaired(members):
    rig.run("nft", "flush", "ruleset")
    assert "firewall table bridge netloom is missing" in engine.drift("net")
    assert arrives("c1", forgeries("c1", "c2")["an ARP answer for another"])
    assert sandwich(present("net"))
    assert not arrives("c1", forgeries("c1", "c2")["an ARP answer for another"])
    assert engine.drift("net") == []


def test_attaching_somebody_else_repairs_what_was_flushed_for_all(members):
    rig.run("nft", "flush", "ruleset")
    do(attach("net", "c2", driver_opts=SECURE))
    assert not arrives("c1", forgeries("c1", "c2")["an ARP answer for another"])


def test_other_bridges_of_the_host_are_let_alone(members):
    for name, address in (("d1", "192.0.2.1"), ("d2", "192.0.2.2")):
        rig.netns(name)
        rig.run("ip", "link", "add", f"p{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        rig.run("ip", "address", "add", f"{address}/24", "dev", "eth0", netns=name)
        rig.run("ip", "link", "set", "eth0", "up", netns=name)
    rig.run("ip", "link", "add", "other", "type", "bridge")
    for ifname in ("other", "pd1", "pd2"):
        rig.run("ip", "link", "set", ifname, "up")
    for ifname in ("pd1", "pd2"):
        rig.run("ip", "link", "set", ifname, "master", "other")
    rig.pings("d1", "192.0.2.2")
    rules = json.loads(rig.run("nft", "-j", "list", "table", "bridge", "netloom").stdout)
    assert "pd1" not in json.dumps(rules)
