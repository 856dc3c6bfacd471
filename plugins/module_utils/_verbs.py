# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules ask for, told in the engine's verbs: look up, resolve, draft, converge.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ._apply import Goal, Outcome, converge
from ._changes import spoken_drift
from ._draft import PRESENT, Draft
from ._drafting import draft_endpoint, draft_network, open_member, recorded_endpoint
from ._errors import NetloomError
from ._model import Endpoint, EndpointSpec, Namespace, Network, NetworkSpec
from ._names import PREDEFINED, nearest


@dataclass(frozen=True)
class Result:
    """What came of a verb: the changes, and the network and endpoint as they are now (in check mode: would be)."""

    outcome: Outcome = field(default_factory=Outcome)
    network: Network | None = None
    endpoint: Endpoint | None = None
    members: tuple[Endpoint, ...] = ()
    live: frozenset[str] = frozenset()  # places whose sandbox is there


def network_present(
    host: Any,
    spec: NetworkSpec,
    connected: Sequence[EndpointSpec] | None = None,
    *,
    appends: bool = False,
    dry_run: bool = False,
) -> Result:
    """Make a network what `spec` says, repair it, and plug in every member whose sandbox is there.

    `connected` None leaves the members alone; else it lists them all, unless `appends`.
    """
    draft = Draft(host.records)
    network = draft_network(draft, host, spec)
    if connected is not None and not appends:
        kept = {draft_endpoint(draft, host, network, item).place for item in connected}
        for place in draft.members(network.name):
            if place not in kept:
                draft.endpoints[network.name, place] = None
    else:
        for item in connected or ():
            draft_endpoint(draft, host, network, item)
    outcome = converge(draft.goal(host), host, dry_run=dry_run)
    if network.ifname and not network.internal:
        outcome = replace(outcome, warnings=(*outcome.warnings, *host.forward_drops(network.ifname)))
    return _result(draft, host, outcome, network.name)


def network_absent(host: Any, name: str, *, force: bool = False, dry_run: bool = False) -> Result:
    """Remove a network; with `force` its members are detached first.

    :raises NetloomError: network_in_use, invalid_name.
    """
    if name in PREDEFINED:
        raise NetloomError("invalid_name", f"name: {name} is a predefined network and cannot be removed")
    draft = Draft(host.records)
    if not draft.network_entry(name):
        return Result()
    members = draft.members(name)
    if members and not force:
        names = ", ".join(sorted(member.container for member in members.values()))
        raise NetloomError(
            "network_in_use", f"name: network {name} has members: {names}; detach them, or give force=true"
        )
    draft.networks[name] = None
    for place, member in members.items():
        open_member(host, member)
        draft.endpoints[name, place] = None
    return Result(converge(draft.goal(host), host, dry_run=dry_run))


def endpoint_present(host: Any, spec: EndpointSpec, *, dry_run: bool = False) -> Result:
    """Attach a container to a network, or make its endpoint what `spec` says.

    A recorded endpoint whose container does not run now is left pending.

    :raises NetloomError: network_not_found, netns_not_found, an address that cannot be had, and others.
    """
    draft = Draft(host.records)
    entry = draft.network_entry(spec.network)
    if entry is None and spec.network not in PREDEFINED:
        names = [item.value.name for item in host.records.networks()]
        raise NetloomError(
            "network_not_found",
            f"network: there is no network {spec.network!a}{nearest(spec.network, [*names, *PREDEFINED])}",
        )
    network = draft_network(draft, host, NetworkSpec(spec.network), with_members=False)
    endpoint = draft_endpoint(draft, host, network, spec)
    outcome = converge(draft.goal(host), host, dry_run=dry_run)
    if not host.is_open(endpoint.place):
        outcome = replace(
            outcome,
            warnings=(*outcome.warnings, f"container: {endpoint.container} does not run; its endpoint is pending"),
        )
    return replace(_result(draft, host, outcome, spec.network), endpoint=endpoint)


def endpoint_absent(host: Any, spec: EndpointSpec, *, dry_run: bool = False) -> Result:
    """Detach a container from a network, which may be gone, as the container may."""
    draft = Draft(host.records)
    member = recorded_endpoint(draft, host, spec, host.find(spec.container, spec.runtime))
    if member is None:
        return Result()
    open_member(host, member)
    draft.endpoints[member.network, member.place] = None
    return Result(converge(draft.goal(host), host, dry_run=dry_run), endpoint=member)


def namespace_present(host: Any, name: str, *, dry_run: bool = False) -> Result:
    """Make a named network namespace with lo up."""
    return Result(converge(Goal((Namespace(name),)), host, dry_run=dry_run))


def namespace_absent(host: Any, name: str, *, force: bool = False, dry_run: bool = False) -> Result:
    """Remove a named network namespace, after detaching what is attached to it.

    :raises NetloomError: network_in_use, processes run in it and `force` does not allow that.
    """
    namespace = Namespace(name)
    exists = bool(host.observe([namespace]))
    processes = host.processes(name) if exists and not force else []
    if processes:
        raise NetloomError(
            "network_in_use",
            f"name: namespace {name} has processes in it: {', '.join(map(str, processes[:20]))};"
            " end them, or give force=true to remove its name only",
        )
    draft = Draft(host.records)
    for member in draft.at(f"netns:{name}"):
        open_member(host, member)
        draft.endpoints[member.network, member.place] = None
    goal = draft.goal(host)
    return Result(converge(replace(goal, obsolete=(*goal.obsolete, namespace)), host, dry_run=dry_run))


def drift(host: Any, network: Network) -> tuple[str, ...]:
    """Return, one line each, what of a recorded network is not as the records say. Changes nothing."""
    entry = host.records.network(network.name)
    if entry is None:
        return ()
    lines = []
    if entry.state != PRESENT:
        lines.append(f"network {network.name}: a change of it was interrupted")
    lines += [
        f"endpoint of {member.value.container} on network {network.name}: a change of it was interrupted"
        for member in host.records.endpoints(network.name)
        if member.state != PRESENT
    ]
    try:
        result = network_present(host, NetworkSpec(network.name), dry_run=True)
    except NetloomError as exc:
        return (*lines, exc.message)
    lines += [spoken_drift(change) for change in result.outcome.changes]
    lines += [
        f"endpoint of {member.container} on network {network.name} is pending: its container does not run"
        for member in result.members
        if member.place not in result.live
    ]
    return tuple(lines)


def _result(draft: Draft, host: Any, outcome: Outcome, name: str) -> Result:
    """Return the network with its members as the records have them, or where nothing was written, as planned."""
    members = tuple(sorted(draft.members(name).values(), key=lambda member: member.place))
    entry = host.records.network(name)
    network = draft.network(name)
    if network is not None and entry is not None:
        network = replace(network, created=entry.value.created)
    return Result(outcome, network, members=members, live=frozenset(m.place for m in members if host.is_open(m.place)))
