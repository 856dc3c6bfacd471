# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker says in the calls of its plugin protocol, read and checked.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import _names
from ._errors import NetloomError
from ._frozen import dataclass
from ._model import IPInterface, Pairs, PoolSpec, PortSpec, Subnet
from ._ports import PROTOCOLS

LOCAL, GLOBAL = SPACES = ("netloom", "netloom-global")
GATEWAY = "com.docker.network.gateway"
_DOCKER = "com.docker."
_GENERIC, _INTERNAL = "com.docker.network.generic", "com.docker.network.internal"
_PORTMAP = "com.docker.network.portmap"
_NUMBERS = {6: "tcp", 17: "udp", 132: "sctp"}  # IPPROTO_*
_NO_POOLS = ("0.0.0.0/0", "::/0")  # of Docker's address management "null"


@dataclass(frozen=True)
class NetworkCall:
    """A network that is to be made. `name` and `driver` are empty where Docker's user has not given them."""

    id: str
    name: str
    driver: str
    options: Pairs
    internal: bool
    pools: tuple[PoolSpec, ...]
    ours: bool  # the addresses come from us


@dataclass(frozen=True)
class EndpointCall:
    """An endpoint that is to be made. An address that is None, or an empty MAC, is for us to choose."""

    network: str
    id: str
    ipv4: IPInterface | None
    ipv6: IPInterface | None
    mac: str
    options: Pairs


@dataclass(frozen=True)
class PoolId:
    """A subnet that Docker has asked for, and the part of it that it is given addresses of; None for all of it."""

    space: str
    subnet: Subnet
    inside: Subnet | None

    def __str__(self) -> str:
        return "/".join(map(str, filter(None, (self.space, self.subnet, self.inside))))


def network_id(body: Mapping[str, Any]) -> str:
    """:raises NetloomError: option_invalid, as all functions here."""
    found = _text(body, "NetworkID")
    if not re.fullmatch(r"[0-9a-z]{12,64}", found):
        raise NetloomError("option_invalid", f"NetworkID: {found[:80]!a} is not an id of Docker's")
    return found


def endpoint_id(body: Mapping[str, Any]) -> str:
    """Return the id of an endpoint: its digits are in names of interfaces."""
    found = _text(body, "EndpointID")
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise NetloomError("option_invalid", f"EndpointID: {found[:80]!a} is not an id of Docker's")
    return found


def sandbox_key(body: Mapping[str, Any]) -> str:
    """Return the path that Docker calls a sandbox by. Nothing is looked up there."""
    found = _text(body, "SandboxKey")
    if not found.startswith("/") or len(found) > 4096 or re.search(r"[\x00-\x1f\x7f]", found):
        raise NetloomError("option_invalid", f"SandboxKey: {found[:80]!a} is not an absolute path")
    return found


def network_call(body: Mapping[str, Any]) -> NetworkCall:
    """Return what CreateNetwork asks for.

    :raises NetloomError: option_invalid, invalid_name, invalid_subnet and others.
    """
    options = _table(body, "Options")
    generic = {str(name): _value(name, value) for name, value in _table(options, _GENERIC).items()}
    name, driver = generic.pop("network", ""), generic.pop("driver", "")
    data = [*_data(body, "IPv4Data"), *_data(body, "IPv6Data")]
    return NetworkCall(
        id=network_id(body),
        name=_names.network_name(name, "network") if name else "",
        driver=driver,
        options=_names.pairs(generic, "Options"),
        internal=options.get(_INTERNAL) is True,
        pools=tuple(_pool(item, where) for where, item in data if item.get("Pool") not in _NO_POOLS),
        ours=any(item.get("AddressSpace") in SPACES for _where, item in data),
    )


def endpoint_call(body: Mapping[str, Any]) -> EndpointCall:
    """Return what CreateEndpoint asks for."""
    interface = _table(body, "Interface")
    mac = _text(interface, "MacAddress", "")
    options = {
        str(name): _value(name, value)
        for name, value in _table(body, "Options").items()
        if not str(name).startswith(_DOCKER)
    }
    return EndpointCall(
        network=network_id(body),
        id=endpoint_id(body),
        ipv4=_interface(interface, "Address", 4),
        ipv6=_interface(interface, "AddressIPv6", 6),
        mac=_names.mac_address(mac, "MacAddress") if mac else "",
        options=_names.pairs(options, "Options"),
    )


def ports(body: Mapping[str, Any]) -> tuple[PortSpec, ...]:
    """Return the ports that ProgramExternalConnectivity asks to be published."""
    listed = _table(body, "Options").get(_PORTMAP) or []
    if not isinstance(listed, list):
        raise NetloomError("option_invalid", f"{_PORTMAP}: {listed!a} is not a list")
    return tuple(_port(item, f"{_PORTMAP}[{index}]") for index, item in enumerate(listed))


