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
from .options import DriverOption
from .sublinks import SublinkDriver, member_resources, one_of


class IpvlanDriver(SublinkDriver):
    """A network whose members have addresses of their own on the parent's wire, and its MAC address."""

    options = {
        **SublinkDriver.options,
        "mode": DriverOption("ipvlan_mode", one_of("l2", "l3", "l3s")),
        "flag": DriverOption("ipvlan_flag", one_of("bridge", "private", "vepa")),
    }

    def mode(self, network: Network) -> str:
        """Return the mode that a network's interfaces are in."""
        return dict(network.options).get("mode", "l2")

    def has_macs(self, network: Network) -> bool:
        """Return whether members have MAC addresses of their own."""
        return False

    def by_device(self, network: Network) -> bool:
        """Return whether members' default route is their interface: in layer 3 there are no neighbours to ask."""
        return self.mode(network) != "l2"

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield the member's interface and its addresses."""
        flag = dict(network.options).get("flag", "bridge")
        return member_resources(network, endpoint, self.mode(network), flag)
