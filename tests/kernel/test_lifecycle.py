# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From making to removing, with a reboot between: what comes, what stays, what comes back, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import engine
import pytest
import rig
from engine import absent, attach, detach, do, drift, namespace, no_namespace, pool, present, refusal, sandwich

DATABASE = Path(rig.STATE_DIR, "state.db")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def default_route(container: str) -> list[tuple[str, str]]:
    """Return the gateway and the interface of each default route."""
    routes = json.loads(rig.run("ip", "-j", "-n", container, "route", "show", "default").stdout)
    return [(route["gateway"], route["dev"]) for route in routes]


def addresses(container: str, ifname: str = "eth0") -> tuple[str, list[str]]:
    """Return the MAC and the addresses of an interface."""
    (link,) = json.loads(rig.run("ip", "-j", "-n", container, "address", "show", ifname).stdout)
    return link["address"], [
        f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] == "global"
    ]


# --- sandwiches ---


def test_a_network_is_made_changed_and_removed_as_check_mode_says():
    for name in ("c1", "c2"):
        rig.netns(name)
    assert sandwich(present("net", "10.1.0.0/24"))[0] == "create network net"
    assert sandwich(attach("net", "c1"))[0] == "create endpoint of c1 on network net"
    assert sandwich(attach("net", "c2", ipv4="10.1.0.50", mac="02:00:00:00:00:50", ifname="lan0", gw_priority=3))
    assert addresses("c2", "lan0") == ("02:00:00:00:00:50", ["10.1.0.50/24"])
    assert sandwich(present("net", labels={"a": "b"})) == ["change network net: labels {} -> {a: b}"]
    assert sandwich(present("net", options={"mtu": "1400", "icc": "false"}))
    rig.pings("c1", "10.1.0.50", expect=False)
    assert sandwich(present("net", options={}))
    rig.pings("c1", "10.1.0.50")
    assert sandwich(present("net", pool("10.1.0.0/24", gateway="10.1.0.254")))
    assert default_route("c1") == [("10.1.0.254", "eth0")]
    assert sandwich(present("net", "10.1.0.0/24", "fd00:1::/64"))
    assert sandwich(attach("net", "c1"))
    rig.pings("c1", "fd00:1::1")
    assert sandwich(attach("net", "c1", ipv4="10.1.0.60"))
    assert addresses("c1") == ("02:42:0a:01:00:02", ["10.1.0.60/24", "fd00:1::2/64"])
    rig.pings("c1", "10.1.0.254")
    assert default_route("c1") == [("10.1.0.254", "eth0")]
    assert sandwich(attach("net", "c1", ifname="web0"))
    rig.pings("c1", "10.1.0.254")
    assert refusal(absent("net")).code == "network_in_use"
    assert refusal(present("net", "10.9.0.0/24")).code == "network_exists_different"
    assert sandwich(present("net", "10.9.0.0/24", force=True))
    rig.pings("c1", "10.9.0.1")
    assert addresses("c2", "lan0")[0] == "02:00:00:00:00:50"
    assert sandwich(present("net", connected=["c2"]))[0].startswith("remove interface web0")
    assert sandwich(detach("net", "c2"))
    assert sandwich(absent("net"))
    assert do(absent("net"), detach("net", "c1"), absent("never")) == []


def test_a_namespace_is_made_and_removed_with_its_endpoints():
    do(present("net", "10.1.0.0/24"))
    assert sandwich(namespace("c1")) == ["create record of network namespace c1", "create network namespace c1"]
    do(attach("net", "c1"))
    assert sandwich(no_namespace("c1"))
    assert engine.inspected("net")[0]["Containers"] == {}


# --- nothing is left ---


@pytest.mark.parametrize("forwarding", ["0", "1"])
def test_what_is_made_and_removed_leaves_nothing(forwarding):
    rig.netns("c1")
    FORWARDING.write_text(forwarding)
    Path(rig.STATE_DIR).mkdir(mode=0o700)
    before = rig.snapshot()
    do(present("net", "10.1.0.0/24", "fd00:1::/64"), present("other"), attach("net", "c1"), attach("other", "c1"))
    assert FORWARDING.read_text() == "1\n"
    do(detach("net", "c1"), absent("net"))
    assert FORWARDING.read_text() == "1\n"  # the other network needs it
    do(detach("other", "c1"), absent("other"))
    assert rig.snapshot() == before


def test_what_fails_makes_no_state_directory():
    rig.run("ip", "link", "add", "taken", "type", "bridge")
    assert refusal(present("net", options={"bridge_name": "taken"})).code == "invalid_ifname"
    assert do(absent("net")) == []
    assert not Path(rig.STATE_DIR).exists()


def test_many_namespaces_take_one_mount_each():
    rig.run("umount", "/run/netns", check=False)
    before = Path("/proc/self/mountinfo").read_text().count("\n")
    do(*(namespace(f"n{number}") for number in range(12)))
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    # Each is seen below the shared directory and below the one that it was mounted over.
    assert len(mounts) - before <= 1 + 2 * 12
    do(*(no_namespace(f"n{number}") for number in range(12)))
    assert len(Path("/proc/self/mountinfo").read_text().splitlines()) - before <= 1


