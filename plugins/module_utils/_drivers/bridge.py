# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver bridge: a Linux bridge with a gateway address, and a veth pair for each endpoint.

Says which resources exist, and nothing else. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface

from .._errors import NetloomError
from .._model import HOST, ISOLATED, NAT, ROUTED, Endpoint, IPAddress, Network, PublishedPort
from .._names import address, interface_name, network_tag
from .._resources import Address, Bridge, Resource, Sysctl, Up, Veth
from .base import Driver
from .options import IFNAME, INTERFACE_PREFIX, DriverOption, flag, gateway_mode, mtu

_DOCKER = "com.docker.network."


def _host_address(version: int):
    def parsed(text: str, option: str) -> str:
        found = address(text, option, "option_invalid")
        if found.version != version:
            raise NetloomError("option_invalid", f"{option}: {found} is not an IPv{version} address")
        return str(found)

    return parsed


def _rate(text: str, option: str) -> str:
    from .._shaping import rate  # few endpoints have one

    return rate(text, option)


def _burst(text: str, option: str) -> str:
    from .._shaping import size

    return size(text, option)


def _burst_fits(options: Mapping[str, str], network: Network, option: str) -> None:
    from .._shaping import check_burst

    if options.keys().isdisjoint(_RATES.values()):
        raise NetloomError("option_invalid", f"{option}: {options['burst']} needs {' or '.join(_RATES.values())}")
    check_burst(int(options["burst"]), network, option)


_RATES = {"ingress": "ingress_rate", "egress": "egress_rate"}  # as the container sees it


def mode(network: Network, version: int) -> str:
    """Return the gateway mode of a network for one IP version."""
    return dict(network.options).get(f"gateway_mode_ipv{version}", NAT)


def _addressed(network: Network, version: int) -> bool:
    inhibited = version == 4 and dict(network.options).get("inhibit_ipv4") == "true"
    return mode(network, version) != ISOLATED and not inhibited


def _setting(place: str, ifname: str, name: str, value: int) -> Sysctl:
    return Sysctl(place, f"net/ipv6/conf/{ifname}/{name}", str(value), ifname=ifname)


