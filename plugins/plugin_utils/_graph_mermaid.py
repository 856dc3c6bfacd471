# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as a flowchart of Mermaid. Collection-private and pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.netloom.containers.plugins.plugin_utils._graph import Graph
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_frames import Frame, Node, drawing, short
from ansible_collections.netloom.containers.plugins.plugin_utils._text_width import printable

# What a viewer's own theme decides is left to it: only what drifted has colours of its own, which go with any theme.
DRIFT = "fill:#fff0ee,stroke:#b3161f,color:#7d0f16,stroke-width:3px,stroke-dasharray:6 3"


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
    return '"' + "<br/>".join(_encoded(short(line)) for line in lines) + '"'


def _encoded(text: str) -> str:
    """Return text with Mermaid's entities for every sign that could be taken for something else.

    Of a colon with an entity right behind it, Mermaid takes what follows for a style.
    """
    shown = re.sub(r"[^\w .,:/-]", lambda found: _entity(found[0]), printable(text), flags=re.ASCII)
    return re.sub(r":(?! )", _entity(":"), shown)


def _entity(char: str) -> str:
    return f"#{ord(char)};" if char.isascii() else char