def test_fifty_runs_leave_no_descriptor_open():
    rig.netns("c1")

    def round_trip() -> int:
        do(present("net", "10.1.0.0/24"), attach("net", "c1"))
        engine.inspected()
        refusal(attach("net", "c1", ipv4="10.1.0.1"))
        do(absent("net", force=True))
        return len(os.listdir("/proc/self/fd"))

    first = round_trip()
    assert {round_trip() for _round in range(12)} == {first}  # four hosts and more each


# --- a reboot ---


def reboot() -> None:
    """Empty the kernel: namespaces, links and rules are gone, forwarding is off; the disk is not."""
    for name in os.listdir("/run/netns"):
        rig.run("ip", "netns", "delete", name)
    for link in json.loads(rig.run("ip", "-j", "link").stdout):
        if link["ifname"] != "lo":
            rig.run("ip", "link", "delete", link["ifname"], check=False)
    rig.run("nft", "flush", "ruleset")
    FORWARDING.write_text("0")


def test_a_reboot_leaves_endpoints_pending_until_their_namespaces_are_there_again():
    for name in ("c1", "c2"):
        rig.netns(name)
    do(present("net", "10.1.0.0/24"), attach("net", "c1", ipv4="10.1.0.50", ifname="lan0"), attach("net", "c2"))
    before = addresses("c1", "lan0"), addresses("c2")
    reboot()

    lines = drift("net")
    assert f"bridge {engine.bridge('net')} is missing" in lines
    assert "endpoint of c1 on network net is pending: its container does not run" in lines
    assert sandwich(present("net"))
    assert drift("net") == [
        f"endpoint of {name} on network net is pending: its container does not run" for name in ("c1", "c2")
    ]
    assert do(attach("net", "c2")) == []  # still pending
    rig.netns("c3")
    do(attach("net", "c3"))
    assert addresses("c3")[1] == ["10.1.0.3/24"] or addresses("c3")[1] not in (before[0][1], before[1][1])

    for name in ("c1", "c2"):
        rig.netns(name)
    assert sandwich(attach("net", "c1"))
    assert sandwich(present("net"))  # brings c2 along
    assert (addresses("c1", "lan0"), addresses("c2")) == before
    assert drift("net") == []
    rig.pings("c1", before[1][1][0].partition("/")[0])


def test_an_endpoint_of_a_vanished_container_is_freed():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"), attach("net", "c1"))
    rig.run("ip", "netns", "delete", "c1")
    rig.no_veths()
    assert sandwich(detach("net", "c1"))
    assert engine.inspected("net")[0]["Containers"] == {}
    rig.netns("c2")
    do(attach("net", "c2"))
    assert addresses("c2")[1] == ["10.1.0.2/24"]


# --- default routes ---


def test_the_default_route_follows_the_priorities_as_attachments_come_and_go():
    rig.netns("c1")
    for name, subnet in (("a", "10.1.0.0/24"), ("b", "10.2.0.0/24"), ("c", "10.3.0.0/24")):
        do(present(name, subnet))
    do(present("inside", "10.4.0.0/24", internal=True))
    seen = []
    for verb in (
        attach("b", "c1"),
        attach("a", "c1"),  # ties go to the first name
        attach("c", "c1", gw_priority=5),
        attach("inside", "c1", gw_priority=9),  # leads nowhere
        attach("b", "c1", gw_priority=7),
        detach("b", "c1"),
        attach("c", "c1", gw_priority=-1),
        absent("a", force=True),
        detach("c", "c1"),
    ):
        do(verb)
        assert do(verb) == []
        seen.append([gateway for gateway, _ifname in default_route("c1")])
    assert [gateway for (gateway,) in seen[:-1]] == [
        "10.2.0.1",
        "10.1.0.1",
        "10.3.0.1",
        "10.3.0.1",
        "10.2.0.1",
        "10.3.0.1",
        "10.1.0.1",
        "10.3.0.1",
    ]
    assert seen[-1] == []


def test_an_endpoint_that_does_not_work_gives_no_default_route_and_stops_no_other():
    rig.netns("c1")
    do(present("a", "10.1.0.0/24"), present("b", "10.2.0.0/24"))
    do(attach("a", "c1"), attach("b", "c1", gw_priority=9))
    rig.run("ip", "-n", "c1", "link", "delete", "eth1")
    assert do(attach("a", "c1")) == ["add route 0.0.0.0/0 in c1"]
    assert default_route("c1") == [("10.1.0.1", "eth0")]
    do(present("b"))
    assert default_route("c1") == [("10.2.0.1", "eth1")]


