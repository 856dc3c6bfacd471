# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of a verb about one object.

Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

from .._apply import Outcome
from .._draft import Draft
from .._frozen import dataclass
from .._model import Endpoint, Network


@dataclass(frozen=True)
class Result:
    """What came of a verb: the changes, and the network and endpoint as they are now (in check mode: would be)."""

    outcome: Outcome = field(default_factory=Outcome)
    network: Network | None = None
    endpoint: Endpoint | None = None
    members: tuple[Endpoint, ...] = ()
    live: frozenset[str] = frozenset()  # places whose sandbox is there


def learned(draft: Draft, host: Any) -> None:
    """Have the endpoints of a draft that was carried out have what plugins have answered for them."""
    for slot in host.learned:
        endpoint = draft.endpoints.get(slot)
        if endpoint is not None:
            draft.endpoints[slot] = host.as_learned(endpoint)


def unveiled(draft: Draft, host: Any, result: Result) -> Result:
    """Return a result; where the host is only looked at, without what a plugin has not chosen yet."""
    if not (draft.veil and host.only_looks):
        return result
    from .._draft_pools import unveiled as seen
    from .._draft_pools import unveiled_network

    return replace(
        result,
        network=result.network and unveiled_network(draft, result.network),
        endpoint=result.endpoint and seen(draft, result.endpoint),
        members=tuple(seen(draft, member) for member in result.members),
    )


def as_recorded(draft: Draft, network: Network) -> Network:
    """Return a planned network with when it was made, if it is in the records now."""
    entry = draft.records.network(network.name)
    return replace(network, created=entry.value.created) if entry else network
