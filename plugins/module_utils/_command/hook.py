# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a hook of an OCI runtime, which tells a container that it starts by its state on standard input.

The container may be anybody's: whatever is wrong here is said, and is no reason for it not to start. Its engine holds
it locked meanwhile and is not asked for it. Collection-private. Floor 5.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .._errors import NetloomError
from .._kernel.host import Host
from .._sandboxes import podman
from .._sandboxes.found import Found, of_process, with_key

_MAX_BYTES = 1 << 20


def run(state_dir: str, lock_timeout_seconds: int) -> int:
    """Bring back what the container is attached to; always return 0."""
    try:
        state = json.loads(sys.stdin.buffer.read(_MAX_BYTES))
        container_id, pid, bundle = str(state["id"]), int(state["pid"]), str(state.get("bundle", ""))
        place = _place(state_dir, container_id)
        if place and pid > 0:
            found = _found(place.partition(":")[2], container_id, pid, bundle)
            _restore(state_dir, lock_timeout_seconds, place, found)
    except (NetloomError, OSError, ValueError, LookupError, TypeError) as exc:
        words = getattr(exc, "message", None) or f"this hook was told nothing useful: {exc!r}"
        sys.stderr.write(f"netloom: {words}\n")
    return 0


def _place(state_dir: str, container_id: str) -> str:
    """Return the place of a container of Podman in the records, empty if it has no endpoints. Needs no lock."""
    with Host(state_dir) as host:
        if not host.records.database.exists():
            return ""
        for name in (*podman.names_of(container_id), container_id):
            for place in host.records.places_of(name):
                if place.startswith("podman:"):
                    return place
    return ""


def _found(name: str, container_id: str, pid: int, bundle: str) -> Found:
    found = of_process("podman", name, pid, container_id)
    path = _namespace_path(bundle)
    return with_key(found, path) if path else found


def _namespace_path(bundle: str) -> str:
    """Return the path of the network namespace that a container was given, empty if it was given a new one."""
    try:
        with open(os.path.join(bundle, "config.json"), encoding="utf-8") as file:
            namespaces: Any = json.load(file)["linux"]["namespaces"]
        return next((str(each.get("path", "")) for each in namespaces if each["type"] == "network"), "")
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _restore(state_dir: str, lock_timeout_seconds: int, place: str, found: Found) -> None:
    from .._verbs import restoration
    from . import showing

    with Host(state_dir, lock_timeout_seconds) as host:
        result = restoration.restore_place(host, place, found)
    showing.restored(result, as_json=False)
