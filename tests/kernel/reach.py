# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches whom around a network with the members c1 and c2, of which c1 has port 80 published as 8080.

As a program it runs in a throw-away host: `reach.py surround` makes the members' namespaces and the neighbour,
`reach.py` prints as JSON the ways on which nothing arrives.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import rig

MEMBERS = ("c1", "c2")
OUTSIDE = 7000  # the neighbour's port
SERVICE = 9000  # the host's own
PUBLISHED = 8080
PATIENCE_SECONDS = 1.2  # a lost SYN is sent again after one

WAYS = (
    "member to outside",
    "outside to published",
    "outside to unpublished",
    "member to member",
    "member to published",
    "member to host",
    "host to member",
    "host to published",
)
ALWAYS_CLOSED = frozenset({"outside to unpublished 4", "outside to unpublished 6"})


def surround() -> None:
    """Make the neighbour and the namespaces of the members."""
    rig.lan()
    for member in MEMBERS:
        rig.netns(member)


def closed() -> set[str]:
    """Return the ways, each with its IP version, on which a TCP connection does not come about.

    :raises AssertionError: a listener does not even answer where it is: the rig is broken.
    """
    with contextlib.ExitStack() as stack:
        for place, port in ((MEMBERS[0], 80), (MEMBERS[1], 80), (rig.Lan.netns, OUTSIDE), (None, SERVICE)):
            for address in ("0.0.0.0", "::"):
                stack.enter_context(_listener(place, address, port))
            for address in ("127.0.0.1", "::1"):
                assert _arrives(place, address, port), f"nobody answers at {address} {port} of {place or 'the host'}"
        for place in MEMBERS:  # whom nobody answered for a while counts as unreachable
            rig.run("ip", "neighbour", "flush", "all", netns=place)
        ways = dict(_ways())
        with ThreadPoolExecutor(len(ways)) as threads:
            arrived = threads.map(lambda way: _arrives(*way), ways.values())
            return {name for name, answer in zip(ways, arrived) if not answer}


def _ways():
    lan = rig.Lan()
    for version, host, neighbour in ((4, lan.host, lan.neighbour), (6, lan.host6, lan.neighbour6)):
        c1, c2 = (_address(member, version) for member in MEMBERS)
        rig.run("ip", "route", "replace", c1, "via", host, netns=lan.netns)
        targets = (
            (MEMBERS[0], neighbour, OUTSIDE),
            (lan.netns, host, PUBLISHED),
            (lan.netns, c1, 80),
            (MEMBERS[0], c2, 80),
            (MEMBERS[1], host, PUBLISHED),
            (MEMBERS[0], host, SERVICE),
            (None, c2, 80),
            (None, host, PUBLISHED),
        )
        for name, target in zip(WAYS, targets):
            yield f"{name} {version}", target


def _address(member: str, version: int) -> str:
    (link,) = json.loads(rig.run("ip", "-j", "address", "show", "eth0", netns=member).stdout)
    family = {4: "inet", 6: "inet6"}[version]
    return next(each["local"] for each in link["addr_info"] if (each["family"], each["scope"]) == (family, "global"))


def _listener(place: str | None, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with rig.inside(place):
        listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(16)
    return listener


def _arrives(place: str | None, address: str, port: int) -> bool:
    with rig.inside(place):
        probe = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    with probe:
        probe.settimeout(PATIENCE_SECONDS)
        return probe.connect_ex((address, port)) == 0


if __name__ == "__main__":
    if sys.argv[1:] == ["surround"]:
        surround()
    else:
        print(json.dumps(sorted(closed())))
