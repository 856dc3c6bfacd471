# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in the boxes of a picture, and where they are. Collection-private and pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

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
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_panels import (
    CARD_GAP,
    PAD,
    Card,
    Chip,
    Panel,
    Row,
)

LINES_SHOWN, PORTS_SHOWN, PEERS_SHOWN = 5, 4, 6


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
