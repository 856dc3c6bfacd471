# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task is about to make of some networks and endpoints, beside what the records say.

A draft collects decisions and turns them into a `Goal`. Reads the records, changes nothing.
Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ._apply import Goal
from ._drivers.registry import driver
from ._endpoints import default_routes
from ._model import (
    HOST,
    Address,
    Bridge,
    Endpoint,
    EndpointRecord,
    Key,
    Network,
    NetworkRecord,
    Resource,
    Route,
    Ruleset,
    Sysctl,
    Up,
)

PRESENT = "present"


class Draft:
    """`networks` and `endpoints` map what the task is about to what shall become of it: None removes it."""

    def __init__(self, records: Any):
        self._records = records
        self.networks: dict[str, Network | None] = {}
        self.endpoints: dict[tuple[str, str], Endpoint | None] = {}
        self._network_entries: dict[str, Any] = {}
        self._endpoint_entries: dict[tuple[str, str], Any] = {}
        self._members: dict[str, dict[str, Any]] = {}

    # --- what there is, and what it becomes ---

    def network_entry(self, name: str) -> Any:
        if name not in self._network_entries:
            self._network_entries[name] = self._records.network(name)
        return self._network_entries[name]

    def network(self, name: str) -> Network | None:
        """Return a network as it will be."""
        if name in self.networks:
            return self.networks[name]
        entry = self.network_entry(name)
        return entry.value if entry else None

    def member_entries(self, network: str) -> dict[str, Any]:
        """Return the records of a network's endpoints: place to entry."""
        if network not in self._members:
            self._members[network] = {entry.value.place: entry for entry in self._records.endpoints(network)}
        return self._members[network]

    def members(self, network: str) -> dict[str, Endpoint]:
        """Return a network's endpoints as they will be: place to endpoint."""
        found: dict[str, Endpoint | None] = {
            place: entry.value for place, entry in self.member_entries(network).items()
        }
        found.update({place: endpoint for (name, place), endpoint in self.endpoints.items() if name == network})
        return {place: endpoint for place, endpoint in found.items() if endpoint is not None}

    def at(self, place: str) -> list[Endpoint]:
        """Return the endpoints of a sandbox on all networks, as they will be."""
        found: dict[tuple[str, str], Endpoint | None] = {
            (entry.value.network, place): entry.value
            for entry in self._records.endpoints_at(place)
            if entry.value.place == place
        }
        found.update({slot: endpoint for slot, endpoint in self.endpoints.items() if slot[1] == place})
        return [endpoint for endpoint in found.values() if endpoint is not None]

    # --- the goal ---

    def goal(self, host: Any) -> Goal:
        """Return what makes all of it so. Endpoints whose sandbox is not open are recorded, but not plugged."""
        desired: list[Resource] = []
        obsolete: list[Resource] = []
        recorded: list[Resource] = []
        unfinished: list[Key] = []
        for name, wanted in self.networks.items():
            entry = self.network_entry(name)
            if wanted is not None:
                desired += [NetworkRecord(wanted), *_of_network(wanted, recorded=bool(entry))]
            if entry:
                recorded.append(NetworkRecord(entry.value))
                obsolete += [item for version in entry.all for item in _of_network(version, recorded=True)]
                unfinished += [("network", name)] if entry.state != PRESENT and wanted else []
        for slot, plug in self.endpoints.items():
            entry = self.member_entries(slot[0]).get(slot[1])
            if plug is not None:
                desired += [EndpointRecord(plug), *(self._of_endpoint(plug) if host.is_open(slot[1]) else ())]
            if entry:
                recorded.append(EndpointRecord(entry.value))
            if entry and (plug is None or host.is_open(slot[1]) or entry.state != PRESENT):
                obsolete += [item for version in entry.all for item in self._of_endpoint(version)]
                unfinished += [("endpoint", *slot)] if entry.state != PRESENT and plug else []
        for place in {slot[1]: None for slot in self.endpoints if host.is_open(slot[1])}:
            desired += self._routes(place, host)
            obsolete += self._default_routes_before(place)
        desired += self._shared(obsolete)
        return Goal(tuple(desired), tuple(obsolete), tuple(recorded), tuple(unfinished), self._other_elements)

    def _other_elements(self) -> tuple[Resource, ...]:
        return tuple(item for network in self._others() for item in _of_network(network) if item.handler == "firewall")

    def _of_endpoint(self, endpoint: Endpoint) -> Iterator[Resource]:
        network = self.network(endpoint.network)
        if network is None or not driver(network.driver).ATTACHABLE:
            entry = self.network_entry(endpoint.network)
            network = entry.value if entry else None
        return driver(network.driver).endpoint_resources(network, endpoint) if network else iter(())

    def _routes(self, place: str, host: Any) -> Iterator[Resource]:
        plugged = []
        for endpoint in self.at(place):
            network = self.network(endpoint.network)
            if network is not None and self._carries(endpoint, host):
                plugged.append((endpoint, network))
        return default_routes(place, plugged)

    def _carries(self, endpoint: Endpoint, host: Any) -> bool:
        """Return whether a route can go through an endpoint: this task plugs it in, or it works as it is.

        One of another network may be damaged, or half made by a killed run: that is that network's to repair.
        """
        if (endpoint.network, endpoint.place) in self.endpoints:
            return True
        needed = [item for item in self._of_endpoint(endpoint) if isinstance(item, (Address, Up))]
        return len(host.observe(needed)) == len(needed)

    def _default_routes_before(self, place: str) -> Iterator[Resource]:
        """Yield the default routes that a sandbox's endpoints may have given it, as they are and were."""
        entries = [self.member_entries(network).get(place) for network, at in self.endpoints if at == place]
        before = [version for entry in entries if entry for version in entry.all]
        for name, destination in (("ipv4", "0.0.0.0/0"), ("ipv6", "::/0")):
            if any(getattr(endpoint, name) for endpoint in (*before, *self.at(place))):
                yield Route(place, destination, "", "")

    def _shared(self, obsolete: Iterable[Resource]) -> list[Resource]:
        """Return what of `obsolete` the other networks need: the table, and the host's forwarding."""
        shared = {item.key for item in obsolete if _is_shared(item)}
        found: dict[tuple[str, ...], Resource] = {}
        for network in self._others() if shared else ():
            for item in _of_network(network):
                if item.key in shared:
                    found[item.key] = item
            if len(found) == len(shared):
                break
        return list(found.values())

    def _others(self) -> Iterator[Network]:
        return (entry.value for entry in self._records.networks() if entry.value.name not in self.networks)


def _of_network(network: Network, *, recorded: bool = False) -> Iterator[Resource]:
    for item in driver(network.driver).network_resources(network):
        yield replace(item, recorded=True) if recorded and isinstance(item, Bridge) else item


def _is_shared(item: Resource) -> bool:
    return isinstance(item, Ruleset) or (isinstance(item, Sysctl) and item.place == HOST and not item.ifname)
