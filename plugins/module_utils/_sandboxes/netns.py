# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are named network namespaces, as `ip netns` makes them.

Collection-private. Floor 4.
"""

from __future__ import annotations

import os

from .found import Found, unusable

DIRECTORY = "/run/netns"
RULE = "is not a file name, as a named network namespace has it"


def accepts(container: str) -> bool:
    """Whether a named namespace could be called so."""
    return not unusable(container)


def find(container: str, *, chosen: bool) -> Found | None:
    """Return the named namespace; None if there is none. Whether the file is one is seen when it is opened."""
    found = at(container)
    return found if os.path.lexists(found.key) else None


def at(name: str) -> Found:
    """Return the named namespace `name`, whether or not there is one."""
    path = f"{DIRECTORY}/{name}"
    return Found("netns", name, path, path)
