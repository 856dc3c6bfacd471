# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes in sandboxes. Ours carry a protocol number of our own, which is their ownership mark.

Collection-private. Floor 4.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any

from .._changes import Change
from .._resources import Resource, Route
from . import netlink

RTPROT_NETLOOM = 157  # free in linux/rtnetlink.h and in iproute2's rt_protos


def observe(host: Any, wanted: Sequence[Route]) -> Iterator[Resource]:
    """Yield the main table's route to each wanted destination; `foreign` where it is not ours."""
    seen: dict[tuple[str, int], dict[tuple[bytes, int], netlink.RouteState]] = {}
    for resource in wanted:
        to, _slash, length = resource.destination.partition("/")
        version = 6 if ":" in to else 4
        if (resource.place, version) not in seen:
            seen[resource.place, version] = _routes(host, resource.place, version)
        packed = socket.inet_pton(netlink.FAMILIES[version], to) if int(length) else b""
        found = seen[resource.place, version].get((packed, int(length)))
        if found is not None:
            yield Route(
                resource.place,
                resource.destination,
                gateway=socket.inet_ntop(netlink.FAMILIES[version], found.gateway) if found.gateway else "",
                ifname=host.ifname(found.oif, resource.place),
                foreign=found.protocol != RTPROT_NETLOOM,
            )


def _routes(host: Any, place: str, version: int) -> dict[tuple[bytes, int], netlink.RouteState]:
    """Return the main table's route to each destination: ours where there is one, else the best."""
    found: dict[tuple[bytes, int], netlink.RouteState] = {}
    for route in netlink.routes(host.netlink(place), version, netlink.RT_TABLE_MAIN):
        if route.protocol == RTPROT_NETLOOM or (route.destination, route.prefixlen) not in found:
            found[route.destination, route.prefixlen] = route
    return found


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Add, replace and remove routes. Replacing is one message: a container is never without.

    Ours may still be there when its address has gone: an interface with another address keeps its routes.
    """
    from . import messages

    for change in changes:
        route: Any = change.resource
        host.execute(
            str(change),
            host.netlink(route.place).change,
            messages.route(
                host.index(route.place, route.ifname),
                route.destination,
                route.gateway,
                RTPROT_NETLOOM,
                present=change.after is not None,
            ),
        )
