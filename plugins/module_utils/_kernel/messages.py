# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages that change links, addresses and routes, and the one place that knows pyroute2, which encodes them.

pyroute2 takes longer over a message than the kernel does. So it encodes each shape of message once, with values that
occur nowhere else in it; the bytes are kept, and for every further message only those values are replaced.
Works with pyroute2 0.7.2 and later. Collection-private. Floor 4.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

from .._errors import NetloomError
from .._model import IPInterface
from .netlink import FAMILIES, RT_TABLE_MAIN, RTN_UNICAST
from .wire import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Message

_RTM_NEWLINK, _RTM_DELLINK = 16, 17  # linux/rtnetlink.h
_RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWROUTE, _RTM_DELROUTE = 20, 21, 24, 25
_IFF_UP = 1
_IFA_F_NODAD = 2  # a bridge without carrier stays tentative for ever, and we give no address twice
_IFNAMSIZ = 16


class Slot(NamedTuple):
    """A place in a shape for a value of `size` bytes."""

    kind: str
    size: int


class Template(NamedTuple):
    """An encoded message, and where in it the values are: (start, end) of each, in the order of the shape."""

    body: bytes
    places: tuple[tuple[int, int], ...]


NAME, MAC, NUMBER = Slot("name", _IFNAMSIZ), Slot("mac", 6), Slot("number", 4)
_IP = {4: Slot("ipv4", 4), 6: Slot("ipv6", 16)}
_SLOTS = {"address": MAC, "mtu": NUMBER, "master": NUMBER, "group": NUMBER}
_BRIDGE = (
    "ifinfmsg",
    (),
    (("IFLA_IFNAME", NAME), ("IFLA_ADDRESS", MAC), ("IFLA_LINKINFO", (("IFLA_INFO_KIND", "bridge"),))),
)
_PEER = (("IFLA_IFNAME", NAME), ("IFLA_NET_NS_FD", NUMBER), ("IFLA_ADDRESS", MAC), ("IFLA_MTU", NUMBER))
_VETH = (
    "ifinfmsg",
    (),
    (
        *(("IFLA_IFNAME", NAME), ("IFLA_ADDRESS", MAC), ("IFLA_MTU", NUMBER), ("IFLA_MASTER", NUMBER)),
        ("IFLA_LINKINFO", (("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", (("VETH_INFO_PEER", _PEER),)))),
    ),
)
_templates: dict[Any, Template] = {}


def library() -> dict[str, Any]:
    """Return the classes of pyroute2 that encode messages.

    :raises NetloomError: missing_dependency.
    """
    try:
        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # 0.1 s, so only where something is to be changed
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
        from pyroute2.netlink.rtnl.rtmsg import rtmsg
    except ImportError as exc:
        raise NetloomError(
            "missing_dependency", f"the target needs the Python library pyroute2, 0.7.2 or later ({exc})"
        ) from exc
    return {"ifinfmsg": ifinfmsg, "ifaddrmsg": ifaddrmsg, "rtmsg": rtmsg}


# --- links ---


def new_bridge(name: str, mac: str) -> Message:
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, encoded(_BRIDGE, _name(name), _mac(mac)))


def new_veth(name: str, mac: str, mtu: int, master: int, peer: tuple[str, int, str]) -> Message:
    """Return the message that makes a veth pair; `peer` is the name, the namespace's descriptor and the MAC there."""
    ifname, descriptor, peer_mac = peer
    outer = (_name(name), _mac(mac), _number(mtu), _number(master))
    inner = (_name(ifname), _number(descriptor), _mac(peer_mac), _number(mtu))
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, encoded(_VETH, *outer, *inner))


def set_link(index: int, *, alias: str | None = None, **attributes: int | str) -> Message:
    """Return the message that sets attributes of a link: its alias, and mtu, address, master and group."""
    shape: list[tuple[str, Any]] = [(f"IFLA_{name.upper()}", _SLOTS[name]) for name in attributes]
    values = [_mac(value) if isinstance(value, str) else _number(value) for value in attributes.values()]
    if alias:
        values.append(alias.encode())
        shape.append(("IFLA_IFALIAS", Slot("text", len(values[-1]))))
    elif alias is not None:
        shape.append(("IFLA_IFALIAS", ""))
    body = encoded(("ifinfmsg", (("index", NUMBER),), tuple(shape)), _number(index), *values)
    return Message(_RTM_NEWLINK, 0, body)


def set_isolated(index: int, *, isolated: bool) -> Message:
    slave = (("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", (("IFLA_BRPORT_ISOLATED", int(isolated)),)))
    shape = ("ifinfmsg", (("index", NUMBER),), (("IFLA_LINKINFO", slave),))
    return Message(_RTM_NEWLINK, 0, encoded(shape, _number(index)))


def set_up(index: int, *, up: bool) -> Message:
    shape = ("ifinfmsg", (("index", NUMBER), ("flags", _IFF_UP if up else 0), ("change", _IFF_UP)), ())
    return Message(_RTM_NEWLINK, 0, encoded(shape, _number(index)))


def delete_link(index: int) -> Message:
    return Message(_RTM_DELLINK, 0, encoded(("ifinfmsg", (("index", NUMBER),), ()), _number(index)))


