# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker's network plugins are asked and what they may answer: libnetwork's remote protocol, as values.

Whatever a plugin answers is somebody else's word: its types are checked here, and that it stays within what it was asked
about. Unknown fields are ignored. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from ._errors import NetloomError
from ._frozen import dataclass
from ._model import IPAddress, Pairs, PublishedPort, Subnet
from ._names import interface_name, mac_address, subnet
from ._resources import PROTOCOLS

NETWORK, IPAM = "NetworkDriver", "IpamDriver"  # what a plugin can implement
GENERIC = "com.docker.network.generic"
ENABLE_IPV6 = "com.docker.network.enable_ipv6"
INTERNAL = "com.docker.network.internal"
EXPOSED = "com.docker.network.endpoint.exposedports"
PORT_MAP = "com.docker.network.portmap"
GATEWAY = "com.docker.network.gateway"
LOCAL_SPACE = "LocalDefault"  # the address space of Docker's own address management
RESERVED = "netloom."  # options whose labels begin so are for us, and no plugin is told them
_SCOPES = ("local", "global")
_NEXT_HOP, _CONNECTED = 0, 1  # RouteType


@dataclass(frozen=True)
class Joined:
    """What a plugin has answered to Join: the interface that is for the container, gateways and routes.

    `gateways` are ipv4 and ipv6 to an address, empty for none; `routes` are destination and next hop, empty for none.
    """

    source: str
    gateways: Pairs
    routes: Pairs


