# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash of nft's expression jhash, for what it can read of a packet and has no type of set for.

A packet's mark takes the hash; the values to compare it with are made here. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import struct
from typing import Any

MODULUS, SEED = 0x7FFFFFFF, 1  # nft 1.0.6 prints larger numbers as negative ones, and cannot read those
_MASK = 0xFFFFFFFF


def marked(base: str, offset: int, length: int) -> dict[str, Any]:
    """Return the statement that marks a packet with the hash of `length` bits of it, 32 or 128."""
    bits = {"payload": {"base": base, "offset": offset, "len": length}}
    value = {"jhash": {"mod": MODULUS, "seed": SEED, "expr": bits}}
    return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": value}}


def unmarked() -> dict[str, Any]:
    """Return the statement that takes the mark away."""
    return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 0}}


def hashed(data: bytes) -> int:
    """Return the mark that 4 or 16 bytes of a packet give it: the kernel's jhash, scaled (nft_hash.c)."""
    a = b = c = (0xDEADBEEF + len(data) + SEED) & _MASK
    if len(data) > 12:
        a, b, c = ((number + word) & _MASK for number, word in zip((a, b, c), struct.unpack("=III", data[:12])))
        for turn in (4, 6, 8, 16, 19, 4):  # __jhash_mix
            a = ((a - c) ^ _turned(c, turn)) & _MASK
            c = (c + b) & _MASK
            a, b, c = b, c, a
        data = data[12:]
    a = (a + struct.unpack("<I", data)[0]) & _MASK
    for turn in (14, 11, 25, 16, 4, 14, 24):  # __jhash_final
        c = ((c ^ b) - _turned(b, turn)) & _MASK
        a, b, c = b, c, a
    return (b * MODULUS) >> 32


def _turned(number: int, by: int) -> int:
    return (number << by | number >> 32 - by) & _MASK
