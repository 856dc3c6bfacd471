# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of its own that packets to other hosts can go by. It only reads.

Collection-private. Floor 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from .._model import HOST, IPAddress
from .._overlay import Underlay
from . import netlink, uplinks


def read(host: Any, parent: str, peers: Sequence[str]) -> Underlay:
    """Return what there is of an interface, empty where the routes decide, and of the ways to peers."""
    wire = host.netlink(HOST)
    addresses: dict[IPAddress, int] = {}
    for item in netlink.all_addresses(wire):
        addresses.setdefault(ip_address(item.address), item.ifindex)
    own = tuple(peer for peer in peers if ip_address(peer) in addresses)
    towards = next((peer for peer in peers if peer not in own), "")
    way, source = 0, ""
    if towards:
        way, source = netlink.way(wire, ip_address(towards))
    elif own:
        way = addresses[ip_address(own[0])]
    else:
        way = _default_route(wire)
    names = dict.fromkeys(name for name in (parent, host.ifname(way)) if name)
    found = (uplinks.read(host, name) for name in names)
    return Underlay(tuple(uplink for uplink in found if uplink), own, host.ifname(way), source)


def _default_route(wire: Any) -> int:
    """Return the index of the interface that most of the world is behind, 0 if there is none."""
    for version in (4, 6):
        found = [route for route in netlink.routes(wire, version) if not route.prefixlen and route.oif]
        if found:
            return min(found, key=lambda route: route.metric).oif
    return 0
