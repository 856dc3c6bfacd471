# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole host in one plan: namespaces, networks and attachments, and who made them.

What a topology makes belongs to it; what was there before is only referred to: changed where it is listed, never
removed because it is not. The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .._apply import Outcome, converge
from .._draft import Draft, Slot
from .._draft_endpoints import draft_endpoint, drop_endpoints, drop_member, slot_of
from .._draft_networks import (
    draft_connected,
    draft_namespace,
    draft_network,
    drop_namespaces,
    drop_network,
    known_network,
)
from .._drivers.registry import driver
from .._errors import NetloomError, within
from .._frozen import dataclass
from .._goal import goal_of
from .._model import Endpoint, Network
from .contention import contended
from .crowds import crowded
from .result import as_recorded, learned
from .topology_spec import TopologySpec


@dataclass(frozen=True)
class TopologyResult:
    """What came of a topology: the changes, its networks with all their members, and its endpoints as listed."""

    outcome: Outcome
    networks: tuple[tuple[Network, tuple[Endpoint, ...]], ...] = ()
    endpoints: tuple[tuple[Endpoint, Network], ...] = ()


@contended
def topology_present(host: Any, spec: TopologySpec, *, dry_run: bool = False) -> TopologyResult:
    """Make a host what `spec` says, all of it or nothing.

    :raises NetloomError: what the verbs for single objects raise, with the place in the lists; something belongs to
        another topology.
    """
    draft = Draft(host.records)
    with host.stage("resolve", len(spec.namespaces) + len(spec.networks) + len(spec.attachments)):
        unlisted = _drop_networks(draft, host, spec) if spec.purge else []
        _draft_namespaces(draft, host, spec)
        if spec.purge:
            _drop_endpoints(draft, host, spec)
        slots = [*_draft_networks(draft, host, spec), *_draft_attachments(draft, host, spec)]
        if spec.purge:
            _refuse_foreign_members(draft, spec, unlisted)
            _drop_namespaces(draft, host, spec)
        goal = goal_of(draft, host)
    outcome = converge(goal, host, dry_run=dry_run)
    learned(draft, host)
    names = sorted(item.spec.name for item in spec.networks if not item.absent)
    warnings = (*outcome.warnings, *_warnings(draft, host, names, slots))
    return TopologyResult(
        replace(outcome, warnings=warnings),
        tuple(
            (as_recorded(draft, network), tuple(draft.members(network.name).values()))
            for network in map(draft.network, names)
            if network is not None
        ),
        tuple(
            (endpoint, network)
            for slot in slots
            for endpoint, network in [(draft.endpoint(slot), draft.network(slot[0]))]
            if endpoint is not None and network is not None
        ),
    )


def topology_absent(host: Any, name: str, *, dry_run: bool = False) -> TopologyResult:
    """Remove what a topology made, and nothing else.

    :raises NetloomError: network_in_use, something else depends on it.
    """
    return topology_present(host, TopologySpec(name, purge=True), dry_run=dry_run)


def _draft_namespaces(draft: Draft, host: Any, spec: TopologySpec) -> None:
    absent = {}
    for index, item in enumerate(spec.namespaces):
        with within(f"namespaces[{index}]"):
            if item.name in draft.namespaces or item.name in absent:
                raise _listed_twice(item.name)
            if item.absent:
                absent[item.name] = item.force
                continue
            entry = draft.namespace_entry(item.name)
            _refuse_claimed("option_invalid", "name", f"namespace {item.name}", entry and entry.value.topology, spec)
            draft_namespace(draft, host, item.name, item.settings, topology=spec.name)
    drop_namespaces(draft, host, absent, "namespaces")


def _draft_networks(draft: Draft, host: Any, spec: TopologySpec) -> list[Slot]:
    """Decide about the networks that are listed; return the slots of the members that they list."""
    seen: set[str] = set()
    for index, item in enumerate(spec.networks):
        name = item.spec.name
        with within(f"networks[{index}]"):
            if name in seen:
                raise _listed_twice(name)
            seen.add(name)
            entry = draft.network_entry(name)
            if item.absent:
                drop_network(draft, host, name, force=item.spec.force)
                continue
            owner = entry.value.topology if entry else ""
            _refuse_claimed("network_exists_different", "name", f"network {name}", owner, spec)
            draft_network(draft, host, item.spec, topology=spec.name)
    slots: list[Slot] = []
    for index, item in enumerate(spec.networks):
        if item.connected is not None and not item.absent:
            with within(f"networks[{index}]"):
                network: Any = draft.network(item.spec.name)
                listed = draft_connected(draft, host, network, item.connected, appends=item.appends, topology=spec.name)
                for endpoint in listed:
                    _refuse_claimed_endpoint("connected", endpoint, spec)
                    slots.append((endpoint.network, endpoint.seat))
    return slots


