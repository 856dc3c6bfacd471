# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of network_topology, which are lists of the other modules' options.

Collection-private and pure. Floor 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from .._errors import within
from .._model import NetworkSpec
from .._names import identifier
from .._verbs.topology_spec import EndpointItem, NamespaceItem, NetworkItem, TopologySpec
from .common import COMMON, STATE
from .endpoint import ATTACHMENT_ITEM, endpoint_spec
from .namespace import NAMESPACE_ITEM, namespace_name, namespace_settings
from .network import NETWORK_EXCLUSIVE, NETWORK_ITEM, connected, network_spec, network_to_remove

TOPOLOGY = dict(
    argument_spec=dict(
        name=dict(type="str", required=True),
        state=STATE,
        namespaces=dict(type="list", elements="dict", options=NAMESPACE_ITEM),
        networks=dict(type="list", elements="dict", options=NETWORK_ITEM, mutually_exclusive=NETWORK_EXCLUSIVE),
        attachments=dict(type="list", elements="dict", options=ATTACHMENT_ITEM),
        purge=dict(type="bool", default=False),
        **COMMON,
    ),
    supports_check_mode=True,
)


def topology_spec(params: Mapping[str, Any]) -> TopologySpec:
    """Return what network_topology asks for.

    :raises NetloomError: an option is not valid, whatever the host is like; the text says in which item.
    """

    def namespace(item: Mapping[str, Any]) -> NamespaceItem:
        return NamespaceItem(namespace_name(item), item["state"] == "absent", item["force"], namespace_settings(item))

    def network(item: Mapping[str, Any]) -> NetworkItem:
        members = connected(item)
        absent = item["state"] == "absent"
        spec = NetworkSpec(network_to_remove(item), force=item["force"]) if absent else network_spec(item)
        return NetworkItem(spec, None if members is None else tuple(members), item["appends"], absent)

    def attachment(item: Mapping[str, Any]) -> EndpointItem:
        return EndpointItem(endpoint_spec(item), item["state"] == "absent")

    return TopologySpec(
        identifier(params["name"]),
        _each(params, "namespaces", namespace),
        _each(params, "networks", network),
        _each(params, "attachments", attachment),
        params["purge"],
    )


def _each(params: Mapping[str, Any], option: str, parse: Callable[[Mapping[str, Any]], Any]) -> tuple[Any, ...]:
    found = []
    for index, item in enumerate(params[option] or ()):
        with within(f"{option}[{index}]"):
            found.append(parse(item))
    return tuple(found)
