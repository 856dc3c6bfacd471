# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages that change links, addresses and routes: what is in them, by the names of pyroute2 and the kernel.

Collection-private. Floor 4.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from .._model import IPInterface
from .._resources import Route
from .netlink import FAMILIES, IFF_UP, IP6_RT_PRIO_USER, ROUTE_TYPES, RT_TABLE_MAIN
from .templates import Slot, encoded
from .wire import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Message, attribute

_RTM_NEWLINK, _RTM_DELLINK = 16, 17  # linux/rtnetlink.h
_RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWROUTE, _RTM_DELROUTE = 20, 21, 24, 25
_IFA_F_NODAD = 2  # a bridge without carrier stays tentative for ever, and we give no address twice
_IFLA_AF_SPEC, _IFLA_INET_CONF, _NLA_F_NESTED = 26, 1, 1 << 15
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA = 18, 1, 2
_IFLA_SUBLINK_MODE, _IFLA_IPVLAN_FLAGS = 1, 2  # IFLA_MACVLAN_MODE and IFLA_IPVLAN_MODE of linux/if_link.h
_RTM_NEWNSID, _NETNSA_NSID, _NETNSA_FD = 88, 1, 3  # linux/net_namespace.h
_IFA_CACHEINFO, _FOREVER = 6, 0xFFFFFFFF


NAME, MAC, NUMBER = Slot("name", 16), Slot("mac", 6), Slot("number", 4)
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


# --- links ---


def new_bridge(name: str, mac: str) -> Message:
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, encoded(_BRIDGE, _name(name), _mac(mac)))


def new_veth(name: str, mac: str, mtu: int, master: int, peer: tuple[str, int, str]) -> Message:
    """Return the message that makes a veth pair; `peer` is the name, the namespace's descriptor and the MAC there."""
    ifname, descriptor, peer_mac = peer
    outer = (_name(name), _mac(mac), _number(mtu), _number(master))
    inner = (_name(ifname), _number(descriptor), _mac(peer_mac), _number(mtu))
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, encoded(_VETH, *outer, *inner))


def new_vlan(name: str, lower: int, vid: int) -> Message:
    """Return the message that makes an 802.1Q interface on the link with the index `lower`."""
    info = (("IFLA_INFO_KIND", "vlan"), ("IFLA_INFO_DATA", (("IFLA_VLAN_ID", vid),)))
    shape = ("ifinfmsg", (), (("IFLA_IFNAME", NAME), ("IFLA_LINK", NUMBER), ("IFLA_LINKINFO", info)))
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, encoded(shape, _name(name), _number(lower)))


def new_sublink(name: str, mac: str, mtu: int, lower: tuple[int, int | None], kind: tuple[str, int, int]) -> Message:
    """Return the message that makes a macvlan or ipvlan link; `kind` is that, with its mode and flag.

    `lower` is the index of the link that it is on, and the number of that one's namespace where it is another.
    """
    shape: list[tuple[str, Any]] = [("IFLA_IFNAME", NAME), ("IFLA_MTU", NUMBER), ("IFLA_LINK", NUMBER)]
    values = [_name(name), _number(mtu), _number(lower[0])]
    if lower[1] is not None:
        shape.append(("IFLA_LINK_NETNSID", lower[1]))
    if mac:
        shape.append(("IFLA_ADDRESS", MAC))
        values.append(_mac(mac))
    body = encoded(("ifinfmsg", (), tuple(shape)), *values)
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body + _sublink_info(*kind))


def set_mode(index: int, kind: str, mode: int, flag: int) -> Message:
    """Return the message that changes the mode of a macvlan or ipvlan link."""
    header = encoded(("ifinfmsg", (("index", NUMBER),), ()), _number(index))
    return Message(_RTM_NEWLINK, 0, header + _sublink_info(kind, mode, flag))


def _sublink_info(kind: str, mode: int, flag: int) -> bytes:
    # pyroute2 knows no flags of ipvlan, and leaves out what it does not know.
    size = {"macvlan": "=I", "ipvlan": "=H"}[kind]
    data = attribute(_IFLA_SUBLINK_MODE, struct.pack(size, mode))
    if kind == "ipvlan":
        data += attribute(_IFLA_IPVLAN_FLAGS, struct.pack(size, flag))
    info = attribute(_IFLA_INFO_KIND, kind.encode() + b"\0") + attribute(_IFLA_INFO_DATA | _NLA_F_NESTED, data)
    return attribute(_IFLA_LINKINFO | _NLA_F_NESTED, info)


def new_link_without_parent(kind: str) -> Message:
    """Return a message that the kernel refuses for want of a parent, if it knows the kind of link."""
    shape = ("ifinfmsg", (), (("IFLA_LINKINFO", (("IFLA_INFO_KIND", kind),)),))
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, encoded(shape))


def new_namespace_number(descriptor: int) -> Message:
    """Return the message that gives another namespace a number in the socket's own, one that is free."""
    # struct rtgenmsg; pyroute2 has no part in it.
    body = bytes(4) + attribute(_NETNSA_NSID, struct.pack("=i", -1)) + attribute(_NETNSA_FD, _number(descriptor))
    return Message(_RTM_NEWNSID, 0, body)


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


