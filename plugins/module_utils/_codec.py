# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and endpoints as JSON and back, for the records.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from ._model import HOST_SERVERS, Endpoint, Network, Pool, PublishedPort, Sandbox, StaticRoute


def encode(value: Network | Endpoint) -> str:
    """Return one line of JSON that `network` or `endpoint` turns into an equal value again."""
    return json.dumps(vars(value), default=_plain, separators=(",", ":"), sort_keys=True)


def _plain(value: Any) -> Any:
    return vars(value) if dataclasses.is_dataclass(value) else str(value)


def network(text: str) -> Network:
    """:raises ValueError, KeyError, TypeError: the text is not a network that `encode` wrote."""
    fields = json.loads(text)
    fields["pools"] = tuple(_pool(pool) for pool in fields["pools"])
    for name in ("labels", "options", "ipam_options"):
        fields[name] = _pairs(fields[name])
    fields["advertised"] = tuple(fields.get("advertised", ()))
    fields["docker"] = tuple(fields.get("docker", ()))
    fields["dns_servers"] = tuple(fields.get("dns_servers", HOST_SERVERS))
    return Network(**fields)


def endpoint(text: str) -> Endpoint:
    """:raises ValueError, KeyError, TypeError: the text is not an endpoint that `encode` wrote."""
    fields = json.loads(text)
    for name in ("ipv4", "ipv6"):
        fields[name] = ipaddress.ip_interface(fields[name]) if fields[name] else None
    fields["driver_opts"] = _pairs(fields["driver_opts"])
    fields["static"] = tuple(fields["static"])
    fields["aliases"] = tuple(fields.get("aliases", ()))
    fields["ports"] = tuple(PublishedPort(**port) for port in fields.get("ports", ()))
    fields["routes"] = tuple(StaticRoute(**route) for route in fields.get("routes", ()))
    fields["sysctls"] = _pairs(fields.get("sysctls", ()))
    fields["gateways"] = _pairs(fields.get("gateways", ()))
    fields["secondary"] = tuple(ipaddress.ip_interface(text) for text in fields.get("secondary", ()))
    fields["sandbox"] = Sandbox(**fields["sandbox"]) if fields["sandbox"] else None
    return Endpoint(**fields)


def _pool(fields: dict[str, Any]) -> Pool:
    return Pool(
        subnet=ipaddress.ip_network(fields["subnet"]),
        gateway=ipaddress.ip_address(fields["gateway"]) if fields["gateway"] else None,
        ip_range=ipaddress.ip_network(fields["ip_range"]) if fields["ip_range"] else None,
        aux=tuple((name, ipaddress.ip_address(address)) for name, address in fields["aux"]),
        auto=fields["auto"],
        shim=ipaddress.ip_address(fields["shim"]) if fields.get("shim") else None,
    )


def _pairs(items: Iterable) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in items)
