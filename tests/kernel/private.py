# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one test in a forked process with namespaces of its own, and brings its reports back."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

TIMEOUT_SECONDS = 300

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, doing: str) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{doing}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str, options: str = "", flags: int = 0) -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), flags, options.encode())
    _checked(libc.mount(*arguments), f"mount {kind} on {target}")


def _leave_machine() -> None:
    flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    _checked(libc.unshare(flags), "unshare")


def _furnish() -> None:
    """Give the new namespaces what a machine has that was just switched on."""
    os.environ["NETLOOM_PRIVATE"] = "1"
    _mount("none", "/", "none", flags=MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    _mount("sysfs", "/sys", "sysfs")  # the machine's shows the machine's interfaces
    _mount("tmpfs", "/run", "tmpfs", "mode=0755")
    for folder in ("netns", "lock", ".var/upper", ".var/work", ".etc/upper", ".etc/work"):
        os.makedirs(f"/run/{folder}")
    # Only /var/lib/netloom should be ours, but the machine need not have it, and we may not make it there.
    _mount("overlay", "/var/lib", "overlay", "lowerdir=/var/lib,upperdir=/run/.var/upper,workdir=/run/.var/work")
    shutil.rmtree("/var/lib/netloom", ignore_errors=True)
    # /etc/netns is what a namespace of a name has in the place of files in /etc.
    _mount("overlay", "/etc", "overlay", "lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work")
    shutil.rmtree("/etc/netns", ignore_errors=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")  # a new namespace has the value of the first one
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def _fork() -> int:
    """Fork a child that dies with its parent."""
    pid = os.fork()
    if pid == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return pid


def _exit_as(status: int) -> None:
    """End this process as a child of it ended."""
    if os.WIFSIGNALED(status):
        os._exit(128 + os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _be_init(worker: int) -> None:
    """Bury orphans until the worker ends; the kernel then kills whatever the test has left running."""
    while True:
        pid, status = os.wait()
        if pid == worker:
            _exit_as(status)


def _run(item: pytest.Item, results: int) -> None:
    reports = runtestprotocol(item, log=False, nextitem=None)
    serialize = item.config.hook.pytest_report_to_serializable
    data = json.dumps([serialize(config=item.config, report=report) for report in reports], default=str)
    with os.fdopen(results, "w") as stream:
        stream.write(data)


def _run_in_namespaces(item: pytest.Item, results: int) -> None:
    """Never returns. Three generations: one that leaves the machine, PID 1 of the new namespaces, the test."""
    try:
        _leave_machine()
        init = _fork()
        if init:
            os.close(results)
            _exit_as(os.waitpid(init, 0)[1])
        _furnish()
        worker = _fork()
        if worker:
            os.close(results)
            _be_init(worker)
        _run(item, results)
        os._exit(0)
    except BaseException:
        with os.fdopen(results, "w") as stream:
            stream.write(json.dumps(traceback.format_exc()))
        os._exit(71)


def _received(source: int, pid: int) -> str:
    chunks = []
    while select.select([source], [], [], TIMEOUT_SECONDS)[0]:
        chunk = os.read(source, 1 << 16)
        if not chunk:
            return b"".join(chunks).decode()
        chunks.append(chunk)
    os.kill(pid, signal.SIGKILL)
    return json.dumps(f"no result after {TIMEOUT_SECONDS} s")


def _broken(item: pytest.Item, reason: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=reason,
        when="call",
    )


def reports_of(item: pytest.Item) -> list[pytest.TestReport]:
    """Return the reports of setup, call and teardown of a test that was run in namespaces of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    source, results = os.pipe()
    pid = _fork()
    if pid == 0:
        os.close(source)
        _run_in_namespaces(item, results)
    os.close(results)
    text = _received(source, pid)
    os.close(source)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not text:
        return [_broken(item, f"the test's process ended early, with status {status}")]
    data = json.loads(text)
    if isinstance(data, str):
        return [_broken(item, data)]
    return [_restored(item, report) for report in data]


def _restored(item: pytest.Item, data: dict) -> pytest.TestReport:
    report = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
    if isinstance(report.longrepr, list):  # where a test was skipped; JSON has no tuples
        report.longrepr = tuple(report.longrepr)
    return report