def set_port(index: int, *, isolated: bool, hairpin: bool) -> Message:
    """Return the message that says what a port of a bridge may do."""
    flags = (("IFLA_BRPORT_MODE", int(hairpin)), ("IFLA_BRPORT_ISOLATED", int(isolated)))
    slave = (("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", flags))
    shape = ("ifinfmsg", (("index", NUMBER),), (("IFLA_LINKINFO", slave),))
    return Message(_RTM_NEWLINK, 0, encoded(shape, _number(index)))


def set_suppressing(index: int, *, suppressing: bool) -> Message:
    """Return the message that has a port of a bridge learn nothing, and the bridge answer for its neighbours."""
    flags = (("IFLA_BRPORT_LEARNING", int(not suppressing)), ("IFLA_BRPORT_NEIGH_SUPPRESS", int(suppressing)))
    slave = (("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", flags))
    shape = ("ifinfmsg", (("index", NUMBER),), (("IFLA_LINKINFO", slave),))
    return Message(_RTM_NEWLINK, 0, encoded(shape, _number(index)))


def set_up(index: int, *, up: bool) -> Message:
    shape = ("ifinfmsg", (("index", NUMBER), ("flags", IFF_UP if up else 0), ("change", IFF_UP)), ())
    return Message(_RTM_NEWLINK, 0, encoded(shape, _number(index)))


def set_inet(index: int, number: int, value: int) -> Message:
    """Return the message that sets one of a link's settings for IPv4, by its IPV4_DEVCONF_* number."""
    header = encoded(("ifinfmsg", (("index", NUMBER),), ()), _number(index))
    # pyroute2 can read these attributes, and not write them.
    inner = attribute(
        socket.AF_INET | _NLA_F_NESTED, attribute(_IFLA_INET_CONF | _NLA_F_NESTED, attribute(number, _number(value)))
    )
    return Message(_RTM_NEWLINK, 0, header + attribute(_IFLA_AF_SPEC | _NLA_F_NESTED, inner))


def move_link(index: int, name: str, descriptor: int) -> Message:
    """Return the message that moves a link to an open namespace, under a name that nothing has there."""
    shape = ("ifinfmsg", (("index", NUMBER),), (("IFLA_NET_NS_FD", NUMBER), ("IFLA_IFNAME", NAME)))
    return Message(_RTM_NEWLINK, 0, encoded(shape, _number(index), _number(descriptor), _name(name)))


def delete_link(index: int) -> Message:
    return Message(_RTM_DELLINK, 0, encoded(("ifinfmsg", (("index", NUMBER),), ()), _number(index)))


def delete_links(group: int) -> Message:
    return Message(_RTM_DELLINK, 0, encoded(("ifinfmsg", (), (("IFLA_GROUP", NUMBER),)), _number(group)))


# --- addresses and routes ---


def address(index: int, interface: IPInterface, *, present: bool, deprecated: bool = False) -> Message:
    """Return the message that adds an address, or removes it. A `deprecated` one is no source of what is sent."""
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
    if deprecated and present:
        # pyroute2 has had different names for what is in it: preferred and valid for how long, and two times.
        body += attribute(_IFA_CACHEINFO, struct.pack("=IIII", 0, _FOREVER, 0, 0))
    if present:
        return Message(_RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)
    return Message(_RTM_DELADDR, 0, body)


def route(wanted: Route, index: int, protocol: int, *, present: bool) -> Message:
    """Return the message that makes the main table's route of a destination and metric this one, or removes it.

    `index` is that of its interface, 0 for a route that has none.
    """
    gateway, destination = wanted.gateway, wanted.destination
    to, _slash, length = destination.partition("/")
    version = 6 if ":" in to else 4
    family = FAMILIES[version]
    attributes: list[tuple[str, Slot]] = []
    values: list[bytes] = []
    # Without one, removing would take any metric.
    metric = wanted.metric or (IP6_RT_PRIO_USER if version == 6 else 0)
    for name, number in (("RTA_OIF", index), ("RTA_PRIORITY", metric)):
        if number:
            attributes.append((name, NUMBER))
            values.append(_number(number))
    for name, text in (("RTA_GATEWAY", gateway), ("RTA_DST", to if int(length) else "")):
        if text:
            attributes.append((name, _IP[version]))
            values.append(socket.inet_pton(family, text))
    header = (("family", int(family)), ("dst_len", int(length)), ("table", RT_TABLE_MAIN), ("proto", protocol))
    kind = next(number for number, name in ROUTE_TYPES.items() if name == wanted.type)
    body = encoded(("rtmsg", (*header, ("type", kind)), tuple(attributes)), *values)
    if present:
        return Message(_RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body)
    return Message(_RTM_DELROUTE, 0, body)


def _name(value: str) -> bytes:
    return value.encode().ljust(NAME.size, b"\0")


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))


def _number(value: int) -> bytes:
    return struct.pack("=I", value)
