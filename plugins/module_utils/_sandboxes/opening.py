# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a container's network namespace once, safely, as a descriptor.

Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat

from .._errors import NetloomError
from .._kernel import netns
from .._kernel.wire import Wire
from .._model import Sandbox
from .found import Found, start_time_of

OWN = "/proc/self/ns/net"
NS_GET_NSTYPE = 0xB703  # _IO(0xb7, 3)
KINDS = (
    (stat.S_ISREG, "regular file"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
)


class OpenSandbox:
    """A container's network namespace, held open: `fd` stays the same one whatever happens to the container."""

    def __init__(self, found: Found, fd: int, sandbox: Sandbox, wire: Wire):
        self.found = found
        self.fd = fd
        self.sandbox = sandbox
        self._wire: Wire | None = wire

    def take_wire(self) -> Wire | None:
        """Return a netlink socket of the namespace, which the caller closes; the first time only."""
        wire, self._wire = self._wire, None
        return wire

    def close(self) -> None:
        """Let go of the namespace. Once is enough, twice does no harm."""
        wire, fd, self.fd = self.take_wire(), self.fd, -1
        if wire is not None:
            wire.close()
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> OpenSandbox:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_sandbox(found: Found) -> OpenSandbox:
    """Return the network namespace of a container, opened and proved to be one, and not the host's.

    :raises NetloomError: the container does not run or has just ended, or its namespace is not fit to be used.
    """
    if found.path is None:
        raise NetloomError("netns_not_found", f"container: {found.name} is not running")
    fd = _open_checked(found, found.path) if found.pid is None else _open_of_process(found, found.path, found.pid)
    try:
        seen = os.fstat(fd)
        own = os.stat(OWN)
        if (seen.st_dev, seen.st_ino) == (own.st_dev, own.st_ino):
            raise NetloomError("netns_is_host", "this is the host's own network namespace")
        with netns.in_namespace(fd):
            wire = Wire()
    except NetloomError as exc:
        os.close(fd)
        raise NetloomError(exc.code, f"container: {found.name}: {exc.message}") from exc
    except BaseException:
        os.close(fd)
        raise
    sandbox = Sandbox(found.key, netns.boot_id(), netns.cookie(wire.socket), seen.st_ino, found.container_id)
    return OpenSandbox(found, fd, sandbox, wire)


def _open_of_process(found: Found, path: str, pid: int) -> int:
    """Open the namespace of a process that is held by a pidfd meanwhile, so that the number cannot change hands."""
    pidfd = _hold(found, pid)
    try:
        if start_time_of(pid) != found.start_time:
            raise _ended(found)
        fd = _open_checked(found, path)
        if _has_ended(found, pid, pidfd):
            os.close(fd)
            raise _ended(found)
        return fd
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _hold(found: Found, pid: int) -> int | None:
    """Return a pidfd; None before Linux 5.3, which has none."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise _ended(found) from None
    except OSError as exc:
        if exc.errno == errno.ENOSYS:
            return None
        if exc.errno in (errno.EINVAL, errno.ENOENT):  # before, and since Linux 6.9
            raise NetloomError("netns_invalid", f"container: {found.pid} is a thread, not a process") from exc
        raise NetloomError("permission_denied", f"container: process {found.pid}: {exc.strerror}") from exc


def _has_ended(found: Found, pid: int, pidfd: int | None) -> bool:
    if pidfd is None:
        return start_time_of(pid) != found.start_time
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _ended(found: Found) -> NetloomError:
    return NetloomError("netns_not_found", f"container: {found.name}: process {found.pid} has just ended")


def _open_checked(found: Found, path: str) -> int:
    """Return a descriptor of the namespace at a path.

    The path is looked up first without opening what is there: a pipe would block, a device might act.
    """
    # A link among the named namespaces is refused: what it leads to changes hands without a trace.
    follow = os.O_NOFOLLOW if found.runtime == "netns" else 0
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | follow)
    except OSError as exc:
        raise _cannot_open(found, exc) from exc
    try:
        seen = os.fstat(place)
        if seen.st_dev != os.stat(OWN).st_dev:  # nsfs, which the kernel has one of
            raise NetloomError("netns_invalid", _not_a_namespace(found, seen.st_mode))
        try:
            fd = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise _cannot_open(found, exc) from exc
    finally:
        os.close(place)
    if fcntl.ioctl(fd, NS_GET_NSTYPE) != netns.CLONE_NEWNET:
        os.close(fd)
        text = f"container: {found.path} is a namespace of another kind, not a network namespace"
        raise NetloomError("netns_invalid", text)
    return fd


def _cannot_open(found: Found, exc: OSError) -> NetloomError:
    if exc.errno in (errno.ENOENT, errno.ESRCH):
        if found.pid is not None:
            return _ended(found)
        return NetloomError("netns_not_found", f"container: {found.path} does not exist")
    if exc.errno in (errno.EACCES, errno.EPERM):
        return NetloomError("permission_denied", f"container: cannot open {found.path}: {exc.strerror}")
    return NetloomError("netns_invalid", f"container: cannot open {found.path}: {exc.strerror}")


def _not_a_namespace(found: Found, mode: int) -> str:
    kind = next((noun for is_kind, noun in KINDS if is_kind(mode)), "device")
    text = f"container: {found.path} is a {kind}, not a network namespace"
    if found.runtime == "netns" and kind == "regular file":
        return f"{text}; it is left of one that is gone or was never made: remove the file"
    return text
