# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds which port of the host, and which port is given where none is asked for.

Collection-private and pure: what is taken comes in as an argument. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from ._errors import NetloomError
from ._model import Endpoint, PortSpec, PublishedPort
from ._ports import OPTION

Slot = tuple[str, str]  # a network and a place
Bound = tuple[int, str]  # an IP version, and an address of the host; empty for all of that version
# Words for the process that has a port of the host, empty if none has. Of a protocol, a port and where it is bound.
Probe = Callable[[str, int, Bound], str]


def bindings(port: PublishedPort, endpoint: Endpoint, default_ipv4: str = "") -> Iterator[tuple[int, str]]:
    """Yield (IP version, address of the host, empty for all) of what a port is published at.

    `default_ipv4` is where ports without an address are published; IPv4 and IPv6 unless given.
    """
    address = port.address or default_ipv4
    for version, held in ((4, endpoint.ipv4), (6, endpoint.ipv6)):
        if held is not None and (not address or (":" in address) == (version == 6)):
            yield version, "" if address in ("0.0.0.0", "::") else address


class PortClaims:
    """Who holds which ports of the host: as recorded, and as a task is about to change it.

    `slots` returns those that the records have a port in, at whatever address; `versions` what is recorded of a slot,
    of an unfinished one all that it may be; `claimed` yields (protocol, port, IP version, address) of all that an
    endpoint holds. What is asked of one port costs the same however many ports its holders have.
    """

    def __init__(
        self,
        slots: Callable[[str, int], Iterable[Slot]],
        versions: Callable[[Slot], Iterable[Endpoint]],
        claimed: Callable[[Endpoint], Iterable[tuple[str, int, int, str]]],
    ):
        self._slots, self._versions, self._claimed = slots, versions, claimed
        self._recorded: dict[Slot, list[_Claim]] = {}
        self._mine: dict[Slot, list[_Claim]] = {}
        self._holders: dict[tuple[str, int], dict[Slot, None]] = {}  # of what this task decided on

    def put(self, slot: Slot, endpoint: Endpoint | None) -> None:
        """Have a slot hold the ports of `endpoint`; None, or one without any, frees them."""
        for claim in self._mine.get(slot, ()):
            for port in claim.ports:
                del self._holders[port][slot]
        claims = [self._claim(endpoint)] if endpoint is not None and endpoint.ports else []
        self._mine[slot] = claims
        for claim in claims:
            for port in claim.ports:
                self._holders.setdefault(port, {})[slot] = None

    def holder(self, slot: Slot, protocol: str, port: int, bound: Iterable[Bound]) -> Endpoint | None:
        """Return an endpoint in another slot that holds a port at one of the addresses `bound`."""
        wanted, asked = [*bound], (protocol, port)
        mine = (claim for other in self._holders.get(asked, ()) if other != slot for claim in self._mine[other])
        recorded = (
            claim
            for other in self._slots(protocol, port)
            if other != slot and other not in self._mine
            for claim in self._recorded_in(other)
        )
        for claim in (*mine, *recorded):
            if any(_overlap(version, address, wanted) for version, address in claim.ports.get(asked, ())):
                return claim.endpoint
        return None

    def _recorded_in(self, slot: Slot) -> list[_Claim]:
        if slot not in self._recorded:
            self._recorded[slot] = [self._claim(endpoint) for endpoint in self._versions(slot)]
        return self._recorded[slot]

    def _claim(self, endpoint: Endpoint) -> _Claim:
        ports: dict[tuple[str, int], list[Bound]] = {}
        for protocol, port, version, address in self._claimed(endpoint):
            ports.setdefault((protocol, port), []).append((version, address))
        return _Claim(endpoint, ports)


class _Claim(NamedTuple):
    """An endpoint, and where it holds which (protocol, port)."""

    endpoint: Endpoint
    ports: dict[tuple[str, int], list[Bound]]


def _overlap(version: int, address: str, bound: Iterable[tuple[int, str]]) -> bool:
    return any(version == other and (not address or not place or address == place) for other, place in bound)


