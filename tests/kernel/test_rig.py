# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig is right: tests are alone, probes tell both answers apart, and the machine is left as it was."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rig import Host, Snapshot, connects, listens, netns, pings, run, seen_by, snapshot

# --- a test in namespaces of its own ---


def test_a_test_starts_on_a_host_that_was_just_switched_on():
    assert [line.split()[1] for line in run("ip", "-o", "link").stdout.splitlines()] == ["lo:"]
    assert "UP" in run("ip", "-o", "link", "show", "lo").stdout
    assert os.listdir("/run/netns") == []
    assert os.listdir("/sys/class/net") == ["lo"]
    assert not Path("/var/lib/netloom").exists()
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
    assert run("nft", "list", "ruleset").stdout == ""


@pytest.mark.parametrize("time_round", ["first", "second"])
def test_a_test_sees_nothing_of_the_one_before(time_round):
    assert not Path("/var/lib/netloom/state.db").exists()
    netns("c1")
    run("ip", "link", "add", "br-rig", "type", "bridge")
    run("nft", "add", "table", "inet", "rig")
    Path("/var/lib/netloom").mkdir(mode=0o700)
    Path("/var/lib/netloom/state.db").write_text(time_round)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    subprocess.Popen(["sleep", "4711"])


def test_processes_of_a_test_end_with_it():
    assert run("pgrep", "-f", "sleep 4711", check=False).stdout == ""


def test_an_orphan_that_ends_is_buried():
    orphan = int(run("sh", "-c", "sleep 0.01 >/dev/null 2>&1 & echo $!").stdout)
    deadline = time.monotonic() + 2
    while Path(f"/proc/{orphan}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{orphan}").exists()


OUTCOMES = """
import os, pytest
def test_passes(): print("said by test_passes")
def test_fails(): assert {"links": 1} == {"links": 2}
def test_skips(): pytest.skip("no vlan here")
@pytest.mark.xfail(strict=True)
def test_xfails(): assert False
def test_dies(): os.kill(os.getpid(), 9)
@pytest.fixture
def broken(): raise RuntimeError("broken fixture")
def test_errs(broken): pass
"""


def test_outcomes_of_private_tests_are_reported(tmp_path):
    for name in ("conftest.py", "private.py", "rig.py"):
        (tmp_path / name).symlink_to(Path(__file__).parent / name)
    (tmp_path / "test_outcomes.py").write_text(OUTCOMES)
    options = ("-rA", "-p", "no:cacheprovider", "--color=no", "--basetemp", tmp_path / "base")
    said = run(sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, tmp_path, check=False).stdout
    assert "2 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in said
    assert "'links': 1" in said
    assert "RuntimeError: broken fixture" in said
    assert "no vlan here" in said
    assert "the test's process ended early, with status 137" in said
    assert "said by test_passes" in said


# --- probes and the picture, each with its opposite ---


def test_a_neighbour_answers_and_a_stranger_does_not(lan):
    pings(None, lan.neighbour)
    pings(lan.netns, lan.host)
    pings(None, lan.neighbour6)
    pings(None, "198.51.100.99", expect=False)
    with pytest.raises(AssertionError, match="198.51.100.99 does not answer the host"):
        pings(None, "198.51.100.99")


def test_the_neighbour_has_no_way_back_to_other_networks(lan):
    run("ip", "address", "add", "192.0.2.1/24", "dev", "lo")
    run("ping", "-c1", "-W1", "-I", lan.host, lan.neighbour)
    assert run("ping", "-c1", "-W1", "-I", "192.0.2.1", lan.neighbour, check=False).returncode == 1


def test_a_listener_sees_who_connects(lan):
    assert seen_by(lan.netns, None, lan.neighbour) == lan.host
    with listens(lan.netns, lan.neighbour, 80):
        connects(None, lan.neighbour, 80)
    connects(None, lan.neighbour, 80, expect=False)


def test_an_untouched_host_is_as_it_was(lan):
    netns("c1")
    run("nft", "add table inet t; add set inet t s { type ifname; elements = { b, a } }")
    before = snapshot()
    pings(None, lan.neighbour)
    time.sleep(0.3)
    assert snapshot() == before


@pytest.mark.parametrize(
    ("command", "section"),
    [
        ("ip link add br0 type bridge", "host links"),
        ("ip link set lan0 mtu 1400", "host links"),
        ("ip link set lan0 down", "host links"),
        ("ip address add 203.0.113.9/32 dev lo", "host addresses"),
        ("ip route add 203.0.113.0/24 via 198.51.100.2", "host routes"),
        ("ip rule add to 203.0.113.0/24 lookup 100", "host rules"),
        ("ip neighbour add 198.51.100.3 lladdr 02:00:00:00:00:03 dev lan0 nud permanent", "host neighbours"),
        ("nft add table inet netloom", "host nft"),
        ("nft add element inet t s { x }", "host nft"),
        ("sysctl -qw net.ipv4.ip_forward=1", "host sysctls"),
        ("ip netns add c1", "namespaces"),
        ("ip -n r link set eth0 alias x", "r links"),
        ("mkdir /var/lib/netloom", "state"),
    ],
)
def test_a_changed_host_is_not_as_it_was(lan, command, section):
    run("nft", "add table inet t; add set inet t s { type ifname; }")
    before = snapshot()
    run("sh", "-c", command)
    assert f"[{section}]" in before.differences(snapshot())