def options_told(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return those of a network's or an endpoint's options, by label, that are for the plugin."""
    return {label: value for label, value in options if not label.startswith(RESERVED)}


def ports_told(ports: Iterable[PublishedPort]) -> dict[str, list[dict[str, Any]]]:
    """Return published ports as Docker tells plugins of them."""
    listed = [*ports]
    exposed = sorted({(int(PROTOCOLS[port.protocol]), port.container) for port in listed})
    mapped = [
        {
            "Proto": int(PROTOCOLS[port.protocol]),
            "IP": "",
            "Port": port.container,
            "HostIP": port.address,
            "HostPort": port.host,
            "HostPortEnd": port.host,
        }
        for port in listed
    ]
    return {EXPOSED: [{"Proto": number, "Port": port} for number, port in exposed], PORT_MAP: mapped}


def scope(answer: Mapping[str, Any]) -> str:
    """Return the scope of a driver's networks.

    :raises NetloomError: driver_error.
    """
    found = _text(answer, "Scope") or "local"
    if found not in _SCOPES:
        raise NetloomError("driver_error", f"Scope is {found[:60]!a}, and not one of {', '.join(_SCOPES)}")
    return found


def implements(answer: Mapping[str, Any]) -> list[str]:
    """Return what a plugin says that it implements.

    :raises NetloomError: driver_error.
    """
    found = answer.get("Implements")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise NetloomError("driver_error", "Implements is not a list of names")
    return found


def is_set(answer: Mapping[str, Any], name: str) -> bool:
    """Return whether a capability is said to be there."""
    return answer.get(name) is True


def local_space(answer: Mapping[str, Any]) -> str:
    """Return the address space of networks of one host.

    :raises NetloomError: driver_error.
    """
    found = _text(answer, "LocalDefaultAddressSpace")
    if not found:
        raise NetloomError("driver_error", "LocalDefaultAddressSpace is missing")
    return found


def pool(answer: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[str, Subnet, IPAddress | None]:
    """Return the number of a pool, its subnet, and the gateway in it if one is named.

    :raises NetloomError: driver_error, among others for another pool than was asked for.
    """
    number, text = _text(answer, "PoolID"), _text(answer, "Pool")
    if not number:
        raise NetloomError("driver_error", "PoolID is missing")
    found: Subnet = _checked(subnet, text, "Pool")
    if (asked["Pool"] and str(found) != asked["Pool"]) or (found.version == 6) != asked["V6"]:
        wanted = asked["Pool"] or f"of IPv{6 if asked['V6'] else 4}"
        raise NetloomError("driver_error", f"Pool is {found}, and was to be {wanted}")
    named = _text(_object(answer, "Data"), GATEWAY, "Data.")
    return number, found, _address(named, f"Data.{GATEWAY}", found) if named else None


def address(answer: Mapping[str, Any], within: Subnet, asked: IPAddress | None) -> IPAddress:
    """Return the address that was given, with the prefix length of its pool.

    :raises NetloomError: driver_error, it is outside of the pool, or another one than was asked for.
    """
    text = _text(answer, "Address")
    if not text:
        raise NetloomError("driver_error", "Address is missing")
    found = _address(text, "Address", within)
    if asked is not None and found != asked:
        raise NetloomError("driver_error", f"Address is {found}, and was to be {asked}")
    return found


def _address(text: str, field: str, within: Subnet) -> IPAddress:
    try:
        found = ip_interface(text)
    except ValueError:
        raise NetloomError("driver_error", f"{field} is {text[:60]!a}, and not an address") from None
    if found.network != within:
        raise NetloomError(
            "driver_error", f"{field} is {found}, which is outside of the pool {within}, or has another prefix length"
        )
    return found.ip


def interface_mac(answer: Mapping[str, Any], asked: Mapping[str, str]) -> str:
    """Return the MAC address that a plugin has given an endpoint, empty for none.

    As with Docker, what it was given it may not answer: not even the same again.

    :raises NetloomError: driver_error.
    """
    interface = _object(answer, "Interface")
    for name in ("Address", "AddressIPv6", "MacAddress"):
        value = _text(interface, name)
        if value and asked.get(name):
            raise NetloomError("driver_error", f"Interface.{name} is {value[:60]!a}, and was given as {asked[name]}")
        if value and name != "MacAddress":
            # Docker takes an address where it has none to give: then the network has no subnet of that version.
            raise NetloomError("driver_error", f"Interface.{name} is {value[:60]!a}, an address outside the pools")
    mac = _text(interface, "MacAddress")
    return _checked(mac_address, mac, "Interface.MacAddress") if mac else ""


def joined(answer: Mapping[str, Any], pools: Iterable[Subnet], versions: Iterable[int]) -> Joined:
    """Return what a plugin has answered to Join, of an endpoint that has addresses of IP `versions` in `pools`.

    :raises NetloomError: driver_error.
    """
    known = [*pools]
    name = _text(_object(answer, "InterfaceName"), "SrcName")
    source = _checked(interface_name, name, "InterfaceName.SrcName")
    gateways = []
    for version in sorted(versions):
        field = "Gateway" if version == 4 else "GatewayIPv6"
        text = _text(answer, field)
        gateways.append((f"ipv{version}", _neighbour(text, field, version, known) if text else ""))
    return Joined(source, tuple(gateways), tuple(_routes(answer, known, {*versions})))


def _routes(answer: Mapping[str, Any], pools: list[Subnet], versions: set[int]) -> Iterable[tuple[str, str]]:
    items = answer.get("StaticRoutes")
    if items is None:
        return
    if not isinstance(items, list):
        raise NetloomError("driver_error", "StaticRoutes is not a list")
    for index, item in enumerate(items):
        field = f"StaticRoutes[{index}]"
        if not isinstance(item, dict):
            raise NetloomError("driver_error", f"{field} is not an object")
        text = _text(item, "Destination", f"{field}.")
        try:
            # ip_network also takes a single address, as Docker does not.
            destination = ip_network(text) if "/" in text else None
        except ValueError:
            destination = None
        if destination is None or not destination.prefixlen:
            raise NetloomError("driver_error", f"{field}.Destination is {text[:60]!a}, and not a subnet")
        kind = item.get("RouteType", _NEXT_HOP)
        if kind not in (_NEXT_HOP, _CONNECTED) or isinstance(kind, bool):
            raise NetloomError("driver_error", f"{field}.RouteType is {str(kind)[:60]!a}, and not 0 or 1")
        hop = _text(item, "NextHop", f"{field}.")
        if kind == _NEXT_HOP and not hop:
            raise NetloomError("driver_error", f"{field}.NextHop is missing")
        if destination.version in versions:
            gateway = _neighbour(hop, f"{field}.NextHop", destination.version, pools) if kind == _NEXT_HOP else ""
            yield str(destination), gateway


def _neighbour(text: str, field: str, version: int, pools: Iterable[Subnet]) -> str:
    """Return an address that is in a pool, or in IPv6 link-local."""
    try:
        found = ip_address(text)
    except ValueError:
        raise NetloomError("driver_error", f"{field} is {text[:60]!a}, and not an address") from None
    inside = any(found in pool for pool in pools) or (found.version == 6 and found.is_link_local)
    if found.version != version or not inside or getattr(found, "scope_id", None):
        raise NetloomError("driver_error", f"{field} is {text[:60]!a}, which is outside of the network's pools")
    return str(found)


def _object(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NetloomError("driver_error", f"{name} is not an object")
    return found


def _text(answer: Mapping[str, Any], name: str, within: str = "") -> str:
    found = answer.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise NetloomError("driver_error", f"{within}{name} is {str(found)[:60]!a}, and not text")
    return found


def _checked(parse: Any, text: str, field: str) -> Any:
    try:
        return parse(text, field)
    except NetloomError as exc:
        raise NetloomError("driver_error", re.sub(r"(?<=.{300}).+", "", exc.message)) from None