class PortRules:
    """What is asked of one endpoint's ports.

    `bound` says where a port is published, `was_bound` where it was so far; `probe` asks the host's processes.
    """

    def __init__(
        self,
        slot: Slot,
        claims: PortClaims,
        probe: Probe,
        bound: Callable[[PublishedPort], Iterable[Bound]],
        was_bound: Callable[[PublishedPort], Iterable[Bound]],
    ):
        self._slot, self._claims, self._probe, self._bound, self._was_bound = slot, claims, probe, bound, was_bound

    def refuse_taken(self, port: PublishedPort) -> None:
        """:raises NetloomError: port_in_use, naming the endpoint or the process that has it; option_invalid."""
        owner = self.owner(port)
        if owner:
            where = f"{port.address}:" if port.address else ""
            raise NetloomError("port_in_use", f"{OPTION}: port {where}{port.host}/{port.protocol} is held by {owner}")

    def owner(self, port: PublishedPort) -> str:
        """Return words for who has a port already, empty if nobody has."""
        bound = [*self._bound(port)]
        holder = self._claims.holder(self._slot, port.protocol, port.host, bound)
        if holder is not None:
            return f"{holder.container} on network {holder.network}"
        was = {*self._was_bound(port)}
        found = (self._probe(port.protocol, port.host, place) for place in bound if place not in was)
        return next((words for words in found if words), "")

    def intruder(self, port: PublishedPort) -> str:
        """Return words for a process that has taken a port since it was published, empty if none has."""
        found = (self._probe(port.protocol, port.host, place) for place in self._was_bound(port))
        return next((words for words in found if words), "")

    def resolved(
        self, specs: Iterable[PortSpec], before: Iterable[PublishedPort], numbers: Iterable[int]
    ) -> tuple[PublishedPort, ...]:
        """Return the ports that `specs` ask for, with what they leave open taken from `before`, else the first free one.

        :raises NetloomError: port_in_use.
        """
        old = [*before]
        fixed: list[PortSpec] = []
        open_ones: list[PortSpec] = []
        for spec in specs:
            (fixed if spec.first == spec.last != 0 else open_ones).append(spec)
        found = [PublishedPort(spec.protocol, spec.container, spec.first, spec.address) for spec in fixed]
        for port in found:
            self.refuse_taken(port)
        numbers = [*numbers] if open_ones else []
        taken = {(port.protocol, port.host) for port in found}
        for spec in open_ones:
            kept = next(
                (port for port in old if _answers(port, spec) and (port.protocol, port.host) not in taken), None
            )
            port = PublishedPort(spec.protocol, spec.container, kept.host if kept else 0, spec.address, True)
            if kept is None:
                port = self._first_free(port, range(spec.first, spec.last + 1) if spec.first else numbers, taken)
            else:
                self.refuse_taken(port)
            taken.add((port.protocol, port.host))
            found.append(port)
        self._refuse_overlap(found)
        return tuple(sorted(found, key=lambda port: (port.container, port.protocol, port.host, port.address)))

    def _refuse_overlap(self, ports: Iterable[PublishedPort]) -> None:
        """:raises NetloomError: option_invalid, one port of the host is to lead to two of the container."""
        seen: dict[tuple[str, int], list[tuple[PublishedPort, list[Bound]]]] = {}
        for port in ports:
            bound = [*self._bound(port)]
            others = seen.setdefault((port.protocol, port.host), [])
            for other, places in others:
                if any(_overlap(version, place, places) for version, place in bound):
                    raise NetloomError("option_invalid", f"{OPTION}: {other} and {port} are the same port of the host")
            others.append((port, bound))

    def _first_free(self, port: PublishedPort, numbers: Iterable[int], taken: set[tuple[str, int]]) -> PublishedPort:
        owner = "other ports of this endpoint"
        for number in numbers:
            candidate = PublishedPort(port.protocol, port.container, number, port.address, True)
            if (port.protocol, number) not in taken:
                owner = self.owner(candidate)
                if not owner:
                    return candidate
        raise NetloomError(
            "port_in_use",
            f"{OPTION}: no port of the host is free for {port.container}/{port.protocol}; the last is held by {owner}",
        )


def _answers(port: PublishedPort, spec: PortSpec) -> bool:
    """Return whether a port is what a spec that leaves the port of the host open asks for."""
    same = (port.protocol, port.container, port.address) == (spec.protocol, spec.container, spec.address)
    return same and (not spec.first or spec.first <= port.host <= spec.last)
