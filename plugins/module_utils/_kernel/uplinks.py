# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces of the host as parents of networks, and whether the kernel knows a kind of link at all.

Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterable
from typing import Any

from .._errors import NetloomError
from .._model import HOST, Uplink
from . import netlink
from .netlink import IFF_UP

_IFF_LOOPBACK = 8
_TRANSPARENT = ("vrf",)  # masters that leave an interface's frames to others
# What builds each kind of link into a kernel: its module, and the option of the kernel's configuration.
_MODULES = {
    "macvlan": ("macvlan", "CONFIG_MACVLAN"),
    "ipvlan": ("ipvlan", "CONFIG_IPVLAN"),
    "vlan": ("8021q", "CONFIG_VLAN_8021Q"),
    "vxlan": ("vxlan", "CONFIG_VXLAN"),
}


def read(host: Any, name: str) -> Uplink | None:
    """Return an interface of the host, None if there is none of that name."""
    wire = host.netlink(HOST)
    found = netlink.link(wire, name)
    if found is None:
        return None
    master = netlink.link(wire, host.ifname(found.master)) if found.master else None
    addresses = [each for version in (4, 6) for each in netlink.addresses(wire, found.ifindex, version)]
    return Uplink(
        name,
        found.kind,
        found.mtu,
        found.mac,
        found.alias,
        master.name if master and master.kind not in _TRANSPARENT else "",
        up=bool(found.flags & IFF_UP),
        loopback=bool(found.flags & _IFF_LOOPBACK),
        addresses=tuple(ipaddress.ip_interface((each.address, each.prefixlen)) for each in addresses),
    )


def require(host: Any, kinds: Iterable[str]) -> None:
    """Ask the kernel for an interface of each kind that is on no other, which it refuses in one way or the other.

    :raises NetloomError: kernel_unsupported, it does not know the kind.
    """
    from . import messages

    for kind in sorted(kinds):
        try:
            host.netlink(HOST).change(messages.new_link_without_parent(kind))
        except OSError as exc:
            if exc.errno == errno.EOPNOTSUPP:
                module, option = _MODULES[kind]
                raise NetloomError(
                    "kernel_unsupported",
                    f"this kernel knows no interfaces of kind {kind}: it lacks the module {module} ({option})",
                ) from exc
