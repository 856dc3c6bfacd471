# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph in Graphviz's language DOT. Collection-private and pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import Graph
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_frames import Frame, Node, drawing, short
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_style import DARK, LIGHT, Palette
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import printable


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
    first, *rest = [_markup(short(line)) for line in lines]
    ending = '<br align="left"/>'
    return "<" + "".join(f"{line}{ending}" for line in (f"<b>{first}</b>", *rest)) + ">"


def _markup(text: str) -> str:
    return escape(printable(text)) or " "


def _attribute(text: str) -> str:
    """Return a quoted attribute, in which backslashes and ampersands would mean something."""
    plain = escape(printable(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
