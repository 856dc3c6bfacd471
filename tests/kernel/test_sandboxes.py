# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers by namespace, PID and path, on a real kernel: found, opened once, and proved to be what they should be."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel import netns
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import opening
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes.registry import find, open_sandbox

OWN = "/proc/self/ns/net"
NS_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def process(*unshare: str) -> subprocess.Popen:
    """Return a process in a network namespace of its own, as soon as it is there."""
    started = subprocess.Popen(["unshare", "--net", *unshare, "sleep", "600"])
    deadline = time.monotonic() + 5
    while Path(f"/proc/{started.pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < deadline, "unshare does not become sleep"
        time.sleep(0.005)
    return started


def bury(ended: subprocess.Popen) -> None:
    ended.kill()
    ended.wait()


def cookie_of(container: str, runtime: str = "auto") -> int:
    with open_sandbox(find(container, runtime)) as sandbox:
        return sandbox.sandbox.cookie


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def refusal(container: str, runtime: str = "auto") -> tuple[str, str]:
    """Return code and text of the error that opening a container ends with."""
    found = find(container, runtime)
    assert found is not None
    with pytest.raises(NetloomError) as refused:
        open_sandbox(found)
    return refused.value.code, refused.value.message


# --- named namespaces ---


def test_a_named_namespace_is_opened_and_described():
    rig.netns("c1")
    found = find("c1")
    assert (found.runtime, found.name, found.path, found.key) == ("netns", "c1", "/run/netns/c1", "/run/netns/c1")
    with open_sandbox(found) as opened:
        assert os.fstat(opened.fd).st_ino == os.stat("/run/netns/c1").st_ino
        assert opened.found == found
        assert opened.sandbox.key == "/run/netns/c1"
        assert opened.sandbox.inode == os.stat("/run/netns/c1").st_ino
        assert opened.sandbox.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert opened.sandbox.cookie > 0
        assert os.get_inheritable(opened.fd) is False


def test_a_namespace_made_anew_under_its_old_name_has_another_cookie():
    cookies = set()
    for _round in range(20):
        rig.netns("c1")
        cookies.add(cookie_of("c1"))
        rig.run("ip", "netns", "delete", "c1")
    assert len(cookies) == 20


def test_the_descriptor_outlives_the_name():
    rig.netns("c1")
    with open_sandbox(find("c1")) as opened:
        rig.run("ip", "netns", "delete", "c1")
        assert find("c1") is None
        with netns.in_namespace(opened.fd), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            assert netns.cookie(probe) == opened.sandbox.cookie


def test_a_name_that_nobody_has_is_nothing():
    assert find("nobody") is None
    assert find("nobody", "netns") is None
    assert find("/run/netns/nobody") is None


def test_a_file_left_of_a_namespace_is_refused_with_the_cure():
    Path("/run/netns/left").touch()
    code, text = refusal("left")
    assert code == "netns_invalid"
    assert text == (
        "container: /run/netns/left is a regular file, not a network namespace; "
        "it is left of one that is gone or was never made: remove the file"
    )


def test_a_name_removed_between_finding_and_opening_is_not_found():
    rig.netns("c1")
    found = find("c1")
    rig.run("ip", "netns", "delete", "c1")
    with pytest.raises(NetloomError) as refused:
        open_sandbox(found)
    assert refused.value.code == "netns_not_found"


def test_a_link_among_the_named_namespaces_is_refused():
    rig.netns("c1")
    os.symlink("/run/netns/c1", "/run/netns/alias")
    expected = ("netns_invalid", "container: /run/netns/alias is a symbolic link, not a network namespace")
    assert refusal("alias") == expected
    assert refusal("/run/netns/alias") == expected


def test_the_hosts_own_namespace_under_a_name_is_refused():
    Path("/run/netns/disguise").touch()
    rig.run("mount", "--bind", OWN, "/run/netns/disguise")
    assert refusal("disguise") == ("netns_is_host", "container: disguise: this is the host's own network namespace")


def test_a_number_is_the_namespace_of_that_name_before_it_is_a_process():
    container = process()
    assert find(str(container.pid)).runtime == "pid"
    rig.netns(str(container.pid))
    assert find(str(container.pid)).runtime == "netns"
    assert cookie_of(str(container.pid), "netns") != cookie_of(str(container.pid), "pid")


# --- processes ---


def test_a_process_stands_for_its_namespace_by_number_and_by_path():
    container = process()
    by_number, by_path = find(str(container.pid)), find(f"/proc/{container.pid}/ns/net")
    assert by_number == by_path
    assert (by_number.runtime, by_number.name, by_number.pid) == ("pid", str(container.pid), container.pid)
    with open_sandbox(by_number) as opened:
        assert opened.sandbox.inode == os.stat(f"/proc/{container.pid}/ns/net").st_ino


def test_leading_zeros_do_not_make_another_container():
    container = process()
    assert find(f"000{container.pid}") == find(str(container.pid))


def test_a_process_in_a_user_namespace_of_its_own_can_be_entered():
    container = process("--user", "--map-root-user")
    assert cookie_of(str(container.pid)) > 0


def test_a_process_of_the_host_is_refused():
    assert refusal("1") == ("netns_is_host", "container: 1: this is the host's own network namespace")
    assert refusal("/proc/self/ns/net")[0] == "netns_is_host"
    assert refusal("/proc/thread-self/ns/net")[0] == "netns_is_host"


def test_a_number_that_no_process_has_is_nothing():
    assert find("4999999") is None
    assert find("9999999999", "pid") is None


def test_a_process_that_waits_to_be_reaped_is_not_running():
    container = process()
    container.kill()
    os.waitid(os.P_PID, container.pid, os.WEXITED | os.WNOWAIT)
    assert refusal(str(container.pid)) == ("netns_not_found", f"container: {container.pid} is not running")


def test_a_process_that_ended_since_it_was_found_is_not_opened():
    container = process()
    found = find(str(container.pid))
    bury(container)
    with pytest.raises(NetloomError, match="has just ended") as refused:
        open_sandbox(found)
    assert refused.value.code == "netns_not_found"


@pytest.mark.skipif(not NS_LAST_PID.exists(), reason="the kernel has no ns_last_pid (CONFIG_CHECKPOINT_RESTORE)")
def test_a_process_that_got_the_number_of_another_one_is_not_opened():
    first = process()
    found = find(str(first.pid))
    cookie = cookie_of(str(first.pid))
    bury(first)
    time.sleep(0.05)  # start times are in hundredths of a second
    NS_LAST_PID.write_text(str(first.pid - 1))
    second = process()
    assert second.pid == first.pid
    with pytest.raises(NetloomError, match="has just ended") as refused:
        open_sandbox(found)
    assert refused.value.code == "netns_not_found"
    assert cookie_of(str(second.pid)) != cookie


@pytest.mark.parametrize("has_pidfd", [True, False])
def test_a_process_that_ends_while_it_is_opened_is_noticed(monkeypatch, has_pidfd):
    if not has_pidfd:
        monkeypatch.setattr(os, "pidfd_open", _no_such_system_call)
    container = process()
    found = find(str(container.pid))
    check = opening._open_checked

    def open_late(found, path):
        fd = check(found, path)
        bury(container)
        return fd

    monkeypatch.setattr(opening, "_open_checked", open_late)
    before = descriptors()
    with pytest.raises(NetloomError, match="has just ended"):
        open_sandbox(found)
    assert descriptors() == before


def _no_such_system_call(*arguments):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_a_kernel_without_pidfds_is_good_enough(monkeypatch):
    monkeypatch.setattr(os, "pidfd_open", _no_such_system_call)
    container = process()
    assert cookie_of(str(container.pid)) > 0


def test_a_thread_is_not_a_process():
    ready, done = threading.Event(), threading.Event()

    def wait():
        ready.set()
        done.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait()
    try:
        code, text = refusal(str(thread.native_id))
    finally:
        done.set()
        thread.join()
    assert code == "netns_invalid"
    assert text == f"container: {thread.native_id} is a thread, not a process"


# --- paths ---


@pytest.mark.parametrize("path", ["/run/netns/c1", "/var/run/netns/c1", "//run/./netns//c1", "/run/netns/../netns/c1"])
def test_every_path_to_a_named_namespace_is_that_namespace(path):
    rig.netns("c1")
    assert find(path) == find("c1", "netns")
    assert find(path, "path") == find("c1", "netns")


def test_a_path_elsewhere_is_followed_to_where_it_really_leads(tmp_path):
    rig.netns("c1")
    Path("/run/other").touch()
    rig.run("mount", "--bind", "/run/netns/c1", "/run/other")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("/run/other")
    found = find(str(tmp_path / "one"))
    assert (found.runtime, found.name, found.path) == ("path", "/run/other", "/run/other")
    assert cookie_of(str(tmp_path / "one")) == cookie_of("c1")


def test_a_link_to_a_process_is_that_process(tmp_path):
    container = process()
    (tmp_path / "link").symlink_to(f"/proc/{container.pid}/ns/net")
    assert find(str(tmp_path / "link")) == find(str(container.pid))


def test_a_path_through_another_root_is_not_taken_for_one_below_ours():
    rig.netns("c1")
    other = process("--mount")
    enter = ("nsenter", "--target", other.pid, "--mount")
    rig.run(*enter, "sh", "-c", "mount -t tmpfs tmpfs /run/netns && ip netns add c1")
    path = f"/proc/{other.pid}/root/run/netns/c1"
    assert os.path.realpath(path) == "/run/netns/c1"
    found = find(path)
    assert (found.runtime, found.name) == ("path", path)
    assert cookie_of(path) != cookie_of("c1")


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(NetloomError, match="is a symbolic link that leads to itself") as refused:
        find(str(tmp_path / "loop"))
    assert refused.value.code == "netns_invalid"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/passwd", "is a regular file, not"),
        ("/dev/zero", "is a device, not"),
        ("/etc", "is a directory, not"),
        ("/run/pipe", "is a named pipe, not"),
        ("/proc/1/ns/mnt", "is a namespace of another kind, not"),
        ("/proc/1/ns/user", "is a namespace of another kind, not"),
        ("/proc/1/stat", "is a regular file, not"),
    ],
)
def test_what_is_no_network_namespace_is_refused_and_never_waited_for(path, kind):
    os.mkfifo("/run/pipe")
    code, text = refusal(path)
    assert code == "netns_invalid"
    assert text == f"container: {path} {kind} a network namespace"


