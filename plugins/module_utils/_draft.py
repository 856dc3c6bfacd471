# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task is about to make of some networks, endpoints and namespaces, beside what the records say.

A draft collects decisions; `_goal` turns them into resources. Reads the records, changes nothing. What it is asked
of one network or endpoint costs the same on a host with many. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import _endpoints
from ._ipam import Leases
from ._model import Endpoint, Network, Sandbox

Slot = tuple[str, str]  # a network and a seat


class Draft:
    """What shall become of networks, endpoints and namespaces, by name, slot and name: None removes it.

    The value of a namespace is the topology that it belongs to, empty if it belongs to none. One that is `kept`, or that
    has settings, is in the records.
    """

    def __init__(self, records: Any):
        self.records = records
        self.networks: dict[str, Network | None] = {}
        self.endpoints: dict[Slot, Endpoint | None] = {}
        self.namespaces: dict[str, str | None] = {}
        self.settings: dict[str, Any] = {}  # by namespace, those it is to have: pairs of path and value
        self.kept: set[str] = set()
        self.lending: set[Slot] = set()  # those that Docker is about to move the interface of
        self.slots_at: dict[str, dict[Slot, None]] = {}  # place to its slots in `endpoints`
        self._network_entries: dict[str, Any] = {}
        self._endpoint_entries: dict[Slot, Any] = {}
        self._namespace_entries: dict[str, Any] = {}
        self._recorded_at: dict[str, list[Slot]] = {}
        self._seats_at: dict[tuple[str, str], list[Slot]] = {}  # by network and place, as recorded
        self._drafted_in: dict[tuple[str, int], dict[Slot, None]] = {}  # by network and cookie
        self._members: dict[str, dict[str, Any]] = {}
        self._leases: dict[str, Leases] = {}
        self._claims: Any = None
        self.warnings: list[str] = []  # what the user should know of what was decided
        self.veil: list[tuple[str, str]] = []  # what a plugin chooses, and the words in its place
        self.taken: Any = None  # what _draft_networks knows of subnets and bridges that are in use

    # --- what there is, and what it becomes ---

    def network_entry(self, name: str) -> Any:
        if name not in self._network_entries:
            self._network_entries[name] = self.records.network(name)
        return self._network_entries[name]

    def network(self, name: str) -> Network | None:
        """Return a network as it will be."""
        if name in self.networks:
            return self.networks[name]
        entry = self.network_entry(name)
        return entry.value if entry else None

    def network_versions(self, name: str) -> tuple[Network, ...]:
        """Return a network as it will be, and as it is and may have been."""
        entry, drafted = self.network_entry(name), self.networks.get(name)
        return (*((drafted,) if drafted else ()), *(entry.all if entry else ()))

    def member_entries(self, network: str) -> dict[str, Any]:
        """Return the records of all of a network's endpoints: seat to entry."""
        if network not in self._members:
            self._members[network] = {entry.value.seat: entry for entry in self.records.endpoints(network)}
            for seat, entry in self._members[network].items():
                self._seats_at.setdefault((network, entry.value.place), []).append((network, seat))
        return self._members[network]

    def endpoint_entry(self, slot: Slot) -> Any:
        if slot[0] in self._members:
            return self._members[slot[0]].get(slot[1])
        if slot not in self._endpoint_entries:
            self._endpoint_entries[slot] = self.records.endpoint(*slot)
        return self._endpoint_entries[slot]

    def endpoint(self, slot: Slot) -> Endpoint | None:
        """Return an endpoint as it will be."""
        if slot in self.endpoints:
            return self.endpoints[slot]
        entry = self.endpoint_entry(slot)
        return entry.value if entry else None

    def endpoints_at(self, network: str, place: str) -> list[Endpoint]:
        """Return a network's endpoints in a sandbox as they will be, the first one first."""
        asked = (network, place)
        if asked not in self._seats_at and network not in self._members:
            found = {(network, entry.value.seat): entry for entry in self.records.endpoints_at(network, place)}
            self._endpoint_entries.update({asked: None, **found})  # a first endpoint has its place for a seat
            self._seats_at[asked] = [*found]
        drafted = (slot for slot in self.slots_at.get(place, ()) if slot[0] == network)
        return self._present(sorted({*self._seats_at.get(asked, ()), *drafted}))

    def endpoints_in(self, network: str, sandbox: Sandbox) -> list[Endpoint]:
        """Return a network's endpoints in this very sandbox, whatever it is called in the records."""
        if not sandbox.cookie:
            return []
        entries = self.records.endpoints_in(network, sandbox.cookie)
        slots = {(network, entry.value.seat): None for entry in entries if same_sandbox(entry.value.sandbox, sandbox)}
        return self._present({**slots, **self._drafted_in.get((network, sandbox.cookie), {})})

    def _present(self, slots: Iterable[Slot]) -> list[Endpoint]:
        return [endpoint for endpoint in map(self.endpoint, slots) if endpoint is not None]

    def members(self, network: str) -> dict[str, Endpoint]:
        """Return all of a network's endpoints as they will be: seat to endpoint."""
        found: dict[str, Endpoint | None] = {seat: entry.value for seat, entry in self.member_entries(network).items()}
        found.update({seat: endpoint for (name, seat), endpoint in self.endpoints.items() if name == network})
        return {seat: endpoint for seat, endpoint in found.items() if endpoint is not None}

    def at(self, place: str) -> list[Endpoint]:
        """Return the endpoints of a sandbox on all networks, as they will be."""
        if place not in self._recorded_at:
            self._recorded_at[place] = self.records.slots_at(place)
        return self._present(dict.fromkeys((*self._recorded_at[place], *self.slots_at.get(place, ()))))

    def freed_ifnames(self, place: str) -> set[str]:
        """Return the names of the interfaces that a sandbox is to lose."""
        lost = (slot for slot in self.slots_at.get(place, ()) if self.endpoints[slot] is None)
        entries = map(self.endpoint_entry, lost)
        return {version.ifname for entry in entries if entry for version in entry.all}

    def undrafted_endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints that this draft has nothing to say about."""
        for network in self.records.network_names():
            for entry in self.records.endpoints(network):
                if (network, entry.value.seat) not in self.endpoints:
                    yield entry.value

    def undrafted(self) -> Iterator[Network]:
        """Yield the networks that this draft has nothing to say about."""
        return (entry.value for entry in self.records.networks() if entry.value.name not in self.networks)

    def namespace_entry(self, name: str) -> Any:
        if name not in self._namespace_entries:
            self._namespace_entries[name] = self.records.namespace(name)
        return self._namespace_entries[name]

    def leases(self, network: str) -> Leases:
        """Return who will have which address of a network."""
        if network not in self._leases:
            self._leases[network] = Leases(self.records.leases(network))
        return self._leases[network]

    def claims(self) -> Any:
        """Return who will have which port of the host, as `PortClaims`."""
        if self._claims is None:
            from ._publishing import PortClaims  # few tasks have to do with ports

            self._claims = PortClaims(self.records.port_slots, self._versions, self._claimed)
        return self._claims

    def _versions(self, slot: Slot) -> tuple[Endpoint, ...]:
        entry = self.endpoint_entry(slot)
        return entry.all if entry else ()

    def _claimed(self, endpoint: Endpoint) -> Iterator[tuple[str, int, int, str]]:
        network = self.network(endpoint.network)
        if network is not None:
            bound = _endpoints.bound(network, endpoint)
            for port in endpoint.ports:
                yield from ((port.protocol, port.host, version, place) for version, place in bound(port))

    # --- decisions ---

    def put_network(self, network: Network) -> None:
        """Have a network become this."""
        self._decide_network(network.name, network)

    def drop_network(self, name: str) -> None:
        """Have a network be removed; its endpoints are another decision."""
        self._decide_network(name, None)

    def put(self, endpoint: Endpoint) -> None:
        """Have an endpoint become this."""
        self._decide((endpoint.network, endpoint.seat), endpoint)

    def drop(self, slot: Slot) -> None:
        """Have an endpoint be removed."""
        self._decide(slot, None)

    def _decide_network(self, name: str, network: Network | None) -> None:
        self.networks[name] = network
        if self.taken is not None:
            self.taken.put(name, network)

    def _decide(self, slot: Slot, endpoint: Endpoint | None) -> None:
        entry = self.endpoint_entry(slot)
        self.leases(slot[0]).put(slot[1], endpoint, entry.all if entry else ())
        if any(version.ports for version in ((endpoint,) if endpoint else ()) + (entry.all if entry else ())):
            self.claims().put(slot, endpoint)
        known: Any = endpoint or (entry.value if entry else self.endpoints.get(slot))
        self.endpoints[slot] = endpoint
        if known is not None:
            self.slots_at.setdefault(known.place, {})[slot] = None
        if endpoint is not None and endpoint.sandbox is not None:
            self._drafted_in.setdefault((slot[0], endpoint.sandbox.cookie), {})[slot] = None


def same_sandbox(one: Sandbox | None, other: Sandbox) -> bool:
    """Return whether both are the same namespace of the same boot."""
    return one is not None and one.cookie != 0 and (one.boot_id, one.cookie) == (other.boot_id, other.cookie)
