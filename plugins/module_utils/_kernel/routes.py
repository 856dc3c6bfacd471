# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes in sandboxes. Ours carry a protocol number of our own, which is their ownership mark.

Collection-private. Floor 4.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any

from .._changes import Change
from .._model import Resource, Route
from . import netlink

RTPROT_NETLOOM = 157  # free in linux/rtnetlink.h and in iproute2's rt_protos


def observe(host: Any, wanted: Sequence[Route]) -> Iterator[Resource]:
    """Yield the main table's route to each wanted destination; `foreign` where it is not ours."""
    seen: dict[tuple[str, int], dict[str, Route]] = {}
    for resource in wanted:
        where = (resource.place, 6 if ":" in resource.destination else 4)
        if where not in seen:
            seen[where] = _routes(host, *where)
        if resource.destination in seen[where]:
            yield seen[where][resource.destination]


def _routes(host: Any, place: str, version: int) -> dict[str, Route]:
    nl = host.netlink(place)
    found: dict[str, Route] = {}
    for message in netlink.routes(nl, version):
        if (message.get_attr("RTA_TABLE") or message["table"]) != netlink.RT_TABLE_MAIN:
            continue
        default = "0.0.0.0/0" if message["family"] == socket.AF_INET else "::/0"
        to = message.get_attr("RTA_DST")
        destination = str(ip_network(f"{to}/{message['dst_len']}")) if to else default
        ours = message["proto"] == RTPROT_NETLOOM
        if destination in found and not ours:
            continue
        oif = message.get_attr("RTA_OIF")
        found[destination] = Route(
            place,
            destination,
            gateway=message.get_attr("RTA_GATEWAY") or "",
            ifname=host.ifname(oif, place) if oif else "",
            foreign=not ours,
        )
    return found


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Add, replace and remove routes. Replacing is one message: a container is never without.

    Ours may still be there when its address has gone: an interface with another address keeps its routes.
    """
    for change in changes:
        route: Any = change.resource
        verb = "del" if change.after is None else "replace"
        host.execute(
            str(change),
            host.netlink(route.place).route,
            verb,
            dst=route.destination,
            gateway=route.gateway,
            oif=host.index(route.place, route.ifname),
            proto=RTPROT_NETLOOM,
            family=socket.AF_INET6 if ":" in route.destination else socket.AF_INET,
        )
