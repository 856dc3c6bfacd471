# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds which address, and which ranges of addresses nobody holds, kept beside the records.

The tables `leases` and `free` follow from networks and endpoints: whatever writes those calls `subnets_are` and
`leases_are`. One address costs the same in an empty subnet and in a full one. Collection-private. Floor 4.
"""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Iterable
from typing import Any

from .._model import IPAddress, Subnet

_VERSIONS = {4: b"\x04", 6: b"\x06"}


class RecordedLeases:
    """What the records say of one network's addresses and MACs, as `_ipam.Leases` asks for it."""

    def __init__(self, database: Any, network: str):
        self._database = database
        self._network = network

    def holders(self, address: IPAddress) -> list[tuple[str, str]]:
        """Return who has an address: (place, container) of each."""
        return self._database.rows(
            "SELECT place, container FROM leases JOIN endpoints USING (network, place)"
            " WHERE network = ? AND address = ?",
            self._network,
            _bytes(address),
        )

    def mac_holders(self, mac: str) -> list[tuple[str, str]]:
        """Return who has a MAC address: (place, container) of each."""
        return self._database.rows(
            "SELECT place, container FROM endpoints WHERE network = ? AND mac = ?", self._network, mac
        )

    def next_free(self, subnet: Subnet, first: IPAddress, last: IPAddress) -> IPAddress | None:
        """Return the lowest address from `first` to `last` that no record holds; None if there is none."""
        mine = (self._network, str(subnet))
        low, high = _bytes(first), _bytes(last)
        around = "SELECT last FROM free WHERE network = ? AND subnet = ? AND first <= ? ORDER BY first DESC LIMIT 1"
        if any(found >= low for (found,) in self._database.rows(around, *mine, low)):
            return first
        after = (
            "SELECT first FROM free WHERE network = ? AND subnet = ? AND first > ? AND first <= ?"
            " ORDER BY first LIMIT 1"
        )
        for (found,) in self._database.rows(after, *mine, low, high):
            return ipaddress.ip_address(found[1:])
        known = "SELECT 1 FROM subnets WHERE network = ? AND subnet = ?"
        return None if self._database.rows(known, *mine) else first


def subnets_are(db: sqlite3.Connection, network: str, subnets: Iterable[Subnet]) -> None:
    """Have a network hand out addresses of just these subnets. Leases stay."""
    wanted = {str(subnet): subnet for subnet in subnets}
    known = {subnet for (subnet,) in db.execute("SELECT subnet FROM subnets WHERE network = ?", (network,))}
    for name in known - wanted.keys():
        for table in ("subnets", "free"):
            db.execute(f"DELETE FROM {table} WHERE network = ? AND subnet = ?", (network, name))
    for name in wanted.keys() - known:
        first, last = _bytes(wanted[name][0]), _bytes(wanted[name][-1])
        db.execute("INSERT INTO subnets VALUES (?, ?, ?, ?)", (network, name, first, last))
        db.execute("INSERT INTO free VALUES (?, ?, ?, ?)", (network, name, first, last))
        held = "SELECT DISTINCT address FROM leases WHERE network = ? AND address BETWEEN ? AND ?"
        for (address,) in db.execute(held, (network, first, last)).fetchall():
            _take(db, network, name, address)


def leases_are(db: sqlite3.Connection, network: str, place: str, addresses: Iterable[IPAddress]) -> None:
    """Have an endpoint hold just these addresses."""
    wanted = set(map(_bytes, addresses))
    mine = (network, place)
    held = {address for (address,) in db.execute("SELECT address FROM leases WHERE network = ? AND place = ?", mine)}
    if held == wanted:
        return
    for address in held - wanted:
        db.execute("DELETE FROM leases WHERE network = ? AND address = ? AND place = ?", (network, address, place))
        _in_each_subnet(db, _give, network, address, place)
    for address in wanted - held:
        db.execute("INSERT INTO leases VALUES (?, ?, ?)", (network, address, place))
        _in_each_subnet(db, _take, network, address, place)


def _in_each_subnet(db: sqlite3.Connection, act: Any, network: str, address: bytes, place: str) -> None:
    others = "SELECT 1 FROM leases WHERE network = ? AND address = ? AND place != ?"
    if db.execute(others, (network, address, place)).fetchone():
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


def _bytes(address: IPAddress) -> bytes:
    return _VERSIONS[address.version] + address.packed


def _next_to(address: bytes, step: int) -> bytes:
    """Return the address `step` further; beyond the last one, something that is no address."""
    number = int.from_bytes(address[1:], "big") + step
    size = len(address) - 1
    return address[:1] + number.to_bytes(size, "big") if 0 <= number < 1 << 8 * size else b""
