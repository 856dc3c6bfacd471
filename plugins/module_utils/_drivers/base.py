# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to ask of every driver. One says only what differs from here.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from .._model import Endpoint, IPAddress, IPInterface, Network, Pairs, PublishedPort
from .._resources import Resource
from .options import DriverOption

if TYPE_CHECKING:
    from .._plugins import PluginService


class Driver:
    """A driver; `name` is the one that its networks have for it."""

    options: ClassVar[Mapping[str, DriverOption]] = {}  # of networks, by short name
    endpoint_options: ClassVar[Mapping[str, DriverOption]] = {}
    # Options that a network can have, as a task gives them: the tests that every driver goes through begin with them.
    example: ClassVar[Mapping[str, str]] = {}

    attachable = True  # there can be endpoints
    bridged = False  # members are behind a bridge of the host, which forwards for them
    on_parent = False  # members are on the wire of an interface of the host
    publishes = False  # a port of a member can be reached at one of the host

    plugin = False  # somebody else's program makes networks and endpoints
    assigns = False  # that chooses the addresses, and the networks have no subnets of ours
    routes_itself = False  # that gives members their ways out, which are none of ours
    chooses_mac = False  # that chooses the MAC address of an interface that none is asked for

    def __init__(self, name: str):
        self.name = name

    def check(self, network: Network) -> None:
        """:raises NetloomError: option_invalid, options that contradict each other."""

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield what a network is made of."""
        return iter(())

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield what an endpoint is made of."""
        return iter(())

    def bound(self, network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
        """Yield (IP version, address of the host, empty for all) of what a port is published at."""
        return iter(())

    def host_addresses(self, network: Network) -> tuple[IPAddress, ...]:
        """Return the addresses that the host itself has on a network."""
        return ()

    def as_seen(self, network: Network) -> Network:
        """Return a network as it is shown: where a plugin chooses the addresses, with the subnets that are known of it."""
        return network

    # --- on the wire of an interface of the host ---

    def mode(self, network: Network) -> str:
        """Return the mode that a network's interfaces are in, empty where there are none."""
        return ""

    def has_shim(self, network: Network) -> bool:
        """Return whether the host has an interface of its own on a network."""
        return False

    def has_macs(self, network: Network) -> bool:
        """Return whether members have MAC addresses of their own."""
        return True

    def by_device(self, network: Network) -> bool:
        """Return whether members' default route is their interface, and not a gateway."""
        return False

    # --- by somebody else's program ---

    def way(self, options: Pairs) -> str:
        """Return how the plugin is reached, by options that are for us; empty where that is no question."""
        return ""

    def definition(self, network: Network, recorded: Network | None, read: Callable[[str], str] | None) -> str:
        """Return what the plugin is told of a network. `read` returns the text of a file; None: nothing is read again.

        :raises NetloomError: option_invalid.
        """
        return ""

    def needs(self, network: Network) -> dict[str, Any] | None:
        """Return what there is to know of a network to see whether its plugins are there, None for no question."""
        return None

    def check_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        """:raises NetloomError: option_invalid, the plugins of a network cannot do what is asked of an endpoint."""

    def interface(self, network: Network, address: IPAddress) -> IPInterface:
        """Return an address that is asked for with what is known of its prefix length: of a plugin's choice, nothing."""
        return ip_interface(address)

    def service(self, network: Network, endpoint: Endpoint, *, external: bool) -> PluginService | None:
        """Return what the plugin does for an endpoint that is up; `external`: it is its container's way out."""
        return None


class PluginDriver(Driver):
    """A driver by which somebody else's program makes networks and endpoints."""

    plugin = True
    publishes = True
    chooses_mac = True


class NoDriver(Driver):
    """Drivers host and null: a container has the host's own namespace, or no interface at all. They make nothing."""

    attachable = False
