# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tracked connections a task has to make the kernel forget: those of addresses and ports that change hands.

Else a flow goes on to where it went: UDP never ends by itself as long as somebody sends.
Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from ._changes import Change
from ._model import Endpoint, IPAddress
from ._resources import PROTOCOLS, EndpointRecord, Port, Resource

_NAMES = {number: name for name, number in PROTOCOLS.items()}


class Redirection(NamedTuple):
    """A port of the host, at `place` (empty: at any address), that leads to a member's."""

    protocol: str
    port: int
    place: str
    member: IPAddress
    target: int


class Flows(NamedTuple):
    """What is to be forgotten: all from and to `addresses`, what was redirected by `lost`, and what was not yet by `gained`."""

    addresses: frozenset[IPAddress] = frozenset()
    lost: frozenset[Redirection] = frozenset()
    gained: frozenset[Redirection] = frozenset()


def outdated(former: Iterable[Endpoint], desired: Iterable[Resource], changes: Iterable[Change] = ()) -> Flows:
    """Return what is outdated when the endpoints that were (also unfinished ones) have become those of `desired`.

    `changes` are those that make it so: a network may lead a port elsewhere whose endpoint stays as it is.
    """
    before: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in former:
        before.setdefault((endpoint.network, endpoint.seat), []).append(endpoint)
    after = {
        (item.endpoint.network, item.endpoint.seat): item.endpoint
        for item in desired
        if isinstance(item, EndpointRecord)
    }
    addresses: set[IPAddress] = set()
    lost: set[Redirection] = set()
    gained: set[Redirection] = set()
    for slot in {**before, **after}:
        now = after.get(slot)
        ips = {interface.ip for interface in now.addresses} if now else set()
        redirected = {*_redirections(now)} if now else set()
        were = before.get(slot, ())
        addresses |= {interface.ip for endpoint in were for interface in endpoint.addresses} - ips
        had = {each for endpoint in were for each in _redirections(endpoint)}
        lost |= had - redirected
        gained |= {each for each in redirected - had if each.protocol == "udp"}
    for change in changes:
        before_it, after_it = ({*_redirections_of(side)} for side in (change.before, change.after))
        lost |= before_it - after_it
        gained |= {each for each in after_it - before_it if each.protocol == "udp"}
    return Flows(frozenset(addresses), frozenset(lost), frozenset(gained))


def _redirections_of(resource: Resource | None) -> Iterator[Redirection]:
    if isinstance(resource, Port) and len(resource.elements) == 2:  # else it is damaged, and leads nowhere
        host, port = resource.elements
        *place, number, published = host.value
        yield Redirection(_NAMES[number], int(published), "".join(place), ip_address(host.data[0]), int(port.data[0]))


def _redirections(endpoint: Endpoint) -> Iterator[Redirection]:
    for port in endpoint.ports:
        for interface in endpoint.primaries:
            if not port.address or (":" in port.address) == (interface.version == 6):
                place = "" if port.address in ("0.0.0.0", "::") else port.address
                yield Redirection(port.protocol, port.host, place, interface.ip, port.container)
