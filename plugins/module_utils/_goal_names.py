# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a draft to the resources that have members found by name: name servers, their files, and who asks them.

Reads the records, changes nothing. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._dns import ResolvConf, domain_of, names, names_of, resolver
from ._draft import Draft
from ._drivers.registry import driver
from ._endpoints import pool_of
from ._model import Endpoint, Network

_NETNS = "netns:"


def aim_at_names(draft: Draft, host: Any, goal: Any) -> None:
    """Add to a goal what the networks and members of a draft have and had by way of names."""
    for slot, endpoint in draft.endpoints.items():
        name = slot[0]
        network, entry = draft.network(name), draft.endpoint_entry(slot)
        if endpoint and network and network.dns and host.is_open(endpoint.place) and names_of(endpoint):
            goal.desired.append(names(network, endpoint))
        for version in entry.all if entry else ():
            goal.obsolete += [names(each, version) for each in _recorded(draft, name)]
    together = _aim_at_namespaces(draft, host, goal)
    touched = dict.fromkeys((*draft.networks, *(name for name, seat in draft.endpoints)))
    for name in touched:
        goal.obsolete += [resolver(each) for each in _recorded(draft, name)]
    for name in dict.fromkeys((*touched, *together)):
        network = draft.network(name)
        if network is not None and network.dns and _is_asked_for(draft, host, name):
            goal.desired.append(resolver(network, _refused(draft, name, together.get(name, ()))))


def _recorded(draft: Draft, name: str) -> list[Network]:
    """Return what a network with names is and, where a run was killed, was."""
    entry = draft.network_entry(name)
    return [version for version in entry.all if version.dns] if entry else []


def _is_asked_for(draft: Draft, host: Any, name: str) -> bool:
    """Return whether a member that is there has a name."""
    drafted = (draft.endpoints[slot] for slot in draft.endpoints if slot[0] == name)
    if any(each is not None and host.is_open(each.place) and names_of(each) for each in drafted):
        return True
    slots = ((name, seat) for seat in draft.records.seats(name))
    others = (draft.endpoint(slot) for slot in slots if slot not in draft.endpoints)
    return any(each is not None and names_of(each) and host.lives(each.sandbox) for each in others)


def _aim_at_namespaces(draft: Draft, host: Any, goal: Any) -> dict[str, set[str]]:
    """Add the resolv.conf of each named namespace of the draft; return, for each of their networks, the others."""
    together: dict[str, set[str]] = {}
    for place in draft.slots_at:
        if not place.startswith(_NETNS):
            continue
        container = place[len(_NETNS) :]
        goal.obsolete.append(ResolvConf(container, (), ()))
        plugged = [(endpoint, network) for endpoint, network in _plugged(draft, place) if network.dns]
        for _endpoint, network in plugged:
            together.setdefault(network.name, set()).update(other.name for member, other in plugged)
        # Two endpoints on one network have one server.
        servers = {server: domain_of(network) for server, network in map(_server, plugged) if server}
        if servers and host.is_open(place):
            search = dict.fromkeys(filter(None, servers.values()))
            goal.desired.append(ResolvConf(container, tuple(servers), tuple(search)))
    return together


def _plugged(draft: Draft, place: str) -> list[tuple[Endpoint, Network]]:
    """Return a sandbox's endpoints with their networks, the one that gives the default route first."""
    pairs = ((endpoint, draft.network(endpoint.network)) for endpoint in draft.at(place))
    return sorted(
        ((endpoint, network) for endpoint, network in pairs if network is not None),
        key=lambda pair: (-pair[0].gw_priority, pair[0].network),
    )


def _server(plugged: tuple[Endpoint, Network]) -> tuple[str, Network]:
    """Return the address at which a member asks its network's name server, empty if it reaches none."""
    endpoint, network = plugged
    served = driver(network.driver).host_addresses(network)
    pools = [pool for pool in (pool_of(network, each) for each in endpoint.addresses) if pool]
    return next((str(address) for pool in pools for address in served if address in pool.subnet), ""), network


def _refused(draft: Draft, name: str, together: Iterable[str]) -> set[str]:
    """Return the domains that a network's name server leaves to those of other networks, since it shares a member with them."""
    recorded = draft.records.shared_places(name)
    others = {*together, *(other for other, place in recorded if place not in draft.slots_at)}.difference({name})
    networks = (draft.network(other) for other in others)
    return {domain_of(network) for network in networks if network is not None and network.dns and domain_of(network)}
