# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a draft to the resources that say which subnets and addresses a plugin has given.

Reads the records, changes nothing. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._draft import Draft
from ._plugin_pools import of_endpoint, of_network
from ._resources import Resource


def aim_at_pools(draft: Draft, goal: Any) -> None:
    """Add to a goal what the networks and endpoints of a draft have and had of plugins."""
    for name, network in draft.networks.items():
        goal.desired += of_network(network) if network is not None else ()
        entry = draft.network_entry(name)
        for version in entry.all if entry else ():
            goal.obsolete += of_network(version)
    for slot, endpoint in draft.endpoints.items():
        network = draft.network(slot[0])
        if network is not None and endpoint is not None:
            goal.desired += of_endpoint(network, endpoint)
        goal.obsolete += _as_it_was(draft, slot)


def _as_it_was(draft: Draft, slot: tuple[str, str]) -> Iterator[Resource]:
    network_entry, entry = draft.network_entry(slot[0]), draft.endpoint_entry(slot)
    for network in network_entry.all if network_entry else ():
        for endpoint in entry.all if entry else ():
            yield from of_endpoint(network, endpoint)
