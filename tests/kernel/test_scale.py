# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many of everything, and little to have it with. What is counted is messages and processor time, never the clock."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_interface

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from ansible_collections.netloom.containers.plugins.module_utils._kernel.wire import Wire
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint
from ansible_collections.netloom.containers.plugins.module_utils._resources import EndpointRecord
from engine import absent, attach, detach, do, present

pytestmark = pytest.mark.packets
FULL = 1023  # ports of a bridge


@contextlib.contextmanager
def processor_seconds() -> Iterator[list[float]]:
    """Yield a list that has, after the block, how long this process and its children have computed in it."""
    spent: list[float] = []
    before = sum(os.times()[:4])
    yield spent
    spent.append(sum(os.times()[:4]) - before)


def echoes(addresses: list[str]) -> set[str]:
    """Return those of some addresses that answer to an ICMP echo request from the host before long."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        probe.settimeout(0.5)
        head = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
        checksum = ~sum(struct.unpack("!4H", head)) & 0xFFFF
        answered: set[str] = set()
        for _attempt in range(5):
            for address in [address for address in addresses if address not in answered]:
                with contextlib.suppress(OSError):  # the table is full
                    probe.sendto(head[:2] + struct.pack("!H", checksum) + head[4:], (address, 0))
            with contextlib.suppress(TimeoutError):
                while len(answered) < len(addresses):
                    packet, (sender, _port) = probe.recvfrom(1 << 12)
                    if packet[20] == 0:  # an answer
                        answered.add(sender)
    return answered


@pytest.mark.slow
def test_all_members_of_a_full_bridge_answer_or_the_host_is_said_to_be_too_small():
    names = [f"m{number}" for number in range(FULL)]
    network = engine.network("net", "10.1.0.0/16", dns=False)
    verb = engine.topology("full", namespaces=names, networks=[network], attachments=[("net", name) for name in names])
    warnings = engine.result_of(verb).outcome.warnings
    with Host(rig.STATE_DIR) as host:
        limit = host.neighbours_max(4)
    addresses = [str(ip_interface("10.1.0.0/16").network[number]) for number in range(2, FULL + 2)]
    # Who came last is asked first, and a processor queues a thousand packets (net.core.netdev_max_backlog).
    assert len(echoes(addresses[-100:])) == 100
    if 2 * FULL > limit:
        assert f"{2 * FULL} neighbours when all talk to the host; the kernel keeps {limit}" in warnings[0]
        assert "net.ipv4.neigh.default.gc_thresh3" in warnings[0]
    else:
        assert warnings == ()
        assert len(echoes(addresses)) == FULL
    with pytest.raises(engine.NetloomError) as caught:
        rig.netns("over")
        do(attach("net", "over"))
    assert caught.value.code == "kernel_limit"


def test_an_attachment_reads_as_much_beside_a_thousand_links_as_beside_none(monkeypatch):
    received = []
    heard = Wire._received

    def counting(self: Wire) -> bytes:
        received.append(heard(self))
        return received[-1]

    monkeypatch.setattr(Wire, "_received", counting)
    for name in ("c1", "c2"):
        rig.netns(name)
    do(present("net", "10.1.0.0/24"))

    def read_by(verb: engine.Verb) -> tuple[int, int]:
        received.clear()
        do(verb)
        return len(received), sum(map(len, received)) // 4096

    alone = read_by(attach("net", "c1")), read_by(attach("net", "c1"))
    links = "".join(f"link add p{number} type veth peer name q{number}\n" for number in range(500))
    rig.run("ip", "-batch", "-", stdin=links)
    assert (read_by(attach("net", "c2")), read_by(attach("net", "c2"))) == alone


def test_ten_thousand_endpoints_in_the_records_are_read_and_written_beside_in_no_time():
    rig.netns("c1")
    do(present("net", "10.1.0.0/16"))
    records = [EndpointRecord(_recorded(number)) for number in range(10_000)]
    with Host(rig.STATE_DIR, 5) as host:
        changes = [Change(None, record) for record in records]
        host.records.begin(changes)
        host.records.complete(changes, [record.key for record in records])
    assert os.path.getsize(f"{rig.STATE_DIR}/state.db") > 5_000_000
    with processor_seconds() as looking:
        (shape,) = engine.inspected("net", verify=False)
    assert shape["Status"]["IPAM"]["Subnets"]["10.1.0.0/16"]["IPsInUse"] == 10_003
    assert looking[0] < 1
    with processor_seconds() as attaching:
        do(attach("net", "c1"))
    assert attaching[0] < 0.5
    with processor_seconds() as again:
        assert do(attach("net", "c1")) == []
    assert again[0] < 0.3


def _recorded(number: int) -> Endpoint:
    address = ip_interface(f"10.1.{(number + 1000) // 250}.{(number + 1000) % 250 + 2}/16")
    mac = "02:42:" + ":".join(f"{byte:02x}" for byte in address.packed)
    return Endpoint("net", f"gone{number}", "netns", f"{number:064x}", f"veth{number:011x}", "eth0", mac, ipv4=address)


def test_two_hundred_operations_in_any_order_leave_nothing_behind():
    names = [f"c{number}" for number in range(4)]
    for name in names:
        rig.netns(name)
    do(present("net", "10.1.0.0/24"), present("other", "10.2.0.0/24"))
    before = engine.picture(*names)
    dice = random.Random(7)
    files = memory = 0
    for turn in range(200):
        network, name = dice.choice(("net", "other")), dice.choice(names)
        verbs = (attach(network, name), attach(network, name, gw_priority=dice.randrange(3)), detach(network, name))
        do(dice.choice(verbs))
        if turn == 50:
            files, memory = len(os.listdir("/proc/self/fd")), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(os.listdir("/proc/self/fd")) == files
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 4096  # KiB
    assert engine.inspected("net")[0]["Drift"] == engine.inspected("other")[0]["Drift"] == []
    do(*(detach(network, name) for network in ("net", "other") for name in names))
    engine.same(engine.picture(*names), before, "detached")
    do(absent("net"), absent("other"))


def test_with_little_memory_and_few_descriptors_a_task_is_done():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"))

    def starved() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        do(attach("net", "c1"))

    assert engine.forked(starved) == 0
    assert engine.drift("net") == []
    rig.pings(None, "10.1.0.2")
