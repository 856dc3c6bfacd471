# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts with one network: what crosses the wire between them, what does not, and who is not heard."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import rig

pytestmark = [pytest.mark.hosts, pytest.mark.packets]
HERE = Path(__file__).parent
VNI, PORT, INNER_PORT = 42, 4789, 7777
SUBNET, SUBNET6 = "10.1.0.0/16", "fd00:1::/64"
ETH_P_ALL, ETH_P_ARP = 3, 0x0806
BROADCAST = b"\xff" * 6


class Site:
    """One of the hosts; the `number`-th has its share of the network's addresses, and the member c1."""

    def __init__(self, host: rig.Host, number: int):
        self.host, self.number = host, number
        self.underlay, self.underlay6 = f"203.0.113.{number}", f"2001:db8:77::{number}"
        self.member, self.member6 = f"10.1.{number}.0", f"fd00:1::{number}:0"
        self.switched_on()

    def switched_on(self) -> None:
        """Have what a host has after it was switched on: the second address underneath, and a container."""
        self.host.run("ip", "address", "add", f"{self.underlay6}/64", "dev", "eth0", "nodad")
        self.host.run("ip", "netns", "add", "c1")
        self.host.run("ip", "-n", "c1", "link", "set", "lo", "up")

    def drive(self, *asked: str) -> list[dict[str, Any]]:
        return json.loads(self.host.run(sys.executable, "-B", HERE / "drive.py", *asked).stdout)

    def make(self, peers: list[str], *, vni: int = VNI, **options: Any) -> list[str]:
        """Make the network what is said, with c1 on it; return the changes. Nothing is left to do."""
        ranges = [(SUBNET, f"10.1.{self.number}.0/24"), (SUBNET6, f"fd00:1::{self.number}:0/112")]
        asked = {"subnets": ranges, "options": {"vni": vni, "peers": peers, **options}}
        made = self.drive(f"overlay=net/{json.dumps(asked)}", "attach=net/c1", f"overlay=net/{json.dumps(asked)}")
        assert (made[-1]["changes"], made[-1]["drift"]) == ([], [])
        return [*made[0]["changes"], *made[1]["changes"]]

    @contextlib.contextmanager
    def inside(self, netns: str | None = None) -> Iterator[None]:
        """Be in the network namespace of the host, or of a container of it."""
        root = f"/proc/{self.host.pid}"
        with rig.inside(None), contextlib.ExitStack() as stack:
            home = stack.enter_context(open("/proc/thread-self/ns/net"))
            stack.callback(lambda: rig._enter(f"/proc/self/fd/{home.fileno()}"))
            rig._enter(f"{root}/root/run/netns/{netns}" if netns else f"{root}/ns/net")
            yield

    def run(self, *command: object, check: bool = True) -> str:
        return self.host.run(*command, check=check).stdout

    def pings(self, address: str, *options: str, expect: bool = True, netns: str = "c1") -> None:
        """Assert that an address answers a container, or does not."""
        ping = ("ip", "netns", "exec", netns, "ping", "-n", "-q", "-c1", "-W1", *options, address)
        answered = any(not self.host.run(*ping, check=False).returncode for _attempt in range(4 if expect else 1))
        assert answered == expect, (
            f"{address} {'answers' if answered else 'does not answer'} {netns} of {self.underlay}"
        )

    def device(self) -> str:
        (link,) = json.loads(self.run("ip", "-j", "link", "show", "type", "vxlan"))
        return link["ifname"]


def peers(*sites: Site) -> list[str]:
    return [site.underlay for site in sites]


@pytest.fixture(scope="module")
def sites(new_host) -> list[Site]:
    return [Site(new_host(f"203.0.113.{number}/24"), number) for number in (1, 2, 3)]


@pytest.fixture
def joined(sites) -> list[Site]:
    """Return the hosts, on one network."""
    for site in sites:
        site.make(peers(*sites))
    return sites


# --- members reach each other ---


def test_members_of_all_hosts_reach_each_other_over_both_ip_versions(joined):
    for site in joined:
        for other in joined:
            if other is not site:
                site.pings(other.member)
                site.pings(other.member6)


