# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file <state_dir>/state.db: its tables, who may have made it, and transactions in it.

Made with the first write, and removed when nothing is left to remember. Collection-private. Floor 4.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable
from urllib.parse import quote

from .._errors import NetloomError
from .._frozen import dataclass
from .._model import PRESENT

SCHEMA = 1
_READ_TRIES = 5
# `leases`, `free` and `ports` follow from the other tables, and make the next address, the holder of an address and
# the holders of a port look-ups: addresses are their version and their bytes, so that SQLite orders them as numbers.
_TABLES = f"""
    BEGIN;
    CREATE TABLE networks (
        name TEXT PRIMARY KEY, ifnames TEXT NOT NULL, topology TEXT NOT NULL,
        spec TEXT NOT NULL, previous TEXT NOT NULL, state TEXT NOT NULL
    );
    CREATE TABLE endpoints (
        network TEXT NOT NULL, seat TEXT NOT NULL, place TEXT NOT NULL, cookie TEXT, container TEXT NOT NULL,
        mac TEXT NOT NULL, topology TEXT NOT NULL, spec TEXT NOT NULL, previous TEXT NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (network, seat)
    );
    CREATE INDEX endpoints_place ON endpoints (place);
    CREATE INDEX endpoints_cookie ON endpoints (cookie);
    CREATE INDEX endpoints_mac ON endpoints (network, mac);
    CREATE TABLE namespaces (
        name TEXT PRIMARY KEY, topology TEXT NOT NULL, settings TEXT NOT NULL, state TEXT NOT NULL
    );
    CREATE TABLE settings (path TEXT PRIMARY KEY, original TEXT NOT NULL);
    CREATE TABLE subnets (
        network TEXT NOT NULL, subnet TEXT NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
        PRIMARY KEY (network, subnet)
    ) WITHOUT ROWID;
    CREATE TABLE leases (
        network TEXT NOT NULL, address BLOB NOT NULL, seat TEXT NOT NULL, PRIMARY KEY (network, address, seat)
    ) WITHOUT ROWID;
    CREATE INDEX leases_seat ON leases (network, seat);
    CREATE TABLE free (
        network TEXT NOT NULL, subnet TEXT NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
        PRIMARY KEY (network, subnet, first)
    ) WITHOUT ROWID;
    CREATE TABLE ports (
        protocol TEXT NOT NULL, port INTEGER NOT NULL, network TEXT NOT NULL, seat TEXT NOT NULL,
        PRIMARY KEY (protocol, port, network, seat)
    ) WITHOUT ROWID;
    CREATE INDEX ports_seat ON ports (network, seat);
    CREATE TABLE plugins (
        key TEXT PRIMARY KEY, kind TEXT NOT NULL, network TEXT NOT NULL,
        told TEXT NOT NULL, answer TEXT NOT NULL, state TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX plugins_network ON plugins (kind, network);
    PRAGMA user_version = {SCHEMA};
    COMMIT;
"""
_REMEMBERED = ("networks", "endpoints", "namespaces", "subnets", "plugins")  # Docker's pools are subnets of no network


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


class Database:
    """One state directory's database. Nothing is made before the first write.

    Who holds no lock is `reading`: the file may be removed and made anew under him. SQLite would then take the new
    file's journal for one that a crash has left beside the old one, and remove it while it is in use; so such a
    connection is read-only, which cannot, and is opened again when that is what stops it.
    """

    def __init__(self, state_dir: str, *, reading: bool = False):
        self.path = os.path.join(state_dir, "state.db")
        self._reading = reading
        self._inode = 0
        self._in_snapshot = False
        self._db: sqlite3.Connection | None = None

    def rows(self, statement: str, *arguments: Any) -> list[tuple]:
        """Return what a query finds, nothing where there is no database.

        :raises NetloomError: state_corrupt, state_newer_version, permission_denied.
        """
        return self._read(lambda db: db.execute(statement, arguments).fetchall()) or []

    def _read(self, act: Callable[[sqlite3.Connection], Any]) -> Any:
        """Return what `act` reads, None where there is no database; asked again where the file was another one by now."""
        tries = _READ_TRIES
        while True:
            tries -= 1
            try:
                db = self._opened(make=False)
                return act(db) if db else None
            except sqlite3.DatabaseError as exc:
                if not self._reading or self._in_snapshot or not tries:
                    raise self.corrupt(exc) from exc
                self._give_up()

    def exists(self) -> bool:
        return check_private(self.path, directory=False)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Have everything that the block reads be of one moment, whatever is written meanwhile."""
        if not self._read(_begun):
            yield
            return
        self._in_snapshot = True
        try:
            yield
        finally:
            self._in_snapshot = False
            self._db.execute("COMMIT")  # type: ignore[union-attr]

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Commit what the block writes, or nothing of it.

        :raises NetloomError: apply_failed, the disk is full or so; state_corrupt and others as `rows`.
        """
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
            raise self.corrupt(exc) from exc
        self._remove_if_empty()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _give_up(self) -> None:
        """Have the database opened anew, and for writing if it is still the same file: a killed run has left a journal."""
        self.close()
        now = self._inode_now()
        self._reading = now == 0 or now != self._inode

    def _inode_now(self) -> int:
        """Return the inode of the file that is there now, 0 if there is none."""
        try:
            return os.stat(self.path).st_ino
        except FileNotFoundError:
            return 0

    def corrupt(self, exc: Exception) -> NetloomError:
        return NetloomError(
            "state_corrupt", f"state_dir: {self.path} cannot be read: {exc}; it is left as it is, restore or remove it"
        )

    def unreadable(self, exc: Exception) -> NetloomError:
        return NetloomError("state_corrupt", f"state_dir: {self.path} has an unreadable record: {exc}")

    def _opened(self, *, make: bool) -> sqlite3.Connection | None:
        if self._db is not None:
            if not self._reading or self._in_snapshot or self._inode == self._inode_now():
                return self._db
            self.close()
        if not self.exists():
            if not make:
                return None
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        self._inode = self._inode_now()  # before it is opened: it is never newer than what is opened
        mode = "ro" if self._reading else "rw"
        db = sqlite3.connect(f"file:{quote(self.path)}?mode={mode}", uri=True, isolation_level=None, timeout=10)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError:
            db.close()
            raise
        if version > SCHEMA:
            db.close()
            raise NetloomError(
                "state_newer_version",
                f"state_dir: {self.path} was written by a newer version of this collection"
                f" (schema {version}, here {SCHEMA})",
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
        if db and not any(db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in _REMEMBERED):
            self.close()
            os.unlink(self.path)


def _begun(db: sqlite3.Connection) -> bool:
    """Begin a transaction, and have it see what is there now."""
    db.execute("BEGIN")
    db.execute("SELECT 1 FROM sqlite_master").fetchone()
    return True


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
