# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netavark and its plugins are told, and whether what they answer is an answer to that.

The documents are those of netavark's plugin API 1.0. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import Any

from ._errors import NetloomError

PREFIX = "netavark:"
OWN = ("bridge", "macvlan", "ipvlan")  # drivers that netavark has itself
KINDS = {"bridge": "veth", "macvlan": "macvlan", "ipvlan": "ipvlan"}  # of the interfaces that those make
PLUGIN_DIRS = "/usr/local/libexec/netavark:/usr/libexec/netavark:/usr/local/lib/netavark:/usr/lib/netavark"
NETAVARK_DIRS = "/usr/local/libexec/podman:/usr/local/lib/podman:/usr/libexec/podman:/usr/lib/podman"
FIREWALL_DRIVERS = ("iptables", "nftables", "firewalld", "none")


def name_of(driver: str) -> str:
    """Return what netavark calls a driver."""
    return driver[len(PREFIX) :]


def is_own(driver: str) -> bool:
    """Return whether netavark itself is the plugin."""
    return name_of(driver) in OWN


def network_seen(network: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network as one endpoint's call has it: with the subnets that the endpoint has addresses in.

    netavark takes the first address for the first subnet, and so on.
    """
    versions = [6 if ":" in address else 4 for address in endpoint["network_options"]["static_ips"]]
    subnets = [each for each in network["subnets"] if ip_network(each["subnet"]).version in versions]
    return {**network, "subnets": subnets}


def plugin_call(network: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plugin's `setup` and `teardown` read: NetworkPluginExec."""
    return {**endpoint, "network": network_seen(network, endpoint)}


def own_call(network: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what those of netavark itself read, which could be about several networks."""
    common = {name: value for name, value in endpoint.items() if name != "network_options"}
    name = network["name"]
    return {
        **common,
        "networks": {name: endpoint["network_options"]},
        "network_info": {name: network_seen(network, endpoint)},
    }


def creation(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `netavark create` reads (2.0). What is in use is known here: nothing is left for it to choose."""
    used: dict[str, Any] = {"interfaces": (), "names": {}, "subnets": ()}
    return {"network": network, "used": used, "options": {"subnet_pools": (), "check_used_subnets": False}}


def network_answered(asked: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """Return the network that `create` has answered.

    :raises NetloomError: driver_error, it is none, or another one.
    """
    if not isinstance(answer, dict):
        raise _wrong(f"create has answered {_kind(answer)} instead of a network")
    for name in ("name", "id", "driver"):
        if answer.get(name) != asked[name]:
            raise _wrong(f"create has changed the network's {name} from {asked[name]} to {_short(answer.get(name))}")
    subnets = answer.get("subnets")
    if _subnets(subnets) != _subnets(asked["subnets"]):
        words = "has changed the subnets to" if subnets else "wants other subnets than it was told:"
        raise _wrong(f"create {words} {_short(subnets)}; they are {_short(asked['subnets'])}")
    for name, kind in (("options", dict), ("network_interface", str)):
        if answer.get(name) is not None and not isinstance(answer[name], kind):
            raise _wrong(f"create has answered {name}: {_short(answer[name])}")
    return {**answer, "subnets": asked["subnets"]}


def check_api(answer: Any) -> None:
    """:raises NetloomError: driver_error, `info` does not name an API that is spoken here."""
    version = answer.get("api_version") if isinstance(answer, dict) else None
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise _wrong(f"info has answered the API version {_short(version)}; 1.0.0 is known here")


def check_setup(endpoint: Mapping[str, Any], answer: Any) -> None:
    """:raises NetloomError: driver_error, the StatusBlock that `setup` has answered is not what was asked for."""
    if not isinstance(answer, dict):
        raise _wrong(f"setup has answered {_kind(answer)} instead of a status")
    options = endpoint["network_options"]
    ifname = options["interface_name"]
    interfaces = answer.get("interfaces")
    named = ", ".join(map(str, interfaces)) if isinstance(interfaces, dict) else ""
    if not isinstance(interfaces, dict) or ifname not in interfaces:
        raise _wrong(f"setup has made {_short(named) if named else 'no interface'} instead of {ifname}")
    found = interfaces[ifname]
    if not isinstance(found, dict):
        raise _wrong(f"setup has answered {ifname}: {_short(found)}")
    asked, addresses = [*options["static_ips"]], _addresses(found)
    plain = [address.partition("/")[0] for address in addresses]
    if sorted(plain) != sorted(asked):
        raise _wrong(f"setup has given {ifname} {_list(addresses)} instead of {_list(asked)}")
    mac = found.get("mac_address")
    if not isinstance(mac, str):
        raise _wrong(f"setup has answered mac_address: {_short(mac)}")
    if options.get("static_mac", mac.lower()) != mac.lower():
        raise _wrong(f"setup has given {ifname} the MAC {_short(mac)} instead of {options['static_mac']}")


def _addresses(interface: Mapping[str, Any]) -> list[str]:
    return [*_nets(interface.get("subnets") or ())]


def _nets(subnets: Any) -> Iterator[str]:
    if not isinstance(subnets, (list, tuple)):
        raise _wrong(f"setup has answered subnets: {_short(subnets)}")
    for each in subnets:
        try:
            yield str(ip_interface(each["ipnet"]))
        except (TypeError, KeyError, ValueError):
            raise _wrong(f"setup has answered the address {_short(each)}") from None


def _subnets(subnets: Any) -> list[tuple[str, str]] | None:
    """Return subnets so that they can be compared, None for what are none."""
    try:
        return sorted((str(ip_network(each["subnet"])), str(each.get("gateway") or "")) for each in subnets)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _list(addresses: Sequence[str]) -> str:
    return _short(", ".join(addresses)) if addresses else "no address"


def _kind(answer: Any) -> str:
    return "nothing" if answer is None else _short(answer)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return ascii(text)[1:-1][:200]


def _wrong(words: str) -> NetloomError:
    return NetloomError("driver_error", words)
