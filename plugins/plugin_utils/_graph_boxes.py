# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in the boxes of a picture, and how large that makes them. Collection-private and pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import Graph, Group, Member, Net, Place, Uplink
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_layout import (
    GAP_X,
    PAGE,
    Box,
    Line,
    components,
    lines_of,
    place_rows,
    rows_of,
    shelve,
)
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import broken, printable, width

NAME, HEAD, SMALL, CHIP = 13.0, 15.0, 11.5, 11.0  # sizes of text
ROW = 17.0  # from line to line
PAD, CARD_PAD, CARD_GAP = 14.0, 10.0, 10.0
CARD_MIN, CARD_MAX, HEAD_MIN, HEAD_MAX = 120.0, 310.0, 172.0, 440.0
CHIP_HEIGHT, CHIP_GAP, SIGN = 19.0, 6.0, 15.0
LINES_SHOWN, PORTS_SHOWN, PEERS_SHOWN = 5, 4, 6


@dataclass(frozen=True)
class Row:
    """A line of a card: a word on the left, a value on the right. `net` is the network whose colour stands before it."""

    left: str
    right: str = ""
    net: str = ""
    is_port: bool = False


@dataclass(frozen=True)
class Card:
    """A member as it is drawn."""

    member: Member
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chip:
    """A word in a frame. `is_loud` is for what is not as it should be."""

    text: str
    is_loud: bool = False
    is_locked: bool = False

    @property
    def width(self) -> float:
        sign = SIGN if self.is_loud or self.is_locked else 0
        return width(printable(self.text), CHIP) + 14 + sign


@dataclass(eq=False)
class Panel(Box):
    """A box with what is written in it: a heading, lines, chips, cards in columns, and lines at the bottom."""

    heading: str = ""
    lines: list[str] = field(default_factory=list)
    chips: list[Chip] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    footer: list[str] = field(default_factory=list)
    columns: int = 1
    chip_rows: list[list[Chip]] = field(default_factory=list)
    foot_rows: list[str] = field(default_factory=list)

    @property
    def is_bare(self) -> bool:
        """Return whether it is nothing but one card."""
        return isinstance(self.item, Group) and len(self.cards) == 1

    @property
    def card_width(self) -> float:
        return min(max([CARD_MIN, *(_card_need(card) for card in self.cards)]), CARD_MAX)

    @property
    def card_heights(self) -> list[float]:
        """Return how high each row of cards is."""
        rows = [self.cards[first : first + self.columns] for first in range(0, len(self.cards), self.columns)]
        return [2 * CARD_PAD + ROW * (1 + max(len(card.rows) for card in row)) - 4 for row in rows]

    @property
    def head_height(self) -> float:
        if self.is_bare:
            return 0
        if not isinstance(self.item, Net):
            return PAD + ROW * (1 + len(self.lines)) + 2
        chips = len(self.chip_rows) * (CHIP_HEIGHT + 4)
        return PAD + 22 + ROW * len(self.lines) + (chips + 6 if chips else 0)

    def arrange(self, columns: int) -> None:
        """Set its size for so many columns of cards."""
        self.columns = columns
        pad = 0 if self.is_bare else PAD
        grid = columns * (self.card_width + CARD_GAP) - CARD_GAP if self.cards else 0
        self.width = max(grid + 2 * pad, 0 if self.is_bare else self._head_need())
        self.chip_rows = _wrapped(self.chips, self.width - 2 * PAD - 4)
        cards = sum(self.card_heights) + CARD_GAP * max(len(self.card_heights) - 1, 0)
        self.foot_rows = [row for text in self.footer for row in broken(text, self.width - 2 * PAD - 4, SMALL)]
        foot = len(self.foot_rows) * ROW + 10 if self.footer else 0
        gap = 10 if self.cards and not self.is_bare else 0
        self.height = self.head_height + gap + cards + foot + pad - (0 if cards or self.is_bare else 4)

    def slots(self) -> Iterable[tuple[Card, float, float, float]]:
        """Yield each card with where it is, and how high."""
        pad = 0 if self.is_bare else PAD
        y = self.y + self.head_height + (0 if self.is_bare else 10)
        for row, high in enumerate(self.card_heights):
            for column, card in enumerate(self.cards[row * self.columns : (row + 1) * self.columns]):
                yield card, self.x + pad + column * (self.card_width + CARD_GAP), y, high
            y += high + CARD_GAP

    def _head_need(self) -> float:
        bold = width(printable(self.heading), HEAD, bold=True)
        driver = Chip(self.item.driver).width + 10 if isinstance(self.item, Net) and self.item.driver else 0
        need = [bold + driver, *(width(printable(line), SMALL, fixed=True) for line in self.lines)]
        need += [chip.width for chip in self.chips]
        need += [340] if self.footer else []
        return min(max(HEAD_MIN, max(need) + 2 * PAD + 6), HEAD_MAX)


def arranged(graph: Graph) -> tuple[list[Panel], list[Line], float, float]:
    """Return all boxes where they are, the lines between them, and the width and height of all."""
    parts, lines = [], []
    for part in components(_panels(graph)):
        rows = rows_of(part, _roots(part))
        for row in rows:
            _share(row)  # type: ignore[arg-type]
        size = place_rows(rows)
        parts.append((rows, *size))
    wide, high = shelve(parts)
    for rows, _width, _height in parts:
        lines += lines_of(rows)
    return [box for rows, _width, _height in parts for row in rows for box in row], lines, wide, high  # type: ignore[misc]


