# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a draft to a goal: the resources that shall be there, and those that may be there and shall not.

Reads the records, changes nothing. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ._apply import Goal
from ._draft import Draft, Slot
from ._drivers.options import check_fit
from ._drivers.registry import driver
from ._endpoints import default_routes
from ._model import HOST, IPAM_DRIVERS, PRESENT, Endpoint, Key, Network
from ._resources import (
    Address,
    Bridge,
    EndpointRecord,
    Namespace,
    NamespaceRecord,
    NetworkRecord,
    Resource,
    Route,
    Sysctl,
    Up,
    is_common,
)


def goal_of(draft: Draft, host: Any) -> Goal:
    """Return what makes all of it so. Endpoints whose sandbox is not open are recorded, but not plugged."""
    goal = _Parts()
    for name, owner in draft.namespaces.items():
        _aim_at_namespace(draft, goal, name, owner)
    for name, network in draft.networks.items():
        _aim_at_network(draft, goal, name, network)
    for slot, endpoint in draft.endpoints.items():
        entry = draft.endpoint_entry(slot)
        known = endpoint or (entry.value if entry else None)
        opened = known is not None and (known.is_lent or host.is_open(known.place))
        plugged = endpoint is None or not endpoint.is_lent or _is_lent_out(draft, host, slot, endpoint)
        _aim_at_endpoint(draft, goal, slot, endpoint, opened=opened, plugged=opened and plugged)
    for place in draft.slots_at:
        if host.is_open(place):
            goal.desired += _routes(draft, place, host)
            goal.obsolete += _default_routes_before(draft, place)
    touched = dict.fromkeys((*draft.networks, *(slot[0] for slot in draft.endpoints)))
    if any(_plugged(draft, place) for place in draft.slots_at):
        from ._goal_plugins import aim_at_services  # few endpoints are a plugin's

        aim_at_services(draft, host, goal, lambda place: _plugged_in(draft, place, host))
    if any(network.dns for name in touched for network in draft.network_versions(name)):
        from ._goal_names import aim_at_names  # a task on networks without names reads none of it

        aim_at_names(draft, host, goal)
    if any(network.shares_addresses for name in touched for network in draft.network_versions(name)):
        from ._goal_claims import aim_at_claims  # few networks share their addresses with other hosts

        aim_at_claims(draft, host, goal)
    if any(version.ipam_driver not in IPAM_DRIVERS for name in touched for version in draft.network_versions(name)):
        from ._goal_pools import aim_at_pools  # few networks have their addresses of plugins

        aim_at_pools(draft, goal)
    goal.desired += _shared(draft, goal)
    return Goal(
        tuple(goal.desired),
        tuple(goal.obsolete),
        tuple(goal.recorded),
        tuple(goal.unfinished),
        partial(_other_elements, draft),
        tuple(goal.former),
        tuple(draft.warnings),
        tuple(draft.veil),
    )


def _aim_at_namespace(draft: Draft, goal: _Parts, name: str, owner: str | None) -> None:
    entry = draft.namespace_entry(name)
    if owner is None:
        goal.obsolete.append(Namespace(name))
    else:
        goal.desired.append(Namespace(name))
        settings = draft.settings.get(name, ())
        if settings or name in draft.kept:
            lasting = {**dict(entry.value.settings if entry else ()), **dict(settings)}
            goal.desired.append(NamespaceRecord(name, owner, tuple(sorted(lasting.items()))))
        goal.desired += [Sysctl(f"netns:{name}", path, value) for path, value in settings]
    if entry:
        goal.recorded.append(entry.value)
        goal.unfinished += [entry.value.key] if entry.state != PRESENT and owner is not None else []


def _aim_at_network(draft: Draft, goal: _Parts, name: str, network: Network | None) -> None:
    entry = draft.network_entry(name)
    if network is not None:
        goal.desired += [NetworkRecord(network), *_of_network(network, recorded=bool(entry))]
    if entry:
        goal.recorded.append(NetworkRecord(entry.value))
        goal.obsolete += [item for version in entry.all for item in _of_network(version, recorded=True)]
        goal.unfinished += [("network", name)] if entry.state != PRESENT and network else []


def _aim_at_endpoint(
    draft: Draft, goal: _Parts, slot: Slot, endpoint: Endpoint | None, *, opened: bool, plugged: bool
) -> None:
    entry = draft.endpoint_entry(slot)
    if endpoint is not None:
        _check_options(draft, endpoint)
        goal.desired += [EndpointRecord(endpoint), *(_of_endpoint(draft, endpoint) if plugged else ())]
    if entry:
        goal.recorded.append(EndpointRecord(entry.value))
        goal.former += entry.all
    if entry and (endpoint is None or opened or entry.state != PRESENT):
        goal.obsolete += [item for version in entry.all for item in _of_endpoint_as_it_was(draft, version)]
        goal.unfinished += [("endpoint", *slot)] if entry.state != PRESENT and endpoint else []


def _is_lent_out(draft: Draft, host: Any, slot: Slot, endpoint: Endpoint) -> bool:
    """Return whether Docker has the interface of an endpoint, or is about to. One that is gone cannot be put back."""
    if slot in draft.lending or not host.lives(endpoint.sandbox):
        return slot in draft.lending
    pair = [item for item in _of_endpoint(draft, endpoint) if item.key == ("link", HOST, endpoint.host_ifname)]
    return any(item.key == pair[0].key for item in host.observe(pair))


