# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bandwidth limits: set, measured, changed beside an open connection, damaged and repaired, lifted without a trace.

Every measurement stands beside one of a member without limits, on the same network at the same moment of the test.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._kernel import queueing
from engine import absent, attach, detach, do, drift, pool, predict, present, refusal, sandwich

NET = present("net", pool("10.1.0.0/24"))
pytestmark = pytest.mark.packets  # netlink messages of its own, which no library encodes
ADDRESSES = {"c1": "10.1.0.2", "c2": "10.1.0.3", "c3": "10.1.0.4"}
PORTS = itertools.count(7000)
MBIT = 1_000_000


@pytest.fixture(autouse=True)
def machine():
    """A network with the members c1, which the tests limit, c2 and c3."""
    for name in ADDRESSES:
        rig.netns(name)
    do(NET, *(attach("net", name) for name in ADDRESSES))


def limits(**options: Any) -> engine.Verb:
    return attach("net", "c1", driver_opts=tuple(sorted((name, str(value)) for name, value in options.items())))


def link(name: str) -> dict[str, Any]:
    return json.loads(rig.run("ip", "-j", "-d", "link", "show", name).stdout)[0]


def veth(container: str = "c1") -> str:
    """Return the name of the host's end of a member's interface."""
    inner = json.loads(rig.run("ip", "-j", "link", "show", "eth0", netns=container).stdout)[0]
    return next(
        each["ifname"]
        for each in json.loads(rig.run("ip", "-j", "link").stdout)
        if each["ifindex"] == inner["link_index"]
    )


def ifbs() -> list[str]:
    return [each["ifname"] for each in json.loads(rig.run("ip", "-j", "link", "show", "type", "ifb").stdout)]


def queues(name: str) -> list[dict[str, Any]]:
    """Return what tc prints of an interface's queues, without the count of packets that htb let pass unsorted."""
    found = json.loads(rig.run("tc", "-j", "qdisc", "show", "dev", name).stdout)
    for queue in found:
        queue["options"].pop("direct_packets_stat", None)
    return found


def filters(name: str) -> str:
    return rig.run("tc", "filter", "show", "dev", name, "ingress").stdout


def bucket(name: str) -> tuple[int, int]:
    """Return the rate in bits per second and the burst in bytes of an interface's token bucket, as tc prints them."""
    (found,) = (each for each in queues(name) if each["kind"] == "tbf")
    return found["options"]["rate"] * 8, found["options"]["burst"]


# --- measuring ---


@contextlib.contextmanager
def stream(sender: str, receiver: str) -> Iterator[socket.socket]:
    """Have one member send to another all the time, through one TCP connection; yield the receiver's socket."""
    port = next(PORTS)
    with rig.listens(receiver, ADDRESSES[receiver], port) as listener:
        with rig.inside(sender):
            source = socket.create_connection((ADDRESSES[receiver], port), timeout=30)
        # What is not sent yet when it is closed is dropped, and does not stand in the queue before the next one.
        source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        target, _peer = listener.accept()
    stop = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError):
            while not stop.is_set():
                source.send(bytes(1 << 16))

    thread = threading.Thread(target=send)
    target.settimeout(5)
    thread.start()
    try:
        yield target
    finally:
        stop.set()
        target.close()
        with contextlib.suppress(OSError):  # the other end may have told it already
            source.shutdown(socket.SHUT_RDWR)
        thread.join()
        source.close()


def measured(target: socket.socket, seconds: float = 1.0, skip: float = 0.5) -> float:
    """Return how many megabits per second arrive, after some time that what was saved up may take."""
    begin = time.monotonic() + skip
    while time.monotonic() < begin:
        target.recv(1 << 20)
    count, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds:
        count += len(target.recv(1 << 20))
    return count * 8 / (time.monotonic() - begin) / MBIT


def speed(origin: str, destination: str) -> float:
    with stream(origin, destination) as target:
        return measured(target)


