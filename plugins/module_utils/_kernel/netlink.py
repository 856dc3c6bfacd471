# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of links, addresses and routes, as plain values. It only reads, and needs no library.

The kernel does the filtering where it can (Linux 4.20); what it lists beyond that is left out here.
Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from .wire import Wire, attribute, attributes

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
RT_TABLE_MAIN, RTN_UNICAST = 254, 1
IFF_UP = 1
ROUTE_TYPES = {RTN_UNICAST: "unicast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}  # RTN_* of linux/rtnetlink.h
IP6_RT_PRIO_USER = 1024  # linux/ipv6_route.h: the metric that a route of IPv6 has which is given none
IFA_F_SECONDARY, IFA_F_DEPRECATED = 0x01, 0x20  # linux/if_addr.h; the first of IPv4 only
_RTM_GETLINK, _RTM_GETADDR, _RTM_GETROUTE, _RTM_GETNSID = 18, 22, 26, 90  # linux/rtnetlink.h
_NETNSA_NSID, _NETNSA_FD = 1, 3  # linux/net_namespace.h
_RTM_GETNEIGHTBL, _NDTA_THRESH3 = 66, 4  # linux/rtnetlink.h, linux/neighbour.h
_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefixlen, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10  # linux/if_link.h
_IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_AF_SPEC, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID = 18, 20, 26, 29, 37
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_INFO_SLAVE_DATA = 1, 2, 5
_IFLA_BRPORT_MODE, _IFLA_BRPORT_ISOLATED = 4, 33
_IFLA_INET_CONF, _IFLA_INET6_CONF = 1, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2  # linux/if_addr.h
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_LEAN = attribute(_IFLA_EXT_MASK, struct.pack("=I", 1 << 3))  # RTEXT_FILTER_SKIP_STATS
_U32, _S32 = struct.Struct("=I"), struct.Struct("=i")


class LinkState(NamedTuple):
    """A link. `master` and `peer` are indexes, 0 for none; `isolated` and `hairpin` are of a port of a bridge.

    The peer of a link on top of another one is that one; `netnsid` is the number of its namespace as the link's own
    knows it, -1 if both are in one. `data` are the attributes of its kind (IFLA_*), by type.
    `inet` and `inet6` are the settings of /proc/sys/net/ipv4/conf and ipv6/conf, an array of int32 each; empty where
    the link has no part in that protocol.
    """

    ifindex: int
    name: str
    kind: str  # as in `ip -d link`; empty for a physical interface
    flags: int  # IFF_*
    mtu: int
    mac: str
    alias: str
    master: int
    peer: int
    isolated: bool
    hairpin: bool
    inet: bytes
    inet6: bytes
    netnsid: int = -1
    data: bytes = b""  # attributes that only its kind has
    port: bytes = b""  # attributes that only a port of a bridge has


class AddressState(NamedTuple):
    """An address of an interface, packed."""

    ifindex: int
    address: bytes
    prefixlen: int
    flags: int  # IFA_F_*


class RouteState(NamedTuple):
    """A route, its addresses packed; empty, or 0, is what it does not have."""

    destination: bytes
    prefixlen: int
    gateway: bytes
    oif: int  # index of the interface that it leads to
    protocol: int
    metric: int
    kind: int  # RTN_*


def link(wire: Wire, name: str) -> LinkState | None:
    """Return the link of that name, None if there is none. Costs the same however many links there are."""
    asked = _IFINFOMSG.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name.encode() + b"\0") + _LEAN
    try:
        return _link(wire.ask(_RTM_GETLINK, asked))
    except OSError as exc:
        if exc.errno == errno.ENODEV:
            return None
        raise


def links(wire: Wire, kind: str = "") -> list[LinkState]:
    """Return every link of a namespace, or those of a kind."""
    wanted = attribute(_IFLA_LINKINFO, attribute(_IFLA_INFO_KIND, kind.encode() + b"\0")) if kind else b""
    found = map(_link, wire.dump(_RTM_GETLINK, _IFINFOMSG.pack(0, 0, 0, 0, 0) + wanted + _LEAN))
    return [each for each in found if not kind or each.kind == kind]


def addresses(wire: Wire, index: int, version: int) -> list[AddressState]:
    """Return the addresses of one interface, of IP version 4 or 6; none if it has gone."""
    try:
        found = wire.dump(_RTM_GETADDR, _IFADDRMSG.pack(FAMILIES[version], 0, 0, 0, index))
    except OSError as exc:
        if exc.errno == errno.ENODEV:
            return []
        raise
    return [each for each in _addresses(found, (FAMILIES[version],)) if each.ifindex == index]


def all_addresses(wire: Wire) -> list[AddressState]:
    """Return every address of a namespace."""
    return list(_addresses(wire.dump(_RTM_GETADDR, _IFADDRMSG.pack(0, 0, 0, 0, 0)), FAMILIES.values()))


