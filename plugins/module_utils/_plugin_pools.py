# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets and addresses that a Docker plugin hands out: what a network and its endpoints have of it.

They are needed to plan with, so that they are had while a task is drafted; what comes of no plan is given back.
Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field

from ._frozen import dataclass
from ._model import IPAM_DRIVERS, Endpoint, IPAddress, Network, Pairs
from ._plugins import compact
from ._resources import Resource

OPTION = "ipam_driver_options"
POOL, ADDRESS = KINDS = ("plugin pool", "plugin address")


@dataclass(frozen=True)
class PluginPool(Resource):
    """A subnet that a plugin has given a network. `way` is how the plugin is reached (JSON)."""

    driver: str
    network: str
    subnet: str
    way: str = field(default="", compare=False)
    rank = -2  # with its addresses given back first, and before the network driver forgets the network
    handler = "plugin_pools"
    verbs = ("claim", "change", "release")

    @property
    def key(self):
        return (POOL, self.network, self.subnet)

    @property
    def title(self):
        return f"subnet {self.subnet} of network {self.network} by plugin {self.driver}"

    def facts(self):
        return {"subnet": self.subnet}


@dataclass(frozen=True)
class PluginAddress(Resource):
    """An address that a plugin has given a network or one of its endpoints, of one of its subnets."""

    driver: str
    network: str
    address: str
    subnet: str
    way: str = field(default="", compare=False)
    rank = -1
    handler = "plugin_pools"
    verbs = ("claim", "change", "release")

    @property
    def key(self):
        return (ADDRESS, self.network, self.address)

    @property
    def title(self):
        return f"address {self.address} of network {self.network} by plugin {self.driver}"

    def facts(self):
        return {"address": self.address}


def is_plugin(ipam_driver: str) -> bool:
    """Return whether somebody else's plugin hands out a network's addresses."""
    return ipam_driver not in IPAM_DRIVERS


def way(options: Pairs) -> str:
    """Return how a plugin is reached, by options that are for us."""
    given = dict(options)
    return compact(
        {"timeout": int(given.get("plugin_timeout", 30)), "insecure": given.get("plugin_insecure") == "true"}
    )


def of_network(network: Network) -> Iterator[Resource]:
    """Yield what a network itself has of its plugin."""
    if not is_plugin(network.ipam_driver):
        return
    reached = way(network.ipam_options)
    for pool in network.pools:
        subnet = str(pool.subnet)
        yield PluginPool(network.ipam_driver, network.name, subnet, reached)
        for address in (pool.gateway, *(address for _name, address in pool.aux)):
            if address is not None:
                yield PluginAddress(network.ipam_driver, network.name, str(address), subnet, reached)


def of_endpoint(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield what an endpoint has of its network's plugin."""
    if not is_plugin(network.ipam_driver):
        return
    reached = way(network.ipam_options)
    for interface in endpoint.addresses:
        if any(interface.network == pool.subnet for pool in network.pools):
            address, subnet = str(interface.ip), str(interface.network)
            yield PluginAddress(network.ipam_driver, network.name, address, subnet, reached)


def veiled(text: str, veil: Iterable[tuple[str, str]]) -> str:
    """Return a text in which words stand for what a plugin has chosen, or is about to choose."""
    for value, words in veil:
        inside = "0-9A-Fa-f:" if ":" in value else "0-9"
        length = "" if "/" in value else r"(/[0-9]+)?"
        text = re.sub(rf"(?<![{inside}.]){re.escape(value)}{length}(?![{inside}])", words, text)
    return text


def veil_of(addresses: Iterable[IPAddress], driver: str) -> list[tuple[str, str]]:
    """Return what hides addresses that a plugin chooses."""
    return [(str(address), f"(an IPv{address.version} address by plugin {driver})") for address in addresses]
