# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How wide a text is at most, in whatever sans-serif or fixed font a viewer has. Collection-private and pure."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "\u2026"
# In em, by DejaVu Sans, the widest of the fonts that are asked for.
NARROW, LOWER, UPPER, WIDE, FULL = 0.41, 0.66, 0.80, 1.02, 1.25
_ASCII = {
    **dict.fromkeys(" .,:;'|!ijlI[]()-", NARROW),
    **dict.fromkeys('frt{}/\\"`*', 0.53),
    **dict.fromkeys("mwMW@%", WIDE),
}
FIXED = 0.62
BOLD = 1.1


def printable(text: str) -> str:
    """Return `text` with a sign for everything that no picture can show, or that would change how the rest is shown."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def width(text: str, size: float, *, bold: bool = False, fixed: bool = False) -> float:
    """Return how many units `text` takes at most, set in `size`."""
    ems = sum(_fixed(char) if fixed else _sans(char) for char in text)
    return ems * size * (BOLD if bold else 1)


def fitted(text: str, room: float, size: float, *, bold: bool = False, fixed: bool = False) -> str:
    """Return as much of the beginning of `text` as there is room for, with an ellipsis if that is not all of it."""
    if width(text, size, bold=bold, fixed=fixed) <= room:
        return text
    room -= width(ELLIPSIS, size, bold=bold, fixed=fixed)
    kept = ""
    for char in text:
        room -= width(char, size, bold=bold, fixed=fixed)
        if room < 0:
            break
        kept += char
    return kept.rstrip() + ELLIPSIS


def broken(text: str, room: float, size: float, most: int = 3) -> list[str]:
    """Return `text` in lines that there is room for, broken between words; the last one of `most` may have too much."""
    rows: list[str] = []
    for word in printable(text).split(" "):
        if rows and (len(rows) == most or width(f"{rows[-1]} {word}", size) <= room):
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows


def _sans(char: str) -> float:
    if char.isascii():
        return _ASCII.get(char, UPPER if char.isupper() else LOWER)
    if unicodedata.combining(char):
        return NARROW
    if unicodedata.east_asian_width(char) in "WF":
        return FULL
    return WIDE if ord(char) < 0x0530 else FULL


def _fixed(char: str) -> float:
    return FIXED if char.isascii() else max(_sans(char), FIXED)
