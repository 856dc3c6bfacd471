# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of the host that a network is on: whether it will do, and who else is on it.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Callable

from ._drivers.registry import driver
from ._errors import NetloomError
from ._model import Network, Uplink

OPTION = "driver_options.parent"
_VLAN = re.compile(r"(.+)\.([0-9]+)")
_VID_MAX = 4094  # IEEE 802.1Q: 0 and 4095 are reserved


def settled(
    wanted: Network,
    recorded: Network | None,
    uplink: Callable[[str], Uplink | None],
    neighbours: Iterable[Network],
    state_dir: str,
) -> Network:
    """Return a network with its parent, its MTU and the name of the host's own interface on it.

    `uplink` tells of an interface of the host by name; `neighbours` are the other networks on a parent.

    :raises NetloomError: parent_not_found, option_invalid.
    """
    options = dict(wanted.options)
    parent = options.get("parent", "")
    if not parent:
        raise NetloomError("option_invalid", f"{OPTION}: driver {wanted.driver} needs an interface of the host")
    found = uplink(parent)
    tag = vlan_tag(state_dir, parent)
    vlan = tag if found is None or found.alias == tag else ""
    carrier = found or _carrier(parent, uplink)
    fault = carrier.fault(down=recorded is None or recorded.parent != parent)
    if fault:
        raise NetloomError("option_invalid", f"{OPTION}: {carrier.name} {fault}")
    known = driver(wanted.driver)
    mtu = int(options.get("mtu", 0))
    if mtu > carrier.mtu:
        raise NetloomError(
            "option_invalid", f"driver_options.mtu: {mtu} is more than the {carrier.mtu} of {carrier.name}"
        )
    stays = recorded is not None and recorded.parent == parent and "mtu" not in dict(recorded.options)
    kept = recorded.mtu if recorded and stays else carrier.mtu
    result = replace(
        wanted,
        parent=parent,
        vlan=vlan,
        mtu=mtu or min(kept, carrier.mtu),
        ifname=f"mv-{wanted.id[:12]}" if known.has_shim(wanted) else "",
        mac=wanted.mac if known.has_macs(wanted) else "",
    )
    for other in neighbours:
        if other.parent == parent and other.name != wanted.name:
            _check_beside(result, other)
    return result


def differences(wanted: Network, recorded: Network) -> Iterator[str]:
    """Yield what the kernel cannot change of a network's interfaces."""
    modes = driver(wanted.driver).mode(recorded), driver(wanted.driver).mode(wanted)
    if recorded.parent != wanted.parent:
        yield f"{OPTION}: {recorded.parent} -> {wanted.parent}"
    if modes[0] != modes[1] and "passthru" in modes:
        yield f"driver_options.mode: {modes[0]} -> {modes[1]}"


def vlan_tag(state_dir: str, name: str) -> str:
    """Return the ownership mark of a VLAN interface that the networks of a state directory have in common."""
    digest = hashlib.sha256(f"vlan\0{state_dir}\0{name}".encode()).hexdigest()
    return f"netloom:{name}/{digest[:12]}"


def _carrier(parent: str, uplink: Callable[[str], Uplink | None]) -> Uplink:
    """Return the interface that a VLAN interface is to be made on.

    :raises NetloomError: parent_not_found, option_invalid.
    """
    match = _VLAN.fullmatch(parent)
    if match is None:
        raise NetloomError("parent_not_found", f"{OPTION}: the host has no interface {parent}")
    lower, vid = match.group(1), int(match.group(2))
    if not 1 <= vid <= _VID_MAX:
        raise NetloomError("option_invalid", f"{OPTION}: {parent}: a VLAN has a number from 1 to {_VID_MAX}")
    found = uplink(lower)
    if found is None:
        raise NetloomError("parent_not_found", f"{OPTION}: the host has neither {parent} nor {lower} to make it on")
    return found


def _check_beside(wanted: Network, other: Network) -> None:
    """:raises NetloomError: option_invalid, the kernel cannot have both on one parent."""
    mine, theirs = driver(wanted.driver).mode(wanted), driver(other.driver).mode(other)
    if wanted.driver != other.driver:
        why = f"with driver {other.driver}, and an interface carries one of both"
    elif "passthru" in (mine, theirs):
        why = "and mode passthru needs it alone"
    elif wanted.driver == "ipvlan" and mine != theirs:
        why = f"in mode {theirs}, and an interface has one mode for all"
    else:
        return
    raise NetloomError("option_invalid", f"{OPTION}: {wanted.parent} is the parent of network {other.name} {why}")
