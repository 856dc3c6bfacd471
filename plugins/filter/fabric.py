# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter fabric: leaves and spines as what a topology lists. Pure, documented in fabric.yml beside it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.netloom.containers.plugins.plugin_utils._members import member_of

LEAVES_MAX = 64  # so many links are set aside for each spine
LINK_ADDRESSES = (
    8  # network, two routers, broadcast, and the gateway that every network has, also where nobody is at it
)
HIDDEN = {"internal": True, "driver_options": {"gateway_mode_ipv4": "isolated"}}  # the host is not on it


def fabric(
    leaves: Sequence[Mapping[str, Any]], spines: Sequence[str], name: str, links: str, static: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """Return the namespaces, networks and attachments of a fabric in which each leaf has a link to each spine.

    Leaf i and spine s have the i-th /29 of the s-th 512 addresses of `links`, the spine its first address.
    Without `static` the routers have no routes to other leaves, which a routing daemon is to learn.

    :raises AnsibleFilterError: a leaf lacks something, a name is there twice, or `links` is too small.
    """
    if not spines:
        raise AnsibleFilterError("spines: there is none, and leaves are linked by nothing else")
    subnets = [_leaf_subnet(leaf, index) for index, leaf in enumerate(leaves)]
    names = [*(leaf["name"] for leaf in leaves), *spines]
    twice = {each for each in names if names.count(each) > 1}
    if twice:
        raise AnsibleFilterError(f"leaves, spines: {', '.join(sorted(twice))} is there twice")
    pairs = _links(links, len(leaves), len(spines))
    plan: dict[str, list[dict[str, Any]]] = {
        "namespaces": [{"name": each, "sysctls": {"net.ipv4.ip_forward": 1}} for each in names],
        "networks": [],
        "attachments": [],
    }
    for index, (leaf, subnet) in enumerate(zip(leaves, subnets)):
        _leaf(plan, leaf, index, name, subnet)
    for index, leaf in enumerate(leaves):
        for number, spine in enumerate(spines):
            network = f"{name}-{leaf['name']}-{spine}"
            pair = pairs[number][index]
            plan["networks"].append({"name": network, "subnet": str(pair), "gateway": str(pair[-2]), **HIDDEN})
            ways = {other: (other + index) % len(spines) == number for other in range(len(leaves)) if other != index}
            through = [subnets[other] for other, here in ways.items() if here and static]
            own = [subnets[index]] if static else []
            ends = ((spine, leaf["name"], pair[1], pair[2], own), (leaf["name"], spine, pair[2], pair[1], through))
            for router, neighbour, address, gateway, behind in ends:
                plan["attachments"].append(
                    {
                        "network": network,
                        "container": router,
                        "interface_name": neighbour,
                        "ipv4_address": str(address),
                        "routes": [{"destination": str(each), "gateway": str(gateway)} for each in behind],
                    }
                )
    return plan


def _leaf(plan: dict[str, list[dict[str, Any]]], leaf: Mapping[str, Any], index: int, name: str, subnet: Any) -> None:
    """Add the network of a leaf, its router, and its members, whose default route is the router."""
    network = f"{name}-{leaf['name']}"
    router = str(leaf.get("router") or subnet[1])
    nobody = next(str(address) for address in (subnet[-2], subnet[1]) if str(address) != router)
    plan["networks"].append({"name": network, "subnet": str(subnet), "gateway": nobody, **HIDDEN})
    plan["attachments"].append(
        {"network": network, "container": leaf["name"], "interface_name": "lan", "ipv4_address": router}
    )
    for number, item in enumerate(leaf.get("members") or []):
        member = member_of(item, f"leaves[{index}].members[{number}]")
        routes = [*(member.get("routes") or []), {"destination": "default", "gateway": router}]
        plan["attachments"].append({"network": network, **member, "routes": routes})


def _leaf_subnet(leaf: Mapping[str, Any], index: int) -> ipaddress.IPv4Network:
    for option in ("name", "subnet"):
        if not leaf.get(option):
            raise AnsibleFilterError(f"leaves[{index}]: there is no {option}")
    try:
        return ipaddress.IPv4Network(leaf["subnet"])
    except ValueError as exc:
        raise AnsibleFilterError(f"leaves[{index}].subnet: {exc}") from exc


def _links(links: str, leaves: int, spines: int) -> list[list[ipaddress.IPv4Network]]:
    """Return the subnets of the links, of every leaf for each spine; a spine or leaf more moves none of the others."""
    try:
        whole = ipaddress.IPv4Network(links)
    except ValueError as exc:
        raise AnsibleFilterError(f"links: {exc}") from exc
    if leaves > LEAVES_MAX:
        raise AnsibleFilterError(f"leaves: there are {leaves}, and a fabric has at most {LEAVES_MAX}")
    block = LEAVES_MAX * LINK_ADDRESSES
    if spines * block > whole.num_addresses:
        raise AnsibleFilterError(f"links: {whole} is too small, {spines} spines take {block} addresses each")
    first = int(whole.network_address)
    return [
        [ipaddress.IPv4Network((first + spine * block + leaf * LINK_ADDRESSES, 29)) for leaf in range(leaves)]
        for spine in range(spines)
    ]


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file by name."""
        return {"fabric": fabric}
