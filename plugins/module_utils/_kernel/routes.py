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

_Routes = dict[tuple[bytes, int], list[netlink.RouteState]]

RTPROT_NETLOOM = 157  # free in linux/rtnetlink.h and in iproute2's rt_protos

_KINDS = (*netlink.ROUTE_TYPES, 9)  # RTN_THROW, which is nothing of ours


def observe(host: Any, wanted: Sequence[Route]) -> Iterator[Resource]:
    """Yield the main table's route of each wanted destination and metric; `foreign` where it is not ours."""
    seen: dict[tuple[str, int], _Routes] = {}
    for resource in wanted:
        to, _slash, length = resource.destination.partition("/")
        version = 6 if ":" in to else 4
        if (resource.place, version) not in seen:
            seen[resource.place, version] = _routes(host, resource.place, version)
        is_default = not int(length) and not resource.metric
        packed = socket.inet_pton(netlink.FAMILIES[version], to) if int(length) else b""
        metric = resource.metric or (netlink.IP6_RT_PRIO_USER if version == 6 else 0)
        there = seen[resource.place, version].get((packed, int(length)), ())
        if resource.beside:
            apart = {host.find_index(resource.place, name) for name in resource.beside}
            there = [route for route in there if route.oif not in apart or route.protocol == RTPROT_NETLOOM]
        found = _found(there, metric, any_of_others=is_default)
        if found is not None:
            unicast = found.kind == netlink.RTN_UNICAST  # one of IPv6 that is not leads to lo
            yield Route(
                resource.place,
                resource.destination,
                gateway=socket.inet_ntop(netlink.FAMILIES[version], found.gateway) if found.gateway else "",
                ifname=host.ifname(found.oif, resource.place) if unicast else "",
                metric=resource.metric,
                type=netlink.ROUTE_TYPES.get(found.kind, "other"),
                foreign=found.protocol != RTPROT_NETLOOM,
            )


def _found(there: Sequence[netlink.RouteState], metric: int, *, any_of_others: bool) -> netlink.RouteState | None:
    """Return the route of a metric, ours where there is one.

    `any_of_others`: whoever has made a default route wants it to be the way out, whatever its metric.
    """
    ours = [route for route in there if route.metric == metric and route.protocol == RTPROT_NETLOOM]
    others = [
        route for route in there if route.protocol != RTPROT_NETLOOM and (any_of_others or route.metric == metric)
    ]
    return next(iter((*ours, *others)), None)


def _routes(host: Any, place: str, version: int) -> _Routes:
    """Return the main table's routes by destination, the best first."""
    found: _Routes = {}
    for route in netlink.routes(host.netlink(place), version, netlink.RT_TABLE_MAIN, kinds=_KINDS):
        found.setdefault((route.destination, route.prefixlen), []).append(route)
    return found


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Add, replace and remove routes. Replacing is one message: a container is never without.

    Ours may still be there when its address has gone: an interface with another address keeps its routes.
    """
    from . import messages

    for change in changes:
        route: Any = change.resource
        index = host.index(route.place, route.ifname) if route.ifname else 0
        message = messages.route(route, index, RTPROT_NETLOOM, present=change.after is not None)
        host.execute(str(change), host.netlink(route.place).change, message)
