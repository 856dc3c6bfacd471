# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' options: their specifications, and how what was given becomes a spec.

The only Python file with option names. Collection-private and pure. Floor 3.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Callable

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ._errors import NetloomError
from ._inspect import FILTERS
from ._model import TOPOLOGY_LABEL, EndpointSpec, NetworkSpec, PoolSpec
from ._names import (
    address,
    address_in,
    identifier,
    interface_name,
    ip_range,
    mac_address,
    nearest,
    network_name,
    pairs,
    subnet,
)

RUNTIMES = ["auto", "netns", "pid", "path", "docker", "podman", "machine"]
_STATE = dict(type="str", choices=["present", "absent"], default="present")
_COMMON = dict(
    state_dir=dict(type="path", default="/var/lib/netloom"),
    lock_timeout=dict(type="int", default=30),
)
_POOL = dict(
    subnet=dict(type="str"),
    iprange=dict(type="str", aliases=["ip_range"]),
    gateway=dict(type="str"),
    aux_addresses=dict(type="dict"),
)
_ENDPOINT = dict(
    container=dict(type="str", required=True),
    runtime=dict(type="str", choices=RUNTIMES, default="auto"),
    ipv4_address=dict(type="str"),
    ipv6_address=dict(type="str"),
    mac_address=dict(type="str"),
    interface_name=dict(type="str"),
    gw_priority=dict(type="int"),
    driver_opts=dict(type="dict"),
)

_NETWORK = dict(
    name=dict(type="str", required=True, aliases=["network_name"]),
    state=_STATE,
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
    connected=dict(type="list", elements="raw", aliases=["containers"]),
    appends=dict(type="bool", default=False, aliases=["incremental"]),
    force=dict(type="bool", default=False),
)
_NETWORK_EXCLUSIVE = [("ipam_config", "subnet"), ("ipam_config", "ip_range"), ("ipam_config", "gateway")]
_ATTACHMENT = dict(network=dict(type="str", required=True), state=_STATE, **_ENDPOINT)
_NAMESPACE = dict(name=dict(type="str", required=True), state=_STATE, force=dict(type="bool", default=False))

NETWORK = dict(
    argument_spec=dict(**_NETWORK, **_COMMON), mutually_exclusive=_NETWORK_EXCLUSIVE, supports_check_mode=True
)
ATTACHMENT = dict(argument_spec=dict(**_ATTACHMENT, **_COMMON), supports_check_mode=True)
NAMESPACE = dict(argument_spec=dict(**_NAMESPACE, **_COMMON), supports_check_mode=True)
TOPOLOGY = dict(
    argument_spec=dict(
        name=dict(type="str", required=True),
        state=_STATE,
        namespaces=dict(type="list", elements="dict", options=_NAMESPACE),
        networks=dict(type="list", elements="dict", options=_NETWORK, mutually_exclusive=_NETWORK_EXCLUSIVE),
        attachments=dict(type="list", elements="dict", options=_ATTACHMENT),
        purge=dict(type="bool", default=False),
        **_COMMON,
    ),
    supports_check_mode=True,
)
INFO = dict(
    argument_spec=dict(
        name=dict(type="list", elements="str"),
        filters=dict(type="dict"),
        verify=dict(type="bool", default=False),
        **_COMMON,
    ),
    supports_check_mode=True,
)


def state_dir(params: Mapping[str, Any]) -> str:
    """Return the state directory.

    :raises NetloomError: option_invalid.
    """
    if not posixpath.isabs(params["state_dir"]):
        raise NetloomError("option_invalid", f"state_dir: {params['state_dir']!a} is not an absolute path")
    return posixpath.normpath(params["state_dir"])


def lock_timeout(params: Mapping[str, Any]) -> int:
    """Return how long to wait for the lock, in seconds.

    :raises NetloomError: option_invalid.
    """
    if params["lock_timeout"] < 0:
        raise NetloomError("option_invalid", f"lock_timeout: {params['lock_timeout']} is negative")
    return params["lock_timeout"]


def namespace_name(params: Mapping[str, Any]) -> str:
    """:raises NetloomError: invalid_name."""
    return identifier(params["name"])


def network_to_remove(params: Mapping[str, Any]) -> str:
    """:raises NetloomError: invalid_name."""
    return identifier(params["name"])