class BridgeDriver(Driver):
    """A network on a bridge of the host's."""

    options = {
        "bridge_name": DriverOption(_DOCKER + "bridge.name", interface_name),
        "mtu": DriverOption(_DOCKER + "driver.mtu", mtu),
        "icc": DriverOption(_DOCKER + "bridge.enable_icc", flag),
        "ip_masquerade": DriverOption(_DOCKER + "bridge.enable_ip_masquerade", flag),
        "host_binding_ipv4": DriverOption(_DOCKER + "bridge.host_binding_ipv4", _host_address(4)),
        "gateway_mode_ipv4": DriverOption(_DOCKER + "bridge.gateway_mode_ipv4", gateway_mode),
        "gateway_mode_ipv6": DriverOption(_DOCKER + "bridge.gateway_mode_ipv6", gateway_mode),
        "inhibit_ipv4": DriverOption(_DOCKER + "bridge.inhibit_ipv4", flag),
        "host_ipv4": DriverOption(_DOCKER + "host_ipv4", _host_address(4)),
        "host_ipv6": DriverOption(_DOCKER + "host_ipv6", _host_address(6)),
        "interface_prefix": INTERFACE_PREFIX,
    }
    endpoint_options = {
        "ifname": IFNAME,
        "port_security": DriverOption("port_security", flag),
        **{name: DriverOption(name, _rate) for name in _RATES.values()},
        "burst": DriverOption("burst", _burst, _burst_fits),
    }
    bridged = True
    publishes = True

    def check(self, network: Network) -> None:
        """:raises NetloomError: option_invalid, options that contradict each other."""
        for version in (4, 6):
            option = f"gateway_mode_ipv{version}"
            if dict(network.options).get(option) == ISOLATED and not network.internal:
                raise NetloomError("option_invalid", f"driver_options.{option}: isolated needs internal: true")

    def bound(self, network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
        """Yield (IP version, address of the host, empty for all) of what a port is published at. Nothing, where the members
        are reached at their own addresses, or not at all."""
        from .._publishing import bindings  # few tasks have to do with ports

        if not network.internal:
            default = dict(network.options).get("host_binding_ipv4", "")
            yield from (each for each in bindings(port, endpoint, default) if mode(network, each[0]) != ROUTED)

    def host_addresses(self, network: Network) -> tuple[IPAddress, ...]:
        """Return the addresses that the host itself has on a network."""
        gateways = (pool.gateway for pool in network.pools if _addressed(network, pool.subnet.version))
        return tuple(gateway for gateway in gateways if gateway)

    def network_resources(self, network: Network) -> Iterator[Resource]:
        """Yield the firewall, the host's forwarding, the bridge and its gateway addresses."""
        from .._firewall import RULESET, Family, elements  # to detach is to do without

        options = dict(network.options)
        name = network.ifname
        versions: list[int] = sorted({pool.subnet.version for pool in network.pools})
        addressed = {version: _addressed(network, version) for version in versions}
        families = {
            version: Family(
                mode(network, version),
                translate=options.get("ip_masquerade") != "false",
                # Without an address of its own on a subnet, the host has no route to tell whose a source is.
                check_sources=addressed[version],
                source=options.get(f"host_ipv{version}", ""),
            )
            for version in versions
        }
        yield RULESET
        yield from elements(name, families, internal=network.internal, icc=options.get("icc") != "false")
        if 4 in versions and not network.internal:
            yield Sysctl(HOST, "net/ipv4/ip_forward", "1")
        if 6 in versions and not network.internal:
            # Before forwarding: the kernel forgets the routers' advertisements of whatever has not 2 by then.
            for uplink in network.advertised:
                yield Sysctl(HOST, f"net/ipv6/conf/{uplink}/accept_ra", "2")
            yield Sysctl(HOST, "net/ipv6/conf/all/forwarding", "1")
        yield Bridge(name, network.mac, network.mtu, network_tag(network.name, network.id))
        # A bridge must not configure itself from what its members announce; without IPv6 it has none at all.
        yield _setting(HOST, name, "accept_ra", 0)
        yield _setting(HOST, name, "autoconf", 0)
        # The host asks for a member's MAC from its link-local address, which would be tentative for two seconds.
        yield _setting(HOST, name, "accept_dad", 0)
        yield _setting(HOST, name, "disable_ipv6", int(not addressed.get(6)))
        for pool in network.pools:
            if pool.gateway and addressed[pool.subnet.version]:
                yield Address(HOST, name, ip_interface(f"{pool.gateway}/{pool.subnet.prefixlen}"))
        yield Up(HOST, name)

    def endpoint_resources(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield the firewall's part, the veth pair, its addresses in the sandbox, its limits, and both of its ends up."""
        place = endpoint.place
        yield from self._ports(network, endpoint)
        options = dict(endpoint.driver_opts)
        if options.get("port_security") == "true":
            from .._port_security import secured  # few ask for it

            yield from secured(endpoint)
        yield Veth(
            endpoint.host_ifname,
            master=network.ifname,
            isolated=dict(network.options).get("icc") == "false",
            mtu=network.mtu,
            tag=network_tag(network.name, endpoint.id),
            place=place,
            ifname=endpoint.ifname,
            mac=endpoint.mac,
            hairpin=bool(endpoint.ports),
        )
        yield _setting(HOST, endpoint.host_ifname, "disable_ipv6", 1)  # a port of a bridge needs no address
        yield _setting(place, endpoint.ifname, "disable_ipv6", int(endpoint.ipv6 is None))
        if endpoint.ipv6 is not None:
            yield _setting(place, endpoint.ifname, "accept_ra", 0)  # another member is no router
        # The kernel tells the neighbours of a new interface's address when it comes up.
        yield Sysctl(place, f"net/ipv4/conf/{endpoint.ifname}/arp_notify", "1", ifname=endpoint.ifname)
        for interface in endpoint.addresses:
            yield Address(place, endpoint.ifname, interface)
        rates = {direction: options[name] for direction, name in _RATES.items() if name in options}
        if rates:
            from .._shaping import limited  # few ask for it

            yield from limited(network, endpoint, rates, options.get("burst"))
        yield Up(HOST, endpoint.host_ifname)
        yield Up(place, endpoint.ifname)

    def _ports(self, network: Network, endpoint: Endpoint) -> Iterator[Resource]:
        """Yield what publishes the endpoint's ports, and has the host's loopback reach those that are published there."""
        if not endpoint.ports or network.internal:
            return
        from .._firewall import RULESET, opened, published

        yield RULESET
        loopback = False
        own: dict[int, str] = {interface.version: str(interface.ip) for interface in endpoint.primaries}
        for port in endpoint.ports:
            for version, member in own.items():
                if mode(network, version) == ROUTED:
                    yield opened(port.protocol, (member, port.container))
            for version, place in self.bound(network, endpoint, port):
                yield published(port.protocol, place, port.host, (own[version], port.container))
                loopback = loopback or (version == 4 and (not place or place.startswith("127.")))
        if loopback:
            # It opens the host's loopback to the members; the rule "loopback" is there first, and closes it.
            name = network.ifname
            yield Sysctl(HOST, f"net/ipv4/conf/{name}/route_localnet", "1", restore="0", ifname=name)
