# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What container_network asks for, told in the engine's verbs: look up, resolve, draft, converge; and drift.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from .._apply import Outcome, converge
from .._changes import spoken_drifts
from .._draft import Draft
from .._draft_networks import draft_connected, draft_network, drop_network
from .._drivers.registry import driver
from .._errors import NetloomError
from .._goal import goal_of
from .._model import HOST, PRESENT, EndpointSpec, Network, NetworkSpec
from .._subnets import Occupied
from .contention import contended
from .crowds import crowded
from .result import Result, as_recorded, learned, unveiled


@contended
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
    result = _made(host, spec, connected, appends=appends, dry_run=dry_run)
    crowds = tuple(crowded(host, result.network, result.members))
    result = replace(result, outcome=replace(result.outcome, warnings=(*result.outcome.warnings, *crowds)))
    if driver(result.network.driver).bridged and not result.network.internal:
        outcome = result.outcome
        outcome = replace(outcome, warnings=(*outcome.warnings, *host.forward_drops([result.network])))
        return replace(result, outcome=outcome)
    return result


def _made(
    host: Any, spec: NetworkSpec, connected: Sequence[EndpointSpec] | None = None, *, appends: bool, dry_run: bool
) -> Any:
    draft = Draft(host.records)
    network = draft_network(draft, host, spec)
    if connected is not None:
        draft_connected(draft, host, network, connected, appends=appends)
    outcome = converge(goal_of(draft, host), host, dry_run=dry_run)
    return unveiled(draft, host, _result(draft, host, outcome, network))


def network_absent(host: Any, name: str, *, force: bool = False, dry_run: bool = False) -> Result:
    """Remove a network; with `force` its members are detached first.

    :raises NetloomError: network_in_use, invalid_name.
    """
    draft = Draft(host.records)
    if drop_network(draft, host, name, force=force) is None:
        return Result()
    return Result(converge(goal_of(draft, host), host, dry_run=dry_run))


def drift(host: Any, network: Network, of_host: Occupied, besides: Collection[str] = ()) -> tuple[str, ...]:
    """Return, one line each, what of a recorded network is not as the records say. Changes nothing.

    `of_host` are the subnets that the host has of its own by now, `besides` the words for those on the network's parent.
    """
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
        result = _made(host, NetworkSpec(network.name), appends=True, dry_run=True)
    except NetloomError as exc:
        return (*lines, exc.message)
    overlaps = ((pool.subnet, of_host.overlapping(pool.subnet, besides)) for pool in network.pools)
    uplink = host.uplink(network.parent) if network.parent else None
    lines += [f"parent {uplink.name} is down"] if uplink and not uplink.up else []
    if not driver(network.driver).plugin:  # the host may have an address where its plugin has given it one
        lines += [f"subnet {subnet} overlaps {found[1]} of the host" for subnet, found in overlaps if found]
    if network.shares_addresses:
        from .._draft_claims import unreached

        lines += unreached(host, network)
    if network.driver == "overlay":
        from .._draft_overlay import shrunk

        lines += shrunk(host, network)
    lines += spoken_drifts(result.outcome.changes)
    lines += [
        f"endpoint of {member.container} on network {network.name} is pending: its container does not run"
        for member in result.members
        if member.place not in result.live
    ]
    lines += [
        f"endpoint of {member.container} on network {network.name} has lost its interface, {member.host_ifname};"
        " disconnect and connect its container in Docker"
        for member in result.members
        if member.is_lent and member.place in result.live and not host.find_index(HOST, member.host_ifname)
    ]
    return tuple(lines)


def _result(draft: Draft, host: Any, outcome: Outcome, network: Network) -> Result:
    """Return the network with its members as the records have them, or where nothing was written, as planned."""
    learned(draft, host)
    members = tuple(sorted(draft.members(network.name).values(), key=lambda member: member.seat))
    live = frozenset(member.place for member in members if host.is_live(member))
    return Result(outcome, as_recorded(draft, network), members=members, live=live)
