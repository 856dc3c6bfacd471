# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker plugins as drivers: the plugin makes interfaces; addresses, default routes and names are ours.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from .. import _docker_plugins as protocol
from .._model import Endpoint, Network, Pairs, Pool, PublishedPort
from .._plugins import PluginEndpoint, PluginNetwork, PluginService, compact
from .._resources import Address, Resource, Sysctl, Up
from .base import PluginDriver
from .options import ANY, IFNAME, INTERFACE_PREFIX, PLUGIN_TIMEOUT, DriverOption, as_given, flag, labelled

OPTIONS = {
    ANY: DriverOption(ANY, as_given),
    "interface_prefix": INTERFACE_PREFIX,
    "plugin_timeout": PLUGIN_TIMEOUT,
    "plugin_insecure": DriverOption("netloom.plugin_insecure", flag),
}
ENDPOINT_OPTIONS = {
    ANY: DriverOption(ANY, as_given),
    "ifname": IFNAME,
}


def _datum(pool: Pool, space: str) -> dict[str, Any]:
    length = pool.subnet.prefixlen
    found: dict[str, Any] = {"AddressSpace": space, "Pool": str(pool.subnet)}
    if pool.gateway:
        found["Gateway"] = f"{pool.gateway}/{length}"
    if pool.aux:
        found["AuxAddresses"] = {name: f"{address}/{length}" for name, address in pool.aux}
    return found


def _request(endpoint: Endpoint) -> str:
    """Return what the plugin is asked for: a MAC address only where one was given."""
    interface = {
        "Address": str(endpoint.ipv4 or ""),
        "AddressIPv6": str(endpoint.ipv6 or ""),
        "MacAddress": endpoint.mac if "mac" in endpoint.static else "",
    }
    told = protocol.options_told(labelled(endpoint.driver_opts, ENDPOINT_OPTIONS).items())
    return compact({"Interface": interface, "Options": told, "Ports": protocol.ports_told(endpoint.ports)})


class RemoteDriver(PluginDriver):
    """A network of a Docker plugin's."""

    options = OPTIONS
    endpoint_options = ENDPOINT_OPTIONS

    def way(self, options: Pairs) -> str:
        """Return how a plugin is reached, by options that are for us."""
        given: Mapping[str, str] = dict(options)
        return compact(
            {"timeout": int(given.get("plugin_timeout", 30)), "insecure": given.get("plugin_insecure") == "true"}
        )

    def definition(self, network: Network, recorded: Network | None, read: Callable[[str], str] | None) -> str:
        """Return CreateNetwork."""
        options: dict[str, Any] = {
            protocol.ENABLE_IPV6: network.enable_ipv6,
            protocol.GENERIC: protocol.options_told(labelled(network.options, OPTIONS).items()),
        }
        if network.internal:
            options[protocol.INTERNAL] = True
        data = {
            name: [
                _datum(pool, network.space or protocol.LOCAL_SPACE)
                for pool in network.pools
                if pool.subnet.version == version
            ]
            for name, version in (("IPv4Data", 4), ("IPv6Data", 6))
        }
        return compact({"NetworkID": network.id, "Options": options, **data})

    def bound(self, network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
        """Yield (IP version, address of the host, empty for all) of what a port is published at, by the plugin."""
        from .._publishing import bindings  # few tasks have to do with ports

        if not network.internal:
            yield from bindings(port, endpoint)

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield the network, as the plugin is told of it."""
        yield PluginNetwork(network.driver, network.name, network.definition, way=self.way(network.options))

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield the interface that the plugin makes, and what it is given here."""
        place, ifname = endpoint.place, endpoint.ifname
        yield PluginEndpoint(
            network.driver,
            network.name,
            endpoint.seat,
            place,
            ifname,
            _request(endpoint),
            network.definition,
            way=self.way(network.options),
        )
        yield Sysctl(place, f"net/ipv6/conf/{ifname}/disable_ipv6", str(int(endpoint.ipv6 is None)), ifname=ifname)
        if endpoint.ipv6 is not None:
            # Its addresses and its gateway are those that it is given, whatever routers on the plugin's network say.
            yield Sysctl(place, f"net/ipv6/conf/{ifname}/accept_ra", "0", ifname=ifname)
        # The kernel tells the neighbours of a new interface's address when it comes up.
        yield Sysctl(place, f"net/ipv4/conf/{ifname}/arp_notify", "1", ifname=ifname)
        for interface in endpoint.addresses:
            yield Address(place, ifname, interface)
        yield Up(place, ifname)

    def service(self, network: Network, endpoint: Endpoint, *, external: bool) -> PluginService:
        """Return what the plugin does for an endpoint that is up; `external` says that it is its container's way out."""
        return PluginService(
            network.driver,
            network.name,
            endpoint.seat,
            endpoint.place,
            endpoint.ifname,
            _request(endpoint),
            network.definition,
            external=external,
            way=self.way(network.options),
        )