@pytest.mark.parametrize(
    ("options", "sender", "receiver"),
    [({"ingress_rate": "20mbit"}, "c2", "c1"), ({"egress_rate": "20mbit"}, "c1", "c2")],
    ids=["ingress", "egress"],
)
def test_one_direction_is_limited_and_the_other_and_other_members_are_not(options, sender, receiver):
    assert speed(sender, receiver) > 60
    do(limits(**options))
    assert 12 < speed(sender, receiver) < 27
    assert speed(receiver, sender) > 60
    assert speed("c2", "c3") > 60


def test_both_directions_have_rates_of_their_own():
    do(limits(ingress_rate="30mbit", egress_rate="10mbit"))
    assert 20 < speed("c2", "c1") < 40
    assert 6 < speed("c1", "c2") < 14


def test_a_burst_passes_at_once_and_the_rest_waits():
    do(limits(egress_rate="1mbit", burst="1mb"))
    with stream("c1", "c2") as target:
        begin, count = time.monotonic(), 0
        while count < 700_000:
            count += len(target.recv(1 << 20))
        assert time.monotonic() - begin < 2  # at 1 mbit it would take 5.6 s
    do(limits(egress_rate="1mbit", burst="16k"))
    assert speed("c1", "c2") < 2


@pytest.mark.parametrize(("options", "ways"), [("egress_rate", ("c1", "c2")), ("ingress_rate", ("c2", "c1"))])
def test_what_was_queued_for_a_larger_burst_does_not_stop_a_smaller_one(options, ways):
    do(limits(**{options: "4mbit", "burst": "1mb"}))
    with stream(*ways) as target:
        assert measured(target, 0.5, skip=2) > 1  # more than the burst is waiting by now
        do(limits(**{options: "4mbit", "burst": "16k"}))
        assert measured(target, 2, skip=1) > 1
        do(limits(**{options: "4mbit", "burst": "15k"}))
        assert measured(target, 2, skip=1) > 1


def test_what_a_member_may_do_inside_its_container_lifts_no_limit():
    do(limits(ingress_rate="20mbit", egress_rate="20mbit"))
    rig.run("tc", "qdisc", "replace", "dev", "eth0", "root", "pfifo", "limit", "10000", netns="c1", check=False)
    rig.run("tc", "qdisc", "delete", "dev", "eth0", "root", netns="c1", check=False)
    rig.run("ip", "link", "set", "eth0", "txqueuelen", "10000", netns="c1")
    assert (speed("c1", "c2") < 27, speed("c2", "c1") < 27) == (True, True)


# --- set, changed, lifted ---


def test_limits_come_with_the_interface():
    do(detach("net", "c1"))
    done = sandwich(limits(ingress_rate="20mbit", egress_rate="40mbit"))
    (ifb,) = ifbs()
    outer = veth()
    position = {line: number for number, line in enumerate(done)}
    early = (f"create interface {ifb}", f"bring up {ifb}", f"set ingress limit of c1 ({outer})")
    early += (f"set egress limit of c1 ({ifb})", f"create redirection of {outer}")
    assert [position[line] for line in early] == sorted(position[line] for line in early)
    assert position[early[-1]] < min(position[f"bring up {outer}"], position["bring up eth0 in c1"])
    assert (bucket(outer), bucket(ifb)) == ((20 * MBIT, 125_000), (40 * MBIT, 250_000))
    assert link(ifb)["ifalias"] == link(outer)["ifalias"]
    assert not json.loads(rig.run("ip", "-j", "-6", "address", "show", "dev", ifb).stdout)
    rig.pings("c1", "10.1.0.1")


def test_a_changed_rate_is_one_message_and_touches_no_interface_and_no_connection():
    do(limits(ingress_rate="10mbit"))
    before = link(veth())["ifindex"]
    with stream("c2", "c1") as target:
        assert measured(target) < 14
        effects = engine.recorded(limits(ingress_rate="40mbit"))
        changes = [each for each in effects if each != "write the records"]
        line = f"change ingress limit of c1 ({veth()}): rate 10000000 bit/s -> 40000000 bit/s"
        assert [each.partition(", ")[0] for each in changes] == [line]
        assert 18 < measured(target) < 52
    assert link(veth())["ifindex"] == before


