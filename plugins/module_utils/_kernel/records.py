# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records: networks, endpoints and original settings, in SQLite at <state_dir>/state.db.

A change is written twice: its intent before the first side effect, its completion after the last.
What a killed run leaves is an entry whose `state` is not present; the next run for the same network
sees in `previous` what else may be there, and finishes or removes it.
Collection-private. Floor 4.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .. import _codec
from .._changes import Change
from .._errors import NetloomError
from .._model import Endpoint, EndpointRecord, Network, NetworkRecord, Sysctl

SCHEMA = 1
PRESENT, CHANGING, REMOVING = "present", "changing", "removing"
_TABLES = f"""
    BEGIN;
    CREATE TABLE networks (
        name TEXT PRIMARY KEY, spec TEXT NOT NULL, previous TEXT NOT NULL, state TEXT NOT NULL
    );
    CREATE TABLE endpoints (
        network TEXT NOT NULL, place TEXT NOT NULL, cookie TEXT, container TEXT NOT NULL,
        spec TEXT NOT NULL, previous TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (network, place)
    );
    CREATE INDEX endpoints_place ON endpoints (place);
    CREATE INDEX endpoints_cookie ON endpoints (cookie);
    CREATE TABLE settings (path TEXT PRIMARY KEY, original TEXT NOT NULL);
    PRAGMA user_version = {SCHEMA};
    COMMIT;
"""


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
    """The records of one state directory. Nothing is made before the first write."""

    def __init__(self, state_dir: str):
        self.state_dir = state_dir
        self.path = os.path.join(state_dir, "state.db")
        self._db: sqlite3.Connection | None = None
        self._before: list[tuple[str, tuple]] = []

    # --- reading ---

    def networks(self) -> list[Entry]:
        """Return every network, by name."""
        return [
            self._entry(_codec.network, row)
            for row in self._rows("SELECT spec, previous, state FROM networks ORDER BY name")
        ]

    def network(self, name: str) -> Entry | None:
        rows = self._rows("SELECT spec, previous, state FROM networks WHERE name = ?", name)
        return self._entry(_codec.network, rows[0]) if rows else None

    def endpoints(self, network: str) -> list[Entry]:
        """Return the endpoints of a network, by container."""
        return self._endpoints("network = ? ORDER BY place", network)

    def endpoints_at(self, place: str, cookie: int = 0) -> list[Entry]:
        """Return the endpoints of a sandbox on all networks, known by its name or else by its cookie."""
        return self._endpoints(
            "place = ? OR (cookie IS NOT NULL AND cookie = ?) ORDER BY network", place, str(cookie or "-")
        )

    def all_endpoints(self) -> list[Entry]:
        return self._endpoints("1 ORDER BY network, place")

    def original(self, path: str, current: str) -> str:
        """Return the value that a setting had before us, `current` if we never changed it."""
        rows = self._rows("SELECT original FROM settings WHERE path = ?", path)
        return rows[0][0] if rows else current

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Have everything that the block reads be of one moment, whatever is written meanwhile."""
        db = self._opened(make=False)
        if db is None:
            yield
            return
        db.execute("BEGIN")
        try:
            yield
        finally:
            db.execute("COMMIT")

    # --- writing ---

    def begin(self, changes: Sequence[Change]) -> None:
        """Commit the intent to make `changes`, with the original values of settings among them."""
        self._before = []
        if not any(isinstance(change.resource, (NetworkRecord, EndpointRecord, Sysctl)) for change in changes):
            return  # nothing to remember, so no database is made for it
        with self._writing() as db:
            for change in changes:
                if isinstance(change.resource, (NetworkRecord, EndpointRecord)):
                    self._begin(db, change)
                elif isinstance(change.before, Sysctl) and change.after and not change.before.ifname:
                    row = (change.before.path, change.before.value)
                    if db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", row).rowcount:
                        self._before.append(("DELETE FROM settings WHERE path = ?", row[:1]))

    def complete(
        self, changes: Sequence[Change], touched: Sequence[tuple[str, ...]], released: Sequence[str] = ()
    ) -> None:
        """Commit that `changes` are made, that nothing of `touched` (record keys) is unfinished, and that
        the settings `released` (paths) are the host's own again."""
        if not check_private(self.path, directory=False):
            return  # there was nothing to remember
        with self._writing() as db:
            for path in released:
                db.execute("DELETE FROM settings WHERE path = ?", (path,))
            for change in changes:
                resource = change.resource
                if change.after is None and isinstance(resource, (NetworkRecord, EndpointRecord)):
                    table, where = _row_of(resource.key)
                    db.execute(f"DELETE FROM {table} WHERE {where}", resource.key[1:])
            for key in touched:
                table, where = _row_of(key)
                db.execute(f"UPDATE {table} SET state = ?, previous = '[]' WHERE {where}", (PRESENT, *key[1:]))
        self._remove_if_empty()

    def put_back(self) -> None:
        """Commit what was there before `begin`."""
        if not self._before:
            return
        with self._writing() as db:
            for statement, arguments in reversed(self._before):
                db.execute(statement, arguments)
        self._before = []
        self._remove_if_empty()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _begin(self, db: sqlite3.Connection, change: Change) -> None:
        resource = change.resource
        table, where = _row_of(resource.key)
        row = db.execute(f"SELECT * FROM {table} WHERE {where}", resource.key[1:]).fetchone()
        if row is None:
            self._before.append((f"DELETE FROM {table} WHERE {where}", resource.key[1:]))
        else:
            marks = ", ".join("?" * len(row))
            self._before.append((f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row))
        if change.after is None:
            db.execute(f"UPDATE {table} SET state = ? WHERE {where}", (REMOVING, *resource.key[1:]))
            return
        previous = _strings(row[-2]) + [row[-3]] if row else []
        fields = _fields(resource)
        marks = ", ".join("?" * (len(fields) + 2))
        db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*fields, _joined(previous), CHANGING))

    def _endpoints(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self._rows(f"SELECT spec, previous, state FROM endpoints WHERE {condition}", *arguments)
        return [self._entry(_codec.endpoint, row) for row in rows]

    def _entry(self, decode: Any, row: tuple) -> Entry:
        try:
            return Entry(decode(row[0]), tuple(decode(text) for text in _strings(row[1])), row[2])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise NetloomError("state_corrupt", f"state_dir: {self.path} has an unreadable record: {exc}") from exc

    def _rows(self, statement: str, *arguments: str) -> list[tuple]:
        try:
            db = self._opened(make=False)
            return db.execute(statement, arguments).fetchall() if db else []
        except sqlite3.DatabaseError as exc:
            raise self._corrupt(exc) from exc

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            db: Any = self._opened(make=True)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                self._remove_if_empty()
                raise
            db.execute("COMMIT")
        except sqlite3.OperationalError as exc:
            raise NetloomError("apply_failed", f"state_dir: cannot write {self.path}: {exc}") from exc
        except sqlite3.DatabaseError as exc:
            raise self._corrupt(exc) from exc

    def _opened(self, *, make: bool) -> sqlite3.Connection | None:
        if self._db is not None:
            return self._db
        if not check_private(self.path, directory=False):
            if not make:
                return None
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            db.close()
            raise NetloomError(
                "state_newer_version",
                f"state_dir: {self.path} was written by a newer version of this collection (schema {version}, here {SCHEMA})",
            )
        if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            if not make:
                db.close()
                return None
            try:
                db.executescript(_TABLES)
            except BaseException:
                db.close()
                os.unlink(self.path)  # it was empty
                raise
        self._db = db
        return db

    def _remove_if_empty(self) -> None:
        """Leave no file behind when there is nothing to record."""
        db = self._db
        if db and not any(
            db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("networks", "endpoints")
        ):
            self.close()
            os.unlink(self.path)

    def _corrupt(self, exc: Exception) -> NetloomError:
        return NetloomError(
            "state_corrupt", f"state_dir: {self.path} cannot be read: {exc}; it is left as it is, restore or remove it"
        )


def check_private(path: str, *, directory: bool) -> bool:
    """Return whether `path` exists, and is what only root can have made and can read.

    :raises NetloomError: permission_denied, for a symbolic link, another owner or wider permissions.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    expected = stat.S_ISDIR if directory else stat.S_ISREG
    if not expected(found.st_mode):
        problem = f"is not a {'directory' if directory else 'regular file'}"
    elif found.st_uid != 0:
        problem = f"belongs to user {found.st_uid}, not to root"
    elif found.st_mode & 0o077:
        problem = f"has mode {stat.S_IMODE(found.st_mode):04o}; it must be {'0700' if directory else '0600'}"
    else:
        return True
    raise NetloomError("permission_denied", f"state_dir: {path} {problem}")


def _row_of(key: tuple[str, ...]) -> tuple[str, str]:
    return ("networks", "name = ?") if key[0] == "network" else ("endpoints", "network = ? AND place = ?")


def _fields(resource: Any) -> tuple:
    if isinstance(resource, NetworkRecord):
        network: Network = resource.network
        made = network if network.created else replace(network, created=_now())
        return (network.name, _codec.encode(made))
    endpoint: Endpoint = resource.endpoint
    cookie = str(endpoint.sandbox.cookie) if endpoint.sandbox else None
    return (endpoint.network, endpoint.place, cookie, endpoint.container, _codec.encode(endpoint))


def _now() -> str:
    """Return the time as RFC 3339 with nanoseconds, as Docker writes it."""
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"


def _strings(text: str) -> list[str]:
    import json

    return json.loads(text)


def _joined(texts: list[str]) -> str:
    import json

    return json.dumps(texts)
