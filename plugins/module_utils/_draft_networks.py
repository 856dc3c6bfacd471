# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: what a task asks of a network is resolved against the records and the host.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from . import _draft_names, _endpoints, _resolve
from ._draft import Draft
from ._draft_endpoints import draft_endpoint, drop_member, open_member, recorded_network, slot_of
from ._drivers.registry import driver
from ._errors import NetloomError
from ._model import IPAM_DRIVERS, PRESENT, Endpoint, EndpointSpec, HostFacts, Network, NetworkSpec, Pairs
from ._names import PREDEFINED, nearest
from ._resolve import Others
from ._subnets import Occupied


class Taken:
    """The subnets and bridges that networks have as a draft changes them, and the subnets that the host has."""

    def __init__(self, draft: Draft, host: Any):
        self._host = host
        self._recorded: dict[str, str] = draft.records.bridges()  # ours in the kernel, whatever becomes of them
        self._bridges = self._recorded
        self._subnets = Occupied((ip_network(subnet), owner) for subnet, owner in draft.records.subnets())
        self._facts: HostFacts | None = None
        self._of_host = Occupied()
        for name, network in draft.networks.items():
            self.put(name, network)

    def put(self, name: str, network: Network | None) -> None:
        """Have a network have what `network` says, None for nothing."""
        self._subnets.remove(name)
        self._bridges = {ifname: owner for ifname, owner in self._bridges.items() if owner != name}
        if network is not None:
            self._bridges[network.ifname] = name
            for pool in network.pools:
                self._subnets.add(pool.subnet, name)

    def facts(self) -> HostFacts:
        """Return what the host has of its own. Takes longer the more of that there is."""
        if self._facts is None:
            self._facts = self._host.facts(self._recorded)
            self._of_host = Occupied(self._facts.subnets)
        return self._facts

    def others(self, name: str) -> Others:
        """Return what other networks than `name` have; and the host, as far as `facts` was asked for."""
        self._subnets.remove(name)
        return Others(self._subnets, self._of_host, self._bridges)


def known_network(draft: Draft, host: Any, name: str) -> Network:
    """Return a network that is in the draft or recorded, which makes it part of the draft, or predefined.

    :raises NetloomError: network_not_found.
    """
    network = recorded_network(draft, name)
    if network is None and (name in draft.networks or name not in PREDEFINED):
        names = [*draft.records.network_names(), *draft.networks, *PREDEFINED]
        raise NetloomError("network_not_found", f"network: there is no network {name!a}{nearest(name, names)}")
    return network or draft_network(draft, host, NetworkSpec(name), with_members=False)


def draft_network(
    draft: Draft, host: Any, spec: NetworkSpec, *, with_members: bool = True, topology: str = ""
) -> Network:
    """Decide what becomes of a network and (`with_members`) of its endpoints; a new one belongs to `topology`.

    :raises NetloomError: it is not valid, collides with something, or cannot be changed in place.
    """
    entry = draft.network_entry(spec.name)
    recorded = entry.value if entry else None
    addresses = spec.ipam_driver or (recorded.ipam_driver if recorded else "default")
    by_plugin = addresses not in IPAM_DRIVERS
    if addresses == "etcd":
        from ._draft_claims import adopted, joined

        spec = adopted(host, spec, recorded)
    if by_plugin:
        from . import _draft_pools

        _draft_pools.begin(draft, host, spec, recorded, addresses)
    others, facts = _surroundings(draft, host, spec, recorded)
    owner = "" if spec.name in PREDEFINED else topology

    def resolved(spec: NetworkSpec) -> Network:
        return _resolve.network(spec, recorded, others, facts, host.state_dir, owner)

    network = resolved(spec)
    if by_plugin:
        network = _draft_pools.settled_network(draft, host, spec, network, recorded, others, resolved)
    if network.shares_addresses:
        network = joined(draft, host, network, recorded)
    network = _on_host(draft, host, spec, network, recorded)
    network = _draft_names.with_dns(draft, host, spec, network, recorded)
    draft.put_network(network)
    if with_members and entry:
        _draft_members(draft, host, spec, entry, network)
    return network