def test_limits_are_set_and_lifted_on_a_running_member_and_leave_nothing():
    before = engine.picture(*ADDRESSES)
    with stream("c1", "c2") as target:
        assert measured(target, 0.3) > 60
        sandwich(limits(ingress_rate="10mbit", egress_rate="10mbit"))
        assert measured(target, skip=2) < 14  # what was sent fast is sent again where it was lost
        done = sandwich(limits())
        assert [line.partition(" (")[0] for line in done if line.startswith("lift")] == ["lift ingress limit of c1"]
        assert measured(target) > 60
    engine.same(engine.picture(*ADDRESSES), before, "lifted")
    assert (ifbs(), filters(veth())) == ([], "")


def test_each_direction_is_dropped_by_itself():
    do(limits(ingress_rate="10mbit", egress_rate="20mbit"))
    assert len(sandwich(limits(ingress_rate="10mbit"))) == 3  # the record, the redirection and the interface
    assert (ifbs(), bucket(veth())) == ([], (10 * MBIT, 62_500))
    sandwich(limits(egress_rate="20mbit"))
    assert [each["kind"] for each in queues(veth())] == ["noqueue", "ingress"]


@pytest.mark.parametrize("way", ["detach", "network", "namespace"])
def test_an_endpoint_that_goes_takes_its_limits_along(way):
    do(attach("net", "c2", driver_opts=(("egress_rate", "5mbit"),)), limits(ingress_rate="1gbit", egress_rate="1gbit"))
    assert len(ifbs()) == 2
    if way == "detach":
        do(detach("net", "c2"), detach("net", "c1"))
    elif way == "network":
        sandwich(absent("net", force=True))
    else:
        for name in ("c1", "c2"):
            rig.run("ip", "netns", "delete", name)
        rig.until(lambda: len(json.loads(rig.run("ip", "-j", "link", "show", "type", "veth").stdout)) == 1)
        assert len(ifbs()) == 2
        do(detach("net", "c1"), detach("net", "c2"))
    assert ifbs() == []


def test_a_member_that_moves_to_another_interface_keeps_its_limits():
    do(limits(ingress_rate="20mbit", egress_rate="20mbit"))
    (ifb,) = ifbs()
    sandwich(attach("net", "c1", ifname="lan0"))
    assert ifbs() == [ifb]
    inner = json.loads(rig.run("ip", "-j", "link", "show", "lan0", netns="c1").stdout)[0]
    assert f"Redirect to device {ifb}" in filters(str(ifindex_name(inner["link_index"])))
    assert speed("c1", "c2") < 27


def ifindex_name(index: int) -> str:
    return next(each["ifname"] for each in json.loads(rig.run("ip", "-j", "link").stdout) if each["ifindex"] == index)


def test_rates_beyond_32_bits_and_the_smallest_are_what_the_kernel_has():
    for asked, bits in (("100gbit", 10**11), ("1000tbit", 10**15), ("1kbit", 1000), ("34359738360", 34359738360)):
        sandwich(limits(ingress_rate=asked, egress_rate=asked))
        assert (bucket(veth())[0], bucket(ifbs()[0])[0]) == (bits, bits)
        assert drift("net") == []


@pytest.mark.parametrize("rate", ["1kbit", "1234567", "20mbit", "9999mbit", "100gbit"])
@pytest.mark.parametrize("burst", ["1514", "16k", "1000001", "1g", str((1 << 32) - 1)])
def test_what_was_set_is_what_is_seen(rate, burst):
    sandwich(limits(ingress_rate=rate, burst=burst))
    assert drift("net") == []


def test_another_mtu_of_the_network_changes_the_burst_and_never_to_less_than_a_packet():
    do(limits(ingress_rate="1mbit"))
    assert bucket(veth())[1] == 10 * 1514
    sandwich(present("net", options={"mtu": "9000"}))
    assert bucket(veth())[1] == pytest.approx(10 * 9014, abs=2)
    do(limits(ingress_rate="1mbit", burst=9014))
    error = refusal(present("net", options={"mtu": "9001"}))
    assert error.code == "option_invalid"
    assert "endpoint of c1: driver_opts.burst: 9014 is less than the 9015 bytes" in error.message
    do(present("net", options={"mtu": "1500"}))


