# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further addresses of an endpoint, besides its ipv4_address and ipv6_address.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ._errors import NetloomError
from ._ipam import Leases, claimed_address, free_address
from ._model import Endpoint, IPAddress, IPInterface, Network

OPTION = "secondary_addresses"


def claimed(
    asked: Sequence[IPAddress], network: Network, leases: Leases, place: str, *, ipv6: bool
) -> tuple[IPInterface, ...]:
    """Return the addresses that an endpoint asks for, each with the prefix length of its subnet, IPv4 first.

    :raises NetloomError: invalid_address, address_reserved, address_in_use; kernel_unsupported, where the sandbox has
        IPv6 switched off (`ipv6` False).
    """
    found: dict[IPInterface, None] = {}
    for index, address in enumerate(asked):
        where = f"{OPTION}[{index}]"
        pools = [pool for pool in network.pools if pool.subnet.version == address.version]
        pool = next((pool for pool in pools if address in pool.subnet), pools[0] if pools else None)
        if pool is None:
            raise NetloomError(
                "invalid_address", f"{where}: {address}: network {network.name} has no IPv{address.version} subnet"
            )
        if address.version == 6 and not ipv6:
            raise NetloomError(
                "kernel_unsupported",
                f"{where}: {address}: {place.partition(':')[2]} has IPv6 switched off (net.ipv6.conf.all.disable_ipv6)",
            )
        found[claimed_address(pool, address, leases, place, where, network.name)] = None
    return tuple(sorted(found, key=lambda item: (item.version, int(item.ip))))


def kept(secondary: Iterable[IPInterface], network: Network, *, ipv6: bool) -> tuple[IPInterface, ...]:
    """Return those of an endpoint's addresses that the network has a subnet for and the sandbox can have."""
    subnets = {pool.subnet for pool in network.pools}
    return tuple(item for item in secondary if item.network in subnets and (ipv6 or item.version == 4))


def refuse_double(endpoint: Endpoint, asked: Sequence[IPAddress] | None) -> None:
    """See that an endpoint has no address twice.

    :raises NetloomError: address_in_use.
    """
    for main in endpoint.primaries:
        if main in endpoint.secondary:
            option = OPTION if asked is None else f"{OPTION}[{[*asked].index(main.ip)}]"
            raise NetloomError(
                "address_in_use",
                f"{option}: {main.ip} is the ipv{main.version}_address of {endpoint.container} on network"
                f" {endpoint.network}; an address is one or the other",
            )


def moved(member: Endpoint, mains: Iterable[IPInterface | None], network: Network, leases: Leases) -> tuple:
    """Return a member's further addresses on a rebuilt network: those that fit nowhere are replaced by free ones."""
    subnets = {pool.subnet for pool in network.pools}
    taken = {main.ip for main in mains if main} | {item.ip for item in member.secondary}
    found = []
    for item in member.secondary:
        pools = [pool for pool in network.pools if pool.subnet.version == item.version]
        if item.network not in subnets and pools:
            item = free_address(pools[-1], leases, network.name, taken, seat=member.seat)
            taken.add(item.ip)
        if item.network in subnets:
            found.append(item)
    return tuple(sorted(found, key=lambda item: (item.version, int(item.ip))))
