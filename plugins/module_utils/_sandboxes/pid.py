# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are named by the number of a process in them.

Collection-private. Floor 4.
"""

from __future__ import annotations

import os
import re

from .found import Found, of_process

NUMBER = re.compile(r"[0-9]{1,10}")
RULE = "is not a PID: a positive number"


def accepts(container: str) -> bool:
    """Whether it is a number that could be a process's."""
    return NUMBER.fullmatch(container) is not None and int(container) > 0


def find(container: str, *, chosen: bool) -> Found | None:
    """Return the process; None if there is none. One that has ended but is not yet reaped does not run."""
    pid = int(container)
    if not os.path.exists(f"/proc/{pid}"):
        return None
    return of_process("pid", str(pid), pid)
