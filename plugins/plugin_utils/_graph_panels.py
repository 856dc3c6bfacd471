# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes with what is written in them, and how large that makes them. Collection-private and pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import Group, Member, Net
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_layout import Box
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import broken, printable, width

NAME, HEAD, SMALL, CHIP = 13.0, 15.0, 11.5, 11.0  # sizes of text
ROW = 17.0  # from line to line
PAD, CARD_PAD, CARD_GAP = 14.0, 10.0, 10.0
CARD_MIN, CARD_MAX, HEAD_MIN, HEAD_MAX = 120.0, 310.0, 172.0, 440.0
CHIP_HEIGHT, CHIP_GAP, SIGN = 19.0, 6.0, 15.0


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


def _card_need(card: Card) -> float:
    sign = SIGN + 4 if card.member.drift else 0
    need = width(printable(card.member.name), NAME, bold=True) + sign
    for row in card.rows:
        dot = 12 if row.net else 0
        left, right = printable(row.left), printable(row.right)
        need = max(need, dot + width(left, SMALL) + (10 if right else 0) + width(right, SMALL, fixed=True))
    return need + 2 * CARD_PAD + 2


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
