# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VXLAN devices: observed by name, made in one message as a port of their bridge.

Told from foreign ones as bridges and veths are: by the mark in the alias, or by the MAC where a killed run has left
none. Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from .._changes import Change
from .._errors import NetloomError
from .._model import HOST
from .._overlay import OVERHEAD
from .._resources import Link, Resource
from .._vxlan import Vxlan
from . import netlink
from .netlink import LinkState
from .wire import NLM_F_CREATE, NLM_F_EXCL, Message, attribute, attributes

_RTM_NEWLINK = 16
_IFINFOMSG = struct.Struct("=BxHiII")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 10, 18  # linux/if_link.h
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_ID, _LINK, _LOCAL, _LEARNING, _PROXY, _PORT, _LOCAL6 = 1, 3, 4, 7, 11, 15, 17  # IFLA_VXLAN_*
_IFLA_BRPORT_LEARNING, _IFLA_BRPORT_NEIGH_SUPPRESS = 8, 32
_NUMBER = struct.Struct("=I")
_NESTED = 1 << 15  # NLA_F_NESTED


def observe(host: Any, wanted: Sequence[Vxlan]) -> Iterator[Resource]:
    """Yield what is there of the wanted devices, and a `Link` for whatever foreign one has a wanted name."""
    for resource in wanted:
        found = host.link(HOST, resource.name) or _renamed(host, resource)
        if found is None:
            continue
        if found.kind == "vxlan" and (found.alias == resource.tag or (not found.alias and found.mac == resource.mac)):
            yield _state(host, found, resource)
        else:
            yield Link(HOST, found.name, found.kind)


def _renamed(host: Any, wanted: Vxlan) -> LinkState | None:
    """Return the device under the name that somebody else has given it: it still has the VNI."""
    found = netlink.links(host.netlink(HOST), "vxlan")
    return next((link for link in found if link.alias == wanted.tag), None)


def _state(host: Any, found: LinkState, wanted: Vxlan) -> Vxlan:
    facts = _facts(found)
    underlay = host.ifname(facts.link)
    lower = host.link(HOST, underlay)
    mtu = found.mtu
    if lower is not None and mtu == lower.mtu - OVERHEAD[6 if ":" in facts.local else 4] < wanted.mtu:
        mtu = wanted.mtu  # the kernel takes no more than fits; that it does not is told where the network is resolved
    return Vxlan(
        found.name,
        master=host.ifname(found.master),
        vni=facts.vni,
        port=facts.port,
        local=facts.local,
        underlay=underlay,
        learning=facts.learning,
        mtu=mtu,
        mac=found.mac,
        tag=found.alias,
        isolated=found.isolated,
        evpn=facts.evpn,
        suppressing=_is_suppressing(found),
    )


def _is_suppressing(link: LinkState) -> bool:
    port = attributes(link.port)
    return any(port.get(_IFLA_BRPORT_NEIGH_SUPPRESS, b"")) and not any(port.get(_IFLA_BRPORT_LEARNING, b""))


class _Facts(NamedTuple):
    """What a link's message says of VXLAN devices only."""

    vni: int
    port: int
    local: str
    link: int  # index of the interface that packets leave by, 0 where the routes decide
    learning: bool
    evpn: bool  # it neither learns nor answers for neighbours


def _facts(link: LinkState) -> _Facts:
    data = attributes(link.data)
    local = data.get(_LOCAL) or data.get(_LOCAL6, b"")
    learning, proxy = (any(data.get(kind, b"")) for kind in (_LEARNING, _PROXY))
    return _Facts(
        _NUMBER.unpack(data.get(_ID, bytes(4)))[0],
        int.from_bytes(data.get(_PORT, b""), "big"),
        str(ip_address(local)) if local else "",
        _NUMBER.unpack(data.get(_LINK, bytes(4)))[0],
        learning and not proxy,
        not learning and not proxy,
    )


