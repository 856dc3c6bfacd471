# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of links: made, configured, brought up, removed one by one or together.

Collection-private. Floor 4.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .._changes import Change
from .._errors import NetloomError
from .._model import HOST
from .._names import outer_mac
from .._resources import Bridge, Loan, Up, Veth
from .._sublinks import Sublink, Vlan
from . import messages


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make the changes, one after the other, but for the endpoints to remove: those go together."""
    together = [change.before for change in changes if _removes_endpoint(change)]
    if len(together) > 1:
        remove(host, together)
        changes = [change for change in changes if not _removes_endpoint(change)]
    for change in changes:
        resource = change.resource
        if isinstance(resource, Up):
            _set_up(host, resource, change.after is not None)
        elif isinstance(resource, (Sublink, Vlan)):
            _change_sublink(host, change, resource)
        elif isinstance(resource, Loan) and change.after is not None:
            from . import loans  # few endpoints are lent

            loans.make(host, change.before, resource)  # type: ignore[arg-type]
        elif change.after is None:
            _remove(host, change.before)
        elif isinstance(resource, Bridge):
            _make_bridge(host, change.before, resource)  # type: ignore[arg-type]
        elif isinstance(resource, Veth):
            _make_veth(host, change.before, resource)  # type: ignore[arg-type]


def _change_sublink(host: Any, change: Change, resource: Sublink | Vlan) -> None:
    from . import sublinks  # few networks have any

    if change.after is None:
        sublinks.remove(host, resource)
    else:
        make: Any = sublinks.make_vlan if isinstance(resource, Vlan) else sublinks.make
        make(host, change.before, resource)


def _removes_endpoint(change: Change) -> bool:
    return change.after is None and isinstance(change.before, (Veth, Loan))


def _make_bridge(host: Any, before: Bridge | None, after: Bridge) -> None:
    wire = host.netlink(HOST)
    if before is None:
        host.execute(f"create bridge {after.name}", wire.change, messages.new_bridge(after.name, after.mac))
    index = host.index(HOST, after.name)
    # The MAC is set at creation, else it drifts with the ports; the MTU after it, else it follows the smallest.
    settings = messages.set_link(index, alias=after.tag, mtu=after.mtu, address=after.mac)
    host.execute(f"configure bridge {after.name}", wire.change, settings)


def _make_veth(host: Any, before: Veth | None, after: Veth) -> None:
    wire = host.netlink(HOST)
    if before is None:
        peer = (after.ifname, host.descriptor(after.place), after.mac)
        pair = (after.name, outer_mac(after.name), after.mtu, host.index(HOST, after.master))
        what = f"create interface {after.ifname} as a port of {after.master}"
        host.execute(what, wire.change, messages.new_veth(*pair, peer))
    index = host.index(HOST, after.name)
    outer: dict[str, Any] = {}
    if before is not None and before.master != after.master:
        outer["master"] = host.index(HOST, after.master)
    if before is not None and (before.mtu, before.odd_mtu) != (after.mtu, 0):
        outer["mtu"] = after.mtu
    settings = messages.set_link(index, alias=after.tag, **outer)
    host.execute(f"configure interface {after.name}", wire.change, settings)
    flags = (before.isolated, before.hairpin) if before is not None else (False, False)
    if before is not None or flags != (after.isolated, after.hairpin):
        settings = messages.set_port(index, isolated=after.isolated, hairpin=after.hairpin)
        host.execute(f"configure port {after.name}", wire.change, settings)
    if before is not None and (before.mtu, before.odd_mtu, before.mac) != (after.mtu, 0, after.mac):
        inner = host.index(after.place, after.ifname)
        settings = messages.set_link(inner, mtu=after.mtu, address=after.mac)
        host.execute(f"configure interface {after.ifname}", host.netlink(after.place).change, settings)


def remove(host: Any, links: Sequence[Any]) -> None:
    """Remove interfaces of ours, by their names."""
    if len(links) > 1:
        _remove_together(host, links)
        return
    for link in links:
        _remove(host, link)


def _remove(host: Any, before: Any) -> None:
    index = host.find_index(HOST, before.name)
    if index:  # a veth goes with the sandbox that its other end was in, whenever that is
        deletion = messages.delete_link(index)
        host.execute(f"remove interface {before.name}", host.gone, host.netlink(HOST).change, deletion)


def _remove_together(host: Any, veths: Sequence[Any]) -> None:
    """Remove interfaces as one link group: the kernel waits once, not 20 ms for each."""
    wire = host.netlink(HOST)
    group = int.from_bytes(os.urandom(4), "big") >> 1 | 1 << 30  # nobody else's: small numbers are what people use
    indexes = []
    try:
        for veth in veths:
            index = host.find_index(HOST, veth.name)
            if index:
                indexes.append(index)
                host.execute(f"mark interface {veth.name}", wire.change, messages.set_link(index, group=group))
        host.execute(f"remove {len(indexes)} interfaces", host.gone, wire.change, messages.delete_links(group))
    except BaseException as exc:
        try:
            for index in indexes:
                host.execute("unmark an interface", host.gone, wire.change, messages.set_link(index, group=0))
        except NetloomError as error:
            raise NetloomError("apply_failed", f"{exc}; undoing it failed too: {error}") from exc
        raise


def _set_up(host: Any, up: Up, state: bool) -> None:
    message = messages.set_up(host.index(up.place, up.ifname), up=state)
    host.execute(f"bring {'up' if state else 'down'} {up.ifname}", host.netlink(up.place).change, message)
