# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds which address, and which one nobody holds, looked up in the records.

Collection-private. Floor 4.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from .._model import IPAddress, Subnet

_VERSIONS = {4: b"\x04", 6: b"\x06"}


class RecordedLeases:
    """What the records say of one network's addresses and MACs, as `_ipam.Leases` asks for it."""

    def __init__(self, database: Any, network: str):
        self._database = database
        self._network = network

    def holders(self, address: IPAddress) -> list[tuple[str, str]]:
        """Return who has an address: (seat, container) of each."""
        return self._database.rows(
            "SELECT seat, container FROM leases JOIN endpoints USING (network, seat) WHERE network = ? AND address = ?",
            self._network,
            bytes_of(address),
        )

    def mac_holders(self, mac: str) -> list[tuple[str, str]]:
        """Return who has a MAC address: (seat, container) of each."""
        return self._database.rows(
            "SELECT seat, container FROM endpoints WHERE network = ? AND mac = ?", self._network, mac
        )

    def next_free(self, subnet: Subnet, first: IPAddress, last: IPAddress) -> IPAddress | None:
        """Return the lowest address from `first` to `last` that no record holds; None if there is none."""
        mine = (self._network, str(subnet))
        low, high = bytes_of(first), bytes_of(last)
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


def bytes_of(address: IPAddress) -> bytes:
    """Return an address as the database has it: in the order of numbers, IPv4 before IPv6."""
    return _VERSIONS[address.version] + address.packed
