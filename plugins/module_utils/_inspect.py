# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and endpoints in the shape that `docker network inspect` gives them (API 1.52).

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ._changes import plain
from ._ipam import counters
from ._model import TOPOLOGY_LABEL, Endpoint, IPInterface, Network, Pool


def network(
    value: Network, labels: Mapping[str, str], members: Iterable[Endpoint], live: Collection[str]
) -> dict[str, Any]:
    """Return a network as Docker shows it.

    `labels` are the driver options by Docker's labels; of `members`, those whose place is in `live`
    stand in Containers, all count in Status. What is not known yet is None.
    """
    members = list(members)
    used = [address.ip for member in members for address in member.addresses]
    return {
        "Name": value.name,
        "Id": value.id,
        "Created": value.created or None,
        "Scope": "local",
        "Driver": value.driver,
        "EnableIPv4": value.enable_ipv4,
        "EnableIPv6": value.enable_ipv6,
        "IPAM": {
            "Driver": value.ipam_driver,
            "Options": dict(value.ipam_options),
            "Config": [_pool(pool) for pool in value.pools],
        },
        "Internal": value.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            (member.sandbox.container_id if member.sandbox else "") or f"ep-{member.id}": _member(member)
            for member in sorted(members, key=lambda item: item.place)
            if member.place in live
        },
        "Options": dict(labels),
        "Labels": {**dict(value.labels), **({TOPOLOGY_LABEL: value.topology} if value.topology else {})},
        "Status": {"IPAM": {"Subnets": {str(pool.subnet): counters(pool, used) for pool in value.pools}}},
    }


def _member(value: Endpoint) -> dict[str, str]:
    return {
        "Name": value.container,
        "EndpointID": value.id,
        "MacAddress": value.mac,
        "IPv4Address": str(value.ipv4 or ""),
        "IPv6Address": str(value.ipv6 or ""),
    }


def endpoint(value: Endpoint, on: Network, labels: Mapping[str, str], *, live: bool) -> dict[str, Any]:
    """Return an endpoint as `docker inspect` shows it in NetworkSettings.Networks, with our own keys."""
    asked = {"ipv4": "IPv4Address", "ipv6": "IPv6Address"}
    given = {
        key: str(getattr(value, name).ip)
        for name, key in asked.items()
        if name in value.static and getattr(value, name)
    }
    gateways = {address.version: _gateway(on, address) for address in value.addresses}
    return {
        "IPAMConfig": given or None,
        "Links": None,
        "Aliases": None,
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
        "DNSNames": None,
        "InterfaceName": value.ifname,
        "HostInterface": value.host_ifname,
        "SandboxKey": value.sandbox.key if value.sandbox else "",
        "Pending": not live,
    }


def matches(shape: Mapping[str, Any], filters: Mapping[str, list[str]], predefined: Collection[str]) -> bool:
    """Return whether a network passes the filters of `docker network ls`: any value of a filter, every filter, every label."""
    tests = {
        "driver": lambda text: shape["Driver"] == text,
        "id": lambda text: text in shape["Id"],
        "name": lambda text: text in shape["Name"],
        "scope": lambda text: shape["Scope"] == text,
        "type": lambda text: ("builtin" if shape["Name"] in predefined else "custom") == text,
        "dangling": lambda text: (not shape["Containers"] and shape["Name"] not in predefined) == (text == "true"),
        "label": lambda text: _has_label(shape["Labels"], text),
    }
    every = {"label": all}
    return all(every.get(name, any)(tests[name](text) for text in texts) for name, texts in filters.items())


FILTERS = ("driver", "id", "label", "name", "scope", "type", "dangling")


def _has_label(labels: Mapping[str, str], text: str) -> bool:
    name, equals, value = text.partition("=")
    return name in labels and (not equals or labels[name] == value)


def _pool(pool: Pool) -> dict[str, Any]:
    shape = {"Subnet": str(pool.subnet)}
    if pool.ip_range:
        shape["IPRange"] = str(pool.ip_range)
    if pool.gateway:
        shape["Gateway"] = str(pool.gateway)
    if pool.aux:
        shape["AuxiliaryAddresses"] = plain(dict(pool.aux))
    return shape


def _gateway(on: Network, address: IPInterface) -> str:
    """Return the gateway that a member is given; an internal network gives none."""
    pool = next((pool for pool in on.pools if pool.subnet == address.network), None)
    return str(pool.gateway) if pool and pool.gateway and not on.internal else ""


def _ip(interface: IPInterface | None) -> str:
    return str(interface.ip) if interface else ""
