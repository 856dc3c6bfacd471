# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as text for other programs to draw: Mermaid and Graphviz DOT. Collection-private and pure.

Frames are networks, and groups of members that are on the same several networks; what is above what is as in the SVG.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import WARNING, Graph, Group, Member, Net
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_boxes import LINES_SHOWN, Panel, arranged
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_style import DARK, LIGHT, Palette
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import ELLIPSIS, printable

COLUMNS = 6  # of members beside each other, at most
CHARACTERS = 96  # of a line, at most
# What a viewer's own theme decides is left to it: only what drifted has colours of its own, which go with any theme.
DRIFT = "fill:#fff0ee,stroke:#b3161f,color:#7d0f16,stroke-width:3px,stroke-dasharray:6 3"


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


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + ELLIPSIS


# --- Mermaid ---


def mermaid(graph: Graph, theme: str) -> str:
    """Return a flowchart. With theme auto, the viewer's own theme is left alone."""
    drawn = drawing(graph)
    lines = [] if theme == "auto" else [f"%%{{init: {{'theme': '{'dark' if theme == 'dark' else 'default'}'}}}}%%"]
    lines += ["flowchart TB", f"  accTitle: {_encoded(graph.title or 'Container networks')}"]
    lines += [f"  accDescr: {_encoded(graph.summary)}"]
    for frame in drawn.frames:
        lines += _mermaid_frame(frame)
    lines += [f"  {_mermaid_end(upper)} --- {_mermaid_end(lower)}" for upper, lower, _net in drawn.links]
    nodes = [node for frame in drawn.frames for node in (frame, *frame.nodes)]
    for state, looks in (("drift", DRIFT), ("pending", "stroke-dasharray:4 3"), ("facts", "fill:none,stroke:none")):
        names = [node.id for node in nodes if node.state == state]
        if state == "facts":
            names = [f"{frame.id}h" for frame in drawn.frames if frame.nodes and frame.lines[1:]]
        if names:
            lines += [f"  classDef {state} {looks}", f"  class {','.join(names)} {state}"]
    return "\n".join([*lines, ""])


def _mermaid_frame(frame: Frame) -> Iterator[str]:
    if frame.net is None and len(frame.nodes) == 1:
        yield f"  {frame.nodes[0].id}[{_label(frame.nodes[0].lines)}]"
        return
    if not frame.nodes:
        opened, closed = ("[[", "]]") if frame.net is not None else ("([", "])")
        yield f"  {frame.id}{opened}{_label(frame.lines)}{closed}"
        return
    yield f"  subgraph {frame.id}[{_label(frame.lines[:1])}]"
    yield "    direction TB"
    # Mermaid leaves room for one line of heading: what else there is to say is a node without a frame.
    above: Sequence[Node] = ()
    if frame.lines[1:]:
        above = [Node(f"{frame.id}h", frame.lines[1:])]
        yield f"    {above[0].id}[{_label(above[0].lines)}]"
    for row in frame.rows:
        yield from (f"    {node.id}[{_label(node.lines)}]" for node in row)
        # invisible lines put members into rows, below each other
        for index, node in enumerate(row if above else ()):
            yield f"    {above[min(index, len(above) - 1)].id} ~~~ {node.id}"
        above = row
    yield "  end"


def _mermaid_end(frame: Frame) -> str:
    return frame.nodes[0].id if frame.net is None and len(frame.nodes) == 1 else frame.id


def _label(lines: Iterable[str]) -> str:
    return '"' + "<br/>".join(_encoded(_short(line)) for line in lines) + '"'


def _encoded(text: str) -> str:
    """Return text with Mermaid's entities for every sign that could be taken for something else.

    Of a colon with an entity right behind it, Mermaid takes what follows for a style.
    """
    shown = re.sub(r"[^\w .,:/-]", lambda found: _entity(found[0]), printable(text), flags=re.ASCII)
    return re.sub(r":(?! )", _entity(":"), shown)


def _entity(char: str) -> str:
    return f"#{ord(char)};" if char.isascii() else char


# --- DOT ---


