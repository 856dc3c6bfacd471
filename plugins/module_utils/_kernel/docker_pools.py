# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets that Docker has asked its address management for, and that are no network's, or not yet.

A pool is a subnet in the records under a name that no network has, so that nobody else is given it, with the
addresses that Docker has of it. Collection-private. Floor 4.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from .._model import IPAddress, Subnet
from . import leases, ranges

_PREFIX, _RANGE = "docker:", "range:"  # no network's name has a colon


class DockerPools:
    """The pools of one state directory, by their subnets."""

    def __init__(self, database: Any):
        self._database = database

    def has(self, subnet: Subnet) -> bool:
        """Return whether Docker has the subnet."""
        return bool(self._database.rows("SELECT 1 FROM subnets WHERE network = ?", _name(subnet)))

    def addresses(self, subnet: Subnet) -> set[IPAddress]:
        """Return the addresses that Docker has of a subnet."""
        rows = self._database.rows(
            "SELECT address FROM leases WHERE network = ? AND seat NOT LIKE 'range:%'", _name(subnet)
        )
        return {ipaddress.ip_address(address[1:]) for (address,) in rows}

    def free(self, subnet: Subnet, first: IPAddress, last: IPAddress) -> IPAddress | None:
        """Return the lowest address from `first` to `last` that Docker does not have, None if there is none."""
        return leases.RecordedLeases(self._database, _name(subnet)).next_free(subnet, first, last)

    def inside(self, subnet: Subnet) -> Subnet | None:
        """Return the part of a subnet that Docker has asked to be given addresses of, None for all of it."""
        rows = self._database.rows("SELECT seat FROM leases WHERE network = ? AND seat LIKE 'range:%'", _name(subnet))
        return next((ipaddress.ip_network(seat[len(_RANGE) :]) for (seat,) in rows), None)

    @staticmethod
    def owner(subnet: Subnet) -> str:
        """Return whose a subnet that Docker has is, among the records' subnets."""
        return _name(subnet)

    def put(self, subnet: Subnet, inside: Subnet | None) -> None:
        """Have Docker have a subnet, and be given addresses of a part of it, None for all of it."""
        with self._database.writing() as db:
            ranges.subnets_are(db, _name(subnet), [subnet])
            if inside is not None:  # noted at an address that nobody is given
                ranges.leases_are(db, _name(subnet), f"{_RANGE}{inside}", [subnet.network_address])

    def hold(self, subnet: Subnet, address: IPAddress) -> None:
        """Have Docker have an address."""
        with self._database.writing() as db:
            ranges.leases_are(db, _name(subnet), str(address), [address])

    def release(self, subnet: Subnet, address: IPAddress) -> None:
        """Have Docker have an address no more."""
        if self._database.exists():
            with self._database.writing() as db:
                ranges.leases_are(db, _name(subnet), str(address), [])

    def drop(self, subnet: Subnet) -> None:
        """Have Docker have neither a subnet nor addresses of it."""
        if not self.has(subnet):
            return
        with self._database.writing() as db:
            db.execute("DELETE FROM leases WHERE network = ?", (_name(subnet),))
            ranges.subnets_are(db, _name(subnet), [])


def _name(subnet: Subnet) -> str:
    return f"{_PREFIX}{subnet}"
