# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings below /proc/sys, of the host and of single interfaces. Collection-private. Floor 4."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from .._changes import Change
from .._model import HOST
from .._resources import Resource, Sysctl

_ROOT = "/proc/sys/"


def observe(host: Any, wanted: Sequence[Sysctl]) -> Iterator[Resource]:
    """Yield the wanted settings with the values they have.

    One that the kernel does not have (IPv6 switched off at boot) is as good as set.
    """
    for resource in wanted:
        if resource.ifname and host.link(resource.place, resource.ifname) is None:
            continue
        value = _value(host, resource)
        if value is None:
            yield resource
        elif resource.inherits:
            yield replace(resource, value=value, restore=host.inside(resource.place, _inherited, resource))
        elif resource.place == HOST and not resource.ifname:
            yield replace(resource, value=value, restore=host.records.original(resource.path, value))
        else:
            yield replace(resource, value=value)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Write each setting, or what it was before us. Neighbouring files of one place take one visit there."""
    folders: dict[str, int] = {}
    try:
        for (place, by_netlink), run in groupby(changes, key=_way):
            if by_netlink:
                for change in run:
                    _set_by_netlink(host, change)
                continue
            with host.entered(place):
                for change in run:
                    resource: Any = change.resource
                    known = folders if place == HOST else None
                    host.execute(str(change), _write, resource.path, _value_after(change), known)
    finally:
        for descriptor in folders.values():
            os.close(descriptor)


def _way(change: Change) -> tuple[str, bool]:
    """Return where a setting is, and whether netlink can change it."""
    resource: Any = change.resource
    return resource.place, bool(resource.ifname) and _netlink_number(resource.path) > 0


def _netlink_number(path: str) -> int:
    from . import devconf

    return devconf.settable(path)


def _set_by_netlink(host: Any, change: Change) -> None:
    from . import messages

    resource: Any = change.resource
    index = host.index(resource.place, resource.ifname)
    message = messages.set_inet(index, _netlink_number(resource.path), int(_value_after(change)))
    host.execute(str(change), host.netlink(resource.place).change, message)


def _value_after(change: Change) -> str:
    resource: Any = change.resource
    return resource.value if change.after is not None else resource.restore


def _value(host: Any, resource: Sysctl) -> str | None:
    if resource.ifname:
        from . import devconf

        try:
            return devconf.setting(host.link(resource.place, resource.ifname), resource.path)
        except LookupError:
            pass
    return host.inside(resource.place, read, resource.path)


def read(path: str) -> str | None:
    """Return the value of a setting in this thread's network namespace, its words parted by single spaces.

    None if there is no such setting.
    """
    try:
        with open(_ROOT + path, encoding="ascii") as file:
            return " ".join(file.read().split())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _inherited(resource: Sysctl) -> str:
    """Return what a new interface has; only the first namespace has that of neigh, so what nobody changes on lo."""
    folders = ("default", "lo")
    values = (read(resource.path.replace(f"/{resource.ifname}/", f"/{folder}/")) for folder in folders)
    return next(filter(None, values), "")


def faults(paths: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with those of some settings that cannot be set in this thread's network namespace."""
    found = {}
    for path in paths:
        try:
            mode = os.stat(_ROOT + path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            found[path] = "the kernel has no such setting there"
            continue
        if stat.S_ISDIR(mode):
            found[path] = "is a folder of settings"
        elif not mode & stat.S_IWUSR:
            found[path] = "the kernel lets nobody set it there"
    return found


def _write(path: str, value: str, folders: dict[str, int] | None) -> None:
    """Write a setting, from a directory in `folders` on where they are given: those that are open, by path.

    The directories of all namespaces are one list to the kernel: at 1,000 it takes 0.1 ms to find ours.
    """
    folder = None
    if folders is not None:
        above, path = _parted(path)
        if above not in folders:
            folders[above] = os.open(_ROOT + above, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        folder = folders[above]
    # No O_CREAT: a missing setting is an error, not a file to make.
    descriptor = os.open(path if folders is not None else _ROOT + path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _parted(path: str) -> tuple[str, str]:
    """Return net/ipv6/conf and eth0/autoconf of net/ipv6/conf/eth0/autoconf."""
    above, ifname, name = path.rsplit("/", 2)
    return above, f"{ifname}/{name}"
