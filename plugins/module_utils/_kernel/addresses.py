# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of interfaces. Collection-private. Floor 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_interface
from typing import Any

from .._changes import Change
from .._model import Address, Resource
from . import netlink

_IFA_F_NODAD = 2  # a bridge without carrier stays tentative for ever, and we give no address twice


def observe(host: Any, wanted: Sequence[Address]) -> Iterator[Resource]:
    """Yield those of the wanted addresses that are there; others on the same interface are left alone."""
    seen: dict[tuple[str, str, int], set] = {}
    for resource in wanted:
        where = (resource.place, resource.ifname, resource.address.version)
        if where not in seen:
            seen[where] = _addresses(host, *where)
        if resource.address in seen[where]:
            yield resource


def _addresses(host: Any, place: str, ifname: str, version: int) -> set:
    found = host.link(place, ifname)
    if found is None:
        return set()
    return {
        ip_interface(f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}")
        for message in netlink.addresses(host.netlink(place), found["index"], version)
    }


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Add and remove addresses."""
    for change in changes:
        resource: Any = change.resource
        address = resource.address
        options: dict[str, Any] = {"address": str(address.ip), "prefixlen": address.network.prefixlen}
        if address.version == 6:
            options["flags"] = _IFA_F_NODAD
        elif change.after is not None and address.network.prefixlen < 31:
            options["broadcast"] = str(address.network.broadcast_address)
        host.execute(
            str(change),
            host.netlink(resource.place).addr,
            "del" if change.after is None else "add",
            index=host.index(resource.place, resource.ifname),
            **options,
        )
