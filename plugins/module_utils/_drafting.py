# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: what a task asks for is resolved against the records, the host and the runtimes.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from . import _endpoints, _resolve
from ._draft import PRESENT, Draft
from ._errors import NetloomError
from ._model import Endpoint, EndpointSpec, HostFacts, Network, NetworkSpec, Sandbox

_NOT_THERE = ("netns_not_found", "netns_invalid", "netns_is_host", "missing_dependency")


def draft_network(draft: Draft, host: Any, spec: NetworkSpec, *, with_members: bool = True) -> Network:
    entries = host.records.networks() if with_members or not draft.network_entry(spec.name) else []
    entry = draft.network_entry(spec.name)
    recorded = entry.value if entry else None
    others = [item.value for item in entries if item.value.name != spec.name]
    ours = {network.ifname for network in (*others, *(entry.all if entry else ())) if network.ifname}
    facts = host.facts(ours) if _resolve.needs_facts(spec, recorded) else HostFacts()
    network = _resolve.network(spec, recorded, others, facts, host.state_dir)
    draft.networks[spec.name] = network
    if with_members and entry:
        _draft_members(draft, host, spec, entry, network)
    return network


def _draft_members(draft: Draft, host: Any, spec: NetworkSpec, entry: Any, network: Network) -> None:
    """Take every member along: as it is, or moved where a rebuilt network does not hold its address."""
    entries = draft.member_entries(network.name)
    members = {place: _fitting(item, network) for place, item in entries.items()}
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
            others = [other for at, other in draft.members(network.name).items() if at != place]
            member = _endpoints.moved(member, network, others)
        sandbox = open_member(host, member)
        if sandbox is not None:
            draft.endpoints[network.name, place] = replace(member, sandbox=sandbox)
        elif member != entries[place].value or entries[place].state != PRESENT:
            draft.endpoints[network.name, place] = member


def _fitting(entry: Any, network: Network) -> Endpoint:
    """Return the recorded endpoint, or what it was before an unfinished change if only that fits the network."""
    for version in entry.all:
        if all(_endpoints.pool_of(network, address) for address in version.addresses):
            return version
    return entry.value


def draft_endpoint(draft: Draft, host: Any, network: Network, spec: EndpointSpec) -> Endpoint:
    """Decide what becomes of a container's endpoint on `network`, which is in the draft.

    :raises NetloomError: there is no such container, or it cannot have what is asked for.
    """
    found = host.find(spec.container, spec.runtime)
    recorded = recorded_endpoint(draft, host, spec, found)
    if found is None and recorded is None:
        raise host.not_found(spec.container, spec.runtime)
    sandbox, place = None, recorded.place if recorded else f"{found.runtime}:{found.name}"
    if found is not None and (found.path is not None or recorded is None):
        sandbox = host.open(place, found).sandbox
        if recorded and recorded.runtime == "pid" and not _same(recorded.sandbox, sandbox):
            raise NetloomError(
                "netns_invalid",
                f"container: process {spec.container} is another one than the one that was attached;"
                " state=absent frees what that one had",
            )
    ifnames: set[str] = set()
    if sandbox is not None and (recorded is None or spec.ifname or spec.driver_opts):
        ifnames = set(host.interfaces(place)) | {
            other.ifname for other in draft.at(place) if other.network != network.name
        }
        if recorded and recorded.sandbox and recorded.sandbox.cookie == sandbox.cookie:
            ifnames.discard(recorded.ifname)
    endpoint = _endpoints.endpoint(
        spec,
        network,
        recorded,
        (found.runtime, found.name) if found else ("", ""),
        sandbox or (recorded.sandbox if recorded else None),
        [other for at, other in draft.members(network.name).items() if at != place],
        ifnames,
    )
    draft.endpoints[network.name, place] = endpoint
    return endpoint


def recorded_endpoint(draft: Draft, host: Any, spec: EndpointSpec, found: Any) -> Endpoint | None:
    """Return the record of a container's endpoint, however the container is called in it."""
    members = draft.members(spec.network)
    if found is not None:
        place = f"{found.runtime}:{found.name}"
        if place in members:
            return members[place]
        if found.path is None:
            return None
        sandbox = host.open(place, found).sandbox
        return next((member for member in members.values() if _same(member.sandbox, sandbox)), None)
    names = [
        member
        for member in members.values()
        if spec.runtime in ("auto", member.runtime) and spec.container in _names_of(member)
    ]
    return names[0] if names else None


def open_member(host: Any, member: Endpoint) -> Sandbox | None:
    """Return the sandbox of an endpoint, open, if its container is there now."""
    if host.is_open(member.place):
        return host.sandbox(member.place)
    try:
        found = host.find(member.container, member.runtime)
        if found is None or found.path is None:
            return None
        sandbox = host.open(member.place, found).sandbox
    except NetloomError as exc:
        if exc.code in _NOT_THERE:
            return None  # it is not there now
        raise
    if member.runtime == "pid" and not _same(member.sandbox, sandbox):
        host.shut(member.place)  # the number means another process by now
        return None
    return sandbox


def _same(one: Any, other: Any) -> bool:
    return one is not None and one.cookie != 0 and (one.boot_id, one.cookie) == (other.boot_id, other.cookie)


def _names_of(member: Endpoint) -> Iterable[str]:
    yield member.container
    if member.sandbox:
        yield member.sandbox.key
        yield member.sandbox.container_id
        yield member.sandbox.container_id[:12]
