# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Veth pairs whose other end is left on the host for Docker to move.

What becomes of that end is seen nowhere here: the pair is there when our end is. Collection-private. Floor 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from .._errors import NetloomError
from .._model import HOST
from .._names import outer_mac
from .._resources import Link, Loan, Resource
from . import messages, netlink


def observe(host: Any, wanted: Loan) -> Iterator[Resource]:
    """Yield the pair, or what else has its name or that of its other end."""
    outer = host.link(HOST, wanted.name)
    if outer is None:
        inner = host.link(HOST, wanted.ifname)
        if inner is not None:
            yield Link(HOST, wanted.ifname, inner.kind)
        return
    if outer.kind != "veth" or not (
        outer.alias == wanted.tag or (not outer.alias and outer.mac == outer_mac(wanted.name))
    ):
        yield Link(HOST, wanted.name, outer.kind)
        return
    yield Loan(
        wanted.name,
        master=host.ifname(outer.master),
        isolated=outer.isolated,
        mtu=outer.mtu,
        tag=outer.alias,
        hairpin=outer.hairpin,
        ifname=wanted.ifname,
        mac=wanted.mac,
    )


def make(host: Any, before: Loan | None, after: Loan) -> None:
    """Make the pair, or have our end be as it should be."""
    wire = host.netlink(HOST)
    if before is None:
        pair = (after.name, outer_mac(after.name), after.mtu, host.index(HOST, after.master))
        what = f"create interface {after.ifname} as a port of {after.master}"
        host.execute(what, wire.change, messages.new_veth(*pair, (after.ifname, host.home(), after.mac)))
    index = host.index(HOST, after.name)
    outer: dict[str, Any] = {}
    if before is not None and before.master != after.master:
        outer["master"] = host.index(HOST, after.master)
    if before is not None and before.mtu != after.mtu:
        outer["mtu"] = after.mtu
    host.execute(f"configure interface {after.name}", wire.change, messages.set_link(index, alias=after.tag, **outer))
    if "mtu" in outer:
        host.execute(f"configure the other end of {after.name}", _follow, host, after)
    flags = (before.isolated, before.hairpin) if before is not None else (False, False)
    if flags != (after.isolated, after.hairpin):
        settings = messages.set_port(index, isolated=after.isolated, hairpin=after.hairpin)
        host.execute(f"configure port {after.name}", wire.change, settings)


def _follow(host: Any, pair: Loan) -> None:
    """Have the end that Docker has moved have the MTU of ours: what is longer than that is lost."""
    from .._sandboxes.found import Found
    from .._sandboxes.opening import open_sandbox

    outer = netlink.link(host.netlink(HOST), pair.name)
    try:
        opened = open_sandbox(Found("path", pair.sandbox, pair.sandbox, pair.sandbox))
    except NetloomError:
        return  # it has gone, or is where only Docker sees it
    taken: Any = opened.take_wire()
    with opened, closing(taken) as wire:
        for inner in netlink.links(wire):
            if (
                outer is not None
                and inner.kind == "veth"
                and (inner.ifindex, inner.peer) == (outer.peer, outer.ifindex)
            ):
                wire.change(messages.set_link(inner.ifindex, mtu=pair.mtu))
