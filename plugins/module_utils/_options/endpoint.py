# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of network_attachment, and how what was given becomes a spec.

Collection-private and pure. Floor 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import NetloomError
from .._model import EndpointSpec
from .._names import address, identifier, interface_name, mac_address, pairs
from .common import COMMON, STATE

RUNTIMES = ["auto", "netns", "pid", "path", "docker", "podman", "machine"]
ENDPOINT = dict(
    container=dict(type="str", required=True),
    runtime=dict(type="str", choices=RUNTIMES, default="auto"),
    ipv4_address=dict(type="str"),
    ipv6_address=dict(type="str"),
    mac_address=dict(type="str"),
    interface_name=dict(type="str"),
    aliases=dict(type="list", elements="str"),
    gw_priority=dict(type="int"),
    driver_opts=dict(type="dict"),
    published_ports=dict(type="list", elements="str", aliases=["ports"]),
    routes=dict(
        type="list",
        elements="dict",
        options=dict(
            destination=dict(type="str", required=True),
            gateway=dict(type="str"),
            metric=dict(type="int"),
            type=dict(type="str", choices=["unicast", "blackhole", "unreachable", "prohibit"], default="unicast"),
        ),
    ),
    sysctls=dict(type="dict"),
    secondary_addresses=dict(type="list", elements="str"),
)
ATTACHMENT_ITEM = dict(network=dict(type="str", required=True), state=STATE, **ENDPOINT)
ATTACHMENT = dict(argument_spec=dict(**ATTACHMENT_ITEM, **COMMON), supports_check_mode=True)


def endpoint_spec(params: Mapping[str, Any], prefix: str = "") -> EndpointSpec:
    """Return what network_attachment asks for; `prefix` stands before option names in messages.

    :raises NetloomError: an option is not valid, whatever the host is like.
    """

    def ip(version: int) -> Any:
        option = f"ipv{version}_address"
        if params[option] is None:
            return None
        found = address(params[option], prefix + option)
        if found.version != version:
            raise NetloomError("invalid_address", f"{prefix}{option}: {found} is not an IPv{version} address")
        return found

    mac, ifname = params["mac_address"], params["interface_name"]
    opts, ports, aliases = params["driver_opts"], params["published_ports"], params["aliases"]
    if ports is not None:
        from .._ports import port_specs

        ports = port_specs(ports, f"{prefix}published_ports")
    routes, sysctls, secondary = params["routes"], params["sysctls"], params["secondary_addresses"]
    if routes is not None:
        from .._routes import static_routes

        routes = static_routes(routes, f"{prefix}routes")
    if sysctls is not None:
        from .._settings import interface_settings

        sysctls = interface_settings(sysctls, f"{prefix}sysctls")
    if secondary is not None:
        option = f"{prefix}secondary_addresses"
        secondary = tuple(address(text, f"{option}[{index}]") for index, text in enumerate(secondary))
    if aliases is not None:
        from .._dns import dns_names

        aliases = dns_names(aliases, f"{prefix}aliases")
    return EndpointSpec(
        network=identifier(params["network"], "network"),
        container=params["container"],
        runtime=params["runtime"],
        ipv4=ip(4),
        ipv6=ip(6),
        mac=None if mac is None else mac_address(mac, f"{prefix}mac_address"),
        ifname=None if ifname is None else interface_name(ifname, f"{prefix}interface_name"),
        gw_priority=params["gw_priority"],
        driver_opts=None if opts is None else pairs(opts, f"{prefix}driver_opts"),
        ports=ports,
        routes=routes,
        sysctls=sysctls,
        secondary=secondary,
        aliases=aliases,
    )
