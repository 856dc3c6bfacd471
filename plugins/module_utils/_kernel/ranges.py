# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables `leases` and `free`: which endpoint holds which address, and which ranges nobody holds.

They follow from networks and endpoints: whatever writes those calls `subnets_are` and `leases_are`. One address costs
the same in an empty subnet and in a full one. Collection-private. Floor 4.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from .._model import IPAddress, Subnet
from .leases import bytes_of


def subnets_are(db: sqlite3.Connection, network: str, subnets: Iterable[Subnet]) -> None:
    """Have a network hand out addresses of just these subnets. Leases stay."""
    wanted = {str(subnet): subnet for subnet in subnets}
    known = {subnet for (subnet,) in db.execute("SELECT subnet FROM subnets WHERE network = ?", (network,))}
    for name in known - wanted.keys():
        for table in ("subnets", "free"):
            db.execute(f"DELETE FROM {table} WHERE network = ? AND subnet = ?", (network, name))
    for name in wanted.keys() - known:
        first, last = bytes_of(wanted[name][0]), bytes_of(wanted[name][-1])
        db.execute("INSERT INTO subnets VALUES (?, ?, ?, ?)", (network, name, first, last))
        db.execute("INSERT INTO free VALUES (?, ?, ?, ?)", (network, name, first, last))
        held = "SELECT DISTINCT address FROM leases WHERE network = ? AND address BETWEEN ? AND ?"
        for (address,) in db.execute(held, (network, first, last)).fetchall():
            _take(db, network, name, address)


def leases_are(db: sqlite3.Connection, network: str, seat: str, addresses: Iterable[IPAddress]) -> None:
    """Have an endpoint hold just these addresses."""
    wanted = set(map(bytes_of, addresses))
    mine = (network, seat)
    held = {address for (address,) in db.execute("SELECT address FROM leases WHERE network = ? AND seat = ?", mine)}
    if held == wanted:
        return
    for address in held - wanted:
        db.execute("DELETE FROM leases WHERE network = ? AND address = ? AND seat = ?", (network, address, seat))
        _in_each_subnet(db, _give, network, address, seat)
    for address in wanted - held:
        db.execute("INSERT INTO leases VALUES (?, ?, ?)", (network, address, seat))
        _in_each_subnet(db, _take, network, address, seat)


def _in_each_subnet(db: sqlite3.Connection, act: Any, network: str, address: bytes, seat: str) -> None:
    others = "SELECT 1 FROM leases WHERE network = ? AND address = ? AND seat != ?"
    if db.execute(others, (network, address, seat)).fetchone():
        return  # somebody else has it as well: a task is about to hand it over
    around = "SELECT subnet FROM subnets WHERE network = ? AND first <= ? AND last >= ?"
    for (subnet,) in db.execute(around, (network, address, address)).fetchall():
        act(db, network, subnet, address)


def _take(db: sqlite3.Connection, network: str, subnet: str, address: bytes) -> None:
    """Take an address out of the free range that it is in."""
    mine = (network, subnet)
    around = "SELECT first, last FROM free WHERE network = ? AND subnet = ? AND first <= ? ORDER BY first DESC LIMIT 1"
    found = db.execute(around, (*mine, address)).fetchone()
    if not found or found[1] < address:
        return
    db.execute("DELETE FROM free WHERE network = ? AND subnet = ? AND first = ?", (*mine, found[0]))
    if found[0] < address:
        db.execute("INSERT INTO free VALUES (?, ?, ?, ?)", (*mine, found[0], _next_to(address, -1)))
    if address < found[1]:
        db.execute("INSERT INTO free VALUES (?, ?, ?, ?)", (*mine, _next_to(address, 1), found[1]))


def _give(db: sqlite3.Connection, network: str, subnet: str, address: bytes) -> None:
    """Put an address back, into one free range with what is free on both sides of it."""
    mine = (network, subnet)
    first = last = address
    around = "SELECT first, last FROM free WHERE network = ? AND subnet = ? AND first {} ? ORDER BY first {} LIMIT 1"
    below = db.execute(around.format("<=", "DESC"), (*mine, address)).fetchone()
    above = db.execute(around.format(">", "ASC"), (*mine, address)).fetchone()
    if below and below[1] >= address:
        return
    for found in (below, above):
        if found and address in (_next_to(found[1], 1), _next_to(found[0], -1)):
            first, last = min(first, found[0]), max(last, found[1])
            db.execute("DELETE FROM free WHERE network = ? AND subnet = ? AND first = ?", (*mine, found[0]))
    db.execute("INSERT INTO free VALUES (?, ?, ?, ?)", (*mine, first, last))


def _next_to(address: bytes, step: int) -> bytes:
    """Return the address `step` further; beyond the last one, something that is no address."""
    number = int.from_bytes(address[1:], "big") + step
    size = len(address) - 1
    return address[:1] + number.to_bytes(size, "big") if 0 <= number < 1 << 8 * size else b""
