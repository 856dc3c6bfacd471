# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks of published ports, resolved against the records and the host's processes.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from . import _endpoints
from ._draft import Draft
from ._drivers.registry import driver
from ._errors import NetloomError
from ._model import Endpoint, EndpointSpec, Network, PublishedPort
from ._ports import OPTION
from ._publishing import Bound, PortRules, bindings


def with_ports(draft: Draft, host: Any, network: Network, endpoint: Endpoint, spec: EndpointSpec) -> Endpoint:
    """Return the endpoint with the ports that it is asked to publish, those that it has where nothing is asked.

    :raises NetloomError: port_in_use, option_invalid.
    """
    if spec.ports is None:
        recheck(draft, host, network, endpoint)
        return endpoint
    if spec.ports and network.internal:
        raise NetloomError(
            "option_invalid", f"{OPTION}: network {network.name} is internal; nothing outside reaches it"
        )
    known = driver(network.driver)
    if spec.ports and not known.publishes:
        raise NetloomError("option_invalid", f"{OPTION}: {_published_by_none(network)}")
    for port in () if known.assigns else spec.ports:
        if not any(bindings(PublishedPort(port.protocol, port.container, 0, port.address), endpoint)):
            raise NetloomError(
                "option_invalid",
                f"{OPTION}: {port.address} is of an IP version that {endpoint.container} does not have on {network.name}",
            )
    rules = _rules(draft, host, network, endpoint)
    endpoint = replace(endpoint, ports=rules.resolved(spec.ports, endpoint.ports, host.port_numbers()))
    _warn(draft, network, endpoint, rules)
    return endpoint


def recheck(draft: Draft, host: Any, network: Network, endpoint: Endpoint) -> None:
    """Look at the ports that an endpoint has once more, for a network that may have changed.

    :raises NetloomError: port_in_use, one is published where it was not, and taken there.
    """
    rules = _rules(draft, host, network, endpoint)
    for port in endpoint.ports:
        rules.refuse_taken(port)
    _warn(draft, network, endpoint, rules)


def _published_by_none(network: Network) -> str:
    return f"driver {network.driver} publishes none; members are reached at their own addresses"


def _warn(draft: Draft, network: Network, endpoint: Endpoint, rules: PortRules) -> None:
    known = driver(network.driver)
    if endpoint.ports and not known.publishes:
        ports = ", ".join(map(str, endpoint.ports))
        draft.warnings.append(f"{OPTION}: {ports} of {endpoint.container}: {_published_by_none(network)}")
        return
    for port in () if known.plugin else endpoint.ports:  # a plugin may have a process for each
        if port.address == "::1":
            draft.warnings.append(
                f"{OPTION}: {port}: the kernel routes nothing from [::1] to a container; use 127.0.0.1"
            )
        words = rules.intruder(port)
        if words:
            draft.warnings.append(
                f"{OPTION}: {words} has taken port {port.host}/{port.protocol} since; connections to it still lead to"
                f" {endpoint.container}"
            )


def _rules(draft: Draft, host: Any, network: Network, endpoint: Endpoint) -> PortRules:
    slot = (network.name, endpoint.seat)
    entry, old = draft.endpoint_entry(slot), draft.network_entry(network.name)
    known = {replace(port, chosen=False) for port in entry.value.ports} if entry and old else set()

    def was_bound(port: PublishedPort) -> Iterable[Bound]:
        return _endpoints.bound(old.value, entry.value)(port) if replace(port, chosen=False) in known else ()

    return PortRules(slot, draft.claims(), host.port_owner, _endpoints.bound(network, endpoint), was_bound)
