# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named network namespaces, as `ip netns` makes and sees them. Collection-private. Floor 4."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._changes import Change
from .._resources import Namespace, Resource
from . import netns

DIRECTORY = "/run/netns"
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20
_MNT_DETACH = 2
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def path_of(name: str) -> str:
    return f"{DIRECTORY}/{name}"


def is_mounted(name: str) -> bool:
    """Return whether the name stands for a live namespace; a bare file is what a killed run leaves."""
    try:
        return os.stat(path_of(name)).st_dev == os.stat("/proc/self/ns/net").st_dev
    except FileNotFoundError:
        return False


def observe(host: Any, wanted: Sequence[Namespace]) -> Iterator[Resource]:
    """Yield those of the wanted namespaces that exist."""
    for resource in wanted:
        if is_mounted(resource.name):
            yield Namespace(resource.name, _inside(resource.name, _is_up))


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make and remove namespaces."""
    for change in changes:
        resource: Any = change.resource
        if change.before is None:
            host.execute(str(change), _make, resource.name, host.removed.get(resource.name))
        if change.after is None:
            # Held until the end of the task: undoing gives the same namespace its name back, with all that is in it.
            host.removed[resource.name] = os.open(path_of(resource.name), os.O_RDONLY | os.O_CLOEXEC)
            host.execute(str(change), _remove, resource.name)
        else:
            host.execute(f"bring lo up in {resource.name}", _inside, resource.name, _set_up)


def in_new(act: Any, *args: Any) -> Any:
    """Return what `act` returns in a new network namespace, which is gone afterwards."""
    home = os.open(netns.HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with netns.in_namespace(home):  # comes back whatever happens
            _call(ctypes.CDLL(None, use_errno=True).unshare, _CLONE_NEWNET)
            return act(*args)
    finally:
        os.close(home)


def processes(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the PIDs of the processes in namespaces, by name; those without any, or that are gone, are left out."""
    inodes = {os.stat(path_of(name)).st_ino: name for name in names if is_mounted(name)}
    found: dict[str, list[int]] = {}
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))) if inodes else ():
        try:
            inode = os.stat(f"/proc/{pid}/ns/net").st_ino
        except OSError:
            continue
        if inode in inodes:
            found.setdefault(inodes[inode], []).append(pid)
    return found


def _make(name: str, removed: int | None) -> None:
    """Do what `ip netns add` does: a shared mount point, a file, and a namespace, new or `removed`, mounted on it."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs(DIRECTORY, 0o755, exist_ok=True)
    share = (libc.mount, b"", DIRECTORY.encode(), b"none", _MS_SHARED | _MS_REC, None)
    try:
        _call(*share)
    except OSError as exc:
        # Not a mount point yet. Asking beforehand does not do: os.path.ismount sees no bind mount, and every
        # further one doubles all the mounts below.
        if exc.errno != errno.EINVAL:
            raise
        _call(libc.mount, DIRECTORY.encode(), DIRECTORY.encode(), b"none", _MS_BIND | _MS_REC, None)
        _call(*share)
    path = path_of(name)
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
    os.close(descriptor)
    home = os.open(netns.HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with netns.in_namespace(home if removed is None else removed):  # comes back whatever happens
            if removed is None:
                _call(libc.unshare, _CLONE_NEWNET)
            _call(libc.mount, netns.HERE.encode(), path.encode(), b"none", _MS_BIND, None)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(home)


def _inside(name: str, act: Any) -> Any:
    descriptor = os.open(path_of(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with netns.in_namespace(descriptor), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            return act(probe)
    finally:
        os.close(descriptor)


def _flags(probe: socket.socket) -> int:
    answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
    return struct.unpack("16sh14x", answer)[1]


def _is_up(probe: socket.socket) -> bool:
    return bool(_flags(probe) & _IFF_UP)


def _set_up(probe: socket.socket) -> None:
    fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _flags(probe) | _IFF_UP))


def _remove(name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if is_mounted(name):
        _call(libc.umount2, path_of(name).encode(), _MNT_DETACH)
    os.unlink(path_of(name))


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
