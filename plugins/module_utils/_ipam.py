# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address management: who holds which address of a network, and who gets which.

Collection-private and pure: what is taken comes in as an argument. Floor 1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Callable

from ._errors import NetloomError
from ._model import Endpoint, IPAddress, IPInterface, Pool, Subnet


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
    if pool.shim is not None:
        found.setdefault(pool.shim, "the host's own address")
    return found


def addresses(subnet: Subnet) -> Iterator[IPAddress]:
    """Yield every address of `subnet`, the first and the last included, without making a list."""
    make = type(subnet.network_address)
    first = int(subnet.network_address)
    return (make(first + offset) for offset in range(subnet.num_addresses))


class NoLeases:
    """What the records say of a network that is not in them."""

    def holders(self, address: IPAddress) -> list[tuple[str, str]]:
        """Return who has an address: (place, container) of each."""
        return []

    def mac_holders(self, mac: str) -> list[tuple[str, str]]:
        """Return who has a MAC address: (place, container) of each."""
        return []

    def next_free(self, subnet: Subnet, first: IPAddress, last: IPAddress) -> IPAddress | None:
        """Return the lowest address from `first` to `last` that no record holds; None if there is none."""
        return first


class Leases:
    """Who holds which addresses and MACs of one network: as recorded, and as a task is about to change it.

    `recorded` answers for the records as `NoLeases` does. What a task asks for costs the same however many
    endpoints the network has.
    """

    def __init__(self, recorded: Any = None):
        self._recorded = recorded or NoLeases()
        self._mine: dict[str, Endpoint | None] = {}  # by place, what this task decided on
        self._holders: dict[IPAddress, tuple[str, str]] = {}
        self._macs: dict[str, tuple[str, str]] = {}
        self._freed: set[IPAddress] = set()
        self._lowest: dict[tuple[Subnet, IPAddress], IPAddress] = {}  # below it nothing is free
        # Of a network that shares its wire with others: those, by name, and what somebody else has on it.
        self.siblings: dict[str, Leases] = {}
        self.outside: dict[IPAddress, str] = {}
        # Of a network whose addresses hosts share, who else has which (`_kernel.etcd.SharedPool`).
        self.shared: Any = None

    def put(self, place: str, endpoint: Endpoint | None, before: Iterable[Endpoint] = ()) -> None:
        """Have a place hold what `endpoint` says (None: nothing); `before` is what the records say that it holds."""
        old = self._mine.get(place)
        lost = {item for held in ([old] if old else [] if place in self._mine else before) for item in ips(held)}
        if old is not None:
            for address in ips(old):
                self._holders.pop(address, None)
            self._macs.pop(old.mac, None)
        self._mine[place] = endpoint
        kept = ips(endpoint) if endpoint else ()
        if endpoint is not None:
            self._holders.update((address, (place, endpoint.container)) for address in kept)
            self._macs[endpoint.mac] = (place, endpoint.container)
        self._freed -= set(kept)
        for address in lost.difference(kept):
            self._freed.add(address)
            for (subnet, first), lowest in self._lowest.items():
                if address in subnet and int(first) <= int(address) < int(lowest):
                    self._lowest[subnet, first] = address

    def holder(self, address: IPAddress, place: str = "") -> str:
        """Return the container that has an address, empty if none has; `place` itself does not count."""
        return (
            self.own_holder(address, place)
            or self.outside.get(address, "")
            or self._sibling(Leases.own_holder, address)
            or (self.shared.holder(address) if self.shared else "")
        )

    def mac_holder(self, mac: str, place: str = "") -> str:
        """Return the container that has a MAC address, empty if none has; `place` itself does not count."""
        return self._mac_holder(mac, place) or self._sibling(Leases._mac_holder, mac)

    def lowest(self, subnet: Subnet, inside: Subnet, kept: Collection[IPAddress]) -> IPAddress | None:
        """Return the lowest address of `inside`, a part of `subnet`, that nobody has and is not `kept`."""
        make: Any = type(inside.network_address)
        first: Any = inside[0]
        last: Any = inside[-1]
        found = self._lowest.get((subnet, first), first)
        while True:
            free = self._recorded.next_free(subnet, found, last)
            freed = [
                address for address in self._freed if address.version == first.version and found <= address <= last
            ]
            if free is None and not freed:
                return None
            found = min(freed if free is None else [free, *freed])
            if found not in kept and not self.holder(found):
                self._lowest[subnet, first] = found
                return found
            if found == last:
                return None
            found = make(int(found) + 1)

    def unclaimed(self, inside: Subnet, kept: Collection[IPAddress], seat: str) -> IPAddress | None:
        """Return the first address of `inside` that no host has and is not `kept`, in the order of a seat of this one."""
        found = self.shared.unclaimed(inside, seat)
        return next((address for address in found if address not in kept and not self.holder(address)), None)

    def own_holder(self, address: IPAddress, place: str = "") -> str:
        """Return the container that has an address on this network itself."""
        return self._other(self._holders.get(address), self._recorded.holders(address), place)

    def _mac_holder(self, mac: str, place: str = "") -> str:
        return self._other(self._macs.get(mac), self._recorded.mac_holders(mac), place)

    def _sibling(self, holder: Callable[[Leases, Any], str], asked: Any) -> str:
        found = ((holder(other, asked), name) for name, other in self.siblings.items())
        return next((f"{container} on network {name}" for container, name in found if container), "")

    def _other(self, mine: tuple[str, str] | None, recorded: Iterable[tuple[str, str]], place: str) -> str:
        if mine and mine[0] != place:
            return mine[1]
        return next((container for at, container in recorded if at != place and at not in self._mine), "")


def ips(endpoint: Endpoint) -> tuple[IPAddress, ...]:
    """Return an endpoint's addresses without their prefix lengths."""
    return tuple(interface.ip for interface in endpoint.addresses)


def free_address(
    pool: Pool, leases: Leases, network: str, kept: Collection[IPAddress] = (), *, seat: str = ""
) -> IPInterface:
    """Return the lowest address of the pool's range that nothing holds and is not `kept`, with the subnet's prefix length.

    Where hosts share the pool, they would all try the lowest; then it is the first one in the order of `seat`.

    :raises NetloomError: pool_exhausted.
    """
    inside = pool.ip_range or pool.subnet
    avoided = {*reserved(pool), *kept}
    address = leases.unclaimed(inside, avoided, seat) if leases.shared else leases.lowest(pool.subnet, inside, avoided)
    if address is None:
        size = inside.num_addresses
        raise NetloomError(
            "pool_exhausted", f"network {network}: no free address in {inside}, {size} of {size} are taken"
        )
    return ipaddress.ip_interface(f"{address}/{pool.subnet.prefixlen}")


def claimed_address(
    pool: Pool, address: IPAddress, leases: Leases, place: str, option: str, network: str
) -> IPInterface:
    """Return `address` with the subnet's prefix length, if the endpoint at `place` may ask for it.

    :raises NetloomError: invalid_address, address_reserved, address_in_use.
    """
    if address not in pool.subnet:
        raise NetloomError("invalid_address", f"{option}: {address} is not in {pool.subnet} of network {network}")
    why = reserved(pool).get(address)
    if why:
        raise NetloomError("address_reserved", f"{option}: {address} is {why} of {pool.subnet}")
    owner = leases.holder(address, place)
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
