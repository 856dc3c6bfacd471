# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the members of a network find each other by name: what is asked for, resolved against network and host.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ._draft import Draft
from ._drivers.registry import driver
from ._errors import NetloomError
from ._model import HOST_SERVERS, Network, NetworkSpec
from ._names import PREDEFINED


def with_dns(draft: Draft, host: Any, spec: NetworkSpec, network: Network, recorded: Network | None) -> Network:
    """Return the network with names or without, as `spec` asks; else as it was, or where it is new, as it can be.

    :raises NetloomError: option_invalid, a server would have no address there; missing_dependency.
    """
    given = spec.dns
    if given is None and recorded is not None and recorded.dns_given:
        given = recorded.dns
    servers = spec.dns_servers
    if servers is None:
        servers = recorded.dns_servers if recorded else HOST_SERVERS
    elif network.internal and servers not in ((), HOST_SERVERS):
        raise NetloomError(
            "option_invalid",
            f"dns_servers: {', '.join(servers)}: network {network.name} is internal; nothing outside is asked for names",
        )
    obstacle = _obstacle(network)
    if given and obstacle:
        raise NetloomError("option_invalid", f"dns: true is not possible: {obstacle}")
    network = replace(network, dns=False, dns_given=given is not None, dns_servers=servers)
    # On the wire of an interface everybody else who is there could ask as well: only where that is asked for.
    if obstacle or given is False or not (given or driver(network.driver).bridged):
        return network
    if recorded is not None and not _obstacle(recorded) and (recorded.dns or given is None):
        return replace(network, dns=recorded.dns)
    lacking = host.lacks_dnsmasq()
    if lacking and given:
        raise NetloomError("missing_dependency", f"dns: {lacking}")
    warning = f"{lacking}: members do not find each other by name; dns: false silences this"
    if lacking and warning not in draft.warnings:
        draft.warnings.append(warning)
    return replace(network, dns=not lacking)


def _obstacle(network: Network) -> str:
    """Return why no name server can serve a network, empty if one can."""
    if network.name in PREDEFINED:
        return f"on the predefined network {network.name} members have no names"
    if not driver(network.driver).host_addresses(network):
        return f"the host has no address on network {network.name} at which it could be asked"
    if "," in network.ifname:
        return f"to dnsmasq, the bridge's name {network.ifname} is a list"
    return ""