def test_limits_and_port_security_go_together():
    do(limits(egress_rate="20mbit", ingress_rate="20mbit", port_security="true"))
    rig.pings("c1", "10.1.0.3")
    assert 12 < speed("c1", "c2") < 27


PLAIN = """
import sys
sys.path.insert(0, {folder!r})
import drive
answers = [drive.drive(*step) for step in (("network", "plain"), ("attach", "plain/c1"), ("detach", "plain/c1"))]
print(len(answers), [name for name in sys.modules if name.endswith(("shaping", "queueing"))])
"""


def test_a_task_without_limits_loads_nothing_of_them():
    done = rig.run(sys.executable, "-c", PLAIN.format(folder=str(Path(__file__).parent)))
    assert done.stdout == "3 []\n"


# --- wrong values ---


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ingress_rate": "0"}, "driver_opts.ingress_rate: '0' is not from 1000 to 1000000000000000 bit/s"),
        ({"egress_rate": "-5mbit"}, "driver_opts.egress_rate: '-5mbit' is not a number of bits per second"),
        ({"egress_rate": "1001tbit"}, "driver_opts.egress_rate: '1001tbit' is not from 1000 to"),
        ({"egress_rate": "10mbps"}, "driver_opts.egress_rate: '10mbps' is not a number of bits per second"),
        ({"burst": "64k"}, "driver_opts.burst: 65536 needs ingress_rate or egress_rate"),
        ({"burst": "1513", "egress_rate": "1mbit"}, "driver_opts.burst: 1513 is less than the 1514 bytes of the "),
        ({"burst": "4g", "egress_rate": "1mbit"}, "driver_opts.burst: '4g' is not from 1 to 4294967295 bytes"),
        ({"burst": "", "egress_rate": "1mbit"}, "driver_opts.burst: '' is not a number of bytes"),
    ],
)
def test_a_wrong_limit_is_refused_before_anything_is_touched(options, says):
    before = engine.picture(*ADDRESSES)
    error = refusal(limits(**options))
    assert error.code == "option_invalid"
    assert says in error.message
    engine.same(engine.picture(*ADDRESSES), before, "refused")


@pytest.mark.parametrize(
    ("name", "value", "module", "options"),
    [
        ("TBF", "netem", "sch_tbf", {"ingress_rate": "1mbit"}),
        ("INGRESS", "clsfoo", "sch_ingress", {"egress_rate": "1mbit"}),
        ("IFB", "nosuch", "ifb", {"egress_rate": "1mbit"}),
        ("U32", "u33", "cls_u32", {"egress_rate": "1mbit"}),
        ("MIRRED", "nosuch", "act_mirred", {"egress_rate": "1mbit"}),
    ],
)
def test_what_the_kernel_lacks_is_named(name, value, module, options, monkeypatch):
    # Asked for something that this kernel really does not have, it says of it what it says where ours is missing.
    before = engine.picture(*ADDRESSES)
    monkeypatch.setattr(queueing, name, value)
    with pytest.raises(engine.NetloomError) as caught:
        do(limits(**options))
    assert caught.value.code == "kernel_unsupported"
    assert f"the kernel lacks {module}" in caught.value.message
    engine.same(engine.picture(*ADDRESSES), before, "undone")


# --- damage ---


