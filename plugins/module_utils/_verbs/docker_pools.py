# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker asks of address management: subnets and addresses, out of the records that networks have theirs from.

Docker asks for a subnet, its gateway and its reserved addresses before it tells of the network: what no network has yet
is in the records as a pool. Later ones are endpoints that Docker is still to tell of.
The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import Any

from .._apply import converge
from .._docker_calls import PoolId
from .._draft import Draft
from .._draft_networks import Taken
from .._drivers.registry import driver
from .._errors import NetloomError
from .._goal import goal_of
from .._ipam import claimed_address, free_address, reserved
from .._lending import held, seat_of_address
from .._model import IPAddress, IPInterface, Network, Pool, Subnet
from .._subnets import first_gateway, free_subnet, ula_subnet


def pool_requested(host: Any, space: str, subnet: Subnet | None, inside: Subnet | None, *, ipv6: bool) -> PoolId:
    """Have Docker have a subnet: the one that it names, or a free one.

    One that a network has is that network's, and its addresses come out of that network's. Nothing but its name says that
    it is meant: a subnet that Docker does not name, and finds on the host, it refuses and asks for another one for ever.

    :raises NetloomError: subnet_overlap, subnet_host_conflict, pool_exhausted.
    """
    if subnet is not None and _network_with(host, subnet) is not None:
        return PoolId(space, subnet, inside)
    draft = Draft(host.records)
    taken = Taken(draft, host)
    facts = taken.facts()
    others = taken.others("")
    pools = host.records.docker_pools()
    if subnet is None and ipv6:
        used = others.subnets
        for other in others.host:
            used.add(other, "")
        subnet = ula_subnet(facts.identity, "docker", used)
    elif subnet is None:
        servers = [ip_network(address) for address in facts.nameservers]
        subnet = free_subnet([*others.subnets, *others.host, *servers])
    elif not (pools.has(subnet) and not pools.addresses(subnet)):  # asked for again, since no answer came
        for code, found in (("subnet_overlap", others.subnets), ("subnet_host_conflict", others.host)):
            overlap = found.overlapping(subnet)
            if overlap:
                raise NetloomError(code, f"Pool: {subnet} overlaps {overlap[0]} of {overlap[1]}")
    host.execute("write the records", pools.put, subnet, inside)
    return PoolId(space, subnet, inside)


def pool_released(host: Any, pool: PoolId) -> None:
    """Have Docker have a subnet no more. One that a network has stays that network's."""
    host.execute("write the records", host.records.docker_pools().drop, pool.subnet)


def address_requested(host: Any, pool: PoolId, address: Any, *, gateway: bool) -> IPInterface:
    """Have Docker have an address of a subnet, the lowest free one where it names none; return it.

    :raises NetloomError: address_in_use, address_reserved, invalid_gateway, pool_exhausted, option_invalid.
    """
    network = _network_with(host, pool.subnet)
    if network is None:
        return _pooled(host, pool, address, gateway=gateway)
    subnet = next(each for each in network.pools if each.subnet == pool.subnet)
    if gateway:
        if address not in (None, subnet.gateway):
            raise NetloomError("invalid_gateway", f"Address: the gateway of network {network.name} is {subnet.gateway}")
        return _interface(pool.subnet, subnet.gateway)
    if address in dict(subnet.aux).values():
        return _interface(pool.subnet, address)
    draft = Draft(host.records)
    leases = draft.leases(network.name)
    if address is None:
        subnet = replace(subnet, ip_range=pool.inside or subnet.ip_range)
        found = free_address(subnet, leases, network.name)
    else:
        # What no endpoint has is Docker's to give twice: it decides when it tells of the endpoint.
        place = seat_of_address(_interface(pool.subnet, address))
        found = claimed_address(subnet, address, leases, place, "Address", network.name)
    draft.put(held(network, found, host.boot_id()))
    converge(goal_of(draft, host), host, dry_run=False)
    return found


def address_released(host: Any, pool: PoolId, address: IPAddress) -> None:
    """Have Docker have an address no more. What an endpoint has is that endpoint's."""
    network = _network_with(host, pool.subnet)
    if network is None:
        host.execute("write the records", host.records.docker_pools().release, pool.subnet, address)
        return
    draft = Draft(host.records)
    slot = (network.name, seat_of_address(_interface(pool.subnet, address)))
    if draft.endpoint_entry(slot):
        draft.drop(slot)
        converge(goal_of(draft, host), host, dry_run=False)


def _pooled(host: Any, pool: PoolId, address: Any, *, gateway: bool) -> IPInterface:
    """Return an address of a subnet that is no network's."""
    pools = host.records.docker_pools()
    if not pools.has(pool.subnet):
        raise NetloomError("option_invalid", f"PoolID: {pool} is none that was given here, or was given back")
    taken = pools.addresses(pool.subnet)
    if address is None and gateway:
        address = first_gateway(pool.subnet, taken)
    if address is None:
        inside = pool.inside or pool.subnet
        kept = reserved(Pool(pool.subnet, None))
        last: Any = inside[-1]
        address = pools.free(pool.subnet, inside[0], last)
        while address in kept:
            address = pools.free(pool.subnet, address + 1, last) if address < last else None
        if address is None:
            raise NetloomError("pool_exhausted", f"Pool: no free address in {inside}")
    elif address in taken and not gateway:
        raise NetloomError("address_in_use", f"Address: {address} of {pool.subnet} is in use")
    host.execute("write the records", pools.hold, pool.subnet, address)
    return _interface(pool.subnet, address)


def _network_with(host: Any, subnet: Subnet) -> Network | None:
    """Return the network that has just this subnet, behind a bridge of this host."""
    for text, name in host.records.subnets():
        entry = host.records.network(name) if text == str(subnet) else None
        if entry is not None and driver(entry.value.driver).bridged:
            return entry.value
    return None


def _interface(subnet: Subnet, address: Any) -> IPInterface:
    return ip_interface(f"{address}/{subnet.prefixlen}")
