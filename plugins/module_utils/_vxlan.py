# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network between hosts has besides a bridge: the VXLAN device, what it sends where, and whom it hears.

Collection-private. Frozen values only: nothing here reads or changes anything. Floor 0.
"""

from __future__ import annotations

from ._frozen import dataclass
from ._model import HOST
from ._resources import Entry, Resource

EVERYBODY = "00:00:00:00:00:00"  # stands for whatever MAC has no entry of its own, and for broadcasts


@dataclass(frozen=True)
class Vxlan(Resource):
    """A VXLAN device of ours, as a port of `master`. `tag` is the ownership mark, kept in the link's alias.

    `learning` False: it learns no MACs from what arrives, and answers for the neighbours that it was told of. With `evpn`
    it does neither: a routing daemon fills its table, which is none of ours, and `suppressing`, the port of the bridge
    learns nothing and has the bridge answer for its neighbours.
    """

    name: str
    master: str
    vni: int
    port: int
    local: str  # the address that its packets come from
    underlay: str  # the interface that they leave by, empty where the routes decide
    learning: bool
    mtu: int
    mac: str
    tag: str
    isolated: bool = False
    evpn: bool = False
    suppressing: bool = False
    rank = 41
    handler = "vxlans"
    needs = "vxlan"

    @property
    def key(self):
        return ("link", HOST, self.name)

    @property
    def fixed(self):
        return (self.vni, self.port, self.local, self.underlay, self.learning, self.evpn)

    @property
    def title(self):
        return f"VXLAN interface {self.name}"


@dataclass(frozen=True)
class _TableEntry(Resource):
    """What a table of an interface holds, and loses with it."""

    ifname: str
    rank = 65
    handler = "forwarding"
    verbs = ("add", "change", "remove")

    @property
    def parent(self):
        return ("link", HOST, self.ifname)


@dataclass(frozen=True)
class Forwarding(_TableEntry):
    """An entry of a VXLAN device's forwarding table: frames to `mac` go to the host `peer`.

    There is one for `EVERYBODY` for each peer, which all get a copy of what they stand for.
    """

    mac: str
    peer: str

    @property
    def key(self):
        return ("forwarding", self.ifname, self.mac, self.peer)

    @property
    def title(self):
        what = "peer" if self.mac == EVERYBODY else f"{self.mac} at peer"
        return f"{what} {self.peer} of {self.ifname}"

    def facts(self):
        return {"peer": self.peer}


@dataclass(frozen=True)
class Station(_TableEntry):
    """An entry of a bridge's forwarding table: `mac` is behind the port `ifname`, before it has sent anything."""

    mac: str

    @property
    def key(self):
        return ("station", self.ifname, self.mac)

    @property
    def title(self):
        return f"{self.mac} behind {self.ifname}"

    def facts(self):
        return {"mac": self.mac}


@dataclass(frozen=True)
class Neighbour(_TableEntry):
    """An address that a VXLAN device, or a bridge with a port that is `suppressing`, answers for, with its MAC."""

    address: str
    mac: str

    @property
    def key(self):
        return ("neighbour", self.ifname, self.address)

    @property
    def title(self):
        return f"neighbour {self.address} of {self.ifname}"

    def facts(self):
        return {"mac": self.mac}


@dataclass(frozen=True)
class Admission(Entry):
    """A host that is heard on a network: what says the same of VXLAN comes from no other.

    It is the last to come and the first to go: when a peer goes, what was learned from it goes after it, and is not
    learned again.
    """

    verbs = ("admit", "change", "shut out")
    rank = 75

    def facts(self):
        return {"peer": self.elements[0].value[0]}
