# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What network_info asks for: networks as the records have them, and how the kernel differs.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .. import _inspect
from .._drivers.options import labelled
from .._drivers.registry import driver
from .._model import Endpoint, Network
from .._names import PREDEFINED, network_id
from .._subnets import Occupied


def inspect(
    host: Any, names: Collection[str] | None, filters: Mapping[str, list[str]], *, verify: bool
) -> list[dict[str, Any]]:
    """Return the networks called `names` (None: all) that pass the filters, by name, in Docker's shape.

    With `verify`, each has Drift: one line for everything that is not as the records say.
    """
    return inspect_all(host, names, filters, verify=verify)[0]


def inspect_all(
    host: Any, names: Collection[str] | None, filters: Mapping[str, list[str]], *, verify: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the same networks, and what Docker's shape does not tell of their endpoints."""
    found, places = [], []
    facts: Any = None
    of_host = Occupied()
    for network, members in _recorded(host, names):
        known = driver(network.driver)
        labels = labelled(network.options, known.options)
        live = {member.place for member in members if host.lives(member.sandbox)}
        shape = _inspect.network(known.as_seen(network), labels, members, live, assigned=known.assigns)
        if _inspect.matches(shape, filters, PREDEFINED):
            if verify:
                from . import networks

                if facts is None:
                    facts = host.facts(host.records.bridges())
                    of_host = Occupied(facts.subnets)
                shape["Drift"] = list(networks.drift(host, network, of_host, facts.of_interface(network.parent)))
            found.append(shape)
            places += [_place(network, member, live=member.place in live) for member in members]
    return found, places


def _place(network: Network, member: Endpoint, *, live: bool) -> dict[str, Any]:
    ports: dict[str, Any] = {}
    if member.ports:
        from .._endpoints import bound
        from .._inspect_endpoint import ports_of

        ports = ports_of(member, bound(network, member))
    return {
        "Network": network.name,
        "Container": member.container,
        "Runtime": member.runtime,
        "EndpointID": member.id,
        "InterfaceName": member.ifname,
        "HostInterface": member.host_ifname,
        "IPAddress": str(member.ipv4.ip) if member.ipv4 else "",
        "GlobalIPv6Address": str(member.ipv6.ip) if member.ipv6 else "",
        "Ports": ports,
        "Pending": not live,
    }


def _recorded(host: Any, names: Collection[str] | None) -> Iterator[tuple[Network, list[Endpoint]]]:
    """Yield networks with their endpoints, sorted by name, from one snapshot of the records."""
    with host.records.snapshot():
        if names is None:
            entries = host.records.networks()
        else:
            entries = [entry for entry in map(host.records.network, sorted(set(names))) if entry]
        known = {entry.value.name: entry.value for entry in entries}
        for name, kind in PREDEFINED.items():
            if name not in known and (names is None or name in names):
                known[name] = Network(name, network_id(host.state_dir, name), kind)
        pairs = [(known[name], [entry.value for entry in host.records.endpoints(name)]) for name in sorted(known)]
    return iter(pairs)