def dot(graph: Graph, theme: str) -> str:
    """Return a graph for `dot`. With theme auto it is light."""
    drawn = drawing(graph)
    colours = DARK if theme == "dark" else LIGHT
    page = f'bgcolor="{colours.page}", fontname="sans-serif", fontcolor="{colours.text}", pad=0.3'
    box = f'shape=box, style="rounded,filled", fillcolor="{colours.card}", color="{colours.edge}", margin="0.14,0.08"'
    lines = [
        "graph netloom {",
        f"  graph [compound=true, nodesep=0.2, ranksep=0.35, {page}, tooltip={_attribute(graph.summary)}];",
        f'  node [{box}, fontname="sans-serif", fontsize=11, fontcolor="{colours.text}"];',
        "  edge [penwidth=1.6];",
    ]
    if graph.title:
        lines.append(f"  labelloc=t; label=<<b>{_markup(graph.title)}</b>>;")
    for frame in drawn.frames:
        lines += _dot_frame(frame, colours)
    for upper, lower, net in drawn.links:
        tail, head = _dot_tail(upper), _dot_head(lower)
        ends = [f"ltail=cluster_{upper.id}"] if tail != _lone(upper) else []
        ends += [f"lhead=cluster_{lower.id}"] if head != _lone(lower) else []
        hue = colours.hues[net % len(colours.hues)]
        attributes = ", ".join([f'color="{hue}"', "minlen=2", *ends])
        lines.append(f"  {tail} -- {head} [{attributes}];")
    return "\n".join([*lines, "}", ""])


def _dot_frame(frame: Frame, colours: Palette) -> Iterator[str]:
    if _lone(frame):
        node = frame.nodes[0] if frame.nodes else frame
        yield f"  {_dot_node(node, colours, '' if frame.nodes else f', {_dot_looks(frame, colours)}')}"
        return
    yield f"  subgraph cluster_{frame.id} {{"
    yield f"    graph [label={_table(frame.lines)}, labeljust=l, margin=12, fontsize=11, {_dot_looks(frame, colours)}];"
    # what lines to the frame end at, and what keeps the rows below each other
    yield f'    {frame.id} [shape=point, style=invis, width=0.01, height=0.01, label=""];'
    above: Sequence[Node] = [frame]
    for row in frame.rows:
        yield from (f"    {_dot_node(node, colours)}" for node in row)
        for index, node in enumerate(row):
            yield f"    {above[min(index, len(above) - 1)].id} -- {node.id} [style=invis];"
        above = row
    yield "  }"


def _lone(frame: Frame) -> str:
    """Return the name of the only node of a frame that is not drawn as one, or nothing."""
    if not frame.nodes:
        return frame.id
    return frame.nodes[0].id if frame.net is None and len(frame.nodes) == 1 else ""


def _dot_tail(frame: Frame) -> str:
    last = frame.rows[-1] if frame.rows else (frame,)
    return _lone(frame) or last[len(last) // 2].id


def _dot_head(frame: Frame) -> str:
    return _lone(frame) or frame.id


def _dot_looks(frame: Frame, colours: Palette) -> str:
    if frame.state:
        return f'color="{colours.alarm}", fillcolor="{colours.alarm_fill}", style="filled,dashed,rounded", penwidth=2'
    if frame.net is None:
        return f'color="{colours.muted}", style="dashed,rounded", fontcolor="{colours.muted}"'
    hue = colours.hues[frame.net % len(colours.hues)]
    return f'color="{hue}", fillcolor="{colours.net}", style="filled,rounded", penwidth=1.4'


def _dot_node(node: Node, colours: Palette, looks: str = "") -> str:
    if node.state == "drift":
        looks = (
            f', color="{colours.alarm}", fillcolor="{colours.alarm_fill}", style="rounded,filled,dashed", penwidth=2'
        )
    elif node.state == "pending":
        looks = ', style="rounded,filled,dashed"'
    return f"{node.id} [label={_table(node.lines)}, tooltip={_attribute(node.lines[0])}{looks}];"


def _table(lines: Sequence[str]) -> str:
    """Return lines as a label of DOT's markup, the first one bold."""
    first, *rest = [_markup(_short(line)) for line in lines]
    ending = '<br align="left"/>'
    return "<" + "".join(f"{line}{ending}" for line in (f"<b>{first}</b>", *rest)) + ">"


def _markup(text: str) -> str:
    return escape(printable(text)) or " "


def _attribute(text: str) -> str:
    """Return a quoted attribute, in which backslashes and ampersands would mean something."""
    plain = escape(printable(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
