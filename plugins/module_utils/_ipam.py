# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address management: which subnet, which gateway, which address.

Collection-private and pure: what is taken comes in as an argument. Floor 1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from ._errors import NetloomError
from ._model import IPAddress, IPInterface, Pool, Subnet

# Docker's defaults (moby daemon/libnetwork/ipamutils): 172.17 to 172.31 as /16, 192.168 as /20.
DEFAULT_POOLS = (*((f"172.{second}.0.0/16", 16) for second in range(17, 32)), ("192.168.0.0/16", 20))


def free_subnet(used: Iterable[Subnet]) -> Subnet:
    """Return the first subnet of the default pools that overlaps nothing in `used`.

    :raises NetloomError: pool_exhausted, missing_dependency.
    """
    try:
        import netaddr  # set arithmetic over subnets; 40 ms, so only where a subnet is chosen
    except ImportError as exc:
        raise NetloomError(
            "missing_dependency", "choosing a subnet needs the Python library netaddr; install it, or give a subnet"
        ) from exc
    taken = netaddr.IPSet([str(subnet) for subnet in used if subnet.version == 4])
    for base, prefixlen in DEFAULT_POOLS:
        for free in (netaddr.IPSet([base]) - taken).iter_cidrs():
            if free.prefixlen <= prefixlen:
                return ipaddress.ip_network(f"{free.network}/{prefixlen}")
    raise NetloomError("pool_exhausted", "no subnet of the default address pools is free; give one as subnet")


def reserved(pool: Pool) -> dict[IPAddress, str]:
    """Return the addresses of `pool` that are never handed out, and why each is not.

    A /31 has no network and no broadcast address (RFC 3021); IPv6 has no broadcast, and its first
    address is the routers' anycast address (RFC 4291).
    """
    found: dict[IPAddress, str] = {}
    if pool.subnet.num_addresses > 2:
        found[pool.subnet.network_address] = "the network address"
        if pool.subnet.version == 4:
            found[pool.subnet.broadcast_address] = "the broadcast address"
    for name, address in pool.aux:
        found.setdefault(address, f"the auxiliary address {name}")
    if pool.gateway is not None:
        found.setdefault(pool.gateway, "the gateway")
    return found


def first_gateway(subnet: Subnet, aux: Iterable[IPAddress]) -> IPAddress:
    """Return the lowest address of `subnet` that can be its gateway.

    :raises NetloomError: pool_exhausted.
    """
    kept = reserved(Pool(subnet, None, aux=tuple((str(address), address) for address in aux)))
    for address in addresses(subnet):
        if address not in kept:
            return address
    raise NetloomError("pool_exhausted", f"subnet {subnet} has no address left for the gateway")


def addresses(subnet: Subnet) -> Iterator[IPAddress]:
    """Yield every address of `subnet`, the first and the last included, without making a list."""
    make = type(subnet.network_address)
    first = int(subnet.network_address)
    return (make(first + offset) for offset in range(subnet.num_addresses))


def free_address(pool: Pool, used: Mapping[IPAddress, str], network: str) -> IPInterface:
    """Return the lowest address of the pool's range that nothing holds, with the subnet's prefix length.

    `used` maps the addresses that members have to their containers.

    :raises NetloomError: pool_exhausted.
    """
    kept = reserved(pool)
    inside = pool.ip_range or pool.subnet
    for address in addresses(inside):
        if address not in kept and address not in used:
            return ipaddress.ip_interface(f"{address}/{pool.subnet.prefixlen}")
    taken = sum(address in inside for address in {**kept, **used})
    raise NetloomError(
        "pool_exhausted",
        f"network {network}: no free address in {inside}, {taken} of {inside.num_addresses} are taken",
    )


def claimed_address(
    pool: Pool, address: IPAddress, used: Mapping[IPAddress, str], option: str, network: str
) -> IPInterface:
    """Return `address` with the subnet's prefix length, if a member may ask for it.

    :raises NetloomError: invalid_address, address_reserved, address_in_use.
    """
    if address not in pool.subnet:
        raise NetloomError("invalid_address", f"{option}: {address} is not in {pool.subnet} of network {network}")
    why = reserved(pool).get(address)
    if why:
        raise NetloomError("address_reserved", f"{option}: {address} is {why} of {pool.subnet}")
    owner = used.get(address)
    if owner:
        raise NetloomError("address_in_use", f"{option}: {address} on network {network} is held by {owner}")
    return ipaddress.ip_interface(f"{address}/{pool.subnet.prefixlen}")


def counters(pool: Pool, used: Iterable[IPAddress]) -> dict[str, int]:
    """Return Docker's counters of a subnet: addresses in use, reserved ones included, and what is left to hand out."""
    taken = {*reserved(pool), *(address for address in used if address in pool.subnet)}
    inside = pool.ip_range or pool.subnet
    return {
        "IPsInUse": len(taken),
        "DynamicIPsAvailable": inside.num_addresses - sum(address in inside for address in taken),
    }
