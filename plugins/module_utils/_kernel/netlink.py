# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that knows pyroute2: its import, its sockets, and where its versions differ.

Works with pyroute2 0.7.2 and later. Collection-private. Floor 4.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, Callable

from .._errors import NetloomError

NLM_F_DUMP_INTR = 0x10  # the dump ran into a change and may be incomplete (linux/netlink.h)
RT_TABLE_MAIN = 254
RTN_UNICAST = 1
_DUMP_TRIES = 6
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def open_socket() -> Any:
    """Return a netlink socket of the network namespace that this thread is in.

    :raises NetloomError: missing_dependency.
    """
    try:
        from pyroute2 import IPRoute  # 0.1 s, so only where the kernel is asked
    except ImportError as exc:
        raise NetloomError(
            "missing_dependency", f"the target needs the Python library pyroute2, 0.7.2 or later ({exc})"
        ) from exc
    nl = IPRoute(strict_check=True)
    status = getattr(nl, "status", None)
    if isinstance(status, dict):
        status.setdefault("nlm_generator", True)  # 0.9.7 reads it in nlm_request, and does not set it
    return nl


def link(nl: Any, name: str) -> Any:
    """Return the link of that name, None if there is none. Costs the same however many links there are."""
    try:
        found = list(nl.link("get", ifname=name))
    except Exception as exc:
        if getattr(exc, "code", None) == 19:  # ENODEV
            return None
        raise
    return found[0] if found else None


def links(nl: Any) -> list:
    """Return every link of a sandbox. Never asked of the host: that grows with it."""
    return _whole(nl.get_links)


def addresses(nl: Any, index: int, version: int) -> list:
    """Return the addresses of one interface, of IP version 4 or 6; the kernel does the filtering."""
    return _whole(partial(_addresses, nl, index, _FAMILIES[version]))


def all_addresses(nl: Any) -> list:
    """Return every address of a host, for choices that must not collide with one."""
    return _whole(nl.get_addr)


def routes(nl: Any, version: int) -> list:
    """Return the unicast routes of every table of the namespace, of IP version 4 or 6."""
    found = _whole(partial(nl.get_routes, family=_FAMILIES[version]))
    return [route for route in found if route["type"] == RTN_UNICAST]


def _addresses(nl: Any, index: int, family: int) -> list:
    from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
    from pyroute2.netlink.rtnl import RTM_GETADDR
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

    # addr("dump") leaves the header empty and filters in Python what it had the kernel list.
    message = ifaddrmsg()
    message["family"] = family
    message["index"] = index
    return nl.nlm_request(message, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP)


def _whole(dump: Callable[[], Any]) -> list:
    """Return what a dump lists, asked again while the kernel says that it changed meanwhile.

    pyroute2 never raises for NLM_F_DUMP_INTR.

    :raises NetloomError: apply_failed, when it does not come to rest.
    """
    for _attempt in range(_DUMP_TRIES):
        found = list(dump())
        if not any(message["header"]["flags"] & NLM_F_DUMP_INTR for message in found):
            return found
    raise NetloomError("apply_failed", "the kernel's tables change faster than they can be read; try again")
