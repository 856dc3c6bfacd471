# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left open of an endpoint is decided here: addresses, MAC, interface names, default routes.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Callable

from ._drivers.options import canonical, check_fit
from ._drivers.registry import driver as driver_named
from ._errors import NetloomError
from ._ipam import Leases, claimed_address, free_address
from ._model import Endpoint, EndpointSpec, IPAddress, IPInterface, Network, Pool, PublishedPort, Sandbox, seat_of
from ._names import endpoint_id, local_mac, mac_of
from ._resources import Route


def endpoint(
    spec: EndpointSpec,
    network: Network,
    recorded: Endpoint | None,
    name: tuple[str, str],
    sandbox: Sandbox | None,
    leases: Leases,
    ifnames: Collection[str],
    topology: str = "",
    *,
    ipv6: bool = True,
    apart: str = "",
) -> Endpoint:
    """Return the endpoint that `spec` asks for, with what it leaves open taken from `recorded`, else chosen.

    `name` is the container's (runtime, canonical name); `leases` are the network's; `ifnames` are taken in the
    sandbox, by others than this endpoint. A new endpoint belongs to `topology`, if there is one. `ipv6` False: the
    sandbox has IPv6 switched off, and the endpoint gets no such address. `apart` tells a new endpoint from others of the
    container on the network.

    :raises NetloomError: an address, MAC or interface name cannot be had.
    """
    known = driver_named(network.driver)
    if not known.attachable:
        raise NetloomError(
            "option_invalid", f"network: nothing can be attached to the predefined network {network.name}"
        )
    runtime, container = (recorded.runtime, recorded.container) if recorded else name
    apart = recorded.apart if recorded else apart
    seat = seat_of(f"{runtime}:{container}", apart)
    digest = endpoint_id(network.id, seat)
    opts = recorded.driver_opts if recorded else ()
    asked_ifname = spec.ifname
    if spec.driver_opts is not None:
        opts = canonical(spec.driver_opts, known.endpoint_options, "driver_opts", network.driver)
        asked_ifname = asked_ifname or dict(opts).get("ifname")
    check_fit(opts, known.endpoint_options, network, "driver_opts")
    given = {"ipv4": spec.ipv4, "ipv6": spec.ipv6, "mac": spec.mac, "ifname": asked_ifname}
    static = {option for option, value in given.items() if value is not None}
    secondary = _secondary(spec, recorded, network, leases, seat, ipv6=ipv6)
    kept = [item.ip for item in secondary]
    ipv4 = _address(4, spec.ipv4, recorded.ipv4 if recorded else None, network, leases, seat, kept)
    if not ipv6 and (spec.ipv6 is not None or not network.enable_ipv4):
        raise NetloomError(
            "kernel_unsupported",
            f"{'ipv6_address' if spec.ipv6 else 'container'}: {container} has IPv6 switched off"
            " (net.ipv6.conf.all.disable_ipv6)" + ("" if spec.ipv6 else f", and network {network.name} has no IPv4"),
        )
    six = recorded.ipv6 if recorded else None
    ipv6_address = _address(6, spec.ipv6, six, network, leases, seat, kept) if ipv6 else None
    found = Endpoint(
        network=network.name,
        container=container,
        runtime=runtime,
        id=digest,
        host_ifname=f"veth{digest[:11]}",
        ifname=_ifname(asked_ifname, recorded, network, ifnames, container),
        mac=_mac(spec.mac, recorded, ipv4, _own(network, digest, ipv4 or ipv6_address), network, leases, seat),
        ipv4=ipv4,
        ipv6=ipv6_address,
        gw_priority=spec.gw_priority if spec.gw_priority is not None else recorded.gw_priority if recorded else 0,
        driver_opts=opts,
        static=tuple(sorted(static.union(recorded.static if recorded else ()))),
        sandbox=sandbox,
        topology=recorded.topology if recorded else topology,
        ports=recorded.ports if recorded else (),
        apart=apart,
        routes=recorded.routes if recorded else (),
        gateways=recorded.gateways if recorded else (),
        sysctls=spec.sysctls if spec.sysctls is not None else recorded.sysctls if recorded else (),
        secondary=secondary,
        aliases=spec.aliases if spec.aliases is not None else recorded.aliases if recorded else (),
    )
    return _checked(found, spec) if spec.routes is not None or found.routes or found.secondary else found


