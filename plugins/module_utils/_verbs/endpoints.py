# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What network_attachment asks for, told in the engine's verbs: look up, resolve, draft, converge.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .._apply import converge
from .._draft import Draft
from .._draft_endpoints import draft_endpoint, drop_endpoints, recorded_network
from .._goal import goal_of
from .._model import EndpointSpec
from .contention import contended
from .result import Result, unveiled


@contended
def endpoint_present(host: Any, spec: EndpointSpec, *, dry_run: bool = False) -> Result:
    """Attach a container to a network, or make its endpoint what `spec` says.

    A recorded endpoint whose container does not run now is left pending.

    :raises NetloomError: network_not_found, netns_not_found, an address that cannot be had, and others.
    """
    draft = Draft(host.records)
    network = recorded_network(draft, spec.network)
    if network is None:
        from .._draft_networks import known_network  # the predefined bridge, or an error

        network = known_network(draft, host, spec.network)
    endpoint = draft_endpoint(draft, host, network, spec)
    outcome = converge(goal_of(draft, host), host, dry_run=dry_run)
    endpoint = host.as_learned(endpoint)
    if not host.is_live(endpoint):
        outcome = replace(
            outcome,
            warnings=(*outcome.warnings, f"container: {endpoint.container} does not run; its endpoint is pending"),
        )
    if spec.ports and outcome.changes:
        # So far whether other programs drop what the network forwards was told when it was made, long ago maybe.
        outcome = replace(outcome, warnings=(*outcome.warnings, *host.forward_drops([network])))
    return unveiled(draft, host, Result(outcome, network, endpoint))


def endpoint_absent(host: Any, spec: EndpointSpec, *, dry_run: bool = False) -> Result:
    """Detach a container from a network, which may be gone, as the container may."""
    draft = Draft(host.records)
    dropped = drop_endpoints(draft, host, spec)
    if not dropped:
        return Result()
    return Result(converge(goal_of(draft, host), host, dry_run=dry_run), endpoint=dropped[0])
