# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: what a task asks for is resolved against the records, the host and the runtimes.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from . import _endpoints, _resolve
from ._draft import PRESENT, Draft, Slot, same_sandbox
from ._errors import NetloomError
from ._model import Endpoint, EndpointSpec, HostFacts, Network, NetworkSpec, Sandbox
from ._names import PREDEFINED, nearest
from ._resolve import Others

_NOT_THERE = ("netns_not_found", "netns_invalid", "netns_is_host", "missing_dependency")


def draft_network(
    draft: Draft, host: Any, spec: NetworkSpec, *, with_members: bool = True, topology: str = ""
) -> Network:
    """Decide what becomes of a network and (`with_members`) of its endpoints; a new one belongs to `topology`.

    :raises NetloomError: it is not valid, collides with something, or cannot be changed in place.
    """
    entry = draft.network_entry(spec.name)
    recorded = entry.value if entry else None
    others, facts = Others(), HostFacts()
    if _resolve.needs_facts(spec, recorded):
        facts = draft.facts(host)
        others = draft.others(spec.name, facts)
    elif spec.options is not None:
        others = draft.others(spec.name)
    owner = "" if spec.name in PREDEFINED else topology
    network = _resolve.network(spec, recorded, others, facts, host.state_dir, owner)
    draft.put_network(network)
    if with_members and entry:
        _draft_members(draft, host, spec, entry, network)
    return network


def _draft_members(draft: Draft, host: Any, spec: NetworkSpec, entry: Any, network: Network) -> None:
    """Take every member along: as it is, or moved where a rebuilt network does not hold its address."""
    entries = draft.member_entries(network.name)
    dropped = {place for (name, place), member in draft.endpoints.items() if name == network.name and member is None}
    members = {place: _fitting(item, network) for place, item in entries.items() if place not in dropped}
    obstacles = _resolve.obstacles(network, entry.value, members.values())
    if obstacles and not spec.force and entry.state == PRESENT:
        raise NetloomError(
            "network_exists_different",
            f"network {network.name} cannot be changed in place: {'; '.join(obstacles)};"
            " force=true rebuilds it and brings every member back",
            differences=list(obstacles),
        )
    for place, member in members.items():
        if obstacles:
            member = _endpoints.moved(member, network, draft.leases(network.name))
        sandbox = open_member(host, member)
        if sandbox is not None:
            draft.put(member if sandbox == member.sandbox else replace(member, sandbox=sandbox))
        elif member != entries[place].value or entries[place].state != PRESENT:
            draft.put(member)


def _fitting(entry: Any, network: Network) -> Endpoint:
    """Return the recorded endpoint, or what it was before an unfinished change if only that fits the network."""
    for version in entry.all:
        if all(_endpoints.pool_of(network, address) for address in version.addresses):
            return version
    return entry.value


def draft_connected(
    draft: Draft,
    host: Any,
    network: Network,
    connected: Iterable[EndpointSpec],
    *,
    appends: bool,
    topology: str = "",
) -> list[Endpoint]:
    """Return the members that a network is asked to have; unless `appends`, it has no others."""
    if not appends:
        # First, so that those to come can have their addresses.
        kept = {slot_of(draft, host, item) for item in connected}
        for place, member in draft.members(network.name).items():
            if (network.name, place) not in kept:
                drop_member(draft, host, member)
    return [draft_endpoint(draft, host, network, item, topology=topology) for item in connected]


def drop_network(draft: Draft, host: Any, name: str, *, force: bool) -> Network | None:
    """Have a network be removed, with `force` its members as well; return it, None if there is none.

    :raises NetloomError: network_in_use, invalid_name.
    """
    if name in PREDEFINED:
        raise NetloomError("invalid_name", f"name: {name} is a predefined network and cannot be removed")
    if not draft.network_entry(name):
        return None
    members = draft.members(name)
    if members and not force:
        names = ", ".join(sorted(member.container for member in members.values()))
        raise NetloomError(
            "network_in_use", f"name: network {name} has members: {names}; detach them, or give force=true"
        )
    draft.drop_network(name)
    for member in members.values():
        drop_member(draft, host, member)
    return draft.network_entry(name).value


def drop_member(draft: Draft, host: Any, member: Endpoint) -> None:
    """Have an endpoint be removed, from its sandbox as well where that is there."""
    open_member(host, member)
    draft.drop((member.network, member.place))