# --- what opening leaves behind ---


def _failures() -> dict[str, str]:
    Path("/run/netns/left").touch()
    return {"left": "netns", "1": "pid", "/etc/passwd": "path", "/proc/1/ns/mnt": "path"}


def test_a_refused_container_leaves_no_descriptor_open():
    failures = _failures()
    before = descriptors()
    for _round in range(20):
        for container, runtime in failures.items():
            refusal(container, runtime)
    assert descriptors() == before


def test_a_closed_sandbox_leaves_no_descriptor_open_however_often_it_is_closed():
    rig.netns("c1")
    before = descriptors()
    for _round in range(20):
        opened = open_sandbox(find("c1"))
        opened.close()
        opened.close()
    assert descriptors() == before


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EPERM, "permission_denied"), (errno.EINVAL, "netns_invalid"), (errno.ENOMEM, "netns_invalid")],
)
def test_a_namespace_that_cannot_be_entered_is_named_and_closed(monkeypatch, number, code):
    def refuse(fd):
        raise OSError(number, os.strerror(number))

    rig.netns("c1")
    before = descriptors()
    monkeypatch.setattr(netns, "_set_namespace", refuse)
    refused_code, text = refusal("c1")
    assert refused_code == code
    assert text.startswith("container: c1: cannot enter the network namespace: ")
    assert descriptors() == before


