# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VXLAN device sends where: its forwarding table, and the neighbours that it answers for.

What it has learned by itself is not ours, but is forgotten with the peer that it was learned from. Where a routing
daemon fills the table, that is not ours either: what it is to tell other hosts is, members behind ports of a bridge and
the bridge's neighbours.
Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from .._changes import Change
from .._model import HOST
from .._resources import Resource
from .._vxlan import EVERYBODY, Forwarding, Neighbour, Station
from .netlink import FAMILIES, LinkState
from .wire import NLM_F_CREATE, NLM_F_REPLACE, Message, Wire, attribute, attributes

_RTM_NEWNEIGH, _RTM_DELNEIGH, _RTM_GETNEIGH = 28, 29, 30  # linux/rtnetlink.h
_NDMSG = struct.Struct("=BxHiHBB")  # family, index, state, flags, type
_NDA_DST, _NDA_LLADDR, _NDA_IFINDEX = 1, 2, 8  # linux/neighbour.h
_NTF_SELF = 0x02  # of the device itself, not of the bridge that it is a port of
_NTF_MASTER = 0x04  # of the bridge
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_NLM_F_APPEND = 0x800


class _Entry(NamedTuple):
    """An entry of a forwarding table: where frames to `mac` go. `learned` by the device, which forgets it after a while."""

    mac: str
    peer: str
    learned: bool


def observe(host: Any, wanted: Sequence[Any]) -> Iterator[Resource]:
    """Yield what there is of a VXLAN device's entries that somebody has put there, wanted or not; and what is wanted of
    its neighbours, and of a bridge's neighbours and entries."""
    for ifname in dict.fromkeys(resource.ifname for resource in wanted):
        link = host.link(HOST, ifname)
        if link is None:
            continue
        wire = host.netlink(HOST)
        if link.kind != "vxlan":
            yield from _bridged(wire, link, [each for each in wanted if each.ifname == ifname])
            continue
        entries = (entry for entry in _entries(wire, link.ifindex) if not entry.learned)
        yield from (Forwarding(ifname, entry.mac, entry.peer) for entry in entries)
        asked = {each.address for each in wanted if isinstance(each, Neighbour) and each.ifname == ifname}
        if asked:
            yield from (each for each in _neighbours(wire, link.ifindex, ifname) if each.address in asked)


def _entries(wire: Wire, index: int) -> Iterator[_Entry]:
    """Yield the entries of a device's own forwarding table."""
    for body in wire.dump(_RTM_GETNEIGH, _NDMSG.pack(socket.AF_BRIDGE, 0, index, 0, 0, 0)):
        _family, _pad, at, state, flags, _type = _NDMSG.unpack_from(body)
        found = attributes(body, _NDMSG.size)
        if at == index and flags & _NTF_SELF and _NDA_DST in found:
            mac, peer = found[_NDA_LLADDR].hex(":"), str(ip_address(found[_NDA_DST]))
            yield _Entry(mac, peer, not state & _NUD_PERMANENT)


def _bridged(wire: Wire, link: LinkState, wanted: Sequence[Any]) -> Iterator[Resource]:
    """Yield what is wanted of a bridge's neighbours, or of its entries for a port, as somebody has put it there.

    Each is asked for by itself: it costs the same however many there are.
    """
    for address in dict.fromkeys(each.address for each in wanted if isinstance(each, Neighbour)):
        header = _NDMSG.pack(FAMILIES[ip_address(address).version], 0, link.ifindex, 0, 0, 0)
        _at, state, mac = _asked(wire, header + _destination(address))
        if state & _NUD_PERMANENT:
            yield Neighbour(link.name, address, mac)
    for mac in dict.fromkeys(each.mac for each in wanted if isinstance(each, Station)):
        header = _NDMSG.pack(socket.AF_BRIDGE, 0, link.ifindex, 0, _NTF_MASTER, 0)
        at, state, _mac = _asked(wire, header + _hardware(mac))
        if at == link.ifindex and state & _NUD_NOARP:
            yield Station(link.name, mac)