def pool_id(body: Mapping[str, Any]) -> PoolId:
    """Return a pool by the id that we gave it."""
    text = _text(body, "PoolID")
    parts = text.split("/")
    if len(parts) not in (3, 5) or parts[0] not in SPACES:
        raise NetloomError("option_invalid", f"PoolID: {text[:80]!a} is none that was given here")
    subnet = _names.subnet("/".join(parts[1:3]), "PoolID")
    return PoolId(parts[0], subnet, _names.ip_range("/".join(parts[3:]), subnet, "PoolID") if parts[3:] else None)


def pool_call(body: Mapping[str, Any]) -> tuple[str, Subnet | None, Subnet | None, bool]:
    """Return what RequestPool asks for: address space, subnet and a part of it (None: of our choice, all of it), and
    whether IPv6 is meant."""
    space = _text(body, "AddressSpace", "") or LOCAL
    if space not in SPACES:
        raise NetloomError("option_invalid", f"AddressSpace: {space!a} is none of {', '.join(SPACES)}")
    for name in _table(body, "Options"):
        raise NetloomError("option_unknown", f"Options: {name!a} is not an option; address management has none")
    pool, inside = _text(body, "Pool", ""), _text(body, "SubPool", "")
    subnet = _names.subnet(pool, "Pool") if pool else None
    if inside and subnet is None:
        raise NetloomError("invalid_ip_range", f"SubPool: {inside!a} needs a Pool that it is a part of")
    return space, subnet, _names.ip_range(inside, subnet, "SubPool") if inside else None, body.get("V6") is True


def address_call(body: Mapping[str, Any], pool: PoolId) -> tuple[Any, bool]:
    """Return the address that is asked for or given back, None for one of our choice, and whether for a gateway."""
    text = _text(body, "Address", "")
    address = _names.address_in(text.partition("/")[0], pool.subnet, "Address") if text else None
    return address, _table(body, "Options").get("RequestAddressType") == GATEWAY


def _data(body: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = body.get(name) or []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise NetloomError("option_invalid", f"{name}: not a list of objects")
    return ((f"{name}[{index}]", item) for index, item in enumerate(listed))


def _pool(item: Mapping[str, Any], where: str) -> PoolSpec:
    subnet = _names.subnet(_text(item, "Pool"), f"{where}.Pool")
    gateway = _text(item, "Gateway", "")
    aux = {
        str(name): _names.address_in(str(text).partition("/")[0], subnet, f"{where}.AuxAddresses.{name}")
        for name, text in _table(item, "AuxAddresses").items()
    }
    return PoolSpec(
        subnet,
        _names.address_in(gateway.partition("/")[0], subnet, f"{where}.Gateway") if gateway else None,
        aux=tuple(sorted(aux.items())),
    )


def _interface(item: Mapping[str, Any], name: str, version: int) -> IPInterface | None:
    text = _text(item, name, "")
    if not text:
        return None
    try:
        found = ipaddress.ip_interface(text)
    except ValueError as exc:
        raise NetloomError("invalid_address", f"{name}: {text!a}: {exc}") from exc
    if found.version != version:
        raise NetloomError("invalid_address", f"{name}: {text!a} is not an IPv{version} address")
    return found


def _port(item: Any, where: str) -> PortSpec:
    if not isinstance(item, dict):
        raise NetloomError("option_invalid", f"{where}: not an object")
    protocol = _NUMBERS.get(item.get("Proto", 0), "")
    if not protocol:
        raise NetloomError(
            "option_invalid", f"{where}: protocol {item.get('Proto')!a} is none of {', '.join(PROTOCOLS)}"
        )
    numbers = [item.get(name) or 0 for name in ("Port", "HostPort", "HostPortEnd")]
    if not all(isinstance(number, int) and 0 <= number <= 65535 for number in numbers) or not numbers[0]:
        raise NetloomError("option_invalid", f"{where}: ports are numbers from 1 to 65535")
    port, first, last = numbers
    host = _text(item, "HostIP", "")
    address = str(_names.address(host, f"{where}.HostIP", "option_invalid")) if host else ""
    return PortSpec(protocol, port, first, max(first, last), address)


def _text(body: Mapping[str, Any], name: str, otherwise: str | None = None) -> str:
    found = body.get(name)
    if (found is None or found == "") and otherwise is not None:
        return otherwise
    if not isinstance(found, str) or not found:
        raise NetloomError("option_invalid", f"{name}: a text is needed, not {str(found)[:80]!a}")
    return found


def _table(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NetloomError("option_invalid", f"{name}: not an object")
    return found


def _value(name: Any, value: Any) -> str:
    if not isinstance(value, (str, int, bool)):
        raise NetloomError("option_invalid", f"Options.{str(name)[:80]}: not a text")
    return str(value).lower() if isinstance(value, bool) else str(value)