def drop_namespaces(draft: Draft, host: Any, names: Mapping[str, bool], option: str = "name") -> None:
    """Have namespaces (name to whether by force) be removed, and the endpoints in them.

    `option` is what asks for it, in messages.

    :raises NetloomError: network_in_use, one has processes in it and there is no force.
    """
    processes = host.processes([name for name, force in names.items() if not force])
    for name, pids in processes.items():
        raise NetloomError(
            "network_in_use",
            f"{option}: namespace {name} has processes in it: {', '.join(map(str, pids[:20]))};"
            " end them, or give force=true to remove its name only",
        )
    for name in names:
        for member in draft.at(f"netns:{name}"):
            drop_member(draft, host, member)
        draft.namespaces[name] = None


def known_network(draft: Draft, host: Any, name: str) -> Network:
    """Return a network that is in the draft or recorded, which makes it part of the draft, or predefined.

    :raises NetloomError: network_not_found.
    """
    if draft.networks.get(name) is not None:
        return draft.networks[name]  # type: ignore[return-value]
    if draft.network(name) is None and (name in draft.networks or name not in PREDEFINED):
        names = [*host.records.network_names(), *draft.networks, *PREDEFINED]
        raise NetloomError("network_not_found", f"network: there is no network {name!a}{nearest(name, names)}")
    return draft_network(draft, host, NetworkSpec(name), with_members=False)


def draft_endpoint(draft: Draft, host: Any, network: Network, spec: EndpointSpec, *, topology: str = "") -> Endpoint:
    """Decide what becomes of a container's endpoint on `network`, which is in the draft.

    A new one belongs to `topology`.

    :raises NetloomError: there is no such container, or it cannot have what is asked for.
    """
    found = host.find(spec.container, spec.runtime)
    recorded = recorded_endpoint(draft, host, spec, found)
    if found is None and recorded is None:
        raise host.not_found(spec.container, spec.runtime)
    sandbox, place = None, recorded.place if recorded else f"{found.runtime}:{found.name}"
    if found is not None and (found.path is not None or recorded is None):
        sandbox = host.open(place, found)
        if recorded and recorded.runtime == "pid" and not same_sandbox(recorded.sandbox, sandbox):
            raise NetloomError(
                "netns_invalid",
                f"container: process {spec.container} is another one than the one that was attached;"
                " state=absent frees what that one had",
            )
    ifnames: set[str] = set()
    if sandbox is not None and (recorded is None or spec.ifname or spec.driver_opts):
        ifnames = set(host.interfaces(place)).difference(draft.freed_ifnames(place))
        ifnames |= {other.ifname for other in draft.at(place) if other.network != network.name}
        if recorded and recorded.sandbox and recorded.sandbox.cookie == sandbox.cookie:
            ifnames.discard(recorded.ifname)
    endpoint = _endpoints.endpoint(
        spec,
        network,
        recorded,
        (found.runtime, found.name) if found else ("", ""),
        sandbox or (recorded.sandbox if recorded else None),
        draft.leases(network.name),
        ifnames,
        topology,
    )
    draft.put(endpoint)
    return endpoint


def slot_of(draft: Draft, host: Any, spec: EndpointSpec) -> Slot:
    """Return the slot that an endpoint has or, if it has none yet, will have."""
    found = host.find(spec.container, spec.runtime)
    recorded = recorded_endpoint(draft, host, spec, found)
    if recorded is None and found is None:
        raise host.not_found(spec.container, spec.runtime)
    return spec.network, recorded.place if recorded else f"{found.runtime}:{found.name}"


def recorded_endpoint(draft: Draft, host: Any, spec: EndpointSpec, found: Any) -> Endpoint | None:
    """Return the record of a container's endpoint, however the container is called in it."""
    if found is None:
        called = (
            member
            for member in draft.members(spec.network).values()
            if spec.runtime in ("auto", member.runtime) and spec.container in _names_of(member)
        )
        return next(called, None)
    place = f"{found.runtime}:{found.name}"
    member = draft.endpoint((spec.network, place))
    if member is not None or found.path is None:
        return member
    return draft.endpoint_in(spec.network, host.open(place, found))


def open_member(host: Any, member: Endpoint) -> Sandbox | None:
    """Return the sandbox of an endpoint, open, if its container is there now."""
    if host.is_open(member.place):
        return host.sandbox(member.place)
    try:
        found = host.find(member.container, member.runtime)
        if found is None or found.path is None:
            return None
        sandbox = host.open(member.place, found)
    except NetloomError as exc:
        if exc.code in _NOT_THERE:
            return None  # it is not there now
        raise
    if member.runtime == "pid" and not same_sandbox(member.sandbox, sandbox):
        host.shut(member.place)  # the number means another process by now
        return None
    return sandbox


def _names_of(member: Endpoint) -> Iterable[str]:
    yield member.container
    if member.sandbox:
        yield member.sandbox.key
        yield member.sandbox.container_id
        yield member.sandbox.container_id[:12]
