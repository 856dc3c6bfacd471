# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of an endpoint on a network of CNI plugins, as they are told it: capabilities and CNI_ARGS.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_interface
from typing import Any

from .. import _cni
from .._errors import NetloomError
from .._model import HOST_SERVERS, Endpoint, IPAddress, IPInterface, Network, PublishedPort

_MTU = 1500  # of what a burst is measured by; the plugin's own is not known
_BURST_MAX_BITS = 8 * ((1 << 32) - 2)  # of the plugin bandwidth
_RATES = ("ingress_rate", "egress_rate")
_POD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)


def interface(network: Network, address: IPAddress) -> IPInterface:
    """Return an address with the prefix length of the subnet that it is out of, where that is known."""
    known = _cni.subnets(json.loads(network.definition))
    subnet = next((subnet for subnet, _gateway in known if address in subnet), None)
    return ip_interface(f"{address}/{subnet.prefixlen}" if subnet else address)


def asked(network: Network, endpoint: Endpoint) -> dict[str, tuple[str, Any]]:
    """Return what is asked of an endpoint, by capability: the option that asks for it, and how plugins are told."""
    conflist = json.loads(network.definition)
    options = dict(endpoint.driver_opts)
    found: dict[str, tuple[str, Any]] = {}
    ips = {f"ipv{ip.version}_address": ip for ip in endpoint.primaries if f"ipv{ip.version}" in endpoint.static}
    if ips:
        found["ips"] = (next(iter(ips)), [_as_asked(interface(network, ip.ip)) for ip in ips.values()])
    if "mac" in endpoint.static:
        found["mac"] = ("mac_address", endpoint.mac)
    if endpoint.ports:
        found["portMappings"] = ("published_ports", [_mapping(port) for port in endpoint.ports])
    if endpoint.aliases:
        found["aliases"] = ("aliases", {conflist["name"]: [*endpoint.aliases]})
    if network.dns_servers not in ((), HOST_SERVERS):
        found["dns"] = ("dns_servers", {"servers": [*network.dns_servers]})
    limits = _limits(options)
    if limits:
        found["bandwidth"] = (f"driver_opts.{next(name for name in _RATES if name in options)}", limits)
    for capability, value in json.loads(options.get("runtime_config", "{}")).items():
        option = f"driver_opts.runtime_config.{capability}"
        if capability in found:
            raise NetloomError("option_invalid", f"{option}: {found[capability][0]} says it already")
        found[capability] = (option, value)
    return found


_RATES = ("ingress_rate", "egress_rate")


def _limits(options: dict[str, str]) -> dict[str, int]:
    """Return limits as the plugin bandwidth has them, all in bits."""
    found = {}
    for name in _RATES:
        if name in options:
            from .._shaping import default_burst  # few endpoints have any

            burst = 8 * int(options.get("burst", default_burst(int(options[name]) // 8, _MTU)))
            direction = name.partition("_")[0]
            found[f"{direction}Rate"] = int(options[name])
            found[f"{direction}Burst"] = min(burst, _BURST_MAX_BITS)
    return found


def _mapping(port: PublishedPort) -> dict[str, Any]:
    address = {"hostIP": port.address} if port.address else {}
    return {"hostPort": port.host, "containerPort": port.container, "protocol": port.protocol, **address}


def _as_asked(interface: IPInterface) -> str:
    return str(interface.ip if interface.network.prefixlen == interface.max_prefixlen else interface)


def args(conflist: _cni.Conflist, endpoint: Endpoint) -> str:
    """Return CNI_ARGS. Plugins that take aliases give names, and are told the container's as Kubernetes tells it."""
    pod = endpoint.container if _POD.fullmatch(endpoint.container) else endpoint.id[:12]
    named = "aliases" in _cni.capabilities(conflist)
    own = dict(endpoint.driver_opts).get("cni_args", "")
    return ";".join(filter(None, ("IgnoreUnknown=1", f"K8S_POD_NAME={pod}" if named else "", own)))
