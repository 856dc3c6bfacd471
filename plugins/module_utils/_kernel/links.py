# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: bridges, veth pairs, and whether an interface is up.

Observed by name; told from foreign ones by the mark in their alias. The alias cannot be part of the
message that makes a link, so a link that a killed run left without one is known by its MAC, which is.
Collection-private. Floor 4.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._changes import Change
from .._errors import NetloomError
from .._model import HOST, Bridge, Link, Resource, Up, Veth
from .._names import local_mac
from . import netlink

_IFF_UP = 1


def observe(host: Any, wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield what is there of the wanted links, and a `Link` for whatever foreign one has a wanted name."""
    for resource in wanted:
        if isinstance(resource, Bridge):
            yield from _bridge(host, resource)
        elif isinstance(resource, Veth):
            yield from _veth(host, resource)
        elif isinstance(resource, Up):
            found = host.link(resource.place, resource.ifname)
            if found is not None and found["flags"] & _IFF_UP:
                yield resource


def _bridge(host: Any, wanted: Bridge) -> Iterator[Resource]:
    found = host.link(HOST, wanted.name)
    if found is None:
        yield from _renamed_bridges(host, wanted)
        return
    tag = found.get_attr("IFLA_IFALIAS") or ""
    mac = found.get_attr("IFLA_ADDRESS")
    if kind(found) != "bridge" or not (tag == wanted.tag or (not tag and mac == wanted.mac)):
        yield Link(HOST, wanted.name, kind(found))
    else:
        yield Bridge(wanted.name, mac, found.get_attr("IFLA_MTU"), tag)


def _renamed_bridges(host: Any, wanted: Bridge) -> Iterator[Resource]:
    """Yield a recorded bridge under the name that somebody else has given it, so that it is not left behind.

    Only a list of all links can tell; it is asked for only when a bridge that should be there is not.
    """
    for message in netlink.links(host.netlink(HOST)) if wanted.recorded else ():
        if message.get_attr("IFLA_IFALIAS") == wanted.tag and kind(message) == "bridge":
            mac, mtu = message.get_attr("IFLA_ADDRESS"), message.get_attr("IFLA_MTU")
            yield Bridge(message.get_attr("IFLA_IFNAME"), mac, mtu, wanted.tag)


def _veth(host: Any, wanted: Veth) -> Iterator[Resource]:
    outer = host.link(HOST, wanted.name)
    inner = host.link(wanted.place, wanted.ifname)
    if outer is not None and not _is_peer(inner, outer) and host.is_open(wanted.place):
        renamed = host.link(wanted.place, host.ifname(outer.get_attr("IFLA_LINK"), wanted.place))
        inner = renamed if inner is None and _is_peer(renamed, outer) else inner
    if outer is None and inner is not None and kind(inner) == "veth":
        renamed = host.ifname(inner.get_attr("IFLA_LINK"))
        found = host.link(HOST, renamed)
        if found is not None and found.get_attr("IFLA_IFALIAS") == wanted.tag:
            yield replace(wanted, name=renamed)  # under another name it is one too many
            return
    if outer is None:
        if inner is not None:
            yield Link(wanted.place, wanted.ifname, kind(inner))
        return
    tag = outer.get_attr("IFLA_IFALIAS") or ""
    if kind(outer) != "veth" or not (
        tag == wanted.tag or (not tag and outer.get_attr("IFLA_ADDRESS") == _outer_mac(wanted.name))
    ):
        yield Link(HOST, wanted.name, kind(outer))
        return
    if not _is_peer(inner, outer):
        if inner is not None:
            yield Link(wanted.place, wanted.ifname, kind(inner))
        yield Veth(wanted.name, "", False, 0, tag, "", "", "")  # its other end is elsewhere
        return
    port = outer.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_SLAVE_DATA")
    mtus = {outer.get_attr("IFLA_MTU"), inner.get_attr("IFLA_MTU")}
    mtu = min(mtus - {wanted.mtu}, default=wanted.mtu)
    yield Veth(
        wanted.name,
        master=host.ifname(outer.get_attr("IFLA_MASTER")),
        isolated=bool(port is not None and port.get_attr("IFLA_BRPORT_ISOLATED")),
        mtu=mtu,
        tag=tag,
        place=wanted.place,
        ifname=inner.get_attr("IFLA_IFNAME"),
        mac=inner.get_attr("IFLA_ADDRESS"),
        odd_mtu=max(mtus - {mtu}, default=0),
    )


def _is_peer(inner: Any, outer: Any) -> bool:
    return inner is not None and kind(inner) == "veth" and inner.get_attr("IFLA_LINK") == outer["index"]


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make the changes, one after the other, but for the endpoints to remove: those go together."""
    together = [change for change in changes if change.after is None and isinstance(change.before, Veth)]
    if len(together) > 1:
        _remove_together(host, [change.resource for change in together])
        changes = [change for change in changes if change not in together]
    for change in changes:
        resource = change.resource
        if isinstance(resource, Up):
            _set_up(host, resource, change.after is not None)
        elif change.after is None:
            _remove(host, change.before)  # type: ignore[arg-type]
        elif isinstance(resource, Bridge):
            _make_bridge(host, change.before, resource)  # type: ignore[arg-type]
        elif isinstance(resource, Veth):
            _make_veth(host, change.before, resource)  # type: ignore[arg-type]


def _make_bridge(host: Any, before: Bridge | None, after: Bridge) -> None:
    nl = host.netlink(HOST)
    if before is None:
        host.execute(f"create bridge {after.name}", nl.link, "add", ifname=after.name, kind="bridge", address=after.mac)
    index = host.index(HOST, after.name)
    # The MAC is set at creation, else it drifts with the ports; the MTU after it, else it follows the smallest.
    host.execute(
        f"configure bridge {after.name}",
        nl.link,
        "set",
        index=index,
        ifalias=after.tag,
        mtu=after.mtu,
        address=after.mac,
    )


def _make_veth(host: Any, before: Veth | None, after: Veth) -> None:
    nl = host.netlink(HOST)
    if before is None:
        host.execute(
            f"create interface {after.ifname} as a port of {after.master}",
            nl.link,
            "add",
            ifname=after.name,
            kind="veth",
            mtu=after.mtu,
            address=_outer_mac(after.name),
            master=host.index(HOST, after.master),
            peer={
                "ifname": after.ifname,
                "net_ns_fd": host.descriptor(after.place),
                "address": after.mac,
                "mtu": after.mtu,
            },
        )
    index = host.index(HOST, after.name)
    outer: dict[str, Any] = {"ifalias": after.tag}
    if before is not None and before.master != after.master:
        outer["master"] = host.index(HOST, after.master)
    if before is not None and (before.mtu, before.odd_mtu) != (after.mtu, 0):
        outer["mtu"] = after.mtu
    host.execute(f"configure interface {after.name}", nl.link, "set", index=index, **outer)
    if (before is None and after.isolated) or before is not None:
        host.execute(f"isolate interface {after.name}", nl.brport, "set", index=index, isolated=int(after.isolated))
    if before is not None and (before.mtu, before.odd_mtu, before.mac) != (after.mtu, 0, after.mac):
        host.execute(
            f"configure interface {after.ifname}",
            host.netlink(after.place).link,
            "set",
            index=host.index(after.place, after.ifname),
            mtu=after.mtu,
            address=after.mac,
        )


def _remove(host: Any, before: Bridge | Veth) -> None:
    found = netlink.link(host.netlink(HOST), before.name)
    host.forget(before)
    if found is not None:  # a veth goes with the sandbox that its other end was in, whenever that is
        host.execute(f"remove interface {before.name}", host.gone, host.netlink(HOST).link, "del", index=found["index"])


def _remove_together(host: Any, veths: Sequence[Any]) -> None:
    """Remove interfaces as one link group: the kernel waits once, not 20 ms for each."""
    nl = host.netlink(HOST)
    group = int.from_bytes(os.urandom(4), "big") >> 1 | 1 << 30  # nobody else's: small numbers are what people use
    indexes = []
    try:
        for veth in veths:
            found = netlink.link(nl, veth.name)
            host.forget(veth)
            if found is not None:
                indexes.append(found["index"])
                host.execute(f"mark interface {veth.name}", nl.link, "set", index=found["index"], group=group)
        host.execute(f"remove {len(indexes)} interfaces", host.gone, nl.link, "del", group=group)
    except BaseException as exc:
        try:
            for index in indexes:
                host.execute("unmark an interface", host.gone, nl.link, "set", index=index, group=0)
        except NetloomError as error:
            raise NetloomError("apply_failed", f"{exc}; undoing it failed too: {error}") from exc
        raise


def _set_up(host: Any, up: Up, state: bool) -> None:
    word = "up" if state else "down"
    nl = host.netlink(up.place)
    host.execute(f"bring {word} {up.ifname}", nl.link, "set", index=host.index(up.place, up.ifname), state=word)


def kind(message: Any) -> str:
    """Return a link's kind as `ip -d link` shows it, empty for a physical interface."""
    info = message.get_attr("IFLA_LINKINFO")
    return (info.get_attr("IFLA_INFO_KIND") if info else None) or ""


def _outer_mac(name: str) -> str:
    """Return the MAC that a veth's end on the host is made with."""
    return local_mac(name[len("veth") :])
