# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links on top of the host's interfaces: macvlan and ipvlan, and the 802.1Q interfaces that are made for them.

A link in a sandbox is made there, by a message that names its parent by index and the parent's namespace by the number
that the sandbox knows it by: in one step, under its final name. Made from the host's side, a name that the host has as
well would be refused (before Linux 6.15). Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from .._model import HOST
from .._resources import Link, Resource
from .._sublinks import Sublink, Vlan
from . import netlink
from .netlink import IFF_UP, LinkState
from .wire import attributes

_KINDS = {"macvlan", "ipvlan"}
_MODES = {
    "macvlan": {1: "private", 2: "vepa", 4: "bridge", 8: "passthru"},  # linux/if_link.h
    "ipvlan": {0: "l2", 1: "l3", 2: "l3s"},
}
_FLAGS = {0: "bridge", 1: "private", 2: "vepa"}  # IPVLAN_F_*
_MODE, _FLAG = 1, 2  # IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE; IFLA_IPVLAN_FLAGS
_VLAN_ID = 1  # IFLA_VLAN_ID
NUMBERS = {kind: {word: number for number, word in modes.items()} for kind, modes in _MODES.items()}
FLAG_NUMBERS = {word: number for number, word in _FLAGS.items()}


def observe(host: Any, wanted: Sublink | Vlan) -> Iterator[Resource]:
    """Yield what there is of a wanted link, and a `Link` for a foreign one of its name."""
    return _vlan(host, wanted) if isinstance(wanted, Vlan) else _sublink(host, wanted)


def _vlan(host: Any, wanted: Vlan) -> Iterator[Resource]:
    """Yield the VLAN interface that is there, as a `Link` if it is not ours."""
    found = host.link(HOST, wanted.name)
    if found is None:
        return
    vid = _number(attributes(found.data).get(_VLAN_ID))
    lower = host.ifname(found.peer)
    unmarked = not found.alias and not found.flags & IFF_UP and (lower, vid) == (wanted.lower, wanted.vid)
    if found.kind != "vlan" or not (found.alias == wanted.tag or unmarked):
        yield Link(HOST, wanted.name, found.kind)
    else:
        yield Vlan(wanted.name, lower, vid, found.alias, bool(found.flags & IFF_UP))


def _sublink(host: Any, wanted: Sublink) -> Iterator[Resource]:
    """Yield the interface that is there, whatever its name is by now; as a `Link` if it is not ours."""
    found = host.link(wanted.place, wanted.name)
    if found is not None and not _is_ours(host, found, wanted):
        yield Link(wanted.place, wanted.name, found.kind)
        found = None
    if found is None and (wanted.place == HOST or host.is_made(wanted.place)):
        renamed = (each for each in _links(host, wanted) if each.alias == wanted.tag and each.kind in _KINDS)
        found = next(renamed, None)
    if found is not None:
        yield _state(host, found, wanted)


def _links(host: Any, wanted: Sublink) -> list[LinkState]:
    return netlink.links(host.netlink(wanted.place), wanted.kind)


def _is_ours(host: Any, found: LinkState, wanted: Sublink) -> bool:
    """Return whether a link has our mark or is, without any, what we would make: a killed run has not marked it yet.

    In a sandbox somebody else may have changed the mark; a MAC address that we gave tells as well.
    """
    if found.kind not in _KINDS:
        return False
    alike = (found.kind, _lower(host, found, wanted.place)) == (wanted.kind, wanted.lower)
    by_mac = bool(wanted.mac) and found.mac == wanted.mac
    return found.alias == wanted.tag or (alike and (by_mac or (not wanted.mac and not found.alias)))


def _state(host: Any, found: LinkState, wanted: Sublink) -> Sublink:
    data = attributes(found.data)
    return Sublink(
        wanted.place,
        found.name,
        _lower(host, found, wanted.place),
        found.kind,
        _MODES[found.kind].get(_number(data.get(_MODE)), ""),
        found.mac if wanted.mac else "",
        found.mtu,
        found.alias,
        _FLAGS.get(_number(data.get(_FLAG)), "") if found.kind == "ipvlan" else "",
    )


def _lower(host: Any, found: LinkState, place: str) -> str:
    """Return the name of the host's interface that a link is on, empty if it is on none of the host's."""
    if place == HOST:
        return host.ifname(found.peer)
    if found.netnsid < 0 or found.netnsid != host.number_in(place):
        return ""
    return host.ifname(found.peer)


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "little")


def make_vlan(host: Any, before: Vlan | None, after: Vlan) -> None:
    """Make a VLAN interface, mark it, and bring it up; only then is it used."""
    from . import messages

    wire = host.netlink(HOST)
    if before is None:
        lower = host.index(HOST, after.lower)
        host.execute(
            f"create VLAN interface {after.name}", wire.change, messages.new_vlan(after.name, lower, after.vid)
        )
    index = host.index(HOST, after.name)
    host.execute(f"mark VLAN interface {after.name}", wire.change, messages.set_link(index, alias=after.tag))
    if before is None or before.up != after.up:
        host.execute(f"bring up {after.name}", wire.change, messages.set_up(index, up=after.up))


def make(host: Any, before: Sublink | None, after: Sublink) -> None:
    """Make an interface where it is to be, and mark it; or change what is different."""
    from . import messages

    mode, flag = NUMBERS[after.kind][after.mode], FLAG_NUMBERS.get(after.flag, 0)
    wire = host.netlink(after.place)
    settings: dict[str, Any] = {"alias": after.tag}
    if before is None:
        number = None if after.place == HOST else _numbered(host, after.place)
        lower = (host.index(HOST, after.lower), number)
        message = messages.new_sublink(after.name, after.mac, after.mtu, lower, (after.kind, mode, flag))
        host.execute(f"create interface {after.name} on {after.lower}", wire.change, message)
    else:
        settings["mtu"] = after.mtu
        if after.mac:
            settings["address"] = after.mac
    index = host.index(after.place, after.name)
    host.execute(f"configure interface {after.name}", wire.change, messages.set_link(index, **settings))
    if before is not None and (before.mode, before.flag) != (after.mode, after.flag):
        message = messages.set_mode(index, after.kind, mode, flag)
        host.execute(f"change the mode of interface {after.name}", wire.change, message)


def remove(host: Any, before: Sublink | Vlan) -> None:
    """Remove an interface, which may have gone with its parent or its sandbox."""
    from . import messages

    place = getattr(before, "place", HOST)
    index = host.find_index(place, before.name)
    if index:
        deletion = messages.delete_link(index)
        host.execute(f"remove interface {before.name}", host.gone, host.netlink(place).change, deletion)


def _numbered(host: Any, place: str) -> int:
    """Return the number that a sandbox knows the host's namespace by. Given once, it stays as long as both do."""
    host.execute(f"tell {place.partition(':')[2]} of the host's namespace", _tell, host, place)
    return host.number_in(place)


def _tell(host: Any, place: str) -> None:
    from . import messages

    try:
        host.netlink(place).change(messages.new_namespace_number(host.home()))
    except OSError as exc:
        if exc.errno != errno.EEXIST:  # it has a number already
            raise
