# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as other programs draw it from text: frames, what is in them, and what connects them.

Frames are networks, and groups of members that are on the same several networks; what is above what is as in the SVG.
Collection-private and pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import WARNING, Graph, Group, Member, Net
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_boxes import LINES_SHOWN, Panel, arranged
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import ELLIPSIS, printable

COLUMNS = 6  # of members beside each other, at most
CHARACTERS = 96  # of a line, at most


@dataclass(frozen=True)
class Node:
    """A box of text, by the name that it has in the file, which never is one of the graph's: those could be anything."""

    id: str
    lines: tuple[str, ...]
    state: str = ""  # drift, pending or nothing


@dataclass(frozen=True)
class Frame(Node):
    """A box with members in it, which is a node of its own where it has none."""

    nodes: tuple[Node, ...] = ()
    net: int | None = None  # its number, by which it has a colour

    @property
    def rows(self) -> list[tuple[Node, ...]]:
        columns = min(COLUMNS, max(1, math.ceil(math.sqrt(len(self.nodes) * 1.5))))
        return [self.nodes[first : first + columns] for first in range(0, len(self.nodes), columns)]


@dataclass(frozen=True)
class Drawing:
    """The frames of a graph, and (upper, lower, number of the network) of those that are connected."""

    frames: tuple[Frame, ...]
    links: tuple[tuple[Frame, Frame, int], ...]


def drawing(graph: Graph) -> Drawing:
    panels = arranged(graph)[0]
    number = {net.name: index for index, net in enumerate(graph.nets)}
    frames = {}
    count = 0
    for index, panel in enumerate(panels):
        frames[id(panel)] = _frame(panel, index, count, number)
        count += len(panel.cards)
    links = [
        (frames[id(upper)], frames[id(lower)], number[(upper if upper.is_net else lower).item.name])
        for upper in panels
        for lower in upper.neighbours
        if lower.row > upper.row
    ]
    return Drawing(tuple(frames.values()), tuple(links))


def _frame(panel: Panel, index: int, count: int, number: dict[str, int]) -> Frame:
    item = panel.item
    nodes = tuple(_node(card.member, f"c{count + position}") for position, card in enumerate(panel.cards))
    if isinstance(item, Net):
        state = "drift" if item.drift else ""
        return Frame(f"f{index}", tuple(_of_net(item)), state, nodes, number[item.name])
    if isinstance(item, Group):
        return Frame(f"f{index}", (panel.heading,), "", nodes)
    return Frame(f"f{index}", (item.name, *item.lines))


def _node(member: Member, name: str) -> Node:
    state = "drift" if member.drift else "pending" if member.pending else ""
    return Node(name, tuple(_of_member(member)), state)


def _of_net(net: Net) -> Iterator[str]:
    yield f"{WARNING} {net.name}" if net.drift else net.name
    facts = ", ".join(filter(None, [net.driver, "internal" if net.internal else "", *net.marks]))
    yield from filter(None, (facts, *net.pools))
    yield from (f"{WARNING} {line}" for line in net.drift[:LINES_SHOWN])
    if len(net.drift) > LINES_SHOWN:
        yield f"{WARNING} and {len(net.drift) - LINES_SHOWN} more"


def _of_member(member: Member) -> Iterator[str]:
    yield f"{WARNING} {member.name}" if member.drift else member.name
    for place in member.places:
        where = f"{place.network}:" if len(member.networks) > 1 else ""
        line = " ".join(filter(None, (where, place.ifname, *place.addresses)))
        yield from filter(None, (line.rstrip(":"), *(f"port {port}" for port in place.ports)))
    if member.pending:
        yield "not running"


def short(text: str) -> str:
    """Return a line as it is shown: of no more than so many characters, and with none that could not be."""
    text = printable(text)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + ELLIPSIS
