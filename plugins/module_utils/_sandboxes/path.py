# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are named by a path to their network namespace.

Collection-private. Floor 4.
"""

from __future__ import annotations

import os
import re

from .._errors import NetloomError
from . import netns, pid
from .found import CONTROL, Found

NAMED = re.compile(re.escape(netns.DIRECTORY) + r"/([^/]+)")
PROCESS = re.compile(r"/proc/([0-9]+)/ns/net")
OPEN_NAMESPACE = re.compile(r"[a-z_]+:\[[0-9]+\]")  # what the links in /proc/PID/ns read
RULE = "is not an absolute path without control characters"
SYMLINKS_MAX = 40  # MAXSYMLINKS


def accepts(container: str) -> bool:
    """Whether it is an absolute path."""
    return container.startswith("/") and not CONTROL.search(container)


def find(container: str, *, chosen: bool) -> Found | None:
    """Return what the path leads to: a named namespace, a process, or just a file; None if there is nothing."""
    path = real(container)
    if not same(path, container):
        path = container  # a link in /proc that leads elsewhere than it reads: /proc/12/root/run/netns/c1
    named = NAMED.fullmatch(path)
    if named and netns.accepts(named[1]):
        return netns.find(named[1], chosen=chosen)
    process = PROCESS.fullmatch(path)
    if process and pid.accepts(process[1]):
        return pid.find(process[1], chosen=chosen)
    if not os.path.lexists(path):
        return None
    return Found("path", path, path, path)


def same(path: str, other: str) -> bool:
    """Whether two paths lead to one file, or to none that can be seen."""
    try:
        return os.path.samestat(os.stat(path), os.stat(other))
    except OSError:
        return True


def real(path: str) -> str:
    """Return `path` without symbolic links, but for two: one that is a process's namespace, and a named namespace.

    The first leads to no path. The second is refused when it is opened, as it is by its name.

    :raises NetloomError: the links form a loop.
    """
    given = path
    for _link in range(SYMLINKS_MAX):
        folder, name = os.path.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            return os.path.realpath(path)
        folder = os.path.realpath(folder)
        path = os.path.join(folder, name)
        try:
            target = os.readlink(path)
        except OSError:
            return path  # no link, or one that opening will say more about
        if NAMED.fullmatch(path) or OPEN_NAMESPACE.fullmatch(target):
            return path
        path = os.path.join(folder, target)
    raise NetloomError("netns_invalid", f"container: {given!r} is a symbolic link that leads to itself")