def test_a_kernel_without_cookies_gives_zero(monkeypatch):
    rig.netns("c1")
    monkeypatch.setattr(netns, "SO_NETNS_COOKIE", 9999)
    assert cookie_of("c1") == 0


def test_a_namespace_that_may_not_be_opened_is_named_and_closed(monkeypatch):
    rig.netns("c1")
    reopened = os.open

    def refuse(path, flags, *mode, **where):
        if str(path).startswith("/proc/self/fd/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return reopened(path, flags, *mode, **where)

    before = descriptors()
    monkeypatch.setattr(os, "open", refuse)
    assert refusal("c1") == ("permission_denied", "container: cannot open /run/netns/c1: Permission denied")
    assert descriptors() == before


# --- being inside ---


def test_a_block_runs_inside_and_what_follows_runs_outside():
    rig.netns("c1")
    home = os.stat(OWN).st_ino
    with open_sandbox(find("c1")) as opened:
        with netns.in_namespace(opened.fd):
            assert os.stat(netns.HERE).st_ino == opened.sandbox.inode
            rig.run("ip", "link", "add", "br-in", "type", "bridge")
        assert os.stat(netns.HERE).st_ino == home
    assert "br-in" in rig.run("ip", "-n", "c1", "link").stdout
    assert "br-in" not in rig.run("ip", "link").stdout


def test_a_block_that_fails_ends_outside():
    rig.netns("c1")
    home = os.stat(OWN).st_ino
    before = descriptors()
    with open_sandbox(find("c1")) as opened:
        with contextlib.suppress(KeyboardInterrupt), netns.in_namespace(opened.fd):
            raise KeyboardInterrupt
        assert os.stat(netns.HERE).st_ino == home
    assert descriptors() == before


def test_other_threads_stay_where_they_are():
    rig.netns("c1")
    home = os.stat(OWN).st_ino
    entered, seen = threading.Event(), threading.Event()
    with open_sandbox(find("c1")) as opened:

        def enter():
            with netns.in_namespace(opened.fd):
                entered.set()
                seen.wait(5)

        thread = threading.Thread(target=enter)
        thread.start()
        assert entered.wait(5)
        here = os.stat(netns.HERE).st_ino
        there = os.stat(f"/proc/self/task/{thread.native_id}/ns/net").st_ino
        seen.set()
        thread.join()
        assert (here, there) == (home, opened.sandbox.inode)


def test_a_process_that_cannot_return_ends_before_it_does_anything_else(capfd):
    rig.netns("c1")
    with open_sandbox(find("c1")) as opened:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException), netns.in_namespace(opened.fd):
                netns._set_namespace = lambda fd: _no_such_system_call()
            os._exit(0)
        _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == netns.EXIT_ASTRAY
    assert "netloom: cannot return to the host's network namespace" in capfd.readouterr().err
