# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint has by its options whatever the driver: settings, routes, and further addresses.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ._model import Endpoint
from ._resources import DEPRECATED, Address, Resource, Route, Sysctl
from ._settings import path_of


def completed(endpoint: Endpoint, of_driver: Iterable[Resource]) -> Iterator[Resource]:
    """Yield what a driver says that exists of an endpoint, and what its options add; they win over the driver's."""
    given = {item.key: item for item in _settings(endpoint)}
    behind = {str(address): _behind(endpoint, number) for number, address in enumerate(endpoint.secondary)}
    for item in of_driver:
        if isinstance(item, Address) and item.place == endpoint.place and str(item.address) in behind:
            yield replace(item, behind=behind[str(item.address)], secondary=True)
        elif item.key not in given:
            yield item
    yield from given.values()
    for route in endpoint.routes:
        if not route.is_default:  # it is offered instead of the network's gateway
            ifname = endpoint.ifname if route.gateway else ""
            yield Route(endpoint.place, route.destination, route.gateway, ifname, route.metric, route.type)


def _settings(endpoint: Endpoint) -> Iterator[Sysctl]:
    for name, value in endpoint.sysctls:
        path = path_of(name, endpoint.ifname)
        yield Sysctl(endpoint.place, path, value, ifname=endpoint.ifname, inherits=True)


def _behind(endpoint: Endpoint, number: int) -> str:
    """Return what the secondary address with this number is behind: of its subnet's, the first that is added."""
    address = endpoint.secondary[number]
    if address.version == 6:
        return DEPRECATED
    earlier = [endpoint.ipv4, *endpoint.secondary[:number]]
    return next((str(each) for each in earlier if each and each.network == address.network), "")
