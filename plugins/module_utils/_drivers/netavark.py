# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers netavark:NAME: netavark, or one of its plugins, makes the interface, with addresses of ours.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Callable

from .._errors import NetloomError
from .._model import Endpoint, Network, Pool, PublishedPort
from .._names import interface_name
from .._netavark import FIREWALL_DRIVERS, NETAVARK_DIRS, OWN, PLUGIN_DIRS, is_own, name_of
from .._plugins import PluginEndpoint, PluginNetwork, compact
from .._resources import Address, Resource
from .base import PluginDriver
from .options import ANY, IFNAME, INTERFACE_PREFIX, PLUGIN_TIMEOUT, DriverOption, as_given
from .sublinks import one_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)


def _folders(text: str, option: str) -> str:
    """Return a list of folders with colons between."""
    found = [part for part in re.split("[:,]", text) if part]
    for part in found or [text]:
        if not part.startswith("/"):
            raise NetloomError("option_invalid", f"{option}: {part!a} is not an absolute path")
    return ":".join(found)


OPTIONS = {
    "network_interface": DriverOption("network_interface", interface_name),
    "firewall_driver": DriverOption("netloom.firewall_driver", one_of(*FIREWALL_DRIVERS)),
    "interface_prefix": INTERFACE_PREFIX,
    "plugin_dirs": DriverOption("netloom.plugin_dirs", _folders),
    "plugin_timeout": PLUGIN_TIMEOUT,
    ANY: DriverOption(ANY, as_given),
}
_OURS = frozenset(OPTIONS) - {ANY}  # the others are the plugin's


def _told(network: Network, options: dict[str, str]) -> dict[str, Any]:
    name = name_of(network.driver)
    found: dict[str, Any] = {
        "name": network.name,
        "id": network.id,
        "driver": name,
        "subnets": [_subnet(pool) for pool in network.pools],
        "ipv6_enabled": network.enable_ipv6,
        "internal": network.internal,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }
    interface = options.get("network_interface", f"nv-{network.id[:12]}" if name == "bridge" else "")
    passed = {key: value for key, value in options.items() if key not in _OURS}
    if name in OWN[1:]:
        interface = passed.pop("parent", interface)
    elif name not in OWN and network.labels:
        found["labels"] = dict(network.labels)
    if interface:
        found["network_interface"] = interface
    if passed:
        found["options"] = passed
    return found


def _subnet(pool: Pool) -> dict[str, Any]:
    found: dict[str, Any] = {"subnet": str(pool.subnet)}
    if pool.gateway:
        found["gateway"] = str(pool.gateway)
    if pool.ip_range:
        found["lease_range"] = {"start_ip": str(pool.ip_range[0]), "end_ip": str(pool.ip_range[-1])}
    return found


def _mapping(port: PublishedPort) -> dict[str, Any]:
    return {
        "container_port": port.container,
        "host_ip": port.address,
        "host_port": port.host,
        "protocol": port.protocol,
        "range": 1,
    }


class NetavarkDriver(PluginDriver):
    """A network of netavark's, or of one of its plugins."""

    options = OPTIONS
    endpoint_options = {"ifname": IFNAME}
    routes_itself = True

    def __init__(self, name: str):
        super().__init__(name)
        # netavark itself is always told one, so that a container keeps its MAC; podman tells nobody.
        own = name_of(name)
        self.chooses_mac = own not in ("bridge", "macvlan")
        self.publishes = own not in ("macvlan", "ipvlan")

    def check(self, network: Network) -> None:
        """:raises NetloomError: driver_not_found, option_invalid, what no plugin can be told."""
        name = name_of(network.driver)
        if not _NAME.fullmatch(name):
            raise NetloomError("driver_not_found", f"driver: {name!a} is not the name of a netavark plugin")
        versions = [pool.subnet.version for pool in network.pools]
        if len(set(versions)) < len(versions):
            raise NetloomError(
                "option_invalid", f"ipam_config: driver {network.driver} takes one subnet of each IP version"
            )
        options = dict(network.options)
        if "firewall_driver" in options and name != "bridge":
            raise NetloomError("option_invalid", "driver_options.firewall_driver: is for driver netavark:bridge")
        if name in ("macvlan", "ipvlan") and {"parent", "network_interface"} <= options.keys():
            raise NetloomError("option_invalid", "driver_options: parent and network_interface are the same; give one")

    def definition(self, network: Network, recorded: Network | None, read: Callable[[str], str] | None) -> str:
        """Return what the plugin is told of a network, and how it is run."""
        options = dict(network.options)
        own = is_own(network.driver)
        return compact(
            {
                "network": _told(network, options),
                "dirs": options.get("plugin_dirs", NETAVARK_DIRS if own else PLUGIN_DIRS),
                "timeout": int(options.get("plugin_timeout", 30)),
                "firewall": options.get("firewall_driver", ""),
            }
        )

    def bound(self, network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
        """Yield (IP version, address of the host, empty for all) of what a port is published at, by the plugin."""
        from .._publishing import bindings  # few tasks have to do with ports

        yield from bindings(port, endpoint)

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield the network, which the plugin may have something to say about."""
        yield PluginNetwork(network.driver, network.name, network.definition)

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield what the plugin makes, and further addresses.

        :raises NetloomError: option_invalid, it cannot have the MAC that it is asked to have.
        """
        request = compact(self._asked(network, endpoint))
        place, ifname = endpoint.place, endpoint.ifname
        yield PluginEndpoint(network.driver, network.name, endpoint.seat, place, ifname, request, network.definition)
        for interface in endpoint.secondary:
            yield Address(place, ifname, interface)

    def _asked(self, network: Network, endpoint: Endpoint) -> dict[str, Any]:
        """Return what is asked of an endpoint: NetworkPluginExec but for the network."""
        options: dict[str, Any] = {
            "interface_name": endpoint.ifname,
            "static_ips": [str(interface.ip) for interface in endpoint.primaries],
        }
        if "mac" in endpoint.static and name_of(network.driver) == "ipvlan":
            raise NetloomError("option_invalid", "mac_address: members of an ipvlan have the MAC of its parent")
        if "mac" in endpoint.static or not self.chooses_mac:
            options["static_mac"] = endpoint.mac
        if endpoint.aliases:
            options["aliases"] = [*endpoint.aliases]
        found: dict[str, Any] = {
            "container_id": endpoint.id,
            "container_name": endpoint.container,
            "network_options": options,
        }
        if endpoint.ports:
            found["port_mappings"] = [_mapping(port) for port in endpoint.ports]
        return found
