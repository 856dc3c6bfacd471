# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on the wire of an interface of the host: what is there besides, and the host's own address on it.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ._draft import Draft
from ._drivers.registry import driver
from ._errors import NetloomError
from ._ipam import free_address, reserved
from ._model import SHIM_SEAT, IPAddress, Network
from ._names import PREDEFINED
from ._uplinks import OPTION


def on_parents(draft: Draft, name: str) -> Iterator[Network]:
    """Yield the other networks than `name` that are on an interface of the host, as they will be."""
    drafted = (network for network in draft.networks.values() if network is not None)
    for network in (*drafted, *draft.undrafted()):
        if network.name not in (name, *PREDEFINED) and driver(network.driver).on_parent:
            yield network


def with_shim(draft: Draft, host: Any, network: Network) -> Network:
    """Return a network with the host's own addresses on it, where it is to have some, which are then in the draft.

    :raises NetloomError: address_in_use, an address that the network reserves is that of another one's member on the wire.
    """
    leases = shared_wire(draft, host, network)
    pools = []
    for pool in network.pools:
        shim = pool.shim if network.ifname else None
        if network.ifname and shim is None:
            shim = free_address(pool, leases, network.name, seat=SHIM_SEAT).ip
        pools.append(replace(pool, shim=shim))
    network = replace(network, pools=tuple(pools))
    for name, other in leases.siblings.items():
        for pool in pools:
            for address, why in reserved(pool).items():
                holder = other.own_holder(address)
                if holder:
                    raise NetloomError(
                        "address_in_use",
                        f"ipam_config: {address} cannot be {why}: {holder} on network {name} has it, on the same parent",
                    )
    return network


def shared_wire(draft: Draft, host: Any, network: Network) -> Any:
    """Return who has which address of a network, and of the others on its parent, and of the host there.

    :raises NetloomError: parent_not_found.
    """
    leases = draft.leases(network.name)
    uplink = host.uplink(network.parent)
    if uplink is None and not network.vlan:
        raise NetloomError(
            "parent_not_found", f"{OPTION}: the host has no interface {network.parent}, the parent of {network.name}"
        )
    outside: dict[IPAddress, str] = {}
    if uplink is not None:
        outside.update((interface.ip, f"{uplink.name} of the host") for interface in uplink.addresses)
    leases.siblings = {}
    for other in on_parents(draft, network.name):
        if other.parent == network.parent:
            leases.siblings[other.name] = draft.leases(other.name)
            for pool in other.pools:
                outside.update((address, f"{why} of network {other.name}") for address, why in reserved(pool).items())
    leases.outside = outside
    return leases


def check_member(draft: Draft, host: Any, network: Network, seat: str, mac: str | None) -> None:
    """Prepare for deciding what a member gets on a network on a parent.

    :raises NetloomError: parent_not_found; option_invalid, the network takes no further member; address_in_use.
    """
    shared_wire(draft, host, network)
    if driver(network.driver).mode(network) == "passthru":
        others = [member.container for at, member in draft.members(network.name).items() if at != seat]
        if others:
            raise NetloomError(
                "option_invalid",
                f"network: {network.name} is in mode passthru, which takes one container; that is {others[0]}",
            )
    uplink = host.uplink(network.parent) if mac else None
    if uplink is not None and uplink.mac == mac:
        raise NetloomError("address_in_use", f"mac_address: {mac} is that of {uplink.name} of the host")
