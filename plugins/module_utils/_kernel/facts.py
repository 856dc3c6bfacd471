# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has of its own: read only where a subnet or an MTU is chosen, since it grows with the host.

Collection-private. Floor 4.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection
from typing import Any

from .._model import HOST, HostFacts, Subnet
from . import netlink

_RESOLV_CONF = "/etc/resolv.conf"
_IPV6 = "/proc/sys/net/ipv6/conf"
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid")
_RTPROT_RA = 9  # linux/rtnetlink.h
_LONGEST_DEFAULT = 1  # 0.0.0.0/1 and 128.0.0.0/1 are how VPNs write a default route


def read(host: Any, ours: Collection[str]) -> HostFacts:
    """Return the host's addresses, routes, nameservers and MTU, without what belongs to the interfaces `ours`."""
    wire = host.netlink(HOST)
    subnets: list[tuple[Subnet, str]] = []
    for address in netlink.all_addresses(wire):
        name = host.ifname(address.ifindex)
        interface = ipaddress.ip_interface((address.address, address.prefixlen))
        if name not in ours and not interface.is_link_local and not interface.is_loopback:
            subnets.append((interface.network, f"address {interface} on {name}"))
    mtu = 1500
    default_metric = None
    advertised: set[str] = set()
    for route in (*netlink.routes(wire, 4), *netlink.routes(wire, 6)):
        name = host.ifname(route.oif)
        if not route.prefixlen and name and (default_metric is None or route.metric < default_metric):
            default_metric = route.metric
            mtu = host.link(HOST, name).mtu
        if not route.prefixlen and name and route.protocol == _RTPROT_RA:
            advertised.add(name)
        if route.prefixlen <= _LONGEST_DEFAULT or name in ours:
            continue
        subnet = ipaddress.ip_network((route.destination, route.prefixlen))
        if not subnet.is_link_local and not subnet.is_multicast and not subnet.is_loopback:
            subnets.append((subnet, f"route {subnet}" + (f" on {name}" if name else "")))
    return HostFacts(
        tuple(subnets), tuple(_nameservers()), mtu, _identity(), os.path.exists(_IPV6), tuple(sorted(advertised))
    )


def _identity() -> str:
    """Return what no other host has: the machine's id, which copies of an image may share, and the host's name."""
    for path in _MACHINE_IDS:
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                machine = file.read().strip()
        except OSError:
            continue
        if machine:
            return f"{machine} {os.uname().nodename}"
    return os.uname().nodename


def _nameservers():
    try:
        with open(_RESOLV_CONF, encoding="utf-8", errors="replace") as file:
            words = [line.split() for line in file]
    except OSError:
        return
    for line in words:
        if len(line) > 1 and line[0] == "nameserver":
            try:
                yield ipaddress.ip_address(line[1].partition("%")[0])
            except ValueError:
                continue
