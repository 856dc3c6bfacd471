# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the records: the intent before the first side effect, completion after the last, and taking it back.

Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import _codec
from .._changes import Change
from .._model import HOST, Key
from .._resources import EndpointRecord, NamespaceRecord, NetworkRecord, Sysctl
from . import ranges
from .database import Entry

CHANGING, REMOVING = "changing", "removing"
_RECORDS = (NetworkRecord, EndpointRecord, NamespaceRecord)


class Before:
    """What `begin` has found: entries by key, None where there was none, and the settings that it made an entry for."""

    def __init__(self) -> None:
        self.entries: list[tuple[Key, Entry | None]] = []
        self.settings: list[str] = []


def begin(records: Any, changes: Sequence[Change]) -> Before:
    """Commit the intent to make `changes`, with the original values of settings among them."""
    before = Before()
    if not any(isinstance(change.resource, _RECORDS) or _is_of_host(change.resource) for change in changes):
        return before  # nothing to remember, so no database is made for it
    with records.database.writing() as db:
        for change in changes:
            if isinstance(change.resource, _RECORDS):
                _begin(records, db, change, before)
            elif isinstance(change.before, Sysctl) and change.after and _is_of_host(change.before):
                row = (change.before.path, change.before.value)
                if db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", row).rowcount:
                    before.settings.append(row[0])
    return before


def complete(records: Any, changes: Sequence[Change], touched: Sequence[Key], released: Sequence[str] = ()) -> None:
    """Commit that `changes` are made, that nothing of `touched` (record keys) is unfinished, and that
    the settings `released` (paths) are the host's own again."""
    if not records.database.exists():
        return  # there was nothing to remember
    made = {change.resource.key: change.after for change in changes if isinstance(change.resource, _RECORDS)}
    with records.database.writing() as db:
        for path in released:
            db.execute("DELETE FROM settings WHERE path = ?", (path,))
        for key in [key for key, after in made.items() if after is None]:
            _store(db, key, None)
        for key in touched:
            begun = records.read(key)
            if begun:
                value = _value_of(made[key]) if made.get(key) else begun.value
                _store(db, key, Entry(_stamped(value, begun)), begun)


def put_back(records: Any, before: Before | None) -> None:
    """Commit what was there before `begin`."""
    if before is None or not (before.entries or before.settings):
        return
    with records.database.writing() as db:
        for key, entry in reversed(before.entries):
            _store(db, key, entry)
        for path in before.settings:
            db.execute("DELETE FROM settings WHERE path = ?", (path,))


def _is_of_host(resource: Any) -> bool:
    """Return whether a resource is a setting of the host itself, which goes back to its value before us."""
    return isinstance(resource, Sysctl) and resource.place == HOST and not resource.ifname


def _begin(records: Any, db: sqlite3.Connection, change: Change, before: Before) -> None:
    key = change.resource.key
    old = records.read(key)
    before.entries.append((key, old))
    if change.after is not None:
        value = _stamped(_value_of(change.after), old)
        _store(db, key, Entry(value, (*old.previous, old.value) if old else (), CHANGING), old)
    elif old is not None:
        _store(db, key, replace(old, state=REMOVING), old)


def _store(db: sqlite3.Connection, key: Key, entry: Entry | None, old: Entry | None = None) -> None:
    """Have the database hold `entry` under `key`, None for nothing, and what follows from it."""
    if key[0] == "network":
        _store_network(db, key[1], entry)
    elif key[0] == "endpoint":
        _store_endpoint(db, key[1], key[2], entry, old)
    elif entry is None:
        db.execute("DELETE FROM namespaces WHERE name = ?", key[1:])
    else:
        row = (entry.value.name, entry.value.topology, json.dumps(dict(entry.value.settings)), entry.state)
        db.execute("INSERT OR REPLACE INTO namespaces VALUES (?, ?, ?, ?)", row)


def _store_network(db: sqlite3.Connection, name: str, entry: Entry | None) -> None:
    versions = entry.all if entry else ()
    if entry is None:
        db.execute("DELETE FROM networks WHERE name = ?", (name,))
    else:
        ifnames = " ".join({version.ifname: None for version in versions})
        row = (name, ifnames, entry.value.topology, *_texts(entry), entry.state)
        db.execute("INSERT OR REPLACE INTO networks VALUES (?, ?, ?, ?, ?, ?)", row)
    ranges.subnets_are(db, name, (pool.subnet for version in versions for pool in version.pools))


def _store_endpoint(db: sqlite3.Connection, network: str, seat: str, entry: Entry | None, old: Entry | None) -> None:
    versions = entry.all if entry else ()
    if entry is None:
        db.execute("DELETE FROM endpoints WHERE network = ? AND seat = ?", (network, seat))
    elif old is not None and (entry.value, entry.previous) == (old.value, old.previous):
        db.execute("UPDATE endpoints SET state = ? WHERE network = ? AND seat = ?", (entry.state, network, seat))
        return
    else:
        value = entry.value
        cookie = str(value.sandbox.cookie) if value.sandbox and value.sandbox.cookie else None
        owner = (value.container, value.mac, value.topology)
        row = (network, seat, value.place, cookie, *owner, *_texts(entry), entry.state)
        db.execute("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    _store_ports(db, network, seat, {(port.protocol, port.host) for version in versions for port in version.ports})
    ranges.leases_are(db, network, seat, (item.ip for version in versions for item in version.addresses))


def _store_ports(db: sqlite3.Connection, network: str, seat: str, wanted: set[tuple[str, int]]) -> None:
    """Have the database know an endpoint by just these ports of the host."""
    mine = (network, seat)
    held = {*db.execute("SELECT protocol, port FROM ports WHERE network = ? AND seat = ?", mine)}
    db.executemany(
        "DELETE FROM ports WHERE protocol = ? AND port = ? AND network = ? AND seat = ?",
        [(*port, *mine) for port in held - wanted],
    )
    db.executemany("INSERT INTO ports VALUES (?, ?, ?, ?)", [(*port, *mine) for port in wanted - held])


def _texts(entry: Entry) -> tuple[str, str]:
    return _codec.encode(entry.value), json.dumps([_codec.encode(version) for version in entry.previous])


def _value_of(record: Any) -> Any:
    if isinstance(record, NamespaceRecord):
        return record
    return record.network if isinstance(record, NetworkRecord) else record.endpoint


def _stamped(value: Any, old: Entry | None) -> Any:
    """Return `value`, a network with the time when it was first recorded: RFC 3339 with nanoseconds, as Docker has it."""
    if getattr(value, "created", None) != "":
        return value
    now = time.time_ns()
    made = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"
    return replace(value, created=(old.value.created if old else "") or made)
