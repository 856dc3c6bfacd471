# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of interfaces. Collection-private. Floor 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

from .._changes import Change
from .._resources import DEPRECATED, Address, Resource
from . import netlink

_Found = dict[tuple[bytes, int], int]


def observe(host: Any, wanted: Sequence[Address]) -> Iterator[Resource]:
    """Yield those of the wanted addresses that are there; others on the same interface are left alone."""
    seen: dict[tuple[str, str, int], _Found] = {}
    ours = {(each.place, each.ifname, str(each.address)) for each in wanted}
    for resource in wanted:
        where = (resource.place, resource.ifname, resource.address.version)
        if where not in seen:
            seen[where] = _addresses(host, *where)
        flags = seen[where].get((resource.address.packed, resource.address.network.prefixlen))
        if flags is None:
            continue
        if resource.address.version == 6:
            behind = DEPRECATED if flags & netlink.IFA_F_DEPRECATED else ""
        else:
            behind = _first(seen[where], resource) if flags & netlink.IFA_F_SECONDARY else ""
            if behind and (resource.place, resource.ifname, behind) not in ours:
                behind = resource.behind  # somebody else's, whom we do not fight over who was first
        if behind != resource.behind:
            # One that has become the first is what the routes of the interface hang on.
            resource = replace(resource, behind=behind, secondary=bool(behind))
        yield resource


def _addresses(host: Any, place: str, ifname: str, version: int) -> _Found:
    """Return the addresses of an interface: (packed, prefix length) to flags."""
    found = host.link(place, ifname)
    if found is None:
        return {}
    found_there = netlink.addresses(host.netlink(place), found.ifindex, version)
    return {(each.address, each.prefixlen): each.flags for each in found_there}


def _first(there: _Found, behind: Address) -> str:
    """Return the address that was first of those in the subnet of another."""
    subnet = behind.address.network
    for (packed, length), flags in there.items():
        each = ip_interface((packed, length))
        if not flags & netlink.IFA_F_SECONDARY and each.network == subnet:
            return str(each)
    return ""


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Add and remove addresses."""
    from . import messages

    for change in changes:
        resource: Any = change.resource
        index = host.index(resource.place, resource.ifname)
        deprecated = resource.behind == DEPRECATED
        message = messages.address(index, resource.address, present=change.after is not None, deprecated=deprecated)
        host.execute(str(change), host.netlink(resource.place).change, message)
