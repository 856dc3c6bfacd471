# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of interfaces. Collection-private. Floor 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._changes import Change
from .._resources import Address, Resource
from . import netlink


def observe(host: Any, wanted: Sequence[Address]) -> Iterator[Resource]:
    """Yield those of the wanted addresses that are there; others on the same interface are left alone."""
    seen: dict[tuple[str, str, int], set] = {}
    for resource in wanted:
        where = (resource.place, resource.ifname, resource.address.version)
        if where not in seen:
            seen[where] = _addresses(host, *where)
        if (resource.address.packed, resource.address.network.prefixlen) in seen[where]:
            yield resource


def _addresses(host: Any, place: str, ifname: str, version: int) -> set:
    found = host.link(place, ifname)
    if found is None:
        return set()
    found_there = netlink.addresses(host.netlink(place), found.ifindex, version)
    return {(each.address, each.prefixlen) for each in found_there}


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Add and remove addresses."""
    from . import messages

    for change in changes:
        resource: Any = change.resource
        index = host.index(resource.place, resource.ifname)
        message = messages.address(index, resource.address, present=change.after is not None)
        host.execute(str(change), host.netlink(resource.place).change, message)
