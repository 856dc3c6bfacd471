# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are registered with systemd-machined: systemd-nspawn, `machinectl`.

machined keeps one file for each machine. It is read, so that no D-Bus is needed. Collection-private. Floor 4.
"""

from __future__ import annotations

import re

from .found import MACHINES, Found, of_process

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RULE = "is not a machine's name: up to 64 letters, digits, '.', '_' and '-', a letter or digit first"


def accepts(container: str) -> bool:
    """Whether machined would register a machine of this name."""
    return NAME.fullmatch(container) is not None


def find(container: str, *, chosen: bool) -> Found | None:
    """Return the machine; None if none is registered. A virtual machine is no container."""
    try:
        with open(f"{MACHINES}/{container}", encoding="utf-8", errors="replace") as file:
            registered = parse(file.read())
    except FileNotFoundError:
        return None
    leader = registered.get("LEADER", "")
    if registered.get("CLASS") != "container" or not leader.isdigit():
        return None
    return of_process("machine", container, int(leader))


def parse(text: str) -> dict[str, str]:
    """Return the settings in a file of machined, which are `KEY=value` with shell quotes where needed."""
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {key: value.strip('"') for key, equals, value in lines if equals}
