# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver macvlan: each member has an interface with a MAC of its own on the wire of a parent.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._errors import NetloomError
from .._model import Endpoint, IPAddress, Network
from .._resources import Resource
from .options import DriverOption, flag
from .sublinks import SublinkDriver, member_resources, one_of, shim_resources


class MacvlanDriver(SublinkDriver):
    """A network whose members have MAC addresses of their own on the parent's wire."""

    options = {
        **SublinkDriver.options,
        "mode": DriverOption("macvlan_mode", one_of("bridge", "private", "vepa", "passthru")),
        "host_shim": DriverOption("host_shim", flag),
    }

    def mode(self, network: Network) -> str:
        """Return the mode that a network's interfaces are in."""
        return dict(network.options).get("mode", "bridge")

    def has_shim(self, network: Network) -> bool:
        """Return whether the host has an interface of its own on a network."""
        return dict(network.options).get("host_shim") == "true"

    def has_macs(self, network: Network) -> bool:
        """Return whether members have MAC addresses of their own: one that has the parent to itself has that of the parent."""
        return self.mode(network) != "passthru"

    def host_addresses(self, network: Network) -> tuple[IPAddress, ...]:
        """Return the addresses that the host itself has on a network."""
        return tuple(pool.shim for pool in network.pools if pool.shim)

    def check(self, network: Network) -> None:
        """:raises NetloomError: option_invalid, options that contradict each other."""
        super().check(network)
        if self.has_shim(network) and self.mode(network) != "bridge":
            raise NetloomError(
                "option_invalid",
                f"driver_options.host_shim: in mode {self.mode(network)} members do not reach one another",
            )

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield the parent, where it was made for networks, and the host's own interface."""
        yield from super().network_resources(network)
        if self.has_shim(network):
            yield from shim_resources(network)

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield the member's interface, its addresses, and the host's way to it."""
        return member_resources(network, endpoint, self.mode(network))