def _draft_attachments(draft: Draft, host: Any, spec: TopologySpec) -> list[Slot]:
    seen: dict[Slot, int] = {}
    for index, item in enumerate(spec.attachments):
        asked = item.spec
        with within(f"attachments[{index}]"):
            if item.absent:
                drop_endpoints(draft, host, asked)
                continue
            network = known_network(draft, host, asked.network)
            endpoint = draft_endpoint(draft, host, network, asked, topology=spec.name)
            slot = (endpoint.network, endpoint.seat)
            if slot in seen:
                raise NetloomError(
                    "option_invalid",
                    f"container: {asked.container} on network {asked.network} is attachments[{seen[slot]}] already;"
                    " each of several has an interface_name",
                )
            seen[slot] = index
            _refuse_claimed_endpoint("container", endpoint, spec)
            if endpoint.runtime == "netns" and draft.namespaces.get(endpoint.container, "") is None:
                raise NetloomError("netns_not_found", f"container: namespace {endpoint.container} is to be removed")
    return list(seen)


def _drop_networks(draft: Draft, host: Any, spec: TopologySpec) -> list[str]:
    """Drop the networks that the topology made and does not list, so that others can have their subnets."""
    listed = {item.spec.name for item in spec.networks}
    names = [entry.value.name for entry in host.records.networks_of(spec.name) if entry.value.name not in listed]
    for name in names:
        draft.drop_network(name)
    return names


def _drop_endpoints(draft: Draft, host: Any, spec: TopologySpec) -> None:
    """Drop the endpoints that the topology made and does not list, so that others can have what they had."""
    kept: set[Slot] = set()
    for option, specs in (
        ("networks[{}]", [item.connected or () for item in spec.networks]),
        ("attachments[{}]", [[] if item.absent else [item.spec] for item in spec.attachments]),
    ):
        for index, asked in enumerate(specs):
            with within(option.format(index)):
                kept.update(slot_of(draft, host, item) for item in asked)
    for entry in host.records.endpoints_of(spec.name):
        if (entry.value.network, entry.value.seat) not in kept:
            drop_member(draft, host, entry.value)


def _refuse_foreign_members(draft: Draft, spec: TopologySpec, unlisted: Iterable[str]) -> None:
    """:raises NetloomError: network_in_use, a network would take along what the topology did not make."""
    for name in unlisted:
        members = draft.members(name).values()
        if members:
            names = ", ".join(sorted(member.container for member in members))
            raise NetloomError(
                "network_in_use",
                f"purge: network {name} has members that topology {spec.name} did not attach: {names}; detach them first",
            )
        entry = draft.network_entry(name)
        if entry and entry.value.docker:
            ids = ", ".join(each[:12] for each in entry.value.docker)
            raise NetloomError("network_in_use", f"purge: network {name} is Docker's {ids}; docker network rm it first")


def _drop_namespaces(draft: Draft, host: Any, spec: TopologySpec) -> None:
    """Drop the namespaces that the topology made and does not list.

    :raises NetloomError: network_in_use, they would take along what stays.
    """
    names = [entry.value.name for entry in host.records.namespaces_of(spec.name)]
    unlisted = {name: False for name in names if name not in draft.namespaces}
    for name in unlisted:
        for member in draft.at(f"netns:{name}"):
            raise NetloomError(
                "network_in_use",
                f"purge: namespace {name} of topology {spec.name} is still on network {member.network};"
                " list the namespace, or detach it first",
            )
    drop_namespaces(draft, host, unlisted, "purge")


def _refuse_claimed(code: str, option: str, what: str, owner: str | None, spec: TopologySpec) -> None:
    if owner and owner != spec.name:
        raise NetloomError(
            code, f"{option}: {what} belongs to topology {owner}; topology {spec.name} cannot claim it as well"
        )


def _refuse_claimed_endpoint(option: str, endpoint: Endpoint, spec: TopologySpec) -> None:
    what = f"endpoint of {endpoint.container} on network {endpoint.network}"
    _refuse_claimed("endpoint_exists", option, what, endpoint.topology, spec)


def _listed_twice(name: str) -> NetloomError:
    return NetloomError("option_invalid", f"name: {name} is listed twice")


def _warnings(draft: Draft, host: Any, names: Iterable[str], slots: Iterable[Slot]) -> Iterator[str]:
    networks = [draft.network(name) for name in names]
    open_to_others = [item for item in networks if item and driver(item.driver).bridged and not item.internal]
    yield from host.forward_drops(open_to_others) if open_to_others else ()
    for network in networks:
        yield from crowded(host, network, tuple(draft.members(network.name).values())) if network else ()
    members = (draft.endpoint(slot) for slot in slots)
    pending = [member.container for member in members if member and not host.is_live(member)]
    if pending:
        yield f"attachments: {', '.join(pending)} {'do' if len(pending) > 1 else 'does'} not run, so what they are attached to is pending"