def network_spec(params: Mapping[str, Any]) -> NetworkSpec:
    """Return what container_network asks for.

    :raises NetloomError: an option is not valid, whatever the host is like.
    """
    if params["ipam_driver"] not in (None, "default"):
        raise NetloomError(
            "driver_not_found", f"ipam_driver: {params['ipam_driver']!a} is not an IPAM driver; available: default"
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
    )


def connected(params: Mapping[str, Any]) -> list[EndpointSpec] | None:
    """Return the members that container_network lists, None where it lists none.

    :raises NetloomError: option_unknown, option_invalid and what `endpoint_spec` raises.
    """
    if params["connected"] is None:
        return None
    found: dict[tuple[str, str], EndpointSpec] = {}
    validator = ArgumentSpecValidator(_ENDPOINT)
    for index, item in enumerate(params["connected"]):
        option = f"connected[{index}]"
        values = item if isinstance(item, dict) else {"container": item}
        for name in values:
            if name not in _ENDPOINT:
                raise NetloomError(
                    "option_unknown",
                    f"{option}: {name!a} is not an option of an attachment{nearest(str(name), _ENDPOINT)}",
                )
        result = validator.validate(values)
        if result.error_messages:
            raise NetloomError("option_invalid", f"{option}: {'; '.join(result.error_messages)}")
        spec = endpoint_spec({**result.validated_parameters, "network": params["name"]}, f"{option}.")
        if found.setdefault((spec.runtime, spec.container), spec) is not spec:
            raise NetloomError("option_invalid", f"{option}: container {spec.container} is listed twice")
    return list(found.values())


def endpoint_spec(params: Mapping[str, Any], prefix: str = "") -> EndpointSpec:
    """Return what network_attachment asks for; `prefix` stands before option names in messages.

    :raises NetloomError: an option is not valid, whatever the host is like.
    """

    def ip(version: int) -> Any:
        option = f"ipv{version}_address"
        if params[option] is None:
            return None
        found = address(params[option], prefix + option)
        if found.version != version:
            raise NetloomError("invalid_address", f"{prefix}{option}: {found} is not an IPv{version} address")
        return found

    mac, ifname = params["mac_address"], params["interface_name"]
    opts = params["driver_opts"]
    return EndpointSpec(
        network=identifier(params["network"], "network"),
        container=params["container"],
        runtime=params["runtime"],
        ipv4=ip(4),
        ipv6=ip(6),
        mac=None if mac is None else mac_address(mac, f"{prefix}mac_address"),
        ifname=None if ifname is None else interface_name(ifname, f"{prefix}interface_name"),
        gw_priority=params["gw_priority"],
        driver_opts=None if opts is None else pairs(opts, f"{prefix}driver_opts"),
    )


def topology_spec(params: Mapping[str, Any]) -> Any:
    """Return what network_topology asks for, as a `TopologySpec`.

    :raises NetloomError: an option is not valid, whatever the host is like; the text says in which item.
    """
    from ._topology import EndpointItem, NamespaceItem, NetworkItem, TopologySpec

    def namespace(item: Mapping[str, Any]) -> NamespaceItem:
        return NamespaceItem(namespace_name(item), item["state"] == "absent", item["force"])

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
        try:
            found.append(parse(item))
        except NetloomError as exc:
            raise exc.within(f"{option}[{index}]") from exc.__cause__
    return tuple(found)


def filters(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return network_info's filters, each with the values that pass.

    :raises NetloomError: option_unknown, option_invalid.
    """
    found: dict[str, list[str]] = {}
    for name, value in (params["filters"] or {}).items():
        if name not in FILTERS:
            raise NetloomError(
                "option_unknown",
                f"filters: {name!a} is not a filter{nearest(str(name), FILTERS)}; there are {', '.join(FILTERS)}",
            )
        if name == "label" and isinstance(value, dict):
            value = [f"{key}={text}" for key, text in value.items()]
        texts = [
            str(item).lower() if isinstance(item, bool) else str(item)
            for item in (value if isinstance(value, list) else [value])
        ]
        allowed = {"type": ("builtin", "custom"), "dangling": ("true", "false")}.get(name)
        for text in texts:
            if allowed and text not in allowed:
                raise NetloomError("option_invalid", f"filters.{name}: {text!a} is neither {' nor '.join(allowed)}")
        found[name] = texts
    return found


def _given(params: Mapping[str, Any], option: str) -> Any:
    return None if params[option] is None else pairs(params[option], option)


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
