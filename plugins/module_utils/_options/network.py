# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of container_network, and how what was given becomes a spec.

Collection-private and pure. Floor 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._errors import NetloomError
from .._model import HOST_SERVERS, IPAM_DRIVERS, TOPOLOGY_LABEL, EndpointSpec, NetworkSpec, PoolSpec
from .._names import address, address_in, identifier, ip_range, nearest, network_name, pairs, subnet
from .common import COMMON, STATE
from .endpoint import ENDPOINT, endpoint_spec

_IPAM_DRIVER = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9_.-]{1,127})?(:[A-Za-z0-9_.-]{1,63})?"
_POOL = dict(
    subnet=dict(type="str"),
    iprange=dict(type="str", aliases=["ip_range"]),
    gateway=dict(type="str"),
    aux_addresses=dict(type="dict"),
)
NETWORK_ITEM = dict(
    name=dict(type="str", required=True, aliases=["network_name"]),
    state=STATE,
    driver=dict(type="str"),
    driver_options=dict(type="dict"),
    enable_ipv4=dict(type="bool"),
    enable_ipv6=dict(type="bool"),
    internal=dict(type="bool"),
    labels=dict(type="dict"),
    ipam_driver=dict(type="str"),
    ipam_driver_options=dict(type="dict"),
    ipam_config=dict(type="list", elements="dict", options=_POOL),
    subnet=dict(type="str"),
    ip_range=dict(type="str"),
    gateway=dict(type="str"),
    dns=dict(type="bool"),
    dns_servers=dict(type="list", elements="str"),
    connected=dict(type="list", elements="raw", aliases=["containers"]),
    appends=dict(type="bool", default=False, aliases=["incremental"]),
    force=dict(type="bool", default=False),
)
NETWORK_EXCLUSIVE = [("ipam_config", "subnet"), ("ipam_config", "ip_range"), ("ipam_config", "gateway")]
NETWORK = dict(
    argument_spec=dict(**NETWORK_ITEM, **COMMON), mutually_exclusive=NETWORK_EXCLUSIVE, supports_check_mode=True
)


def network_to_remove(params: Mapping[str, Any]) -> str:
    """:raises NetloomError: invalid_name."""
    return identifier(params["name"])


def network_spec(params: Mapping[str, Any]) -> NetworkSpec:
    """Return what container_network asks for.

    :raises NetloomError: an option is not valid, whatever the host is like.
    """
    if not re.fullmatch(_IPAM_DRIVER, params["ipam_driver"] or "default", re.ASCII) or params["ipam_driver"] == "":
        raise NetloomError(
            "driver_not_found",
            f"ipam_driver: {params['ipam_driver']!a} is not an IPAM driver; available: {', '.join(IPAM_DRIVERS)}, and"
            " Docker plugins",
        )
    if params["driver"] == "":
        raise NetloomError("driver_not_found", "driver: must not be empty")
    if TOPOLOGY_LABEL in (params["labels"] or {}):
        raise NetloomError(
            "option_invalid", f"labels.{TOPOLOGY_LABEL}: says which topology made a network; it is not given"
        )
    return NetworkSpec(
        name=network_name(params["name"]),
        driver=params["driver"],
        options=_given(params, "driver_options"),
        enable_ipv4=params["enable_ipv4"],
        enable_ipv6=params["enable_ipv6"],
        internal=params["internal"],
        labels=_given(params, "labels"),
        ipam_driver=params["ipam_driver"],
        ipam_options=_given(params, "ipam_driver_options"),
        pools=_pools(params),
        force=params["force"],
        dns=params["dns"],
        dns_servers=_dns_servers(params),
    )


def connected(params: Mapping[str, Any]) -> list[EndpointSpec] | None:
    """Return the members that container_network lists, None where it lists none.

    :raises NetloomError: option_unknown, option_invalid and what `endpoint_spec` raises.
    """
    if params["connected"] is None:
        return None
    found: dict[tuple[str, str], set[str]] = {}
    specs: list[EndpointSpec] = []
    validator = ArgumentSpecValidator(ENDPOINT)
    for index, item in enumerate(params["connected"]):
        option = f"connected[{index}]"
        values = item if isinstance(item, dict) else {"container": item}
        for name in values:
            if name not in ENDPOINT:
                raise NetloomError(
                    "option_unknown",
                    f"{option}: {name!a} is not an option of an attachment{nearest(str(name), ENDPOINT)}",
                )
        result = validator.validate(values)
        if result.error_messages:
            raise NetloomError("option_invalid", f"{option}: {'; '.join(result.error_messages)}")
        spec = endpoint_spec({**result.validated_parameters, "network": params["name"]}, f"{option}.")
        names = found.setdefault((spec.runtime, spec.container), set())
        if names and (not spec.ifname or names & {"", spec.ifname}):
            raise NetloomError(
                "option_invalid",
                f"{option}: container {spec.container} is listed twice; each of several has an interface_name",
            )
        names.add(spec.ifname or "")
        specs.append(spec)
    return specs


def _given(params: Mapping[str, Any], option: str) -> Any:
    return None if params[option] is None else pairs(params[option], option)


def _dns_servers(params: Mapping[str, Any]) -> tuple[str, ...] | None:
    given = params["dns_servers"]
    if given is None or tuple(given) == HOST_SERVERS:
        return None if given is None else HOST_SERVERS
    found = (str(address(text, f"dns_servers[{index}]", "option_invalid")) for index, text in enumerate(given))
    return tuple(dict.fromkeys(found))


def _pools(params: Mapping[str, Any]) -> tuple[PoolSpec, ...] | None:
    if params["ipam_config"] is not None:
        return tuple(_pool(item, f"ipam_config[{index}].") for index, item in enumerate(params["ipam_config"]))
    plain = {
        "subnet": params["subnet"],
        "iprange": params["ip_range"],
        "gateway": params["gateway"],
        "aux_addresses": None,
    }
    if not any(value is not None for value in plain.values()):
        return None
    return (_pool(plain, "", range_name="ip_range"),)


def _pool(item: Mapping[str, Any], prefix: str, range_name: str = "iprange") -> PoolSpec:
    aux = item["aux_addresses"]
    if item["subnet"] is None:
        if prefix:
            raise NetloomError("invalid_subnet", f"{prefix}subnet: is required")
        gateway = None if item["gateway"] is None else address(item["gateway"], "gateway", "invalid_gateway")
        return PoolSpec(None, gateway, None if item["iprange"] is None else ip_range(item["iprange"], None, range_name))
    found = subnet(item["subnet"], f"{prefix}subnet")
    return PoolSpec(
        subnet=found,
        gateway=None
        if item["gateway"] is None
        else address_in(item["gateway"], found, f"{prefix}gateway", "invalid_gateway"),
        ip_range=None if item["iprange"] is None else ip_range(item["iprange"], found, f"{prefix}{range_name}"),
        aux=None
        if aux is None
        else tuple(
            sorted(
                (str(name), address_in(str(text), found, f"{prefix}aux_addresses.{name}")) for name, text in aux.items()
            )
        ),
    )
