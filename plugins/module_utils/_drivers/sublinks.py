# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drivers macvlan and ipvlan have in common: members are on the wire of an interface of the host.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from .._errors import NetloomError
from .._model import HOST, Endpoint, Network
from .._names import interface_name, nearest, network_tag
from .._resources import Address, Resource, Route, Sysctl, Up
from .._sublinks import Sublink, Vlan
from .base import Driver
from .options import IFNAME, INTERFACE_PREFIX, DriverOption, mtu

_DOCKER = "com.docker.network."


def one_of(*words: str):
    """Return a parser of an option that has one of some values."""

    def parsed(text: str, option: str) -> str:
        if text not in words:
            raise NetloomError(
                "option_invalid", f"{option}: {text!a} is not one of {', '.join(words)}{nearest(text, words)}"
            )
        return text

    return parsed


def shim_resources(network: Network) -> Iterator[Resource]:
    """Yield the host's own interface on the network. The ways to the members are theirs: see `member_resources`."""
    name = network.ifname
    yield Sublink(
        HOST, name, network.parent, "macvlan", "bridge", network.mac, network.mtu, network_tag(network.name, network.id)
    )
    shims = [pool.shim for pool in network.pools if pool.shim]
    yield _ipv6(HOST, name, on=any(shim.version == 6 for shim in shims))
    # The host asks for a member's MAC from its link-local address, which would be tentative for two seconds.
    yield Sysctl(HOST, f"net/ipv6/conf/{name}/accept_dad", "0", ifname=name)
    for shim in shims:
        # Alone, without its subnet: that the host reaches over the parent, as before.
        yield Address(HOST, name, ip_interface(shim))
    yield Up(HOST, name)


def member_resources(network: Network, endpoint: Endpoint, mode: str, flag: str = "") -> Iterator[Resource]:
    """Yield a member's interface with its addresses, up; and the host's way to it over the shim."""
    place = endpoint.place
    tag = network_tag(network.name, endpoint.id)
    yield Sublink(place, endpoint.ifname, network.parent, network.driver, mode, endpoint.mac, network.mtu, tag, flag)
    yield _ipv6(place, endpoint.ifname, on=endpoint.ipv6 is not None)
    if endpoint.ipv6 is not None:
        # Its addresses and its gateway are those that it is given, whatever routers on the wire say.
        yield Sysctl(place, f"net/ipv6/conf/{endpoint.ifname}/accept_ra", "0", ifname=endpoint.ifname)
    # The kernel tells the neighbours of a new interface's address when it comes up.
    yield Sysctl(place, f"net/ipv4/conf/{endpoint.ifname}/arp_notify", "1", ifname=endpoint.ifname)
    for interface in endpoint.addresses:
        yield Address(place, endpoint.ifname, interface)
        if network.ifname:
            yield Route(HOST, f"{interface.ip}/{interface.max_prefixlen}", "", network.ifname)
    yield Up(place, endpoint.ifname)


def _ipv6(place: str, ifname: str, *, on: bool) -> Sysctl:
    return Sysctl(place, f"net/ipv6/conf/{ifname}/disable_ipv6", str(int(not on)), ifname=ifname)


class SublinkDriver(Driver):
    """A network on the wire of an interface of the host: members are reached at their own addresses."""

    options = {
        "parent": DriverOption("parent", interface_name),
        "mtu": DriverOption(_DOCKER + "driver.mtu", mtu),
        "interface_prefix": INTERFACE_PREFIX,
    }
    endpoint_options = {"ifname": IFNAME}
    example = {"parent": "eth0"}
    on_parent = True

    def check(self, network: Network) -> None:
        """:raises NetloomError: option_invalid, the driver cannot do that."""
        if network.internal:
            raise NetloomError(
                "option_invalid",
                f"internal: driver {network.driver} puts members on the wire of {network.parent}; nothing here can keep them in",
            )

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield the parent, where it was made for networks."""
        if network.vlan:
            lower, _dot, vid = network.parent.rpartition(".")
            yield Vlan(network.parent, lower, int(vid), network.vlan)
