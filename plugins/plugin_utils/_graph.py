# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture of networks shows, whatever it is drawn with: networks, members, and what is wrong with them.

Collection-private and pure, on the controller only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

WARNING = "\u26a0"  # stands where colour alone would not do
ARROW = "\u2192"  # from a port of the host to one of a member


@dataclass(frozen=True)
class Net:
    """A network. `marks` are the words for what is special about it; `drift` what is not as it should be."""

    name: str
    driver: str
    subnets: tuple[tuple[str, str], ...] = ()  # with the gateway, empty for none
    internal: bool = False
    marks: tuple[str, ...] = ()
    parent: str = ""
    peers: tuple[str, ...] = ()
    tunnel: str = ""  # words for what leads to the peers
    drift: tuple[str, ...] = ()

    @property
    def pools(self) -> list[str]:
        """Return its subnets as they are shown."""
        return [f"{subnet}, gateway {gateway}" if gateway else subnet for subnet, gateway in self.subnets]


@dataclass(frozen=True)
class Place:
    """A member's interface on a network."""

    network: str
    ifname: str = ""
    addresses: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    pending: bool = False
    aliases: frozenset[str] = frozenset()  # what else a line of Drift may call it: its end on the host, its MAC

    @property
    def line(self) -> str:
        """Return its interface and its first address."""
        return " ".join(filter(None, (self.ifname, *self.addresses[:1])))


@dataclass(frozen=True)
class Member:
    """A container, with its places in the order of the networks."""

    name: str
    runtime: str = ""
    places: tuple[Place, ...] = ()
    drift: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.network for place in self.places))

    @property
    def pending(self) -> bool:
        return any(place.pending for place in self.places)


@dataclass(frozen=True)
class Uplink:
    """What networks are on that is not of this host's making: an interface, or other hosts."""

    name: str
    lines: tuple[str, ...]
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """The members that are on exactly the same networks."""

    networks: tuple[str, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Graph:
    """Networks and members, both in the order in which they are shown."""

    nets: tuple[Net, ...] = ()
    members: tuple[Member, ...] = ()
    title: str = ""
    uplinks: tuple[Uplink, ...] = field(default=(), compare=False)

    @property
    def groups(self) -> list[Group]:
        """Return the members by the networks that they are on, those on none at the end."""
        found: dict[tuple[str, ...], list[Member]] = {}
        for member in self.members:
            found.setdefault(member.networks, []).append(member)
        order = {net.name: index for index, net in enumerate(self.nets)}
        keys = sorted(found, key=lambda names: (not names, [order[name] for name in names]))
        return [Group(names, tuple(found[names])) for names in keys]

    @property
    def drifted(self) -> int:
        """Return how many things are not as they should be."""
        return sum(len(net.drift) for net in self.nets)

    @property
    def summary(self) -> str:
        """Return what there is in one sentence."""
        words = [_count(len(self.nets), "network"), _count(len(self.members), "container")]
        if self.drifted:
            words.append(f"{_count(self.drifted, 'thing')} not as recorded")
        return ", ".join(words)


def graph(nets: Iterable[Net], members: Iterable[Member], title: str) -> Graph:
    """Return a graph in natural order, with what networks are on, and drift at the members that it names."""
    nets = sorted(nets, key=lambda net: natural(net.name))
    order = {net.name: index for index, net in enumerate(nets)}
    found = []
    for member in sorted(members, key=lambda member: (natural(member.name), member.runtime)):
        places = sorted(member.places, key=lambda place: (natural(place.ifname), order[place.network]))
        found.append(replace(member, places=tuple(places)))
    return Graph(tuple(nets), tuple(_with_drift(nets, found)), title, tuple(_uplinks(nets)))


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key by which web2 comes before web10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(part), part) if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]


def _uplinks(nets: Sequence[Net]) -> list[Uplink]:
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for net in nets:
        if net.peers or net.tunnel:
            found.setdefault(("other hosts", (net.tunnel, *net.peers)), []).append(net.name)
        elif net.parent:
            found.setdefault((net.parent, ("interface of the host",)), []).append(net.name)
    return [Uplink(name, tuple(filter(None, lines)), tuple(names)) for (name, lines), names in found.items()]


def _with_drift(nets: Sequence[Net], members: Sequence[Member]) -> list[Member]:
    """Return the members with the lines of Drift of their networks that are about them."""
    lines = {net.name: net.drift for net in nets if net.drift}
    found = []
    for member in members:
        drift = [
            line
            for place in member.places
            for line in lines.get(place.network, ())
            if is_about(line, member.name, place)
        ]
        found.append(replace(member, drift=tuple(dict.fromkeys(drift))))
    return found


def is_about(line: str, name: str, place: Place) -> bool:
    """Return whether a line of Drift is about a member: by its name, or by an address or interface of it alone."""
    quoted = re.escape(name)
    apart = r"(?: \([^)]*\))?"
    if re.search(rf"(?:endpoint|names) of {quoted}{apart} on network |/netns/{quoted}/resolv\.conf", line):
        return True
    if not line.startswith("firewall element") and re.search(rf" in {quoted}(?:$|:| is | should | \()", line):
        return True
    published = re.match(r"port .*:([0-9]+)/(tcp|udp|sctp)", line)
    if published:
        return any(_is_port(port, *published.groups()) for port in place.ports)
    words = set(re.split(r"[\s(),]+", line.replace(": ", " ")))
    words |= {word.partition("/")[0] for word in words}
    words |= {part for word in words for part in word.split(".")[3:4]}  # net.ipv6.conf.INTERFACE.
    return not words.isdisjoint({*place.aliases, *place.addresses})


def _is_port(shown: str, number: str, protocol: str) -> bool:
    outer, _arrow, inner = shown.partition(f" {ARROW} ")
    return outer.rpartition(":")[2] == number and (inner.partition("/")[2] or "tcp") == protocol


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