def test_a_gigabyte_crosses(joined):
    one, two = joined[:2]
    with two.inside("c1"):
        listener = socket.create_server(("", 5000))
    with one.inside("c1"):
        sender = socket.create_connection((two.member, 5000), timeout=20)
    receiver, _peer = listener.accept()
    with listener, sender, receiver:
        receiver.settimeout(20)
        chunk, left = bytes(1 << 20), 1 << 30
        sender.setblocking(False)
        received = 0
        while received < 1 << 30:
            with contextlib.suppress(BlockingIOError):
                left -= sender.send(chunk[: min(left, len(chunk))]) if left else 0
            received += len(receiver.recv(1 << 20))
    assert received == 1 << 30


@pytest.mark.parametrize(("over", "fits"), [("underlay", 1450), ("underlay6", 1430)])
def test_the_largest_packet_that_fits_arrives_whole_and_no_larger_one_leaves(sites, over, fits):
    for site in sites:
        site.make([getattr(each, over) for each in sites])
    one, two = sites[:2]
    links = json.loads(one.run("ip", "-j", "link")) + json.loads(one.run("ip", "-j", "-n", "c1", "link"))
    ours = [link for link in links if link["ifname"][:4] in ("vx-" + one.device()[3], "br-" + one.device()[3], "veth")]
    assert {link["mtu"] for link in [*ours, *(link for link in links if link["ifname"] == "eth0")]} == {1500, fits}
    assert [link["mtu"] for link in ours] == [fits] * 3
    one.pings(two.member, "-M", "do", "-s", str(fits - 28))  # 20 of IPv4, 8 of ICMP
    one.pings(two.member, "-M", "do", "-s", str(fits - 27), expect=False)
    one.pings(two.member6, "-M", "do", "-s", str(fits - 48))
    one.pings(two.member6, "-M", "do", "-s", str(fits - 47), expect=False)


def test_a_smaller_underlay_loses_what_a_larger_one_carried(joined):
    """The positive control of the test above: it does tell an MTU that is too large."""
    one, two = joined[:2]
    for site in (one, two):
        site.run("ip", "link", "set", "eth0", "mtu", "1400")
    try:
        one.pings(two.member, "-M", "do", "-s", "1322")  # 1350, and 50
        assert "drift" in one.drive("network=net")[0]
        assert any("takes packets of 1400 bytes" in line for line in one.drive("network=net")[0]["drift"])
    finally:
        for site in (one, two):
            site.run("ip", "link", "set", "eth0", "mtu", "1500")


# --- the gateway that all hosts have ---


def test_each_member_leaves_by_its_own_host(joined):
    one, two, three = joined
    with three.inside():
        listener = socket.create_server(("", 5001))
    with listener:
        listener.settimeout(5)
        for site in (one, two):
            with site.inside("c1"):
                socket.create_connection((three.underlay, 5001), timeout=5).close()
            connection, source = listener.accept()
            connection.close()
            assert source[0] == site.underlay


def test_the_gateway_answers_from_its_own_host_only_and_no_host_hears_its_own_address(joined):
    one, two = joined[:2]
    kernel_log = one.host.run("dmesg").stdout
    for site in (one, two):
        bridge = f"br-{site.device()[3:]}"
        gateway = json.loads(site.run("ip", "-j", "link", "show", bridge))[0]["address"]
        assert len(_answers(site, "10.1.0.1")) == 1
        assert _answers(site, "10.1.0.1") == [gateway]
        for _attempt in range(3):
            site.run("ip", "netns", "exec", "c1", "ip", "neighbour", "flush", "dev", "eth0")
            site.pings("10.1.0.1")
            site.pings("fd00:1::1")
        # What the host itself asks for does not get out, so that nobody takes its gateway to be here.
        site.host.run("ping", "-c1", "-W1", "10.1.3.0", check=False)
        site.host.run("ping", "-c1", "-W1", "fd00:1::3:0", check=False)
    for site in joined:
        learned = site.run("bridge", "fdb", "show", "dev", site.device())
        assert gateway not in learned
    assert "received packet" not in one.host.run("dmesg").stdout.removeprefix(kernel_log)


def test_without_the_table_the_gateways_of_all_hosts_answer(joined):
    """The positive control of the test above."""
    one, two = joined[:2]
    two.run("nft", "delete", "table", "bridge", "netloom")
    one.run("nft", "delete", "table", "bridge", "netloom")
    assert len(_answers(one, "10.1.0.1")) > 1
    for site in (one, two):
        site.drive("network=net")


