# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker asks of networks, told in the engine's verbs: CreateNetwork and DeleteNetwork.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .._apply import Outcome, converge
from .._docker_calls import NetworkCall
from .._draft import Draft
from .._draft_endpoints import drop_member, recorded_network
from .._draft_networks import Taken, draft_network
from .._drivers.registry import driver
from .._errors import NetloomError
from .._goal import goal_of
from .._model import Network, NetworkSpec
from .._names import PREDEFINED


def network_of(host: Any, identity: str) -> Network:
    """Return the network that one of Docker's is.

    :raises NetloomError: network_not_found.
    """
    entry = host.records.docker_network(identity)
    if entry is None:
        raise NetloomError("network_not_found", f"NetworkID: no network is Docker's {identity[:12]}")
    return entry.value


def network_created(host: Any, call: NetworkCall) -> Outcome:
    """Have a network of Docker's be one of ours: the one whose name it gives, or a new one. Twice is as good as once.

    :raises NetloomError: as `container_network`; network_exists_different, it does not fit the network that is there.
    """
    draft = Draft(host.records)
    known = host.records.docker_network(call.id)
    name = call.name or (known.value.name if known else f"docker-{call.id[:12]}")
    entry = draft.network_entry(name)
    if entry is not None and not (entry.value.docker_made and call.id in entry.value.docker):
        network = _adopted(draft, call, entry.value)
    elif name in PREDEFINED:
        raise NetloomError("network_not_found", f"network: the predefined network {name} is not made yet")
    else:
        network = replace(_made(draft, host, call, name), docker_made=True)
    if not driver(network.driver).bridged or network.shares_addresses:
        reason = f"driver {network.driver}" if not network.shares_addresses else f"ipam_driver {network.ipam_driver}"
        raise NetloomError(
            "option_invalid", f"network {network.name}: {reason} cannot serve Docker; bridge and overlay can"
        )
    draft.put_network(replace(network, docker=tuple(dict.fromkeys((*network.docker, call.id)))))
    outcome = converge(goal_of(draft, host), host, dry_run=False)
    pools = host.records.docker_pools()
    try:
        for pool in call.pools:
            if pools.has(pool.subnet):
                host.execute("write the records", pools.drop, pool.subnet)  # the network has it now
    except NetloomError as exc:
        outcome = replace(outcome, warnings=(*outcome.warnings, exc.message))  # ReleasePool drops it as well
    if not network.internal:
        outcome = replace(outcome, warnings=(*outcome.warnings, *host.forward_drops([network])))
    return outcome


def network_deleted(host: Any, identity: str) -> Outcome:
    """Have a network be none of Docker's any more; one that was made for Docker is removed with the last reference.

    :raises NetloomError: network_in_use, others than Docker have attached something: the network stays, as theirs.
    """
    entry = host.records.docker_network(identity)
    if entry is None:
        return Outcome()
    draft = Draft(host.records)
    network: Any = recorded_network(draft, entry.value.name)
    left = tuple(each for each in network.docker if each != identity)
    members = draft.members(network.name).values()
    for member in members if not left else ():
        if member.is_lent:
            drop_member(draft, host, member)  # Docker knows of none any more
    others = [member.container for member in members if not member.is_lent]
    if left or not network.docker_made or others:
        draft.put_network(replace(network, docker=left, docker_made=bool(left) and network.docker_made))
    else:
        draft.drop_network(network.name)
    outcome = converge(goal_of(draft, host), host, dry_run=False)
    if others and not left and network.docker_made:
        raise NetloomError(
            "network_in_use",
            f"network {network.name} stays: it has members that are not Docker's: {', '.join(sorted(others))}",
        )
    return outcome


def _made(draft: Draft, host: Any, call: NetworkCall, name: str) -> Network:
    pools = call.pools
    if pools:
        draft.taken = Taken(draft, host)
        reserved = host.records.docker_pools()
        for pool in pools:
            draft.taken.put(reserved.owner(pool.subnet), None)
        if call.ours:
            pools = tuple(replace(pool, ip_range=reserved.inside(pool.subnet)) for pool in pools)
    versions = {pool.subnet.version for pool in pools if pool.subnet}
    spec = NetworkSpec(
        name,
        driver=call.driver or "bridge",
        options=call.options,
        internal=call.internal,
        enable_ipv4=not versions or 4 in versions,
        enable_ipv6=6 in versions,
        pools=pools,
    )
    return draft_network(draft, host, spec, with_members=False)


def _adopted(draft: Draft, call: NetworkCall, network: Network) -> Network:
    """Return a network that was there before, which stays as it is.

    :raises NetloomError: network_exists_different, naming each difference.
    """
    differences = [*_differences(call, network)]
    if differences:
        raise NetloomError(
            "network_exists_different",
            f"network {network.name} is there, and is not what Docker has been told: {'; '.join(differences)}",
        )
    draft.put_network(network)
    return network


def _differences(call: NetworkCall, network: Network) -> Iterator[str]:
    if call.driver and call.driver != network.driver:
        yield f"driver: {network.driver}, not {call.driver}"
    for name, _value in call.options:
        yield f"option {name}: it has its own; leave it out"
    if call.internal and not network.internal:
        yield "internal: false, not true"
    known = {pool.subnet: pool for pool in network.pools}
    subnets = ", ".join(map(str, known))
    for asked in call.pools:
        pool = known.get(asked.subnet) if asked.subnet else None
        if pool is None:
            yield f"subnet: {subnets}, not {asked.subnet}; give it as --subnet"
        elif asked.gateway and asked.gateway != pool.gateway:
            yield f"gateway of {pool.subnet}: {pool.gateway}, not {asked.gateway}"
