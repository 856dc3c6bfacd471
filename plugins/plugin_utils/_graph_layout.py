# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the boxes of a picture are. Collection-private and pure.

Networks, and the groups of members that are on several of them, are in rows: a line leads only from one row to the next.
What is not connected stands beside or below. The same boxes are always at the same places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

PAGE = 1120  # how wide rows become before they are broken where they can be
GAP_X, GAP_Y = 28, 56
SHELF_GAP = 32


@dataclass(eq=False)
class Box:
    """A network, a group or an uplink, with the members in it. `neighbours` are in the rows above and below."""

    item: Any
    width: float = 0
    height: float = 0
    x: float = 0
    y: float = 0
    row: int = 0
    is_net: bool = False
    neighbours: list[Box] = field(default_factory=list)

    @property
    def centre(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True)
class Line:
    """A connection, from the lower edge of a box to the upper edge of one in the next row."""

    upper: Box
    lower: Box
    start: float
    end: float


def rows_of(boxes: Sequence[Box], roots: Sequence[Box]) -> list[list[Box]]:
    """Return connected boxes by their distance from `roots`, which are all networks, or none is."""
    seen = {id(box) for box in roots}
    rows = [list(roots)]
    while rows[-1]:
        following = []
        for box in rows[-1]:
            for other in box.neighbours:
                if id(other) not in seen:
                    seen.add(id(other))
                    following.append(other)
        rows.append(following)
    rows.pop()
    for index, row in enumerate(rows):
        for box in row:
            box.row = index
    _uncross(rows)
    return rows


def components(boxes: Iterable[Box]) -> list[list[Box]]:
    """Return the boxes that hang together, in the order of their first ones."""
    seen: set[int] = set()
    found = []
    for box in boxes:
        if id(box) in seen:
            continue
        part: list[Box] = []
        waiting = [box]
        seen.add(id(box))
        while waiting:
            part.append(waiting.pop(0))
            near = [other for other in part[-1].neighbours if id(other) not in seen]
            seen.update(map(id, near))
            waiting += near
        found.append(part)
    return found


def _uncross(rows: list[list[Box]]) -> None:
    """Sort each row by where its neighbours are, downwards and upwards in turn."""
    for _sweep in range(4):
        for order, step in ((range(1, len(rows)), -1), (range(len(rows) - 2, -1, -1), 1)):
            for index in order:
                place = {id(box): position for position, box in enumerate(rows[index + step])}
                rows[index].sort(
                    key=lambda box: _mean([place[id(near)] for near in box.neighbours if id(near) in place])
                )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def place_rows(rows: list[list[Box]]) -> tuple[float, float]:
    """Put the boxes of one component where they belong, from (0, 0) on; return its width and height."""
    for row in rows:
        _pack(row, [0.0] * len(row))
    for _sweep in range(6):
        for index, row in enumerate(rows):
            near = [[other.centre for other in box.neighbours if abs(other.row - index) == 1] for box in row]
            _pack(row, [_mean(centres) - box.width / 2 if centres else box.x for box, centres in zip(row, near)])
    left = min(box.x for row in rows for box in row)
    y = 0.0
    for index, row in enumerate(rows):
        for box in row:
            box.x, box.y = round(box.x - left, 1), y
        y += max(box.height for box in row)
        if index + 1 < len(rows):
            y += GAP_Y + min(_reach(row) * 0.06, 60)
    return max(box.x + box.width for row in rows for box in row), y


def _reach(row: Sequence[Box]) -> float:
    """Return how far to the side the furthest line down from a row leads."""
    return max(
        (abs(box.centre - other.centre) for box in row for other in box.neighbours if other.row > box.row), default=0
    )


def _pack(row: Sequence[Box], wanted: Sequence[float]) -> None:
    """Put boxes as near to the `wanted` places as their order and the gaps allow."""
    edge = float("-inf")
    for box, place in zip(row, wanted):
        box.x = max(place, edge)
        edge = box.x + box.width + GAP_X
    shift = _mean([place - box.x for box, place in zip(row, wanted)])
    for box in row:
        box.x += shift


def lines_of(rows: Sequence[Sequence[Box]]) -> list[Line]:
    """Return the lines between rows; where several meet a box they are beside each other, and do not cross there."""
    ends: dict[tuple[int, int], float] = {}
    for index, box in ((index, box) for index, row in enumerate(rows) for box in row):
        for step in (-1, 1):
            others = sorted((near for near in box.neighbours if near.row == index + step), key=lambda near: near.centre)
            gap = min(36.0, box.width * 0.7 / max(len(others) - 1, 1))
            for position, other in enumerate(others):
                ends[id(box), id(other)] = round(box.centre + gap * (position - (len(others) - 1) / 2), 1)
    found = []
    for upper in (box for row in rows for box in row):
        for lower in (near for near in upper.neighbours if near.row > upper.row):
            start, end = ends[id(upper), id(lower)], ends[id(lower), id(upper)]
            if abs(start - end) < 8:  # as good as straight
                start = end
            found.append(Line(upper, lower, start, end))
    return found


def shelve(parts: Sequence[tuple[list[list[Box]], float, float]]) -> tuple[float, float]:
    """Put components, each with its width and height, beside and below each other; return the width and height of all."""
    page = max([PAGE, *(width for _rows, width, _height in parts)])
    x = y = shelf = widest = 0.0
    for rows, width, height in parts:
        if x and x + width > page:
            x, y, shelf = 0.0, y + shelf + SHELF_GAP, 0.0
        for box in (box for row in rows for box in row):
            box.x, box.y = round(box.x + x, 1), round(box.y + y, 1)
        x += width + SHELF_GAP
        shelf, widest = max(shelf, height), max(widest, x - SHELF_GAP)
    return widest, y + shelf
