# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection tracking: looked through, and forgotten where a task has moved what connections led to.

pyroute2 reads every entry into a tree of objects; there may be a hundred thousand. Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import Any, NamedTuple

from .._errors import NetloomError
from .._flows import Flows
from .._model import HOST
from .._resources import PROTOCOLS
from . import netlink
from .wire import Message, Wire, attribute, attributes

_NETLINK_NETFILTER = 12
_CT_GET, _CT_DELETE = 1 << 8 | 1, 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_*
_NFGENMSG = struct.Struct("=BBH")  # family, version, resource
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_STATUS, _CTA_ID, _CTA_ZONE = 1, 2, 3, 12, 18
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_CTA_IP: dict[int, tuple[int, int]] = {socket.AF_INET: (1, 2), socket.AF_INET6: (3, 4)}  # source, destination
_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT = 1, 2, 3
_NLA_F_NESTED = 1 << 15
_IPS_DST_NAT = 1 << 5
_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"


class Tuple(NamedTuple):
    """One direction of a connection, addresses packed."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: int
    destination_port: int


def forget(host: Any, flows: Flows) -> None:
    """Have the kernel forget `flows`.

    :raises NetloomError: kernel_unsupported, it tracks connections but cannot be told to forget any.
    """
    local = {each.address for each in netlink.all_addresses(host.netlink(HOST))} if flows.gained else set()
    host.execute("forget connections", _forget, flows, local)


def _forget(flows: Flows, local: set[bytes]) -> None:
    try:
        with open(_COUNT, encoding="ascii") as file:
            tracked = int(file.read())
    except FileNotFoundError:
        return
    if not tracked:
        return
    wire = Wire(_NETLINK_NETFILTER)
    try:
        for family in (socket.AF_INET, socket.AF_INET6):
            version = 6 if family == socket.AF_INET6 else 4
            wanted = _Wanted(flows, version, local)
            if wanted:
                _forget_family(wire, family, wanted)
    except OSError as exc:
        if exc.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            raise NetloomError(
                "kernel_unsupported", "the kernel lacks nf_conntrack_netlink, to forget connections"
            ) from exc
        raise
    finally:
        wire.close()


def _forget_family(wire: Wire, family: int, wanted: _Wanted) -> None:
    header = _NFGENMSG.pack(family, 0, 0)
    for body in wire.dump(_CT_GET, header):
        found = attributes(body, _NFGENMSG.size) if wanted.may_have(body) else {}
        if not found:
            continue
        origin, reply = (_tuple(found[side], family) for side in (_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY))
        if not wanted.has(origin, reply, found):
            continue
        named = attribute(_CTA_TUPLE_ORIG | _NLA_F_NESTED, found[_CTA_TUPLE_ORIG])
        named += b"".join(attribute(kind, found[kind]) for kind in (_CTA_ID, _CTA_ZONE) if kind in found)
        try:
            wire.change(Message(_CT_DELETE, 0, header + named))
        except OSError as exc:
            if exc.errno != errno.ENOENT:  # it has ended meanwhile
                raise


class _Wanted:
    """What of one IP version is to be forgotten."""

    def __init__(self, flows: Flows, version: int, local: set[bytes]):
        self._addresses = {address.packed for address in flows.addresses if address.version == version}
        self._lost = {each for each in flows.lost if each.member.version == version}
        self._targets = {(each.member.packed, int(PROTOCOLS[each.protocol]), each.target) for each in self._lost}
        self._gained = {
            (int(PROTOCOLS[each.protocol]), each.port): each for each in flows.gained if each.member.version == version
        }
        self._local = local
        needles = {*self._addresses, *(each.member.packed for each in self._lost)}
        # Looking for a few addresses in a message is quicker than reading it.
        self._needles: tuple[bytes, ...] = tuple(needles) if len(needles) <= 8 and not self._gained else ()

    def __bool__(self) -> bool:
        return bool(self._addresses or self._lost or self._gained)

    def may_have(self, body: bytes) -> bool:
        return not self._needles or any(needle in body for needle in self._needles)

    def has(self, origin: Tuple, reply: Tuple, found: dict[int, bytes]) -> bool:
        if origin.source in self._addresses or reply.source in self._addresses:
            return True
        translated = int.from_bytes(found.get(_CTA_STATUS, b""), "big") & _IPS_DST_NAT
        if not translated:
            gained = self._gained.get((origin.protocol, origin.destination_port))
            return gained is not None and _is_at(origin.destination, gained.place, self._local)
        if (reply.source, reply.protocol, reply.source_port) not in self._targets:
            return False
        return any(
            (each.member.packed, each.port, each.target) == (reply.source, origin.destination_port, reply.source_port)
            and _is_at(origin.destination, each.place, None)
            for each in self._lost
        )


def _is_at(address: bytes, place: str, anywhere: set[bytes] | None) -> bool:
    """Return whether an address is the one at `place`; where that is empty, one of `anywhere`, None for all."""
    if place:
        return address == ipaddress.ip_address(place).packed
    return anywhere is None or address in anywhere


def _tuple(data: bytes, family: int) -> Tuple:
    found = attributes(data)
    addresses, protocol = attributes(found.get(_CTA_TUPLE_IP, b"")), attributes(found.get(_CTA_TUPLE_PROTO, b""))
    source, destination = _CTA_IP[family]
    numbers = (protocol.get(kind, b"") for kind in (_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT))
    return Tuple(
        addresses.get(source, b""),
        addresses.get(destination, b""),
        *(int.from_bytes(number, "big") for number in numbers),
    )
