# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks in the shape that `docker network inspect` gives them (API 1.52).

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ._changes import plain
from ._ipam import counters
from ._model import DOCKER_LABEL, SECRET_OPTIONS, TOPOLOGY_LABEL, Endpoint, Network, Pool

FILTERS = ("driver", "id", "label", "name", "scope", "type", "dangling")


def network(
    value: Network,
    labels: Mapping[str, str],
    members: Iterable[Endpoint],
    live: Collection[str],
    *,
    assigned: bool = False,
) -> dict[str, Any]:
    """Return a network as Docker shows it.

    `labels` are the driver options by Docker's labels; of `members`, those whose place is in `live`
    stand in Containers, all count in Status. What is not known yet is None. `assigned`: a plugin hands the addresses
    out, and nobody else can count them.
    """
    members = list(members)
    used = [address.ip for member in members for address in member.addresses]
    overlay = value.driver == "overlay"
    counted = () if assigned else value.pools
    return {
        "Name": value.name,
        "Id": value.id,
        "Created": value.created or None,
        "Scope": "global" if overlay else "local",
        "Driver": value.driver,
        "EnableIPv4": value.enable_ipv4,
        "EnableIPv6": value.enable_ipv6,
        "IPAM": {
            "Driver": value.ipam_driver,
            "Options": {name: text for name, text in value.ipam_options if name not in SECRET_OPTIONS},
            "Config": [_pool(pool) for pool in value.pools],
        },
        "Internal": value.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            _key(member): _member(member, known=not assigned or bool(member.primaries or member.mac))
            for member in sorted(members, key=lambda item: item.seat)
            if member.place in live
        },
        "Options": dict(labels),
        "Labels": {**dict(value.labels), **_marks(value)},
        "Status": {"IPAM": {"Subnets": {str(pool.subnet): counters(pool, used) for pool in counted}}},
        **({"Peers": _peers(value)} if overlay else {}),
    }


def _marks(value: Network) -> dict[str, str]:
    marks = {TOPOLOGY_LABEL: value.topology, DOCKER_LABEL: ",".join(value.docker)}
    return {label: text for label, text in marks.items() if text}


def _peers(value: Network) -> list[dict[str, str]]:
    """Return the other hosts that a network is on; none has a name."""
    from ._overlay import others  # few networks are on any

    return [{"Name": peer, "IP": peer} for peer in others(value)]


def _key(member: Endpoint) -> str:
    """Return the container's id where a runtime gives it one; of several on one network the first has it."""
    known = member.sandbox.container_id if member.sandbox and not member.apart else ""
    return known or f"ep-{member.id}"


def _member(value: Endpoint, *, known: bool) -> dict[str, Any]:
    return {
        "Name": value.container,
        "EndpointID": value.id,
        "MacAddress": value.mac if known else None,
        "IPv4Address": str(value.ipv4 or "") if known else None,
        "IPv6Address": str(value.ipv6 or "") if known else None,
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


def _has_label(labels: Mapping[str, str], text: str) -> bool:
    name, equals, value = text.partition("=")
    return name in labels and (not equals or labels[name] == value)


def _pool(pool: Pool) -> dict[str, Any]:
    shape = {"Subnet": str(pool.subnet)}
    if pool.ip_range:
        shape["IPRange"] = str(pool.ip_range)
    if pool.gateway:
        shape["Gateway"] = str(pool.gateway)
    kept = dict(pool.aux) if pool.shim is None else {**dict(pool.aux), "host_shim": pool.shim}
    if kept:
        shape["AuxiliaryAddresses"] = plain(kept)
    return shape
