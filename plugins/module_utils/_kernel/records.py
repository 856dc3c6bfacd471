# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records: networks, endpoints, namespaces with their settings, and the host's original settings.

A change is written twice: its intent before the first side effect, its completion after the last.
What a killed run leaves is an entry whose `state` is not present; the next run for the same network
sees in `previous` what else may be there, and finishes or removes it.
Collection-private. Floor 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .. import _codec
from .._changes import Change
from .._model import Key
from .._resources import NamespaceRecord
from . import leases
from .database import Database, Entry

_NETWORKS = "SELECT spec, previous, state FROM networks WHERE "
_ENDPOINTS = "SELECT spec, previous, state FROM endpoints WHERE "


class Records:
    """The records of one state directory."""

    def __init__(self, state_dir: str, *, reading: bool = False):
        self.database = Database(state_dir, reading=reading)
        self._before: Any = None  # what `begin` has found
        self.snapshot = self.database.snapshot
        self.close = self.database.close

    # --- reading ---

    def networks(self) -> Iterator[Entry]:
        """Yield every network, by name."""
        rows = self.database.rows(f"{_NETWORKS} 1 ORDER BY name")
        return (self._entry(_codec.network, row) for row in rows)

    def network(self, name: str) -> Entry | None:
        return next(iter(self._networks("name = ?", name)), None)

    def network_names(self) -> list[str]:
        return [name for (name,) in self.database.rows("SELECT name FROM networks ORDER BY name")]

    def docker_network(self, identity: str) -> Entry | None:
        """Return the network that is one of Docker's, by the id that Docker gave it."""
        if not identity.isalnum():  # no wildcard
            return None
        found = self._networks("spec LIKE ?", f'%"{identity}"%')
        return next((entry for entry in found if identity in entry.value.docker), None)

    def networks_of(self, topology: str) -> list[Entry]:
        """Return the networks that a topology made."""
        return self._networks("topology = ? ORDER BY name", topology)

    def subnets(self) -> list[tuple[str, str]]:
        """Return every subnet of every network: (subnet, name of the network)."""
        return self.database.rows("SELECT subnet, network FROM subnets")

    def bridges(self) -> dict[str, str]:
        """Return the interfaces of every network, as they are and were: interface name to network."""
        rows = self.database.rows("SELECT ifnames, name FROM networks")
        return {ifname: name for ifnames, name in rows for ifname in ifnames.split()}

    def endpoint(self, network: str, seat: str) -> Entry | None:
        return next(iter(self._endpoints("network = ? AND seat = ?", network, seat)), None)

    def endpoints_at(self, network: str, place: str) -> list[Entry]:
        """Return the endpoints of a network in a sandbox, by seat."""
        return self._endpoints("network = ? AND place = ? ORDER BY seat", network, place)

    def endpoints(self, network: str) -> list[Entry]:
        """Return the endpoints of a network, by container."""
        return self._endpoints("network = ? ORDER BY seat", network)

    def slots_at(self, place: str) -> list[tuple[str, str]]:
        """Return the endpoints of a sandbox: (network, seat) of each."""
        return self.database.rows("SELECT network, seat FROM endpoints WHERE place = ? ORDER BY network, seat", place)

    def seats(self, network: str) -> list[str]:
        """Return the seats of a network's endpoints."""
        return [seat for (seat,) in self.database.rows("SELECT seat FROM endpoints WHERE network = ?", network)]

    def shared_places(self, network: str) -> list[tuple[str, str]]:
        """Return where else the named namespaces on a network are: (another network, place)."""
        return self.database.rows(
            "SELECT other.network, other.place FROM endpoints AS mine JOIN endpoints AS other"
            " ON other.place = mine.place AND other.network != mine.network"
            " WHERE mine.network = ? AND mine.place LIKE 'netns:%'",
            network,
        )

    def endpoints_in(self, network: str, cookie: int) -> list[Entry]:
        """Return the endpoints of a network in a sandbox that had this cookie when it was seen."""
        return self._endpoints("cookie = ? AND network = ?", str(cookie), network)

    def endpoints_of(self, topology: str) -> list[Entry]:
        """Return the endpoints that a topology made."""
        return self._endpoints("topology = ? ORDER BY network, seat", topology)

    def port_slots(self, protocol: str, port: int) -> list[tuple[str, str]]:
        """Return the endpoints that hold a port of the host, at whatever address: (network, seat) of each."""
        return self.database.rows("SELECT network, seat FROM ports WHERE protocol = ? AND port = ?", protocol, port)

    def leases(self, network: str) -> leases.RecordedLeases:
        """Return who holds which address of a network."""
        return leases.RecordedLeases(self.database, network)

    def docker_pools(self) -> Any:
        """Return the subnets that Docker has asked for without a network, as `docker_pools.DockerPools`."""
        from . import docker_pools  # only Docker's plugin asks

        return docker_pools.DockerPools(self.database)

    def namespace(self, name: str) -> Entry | None:
        """Return what is recorded of a namespace, as a `NamespaceRecord`."""
        return next(iter(self._namespaces("name = ?", name)), None)

    def namespaces_of(self, topology: str) -> list[Entry]:
        """Return the namespaces that a topology made, as `NamespaceRecord`."""
        return self._namespaces("topology = ? ORDER BY name", topology)

    def namespaces(self) -> list[Entry]:
        """Return all recorded namespaces, by name, as `NamespaceRecord`."""
        return self._namespaces("1 ORDER BY name")

    def attached_namespaces(self) -> list[str]:
        """Return the names of the named namespaces that have endpoints, recorded or not."""
        rows = self.database.rows("SELECT DISTINCT container FROM endpoints WHERE place LIKE 'netns:%' ORDER BY 1")
        return [name for (name,) in rows]

    def places_of(self, container: str) -> list[str]:
        """Return the places with endpoints whose container has this name, or had this id of its runtime's."""
        written = f'%"container_id":"{container}"%'  # not every SQLite knows JSON
        rows = self.database.rows(
            "SELECT DISTINCT place FROM endpoints WHERE container = ? OR (spec LIKE ? AND ?) ORDER BY place",
            container,
            written,
            container.isalnum(),  # no wildcard
        )
        return [place for (place,) in rows]

    def original(self, path: str, current: str) -> str:
        """Return the value that a setting had before us, `current` if we never changed it."""
        rows = self.database.rows("SELECT original FROM settings WHERE path = ?", path)
        return rows[0][0] if rows else current

    # --- writing: imported by a task that has something to write ---

    def begin(self, changes: Sequence[Change]) -> None:
        """Commit the intent to make `changes`, with the original values of settings among them."""
        from . import recording

        self._before = recording.begin(self, changes)

    def complete(self, changes: Sequence[Change], touched: Sequence[Key], released: Sequence[str] = ()) -> None:
        """Commit that `changes` are made, that nothing of `touched` (record keys) is unfinished, and that
        the settings `released` (paths) are the host's own again."""
        from . import recording

        recording.complete(self, changes, touched, released)

    def put_back(self) -> None:
        """Commit what was there before `begin`."""
        from . import recording

        recording.put_back(self, self._before)
        self._before = None

    def _networks(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self.database.rows(_NETWORKS + condition, *arguments)
        return [self._entry(_codec.network, row) for row in rows]

    def _endpoints(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self.database.rows(_ENDPOINTS + condition, *arguments)
        return [self._entry(_codec.endpoint, row) for row in rows]

    def _namespaces(self, condition: str, *arguments: str) -> list[Entry]:
        rows = self.database.rows(
            f"SELECT name, topology, settings, state FROM namespaces WHERE {condition}", *arguments
        )
        return [self._namespace(*row) for row in rows]

    def _namespace(self, name: str, topology: str, settings: str, state: str) -> Entry:
        try:
            pairs = tuple(sorted(json.loads(settings).items()))
        except (ValueError, AttributeError) as exc:
            raise self.database.unreadable(exc) from exc
        return Entry(NamespaceRecord(name, topology, pairs), (), state)

    def read(self, key: Key) -> Entry | None:
        """Return the entry of a record, whatever it is of."""
        if key[0] == "namespace record":
            return self.namespace(key[1])
        return self.network(key[1]) if key[0] == "network" else self.endpoint(key[1], key[2])

    def _entry(self, decode: Any, row: tuple) -> Entry:
        try:
            return Entry(decode(row[0]), tuple(decode(text) for text in json.loads(row[1])), row[2])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise self.database.unreadable(exc) from exc
