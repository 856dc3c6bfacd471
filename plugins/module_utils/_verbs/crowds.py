# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks with more members than the kernel keeps neighbours of.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._model import Endpoint, Network

_FEW = 256  # half of what the kernel keeps for certain, where nobody has changed it
_NAMES = {4: "ipv4", 6: "ipv6"}


def crowded(host: Any, network: Network, members: Sequence[Endpoint]) -> Iterator[str]:
    """Yield a warning for each limit of the kernel that a network's members are too many for when all of them talk."""
    if len(members) <= _FEW:
        return
    # A broadcast is queued for each port at once, by one processor (net/core/dev.c: enqueue_to_backlog).
    queue = host.queue_max()
    if queue and len(members) > queue:
        yield (
            f"network {network.name} has {len(members)} members, and what is sent to all of them is lost for all but {queue};"
            " raise net.core.netdev_max_backlog"
        )
    for version, name in _NAMES.items():
        count = sum(any(address.version == version for address in member.addresses) for member in members)
        limit = host.neighbours_max(version) if count > _FEW else 0
        # One table for all namespaces (net/core/neighbour.c): a member is one of the host's, and the host one of its.
        if limit and 2 * count > limit:
            yield (
                f"network {network.name} has {count} members with {name.replace('ip', 'IP')}, which are {2 * count} neighbours"
                f" when all talk to the host; the kernel keeps {limit} for the host and its containers together, and loses"
                f" packets beyond; raise net.{name}.neigh.default.gc_thresh3"
            )
