# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links on top of an interface of the host: macvlan and ipvlan for members and for the host itself, and 802.1Q.

Collection-private. Frozen values only. Floor 0.
"""

from __future__ import annotations

from ._frozen import dataclass
from ._model import HOST
from ._resources import Resource, where


@dataclass(frozen=True)
class Vlan(Resource):
    """An 802.1Q interface that was made for networks, and is up. `lower` is the interface that it is on."""

    name: str
    lower: str
    vid: int
    tag: str
    up: bool = True
    rank = 38
    handler = "links"
    is_shared = True
    needs = "vlan"

    @property
    def key(self):
        return ("link", HOST, self.name)

    @property
    def fixed(self):
        return (self.lower, self.vid)

    @property
    def title(self):
        return f"VLAN interface {self.name}"


@dataclass(frozen=True)
class Sublink(Resource):
    """A macvlan or ipvlan interface on `lower`, an interface of the host: in a sandbox, or the host's own.

    `mac` is empty where it has that of `lower`; `flag` is ipvlan's.
    """

    place: str
    name: str
    lower: str
    kind: str
    mode: str
    mac: str
    mtu: int
    tag: str
    flag: str = ""
    rank = 42
    handler = "links"

    @property
    def key(self):
        return ("link", self.place, self.name)

    @property
    def parent(self):
        return ("link", HOST, self.lower)

    @property
    def needs(self):  # type: ignore[override]
        return self.kind

    @property
    def fixed(self):
        # The kernel changes the mode in place, but not to or from passthru.
        return (self.kind, self.lower, self.mode == "passthru")

    @property
    def title(self):
        return f"interface {self.name}{where(self.place)} on {self.lower}"