def _answers(site: Site, address: str, seconds: float = 0.6) -> list[str]:
    """Return the MACs in the answers to one ARP request of c1's."""
    with site.inside("c1"):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
        wire.bind(("eth0", ETH_P_ARP))
    with wire:
        mac = wire.getsockname()[4]
        question = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ip_address(site.member).packed
        wire.send(BROADCAST + mac + struct.pack("!H", ETH_P_ARP) + question + bytes(6) + ip_address(address).packed)
        found = []
        for frame in _frames(wire, seconds):
            if frame[20:22] == b"\0\2" and frame[28:32] == ip_address(address).packed:
                found.append(frame[22:28].hex(":"))
    return found


def _frames(wire: socket.socket, seconds: float) -> Iterator[bytes]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        wire.settimeout(max(0.01, deadline - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            yield wire.recv(65536)


# --- who is heard ---


def test_a_peer_that_is_taken_off_the_list_is_neither_heard_nor_sent_to(joined):
    one, two, three = joined
    for site in (two, three):
        one.pings(site.member)
    changes = one.make(peers(one, two))
    assert f"remove peer {three.underlay} of {one.device()}" in changes
    one.pings(two.member)
    with _heard(one, "eth0") as heard:
        one.pings(three.member, expect=False)
        three.pings(one.member, expect=False)
        frames = [*_frames(heard, 0.2)]
    assert [frame for frame in frames if _is_vxlan(frame, three.underlay)]  # it does send
    assert not [frame for frame in frames if _is_vxlan(frame, one.underlay) and frame[30:34] == _packed(three)]
    assert three.underlay not in one.run("bridge", "fdb", "show", "dev", one.device())
    two.pings(three.member)  # they have not been told
    one.make(peers(*joined))
    one.pings(three.member)
    three.pings(one.member)


def _packed(site: Site) -> bytes:
    return ip_address(site.underlay).packed


@contextlib.contextmanager
def _heard(site: Site, ifname: str) -> Iterator[socket.socket]:
    with site.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        wire.bind((ifname, ETH_P_ALL))
    with wire:
        yield wire


def _is_vxlan(frame: bytes, source: str) -> bool:
    return frame[12:14] == b"\x08\0" and frame[26:30] == ip_address(source).packed and frame[36:38] == b"\x12\xb5"


def _forged(target: Site, *, vni: int = VNI, reserved: int = 0) -> bytes:
    """Return a VXLAN payload: a datagram to c1 of `target`, from a member that there is not."""
    with target.inside("c1"), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        mac = wire.getsockname()[4]
    datagram = struct.pack("!HHHH", INNER_PORT, INNER_PORT, 8, 0)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0)
    header += ip_address("10.1.9.9").packed + ip_address(target.member).packed
    total = sum(struct.unpack("!10H", header))
    header = header[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + header[12:]
    frame = mac + bytes.fromhex("020000000909") + b"\x08\0" + header + datagram
    return struct.pack("!II", 0x08000000 | reserved, vni << 8) + frame


def _arrives(target: Site, sender: Site, payload: bytes, *, version: int = 4, port: int = PORT) -> bool:
    """Return whether a datagram of a host reaches c1 of another as if from a member."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with target.inside("c1"):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((target.member, INNER_PORT))
    with sender.inside():
        wire = socket.socket(family, socket.SOCK_DGRAM)
    with receiver, wire:
        receiver.settimeout(0.5)
        wire.sendto(payload, (target.underlay if version == 4 else target.underlay6, port))
        try:
            receiver.recv(1)
        except TimeoutError:
            return False
        return True


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_stranger_sends_as_vxlan_is_dropped_and_the_same_of_a_peer_is_not(sites, version):
    one, two, three = sites
    name = "underlay" if version == 4 else "underlay6"
    one.make([getattr(site, name) for site in (one, two)])
    assert _arrives(one, two, _forged(one), version=version)
    assert not _arrives(one, three, _forged(one), version=version)
    assert not _arrives(one, three, _forged(one, reserved=1), version=version)  # what would dodge the hash of the VNI
    family = "ip" if version == 4 else "ip6"
    one.run("nft", "delete", "table", family, "netloom")
    assert _arrives(one, three, _forged(one), version=version)  # so that it was the table
    one.drive("network=net")
    assert not _arrives(one, three, _forged(one), version=version)


def test_a_peer_of_another_network_of_the_host_is_a_stranger_to_this_one(sites):
    one, two, three = sites
    one.make(peers(one, two))
    asked = {"subnets": [("10.2.0.0/24", "10.2.0.0/24")], "options": {"vni": 43, "peers": peers(one, three)}}
    one.drive(f"overlay=other/{json.dumps(asked)}")
    assert _arrives(one, two, _forged(one))
    assert not _arrives(one, three, _forged(one))
    one.drive("absent=other")


def test_vxlan_of_somebody_else_at_the_same_port_is_let_alone(joined):
    one, two = joined[:2]
    for site, other in ((one, two), (two, one)):
        kind = ("type", "vxlan", "id", "99", "dstport", PORT, "local", site.underlay, "remote", other.underlay)
        site.run("ip", "link", "add", "theirs", *kind)
        site.run("ip", "address", "add", f"192.0.2.{site.number}/24", "dev", "theirs")
        site.run("ip", "link", "set", "theirs", "up")
    try:
        assert one.host.run("ping", "-c1", "-W2", "192.0.2.2", check=False).returncode == 0
        # The mark that its packets are told by is gone from those that pass.
        one.run(
            "nft",
            "add table netdev look; add chain netdev look in { type filter hook ingress device theirs"
            " priority 0; }; add rule netdev look in meta mark != 0 counter",
        )
        assert one.host.run("ping", "-c1", "-W2", "192.0.2.2", check=False).returncode == 0
        assert "counter packets 0" in one.run("nft", "list", "table", "netdev", "look")
    finally:
        one.run("nft", "delete", "table", "netdev", "look", check=False)
        for site in (one, two):
            site.run("ip", "link", "delete", "theirs")


def test_frames_of_the_gateways_mac_are_not_let_in_from_another_host(joined):
    one, two = joined[:2]
    bridge = f"br-{one.device()[3:]}"
    gateway = json.loads(one.run("ip", "-j", "link", "show", bridge))[0]["address"]
    payload = _forged(one)
    from_gateway = payload[:14] + bytes.fromhex(gateway.replace(":", "")) + payload[20:]
    assert _arrives(one, two, payload)
    assert not _arrives(one, two, from_gateway)


# --- without learning ---


def test_without_learning_nothing_is_asked_across_the_wire(sites):
    one, two, three = sites
    known = []
    macs = {}
    for site in (one, two):
        site.make(peers(one, two))
    for site in (one, two):
        (link,) = json.loads(site.run("ip", "-j", "-n", "c1", "link", "show", "eth0"))
        macs[site] = link["address"]
        known += [f"{site.member}@{site.underlay}", f"{site.member6}={macs[site]}@{site.underlay}"]
    for site in (one, two):
        site.make(peers(one, two), learning=False, endpoints=known)
        site.run("ip", "-n", "c1", "neighbour", "flush", "dev", "eth0")
    with _heard(two, "eth0") as wire:
        one.pings(two.member)
        two.pings(one.member6)
        one.pings("10.1.2.77", expect=False)
        inner = [frame[50:] for frame in _frames(wire, 0.3) if _is_vxlan(frame, one.underlay)]
    assert inner  # the pings
    targets = {frame[:6].hex(":") for frame in inner}
    assert targets == {macs[two]}
    assert ETH_P_ARP not in {int.from_bytes(frame[12:14], "big") for frame in inner}
    assert not [frame for frame in inner if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] in (135, 136)]


# --- a host goes and comes back ---


def test_a_host_that_loses_power_stops_no_other_and_comes_back(joined):
    one, two, three = joined
    two.host.stop()
    try:
        one.pings(three.member)
        one.pings(two.member, expect=False)
        assert one.drive("network=net")[0]["drift"] == []
    finally:
        two.host.start()
        two.switched_on()
    made = two.make(peers(*joined))
    assert any(line.startswith("create VXLAN interface") for line in made)
    one.pings(two.member)
    two.pings(three.member)
    assert two.drive("network=net")[0]["drift"] == []


def test_a_host_has_nothing_left_of_it_when_it_leaves(sites):
    one, two = sites[:2]
    one.drive("detach=net/c1", "absent=net")
    before = one.run("ip", "-o", "link"), one.run("nft", "list", "ruleset"), one.run("sysctl", "net.ipv4.ip_forward")
    one.make(peers(one, two))
    one.drive("detach=net/c1", "absent=net")
    after = one.run("ip", "-o", "link"), one.run("nft", "list", "ruleset"), one.run("sysctl", "net.ipv4.ip_forward")
    assert after == before
    assert "vxlan" not in one.run("ip", "-d", "link")