def owner(host: Any, heard_at: tuple[int, int, int], but: str) -> str:
    """Return the name of another VXLAN device than `but` that has a VNI, port and IP version; empty if none has."""
    vni, port, version = heard_at
    for link in netlink.links(host.netlink(HOST), "vxlan"):
        facts = _facts(link)
        if link.name != but and (facts.vni, facts.port) == (vni, port) and (":" in facts.local) == (version == 6):
            return link.name
    return ""


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make the changes.

    :raises NetloomError: kernel_unsupported, option_invalid: somebody else has the VNI.
    """
    for change in changes:
        if change.after is None:
            from . import linking

            linking.remove(host, [change.before])  # or it has gone with the interface that its packets leave by
        else:
            _make(host, change.before, change.after)  # type: ignore[arg-type]


def _make(host: Any, before: Vxlan | None, after: Vxlan) -> None:
    from . import messages

    wire = host.netlink(HOST)
    if before is None:
        message = _new(after, host.index(HOST, after.master), after.underlay and host.index(HOST, after.underlay))
        try:
            host.execute(f"create VXLAN interface {after.name}", wire.change, message)
        except NetloomError as exc:
            raise _spoken(exc, after) from exc.__cause__
    index = host.index(HOST, after.name)
    outer: dict[str, Any] = {}
    if before is not None and before.master != after.master:
        outer["master"] = host.index(HOST, after.master)
    if before is not None and before.mtu != after.mtu:
        outer["mtu"] = after.mtu
    if before is not None and before.mac != after.mac:
        outer["address"] = after.mac
    host.execute(f"configure interface {after.name}", wire.change, messages.set_link(index, alias=after.tag, **outer))
    kept = before if before is not None and before.master == after.master else None  # a new port has none of its flags
    if after.isolated != (kept is not None and kept.isolated):
        settings = messages.set_port(index, isolated=after.isolated, hairpin=False)
        host.execute(f"configure port {after.name}", wire.change, settings)
    if after.suppressing != (kept is not None and kept.suppressing):
        settings = messages.set_suppressing(index, suppressing=after.suppressing)
        host.execute(f"configure neighbours of {after.name}", wire.change, settings)


def _new(vxlan: Vxlan, master: int, link: int | str) -> Message:
    """Return the message that makes a device. pyroute2's versions do not spell these attributes alike."""
    local = ip_address(vxlan.local)
    data = attribute(_ID, _NUMBER.pack(vxlan.vni))
    data += attribute(_LOCAL if local.version == 4 else _LOCAL6, local.packed)
    data += attribute(_PORT, struct.pack("!H", vxlan.port))
    data += attribute(_LEARNING, bytes([vxlan.learning]))
    if not vxlan.learning and not vxlan.evpn:
        data += attribute(_PROXY, b"\1")
    if link:
        data += attribute(_LINK, _NUMBER.pack(link))
    kind = attribute(_IFLA_INFO_KIND, b"vxlan\0") + attribute(_IFLA_INFO_DATA | _NESTED, data)
    body = _IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    body += attribute(_IFLA_IFNAME, vxlan.name.encode() + b"\0")
    body += attribute(_IFLA_ADDRESS, bytes.fromhex(vxlan.mac.replace(":", "")))
    body += attribute(_IFLA_MTU, _NUMBER.pack(vxlan.mtu)) + attribute(_IFLA_MASTER, _NUMBER.pack(master))
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body + attribute(_IFLA_LINKINFO | _NESTED, kind))


def _spoken(error: NetloomError, wanted: Vxlan) -> NetloomError:
    if error.code == "kernel_unsupported":
        return NetloomError(error.code, f"{error.message}; the kernel lacks the module vxlan")
    if getattr(error.__cause__, "errno", None) == errno.EEXIST:
        words = f"driver_options.vni: {wanted.vni} at port {wanted.port} is that of an interface which is not ours"
        return NetloomError("option_invalid", f"{words}: {error.message}")
    return error