FILTER = "tc filter delete dev {veth} ingress; tc filter add dev {veth} ingress "  # in the place of ours
DAMAGES = {
    "rate changed": (
        "tc qdisc change dev {veth} root tbf rate 90mbit burst 64k latency 50ms",
        "rate is 90000000 bit/s",
    ),
    "burst changed": ("tc qdisc change dev {ifb} root tbf rate 20mbit burst 9000 limit 187500", "burst is 9000 bytes"),
    "queue changed": (
        "tc qdisc change dev {ifb} root tbf rate 20mbit burst 125000 limit 99999",
        "queue is 99999 bytes",
    ),
    "peak rate added": (
        "tc qdisc change dev {veth} root tbf rate 20mbit burst 125000 limit 187500 peakrate 30mbit mtu 2000",
        "kind is tbf with other options, not tbf",
    ),
    "bucket removed": ("tc qdisc delete dev {veth} root", "ingress limit of c1 ({veth}) is missing"),
    "bucket of the ifb removed": ("tc qdisc delete dev {ifb} root", "egress limit of c1 ({ifb}) is missing"),
    "another queue": ("tc qdisc replace dev {veth} root htb", "ingress limit of c1 ({veth}): kind is htb, not tbf"),
    "ingress removed": ("tc qdisc delete dev {veth} ingress", "redirection of {veth} is missing"),
    "filter removed": ("tc filter delete dev {veth} ingress", "redirection of {veth}: to is none, not {ifb}"),
    "another filter before it": (
        FILTER + "protocol ip prio 1 u32 match u8 0 0 action mirred egress redirect dev {ifb}",
        "redirection of {veth}: to is none, not {ifb}",
    ),
    "a filter that catches less": (
        FILTER + "protocol all prio 1 u32 match u32 1 1 action mirred egress redirect dev {ifb}",
        "redirection of {veth}: to is none, not {ifb}",
    ),
    "mirrored instead": (
        FILTER + "protocol all prio 1 u32 match u32 0 0 action mirred egress mirror dev {ifb}",
        "redirection of {veth}: to is none, not {ifb}",
    ),
    "redirected elsewhere": (
        FILTER + "protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev lo",
        "redirection of {veth}: to is lo, not {ifb}",
    ),
    "clsact": (
        "tc qdisc delete dev {veth} ingress; tc qdisc add dev {veth} clsact",
        "redirection of {veth}: to is none, not {ifb}",
    ),
    "ifb deleted": ("ip link delete {ifb}", "interface {ifb} is missing"),
    "ifb down": ("ip link set {ifb} down", "{ifb} is down"),
    "ifb renamed": (
        "ip link set {ifb} down; ip link set {ifb} name renamed; ip link set renamed up",
        "{ifb} is missing",
    ),
    "alias of the ifb removed": ("ip link set {ifb} alias ''", "interface {ifb}: tag is none, not netloom:net/"),
}


@pytest.mark.parametrize(("command", "line"), DAMAGES.values(), ids=list(DAMAGES))
def test_damage_is_reported_predicted_and_repaired(command, line):
    do(limits(ingress_rate="20mbit", egress_rate="20mbit"))
    (ifb,), outer = ifbs(), veth()
    before, filtered, index = engine.picture(*ADDRESSES), filters(outer), link(outer)["ifindex"]
    rig.run("sh", "-e", "-c", command.format(veth=outer, ifb=ifb))
    reported, predicted = drift("net"), predict(NET)
    assert any(line.format(veth=outer, ifb=ifb) in each for each in reported), reported
    assert do(NET) == predicted != []
    engine.same(engine.picture(*ADDRESSES), before, "repaired")
    assert (without_numbers(filters(outer)), link(outer)["ifindex"]) == (without_numbers(filtered), index)
    assert (drift("net"), do(NET)) == ([], [])
    for sender, receiver in (("c1", "c2"), ("c2", "c1")):
        with stream(sender, receiver) as target:
            assert measured(target, 0.3, skip=0.3) < 50


def without_numbers(listing: str) -> list[str]:
    """Return what tc prints of filters, without the numbers that count what the kernel has made."""
    return [line for line in listing.splitlines() if not line.startswith("\tindex ")]


def test_an_interface_of_somebody_else_under_our_name_is_refused():
    do(limits(egress_rate="20mbit"))
    (ifb,) = ifbs()
    do(limits())
    rig.run("ip", "link", "add", ifb, "type", "ifb")
    before = engine.picture(*ADDRESSES)
    error = refusal(limits(egress_rate="20mbit"))
    assert (error.code, f"{ifb} exists and is an ifb that is not ours" in error.message) == ("invalid_ifname", True)
    engine.same(engine.picture(*ADDRESSES), before, "refused")
    assert drift("net") == []


def test_a_queue_of_somebody_else_stays_where_no_limit_is_asked_for():
    rig.run("tc", "qdisc", "add", "dev", veth(), "root", "htb")
    rig.run("tc", "qdisc", "add", "dev", veth(), "clsact")
    before = queues(veth())
    assert do(NET, attach("net", "c1", gw_priority=3)) != []
    assert (queues(veth()), drift("net")) == (before, [])