def test_records_are_compared_by_bytes_or_by_content(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as records:
        records.execute("create table networks (name)")
        before, content = snapshot(tmp_path), snapshot(tmp_path, records_as_bytes=False)
        records.execute("create table endpoints (name)")
        assert snapshot(tmp_path, records_as_bytes=False) != content
        records.execute("drop table endpoints")
    assert snapshot(tmp_path, records_as_bytes=False) == content
    assert snapshot(tmp_path) != before


def test_a_namespace_that_is_none_is_shown(tmp_path):
    Path("/run/netns/dangling").touch()
    assert snapshot().sections["dangling"] == ("not a namespace: Invalid argument",)


def test_an_unequal_picture_is_readable():
    before = Snapshot({"host links": ("lo", "br0"), "host rules": ("a",)})
    after = Snapshot({"host links": ("lo",), "host rules": ("a",)})
    assert before.differences(after) == ["[host links]", "- br0"]


# --- whole hosts ---


def test_a_host_is_new(host):
    assert host.run("hostname").stdout.strip() == host.name
    assert [line.split()[1] for line in host.run("ip", "-o", "link").stdout.splitlines()] == ["lo:"]
    assert host.run("ls", "/run/netns").stdout == ""
    assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"
    assert host.run("nft", "list", "ruleset").stdout == ""
    assert host.run("test", "-e", "/var/lib/netloom", check=False).returncode == 1
    assert host.run("cat", "/proc/1/cgroup").stdout.count(":/\n") == len(
        host.run("cat", "/proc/1/cgroup").stdout.splitlines()
    )


def test_a_reboot_keeps_files_and_forgets_the_rest(host):
    host.run(
        "sh", "-c", "mkdir /var/lib/netloom; touch /etc/kept /run/gone; ip netns add c1; ip link add br0 type bridge"
    )
    host.run("sh", "-c", "setsid sleep 4712 >/dev/null 2>&1 &")
    first = host.pid
    host.stop()
    assert run("pgrep", "-f", "sleep 4712", check=False).stdout == ""
    assert not Path(f"/proc/{first}").exists()
    with pytest.raises(AssertionError, match="is not running"):
        host.run("true")
    host.start()
    host.run("test", "-e", "/etc/kept", "-a", "-d", "/var/lib/netloom")
    host.run("test", "!", "-e", "/run/gone")
    assert host.run("ls", "/run/netns").stdout == ""
    assert "br0" not in host.run("ip", "link").stdout


def test_hosts_with_addresses_reach_each_other_before_and_after_a_reboot(new_host):
    one, two = new_host("198.51.100.1/24"), new_host("198.51.100.2/24")
    one.run("ping", "-c1", "-W1", "198.51.100.2")
    two.stop()
    assert one.run("ping", "-c1", "-W1", "198.51.100.2", check=False).returncode == 1
    two.start()
    one.run("ping", "-c1", "-W1", "198.51.100.2")


def test_a_file_of_the_checkout_that_is_replaced_is_seen(host):
    probe = Path(__file__).parents[1] / f".rig-{os.getpid()}"
    try:
        for text in ("first", "second"):
            probe.with_suffix(".new").write_text(text)
            probe.with_suffix(".new").replace(probe)
            assert host.run("cat", probe).stdout == text
    finally:
        probe.unlink()


def test_a_host_can_have_hosts(host):
    folder = os.environ["NETLOOM_HOSTS"]
    command = ("env", f"NETLOOM_HOSTS={folder}", Path(__file__).parents[1] / "hosts" / "host")
    host.run(*command, "up", "inner", "198.51.100.1/24")
    assert "198.51.100.1/24" in host.run(*command, "run", "inner", "ip", "address").stdout
    host.run(*command, "rm", "inner")
    assert host.run("ls", folder).stdout == ""


def test_a_host_that_cannot_be_made_leaves_nothing(new_host):
    before = machine()
    with pytest.raises(AssertionError, match="prefix"):
        new_host("198.51.100.1/99")
    with pytest.raises(AssertionError, match="a name has lower-case letters"):
        run(Path(__file__).parents[1] / "hosts" / "host", "up", "Bad_name")
    assert machine() == before


# A folder of its own, as removing the last host of a folder removes what they have in common.
MANY = """
set -eu
export NETLOOM_HOSTS=$1/many
for round in 1 2; do
    for n in 1 2 3 4 5 6; do "$2" up "many$n" "203.0.113.$n/24" & done; wait
    "$2" run many1 ping -q -c1 -W1 203.0.113.6
    for n in 1 2 3 4 5 6; do "$2" rm "many$n" & done; wait
done
ls "$1"
"""


def machine() -> list[str]:
    """What hosts could leave on the machine: what is ours there or has "many" in its name, and all rules of nft."""
    listed = run("sh", "-c", "cat /proc/mounts; ip -o link; find /sys/fs/cgroup -type d; ps -eo args; nft list ruleset")
    ours = [line for line in listed.stdout.splitlines() if "many" in line or "netloom" in line]
    return sorted(line for line in ours if not line.startswith("sh -c"))


def test_hosts_come_and_go_at_the_same_time_and_leave_nothing(new_host, tmp_path):
    before = machine()
    run("bash", "-c", MANY, "-", tmp_path, Path(__file__).parents[1] / "hosts" / "host")
    assert os.listdir(tmp_path) == []
    assert machine() == before
    assert not [line for line in before if "many" in line]


def test_killing_the_parent_of_a_host_ends_the_host(host):
    pid = host.pid
    parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(parent, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while host.run("true", check=False).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(AssertionError, match="is not running"):
        host.run("true")


def test_hosts_are_not_made_in_a_test_of_its_own_namespaces():
    with pytest.raises(RuntimeError, match="marked `hosts`"):
        Host("lost")


@pytest.mark.hosts
def test_a_test_that_is_marked_runs_in_the_process_of_pytest(request):
    assert request.getfixturevalue("host").run("hostname").stdout.startswith("t")
