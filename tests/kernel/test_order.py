# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No packet crosses while a network is being made or removed: rules come before links are up, and go after they are down.

A member and a neighbour send to each other all the time, and so does another network; whatever is captured on the far
side, over many cycles, came through a gap.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from engine import absent, attach, do, present

pytestmark = pytest.mark.packets

CYCLES = 200
PORT = 7777
MEMBER = {4: "10.1.0.2", 6: "fd00:1::2"}
OTHER = {4: "10.2.0.2", 6: "fd00:2::2"}
SUBNETS = {"net": ("10.1.0.0/24", "fd00:1::/64"), "other": ("10.2.0.0/24", "fd00:2::/64")}


@pytest.fixture
def lan() -> rig.Lan:
    """Return the LAN of a host that forwards, with a neighbour that has a route to our networks."""
    here = rig.lan()
    for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        rig.run("sysctl", "-q", "-w", f"{path.replace('/', '.')}=1")
    for route, version, gateway in (("10.0.0.0/8", 4, here.host), ("fd00::/8", 6, here.host6)):
        rig.run("ip", f"-{version}", "route", "add", route, "via", gateway, netns=here.netns)
    for name in ("c1", "c2"):
        rig.netns(name)
    return here


@contextlib.contextmanager
def sending(netns: str, *targets: str) -> Iterator[None]:
    """Have datagrams go from a namespace to each address, as fast as it can, while the block runs."""
    stop = threading.Event()

    def send() -> None:
        with rig.inside(netns):
            sockets = [
                (socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM), to)
                for to in targets
            ]
        while not stop.is_set():
            for source, to in sockets:
                with contextlib.suppress(OSError):  # there is no route, or no interface, for the moment
                    source.sendto(b"x", (to, PORT))
            time.sleep(0.0005)
        for source, _to in sockets:
            source.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def captured(netns: str | None, ifname: str, expression: str) -> Iterator[list[str]]:
    """Yield a list that has, after the block, what was seen on an interface of a namespace."""
    with rig.inside(netns):
        process = subprocess.Popen(
            ["tcpdump", "-nli", ifname, expression], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    rig.until(lambda: "listening" in process.stderr.readline())
    seen: list[str] = []
    yield seen
    time.sleep(0.2)
    process.terminate()
    seen += [line for line in process.communicate()[0].splitlines() if line]


def test_no_packet_crosses_while_networks_are_made_and_removed(lan):
    unpublished = f"udp port {PORT}"
    do(present("other", *SUBNETS["other"]), attach("other", "c2"))
    with contextlib.ExitStack() as stack:
        # The neighbour sends to the member, whose network comes and goes; the member to the other network's.
        stack.enter_context(sending(lan.netns, *MEMBER.values()))
        stack.enter_context(sending("c1", *OTHER.values(), lan.neighbour, lan.neighbour6))
        at_other = stack.enter_context(captured("c2", "eth0", unpublished))
        # Whatever leaves without translation has the member's own address.
        outside = stack.enter_context(
            captured(lan.netns, "eth0", f"{unpublished} and (src net 10.1 or src net fd00:1::/64)")
        )
        inside = stack.enter_context(
            captured(None, "any", f"{unpublished} and outbound and (dst net 10.1 or dst net fd00:1::/64)")
        )
        for _cycle in range(CYCLES):
            do(present("net", *SUBNETS["net"]), attach("net", "c1", ports=port_specs(["8080:80"])))
            do(absent("net", force=True))
    assert at_other == []
    assert outside == []
    assert [line for line in inside if "br-" in line or "veth" in line] == []


def test_the_same_packets_cross_where_nothing_stops_them(lan):
    unpublished = f"udp port {PORT}"
    do(*(present(name, *subnets) for name, subnets in SUBNETS.items()), attach("net", "c1"), attach("other", "c2"))
    rig.run("nft", "flush", "ruleset")
    for name, gateways in (("c1", ("10.1.0.1", "fd00:1::1")), ("c2", ("10.2.0.1", "fd00:2::1"))):
        for gateway in gateways:
            rig.pings(name, gateway)
    with contextlib.ExitStack() as stack:
        stack.enter_context(sending(lan.netns, *MEMBER.values()))
        stack.enter_context(sending("c1", *OTHER.values(), lan.neighbour, lan.neighbour6))
        at_other = stack.enter_context(captured("c2", "eth0", unpublished))
        outside = stack.enter_context(
            captured(lan.netns, "eth0", f"{unpublished} and (src net 10.1 or src net fd00:1::/64)")
        )
        inside = stack.enter_context(
            captured(None, "any", f"{unpublished} and outbound and (dst net 10.1 or dst net fd00:1::/64)")
        )
        time.sleep(2)
    assert at_other
    assert outside
    assert [line for line in inside if "br-" in line or "veth" in line]
    assert engine.drift("net")