def _panels(graph: Graph) -> list[Panel]:
    """Return what there is, with the connections: members of one network are in it, of several beside."""
    found = {net.name: _of_net(net) for net in graph.nets}
    rest: list[Panel] = []
    for uplink in graph.uplinks:
        rest.append(_of_uplink(uplink))
        _connect(rest[-1], [found[name] for name in uplink.networks])
    for group in graph.groups:
        if len(group.networks) == 1:
            found[group.networks[0]].cards = [_card(member, shared=False) for member in group.members]
            continue
        rest.append(_of_group(group))
        _connect(rest[-1], [found[name] for name in group.networks])
    return [*found.values(), *rest]


def _connect(box: Panel, nets: Iterable[Panel]) -> None:
    for net in nets:
        box.neighbours.append(net)
        net.neighbours.append(box)


def _of_net(net: Net) -> Panel:
    chips = [Chip("internal", is_locked=True)] if net.internal else []
    chips += [Chip(mark) for mark in net.marks]
    if net.drift:
        chips.append(Chip(f"{len(net.drift)} not as recorded", is_loud=True))
    footer = list(net.drift[:LINES_SHOWN])
    if len(net.drift) > LINES_SHOWN:
        footer.append(f"and {len(net.drift) - LINES_SHOWN} more")
    return Panel(net, is_net=True, heading=net.name, lines=net.pools, chips=chips, footer=footer)


def _of_group(group: Group) -> Panel:
    names = [*group.networks]
    heading = f"on {', '.join(names[:-1])} and {names[-1]}" if names else "on no network"
    return Panel(group, heading=heading, cards=[_card(member, shared=True) for member in group.members])


def _of_uplink(uplink: Uplink) -> Panel:
    lines = list(uplink.lines[: PEERS_SHOWN + 1])
    if len(uplink.lines) > len(lines):
        lines.append(f"and {len(uplink.lines) - len(lines)} more")
    return Panel(uplink, heading=uplink.name, lines=lines)


def _card(member: Member, *, shared: bool) -> Card:
    rows = [row for place in member.places for row in _rows(place, shared=shared)]
    if member.pending:
        rows.append(Row("not running"))
    return Card(member, tuple(rows))


def _rows(place: Place, *, shared: bool) -> Iterable[Row]:
    addresses = [*place.addresses] or [""]
    if shared:
        yield Row(place.network, place.line, net=place.network)
    elif place.ifname or place.addresses:
        yield Row(place.ifname, addresses[0])
    for address in addresses[1:]:
        yield Row("", address)
    for port in place.ports[:PORTS_SHOWN]:
        yield Row("port", port, is_port=True)
    if len(place.ports) > PORTS_SHOWN:
        yield Row(f"and {len(place.ports) - PORTS_SHOWN} more ports", is_port=True)


def _card_need(card: Card) -> float:
    sign = SIGN + 4 if card.member.drift else 0
    need = width(printable(card.member.name), NAME, bold=True) + sign
    for row in card.rows:
        dot = 12 if row.net else 0
        left, right = printable(row.left), printable(row.right)
        need = max(need, dot + width(left, SMALL) + (10 if right else 0) + width(right, SMALL, fixed=True))
    return need + 2 * CARD_PAD + 2


def _roots(part: Sequence[Box]) -> list[Box]:
    """Return what stands at the top: uplinks, or the networks with a way out that have the fewest neighbours."""
    uplinks = [box for box in part if isinstance(box.item, Uplink)]
    nets = [box for box in part if box.is_net]
    if uplinks or not nets:
        return uplinks or list(part[:1])
    open_nets = [box for box in nets if not box.item.internal] or nets
    fewest = min(len(box.neighbours) for box in open_nets)
    return [box for box in open_nets if len(box.neighbours) == fewest]


def _share(row: Sequence[Panel]) -> None:
    """Give the boxes of a row as many columns as there is room for, the fullest first."""
    for box in row:
        box.arrange(1)
    while True:
        room = PAGE - GAP_X * (len(row) - 1) - sum(box.width for box in row)
        wanting = [box for box in row if box.columns < len(box.cards)]
        wanting = [box for box in wanting if box.card_width + CARD_GAP <= room or _is_free(box)]
        if not wanting:
            return
        fullest = max(wanting, key=lambda box: math.ceil(len(box.cards) / box.columns))
        fullest.arrange(fullest.columns + 1)


def _is_free(box: Panel) -> bool:
    """Return whether one more column makes a box no wider."""
    pad = 0 if box.is_bare else PAD
    return (box.columns + 1) * (box.card_width + CARD_GAP) - CARD_GAP + 2 * pad <= box.width


def _wrapped(chips: Sequence[Chip], room: float) -> list[list[Chip]]:
    """Return chips in lines that are no longer than the room there is, unless one alone is."""
    rows: list[list[Chip]] = []
    left = 0.0
    for chip in chips:
        if not rows or chip.width > left:
            rows.append([])
            left = room
        rows[-1].append(chip)
        left -= chip.width + CHIP_GAP
    return rows
