# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plugins have been told, in the records: written before they are told, and again with what they have answered.

Collection-private. Floor 4.
"""

from __future__ import annotations

import json
from typing import Any

from .._model import PRESENT

TOLD = "told"  # what came of it is not known: the run was killed, or the plugin has failed


def read(records: Any, key: tuple[str, ...]) -> tuple[dict[str, Any], str, str] | None:
    """Return what a plugin was told under a resource's key: its fields, the answer (JSON) and the state; None for nothing."""
    rows = records.database.rows("SELECT told, answer, state FROM plugins WHERE key = ?", json.dumps(key))
    if not rows:
        return None
    told, answer, state = rows[0]
    try:
        return json.loads(told), answer, state
    except ValueError as exc:
        raise records.database.unreadable(exc) from exc


def keys(records: Any, kind: str, network: str) -> list[tuple[str, ...]]:
    """Return the keys of one kind that there are of a network."""
    rows = records.database.rows("SELECT key FROM plugins WHERE kind = ? AND network = ? ORDER BY key", kind, network)
    return [tuple(json.loads(key)) for (key,) in rows]


def all_told(records: Any, kind: str, driver: str) -> list[dict[str, Any]]:
    """Return what plugins of a driver have been told of all that there is of one kind."""
    rows = records.database.rows("SELECT told FROM plugins WHERE kind = ? ORDER BY key", kind)
    return [told for (text,) in rows for told in [json.loads(text)] if told["driver"] == driver]


def apart(records: Any, kind: str, network: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what was put apart of a network: (key, what was told)."""
    rows = records.database.rows(
        "SELECT key, told FROM plugins WHERE kind = ? AND network = ? ORDER BY key", kind, network
    )
    return [(key, json.loads(told)) for key, told in rows]


def put_apart(records: Any, resource: Any, key: tuple[str, ...]) -> None:
    """Commit that a resource is given up, which a plugin may still have: under a key of another kind."""
    row = (json.dumps(key), key[0], resource.network, _told(resource), "", TOLD)
    with records.database.writing() as db:
        db.execute("INSERT OR REPLACE INTO plugins VALUES (?, ?, ?, ?, ?, ?)", row)


def write(records: Any, resource: Any, answer: str = "", state: str = PRESENT) -> None:
    """Commit what a plugin is told of a resource, and what it has answered."""
    row = (json.dumps(resource.key), resource.key[0], resource.network, _told(resource), answer, state)
    with records.database.writing() as db:
        db.execute("INSERT OR REPLACE INTO plugins VALUES (?, ?, ?, ?, ?, ?)", row)


def forget(records: Any, resource: Any) -> None:
    """Commit that the plugin knows nothing of a resource any more."""
    forget_key(records, json.dumps(resource.key))


def forget_key(records: Any, key: str) -> None:
    """Commit the same of what has a key in the table."""
    with records.database.writing() as db:
        db.execute("DELETE FROM plugins WHERE key = ?", (key,))


def _told(resource: Any) -> str:
    told = {name: value for name, value in vars(resource).items() if name not in ("fault", "answer")}
    return json.dumps(told, sort_keys=True)
