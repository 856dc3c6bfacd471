# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a draft to the resources that say which addresses are this host's, among those that share a network.

Reads the records, and etcd; changes nothing. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._claims import Claim, Member, Share, of_endpoint, of_network, owner
from ._draft import Draft, Slot
from ._draft_claims import UNREACHED
from ._errors import NetloomError
from ._model import PRESENT, Key
from ._resources import Resource


def aim_at_claims(draft: Draft, host: Any, goal: Any) -> None:
    """Add to a goal what the networks and endpoints of a draft have and had of pools that hosts share.

    Without etcd a task can do all that leaves them as the records say.

    :raises NetloomError: address_in_use, another host has an address; driver_timeout, driver_error.
    """
    desired = {item.key: item for item in _desired(draft)}
    obsolete = {item.key: item for item in _recorded(draft, finished=False)}
    held = {item.key: item for item in _recorded(draft, finished=True)}
    for share, keys in _by_share({**obsolete, **desired}).items():
        try:
            _look(host, share, [desired.get(key) or obsolete[key] for key in keys])
        except NetloomError as exc:
            if exc.code not in UNREACHED or not all(_is_done(desired.get(key), held.get(key)) for key in keys):
                raise
            draft.warnings.append(
                f"{exc.message}; whether the addresses of network {share.network} are still its own is not known"
            )
            continue
        _refuse_taken(host, share, [desired[key] for key in keys if key in desired])
    goal.desired += desired.values()
    goal.obsolete += obsolete.values()


def _desired(draft: Draft) -> Iterator[Resource]:
    for network in draft.networks.values():
        if network is not None:
            yield from of_network(network)
    for slot, endpoint in draft.endpoints.items():
        network = draft.network(slot[0])
        if network is not None and endpoint is not None:
            yield from of_endpoint(network, endpoint)


def _recorded(draft: Draft, *, finished: bool) -> Iterator[Resource]:
    """Yield what the records say that there is, if `finished`; else what there can be of it."""
    for name in draft.networks:
        for network in _versions(draft.network_entry(name), finished=finished):
            yield from of_network(network)
    for slot in draft.endpoints:
        yield from _of_slot(draft, slot, finished=finished)


def _of_slot(draft: Draft, slot: Slot, *, finished: bool) -> Iterator[Resource]:
    for network in _versions(draft.network_entry(slot[0]), finished=finished):
        for endpoint in _versions(draft.endpoint_entry(slot), finished=finished):
            yield from of_endpoint(network, endpoint)


def _versions(entry: Any, *, finished: bool) -> tuple[Any, ...]:
    if entry is None or (finished and entry.state != PRESENT):
        return ()
    return (entry.value,) if finished else entry.all


def _by_share(items: dict[Key, Any]) -> dict[Share, list[Key]]:
    found: dict[Share, list[Key]] = {}
    for key, item in items.items():
        found.setdefault(item.share, []).append(key)
    return found


def _is_done(desired: Any, held: Any) -> bool:
    """Return whether what is wanted is what the records say that there is."""
    return desired is not None and desired == held and desired.share == held.share


def _look(host: Any, share: Share, items: list[Resource]) -> None:
    """:raises NetloomError: driver_timeout, driver_error."""
    pool = host.shared_pool(share)
    pool.know([item.address for item in items if isinstance(item, Claim)])
    if any(isinstance(item, Member) for item in items):
        pool.registered()


def _refuse_taken(host: Any, share: Share, items: list[Resource]) -> None:
    """:raises NetloomError: address_in_use, an address is another host's by now."""
    for claim in items:
        if not isinstance(claim, Claim):
            continue
        text = host.shared_pool(share).holds(claim.address)
        holder = owner(text) if text is not None else None
        if holder is not None and holder.node_id != share.node_id:
            raise NetloomError(
                "address_in_use",
                f"network {share.network}: {claim.address} of {claim.owner.seat.partition(':')[2]} is held by {holder}",
            )
