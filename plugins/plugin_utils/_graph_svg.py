# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as SVG, complete in itself: no scripts, no fonts, nothing that is loaded. Collection-private and pure."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import Graph, Group, Member, Net
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_boxes import arranged
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_layout import Line
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_panels import (
    CARD_PAD,
    CHIP,
    CHIP_GAP,
    CHIP_HEIGHT,
    HEAD,
    NAME,
    PAD,
    ROW,
    SIGN,
    SMALL,
    Card,
    Chip,
    Panel,
    Row,
)
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_style import HUES, style
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import fitted, printable, width

MARGIN, TITLE, SUMMARY = 24, 18.0, 12.5
DESCRIBED = 4000  # characters of the description, read aloud by screen readers


def svg(graph: Graph, theme: str) -> str:
    """Return the picture as the text of an SVG file."""
    panels, lines, wide, high = arranged(graph)
    hues = {net.name: index % HUES for index, net in enumerate(graph.nets)}
    page = max(wide, 320.0)
    top = MARGIN + (TITLE + 8 if graph.title else 0) + SUMMARY + 16
    for panel in panels:
        panel.x, panel.y = panel.x + MARGIN, panel.y + top
    body: list[str] = []
    if graph.title:
        body += _text("title", MARGIN, MARGIN + TITLE - 3, graph.title, page, TITLE, bold=True)
    body += _text("muted", MARGIN, top - 18, graph.summary, page, SUMMARY)
    for line in sorted(lines, key=lambda line: (line.upper.row, line.start)):
        body += _line(line, MARGIN, hues)
    for panel in panels:
        body += _panel(panel, hues)
    size = (round(page + 2 * MARGIN), round(top + high + MARGIN))
    return "\n".join([*_opening(graph, size, theme), *body, "</svg>", ""])


def described(graph: Graph) -> str:
    """Return the picture in words."""
    words = [graph.summary + "."]
    for net in graph.nets:
        facts = ", ".join(
            [*filter(None, [net.driver]), *net.pools, *(["internal"] if net.internal else []), *net.marks]
        )
        names = [member.name for member in graph.members if net.name in member.networks]
        words.append(f"Network {net.name}{f' ({facts})' if facts else ''}: {', '.join(names) or 'no containers'}.")
        words += [f"Not as recorded: {line}." for line in net.drift]
    text = " ".join(words)
    return text if len(text) <= DESCRIBED else text[: DESCRIBED - 1] + "\u2026"


def _opening(graph: Graph, size: tuple[int, int], theme: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}"'
        ' class="netloom" role="img" aria-labelledby="netloom-title netloom-desc">'
    )
    yield f'<title id="netloom-title">{_quoted(graph.title or "Container networks")}</title>'
    yield f'<desc id="netloom-desc">{_quoted(described(graph))}</desc>'
    yield f"<style>\n{style(theme)}</style>"
    yield f'<rect class="page" width="{size[0]}" height="{size[1]}"/>'


def _line(line: Line, shift: float, hues: dict[str, int]) -> Iterator[str]:
    net = line.upper if line.upper.is_net else line.lower
    start, end = line.start + shift, line.end + shift
    y1, y2 = line.upper.bottom, line.lower.y
    bend = (y2 - y1) * 0.55
    yield (
        f'<path class="line hue{hues[net.item.name]}" d="M{start:g} {y1:g}'
        f'C{start:g} {y1 + bend:g} {end:g} {y2 - bend:g} {end:g} {y2:g}"/>'
    )
    for x, y in ((start, y1), (end, y2)):
        yield f'<circle class="dot hue{hues[net.item.name]}" cx="{x:g}" cy="{y:g}" r="3.5"/>'


def _panel(panel: Panel, hues: dict[str, int]) -> Iterator[str]:
    if not panel.is_bare:
        yield from _frame(panel, hues)
    for card, x, y, high in panel.slots():
        yield from _card(card, x, y, panel.card_width, high, hues)


def _frame(panel: Panel, hues: dict[str, int]) -> Iterator[str]:
    net = panel.item if isinstance(panel.item, Net) else None
    kind = "group" if isinstance(panel.item, Group) else "uplink"
    drifted = " drifted" if net and net.drift else ""
    shape = f"net hue{hues[net.name]}{drifted}" if net else kind
    x, y, room = panel.x, panel.y, panel.width - 2 * PAD
    yield _rect(shape, x, y, panel.width, panel.height, 10)
    if not net:
        yield from _text("label" if kind == "group" else "name", x + PAD, y + PAD + 9, panel.heading, room, SMALL + 1)
        for index, text in enumerate(panel.lines):
            yield from _text("muted", x + PAD, y + PAD + 9 + ROW * (index + 1), text, room, SMALL)
        return
    driver = Chip(net.driver) if net.driver else None
    beside = driver.width + 10 if driver else 0
    yield _rect(f"band hue{hues[net.name]}", x + 6, y + PAD - 2, 4, 17, 2)
    yield from _text("head", x + PAD + 2, y + PAD + 11, net.name, room - beside - 2, HEAD, bold=True)
    if driver:
        taken = width(fitted(printable(net.name), room - beside - 2, HEAD, bold=True), HEAD, bold=True)
        yield from _chip(driver, min(x + PAD + taken + 12, x + panel.width - PAD - driver.width), y + PAD - 4, room)
    for index, text in enumerate(panel.lines):
        yield from _text("fact", x + PAD + 2, y + PAD + 31 + ROW * index, text, room, SMALL, fixed=True)
    top = y + PAD + 26 + ROW * len(panel.lines)
    for row in panel.chip_rows:
        left = x + PAD + 2
        for chip in row:
            yield from _chip(chip, left, top, room)
            left += chip.width + CHIP_GAP
        top += CHIP_HEIGHT + 4
    for index, text in enumerate(reversed(panel.foot_rows)):
        yield from _text("alarm", x + PAD + 2, panel.bottom - PAD - ROW * index, text, room, SMALL)


