# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bandwidth limits: interfaces of kind ifb, token buckets (tbf), and what leads one interface's packets to another.

The bytes of queues and filters are `queueing`'s. Asked about single interfaces, by index: a list of queues would be
that of the whole host. Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._changes import Change
from .._errors import NetloomError
from .._model import HOST
from .._resources import Link, Resource
from .._shaping import TBF, Ifb, Redirect, Shaper, ifb_mac
from . import queueing
from .wire import Message, Wire

_LACKING = (errno.ENOENT, errno.EOPNOTSUPP)


def observe(host: Any, wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield what is there of the wanted limits, and a `Link` for a foreign one that has the name of an ifb."""
    for resource in wanted:
        if isinstance(resource, Ifb):
            yield from _ifb(host, resource)
        elif isinstance(resource, Shaper):
            yield from _shaper(host, resource)
        elif isinstance(resource, Redirect):
            found = host.link(HOST, resource.ifname)
            target = queueing.target(host.netlink(HOST), found.ifindex) if found else None
            if target is not None:
                yield Redirect(resource.ifname, host.ifname(target))


def _ifb(host: Any, wanted: Ifb) -> Iterator[Resource]:
    found = host.link(HOST, wanted.name)
    if found is None:
        # Somebody may have given it another name; what is sent is led to it all the same.
        member = host.link(HOST, wanted.member)
        target = queueing.target(host.netlink(HOST), member.ifindex) if member else None
        renamed = host.link(HOST, host.ifname(target)) if target else None
        if renamed is not None and renamed.kind == "ifb" and renamed.alias == wanted.tag:
            yield replace(wanted, name=renamed.name)
        return
    known = found.alias == wanted.tag or (not found.alias and found.mac == ifb_mac(wanted.name))
    if found.kind == "ifb" and known:
        yield replace(wanted, tag=found.alias)
    else:
        yield Link(HOST, wanted.name, found.kind)


def _shaper(host: Any, wanted: Shaper) -> Iterator[Resource]:
    link = host.link(HOST, wanted.ifname)
    found = queueing.root(host.netlink(HOST), link.ifindex) if link else None
    if found is None:
        return
    bucket = queueing.bucket(found)
    if bucket is None:
        yield replace(wanted, rate=0, burst=0, queue=0, kind=found.kind)
        return
    # The kernel keeps how long a burst takes, in whole ticks: it cannot be told from others that take as long.
    same = bucket.lasts_as_long_as(wanted.burst)
    burst = wanted.burst if same else bucket.burst
    yield replace(wanted, rate=bucket.per_second * 8, burst=burst, queue=bucket.queue, kind=bucket.kind)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make the changes, one after the other, but for several interfaces to remove: those go together."""
    removed: list[Any] = [change.before for change in changes if change.after is None]
    together = [item for item in removed if isinstance(item, Ifb)]
    for change in changes:
        resource: Any = change.resource
        if isinstance(resource, Shaper):
            _shape(host, change, resource)
        elif isinstance(resource, Redirect):
            _redirect(host, change, resource)
        elif change.after is not None:
            _make_ifb(host, change, resource)
    if together:
        from . import linking

        linking.remove(host, together)


def _make_ifb(host: Any, change: Change, after: Ifb) -> None:
    wire = host.netlink(HOST)
    if change.before is None:
        message = queueing.new_ifb(after.name, ifb_mac(after.name))
        host.execute(f"create {after.title}", _told, wire, message, f"create {after.title}", "ifb")
    message = queueing.set_alias(host.index(HOST, after.name), after.tag)
    host.execute(f"configure {after.title}", wire.change, message)


def _shape(host: Any, change: Change, resource: Shaper) -> None:
    wire = host.netlink(HOST)
    index = host.find_index(HOST, resource.ifname)
    if change.after is None:
        if index:
            host.execute(str(change), _gone, wire, queueing.delete_root(index))
    elif resource.kind == TBF:  # what else somebody had there does not come back when a task is undone
        index = host.index(HOST, resource.ifname)
        before: Any = change.before
        found = None
        if before is not None and before.burst > resource.burst:
            # What has been let into the queue can be larger than the new burst (a packet of 64 KB, which the interface
            # is to cut up), and would wait for ever, and all the rest behind it.
            found = queueing.root(wire, index)
        instead_of = found.handle if found and found.kind == TBF else 0
        message = queueing.new_bucket(index, resource.rate // 8, resource.burst, resource.queue, instead_of)
        host.execute(str(change), _told, wire, message, str(change), "sch_tbf")


def _redirect(host: Any, change: Change, resource: Redirect) -> None:
    wire = host.netlink(HOST)
    if change.before is not None and change.after is not None and not resource.to:
        return  # a task is undone: what somebody else had there does not come back
    if change.before is not None:
        index = host.find_index(HOST, resource.ifname)
        if index:
            host.execute(f"remove filters of {resource.ifname}", _gone, wire, queueing.delete_ingress(index))
        if change.after is None:
            return
    index = host.index(HOST, resource.ifname)
    what = f"prepare {resource.ifname} for filters"
    host.execute(what, _told, wire, queueing.new_ingress(index), what, "sch_ingress")
    if resource.to:
        what = f"lead what arrives at {resource.ifname} to {resource.to}"
        message = queueing.new_redirect(index, host.index(HOST, resource.to))
        host.execute(what, _told, wire, message, what, "")


def _told(wire: Wire, message: Message, what: str, module: str) -> None:
    """Have the kernel carry out a message, which needs one of its modules; empty: one that its words tell.

    :raises NetloomError: kernel_unsupported, it does not have the module.
    """
    try:
        wire.change(message)
    except OSError as exc:
        if exc.errno not in _LACKING:
            raise
        raise NetloomError(
            "kernel_unsupported", f"cannot {what}: the kernel lacks {module or _filtering(str(exc))} ({exc.strerror})"
        ) from exc


def _filtering(words: str) -> str:
    if "classifier" in words:
        return "cls_u32"
    return "act_mirred" if "action" in words else "cls_u32 or act_mirred"


def _gone(wire: Wire, message: Message) -> None:
    try:
        wire.change(message)
    except OSError as exc:
        # EINVAL: there is nothing but what the kernel itself has put there.
        if exc.errno not in (errno.ENOENT, errno.ENODEV, errno.EINVAL):
            raise
