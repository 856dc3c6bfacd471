# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints in the shape that `docker inspect` gives them.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ._model import Endpoint, IPInterface, Network, PublishedPort

Places = Callable[[PublishedPort], Iterable[tuple[int, str]]]


def endpoint(value: Endpoint, on: Network, labels: Mapping[str, str], places: Places, *, live: bool) -> dict[str, Any]:
    """Return an endpoint as `docker inspect` shows it in NetworkSettings.Networks, with our own keys.

    `places` yields the (IP version, address of the host, empty for all) that a port is published at. Ports is what
    NetworkSettings.Ports is for a container of Docker's.
    """
    asked = {"ipv4": "IPv4Address", "ipv6": "IPv6Address"}
    given = {
        key: str(getattr(value, name).ip)
        for name, key in asked.items()
        if name in value.static and getattr(value, name)
    }
    gateways = {address.version: _gateway(value, on, address) for address in value.primaries}
    return {
        "IPAMConfig": given or None,
        "Links": None,
        "Aliases": list(value.aliases) or None,
        "DriverOpts": dict(labels) or None,
        "GwPriority": value.gw_priority,
        "NetworkID": on.id,
        "EndpointID": value.id,
        "Gateway": gateways.get(4, ""),
        "IPAddress": _ip(value.ipv4),
        "IPPrefixLen": value.ipv4.network.prefixlen if value.ipv4 else 0,
        "MacAddress": value.mac,
        "IPv6Gateway": gateways.get(6, ""),
        "GlobalIPv6Address": _ip(value.ipv6),
        "GlobalIPv6PrefixLen": value.ipv6.network.prefixlen if value.ipv6 else 0,
        "DNSNames": _names(value) if on.dns else None,
        "SecondaryIPAddresses": _secondary(value, 4),
        "SecondaryIPv6Addresses": _secondary(value, 6),
        "Ports": ports_of(value, places),
        "Routes": [
            {
                "Destination": route.destination,
                "Gateway": route.gateway,
                "Metric": route.metric,
                "Type": route.type,
            }
            for route in value.routes
        ],
        "Sysctls": dict(value.sysctls),
        "InterfaceName": value.ifname,
        "HostInterface": value.host_ifname,
        "SandboxKey": value.sandbox.key if value.sandbox else "",
        "Pending": not live,
    }


def unassigned(value: Endpoint) -> dict[str, None]:
    """Return what is not known of an endpoint whose addresses a plugin hands out, before it has."""
    names = ("IPAddress", "IPPrefixLen", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway")
    return dict.fromkeys((*(() if value.primaries else names), *(() if value.mac else ("MacAddress",))))


def ports_of(value: Endpoint, places: Places) -> dict[str, list[dict[str, str]]]:
    """Return where each port is published, as Docker's NetworkSettings.Ports."""
    found: dict[str, list[dict[str, str]]] = {}
    for port in value.ports:
        shown = found.setdefault(f"{port.container}/{port.protocol}", [])
        for version, address in places(port):
            shown.append({"HostIp": address or ("::" if version == 6 else "0.0.0.0"), "HostPort": str(port.host)})
    return found


def _secondary(value: Endpoint, version: int) -> list[dict[str, Any]] | None:
    found = [item for item in value.secondary if item.version == version]
    return [{"Addr": str(item.ip), "PrefixLen": item.network.prefixlen} for item in found] or None


def _names(value: Endpoint) -> list[str]:
    from ._dns import names_of  # where it has any

    return list(names_of(value))


def _gateway(value: Endpoint, on: Network, address: IPInterface) -> str:
    """Return the gateway that a member is given, by its own routes or by the network; an internal one gives none."""
    own = next((route for route in value.routes if route.is_default and route.version == address.version), None)
    if own:
        return own.gateway
    named = dict(value.gateways).get(f"ipv{address.version}")
    if named is not None:
        return "" if on.internal else named
    pool = next((pool for pool in on.pools if pool.subnet == address.network), None)
    return str(pool.gateway) if pool and pool.gateway and not on.internal else ""


def _ip(interface: IPInterface | None) -> str:
    return str(interface.ip) if interface else ""
