# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records: networks, endpoints, the namespaces of topologies, and original settings.

A change is written twice: its intent before the first side effect, its completion after the last.
What a killed run leaves is an entry whose `state` is not present; the next run for the same network
sees in `previous` what else may be there, and finishes or removes it.
Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .. import _codec
from .._changes import Change
from .._errors import NetloomError
from .._frozen import dataclass
from .._model import EndpointRecord, Key, NamespaceRecord, NetworkRecord, Sysctl
from . import leases
from .database import Database

PRESENT, CHANGING, REMOVING = "present", "changing", "removing"
_RECORDS = (NetworkRecord, EndpointRecord, NamespaceRecord)
_NETWORKS = "SELECT spec, previous, state FROM networks WHERE "
_ENDPOINTS = "SELECT spec, previous, state FROM endpoints WHERE "


@dataclass(frozen=True)
class Entry:
    """One record: the network or endpoint, what it was before an unfinished change, and its state."""

    value: Any
    previous: tuple[Any, ...] = ()
    state: str = PRESENT

    @property
    def all(self) -> tuple[Any, ...]:
        """Everything that an unfinished run may have left in the kernel."""
        return (self.value, *self.previous)


class Records:
    """The records of one state directory."""

    def __init__(self, state_dir: str):
        self._database = Database(state_dir)
        self._before: list[tuple[Key, Entry | None]] = []
        self._settings: list[str] = []  # paths of settings that `begin` made an entry for
        self.snapshot = self._database.snapshot
        self.close = self._database.close

    # --- reading ---

    def networks(self) -> Iterator[Entry]:
        """Yield every network, by name."""
        rows = self._database.rows(f"{_NETWORKS} 1 ORDER BY name")
        return (self._entry(_codec.network, row) for row in rows)

    def network(self, name: str) -> Entry | None:
        return next(iter(self._networks("name = ?", name)), None)

    def network_names(self) -> list[str]:
        return [name for (name,) in self._database.rows("SELECT name FROM networks ORDER BY name")]

    def networks_of(self, topology: str) -> list[Entry]:
        """Return the networks that a topology made."""
        return self._networks("topology = ? ORDER BY name", topology)

    def subnets(self) -> list[tuple[str, str]]:
        """Return every subnet of every network: (subnet, name of the network)."""
        return self._database.rows("SELECT subnet, network FROM subnets")

    def bridges(self) -> dict[str, str]:
        """Return the interfaces of every network, as they are and were: interface name to network."""
        rows = self._database.rows("SELECT ifnames, name FROM networks")
        return {ifname: name for ifnames, name in rows for ifname in ifnames.split()}

    def endpoint(self, network: str, place: str) -> Entry | None:
        return next(iter(self._endpoints("network = ? AND place = ?", network, place)), None)

    def endpoints(self, network: str) -> list[Entry]:
        """Return the endpoints of a network, by container."""
        return self._endpoints("network = ? ORDER BY place", network)

    def networks_at(self, place: str) -> list[str]:
        """Return the names of the networks that a sandbox has an endpoint on."""
        rows = self._database.rows("SELECT network FROM endpoints WHERE place = ? ORDER BY network", place)
        return [name for (name,) in rows]

    def endpoints_in(self, network: str, cookie: int) -> list[Entry]:
        """Return the endpoints of a network in a sandbox that had this cookie when it was seen."""
        return self._endpoints("cookie = ? AND network = ?", str(cookie), network)

    def endpoints_of(self, topology: str) -> list[Entry]:
        """Return the endpoints that a topology made."""
        return self._endpoints("topology = ? ORDER BY network, place", topology)

    def leases(self, network: str) -> leases.RecordedLeases:
        """Return who holds which address of a network."""
        return leases.RecordedLeases(self._database, network)

    def namespace(self, name: str) -> Entry | None:
        """Return what topology made a namespace, as a `NamespaceRecord`."""
        return next(iter(self._namespaces("name = ?", name)), None)

    def namespaces_of(self, topology: str) -> list[Entry]:
        """Return the namespaces that a topology made, as `NamespaceRecord`."""
        return self._namespaces("topology = ? ORDER BY name", topology)

    def original(self, path: str, current: str) -> str:
        """Return the value that a setting had before us, `current` if we never changed it."""
        rows = self._database.rows("SELECT original FROM settings WHERE path = ?", path)
        return rows[0][0] if rows else current

    # --- writing ---

    def begin(self, changes: Sequence[Change]) -> None:
        """Commit the intent to make `changes`, with the original values of settings among them."""
        self._before, self._settings = [], []
        if not any(isinstance(change.resource, (*_RECORDS, Sysctl)) for change in changes):
            return  # nothing to remember, so no database is made for it
        with self._database.writing() as db:
            for change in changes:
                if isinstance(change.resource, _RECORDS):
                    self._begin(db, change)
                elif isinstance(change.before, Sysctl) and change.after and not change.before.ifname:
                    row = (change.before.path, change.before.value)
                    if db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", row).rowcount:
                        self._settings.append(row[0])

    def complete(self, changes: Sequence[Change], touched: Sequence[Key], released: Sequence[str] = ()) -> None:
        """Commit that `changes` are made, that nothing of `touched` (record keys) is unfinished, and that
        the settings `released` (paths) are the host's own again."""
        if not self._database.exists():
            return  # there was nothing to remember
        made = {change.resource.key: change.after for change in changes if isinstance(change.resource, _RECORDS)}
        with self._database.writing() as db:
            for path in released:
                db.execute("DELETE FROM settings WHERE path = ?", (path,))
            for key in [key for key, after in made.items() if after is None]:
                _store(db, key, None)
            for key in touched:
                begun = self._read(key, db)
                if begun:
                    value = _value_of(made[key]) if made.get(key) else begun.value
                    _store(db, key, Entry(_stamped(value, begun)), begun)

    def put_back(self) -> None:
        """Commit what was there before `begin`."""
        if not (self._before or self._settings):
            return
        with self._database.writing() as db:
            for key, entry in reversed(self._before):
                _store(db, key, entry)
            for path in self._settings:
                db.execute("DELETE FROM settings WHERE path = ?", (path,))
        self._before, self._settings = [], []

    def _begin(self, db: sqlite3.Connection, change: Change) -> None:
        key = change.resource.key
        old = self._read(key, db)
        self._before.append((key, old))
        if change.after is not None:
            value = _stamped(_value_of(change.after), old)
            _store(db, key, Entry(value, (*old.previous, old.value) if old else (), CHANGING), old)
        elif old is not None:
            _store(db, key, replace(old, state=REMOVING), old)

    def _networks(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self._database.rows(_NETWORKS + condition, *arguments)
        return [self._entry(_codec.network, row) for row in rows]

    def _endpoints(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self._database.rows(_ENDPOINTS + condition, *arguments)
        return [self._entry(_codec.endpoint, row) for row in rows]

    def _namespaces(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self._database.rows(f"SELECT name, topology, state FROM namespaces WHERE {condition}", *arguments)
        return [Entry(NamespaceRecord(name, topology), (), state) for name, topology, state in rows]

    def _read(self, key: Key, db: sqlite3.Connection) -> Entry | None:
        if key[0] == "namespace record":
            return self.namespace(key[1])
        return self.network(key[1]) if key[0] == "network" else self.endpoint(key[1], key[2])

    def _entry(self, decode: Any, row: tuple) -> Entry:
        try:
            return Entry(decode(row[0]), tuple(decode(text) for text in json.loads(row[1])), row[2])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            path = self._database.path
            raise NetloomError("state_corrupt", f"state_dir: {path} has an unreadable record: {exc}") from exc


def _store(db: sqlite3.Connection, key: Key, entry: Entry | None, old: Entry | None = None) -> None:
    """Have the database hold `entry` under `key`, None for nothing, and what follows from it."""
    if key[0] == "network":
        _store_network(db, key[1], entry, old)
    elif key[0] == "endpoint":
        _store_endpoint(db, key[1], key[2], entry, old)
    elif entry is None:
        db.execute("DELETE FROM namespaces WHERE name = ?", key[1:])
    else:
        row = (entry.value.name, entry.value.topology, entry.state)
        db.execute("INSERT OR REPLACE INTO namespaces VALUES (?, ?, ?)", row)


def _store_network(db: sqlite3.Connection, name: str, entry: Entry | None, old: Entry | None) -> None:
    versions = entry.all if entry else ()
    if entry is None:
        db.execute("DELETE FROM networks WHERE name = ?", (name,))
    else:
        ifnames = " ".join({version.ifname: None for version in versions})
        row = (name, ifnames, entry.value.topology, *_texts(entry), entry.state)
        db.execute("INSERT OR REPLACE INTO networks VALUES (?, ?, ?, ?, ?, ?)", row)
    leases.subnets_are(db, name, (pool.subnet for version in versions for pool in version.pools))


def _store_endpoint(db: sqlite3.Connection, network: str, place: str, entry: Entry | None, old: Entry | None) -> None:
    versions = entry.all if entry else ()
    if entry is None:
        db.execute("DELETE FROM endpoints WHERE network = ? AND place = ?", (network, place))
    elif old is not None and (entry.value, entry.previous) == (old.value, old.previous):
        db.execute("UPDATE endpoints SET state = ? WHERE network = ? AND place = ?", (entry.state, network, place))
        return
    else:
        value = entry.value
        cookie = str(value.sandbox.cookie) if value.sandbox and value.sandbox.cookie else None
        row = (network, place, cookie, value.container, value.mac, value.topology, *_texts(entry), entry.state)
        db.execute("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    leases.leases_are(db, network, place, (item.ip for version in versions for item in version.addresses))


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
