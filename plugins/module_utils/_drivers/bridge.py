# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver bridge: a Linux bridge with a gateway address, and a veth pair for each endpoint.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from .._firewall import RULESET, elements
from .._model import HOST, Endpoint, Network
from .._names import interface_name, network_tag
from .._resources import Address, Bridge, Resource, Sysctl, Up, Veth
from .options import DriverOption, flag, mtu, prefix

_DOCKER = "com.docker.network."
OPTIONS = {
    "bridge_name": DriverOption(_DOCKER + "bridge.name", interface_name),
    "mtu": DriverOption(_DOCKER + "driver.mtu", mtu),
    "icc": DriverOption(_DOCKER + "bridge.enable_icc", flag),
    "ip_masquerade": DriverOption(_DOCKER + "bridge.enable_ip_masquerade", flag),
    "inhibit_ipv4": DriverOption(_DOCKER + "bridge.inhibit_ipv4", flag),
    "interface_prefix": DriverOption(_DOCKER + "container_iface_prefix", prefix),
}
ENDPOINT_OPTIONS = {"ifname": DriverOption(_DOCKER + "endpoint.ifname", interface_name)}
ATTACHABLE = True


def network_resources(network: Network) -> Iterator[Resource]:
    """Yield the firewall, the host's forwarding, the bridge and its gateway addresses."""
    options = dict(network.options)
    name = network.ifname
    yield RULESET
    yield from elements(
        name,
        internal=network.internal,
        icc=options.get("icc") != "false",
        masquerade=options.get("ip_masquerade") != "false" and not network.internal,
        # Without an address of its own on a subnet, the host has no route to tell whose a source is.
        check_sources=options.get("inhibit_ipv4") != "true",
    )
    versions = {pool.subnet.version for pool in network.pools}
    if 4 in versions and not network.internal:
        yield Sysctl(HOST, "net/ipv4/ip_forward", "1")
    if 6 in versions and not network.internal:
        yield Sysctl(HOST, "net/ipv6/conf/all/forwarding", "1")
    yield Bridge(name, network.mac, network.mtu, network_tag(network.name, network.id))
    # A bridge must not configure itself from what its members announce; without IPv6 it has none at all.
    yield _setting(HOST, name, "accept_ra", 0)
    yield _setting(HOST, name, "autoconf", 0)
    yield _setting(HOST, name, "disable_ipv6", int(6 not in versions))
    for pool in network.pools:
        if pool.gateway and not (pool.subnet.version == 4 and options.get("inhibit_ipv4") == "true"):
            yield Address(HOST, name, ip_interface(f"{pool.gateway}/{pool.subnet.prefixlen}"))
    yield Up(HOST, name)


def endpoint_resources(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield the veth pair, its addresses in the sandbox, and both of its ends up."""
    place = endpoint.place
    yield Veth(
        endpoint.host_ifname,
        master=network.ifname,
        isolated=dict(network.options).get("icc") == "false",
        mtu=network.mtu,
        tag=network_tag(network.name, endpoint.id),
        place=place,
        ifname=endpoint.ifname,
        mac=endpoint.mac,
    )
    yield _setting(HOST, endpoint.host_ifname, "disable_ipv6", 1)  # a port of a bridge needs no address
    yield _setting(place, endpoint.ifname, "disable_ipv6", int(endpoint.ipv6 is None))
    # The kernel tells the neighbours of a new interface's address when it comes up.
    yield Sysctl(place, f"net/ipv4/conf/{endpoint.ifname}/arp_notify", "1", ifname=endpoint.ifname)
    for address in endpoint.addresses:
        yield Address(place, endpoint.ifname, address)
    yield Up(HOST, endpoint.host_ifname)
    yield Up(place, endpoint.ifname)


def _setting(place: str, ifname: str, name: str, value: int) -> Sysctl:
    return Sysctl(place, f"net/ipv6/conf/{ifname}/{name}", str(value), ifname=ifname)