def _asked(wire: Wire, request: bytes) -> tuple[int, int, str]:
    """Return the interface, the state and the MAC of an entry; nothing of each if there is none."""
    try:
        body = wire.ask(_RTM_GETNEIGH, request)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.EINVAL):  # EINVAL: the interface is a port of no bridge
            return 0, 0, ""
        raise
    _family, _pad, at, state, _flags, _type = _NDMSG.unpack_from(body)
    return at, state, attributes(body, _NDMSG.size).get(_NDA_LLADDR, b"").hex(":")


def _neighbours(wire: Wire, index: int, ifname: str) -> Iterator[Neighbour]:
    """Yield the neighbours of a device that somebody has put there."""
    for family in FAMILIES.values():
        which = attribute(_NDA_IFINDEX, struct.pack("=I", index))
        for body in wire.dump(_RTM_GETNEIGH, _NDMSG.pack(family, 0, 0, 0, 0, 0) + which):
            _family, _pad, at, state, _flags, _type = _NDMSG.unpack_from(body)
            found = attributes(body, _NDMSG.size)
            if at == index and state & _NUD_PERMANENT and _NDA_LLADDR in found:
                yield Neighbour(ifname, str(ip_address(found[_NDA_DST])), found[_NDA_LLADDR].hex(":"))


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make the changes. What was learned from a peer goes before the peer: a run that is killed between begins anew."""
    leaving: dict[str, set[str]] = {}
    for change in changes:
        before = change.before
        if change.after is None and isinstance(before, Forwarding) and before.mac == EVERYBODY:
            leaving.setdefault(before.ifname, set()).add(before.peer)
    for ifname, peers in leaving.items():
        host.execute(f"forget what {ifname} has learned from {', '.join(sorted(peers))}", _forget, host, ifname, peers)
    wire = host.netlink(HOST)
    for change in changes:
        resource: Any = change.resource
        index = host.index(HOST, resource.ifname)
        message = _message(index, resource, present=change.after is not None)
        if change.after is not None:
            host.execute(str(change), wire.change, message)
        else:
            host.execute(str(change), _delete, wire, message)


def _forget(host: Any, ifname: str, peers: Iterable[str]) -> None:
    wire, index = host.netlink(HOST), host.index(HOST, ifname)
    for entry in [*_entries(wire, index)]:
        if entry.learned and entry.peer in peers:
            _delete(wire, _message(index, Forwarding(ifname, entry.mac, entry.peer), present=False))


def _delete(wire: Wire, message: Message) -> None:
    """Delete an entry, which may have gone by itself meanwhile."""
    try:
        wire.change(message)
    except OSError as exc:
        if exc.errno != errno.ENOENT:
            raise


def _message(index: int, resource: Forwarding | Neighbour | Station, *, present: bool) -> Message:
    """Return the message that adds an entry, or removes it."""
    how, to = NLM_F_REPLACE, b""
    if isinstance(resource, Neighbour):
        to = _destination(resource.address)
        family, state, flags = FAMILIES[ip_address(resource.address).version], _NUD_PERMANENT, 0
    elif isinstance(resource, Station):
        family, state, flags = socket.AF_BRIDGE, _NUD_NOARP, _NTF_MASTER
    else:
        to = _destination(resource.peer)
        family, state, flags = socket.AF_BRIDGE, _NUD_NOARP | _NUD_PERMANENT, _NTF_SELF
        # Of one MAC, only that of everybody goes to more than one peer.
        how = _NLM_F_APPEND if resource.mac == EVERYBODY else NLM_F_REPLACE
    body = _NDMSG.pack(family, 0, index, state, flags, 0) + to + _hardware(resource.mac)
    if present:
        return Message(_RTM_NEWNEIGH, NLM_F_CREATE | how, body)
    return Message(_RTM_DELNEIGH, 0, body)


def _destination(address: str) -> bytes:
    return attribute(_NDA_DST, ip_address(address).packed)


def _hardware(mac: str) -> bytes:
    return attribute(_NDA_LLADDR, bytes.fromhex(mac.replace(":", "")))