def routes(wire: Wire, version: int, table: int = 0, *, kinds: Collection[int] = (RTN_UNICAST,)) -> list[RouteState]:
    """Return the routes of some kinds of a table, by default the unicast ones of every table, of IP version 4 or 6."""
    family = FAMILIES[version]
    asked = _RTMSG.pack(family, 0, 0, 0, table, 0, 0, next(iter(kinds)) if len(kinds) == 1 else 0, 0)
    try:
        found = wire.dump(_RTM_GETROUTE, asked)
    except OSError as exc:
        if exc.errno == errno.ENOENT:  # the table is made with its first route
            return []
        raise
    return list(_routes(found, family, table, kinds))


def namespace_number(wire: Wire, descriptor: int) -> int:
    """Return the number that a socket's namespace knows another one by, -1 if by none."""
    found = wire.ask(_RTM_GETNSID, bytes(4) + attribute(_NETNSA_FD, _U32.pack(descriptor)))
    return _S32.unpack(attributes(found, 4)[_NETNSA_NSID])[0]


def way(wire: Wire, address: IPv4Address | IPv6Address) -> tuple[int, str]:
    """Return the index of the interface that packets to an address leave by, and their source; 0 and "" without a route."""
    asked = _RTMSG.pack(FAMILIES[address.version], address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    try:
        found = attributes(wire.ask(_RTM_GETROUTE, asked + attribute(_RTA_DST, address.packed)), _RTMSG.size)
    except OSError as exc:
        if exc.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
            return 0, ""
        raise
    source = found.get(_RTA_PREFSRC)
    return _number(found.get(_RTA_OIF)), str(ip_address(source)) if source else ""


def neighbours_max(wire: Wire, version: int) -> int:
    """Return how many neighbours of an IP version the kernel keeps, for all namespaces together; 0 if it does not say."""
    asked = struct.pack("=B3x", FAMILIES[version])
    tables = (attributes(body, len(asked)) for body in wire.dump(_RTM_GETNEIGHTBL, asked))
    return max((_number(found.get(_NDTA_THRESH3)) for found in tables), default=0)


def _link(body: bytes) -> LinkState:
    _family, _type, index, flags, _change = _IFINFOMSG.unpack_from(body)
    found = attributes(body, _IFINFOMSG.size)
    info = attributes(found.get(_IFLA_LINKINFO, b""))
    port = info.get(_IFLA_INFO_SLAVE_DATA, b"")
    flags_of_port = attributes(port)
    families = attributes(found.get(_IFLA_AF_SPEC, b""))
    return LinkState(
        index,
        _text(found.get(_IFLA_IFNAME)),
        _text(info.get(_IFLA_INFO_KIND)),
        flags,
        _number(found.get(_IFLA_MTU)),
        found.get(_IFLA_ADDRESS, b"").hex(":"),
        _text(found.get(_IFLA_IFALIAS)),
        _number(found.get(_IFLA_MASTER)),
        _number(found.get(_IFLA_LINK)),
        any(flags_of_port.get(_IFLA_BRPORT_ISOLATED, b"")),
        any(flags_of_port.get(_IFLA_BRPORT_MODE, b"")),
        attributes(families.get(socket.AF_INET, b"")).get(_IFLA_INET_CONF, b""),
        attributes(families.get(socket.AF_INET6, b"")).get(_IFLA_INET6_CONF, b""),
        _S32.unpack(found[_IFLA_LINK_NETNSID])[0] if _IFLA_LINK_NETNSID in found else -1,
        info.get(_IFLA_INFO_DATA, b""),
        port,
    )


def _addresses(bodies: list[bytes], families: Collection[int]) -> Iterator[AddressState]:
    for body in bodies:
        family, prefixlen, flags, _scope, index = _IFADDRMSG.unpack_from(body)
        if family in families:
            found = attributes(body, _IFADDRMSG.size)
            yield AddressState(index, found.get(_IFA_LOCAL) or found[_IFA_ADDRESS], prefixlen, flags)


def _routes(bodies: list[bytes], wanted_family: int, wanted_table: int, kinds: Collection[int]) -> Iterator[RouteState]:
    for body in bodies:
        family, prefixlen, _src, _tos, table, protocol, _scope, kind, _flags = _RTMSG.unpack_from(body)
        if family != wanted_family or kind not in kinds:
            continue
        found = attributes(body, _RTMSG.size)
        if not wanted_table or wanted_table == (_number(found.get(_RTA_TABLE)) or table):
            yield RouteState(
                found.get(_RTA_DST, b""),
                prefixlen,
                found.get(_RTA_GATEWAY, b""),
                _number(found.get(_RTA_OIF)),
                protocol,
                _number(found.get(_RTA_PRIORITY)),
                kind,
            )


def _number(value: bytes | None) -> int:
    return _U32.unpack(value)[0] if value else 0


def _text(value: bytes | None) -> str:
    return value.partition(b"\0")[0].decode("utf-8", "replace") if value else ""
