# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a draft to what Docker plugins do for endpoints that are up: only the one with the way out is theirs to open.

Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ._draft import Draft
from ._drivers.registry import driver
from ._endpoints import ways_out
from ._model import Endpoint, Network
from ._resources import Resource

Plugged = list[tuple[Endpoint, Network]]


def aim_at_services(draft: Draft, host: Any, goal: Any, plugged_in: Callable[[str], Plugged]) -> None:
    """Add to a goal what plugins do for the endpoints of the sandboxes of a draft, on whichever network.

    `plugged_in` returns what a sandbox's routes can go through.
    """
    for slot in draft.endpoints:
        goal.obsolete += _recorded(draft, slot)
    for place in draft.slots_at:
        if not host.is_open(place):
            continue
        ways = {(endpoint.network, endpoint.seat) for endpoint in ways_out(plugged_in(place))}
        for endpoint in draft.at(place):
            network = draft.network(endpoint.network)
            if network is None:
                continue
            external = (endpoint.network, endpoint.seat) in ways
            service = driver(network.driver).service(network, endpoint, external=external)
            if service is None:
                continue
            if (endpoint.network, endpoint.seat) in draft.endpoints or host.observe([service]):
                goal.desired.append(service)
            if endpoint.ports and not service.external and not network.internal:
                draft.warnings.append(
                    f"published_ports: plugin {network.driver} opens ports only for the endpoint that gives"
                    f" {endpoint.container} its default route; gw_priority makes {endpoint.ifname} that"
                )


def _recorded(draft: Draft, slot: tuple[str, str]) -> Iterable[Resource]:
    """Yield what there may be of an endpoint as it is and was."""
    network_entry, entry = draft.network_entry(slot[0]), draft.endpoint_entry(slot)
    for network in network_entry.all if network_entry else ():
        for endpoint in entry.all if entry else ():
            service = driver(network.driver).service(network, endpoint, external=False)
            if service is not None:
                yield service
