# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: the subnets and addresses that a plugin hands out are had before anything is planned with them.

In check mode no plugin is asked: values of our own choice stand for what it would give, behind a veil.
The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

from ._draft import Draft
from ._errors import NetloomError
from ._model import Endpoint, EndpointSpec, IPAddress, Network, NetworkSpec, Pool, PoolSpec, Subnet
from ._names import endpoint_id, local_mac
from ._plugin_pools import veil_of, way
from ._resolve import Others

_TRIES = 32  # an unasked subnet that overlaps is held, and another one asked for


def begin(draft: Draft, host: Any, spec: NetworkSpec, recorded: Network | None, driver: str) -> None:
    """Make sure that there is a plugin, and have it have back what a killed run has left.

    :raises NetloomError: driver_not_found, driver_error, driver_timeout.
    """
    if recorded is None or recorded.ipam_driver != driver:
        host.find_ipam_plugin(driver)
    if not host.only_looks:
        host.plugin_pools(spec.name).begin()


def settled_network(
    draft: Draft,
    host: Any,
    spec: NetworkSpec,
    network: Network,
    recorded: Network | None,
    others: Others,
    resolved: Callable[[NetworkSpec], Network],
) -> Network:
    """Return a network with the subnets that its plugin gives it; in check mode `network`, whose subnets stand for those.

    `resolved` returns what becomes of a spec.

    :raises NetloomError: option_invalid, and what `_with_pools` raises.
    """
    if dict(network.options).get("host_shim") == "true":
        raise NetloomError(
            "option_invalid",
            f"driver_options.host_shim: plugin {network.ipam_driver} has addresses for members, and none for the host",
        )
    if not host.only_looks:
        full, space = _with_pools(host, spec, network, recorded, others)
        network = replace(resolved(full), space=space)
    network = _as_asked(network, spec, recorded)
    _hide_pools(draft, network, spec, recorded)
    return network


def _with_pools(
    host: Any, spec: NetworkSpec, resolved: Network, recorded: Network | None, others: Others
) -> tuple[NetworkSpec, str]:
    """Return `spec` with the subnets, gateways and reserved addresses that the plugin has given, and its address space.

    `resolved` is the network as it would be with subnets of our choice.

    :raises NetloomError: driver_error, driver_timeout; subnet_overlap, it has none that is free here.
    """
    old = {pool.subnet: pool for pool in _kept(resolved, recorded)}
    asked = {item.subnet for item in spec.pools or ()}
    pools = host.plugin_pools(spec.name)
    pools.use(resolved.ipam_driver, way(resolved.ipam_options))
    found: list[PoolSpec] = []
    for pool in resolved.pools:
        before = old.get(pool.subnet)
        if before is None:
            found.append(_new_pool(pools, resolved, pool, spec, others, [item.subnet for item in found], asked))
            continue
        if pool.gateway != before.gateway and pool.gateway is not None:
            pools.request_address(pool.subnet, pool.gateway, gateway=True)
        for address in {address for _name, address in pool.aux}.difference(address for _name, address in before.aux):
            pools.request_address(pool.subnet, address)
        found.append(PoolSpec(pool.subnet, pool.gateway, pool.ip_range, pool.aux))
    space = pools.space(next(iter(old), None)) if found else ""
    return replace(spec, pools=tuple(found)), space


def _kept(resolved: Network, recorded: Network | None) -> tuple[Pool, ...]:
    return recorded.pools if recorded is not None and recorded.ipam_driver == resolved.ipam_driver else ()


def _new_pool(
    pools: Any,
    network: Network,
    pool: Pool,
    spec: NetworkSpec,
    others: Others,
    earlier: Iterable[Subnet | None],
    asked: Iterable[Any],
) -> PoolSpec:
    given = next((item for item in spec.pools or () if item.subnet == pool.subnet), PoolSpec())
    options = {name: value for name, value in network.ipam_options if not name.startswith("plugin_")}
    mine = [each for each in earlier if each is not None]

    def overlaps(subnet: Subnet) -> bool:
        own = any(subnet.version == each.version and subnet.overlaps(each) for each in mine)
        return bool(
            own or others.subnets.overlapping(subnet, others.besides) or others.host.overlapping(subnet, others.besides)
        )

    request = {
        "Pool": str(pool.subnet) if pool.subnet in asked else "",
        "SubPool": str(given.ip_range or ""),
        "Options": options,
        "V6": pool.subnet.version == 6,
    }
    subnet, gateway = _free_pool(pools, request, overlaps)
    if given.gateway is not None or gateway is None:
        gateway = pools.request_address(subnet, given.gateway, gateway=True)
    for _name, address in given.aux or ():
        pools.request_address(subnet, address)
    return PoolSpec(subnet, gateway, given.ip_range, given.aux)


def _free_pool(pools: Any, request: dict[str, Any], overlaps: Callable[[Subnet], bool]) -> tuple[Subnet, Any]:
    """Return a subnet that overlaps nothing, and a gateway if the plugin names one. Those that do are given back later."""
    for _attempt in range(_TRIES):
        subnet, gateway = pools.request_pool(request)
        if request["Pool"] or not overlaps(subnet):
            return subnet, gateway
    raise NetloomError(
        "subnet_overlap", f"ipam_driver: the last of {_TRIES} subnets that the plugin offers, {subnet}, overlaps others"
    )


def _as_asked(network: Network, spec: NetworkSpec, recorded: Network | None) -> Network:
    """Return a network whose subnets say whether they were asked for, or chosen by the plugin."""
    given = {item.subnet for item in spec.pools or ()}
    old = {pool.subnet: pool.auto for pool in _kept(network, recorded)}
    pools = [replace(pool, auto=old.get(pool.subnet, pool.subnet not in given)) for pool in network.pools]
    space = network.space or (recorded.space if recorded and recorded.ipam_driver == network.ipam_driver else "")
    return replace(network, pools=tuple(pools), space=space)


