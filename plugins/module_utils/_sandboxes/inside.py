# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing something in a network namespace as `ip netns exec` does it: with the host's files, but for a few.

Collection-private. Floor 4.
"""

from __future__ import annotations

import contextvars
import ctypes
import os
import threading
from collections.abc import Iterable
from typing import Any, Callable

from .._errors import NetloomError
from .._kernel import netns

SETTINGS = "/etc/netns"
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_BIND, MS_REC, MS_SLAVE = 0x1, 0x1000, 0x4000, 0x80000


def in_own_thread(fd: int, name: str, act: Callable[..., Any], *args: Any) -> Any:
    """Return what `act` returns, or raise what it raises, in the network namespace that `fd` refers to.

    It runs in a thread that is there for good, and ends with it: so nothing that goes wrong has anything else run in the
    wrong place. Programs that `act` starts are there as well. /sys is that of the namespace, and files below
    /etc/netns/`name` stand for those of /etc; an empty name has none.

    :raises NetloomError: the namespace cannot be entered; `act` did not run.
    """
    answer: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            _enter(fd, name)
            answer.append(act(*args))
        except BaseException as exc:  # for the caller, whose thread it is to end
            failure.append(exc)

    # A caller who is interrupted does not wait for it: a daemon.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="netloom", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]


def _enter(fd: int, name: str) -> None:
    """Move this thread to a network namespace, with mounts of its own."""
    netns.enter(fd)
    try:
        _call("unshare", CLONE_NEWNS)
        _mount("none", "/", None, MS_SLAVE | MS_REC)  # what the host mounts later is seen, and ours is not on the host
        _mount_sys()
    except OSError as exc:
        code = "permission_denied" if isinstance(exc, PermissionError) else "kernel_unsupported"
        raise NetloomError(code, f"cannot mount the /sys of the network namespace: {exc.strerror}") from exc
    for own, shadowed in _files(name):
        try:
            _mount(own, shadowed, None, MS_BIND)
        except OSError as exc:
            raise NetloomError("netns_invalid", f"cannot mount {own} on {shadowed}: {exc.strerror}") from exc


def _mount_sys() -> None:
    """Mount the namespace's own /sys, which has its interfaces, with what is mounted below the host's."""
    writable = os.statvfs("/sys").f_flag & os.ST_RDONLY == 0
    kept = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in _mounts_below_sys()]
    try:
        _mount("netloom", "/sys", "sysfs", 0 if writable else MS_RDONLY)
        for path, fd in kept:
            _mount(f"/proc/self/fd/{fd}", path, None, MS_BIND | MS_REC)
    finally:
        for _path, fd in kept:
            os.close(fd)


def _mounts_below_sys() -> list[str]:
    """Return the mount points below /sys that are below no other of them."""
    with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return outermost(line.split(" ")[4] for line in file)


def outermost(points: Iterable[str]) -> list[str]:
    """Return those of some mount points, as mountinfo spells them, that are below /sys and below no other of them."""
    found: list[str] = []
    for point in sorted({point for point in points if point.startswith("/sys/")}):
        if not any(point.startswith(f"{other}/") for other in found):
            found.append(point)
    return found


def _files(name: str) -> list[tuple[str, str]]:
    """Return the files that a named namespace has of its own, each with the path that it is to be found at."""
    folder = f"{SETTINGS}/{name}"
    try:
        return [(f"{folder}/{entry}", f"/etc/{entry}") for entry in sorted(os.listdir(folder))] if name else []
    except OSError:
        return []


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), kind.encode() if kind else None, flags, None)


def _call(function: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
