# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half that knows links: one socket for each place, and links by name and by index.

Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import fcntl
import resource
import struct
from typing import Any, Callable

from .._errors import NetloomError
from .._model import HOST
from . import netlink
from .netlink import LinkState
from .wire import Wire

_SIOCGIFNAME, _SIOCGIFINDEX = 0x8910, 0x8933  # linux/sockios.h
_IFREQ = struct.Struct("16si20x")
_SOCKETS_SHARE = 4  # of the descriptors: the others are for namespaces, which stay open


class Interfaces:
    """Links and sockets of the host and of the sandboxes that are open.

    An index is always asked for anew, which takes a microsecond: it is never that of a link which has gone.
    """

    # What the host knows of places.
    inside: Callable[..., Any]
    is_made: Callable[[str], bool]
    look: Callable[..., Any]

    def __init__(self) -> None:
        self._wires: dict[str, Wire] = {}
        self._links: dict[tuple[str, str], LinkState | None] = {}

    def close_wires(self) -> None:
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()

    def netlink(self, place: str) -> Wire:
        """Return the one netlink socket of `place`."""
        if place not in self._wires:
            self.keep(place, self.inside(place, Wire))
        return self._wires[place]

    def keep(self, place: str, wire: Wire | None) -> None:
        """Have `wire`, if there is one, be the socket of `place`, and close the oldest where that makes too many."""
        if wire is None:
            return
        self.drop(place)
        self._wires[place] = wire
        if len(self._wires) > _sockets_max():
            self.drop(next((name for name in self._wires if name not in (HOST, place)), ""))

    def drop(self, place: str) -> None:
        """Close the socket of a sandbox; it is opened anew when it is needed."""
        if place != HOST and place in self._wires:
            self._wires.pop(place).close()

    def link(self, place: str, name: str) -> LinkState | None:
        """Return a link as this observation saw it, None if there is none."""
        if not name or (place != HOST and not self.is_made(place)):
            return None
        if (place, name) not in self._links:
            self._links[place, name] = netlink.link(self.netlink(place), name)
        return self._links[place, name]

    def index(self, place: str, name: str) -> int:
        """Return the index of a link.

        :raises NetloomError: apply_failed, there is none.
        """
        found = self.find_index(place, name)
        if not found:
            raise NetloomError(
                "apply_failed", f"interface {name} is gone" + (f" from {place.partition(':')[2]}" if place else "")
            )
        return found

    def find_index(self, place: str, name: str) -> int:
        """Return the index of a link, 0 if there is none."""
        return _IFREQ.unpack(self._ioctl(place, _SIOCGIFINDEX, name.encode(), 0))[1]

    def ifname(self, index: int, place: str = HOST) -> str:
        """Return the name of the link with an index, empty if there is none."""
        answer = self._ioctl(place, _SIOCGIFNAME, b"", index) if index else b""
        return answer[:16].partition(b"\0")[0].decode("utf-8", "replace")

    def interfaces(self, place: str) -> dict[str, int]:
        """Return the interfaces of a sandbox: name to index."""
        if not self.is_made(place):
            return {}
        return {link.name: link.ifindex for link in self.look("read interfaces", netlink.links, self.netlink(place))}

    def _ioctl(self, place: str, request: int, name: bytes, index: int) -> bytes:
        try:
            return fcntl.ioctl(self.netlink(place).socket, request, _IFREQ.pack(name, index))
        except OSError as exc:
            if exc.errno in (errno.ENODEV, errno.ENXIO):
                return bytes(_IFREQ.size)
            raise


def _sockets_max() -> int:
    """Allow this process as many open files as it may have at all, and return how many may be sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(2, hard // _SOCKETS_SHARE)
