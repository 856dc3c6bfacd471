# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which subnet is free, which gateway it gets, and which subnets overlap.

Collection-private and pure: what is taken comes in as an argument. Floor 1.
"""

from __future__ import annotations

import hashlib
import ipaddress
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator

from ._errors import NetloomError
from ._ipam import addresses, reserved
from ._model import IPAddress, Pool, Subnet

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


def ula_subnet(host: str, network: str, used: Occupied) -> Subnet:
    """Return a unique local /64 (RFC 4193) for a network: the same each time on one host, another one on every other.

    `host` is what no other host has; 40 bits of its digest are the global id, and the network's name says which /64.

    :raises NetloomError: pool_exhausted.
    """
    base = 0xFD << 120 | int.from_bytes(_digest("ula", host)[:5], "big") << 80
    first = int.from_bytes(_digest("subnet", network)[:2], "big")
    for offset in range(1 << 16):
        found = ipaddress.IPv6Network((base | (first + offset) % (1 << 16) << 64, 64))
        if used.overlapping(found) is None:
            return found
    raise NetloomError("pool_exhausted", "no IPv6 subnet of this host's own is free; give one as subnet")


def _digest(*words: str) -> bytes:
    return hashlib.sha256("\0".join(("netloom", *words)).encode()).digest()


def first_gateway(subnet: Subnet, aux: Iterable[IPAddress]) -> IPAddress:
    """Return the lowest address of `subnet` that can be its gateway.

    :raises NetloomError: pool_exhausted.
    """
    kept = reserved(Pool(subnet, None, aux=tuple((str(address), address) for address in aux)))
    for address in addresses(subnet):
        if address not in kept:
            return address
    raise NetloomError("pool_exhausted", f"subnet {subnet} has no address left for the gateway")


class Occupied:
    """Subnets and whose they are; finds what a subnet overlaps without looking at all of them."""

    def __init__(self, subnets: Iterable[tuple[Subnet, str]] = ()):
        self._owners: dict[Subnet, list[str]] = {}
        self._starts: dict[int, list[tuple[int, int, Subnet]]] = {4: [], 6: []}
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}
        for subnet, owner in subnets:
            self.add(subnet, owner)

    def __iter__(self) -> Iterator[Subnet]:
        return iter(self._owners)

    def add(self, subnet: Subnet, owner: str) -> None:
        """Have `subnet` belong to `owner`, after those that it belongs to already."""
        if subnet not in self._owners:
            insort(self._starts[subnet.version], _start(subnet))
            self._lengths[subnet.version].add(subnet.prefixlen)
        self._owners.setdefault(subnet, []).append(owner)

    def remove(self, owner: str) -> None:
        """Have nothing belong to `owner`."""
        for subnet in [subnet for subnet, owners in self._owners.items() if owner in owners]:
            self._owners[subnet] = [other for other in self._owners[subnet] if other != owner]
            if not self._owners[subnet]:
                del self._owners[subnet]
                self._starts[subnet.version].remove(_start(subnet))

    def overlapping(self, subnet: Subnet, besides: Collection[str] = ()) -> tuple[Subnet, str] | None:
        """Return one of ours that shares an address with `subnet`, and its owner, who is not one of `besides`."""
        if besides:
            left = (
                (other, owner) for other, owners in self._owners.items() for owner in owners if owner not in besides
            )
            alike = ((other, owner) for other, owner in left if other.version == subnet.version)
            return next(((other, owner) for other, owner in alike if other.overlaps(subnet)), None)  # type: ignore[arg-type]
        for length in self._lengths[subnet.version]:
            around = subnet.supernet(new_prefix=length) if length <= subnet.prefixlen else None
            if around in self._owners:
                return around, self._owners[around][0]  # type: ignore[return-value, index]
        starts = self._starts[subnet.version]
        position = bisect_left(starts, _start(subnet))
        if position < len(starts) and starts[position][2].subnet_of(subnet):  # type: ignore[arg-type]
            inside = starts[position][2]
            return inside, self._owners[inside][0]
        return None


def _start(subnet: Subnet) -> tuple[int, int, Subnet]:
    return int(subnet.network_address), subnet.prefixlen, subnet
