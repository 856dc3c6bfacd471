# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver cni: the plugins of a CNI network configuration list make the interface, and choose its addresses.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable

from .._errors import NetloomError
from .._model import Endpoint, Network, PublishedPort
from .._names import interface_name
from .._plugins import PluginEndpoint, PluginNetwork, compact
from .._resources import Resource
from .options import DriverOption, as_given, seconds

OPTIONS = {
    "conflist": DriverOption("conflist", as_given),
    "plugin_timeout": DriverOption("netloom.plugin_timeout", seconds),
}
ENDPOINT_OPTIONS = {"ifname": DriverOption("com.docker.network.endpoint.ifname", interface_name)}
EXAMPLE: dict[str, str] = {"conflist": '{"cniVersion":"1.0.0","plugins":[{"type":"loopback"}]}'}
ATTACHABLE, BRIDGED, ON_PARENT = True, False, False
PLUGIN, ASSIGNS = True, True


def check(network: Network) -> None:
    """:raises NetloomError: option_invalid, what only the list can say."""
    if network.internal:
        raise NetloomError("option_invalid", "internal: what a CNI network reaches is what its conflist says")


def definition(network: Network, recorded: Network | None, read: Callable[[str], str]) -> str:
    """Return the network configuration list that an option holds, or names the file of, in canonical form.

    :raises NetloomError: option_invalid.
    """
    given = dict(network.options).get("conflist")
    if not given:
        raise NetloomError("option_invalid", "driver_options.conflist: is required by driver cni")
    text = given if given.lstrip().startswith("{") else read(given)
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise NetloomError("option_invalid", f"driver_options.conflist: is no JSON: {exc}") from None
    if not isinstance(found, dict) or not isinstance(found.get("plugins"), list) or not found["plugins"]:
        raise NetloomError("option_invalid", "driver_options.conflist: has no list of plugins")
    return compact({**found, "name": network.name})


def bound(network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
    """Yield nothing."""
    return iter(())


def network_resources(network: Network) -> Iterator[Resource]:
    """Yield the network. The plugins are told nothing of it before the first container comes."""
    yield PluginNetwork(network.driver, network.name, network.definition)


def endpoint_resources(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield what the plugins of the list make together."""
    request: dict[str, Any] = {
        "containerID": endpoint.id,
        "conflist": json.loads(network.definition),
        "runtimeConfig": {},
        "timeout": float(dict(network.options).get("plugin_timeout", 30)),
    }
    yield PluginEndpoint(network.driver, network.name, endpoint.seat, endpoint.place, endpoint.ifname, compact(request))