def _check_options(draft: Draft, endpoint: Endpoint) -> None:
    """:raises NetloomError: option_invalid, a member's options do not fit its network as that will be."""
    network = draft.network(endpoint.network) if endpoint.driver_opts else None
    if network is not None:
        known = driver(network.driver).endpoint_options
        check_fit(endpoint.driver_opts, known, network, f"endpoint of {endpoint.container}: driver_opts")


def _other_elements(draft: Draft) -> tuple[Resource, ...]:
    others = [*(item for network in draft.undrafted() for item in _of_network(network))]
    others += [item for endpoint in draft.undrafted_endpoints() for item in _of_endpoint(draft, endpoint)]
    return tuple(item for item in others if item.handler == "firewall")


def _of_endpoint(draft: Draft, endpoint: Endpoint) -> Iterator[Resource]:
    network = draft.network(endpoint.network)
    if network is None or not driver(network.driver).attachable:
        entry = draft.network_entry(endpoint.network)
        network = entry.value if entry else None
    return _resources(network, endpoint) if network else iter(())


def _of_endpoint_as_it_was(draft: Draft, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield what there can be of an endpoint: its network may be about to change, or a killed run has half changed it."""
    entry = draft.network_entry(endpoint.network)
    for network in entry.all if entry else ():
        yield from _resources(network, endpoint)


def _resources(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    found = driver(network.driver).endpoint_resources(network, endpoint)
    if endpoint.is_lent:
        from ._lending import lent  # few endpoints are

        return lent(endpoint, found)
    if endpoint.routes or endpoint.sysctls or endpoint.secondary:
        from ._endpoint_options import completed  # few endpoints have any

        return completed(endpoint, found)
    return found


def _plugged(draft: Draft, place: str) -> bool:
    """Return whether a sandbox has an endpoint on a plugin's network, or may have had one."""
    networks = {endpoint.network for endpoint in draft.at(place)}.union(slot[0] for slot in draft.slots_at[place])
    return any(driver(version.driver).plugin for name in networks for version in draft.network_versions(name))


def _routes(draft: Draft, place: str, host: Any) -> Iterator[Resource]:
    return default_routes(place, _plugged_in(draft, place, host))


def _plugged_in(draft: Draft, place: str, host: Any) -> list[tuple[Endpoint, Network]]:
    """Return the endpoints that a sandbox's routes can go through, with their networks."""
    plugged = []
    for endpoint in draft.at(place):
        network = draft.network(endpoint.network)
        if network is not None and _carries(draft, endpoint, host):
            plugged.append((endpoint, network))
    return plugged


def _carries(draft: Draft, endpoint: Endpoint, host: Any) -> bool:
    """Return whether a route can go through an endpoint: this task plugs it in, or it works as it is.

    One of another network may be damaged, or half made by a killed run: that is that network's to repair.
    """
    if (endpoint.network, endpoint.seat) in draft.endpoints:
        return True
    needed = [
        item
        for item in _of_endpoint(draft, endpoint)
        if isinstance(item, Up) or (isinstance(item, Address) and not item.secondary)
    ]
    return len(host.observe(needed)) == len(needed)


def _default_routes_before(draft: Draft, place: str) -> Iterator[Resource]:
    """Yield the default routes that a sandbox's endpoints may have given it, as they are and were."""
    entries = [draft.endpoint_entry(slot) for slot in draft.slots_at[place]]
    before = [version for entry in entries if entry for version in entry.all]
    for name, destination in (("ipv4", "0.0.0.0/0"), ("ipv6", "::/0")):
        given = ((endpoint, getattr(endpoint, name)) for endpoint in (*before, *draft.at(place)))
        if any(address or any(route.destination == destination for route in one.routes) for one, address in given):
            yield Route(place, destination, "", "")


def _shared(draft: Draft, goal: _Parts) -> list[Resource]:
    """Return what of the obsolete others need: the tables, the host's settings, and those of a network's bridge."""
    missing = {item.key for item in goal.obsolete if is_common(item)} - {item.key for item in goal.desired}
    found: dict[Key, Resource] = {}
    for item in _of_others(draft) if missing else ():
        if item.key in missing:
            found[item.key] = item
            if len(found) == len(missing):
                break
    return list(found.values())


def _of_others(draft: Draft) -> Iterator[Resource]:
    for network in draft.undrafted():
        yield from _of_network(network)
    for endpoint in draft.undrafted_endpoints():
        yield from _of_endpoint(draft, endpoint)


class _Parts:
    """A goal in the making."""

    def __init__(self) -> None:
        self.desired: list[Resource] = []
        self.obsolete: list[Resource] = []
        self.recorded: list[Resource] = []
        self.unfinished: list[Key] = []
        self.former: list[Endpoint] = []


def _of_network(network: Network, *, recorded: bool = False) -> Iterator[Resource]:
    for item in driver(network.driver).network_resources(network):
        yield replace(item, recorded=True) if recorded and isinstance(item, Bridge) else item
