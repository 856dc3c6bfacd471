# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command netloom as a user runs it: one file, and a Python that has no Ansible."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.plugin_utils import _zipapp
from engine import attach, do, namespace, present

pytestmark = pytest.mark.packets  # what the command reads and says

NETLOOM = "/run/netloom-command"


@pytest.fixture(scope="module")
def zipapp() -> bytes:
    return _zipapp.zipapp("/usr/bin/python3 -I")


@pytest.fixture(autouse=True)
def installed(zipapp):
    Path(NETLOOM).write_bytes(zipapp)
    os.chmod(NETLOOM, 0o755)


def netloom(*argv: object, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess:
    """Run the command, which must end with `code`, and without a traceback."""
    done = rig.run(NETLOOM, *argv, check=False, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_networks_are_listed_inspected_verified_and_restored():
    do(namespace("c1"), present("net", "10.1.0.0/24", "fd00:1::/64"), attach("net", "c1"))
    rows = [line.split("   ") for line in netloom("list").stdout.splitlines()]
    row = [cell.strip() for cell in next(row for row in rows if row[1].strip() == "net") if cell.strip()]
    assert row == [engine.inspected("net")[0]["Id"][:12], "net", "bridge", "local", "10.1.0.0/24, fd00:1::/64", "1"]
    assert json.loads(netloom("inspect", "net").stdout) == engine.inspected("net", verify=False)
    assert json.loads(netloom("list", "--json").stdout) == engine.inspected(verify=False)
    assert netloom("verify").stdout == ""

    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    drift = [f"net: {line}" for line in engine.drift("net")]
    assert netloom("verify", "net", code=1).stdout.splitlines() == drift != []
    assert json.loads(netloom("verify", "--json", code=1).stdout)["namespaces"] == []
    predicted = netloom("restore", "--dry-run").stdout
    assert netloom("verify", code=1).stdout != ""
    assert netloom("restore").stdout == predicted != ""
    assert netloom("verify").stdout == netloom("restore").stdout == ""
    rig.pings("c1", "10.1.0.1")


def test_a_namespace_that_is_missing_is_drift_although_nothing_is_attached_to_it():
    do(namespace("r1", {"net.ipv4.ip_forward": 1}))
    rig.run("sysctl", "-qw", "net.ipv4.ip_forward=0", netns="r1")
    assert netloom("verify", code=1).stdout == "sysctl net.ipv4.ip_forward in r1: value is 0, not 1\n"
    rig.run("ip", "netns", "delete", "r1")
    assert "network namespace r1 is missing\n" in netloom("verify", code=1).stdout
    netloom("restore", "--netns", "r1")
    assert netloom("verify").stdout == ""


def test_what_cannot_be_restored_is_said_and_ends_with_1():
    do(namespace("c1"), present("a", "10.1.0.0/24"), present("b", "10.2.0.0/24"), attach("a", "c1"), attach("b", "c1"))
    name = engine.bridge("a")
    rig.run("ip", "link", "delete", name)
    rig.run("ip", "link", "delete", engine.bridge("b"))
    rig.run("ip", "link", "add", name, "type", "bridge")
    done = netloom("restore", "--container", "c1", code=1)
    assert done.stderr == f"netloom: network a: bridge {name}: {name} exists and is a bridge that is not ours\n"
    rig.pings("c1", "10.2.0.1")
    answer = json.loads(netloom("restore", "--json", code=1).stdout)
    assert [(one["kind"], one["name"], one["error_code"]) for one in answer["failures"]] == [
        ("network", "a", "invalid_ifname")
    ]
    assert (answer["changed"], answer["changes"], answer["pending"]) == (False, [], [])


def test_what_is_pending_is_said_and_is_no_failure():
    do(namespace("c1"), present("net", "10.1.0.0/24"))
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as process:
        rig.until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        do(attach("net", str(process.pid), runtime="pid"))
        assert netloom("restore", "--pid", process.pid).stdout == ""
        process.kill()
    line = f"endpoint of {process.pid} on network net is pending: its container does not run"
    assert netloom("restore").stdout == netloom("restore", "--pid", process.pid).stdout == f"{line}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: VERB"),
        (("inspect",), "the following arguments are required: NAME"),
        (("list", "--state-dir", "var"), "argument --state-dir: 'var' is not an absolute path"),
        (("restore", "--lock-timeout", "soon"), "argument --lock-timeout: 'soon' is not a number of seconds"),
        (("restore", "--netns", "a", "--pid", "1"), "argument --pid: not allowed with argument --netns"),
    ],
)
def test_wrong_use_is_one_line_and_ends_with_2(words, message):
    assert netloom(*words, code=2).stderr == f"netloom: {message}\n"


def test_an_unknown_network_is_an_error_and_an_unknown_container_is_not():
    do(present("front", "10.1.0.0/24"))
    message = "netloom: there is no network 'frnt' (did you mean front?)\n"
    assert netloom("inspect", "frnt", code=1).stderr == netloom("verify", "frnt", code=1).stderr == message
    assert netloom("restore", "--container", "nobody").stdout == ""
    assert netloom("restore", "--container", "a/b", code=1).stderr.startswith("netloom: container: 'a/b' contains '/'")


def test_it_needs_root_and_says_so():
    for verb in ("list", "restore"):
        done = rig.run("setpriv", "--reuid=65534", "--clear-groups", NETLOOM, verb, check=False)
        assert (done.returncode, done.stderr) == (1, "netloom: needs CAP_NET_ADMIN and CAP_SYS_ADMIN; run it as root\n")


def test_records_elsewhere_and_a_lock_that_somebody_has():
    do(present("net", "10.1.0.0/24"), state_dir="/run/second")
    assert "net" not in netloom("list").stdout
    assert "net" in netloom("list", "--state-dir", "/run/second/").stdout
    descriptor = os.open("/run/second", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    asked = ("restore", "--state-dir", "/run/second", "--lock-timeout", "0")
    assert "was still locked after 0 s by process" in netloom(*asked, code=1).stderr
    assert json.loads(netloom("inspect", "net", "--state-dir", "/run/second").stdout)[0]["Name"] == "net"


def test_nothing_recorded_is_nothing_to_say_and_nothing_is_made():
    before = rig.snapshot()
    assert netloom("verify").stdout == netloom("restore").stdout == ""
    assert [line.split()[1] for line in netloom("list").stdout.splitlines()[1:]] == ["bridge", "host", "none"]
    assert netloom("--version").stdout == f"netloom {_zipapp.version()}\n"
    engine.same(rig.snapshot(), before, "looked at")


@pytest.mark.parametrize("state", ["", "[]", '{"id": "0123456789ab", "pid": 1}', '{"id": "%", "pid": "none"}'])
def test_a_hook_never_keeps_a_container_from_starting(state):
    do(namespace("c1"), present("net", "10.1.0.0/24"), attach("net", "c1"))
    before = rig.snapshot()
    assert netloom("restore", "--hook", stdin=state).stdout == ""
    engine.same(rig.snapshot(), before, "hooked")


def test_a_hook_that_cannot_read_the_records_says_so_and_succeeds():
    do(present("net", "10.1.0.0/24"))
    Path(rig.STATE_DIR, "state.db").chmod(0o644)
    done = netloom("restore", "--hook", stdin='{"id": "0123456789ab", "pid": 1}')
    assert "state.db has mode 0644" in done.stderr
