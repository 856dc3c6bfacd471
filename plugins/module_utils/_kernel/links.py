# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: bridges, veth pairs, and whether an interface is up.

Observed by name; told from foreign ones by the mark in their alias. The alias cannot be part of the
message that makes a link, so a link that a killed run left without one is known by its MAC, which is.
Collection-private. Floor 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._changes import Change
from .._model import HOST
from .._names import outer_mac
from .._resources import Bridge, Link, Loan, Resource, Up, Veth
from .._sublinks import Sublink, Vlan
from . import netlink
from .netlink import IFF_UP, LinkState


def observe(host: Any, wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield what is there of the wanted links, and a `Link` for whatever foreign one has a wanted name."""
    for resource in wanted:
        if isinstance(resource, Bridge):
            yield from _bridge(host, resource)
        elif isinstance(resource, Veth):
            yield from _veth(host, resource)
        elif isinstance(resource, Loan):
            from . import loans  # few endpoints are lent

            yield from loans.observe(host, resource)
        elif isinstance(resource, (Sublink, Vlan)):
            from . import sublinks  # few networks have any

            yield from sublinks.observe(host, resource)
        elif isinstance(resource, Up):
            found = host.link(resource.place, resource.ifname)
            if found is not None and found.flags & IFF_UP:
                yield resource


def _bridge(host: Any, wanted: Bridge) -> Iterator[Resource]:
    found = host.link(HOST, wanted.name)
    if found is None:
        yield from _renamed_bridges(host, wanted)
        return
    if found.kind != "bridge" or not (found.alias == wanted.tag or (not found.alias and found.mac == wanted.mac)):
        yield Link(HOST, wanted.name, found.kind)
    else:
        yield Bridge(wanted.name, found.mac, found.mtu, found.alias)


def _renamed_bridges(host: Any, wanted: Bridge) -> Iterator[Resource]:
    """Yield a recorded bridge under the name that somebody else has given it, so that it is not left behind.

    Only a list of all bridges can tell; it is asked for only when a bridge that should be there is not.
    """
    for found in netlink.links(host.netlink(HOST), "bridge") if wanted.recorded else ():
        if found.alias == wanted.tag:
            yield Bridge(found.name, found.mac, found.mtu, wanted.tag)


def _veth(host: Any, wanted: Veth) -> Iterator[Resource]:
    outer = host.link(HOST, wanted.name)
    inner = host.link(wanted.place, wanted.ifname)
    if outer is not None and not _is_peer(inner, outer) and host.is_made(wanted.place):
        renamed = host.link(wanted.place, host.ifname(outer.peer, wanted.place))
        inner = renamed if inner is None and _is_peer(renamed, outer) else inner
    if outer is None and inner is not None and inner.kind == "veth":
        renamed = host.ifname(inner.peer)
        found = host.link(HOST, renamed)
        if found is not None and found.alias == wanted.tag:
            yield replace(wanted, name=renamed)  # under another name it is one too many
            return
    if outer is None:
        if inner is not None:
            yield Link(wanted.place, wanted.ifname, inner.kind)
        return
    tag = outer.alias
    if outer.kind != "veth" or not (tag == wanted.tag or (not tag and outer.mac == outer_mac(wanted.name))):
        yield Link(HOST, wanted.name, outer.kind)
        return
    if not _is_peer(inner, outer):
        if inner is not None:
            yield Link(wanted.place, wanted.ifname, inner.kind)
        yield Veth(wanted.name, "", False, 0, tag, "", "", "")  # its other end is elsewhere
        return
    mtus = {outer.mtu, inner.mtu}
    mtu = min(mtus - {wanted.mtu}, default=wanted.mtu)
    yield Veth(
        wanted.name,
        master=host.ifname(outer.master),
        isolated=outer.isolated,
        mtu=mtu,
        tag=tag,
        place=wanted.place,
        ifname=inner.name,
        mac=inner.mac,
        hairpin=outer.hairpin,
        odd_mtu=max(mtus - {mtu}, default=0),
    )


def _is_peer(inner: LinkState | None, outer: LinkState) -> bool:
    return inner is not None and inner.kind == "veth" and inner.peer == outer.ifindex


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make the changes."""
    from . import linking  # more code, and pyroute2: not needed where there are none

    linking.apply(host, changes)