def _chip(chip: Chip, x: float, y: float, room: float) -> Iterator[str]:
    wide = min(chip.width, room)
    yield _rect("chip loud" if chip.is_loud else "chip", x, y, wide, CHIP_HEIGHT, 9)
    left = x + 7
    if chip.is_loud:
        yield from _sign(left - 1, y + 3.5)
        left += SIGN
    if chip.is_locked:
        yield f'<path class="lock" d="M{left + 2:g} {y + 9:g}v-2a3 3 0 0 1 6 0v2"/>'
        yield _rect("key", left + 0.5, y + 8.5, 9, 6.5, 1.5)
        left += SIGN
    room = x + wide - 6 - left
    kind = "word alarm" if chip.is_loud else "word"
    yield from _text(kind, left + room / 2, y + 13.5, chip.text, room, CHIP)


def _card(card: Card, x: float, y: float, wide: float, high: float, hues: dict[str, int]) -> Iterator[str]:
    member = card.member
    state = " drifted" if member.drift else " pending" if member.pending else ""
    yield "<g>"
    yield f"<title>{_quoted(_told(member))}</title>"
    yield _rect(f"card{state}", x, y, wide, high, 6)
    room = wide - 2 * CARD_PAD
    if member.drift:
        yield from _sign(x + wide - CARD_PAD - 13, y + CARD_PAD - 2)
    yield from _text(
        "name", x + CARD_PAD, y + CARD_PAD + 10, member.name, room - (SIGN + 4 if member.drift else 0), NAME, bold=True
    )
    for index, row in enumerate(card.rows):
        yield from _row(row, x + CARD_PAD, y + CARD_PAD + 10 + ROW * (index + 1), room, hues)
    yield "</g>"


def _row(row: Row, x: float, y: float, room: float, hues: dict[str, int]) -> Iterator[str]:
    beside = min(width(printable(row.left), SMALL), room * 0.35) + (12 if row.net else 0)
    right = fitted(printable(row.right), room - beside - (10 if beside else 0), SMALL, fixed=True)
    taken = width(right, SMALL, fixed=True)
    left = room - (taken + 10 if right else 0)
    if row.net:
        yield f'<circle class="dot hue{hues[row.net]}" cx="{x + 4:g}" cy="{y - 4:g}" r="3.5"/>'
        x, left, room = x + 12, left - 12, room - 12
    yield from _text("muted", x, y, row.left, left, SMALL)
    if right:
        yield from _text("port" if row.is_port else "fact", x + room, y, row.right, taken + 0.01, SMALL, fixed=True)


def _sign(x: float, y: float) -> Iterator[str]:
    """Yield a warning sign of 13 by 12."""
    yield f'<path class="sign" d="M{x + 6.5:g} {y:g}l6.5 12h-13z"/>'
    yield f'<path class="mark" d="M{x + 6.5:g} {y + 4:g}v3.6M{x + 6.5:g} {y + 9.4:g}v1"/>'


def _told(member: Member) -> str:
    places = [
        ", ".join(filter(None, [f"{place.network}: {place.ifname}".rstrip(": "), *place.addresses, *place.ports]))
        for place in member.places
    ]
    runtime = f" ({member.runtime})" if member.runtime else ""
    return "\n".join([member.name + runtime, *places, *(f"not as recorded: {line}" for line in member.drift)])


def _rect(kind: str, x: float, y: float, wide: float, high: float, radius: float) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="{radius:g}"/>'


def _text(
    kind: str, x: float, y: float, text: str, room: float, size: float, *, bold: bool = False, fixed: bool = False
) -> Iterator[str]:
    """Yield a text that takes no more than the room it has; what is cut off is shown when it is pointed at."""
    whole = printable(text)
    shown = fitted(whole, room, size, bold=bold, fixed=fixed)
    if not shown:
        return
    title = f"<title>{_quoted(whole)}</title>" if shown != whole else ""
    yield f'<text class="{kind}" x="{x:g}" y="{y:g}">{title}{_quoted(shown)}</text>'


def _quoted(text: str) -> str:
    return escape("\n".join(map(printable, text.split("\n"))), {'"': "&quot;", "'": "&#39;"})
