# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker asks of endpoints, told in the engine's verbs: made, joined, published, left and deleted.

Docker moves the interface and gives it its addresses; ours is what is on the host. Every call may come twice.
The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import _endpoints
from .._apply import Outcome, converge
from .._docker_calls import EndpointCall
from .._draft import Draft
from .._draft_endpoints import drop_member, recorded_network
from .._draft_ports import with_ports
from .._drivers.registry import driver
from .._errors import NetloomError
from .._goal import goal_of
from .._lending import held, joined, outside, seat_of_address, seat_of_endpoint
from .._model import LENT, PRESENT, Endpoint, EndpointSpec, IPInterface, Network, PortSpec
from .docker_networks import network_of


def endpoint_created(host: Any, call: EndpointCall) -> Endpoint:
    """Record an endpoint, with the addresses that Docker gives it and what it leaves to us. Nothing is plugged yet.

    :raises NetloomError: network_not_found, address_in_use and others as `network_attachment`.
    """
    draft, network = _drafted(host, call.network)
    slot = (network.name, seat_of_endpoint(call.id))
    entry = draft.endpoint_entry(slot)
    if entry is not None:
        return _completed(draft, host, entry)
    kept = False
    given: list[IPInterface] = [each for each in (call.ipv4, call.ipv6) if each]
    for interface in given:
        _check_inside(network, interface)
        seat = seat_of_address(interface)
        if draft.endpoint_entry((network.name, seat)):
            draft.drop((network.name, seat))
            kept = True
    spec = EndpointSpec(
        network.name,
        call.id,
        LENT,
        ipv4=call.ipv4.ip if call.ipv4 else None,  # type: ignore[arg-type]
        ipv6=call.ipv6.ip if call.ipv6 else None,  # type: ignore[arg-type]
        mac=call.mac or None,
        ifname=f"peer{call.id[:11]}",
        driver_opts=call.options,
    )
    found = _endpoints.endpoint(
        spec,
        network,
        None,
        (LENT, call.id),
        outside(host.boot_id()),
        draft.leases(network.name),
        (),
        ipv6=call.ipv6 is not None,
    )
    static = tuple(option for option in found.static if option != "ifname")
    found = replace(found, id=call.id, host_ifname=f"veth{call.id[:11]}", static=static, held=kept)
    draft.put(found)
    converge(goal_of(draft, host), host, dry_run=False)
    return found


def _completed(draft: Draft, host: Any, entry: Any) -> Endpoint:
    """Return an endpoint that is recorded; one that a killed run has left half recorded, after finishing it."""
    member = entry.value
    if entry.state != PRESENT:
        for interface in member.primaries:
            if draft.endpoint_entry((member.network, seat_of_address(interface))):
                draft.drop((member.network, seat_of_address(interface)))
        draft.put(member)
        converge(goal_of(draft, host), host, dry_run=False)
    return member


def endpoint_joined(host: Any, network: str, endpoint: str, key: str) -> tuple[Endpoint, Network, Outcome]:
    """Have the interface of an endpoint be there for Docker to move into the sandbox `key`.

    :raises NetloomError: network_not_found, endpoint_not_found, kernel_limit.
    """
    draft, found = _drafted(host, network)
    member = joined(_recorded(draft, found, endpoint), key, host.boot_id())
    draft.lending.add((found.name, member.seat))
    draft.put(member)
    return member, found, converge(goal_of(draft, host), host, dry_run=False)


def endpoint_left(host: Any, network: str, endpoint: str) -> Outcome:
    """Have an endpoint be in no sandbox, keep its addresses, and publish nothing. One that is not there has left."""
    draft = Draft(host.records)
    entry = _entry(draft, host, network, endpoint)
    if entry is None:
        return Outcome()
    draft.put(replace(entry.value, sandbox=outside(host.boot_id()), ports=()))
    return converge(goal_of(draft, host), host, dry_run=False)


def endpoint_deleted(host: Any, network: str, endpoint: str) -> Outcome:
    """Have an endpoint be gone. Addresses that Docker has asked us for stay its own until it gives them back."""
    draft = Draft(host.records)
    entry = _entry(draft, host, network, endpoint)
    if entry is None:
        return Outcome()
    member = entry.value
    drop_member(draft, host, member)
    known: Any = draft.network(member.network)
    for interface in member.primaries if member.held else ():
        draft.put(held(known, interface, host.boot_id()))
    return converge(goal_of(draft, host), host, dry_run=False)


def endpoint_published(host: Any, network: str, endpoint: str, ports: tuple[PortSpec, ...]) -> Outcome:
    """Have an endpoint publish just these ports of the host.

    :raises NetloomError: network_not_found, endpoint_not_found, port_in_use, option_invalid.
    """
    draft, found = _drafted(host, network)
    member = _recorded(draft, found, endpoint)
    # Docker asks for both versions of "all addresses", whatever the endpoint has.
    fitting = tuple(port for port in ports if port.address != "::" or member.ipv6)
    draft.put(with_ports(draft, host, found, member, EndpointSpec(found.name, member.container, LENT, ports=fitting)))
    return converge(goal_of(draft, host), host, dry_run=False)


def endpoint_withdrawn(host: Any, network: str, endpoint: str) -> Outcome:
    """Have an endpoint publish nothing. One that is not there does not."""
    draft = Draft(host.records)
    entry = _entry(draft, host, network, endpoint)
    if entry is None or (entry.state == PRESENT and not entry.value.ports):
        return Outcome()
    draft.put(replace(entry.value, ports=()))
    return converge(goal_of(draft, host), host, dry_run=False)


def forget_earlier_boots(host: Any) -> list[str]:
    """Drop what Docker had of an earlier boot, when its sandboxes went; return the ids and addresses."""
    draft = Draft(host.records)
    members = [member for member in draft.undrafted_endpoints() if member.is_lent]
    stale = [member for member in members if not member.sandbox or member.sandbox.boot_id != host.boot_id()]
    for member in stale:
        drop_member(draft, host, member)
    if stale:
        converge(goal_of(draft, host), host, dry_run=False)
    return [member.container for member in stale]


def _drafted(host: Any, identity: str) -> tuple[Draft, Network]:
    draft = Draft(host.records)
    network: Any = recorded_network(draft, network_of(host, identity).name)
    if not driver(network.driver).bridged:
        raise NetloomError("option_invalid", f"network {network.name}: driver {network.driver} cannot serve Docker")
    return draft, network


def _entry(draft: Draft, host: Any, network: str, endpoint: str) -> Any:
    found = host.records.docker_network(network)
    return draft.endpoint_entry((found.value.name, seat_of_endpoint(endpoint))) if found else None


def _recorded(draft: Draft, network: Network, endpoint: str) -> Endpoint:
    entry = draft.endpoint_entry((network.name, seat_of_endpoint(endpoint)))
    if entry is None:
        raise NetloomError(
            "endpoint_not_found", f"EndpointID: network {network.name} has no endpoint {endpoint[:12]} of Docker's"
        )
    return entry.value


def _check_inside(network: Network, interface: IPInterface) -> None:
    if _endpoints.pool_of(network, interface) is None:
        subnets = ", ".join(str(pool.subnet) for pool in network.pools)
        raise NetloomError("invalid_address", f"Interface: {interface} is not in {subnets} of network {network.name}")