def _hide_pools(draft: Draft, network: Network, spec: NetworkSpec, recorded: Network | None) -> None:
    """Have those subnets and gateways be behind a veil that the plugin chooses."""
    old = {pool.subnet: pool.gateway for pool in _kept(network, recorded)}
    given = {item.subnet: item.gateway for item in spec.pools or ()}
    for pool in network.pools:
        if pool.subnet not in old and pool.subnet not in given:
            version = f"(an IPv{pool.subnet.version} subnet by plugin {network.ipam_driver})"
            draft.veil.append((str(pool.subnet), version))
        if old.get(pool.subnet) != pool.gateway and given.get(pool.subnet) is None and pool.gateway is not None:
            draft.veil += veil_of([pool.gateway], network.ipam_driver)


def with_addresses(
    host: Any, network: Network, spec: EndpointSpec, recorded: Endpoint | None, seat: str, *, ipv6: bool
) -> EndpointSpec:
    """Return `spec` with the addresses that the plugin has given, where new ones are needed.

    :raises NetloomError: driver_error, driver_timeout, and what the plugin says no to.
    """
    if host.only_looks:
        return spec
    pools = host.plugin_pools(network.name)
    pools.begin()
    pools.use(network.ipam_driver, way(network.ipam_options))
    for version in (4, 6) if ipv6 else (4,):
        name = f"ipv{version}"
        before = getattr(recorded, name) if recorded else None
        asked = getattr(spec, name)
        if _is_kept(before, asked, network):
            continue
        subnets = [pool.subnet for pool in network.pools if pool.subnet.version == version]
        fitting = [subnet for subnet in subnets if asked is None or asked in subnet]
        if fitting:
            if pools.wants_mac() and spec.mac is None:
                mac = recorded.mac if recorded and recorded.mac else local_mac(endpoint_id(network.id, seat)[12:])
                spec = replace(spec, mac=mac)
            given: Any = {name: _first(pools, fitting, asked, spec.mac)}
            spec = replace(spec, **given)
    held = {item.ip for item in recorded.secondary} if recorded else set()
    for address in spec.secondary or ():
        for pool in network.pools:
            if address in pool.subnet and address not in held:
                pools.request_address(pool.subnet, address, mac=spec.mac)
    return spec


def _is_kept(before: Any, asked: IPAddress | None, network: Network) -> bool:
    fits = before is not None and any(before.network == pool.subnet for pool in network.pools)
    return fits and asked in (None, before.ip)


def _first(pools: Any, subnets: list[Subnet], asked: IPAddress | None, mac: str | None) -> IPAddress:
    """Return an address of the first subnet that has one."""
    for subnet in subnets[:-1]:
        try:
            return pools.request_address(subnet, asked, mac=mac)
        except NetloomError as exc:
            if not exc.is_refusal:
                raise
    return pools.request_address(subnets[-1], asked, mac=mac)


def settled(draft: Draft, network: Network, spec: EndpointSpec, recorded: Endpoint | None, found: Endpoint) -> Endpoint:
    """Return an endpoint, made with what `with_addresses` has added to `spec`, as one that was made with `spec`."""
    before = recorded.static if recorded else ()
    chosen = [name for name in ("ipv4", "ipv6") if getattr(spec, name) is None]
    for name in chosen:
        interface = getattr(found, name)
        if interface is not None and (recorded is None or getattr(recorded, name) != interface):
            draft.veil += veil_of([interface.ip], network.ipam_driver)
            if found.mac and (recorded is None or recorded.mac != found.mac) and spec.mac is None:
                draft.veil.append((found.mac, "(a MAC address)"))
    static = [name for name in found.static if name not in chosen or name in before]
    return replace(found, static=tuple(static))


def rehoused(draft: Draft, host: Any, network: Network, before: Endpoint, moved: Endpoint) -> Endpoint:
    """Return a member of a network that was rebuilt, with addresses that the plugin has given."""
    for name in ("ipv4", "ipv6"):
        interface = getattr(moved, name)
        if interface is None or interface == getattr(before, name):
            continue
        if not host.only_looks:
            pools = host.plugin_pools(network.name)
            pools.use(network.ipam_driver, way(network.ipam_options))
            address = pools.request_address(interface.network, None, mac=moved.mac if pools.wants_mac() else None)
            interface = ip_interface(f"{address}/{interface.network.prefixlen}")
            there: Any = {name: interface}
            moved = replace(moved, **there)
        draft.veil += veil_of([interface.ip], network.ipam_driver)
    return moved


def unveiled_network(draft: Draft, network: Network) -> Network:
    """Return a network as check mode shows it: without what the plugin has not chosen yet."""
    hidden = {value for value, _words in draft.veil}
    pools = [
        replace(pool, gateway=None) if str(pool.gateway) in hidden else pool
        for pool in network.pools
        if str(pool.subnet) not in hidden
    ]
    return replace(network, pools=tuple(pools))


def unveiled(draft: Draft, endpoint: Endpoint) -> Endpoint:
    """Return an endpoint as check mode shows it: without what the plugin has not chosen yet."""
    hidden = {value for value, _words in draft.veil}
    for name in ("ipv4", "ipv6"):
        interface = getattr(endpoint, name)
        if interface is not None and str(interface.ip) in hidden:
            unknown: Any = {name: None}
            endpoint = replace(endpoint, **unknown)
    return replace(endpoint, mac="") if endpoint.mac in hidden else endpoint
