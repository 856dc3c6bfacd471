# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: what a host that shares the addresses of a network with others takes over from them.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import _resolve
from ._claims import ETCD, OPTION, Share, completed, definition, disagreements, pools_of, share_of
from ._draft import Draft
from ._errors import NetloomError
from ._model import Network, NetworkSpec

UNREACHED = ("driver_timeout", "driver_error")  # codes of what is wrong with etcd, and not with the task


def adopted(host: Any, spec: NetworkSpec, recorded: Network | None) -> NetworkSpec:
    """Return `spec` with what it omits of the subnets as the hosts have it that are on the network already.

    :raises NetloomError: option_unknown, option_invalid; driver_timeout, driver_error.
    """
    options = _resolve.ipam_options(ETCD, spec, recorded)
    if recorded is not None and (recorded.ipam_driver == ETCD or spec.pools is None):
        return spec  # it has them
    text, nodes = host.shared_pool(Share(spec.name, options, "", "")).registered()
    if not text or not nodes:
        return spec
    try:
        known = pools_of(text)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise NetloomError("driver_error", f"network {spec.name}: its pool in etcd is unreadable: {exc}") from exc
    pools = known if spec.pools is None else completed(spec.pools, known)
    six = any(item.subnet.version == 6 for item in known if item.subnet)
    return replace(spec, pools=pools, enable_ipv6=True if six and spec.enable_ipv6 is None else spec.enable_ipv6)


def joined(draft: Draft, host: Any, network: Network, recorded: Network | None) -> Network:
    """Return a network, resolved but for what this host is called among those that share its addresses, with that.

    :raises NetloomError: option_invalid, another host has the name; network_exists_different, the others have other
        subnets; driver_timeout, driver_error.
    """
    before = recorded if recorded is not None and recorded.ipam_driver == network.ipam_driver else None
    name, number = host.new_node()
    named = dict(network.ipam_options).get("node")
    kept = before.node if before and "node" not in dict(before.ipam_options) else ""
    network = replace(network, node=named or kept or name, node_id=before.node_id if before else number)
    share(draft, host, network)
    mine = definition(network.pools)
    try:
        theirs, nodes = draft.leases(network.name).shared.registered()
    except NetloomError as exc:
        same = before and (before.ipam_options, before.node, definition(before.pools))
        if exc.code in UNREACHED and same == (network.ipam_options, network.node, mine):
            return network  # nothing is asked for that the others would have to know of
        raise
    other = nodes.pop(network.node, network.node_id)
    if other != network.node_id:
        raise NetloomError(
            "option_invalid",
            f"{OPTION}.node: another host shares the addresses of network {network.name} under the name"
            f" {network.node}; give each a name of its own, or strike off the one that is gone for good",
        )
    if nodes and theirs and theirs != mine:
        found = disagreements(mine, theirs)
        raise NetloomError(
            "network_exists_different",
            f"network {network.name}: ipam_config: {'; '.join(found)}; what is there is what"
            f" {', '.join(sorted(nodes))} go{'' if len(nodes) > 1 else 'es'} by",
            differences=found,
        )
    return network


def share(draft: Draft, host: Any, network: Network) -> None:
    """Have what is chosen for a network from now on be what no other host has."""
    draft.leases(network.name).shared = host.shared_pool(share_of(network))


def unreached(host: Any, network: Network) -> list[str]:
    """Return words for why it cannot be told whether a recorded network's addresses are its own, if so."""
    failure = host.shared_pool(share_of(network)).failure
    return [failure.message] if failure else []
