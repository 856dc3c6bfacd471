# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entering a network namespace and always coming back, and what tells two of them apart.

Collection-private. Knows descriptors only, no names and no containers. Floor 4.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from .._errors import NetloomError

HERE = "/proc/thread-self/ns/net"  # a namespace is a property of the thread, not of the process
CLONE_NEWNET = 0x40000000
SO_NETNS_COOKIE = 71  # Linux 5.14
EXIT_ASTRAY = 70  # EX_SOFTWARE of sysexits.h


def boot_id() -> str:
    """Return the kernel's random name for the time since it booted."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def here() -> int:
    """Return a descriptor of the namespace that this thread is in."""
    return os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)


def enter(fd: int) -> None:
    """Move this thread to the network namespace that `fd` refers to, for good.

    :raises NetloomError: the namespace cannot be entered; the thread is where it was.
    """
    try:
        _set_namespace(fd)
    except OSError as exc:
        raise _refused(exc) from exc


@contextmanager
def in_namespace(fd: int, home: int | None = None) -> Iterator[None]:
    """Run the block with this thread in the network namespace that `fd` refers to.

    Afterwards the thread is in `home`, by default where it was. If the kernel refuses that, the process ends at once:
    whatever it did next, an undo included, would happen in the wrong place.

    :raises NetloomError: the namespace cannot be entered; the block did not run.
    """
    back = here() if home is None else home
    try:
        enter(fd)
        try:
            yield
        finally:
            _return_to(back)
    finally:
        if home is None:
            os.close(back)


def cookie(probe: socket.socket) -> int:
    """Return the cookie of the namespace that a socket was made in, unique until the next boot; 0 before Linux 5.14."""
    try:
        return struct.unpack("=Q", probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]
    except OSError as exc:
        if exc.errno == errno.ENOPROTOOPT:
            return 0
        raise


def _set_namespace(fd: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(fd, CLONE_NEWNET)
        return
    import ctypes  # 1 ms that later versions of Python need not spend

    if _libc().setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _return_to(home: int) -> None:
    try:
        _set_namespace(home)
    except OSError as exc:
        sys.stderr.write(f"netloom: cannot return to the host's network namespace: {exc.strerror}\n")
        sys.stderr.flush()
        os._exit(EXIT_ASTRAY)


def _refused(exc: OSError) -> NetloomError:
    if exc.errno == errno.EPERM:
        return NetloomError(
            "permission_denied",
            "cannot enter the network namespace: CAP_SYS_ADMIN is needed, here and in the user namespace that owns it",
        )
    if exc.errno == errno.EINVAL:
        return NetloomError("netns_invalid", "cannot enter the network namespace: it is not a network namespace")
    return NetloomError("netns_invalid", f"cannot enter the network namespace: {exc.strerror}")