def _surroundings(draft: Draft, host: Any, spec: NetworkSpec, recorded: Network | None) -> tuple[Others, HostFacts]:
    """Return what a network must not collide with: other networks, and what the host has of its own.

    :raises NetloomError: driver_not_found.
    """
    known = driver(spec.driver or (recorded.driver if recorded else "bridge"))
    if known.plugin and not (recorded and recorded.driver == known.name):
        host.find_plugin(known.name, dict(spec.options or ()))
    others, facts = Others(), HostFacts()
    needs_facts = _resolve.needs_facts(spec, recorded)
    if needs_facts or spec.options is not None:
        draft.taken = draft.taken or Taken(draft, host)
        facts = draft.taken.facts() if needs_facts else facts
        others = draft.taken.others(spec.name)
    parent = dict(spec.options or ()).get("parent", recorded.parent if recorded else "")
    if known.on_parent:
        from ._draft_parents import on_parents

        neighbours = [*on_parents(draft, spec.name)]
        siblings = {network.name for network in neighbours if network.parent == parent}
        besides = siblings | facts.of_interface(parent)
        others = replace(others, uplink=host.uplink, on_parents=lambda: neighbours, besides=besides)
    if known.plugin:
        # Where it is on the wire of an interface, the host may be there as well.
        others = replace(others, besides=facts.of_interface(parent))
    return others, facts


def _on_host(draft: Draft, host: Any, spec: NetworkSpec, network: Network, recorded: Network | None) -> Network:
    """Return a network with what its driver has to know of the host, or of a plugin.

    :raises NetloomError: parent_not_found, option_invalid, address_in_use; driver_not_found, driver_error, driver_timeout.
    """
    known = driver(network.driver)
    if known.on_parent:
        from ._draft_parents import with_shim

        draft.put_network(network)
        return with_shim(draft, host, network)
    if network.driver == "overlay":
        from ._draft_overlay import on_underlay

        return on_underlay(draft, host, network, recorded)
    if known.plugin:
        from ._draft_plugins import on_plugin

        return on_plugin(host, network, recorded, given=spec.options is not None)
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
    # Those of members that do not run are claimed and released as well.
    claims = any(version.ipam_driver != "default" for version in (network, *entry.all))
    for place, member in members.items():
        if obstacles:
            before, member = member, _endpoints.moved(member, network, draft.leases(network.name))
            if network.ipam_driver not in IPAM_DRIVERS:
                from ._draft_pools import rehoused

                member = rehoused(draft, host, network, before, member)
            draft.warnings += [
                f"force: {member.container} loses the route {route}: no subnet of network {network.name} holds its gateway"
                for route in before.routes
                if route not in member.routes
            ]
        driver(network.driver).check_endpoint(network, member)
        if member.is_lent:
            from ._lending import check_kept  # few networks have any

            check_kept(network, entries[place].value, member)
        if member.ports:
            from ._draft_ports import recheck

            recheck(draft, host, network, member)
        sandbox = open_member(host, member)
        if sandbox is not None:
            draft.put(member if sandbox == member.sandbox else replace(member, sandbox=sandbox))
        elif member.is_lent or member != entries[place].value or entries[place].state != PRESENT or claims:
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
    host.give_back(name)
    if not draft.network_entry(name):
        return None
    members = draft.members(name)
    if members and not force:
        names = ", ".join(sorted(member.container for member in members.values()))
        raise NetloomError(
            "network_in_use", f"name: network {name} has members: {names}; detach them, or give force=true"
        )
    network = draft.network_entry(name).value
    if network.docker and not force:
        ids = ", ".join(each[:12] for each in network.docker)
        raise NetloomError(
            "network_in_use", f"name: network {name} is Docker's {ids}; docker network rm it first, or give force=true"
        )
    draft.drop_network(name)
    host.gives_up = host.gives_up or force
    for member in members.values():
        drop_member(draft, host, member)
    return network


def draft_namespace(
    draft: Draft, host: Any, name: str, settings: Pairs = (), *, topology: str = "", again: bool = False
) -> None:
    """Have there be a named namespace, with `settings` (path to value); one that is not there will belong to `topology`.

    One that has to be made is recorded, unless that is to have it `again`: whoever made it first has it. Without that, one
    that has gone has the settings as well that it is recorded with.

    :raises NetloomError: option_invalid, a namespace has no such setting.
    """
    entry, there = draft.namespace_entry(name), host.has_namespace(name)
    draft.namespaces[name] = entry.value.topology if entry else "" if there else topology
    if entry or not (there or again):
        draft.kept.add(name)
    if not there:
        host.promise(name)
        if entry and not again:
            settings = tuple({**dict(entry.value.settings), **dict(settings)}.items())
    if settings:
        from ._draft_settings import draft_settings  # few namespaces have any

        draft_settings(draft, host, name, settings)


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
