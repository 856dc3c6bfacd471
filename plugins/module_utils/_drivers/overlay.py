# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver overlay: the bridge driver's network on several hosts, which VXLAN makes one. No host knows more than its peers.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

from .. import _overlay
from .._errors import NetloomError
from .._model import HOST, Endpoint, IPAddress, Network
from .._names import address, interface_name, local_mac, mac_address, mac_of, nearest, network_tag
from .._resources import Resource, Sysctl, Up
from .bridge import BridgeDriver
from .options import DriverOption, flag

_VNI_MAX = 0xFFFFFF  # RFC 7348, section 5: 24 bits
_PORT_MAX = 0xFFFF


def _number(last: int):
    def parsed(text: str, option: str) -> str:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= last:
            raise NetloomError("option_invalid", f"{option}: {text!a} is not a whole number from 1 to {last}")
        return str(int(text))

    return parsed


def _peer(text: str, option: str) -> IPAddress:
    found = address(text.strip(), option, "option_invalid")
    kinds = (
        (found.is_unspecified, "the unspecified address"),
        (found.is_loopback, "a loopback address"),
        (found.is_multicast, "a multicast address"),
        (found.version == 4 and int(found) == 0xFFFFFFFF, "the broadcast address"),
        (found.version == 6 and found.is_link_local, "a link-local address"),
    )
    for wrong, kind in kinds:
        if wrong:
            raise NetloomError("option_invalid", f"{option}: {found} is {kind}; a peer has one of its own")
    return found


def _peers(text: str, option: str) -> str:
    found = {_peer(item, option) for item in text.split(",") if item.strip()}
    if len({each.version for each in found}) > 1:
        one, other = (min(each for each in found if each.version == version) for version in (4, 6))
        raise NetloomError("option_invalid", f"{option}: {one} and {other} are of two IP versions; peers are of one")
    return ",".join(map(str, sorted(found, key=int)))


def _control_plane(text: str, option: str) -> str:
    if text not in _overlay.CONTROL_PLANES:
        known = ", ".join(_overlay.CONTROL_PLANES)
        words = f"{text!a} is not one of {known}{nearest(text, _overlay.CONTROL_PLANES)}"
        raise NetloomError("option_invalid", f"{option}: {words}")
    return text


def _endpoints(text: str, option: str) -> str:
    found: dict[IPAddress, str] = {}
    for item in (item.strip() for item in text.split(",") if item.strip()):
        whose, at, peer = item.partition("@")
        which, equals, mac = whose.partition("=")
        if not at:
            raise NetloomError("option_invalid", f"{option}: {item!a} is not ADDRESS@PEER or ADDRESS=MAC@PEER")
        member = address(which.strip(), option, "option_invalid")
        if not equals and member.version == 6:
            raise NetloomError("option_invalid", f"{option}: {member} needs a MAC address: {member}=MAC@{peer}")
        mac = mac_address(mac.strip(), option) if equals else mac_of(ip_interface(member))
        line = f"{member}={mac}@{_peer(peer, option)}"
        if found.setdefault(member, line) != line:
            raise NetloomError("option_invalid", f"{option}: {member} is listed twice, and not alike")
    return ",".join(found[member] for member in sorted(found, key=lambda each: (each.version, int(each))))


class OverlayDriver(BridgeDriver):
    """A bridge's network, on several hosts."""

    options = {
        **{name: option for name, option in BridgeDriver.options.items() if name != "inhibit_ipv4"},
        "vni": DriverOption("vni", _number(_VNI_MAX)),
        "peers": DriverOption("peers", _peers),
        "parent": DriverOption("parent", interface_name),
        "port": DriverOption("port", _number(_PORT_MAX)),
        "learning": DriverOption("learning", flag),
        "control_plane": DriverOption("control_plane", _control_plane),
        "endpoints": DriverOption("endpoints", _endpoints),
    }
    example = {"vni": "42", "peers": "198.51.100.1,198.51.100.2"}

    def check(self, network: Network) -> None:
        """:raises NetloomError: option_invalid, an option is missing, or options contradict each other."""
        super().check(network)
        wanted = _overlay.asked(network)
        if not wanted.vni:
            raise NetloomError(
                "option_invalid",
                f"driver_options.vni: is required by driver overlay: a number from 1 to {_VNI_MAX}, the same on every host",
            )
        if wanted.evpn and dict(network.options).get("learning") == "true":
            raise NetloomError("option_invalid", "driver_options.learning: is not for control_plane: evpn")
        if wanted.endpoints and (wanted.learning or wanted.evpn):
            without = "" if wanted.learning else ", without control_plane: evpn"
            raise NetloomError("option_invalid", f"driver_options.endpoints: is for learning: false{without}")
        subnets = [pool.subnet for pool in network.pools]
        for member in wanted.endpoints:
            if member.peer not in wanted.peers:
                raise NetloomError(
                    "option_invalid",
                    f"driver_options.endpoints: {member.peer} of {member.address} is not one of the peers",
                )
            if not any(ip_address(member.address) in subnet for subnet in subnets):
                raise NetloomError(
                    "option_invalid", f"driver_options.endpoints: {member.address} is in no subnet of the network"
                )

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield what a bridge has, and the VXLAN device, whom it sends to, and what keeps others out."""
        from .._port_security import anycast  # to detach is to do without
        from .._vtep_filter import heard
        from .._vxlan import EVERYBODY, Forwarding, Neighbour, Vxlan

        yield from super().network_resources(network)
        wanted, others = _overlay.asked(network), _overlay.others(network)
        name = f"vx-{network.id[:12]}"
        yield from heard(_overlay.version_of(network), wanted.port, wanted.vni, others)
        yield from anycast(name, network.mac)
        yield Vxlan(
            name,
            master=network.ifname,
            vni=wanted.vni,
            port=wanted.port,
            local=network.vtep,
            underlay=network.parent,
            learning=wanted.learning,
            mtu=network.mtu,
            mac=local_mac(network.id[12:]),  # other digits than a bridge has
            tag=network_tag(network.name, network.id),
            isolated=dict(network.options).get("icc") == "false",
            evpn=wanted.evpn,
            suppressing=wanted.evpn,
        )
        # A port of a bridge needs no address. To answer for IPv6 neighbours it needs IPv6 all the same.
        answers6 = any(":" in member.address for member in wanted.endpoints)
        yield Sysctl(HOST, f"net/ipv6/conf/{name}/addr_gen_mode", "1", ifname=name)  # IN6_ADDR_GEN_MODE_NONE
        yield Sysctl(HOST, f"net/ipv6/conf/{name}/disable_ipv6", str(int(not answers6)), ifname=name)
        for peer in others if wanted.learning else ():
            yield Forwarding(name, EVERYBODY, peer)
        for member in wanted.endpoints:
            if member.peer != network.vtep:
                yield Forwarding(name, member.mac, member.peer)
                yield Neighbour(name, member.address, member.mac)
        yield Up(HOST, name)

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield what a member of a bridge has, and what a routing daemon tells the other hosts of it."""
        yield from super().endpoint_resources(network, endpoint)
        if not _overlay.asked(network).evpn:
            return
        from .._vxlan import Neighbour, Station

        yield Station(endpoint.host_ifname, endpoint.mac)
        own = {address.version for address in self.host_addresses(network)}
        for interface in endpoint.addresses:
            if interface.version == 4 or 6 in own:  # else the bridge has no IPv6
                yield Neighbour(network.ifname, str(interface.ip), endpoint.mac)