def moved(member: Endpoint, network: Network, leases: Leases) -> Endpoint:
    """Return `member` as it fits a rebuilt network: addresses that a subnet still holds are kept, others are new.

    Of its routes, those go whose gateway is no neighbour any more.
    """
    kept = {}
    taken = [item.ip for item in member.secondary]
    for version, before in ((4, member.ipv4), (6, member.ipv6)):
        kept[version] = _address(version, None, before, network, leases, member.seat, taken) if before else None
    mac = _mac(None, member if member.mac else None, kept[4], member.id, network, leases, member.seat)
    found = replace(member, ipv4=kept[4], ipv6=kept[6], mac=mac)
    if member.secondary:
        from . import _secondary as further

        found = replace(found, secondary=further.moved(member, kept.values(), network, leases))
    if member.routes:
        from ._routes import reaches

        found = replace(found, routes=tuple(route for route in found.routes if reaches(route, found)))
    return found


def bound(network: Network, endpoint: Endpoint) -> Callable[[PublishedPort], Iterable[tuple[int, str]]]:
    """Return a function that says where on the host a port of an endpoint is published."""
    known = driver_named(network.driver)
    return lambda port: known.bound(network, endpoint, port)


def default_routes(place: str, plugged: Iterable[tuple[Endpoint, Network]]) -> Iterator[Route]:
    """Yield the default routes of a sandbox: of all its endpoints, the one of highest gw_priority gives it.

    Ties go to the network whose name comes first. An internal network gives none, unless the endpoint's own routes do;
    where it is for a plugin to give it, none is planned.
    """
    order = _in_order(plugged)
    beside = tuple(endpoint.ifname for endpoint, network in order if driver_named(network.driver).routes_itself)
    for version, destination in ((4, "0.0.0.0/0"), (6, "::/0")):
        found: list[Route] = []
        for endpoint, network in order:
            if _leads_out_by_plugin(version, endpoint, network):
                break
            routes = _default_route(place, version, destination, endpoint, network)
            found += (replace(route, beside=beside) for route in routes) if beside else routes
            if found and found[-1].otherwise is None:
                break
        while len(found) > 1:
            last = found.pop()
            found[-1] = replace(found[-1], otherwise=(last,))
        yield from found


def ways_out(plugged: Iterable[tuple[Endpoint, Network]]) -> Iterator[Endpoint]:
    """Yield the endpoint that gives a sandbox its default route, of IPv6 only where there is none of IPv4.

    Before it come those that would, if their plugin had named a gateway.
    """
    order = _in_order(plugged)
    for version, destination in ((4, "0.0.0.0/0"), (6, "::/0")):
        found = []
        for endpoint, network in order:
            as_planned = replace(endpoint, gateways=())
            if any(_default_route("", version, destination, as_planned, network)):
                found.append(endpoint)
                if any(_default_route("", version, destination, endpoint, network)):
                    break
        if found:
            yield from found
            break


def _in_order(plugged: Iterable[tuple[Endpoint, Network]]) -> list[tuple[Endpoint, Network]]:
    return sorted(plugged, key=lambda pair: (-pair[0].gw_priority, pair[0].network, pair[0].seat))


def _default_route(place: str, version: int, destination: str, endpoint: Endpoint, network: Network) -> Iterator[Route]:
    """Yield the default route that an endpoint would give, if it does."""
    own = next((route for route in endpoint.routes if route.is_default and route.version == version), None)
    if own:
        yield Route(place, destination, own.gateway, endpoint.ifname if own.gateway else "", type=own.type)
        return
    pool = pool_of(network, endpoint.ipv4 if version == 4 else endpoint.ipv6)
    if pool and pool.gateway and not network.internal:
        hop = dict(endpoint.gateways).get(f"ipv{version}", _next_hop(network, pool))
        if hop or not endpoint.gateways:
            # A plugin may name another gateway, or none.
            otherwise = () if driver_named(network.driver).plugin else None
            yield Route(place, destination, hop, endpoint.ifname, otherwise=otherwise)


def _leads_out_by_plugin(version: int, endpoint: Endpoint, network: Network) -> bool:
    """Return whether the default route of an endpoint is there without our doing."""
    if not driver_named(network.driver).routes_itself or network.internal:
        return False
    pool = pool_of(network, endpoint.ipv4 if version == 4 else endpoint.ipv6)
    given = any(route.is_default and route.version == version for route in endpoint.routes)
    return pool is not None and pool.gateway is not None and not given


def _next_hop(network: Network, pool: Pool) -> str:
    """Return the gateway of a default route, empty where it is the interface itself."""
    return "" if driver_named(network.driver).by_device(network) else str(pool.gateway)


