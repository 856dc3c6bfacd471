# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver cni: the plugins of a CNI network configuration list make the interface, and choose its addresses.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Callable

from .. import _cni
from .._errors import NetloomError
from .._model import Endpoint, IPAddress, IPInterface, Network, Pool, PublishedPort
from .._names import nearest
from .._plugins import PluginEndpoint, PluginNetwork, compact
from .._resources import Resource
from . import cni_requests
from .base import PluginDriver
from .bridge import BridgeDriver
from .options import IFNAME, INTERFACE_PREFIX, PLUGIN_TIMEOUT, DriverOption, as_given, flag

_ARG = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=[^;=\0\n]*", re.ASCII)


def _path(text: str, option: str) -> str:
    """Return folders with colons between."""
    folders = [folder for folder in text.replace(",", ":").split(":") if folder]
    if not folders or not all(folder.startswith("/") for folder in folders):
        raise NetloomError("option_invalid", f"{option}: {text!a} is not a list of absolute paths, as /opt/cni/bin")
    return ":".join(posixpath.normpath(folder) for folder in folders)


def _args(text: str, option: str) -> str:
    """Return CNI_ARGS: KEY=VALUE with semicolons between."""
    pairs = [pair for pair in text.split(";") if pair]
    for pair in pairs:
        if not _ARG.fullmatch(pair) or pair.startswith("IgnoreUnknown="):
            raise NetloomError("option_invalid", f"{option}: {pair!a} is not KEY=VALUE of CNI_ARGS, as IP=192.0.2.9")
    return ";".join(pairs)


def _runtime_config(text: str, option: str) -> str:
    """Return a JSON object of capabilities and what is said of each."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NetloomError("option_invalid", f"{option}: is no dict of capabilities and what is said of each")
    return compact(found)


def in_file(network: Network) -> bool:
    """Return whether the list is in a file, which other runtimes may go by as well."""
    return dict(network.options).get("conflist", "").startswith("/")


class CniDriver(PluginDriver):
    """A network of a CNI network configuration list."""

    options = {
        "conflist": DriverOption("conflist", as_given),
        "cni_path": DriverOption("netloom.cni_path", _path),
        "gc": DriverOption("netloom.gc", flag),
        "plugin_timeout": PLUGIN_TIMEOUT,
        "interface_prefix": INTERFACE_PREFIX,
    }
    endpoint_options = {
        "ifname": IFNAME,
        **{name: BridgeDriver.endpoint_options[name] for name in ("ingress_rate", "egress_rate", "burst")},
        "cni_args": DriverOption("cni_args", _args),
        "runtime_config": DriverOption("runtime_config", _runtime_config),
    }
    example = {"conflist": '{"cniVersion":"1.0.0","plugins":[{"type":"loopback"}]}'}
    assigns = True

    def check(self, network: Network) -> None:
        """:raises NetloomError: option_invalid, what only the list can say."""
        if network.internal:
            raise NetloomError("option_invalid", "internal: what a CNI network reaches is what its conflist says")
        if not network.enable_ipv4:
            raise NetloomError(
                "option_invalid", "enable_ipv4: the IP versions of a CNI network are what its conflist says"
            )

    def definition(self, network: Network, recorded: Network | None, read: Callable[[str], str] | None) -> str:
        """Return the network configuration list that an option holds, or names the file of, in canonical form.

        `read` None: nobody asks for another one than the recorded network has, whatever has become of the file.

        :raises NetloomError: option_invalid.
        """
        if read is None and recorded is not None and recorded.definition:
            return recorded.definition
        given = dict(network.options).get("conflist")
        if not given or not given.strip():
            raise NetloomError("option_invalid", f"{_cni.OPTION}: is required by driver cni")
        if given.lstrip().startswith("{") or read is None:
            return _cni.conflist(given, network.name, None)
        if not given.startswith("/"):
            raise NetloomError(
                "option_invalid", f"{_cni.OPTION}: {given[:80]!a} is neither a JSON object nor an absolute path"
            )
        try:
            text = read(given)
        except NetloomError as exc:
            raise NetloomError("option_invalid", f"{_cni.OPTION}: {exc.message}") from None
        beside = posixpath.dirname(given)
        return _cni.conflist(text, network.name, lambda name: read(f"{beside}/{name}/"))

    def needs(self, network: Network) -> dict[str, Any]:
        """Return what there is to know of a network for running its plugins."""
        options = dict(network.options)
        return {
            "conflist": json.loads(network.definition),
            "cni_path": options.get("cni_path", _cni.PATH),
            "timeout": float(options.get("plugin_timeout", 30)),
            "gc": options.get("gc", "false" if in_file(network) else "true") == "true",
        }

    def bound(self, network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
        """Yield (IP version, address of the host, empty for all) of what a port is published at.

        Before the container has an address, it may be of either version.
        """
        held = {address.version for address in endpoint.primaries} or {4, 6}
        for version in (4, 6):
            if version in held and (not port.address or (":" in port.address) == (version == 6)):
                yield version, "" if port.address in ("0.0.0.0", "::") else port.address

    def as_seen(self, network: Network) -> Network:
        """Return a network with the subnets that its list has host-local hand out."""
        found = dict(_cni.subnets(json.loads(network.definition))) if network.definition else {}
        pools = tuple(
            Pool(subnet, gateway or subnet[min(1, subnet.num_addresses - 1)]) for subnet, gateway in found.items()
        )
        six = any(pool.subnet.version == 6 for pool in pools)
        return replace(network, pools=pools, enable_ipv6=six or network.enable_ipv6)

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield the network. The plugins are told nothing of it before the first container comes."""
        yield PluginNetwork(network.driver, network.name, compact(self.needs(network)))

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield what the plugins of the list make together."""
        conflist = json.loads(network.definition)
        request: dict[str, Any] = {
            "containerID": endpoint.id,
            "conflist": conflist,
            "runtimeConfig": {name: value for name, (_option, value) in cni_requests.asked(network, endpoint).items()},
            "args": cni_requests.args(conflist, endpoint),
        }
        known = [subnet for subnet, _gateway in _cni.subnets(conflist)]
        kept = [ip for ip in endpoint.primaries if not known or any(ip.ip in subnet for subnet in known)]
        former = {"mac": endpoint.mac, "ips": [str(ip) for ip in kept]}
        yield PluginEndpoint(
            network.driver,
            network.name,
            endpoint.seat,
            endpoint.place,
            endpoint.ifname,
            compact(request),
            former=compact(former) if former["ips"] else "",
        )

    def interface(self, network: Network, address: IPAddress) -> IPInterface:
        """Return an address with the prefix length of the subnet that it is out of, where that is known."""
        return cni_requests.interface(network, address)

    def check_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        """:raises NetloomError: option_invalid, no plugin of the list takes what is asked for."""
        takes = _cni.capabilities(json.loads(network.definition))
        for capability, (option, _value) in cni_requests.asked(network, endpoint).items():
            if capability not in takes:
                raise NetloomError(
                    "option_invalid",
                    f"{option}: no plugin of network {network.name} has the capability {capability};"
                    f" its conflist declares {', '.join(sorted(takes)) or 'none'}{nearest(capability, takes)}",
                )
        if endpoint.gw_priority:
            raise NetloomError(
                "option_invalid",
                "gw_priority: the plugins of a CNI network set the default route, where its conflist says so",
            )