def delete_links(group: int) -> Message:
    return Message(_RTM_DELLINK, 0, encoded(("ifinfmsg", (), (("IFLA_GROUP", NUMBER),)), _number(group)))


# --- addresses and routes ---


def address(index: int, interface: IPInterface, *, present: bool) -> Message:
    """Return the message that adds an address, or removes it."""
    slot, packed = _IP[interface.version], interface.packed
    attributes: list[tuple[str, Slot | int]] = [("IFA_LOCAL", slot), ("IFA_ADDRESS", slot)]
    values = [packed, packed]
    if interface.version == 6:
        attributes.append(("IFA_FLAGS", _IFA_F_NODAD))
    elif present and interface.network.prefixlen < 31:
        attributes.append(("IFA_BROADCAST", slot))
        values.append(interface.network.broadcast_address.packed)
    header = (("family", FAMILIES[interface.version]), ("prefixlen", interface.network.prefixlen), ("index", NUMBER))
    body = encoded(("ifaddrmsg", header, tuple(attributes)), _number(index), *values)
    if present:
        return Message(_RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)
    return Message(_RTM_DELADDR, 0, body)


def route(index: int, destination: str, gateway: str, protocol: int, *, present: bool) -> Message:
    """Return the message that makes the main table's route to `destination` this one, or removes it."""
    to, _slash, length = destination.partition("/")
    version = 6 if ":" in to else 4
    family = FAMILIES[version]
    attributes, values = [("RTA_OIF", NUMBER)], [_number(index)]
    for name, text in (("RTA_GATEWAY", gateway), ("RTA_DST", to if int(length) else "")):
        if text:
            attributes.append((name, _IP[version]))
            values.append(socket.inet_pton(family, text))
    header = (("family", int(family)), ("dst_len", int(length)), ("table", RT_TABLE_MAIN), ("proto", protocol))
    body = encoded(("rtmsg", (*header, ("type", RTN_UNICAST)), tuple(attributes)), *values)
    if present:
        return Message(_RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body)
    return Message(_RTM_DELROUTE, 0, body)


# --- templates ---


def encoded(shape: Any, *values: bytes) -> bytes:
    """Return the message of a shape with `values` in its slots.

    A shape is the name of a class of pyroute2, the fields of its header, and its attributes, which may have
    attributes of their own; each a name with a constant or a `Slot`.
    """
    template = _templates.get(shape)
    if template is None:
        template = _templates[shape] = _made(shape)
    return filled(template, values)


def filled(template: Template, values: tuple[bytes, ...]) -> bytes:
    """Return the message of a template with `values` in its places.

    :raises ValueError: a value is longer or shorter than its place, or one is missing.
    """
    message = bytearray(template.body)
    if [end - start for start, end in template.places] != [*map(len, values)]:
        raise ValueError(f"{values!r} do not fit a message with {template.places!r}")
    for (start, end), value in zip(template.places, values):
        message[start:end] = value
    return bytes(message)


def located(body: bytes, sentinels: list[bytes]) -> Template:
    """Return the template of an encoded message, given the values that stand in its slots.

    :raises ValueError: one of them is not there, or more than once.
    """
    if any(body.count(sentinel) != 1 for sentinel in sentinels):
        raise ValueError("a message's values cannot be told from the rest of it")
    starts = [body.index(sentinel) for sentinel in sentinels]
    return Template(body, tuple((start, start + len(value)) for start, value in zip(starts, sentinels)))


def _made(shape: Any) -> Template:
    kind, fields, attributes = shape
    sentinels: list[bytes] = []
    message = library()[kind]()
    for name, value in fields:
        message[name] = _standing_in(value, sentinels)
    message["attrs"] = _standing_in(attributes, sentinels)
    message.encode()
    return located(bytes(message.data)[16:], sentinels)  # struct nlmsghdr is the socket's business


def _standing_in(value: Any, sentinels: list[bytes]) -> Any:
    """Return `value` as pyroute2 takes it, with something unmistakable, kept in `sentinels`, for each slot in it."""
    if isinstance(value, Slot):
        sentinels.append(_sentinel(value, len(sentinels)))
        return _spelt(value, sentinels[-1])
    if isinstance(value, tuple):
        items = ((name, _standing_in(inner, sentinels)) for name, inner in value)
        return [(name, {"attrs": inner} if isinstance(inner, list) else inner) for name, inner in items]
    return value


def _sentinel(slot: Slot, number: int) -> bytes:
    if slot.kind == "name":
        return bytes([0x41 + number]) * (slot.size - 1) + b"\0"
    if slot.kind == "text":
        return bytes([0x61 + number]) * slot.size
    return bytes([0x5A - number, 0x21 + number] * 8)[: slot.size]  # below 0x80: some numbers have a sign


def _spelt(slot: Slot, value: bytes) -> Any:
    """Return a value as pyroute2 takes it."""
    if slot.kind in ("name", "text"):
        return value.rstrip(b"\0").decode()
    if slot.kind == "mac":
        return value.hex(":")
    if slot.kind == "number":
        return struct.unpack("=I", value)[0]
    return socket.inet_ntop(socket.AF_INET6 if slot.size == 16 else socket.AF_INET, value)


def _name(value: str) -> bytes:
    return value.encode().ljust(_IFNAMSIZ, b"\0")


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))


def _number(value: int) -> bytes:
    return struct.pack("=I", value)