def has_macs(network: Network) -> bool:
    """Return whether the members of a network have MAC addresses of their own."""
    return driver_named(network.driver).has_macs(network)


def pool_of(network: Network, interface: IPInterface | None) -> Pool | None:
    """Return the pool that an endpoint's address is from."""
    return next((pool for pool in network.pools if interface and interface.network == pool.subnet), None)


def _address(
    version: int,
    asked: IPAddress | None,
    before: IPInterface | None,
    network: Network,
    leases: Leases,
    place: str,
    kept: Collection[IPAddress],
) -> IPInterface | None:
    option = f"ipv{version}_address"
    known = driver_named(network.driver)
    if known.assigns:
        owner = leases.holder(asked, place) if asked is not None else ""
        if owner:
            raise NetloomError("address_in_use", f"{option}: {asked} on network {network.name} is held by {owner}")
        kept_by_plugin = before is not None and asked in (None, before.ip)
        return before if kept_by_plugin or asked is None else known.interface(network, asked)
    pools = [pool for pool in network.pools if pool.subnet.version == version]
    if asked is not None:
        if not pools:
            raise NetloomError("invalid_address", f"{option}: network {network.name} has no IPv{version} subnet")
        inside = next((pool for pool in pools if asked in pool.subnet), pools[0])
        return claimed_address(inside, asked, leases, place, option, network.name)
    if before is not None and any(before.network == pool.subnet for pool in pools):
        return before
    for pool in pools[:-1]:
        try:
            return free_address(pool, leases, network.name, kept, seat=place)
        except NetloomError:  # the next pool may have one
            continue
    return free_address(pools[-1], leases, network.name, kept, seat=place) if pools else None


def _secondary(
    spec: EndpointSpec, recorded: Endpoint | None, network: Network, leases: Leases, place: str, *, ipv6: bool
) -> tuple[IPInterface, ...]:
    if not spec.secondary and not (recorded and recorded.secondary and spec.secondary is None):
        return ()
    from . import _secondary as further  # few endpoints have any

    if spec.secondary is not None:
        return further.claimed(spec.secondary, network, leases, place, ipv6=ipv6)
    return further.kept(recorded.secondary, network, ipv6=ipv6) if recorded else ()


def _checked(found: Endpoint, spec: EndpointSpec) -> Endpoint:
    """Return an endpoint with the routes that it is asked to have, which fit its addresses, and no address twice."""
    from . import _routes
    from . import _secondary as further

    further.refuse_double(found, spec.secondary)
    routes = found.routes if spec.routes is None else spec.routes
    _routes.check(routes, found)
    return replace(found, routes=_routes.in_order(routes))


def _own(network: Network, digest: str, address: IPInterface | None) -> str:
    """Return what a MAC can be made of that nobody else on the network makes one of."""
    # On another host there may be a container of this name, but none with this address.
    return endpoint_id(network.id, str(address)) if network.driver == "overlay" else digest


def _mac(
    asked: str | None,
    recorded: Endpoint | None,
    ipv4: IPInterface | None,
    digest: str,
    network: Network,
    leases: Leases,
    place: str,
) -> str:
    if not has_macs(network):
        if asked:
            raise NetloomError(
                "option_invalid",
                f"mac_address: members of network {network.name} have the MAC of {network.parent}"
                f" (driver {network.driver}{', mode passthru' if network.driver == 'macvlan' else ''})",
            )
        return ""
    if asked:
        own = "the bridge" if driver_named(network.driver).bridged else "the host"
        owner = own if asked == network.mac else leases.mac_holder(asked, place)
        if owner:
            raise NetloomError("address_in_use", f"mac_address: {asked} on network {network.name} is held by {owner}")
        return asked
    if recorded and recorded.mac:
        return recorded.mac
    if driver_named(network.driver).chooses_mac:
        return ""  # as the plugin has it
    own = local_mac(digest[12:])  # other digits than the host's end has: a bridge keeps frames to that for itself
    derived = mac_of(ipv4) if ipv4 else own
    return own if leases.mac_holder(derived, place) else derived


def _ifname(
    asked: str | None, recorded: Endpoint | None, network: Network, taken: Collection[str], container: str
) -> str:
    if asked:
        if asked in taken:
            raise NetloomError("endpoint_exists", f"interface_name: {asked} exists in {container} already")
        return asked
    if recorded:
        return recorded.ifname
    prefix = dict(network.options).get("interface_prefix", "eth")
    return next(name for name in (f"{prefix}{number}" for number in range(1 << 16)) if name not in taken)
