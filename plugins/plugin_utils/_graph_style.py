# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of pictures, by light and by dark. Collection-private and pure.

No variables and no nesting: a viewer that knows little CSS shows the light ones, which the rest is added to.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Colours: texts have a contrast of 4.5 to what is behind them, lines one of 3 (WCAG 2, AA)."""

    page: str
    net: str
    card: str
    edge: str
    text: str
    muted: str
    port: str
    alarm: str
    alarm_fill: str
    hues: tuple[str, ...]  # of networks


LIGHT = Palette(
    page="#ffffff",
    net="#f6f8fa",
    card="#ffffff",
    edge="#c5ccd3",
    text="#1f2328",
    muted="#59636e",
    port="#0757b8",
    alarm="#b3161f",
    alarm_fill="#fff0ee",
    hues=("#0969da", "#1a7f37", "#8250df", "#bc4c00", "#0b7a8c", "#bf3989", "#7d6608", "#57606a"),
)
DARK = Palette(
    page="#0d1117",
    net="#161b22",
    card="#21262d",
    edge="#444c56",
    text="#e6edf3",
    muted="#a5b0bb",
    port="#79b8ff",
    alarm="#ff938a",
    alarm_fill="#3a1a1d",
    hues=("#4493f8", "#3fb950", "#ab7df8", "#f0883e", "#39c5cf", "#f778ba", "#d4a72c", "#9198a1"),
)
HUES = len(LIGHT.hues)
SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, "DejaVu Sans", sans-serif'
FIXED = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace'


def style(theme: str) -> str:
    """Return the style sheet of a picture: light, dark, or (auto) whichever of them the viewer prefers."""
    if theme == "auto":
        dark = _colours(DARK).replace("\n", "\n  ").rstrip()
        return f"{_shapes()}{_colours(LIGHT)}@media (prefers-color-scheme: dark) {{\n  {dark}\n}}\n"
    return _shapes() + _colours(DARK if theme == "dark" else LIGHT)


def _shapes() -> str:
    return f""".netloom text {{ font-family: {SANS}; font-size: 11.5px; }}
.netloom .title {{ font-size: 18px; font-weight: 600; }}
.netloom .head {{ font-size: 15px; font-weight: 600; }}
.netloom .name {{ font-size: 13px; font-weight: 600; }}
.netloom .label {{ font-size: 12.5px; }}
.netloom .word {{ font-size: 11px; text-anchor: middle; }}
.netloom .fact, .netloom .port {{ font-family: {FIXED}; }}
.netloom .card .fact, .netloom g .fact, .netloom g .port {{ text-anchor: end; }}
.netloom .net {{ stroke-width: 1.5; }}
.netloom .group {{ fill: none; stroke-width: 1; stroke-dasharray: 2 4; stroke-linecap: round; }}
.netloom .uplink {{ stroke-width: 1; }}
.netloom .card {{ stroke-width: 1; }}
.netloom .pending {{ stroke-dasharray: 4 3; }}
.netloom .drifted {{ stroke-width: 2; stroke-dasharray: 6 3; }}
.netloom .chip, .netloom .key {{ stroke-width: 1; }}
.netloom .lock, .netloom .line {{ fill: none; }}
.netloom .lock {{ stroke-width: 1.5; }}
.netloom .line {{ stroke-width: 2; }}
.netloom .mark {{ stroke-width: 1.6; }}
"""


def _colours(colours: Palette) -> str:
    hues = "".join(
        f".netloom .net.hue{index}, .netloom .line.hue{index} {{ stroke: {hue}; }}\n"
        f".netloom .band.hue{index}, .netloom .dot.hue{index} {{ fill: {hue}; }}\n"
        for index, hue in enumerate(colours.hues)
    )
    return f""".netloom .page {{ fill: {colours.page}; }}
.netloom .title, .netloom .head, .netloom .name, .netloom .fact {{ fill: {colours.text}; }}
.netloom .muted, .netloom .label, .netloom .word {{ fill: {colours.muted}; }}
.netloom .port {{ fill: {colours.port}; }}
.netloom .net {{ fill: {colours.net}; }}
.netloom .group {{ stroke: {colours.muted}; }}
.netloom .uplink {{ fill: {colours.page}; stroke: {colours.muted}; }}
.netloom .card {{ fill: {colours.card}; stroke: {colours.edge}; }}
.netloom .chip {{ fill: {colours.page}; stroke: {colours.edge}; }}
.netloom .lock {{ stroke: {colours.muted}; }}
.netloom .key {{ fill: {colours.muted}; }}
{hues}.netloom .net.drifted {{ stroke: {colours.alarm}; }}
.netloom .card.drifted, .netloom .chip.loud {{ fill: {colours.alarm_fill}; stroke: {colours.alarm}; }}
.netloom .alarm, .netloom .sign {{ fill: {colours.alarm}; }}
.netloom .mark {{ stroke: {colours.alarm_fill}; }}
"""