def test_a_container_keeps_the_default_route_that_it_has():
    rig.netns("c1")
    rig.run("ip", "-n", "c1", "link", "add", "own", "address", "02:00:00:00:00:09", "type", "bridge")
    rig.run("ip", "-n", "c1", "address", "add", "192.0.2.2/24", "dev", "own")
    rig.run("ip", "-n", "c1", "link", "set", "own", "up")
    rig.run("ip", "-n", "c1", "route", "add", "default", "via", "192.0.2.1")
    do(present("net", "10.1.0.0/24"))
    before = engine.picture("c1")
    result = engine.result_of(attach("net", "c1"))
    assert default_route("c1") == [("192.0.2.1", "own")]
    assert result.outcome.warnings == (
        "route 0.0.0.0/0 in c1: there is one already that is not ours, through 192.0.2.1; it is kept",
    )
    do(detach("net", "c1"))
    engine.same(engine.picture("c1"), before, "attached and detached")


# --- the records ---


def test_records_of_a_newer_version_are_refused_and_left_alone():
    do(present("net"))
    with sqlite3.connect(DATABASE) as connection:
        connection.execute("PRAGMA user_version = 1000")
    connection.close()
    before = rig.snapshot()
    error = refusal(present("other"))
    assert error.code == "state_newer_version"
    assert str(DATABASE) in error.message
    assert rig.snapshot() == before


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be read as one" * 40, None])
def test_records_that_cannot_be_read_are_reported_and_left_as_they_are(content):
    do(present("net"))
    if content is None:
        content = DATABASE.read_bytes()
        content = content[:5000] + b"\xff" * 4000 + content[9000:]
    DATABASE.write_bytes(content)
    before = rig.snapshot()
    if not content:
        assert engine.predict(present("other"))  # as after a power cut between making the file and its first write
        return
    error = refusal(present("net"))
    assert error.code == "state_corrupt"
    assert str(DATABASE) in error.message
    assert rig.snapshot() == before
    assert DATABASE.read_bytes() == content


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("chown 1234 {dir}", "belongs to user 1234"),
        ("chmod 750 {dir}", "has mode 0750"),
        ("chown 1234 {db}", "belongs to user 1234"),
        ("chmod 644 {db}", "has mode 0644"),
        ("mv {dir} /run/elsewhere; ln -s /run/elsewhere {dir}", "is not a directory"),
        ("mv {db} /run/elsewhere; ln -s /run/elsewhere {db}", "is not a regular file"),
    ],
)
def test_a_state_directory_that_others_can_have_written_is_refused(command, words):
    do(present("net"))
    rig.run("sh", "-c", command.format(dir=rig.STATE_DIR, db=DATABASE))
    before = rig.snapshot()
    error = refusal(present("other"))
    assert error.code == "permission_denied"
    assert words in error.message
    assert rig.snapshot() == before


def test_two_state_directories_do_not_touch_each_others_networks():
    rig.netns("c1")
    rig.netns("c2")
    second = "/run/second"
    do(present("net", "10.1.0.0/24"), attach("net", "c1"))
    do(present("net", "10.2.0.0/24"), attach("net", "c2"), state_dir=second)
    assert drift("net") == engine.inspected("net", state_dir=second)[0]["Drift"] == []
    do(absent("net", force=True))
    assert engine.inspected("net", state_dir=second)[0]["Drift"] == []
    rig.pings("c2", "10.2.0.1")
    do(absent("net", force=True), state_dir=second)
    assert rig.run("nft", "list", "ruleset").stdout == ""


# --- limits ---


@pytest.mark.slow
def test_a_bridge_that_is_full_takes_no_more_and_nothing_is_left_of_the_attempt():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"))
    bridge = engine.bridge("net")
    ports = "".join(f"link add p{n} master {bridge} type veth peer name q{n}\n" for n in range(1023))
    rig.run("ip", "-batch", "-", stdin=ports)
    before = rig.run("ip", "-j", "link").stdout, engine.picture("c1").sections["records"]
    with pytest.raises(engine.NetloomError) as caught:
        do(attach("net", "c1"))
    assert caught.value.code == "kernel_limit"
    assert "1,023 ports" in caught.value.message
    assert (rig.run("ip", "-j", "link").stdout, engine.picture("c1").sections["records"]) == before
    rig.run("ip", "link", "delete", "p7")
    assert do(attach("net", "c1"))


def test_a_network_whose_records_are_lost_is_taken_up_again():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"), attach("net", "c1", ipv4="10.1.0.9"))
    shutil.rmtree(rig.STATE_DIR)
    links = rig.run("ip", "-o", "link").stdout
    assert sandwich(present("net", "10.1.0.0/24")) == ["create network net"]
    assert rig.run("ip", "-o", "link").stdout == links
    sandwich(attach("net", "c1", ipv4="10.1.0.9"))
    assert drift("net") == []


def test_a_subnet_on_a_bridge_of_somebody_else_stays_a_conflict():
    do(present("net", "10.1.0.0/24"))
    name = engine.bridge("net")
    do(absent("net"))
    rig.run("ip", "link", "add", name, "type", "bridge")
    rig.run("ip", "address", "add", "10.1.0.1/24", "dev", name)
    assert refusal(present("net", "10.1.0.0/24")).code == "invalid_ifname"
