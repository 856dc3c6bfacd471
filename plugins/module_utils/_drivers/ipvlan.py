# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver ipvlan: members have addresses of their own on the wire of a parent, under the parent's MAC.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._model import Endpoint, Network
from .._resources import Resource
from . import sublinks
from .options import DriverOption

OPTIONS = {
    **sublinks.OPTIONS,
    "mode": DriverOption("ipvlan_mode", sublinks.one_of("l2", "l3", "l3s")),
    "flag": DriverOption("ipvlan_flag", sublinks.one_of("bridge", "private", "vepa")),
}
ENDPOINT_OPTIONS = sublinks.ENDPOINT_OPTIONS
EXAMPLE: dict[str, str] = {"parent": "eth0"}
ATTACHABLE, BRIDGED, ON_PARENT = True, False, True
PLUGIN, ASSIGNS = False, False
bound, check = sublinks.bound, sublinks.check
network_resources = sublinks.parent_resources


def mode(network: Network) -> str:
    """Return the mode that a network's interfaces are in."""
    return dict(network.options).get("mode", "l2")


def has_shim(network: Network) -> bool:
    """Return whether the host has an interface of its own on a network."""
    return False


def has_macs(network: Network) -> bool:
    """Return whether members have MAC addresses of their own."""
    return False


def by_device(network: Network) -> bool:
    """Return whether members' default route is their interface: in layer 3 there are no neighbours to ask."""
    return mode(network) != "l2"


def endpoint_resources(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield the member's interface and its addresses."""
    flag = dict(network.options).get("flag", "bridge")
    return sublinks.member_resources(network, endpoint, mode(network), flag)
