# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left open of a network is decided here, and what cannot be had is refused.

A spec, the records and facts about the host come in; a whole `Network` comes out. Collection-private
and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import field, replace
from ipaddress import ip_network
from typing import Callable

from ._drivers.options import canonical
from ._drivers.registry import driver as driver_named
from ._errors import NetloomError
from ._frozen import dataclass
from ._ipam import reserved
from ._model import Endpoint, HostFacts, IPInterface, Network, NetworkSpec, Pairs, Pool, PoolSpec, Subnet, Uplink
from ._names import PREDEFINED, local_mac, network_id
from ._subnets import Occupied, first_gateway, free_subnet, ula_subnet

_IPV6_MTU = 1280  # RFC 8200, section 5


@dataclass(frozen=True)
class Others:
    """What is taken: `subnets` and `bridges` (interface name to name) of other networks, subnets of the `host`.

    `uplink` tells of the host's interfaces by name, `on_parents` of the other networks that are on one. A network on a
    parent may overlap what is in `besides` (owners of subnets): that is on the same wire.
    """

    subnets: Occupied = field(default_factory=Occupied)
    host: Occupied = field(default_factory=Occupied)
    bridges: dict[str, str] = field(default_factory=dict)
    uplink: Callable[[str], Uplink | None] = lambda name: None
    on_parents: Callable[[], Iterable[Network]] = tuple
    besides: Collection[str] = ()


def network(
    spec: NetworkSpec, recorded: Network | None, others: Others, facts: HostFacts, state_dir: str, topology: str = ""
) -> Network:
    """Return the network that `spec` asks for, with what it leaves open taken from `recorded`, else chosen.

    A new one belongs to `topology`, if there is one.

    :raises NetloomError: it is not valid, or collides with `others` or the host.
    """
    driver = spec.driver or (recorded.driver if recorded else PREDEFINED.get(spec.name, "bridge"))
    known = driver_named(driver)
    if not known.attachable and PREDEFINED.get(spec.name) != driver:
        raise NetloomError("option_invalid", f"driver: {driver} has one network, which is predefined")
    same_driver = recorded is not None and recorded.driver == driver
    digest = network_id(state_dir, spec.name)
    ipam_driver = _given(spec.ipam_driver, recorded.ipam_driver if recorded else "default")
    result = Network(
        name=spec.name,
        id=digest,
        driver=driver,
        enable_ipv4=_given(spec.enable_ipv4, recorded.enable_ipv4 if recorded else True),
        internal=_given(spec.internal, recorded.internal if recorded else False),
        labels=_given(spec.labels, recorded.labels if recorded else ()),
        options=canonical(spec.options, known.options, "driver_options", driver)
        if spec.options is not None
        else recorded.options
        if same_driver and recorded
        else (),
        ipam_driver=ipam_driver,
        ipam_options=ipam_options(ipam_driver, spec, recorded),
        mac=(recorded.mac if recorded and same_driver else "") or _mac(driver, spec.name, digest),
        created=recorded.created if recorded else "",
        topology=recorded.topology if recorded else topology,
        docker=recorded.docker if recorded else (),
        docker_made=recorded.docker_made if recorded else False,
    )
    if ipam_driver != "default" and not known.attachable:
        raise NetloomError("option_invalid", f"ipam_driver: driver {driver} has no addresses to share")
    if known.on_parent:
        from ._uplinks import settled  # few networks are

        result = settled(result, recorded if same_driver else None, others.uplink, others.on_parents(), state_dir)
    else:
        mtu = _mtu(result, recorded if same_driver else None, facts)
        result = replace(result, ifname=_bridge_name(result, others), mtu=mtu)
        # What is on its own bridge is no conflict: the records may be lost. A bridge that is not ours is refused later.
        others = replace(others, besides={*others.besides, *facts.of_interface(result.ifname)})
    pools = _pools(spec, result, recorded, others, facts)
    result = replace(result, pools=pools, enable_ipv6=any(pool.subnet.version == 6 for pool in pools))
    known.check(result)
    if result.enable_ipv6 and not facts.ipv6:
        raise NetloomError(
            "kernel_unsupported", "enable_ipv6: this kernel has no IPv6 (CONFIG_IPV6, or ipv6.disable=1)"
        )
    if _forwards_ipv6(result) and known.bridged:
        # From the moment on that the host forwards for the network: by then it may hear nothing new.
        kept = recorded.advertised if recorded is not None and _forwards_ipv6(recorded) else facts.advertised
        result = replace(result, advertised=kept)
    check_mtu(result)
    return result


def ipam_options(driver: str, spec: NetworkSpec, recorded: Network | None) -> Pairs:
    """Return the options of address management that `spec` asks for, or those that the network has.

    :raises NetloomError: option_unknown, option_invalid.
    """
    kept = recorded.ipam_options if recorded and recorded.ipam_driver == driver else ()
    given = _given(spec.ipam_options, kept)
    if driver == "default" and not given:
        return ()
    from ._ipam_options import resolved  # few networks share their addresses

    return resolved(driver, given)


def check_mtu(network: Network) -> None:
    """:raises NetloomError: option_invalid, an MTU that is known by now, and too small."""
    if network.enable_ipv6 and 0 < network.mtu < _IPV6_MTU:
        raise NetloomError(
            "option_invalid", f"driver_options.mtu: {network.mtu} is less than the {_IPV6_MTU} that IPv6 needs"
        )


def needs_facts(spec: NetworkSpec, recorded: Network | None) -> bool:
    """Return whether resolving `spec` chooses something that must not collide with the host.

    Reading the facts takes longer the more addresses and routes a host has.
    """
    if recorded is None or spec.driver not in (None, recorded.driver):
        return True
    if recorded.enable_ipv6 and recorded.internal and spec.internal is False:
        return True  # it begins to forward IPv6
    kept = {pool.subnet: pool.auto for pool in recorded.pools}
    if spec.enable_ipv6 and not recorded.enable_ipv6:
        return True
    if spec.pools is not None and any(pool.subnet is not None and pool.subnet not in kept for pool in spec.pools):
        return True
    chosen = not spec.pools if spec.pools is not None else spec.enable_ipv4 is True
    had_mtu = spec.options is not None and "mtu" in dict(recorded.options)
    dropped = (
        spec.pools and spec.enable_ipv6 and not any(pool.subnet and pool.subnet.version == 6 for pool in spec.pools)
    )
    return bool(had_mtu or dropped) or (
        chosen and not any(subnet.version == 4 and auto for subnet, auto in kept.items())
    )


def obstacles(wanted: Network, recorded: Network, members: Iterable[Endpoint]) -> tuple[str, ...]:
    """Return, one line each, the differences that cannot be made in place.

    They are allowed by `force`, which gives the members that fit nowhere new addresses.

    :raises NetloomError: address_in_use, when a gateway or reserved address is wanted that a member has;
        force does not help there.
    """
    found = [
        f"{name}: {before} -> {after}"
        for name, before, after in (
            ("driver", recorded.driver, wanted.driver),
            ("driver_options.bridge_name", recorded.ifname, wanted.ifname),
        )
        if before != after and (name == "driver" or driver_named(wanted.driver).bridged)
    ]
    members = list(members)
    if members and wanted.driver == recorded.driver and driver_named(wanted.driver).on_parent:
        from ._uplinks import differences

        found += differences(wanted, recorded)
    known = driver_named(wanted.driver)
    if known.plugin and members and wanted.definition != recorded.definition:
        found.append(f"driver_options: plugin {wanted.driver} cannot change what it has been told of a network")
    for member in () if known.assigns else members:
        for interface in member.addresses:
            pool = next((pool for pool in wanted.pools if interface.network == pool.subnet), None)
            holder = f"{member.container} has {interface.ip}"
            if pool is None:
                found.append(f"ipam_config: no subnet {interface.network}, in which {holder}")
            elif interface.ip in reserved(pool):
                raise NetloomError(
                    "address_in_use", f"ipam_config: {interface.ip} cannot be {reserved(pool)[interface.ip]}: {holder}"
                )
            elif pool.ip_range and interface.ip not in pool.ip_range and not _is_static(member, interface):
                found.append(f"ipam_config: iprange {pool.ip_range} does not hold every lease: {holder}")
    return tuple(found)


def _is_static(member: Endpoint, interface: IPInterface) -> bool:
    return f"ipv{interface.version}" in member.static or interface in member.secondary


def _given(value, otherwise):
    return otherwise if value is None else value


def _mac(driver: str, name: str, digest: str) -> str:
    """Return the MAC of a network's bridge. That of a network on several hosts is the same on each, as its gateway is."""
    return local_mac(network_id("", name) if driver == "overlay" else digest)


def _bridge_name(wanted: Network, others: Others) -> str:
    if not driver_named(wanted.driver).bridged:
        return ""
    default = "netloom0" if wanted.name == "bridge" else f"br-{wanted.id[:12]}"
    name = dict(wanted.options).get("bridge_name", default)
    if others.bridges.get(name, wanted.name) != wanted.name:
        raise NetloomError(
            "invalid_ifname", f"driver_options.bridge_name: {name} is the bridge of network {others.bridges[name]}"
        )
    return name


def _mtu(wanted: Network, recorded: Network | None, facts: HostFacts) -> int:
    """The option, else what it was unless that was an option, else the default route's; 0 where another one counts."""
    if not driver_named(wanted.driver).bridged:
        return 0
    option = dict(wanted.options).get("mtu")
    if option:
        return int(option)
    if wanted.driver == "overlay":
        return 0
    return recorded.mtu if recorded and "mtu" not in dict(recorded.options) else facts.mtu


def _pools(
    spec: NetworkSpec, wanted: Network, recorded: Network | None, others: Others, facts: HostFacts
) -> tuple[Pool, ...]:
    old = recorded.pools if recorded else ()
    known = driver_named(wanted.driver)
    if not known.attachable or known.assigns:
        if spec.pools:
            words = "chooses the addresses itself" if known.assigns else "has no addresses"
            raise NetloomError("option_invalid", f"ipam_config: driver {wanted.driver} {words}")
        if spec.enable_ipv6 and known.assigns:
            raise NetloomError(
                "option_invalid",
                f"enable_ipv6: driver {wanted.driver} chooses the addresses itself, of which version too",
            )
        return ()
    if spec.pools is None:
        pools = [pool for pool in old if _enabled(pool.subnet, spec, wanted)]
    else:
        pools = [_pool(item, old, f"ipam_config[{index}]") for index, item in enumerate(spec.pools)]
        _check_families(pools, spec, wanted)
    kept = {pool.subnet for pool in old}
    for index, pool in enumerate(pools):
        if pool.subnet not in kept:
            _check_free(pool.subnet, f"ipam_config[{index}].subnet", pools[:index], others)
    if wanted.enable_ipv4 and not any(pool.subnet.version == 4 for pool in pools):
        auto = next((pool for pool in old if pool.auto and pool.subnet.version == 4), None)
        pools.append(auto or _chosen(others, pools, facts))
    if not any(pool.subnet.version == 6 for pool in pools):
        auto = next((pool for pool in old if pool.auto and pool.subnet.version == 6), None)
        if auto and spec.enable_ipv6 is not False:
            pools.append(auto)
        elif spec.enable_ipv6:
            # Of a network on several hosts, the same on each.
            pools.append(_chosen_ula(wanted.name, others, "" if wanted.driver == "overlay" else facts.identity))
    if not pools:
        raise NetloomError(
            "option_invalid",
            "enable_ipv4: false leaves the network without any subnet; give an IPv6 one, or enable_ipv6: true",
        )
    return tuple(sorted(pools, key=lambda pool: (pool.subnet.version, pool.subnet)))


def _enabled(subnet: Subnet, spec: NetworkSpec, wanted: Network) -> bool:
    return wanted.enable_ipv4 if subnet.version == 4 else spec.enable_ipv6 is not False


def _check_families(pools: Iterable[Pool], spec: NetworkSpec, wanted: Network) -> None:
    for index, pool in enumerate(pools):
        if not _enabled(pool.subnet, spec, wanted):
            raise NetloomError(
                "option_invalid",
                f"ipam_config[{index}].subnet: {pool.subnet} contradicts enable_ipv{pool.subnet.version}: false",
            )


def _pool(item: PoolSpec, old: Sequence[Pool], option: str) -> Pool:
    """Return the pool that one entry asks for; what it omits stays as the pool of that subnet has it."""
    if item.subnet is None:
        if len(old) != 1:
            raise NetloomError("option_invalid", f"{option}: gateway and ip_range need a subnet")
        before: Pool | None = old[0]
        subnet = old[0].subnet
        for name, value in (("gateway", item.gateway), ("ip_range", item.ip_range)):
            if value is not None and not _inside(value, subnet):
                code = "invalid_gateway" if name == "gateway" else "invalid_ip_range"
                raise NetloomError(code, f"{name}: {value} is not in {subnet}")
    else:
        subnet = item.subnet
        before = next((pool for pool in old if pool.subnet == subnet), None)
    aux = _given(item.aux, before.aux if before else ())
    gateway = item.gateway or (before.gateway if before else None)
    if gateway is None:
        gateway = first_gateway(subnet, (address for name, address in aux))
    why = reserved(Pool(subnet, None, aux=aux)).get(gateway)
    if why:
        raise NetloomError("address_reserved", f"{option}.gateway: {gateway} is {why} of {subnet}")
    found = before or Pool(subnet, None)
    return replace(found, gateway=gateway, ip_range=item.ip_range or found.ip_range, aux=aux)


def _inside(value, subnet: Subnet) -> bool:
    if value.version != subnet.version:
        return False
    return value.subnet_of(subnet) if hasattr(value, "subnet_of") else value in subnet


def _check_free(subnet: Subnet, option: str, earlier: Iterable[Pool], others: Others) -> None:
    for index, pool in enumerate(earlier):
        if subnet.version == pool.subnet.version and subnet.overlaps(pool.subnet):
            raise NetloomError("subnet_overlap", f"{option}: {subnet} overlaps {pool.subnet} of ipam_config[{index}]")
    for found, code, owner in (
        (others.subnets.overlapping(subnet, others.besides), "subnet_overlap", "{} of network {}"),
        (others.host.overlapping(subnet, others.besides), "subnet_host_conflict", "{1} of the host"),
    ):
        if found:
            raise NetloomError(code, f"{option}: {subnet} overlaps {owner.format(*found)}")


def _forwards_ipv6(network: Network) -> bool:
    return network.enable_ipv6 and not network.internal


def _chosen_ula(name: str, others: Others, identity: str) -> Pool:
    used = Occupied((subnet, "") for subnet in (*others.subnets, *others.host) if subnet.version == 6)
    subnet = ula_subnet(identity, name, used)
    return Pool(subnet, first_gateway(subnet, ()), auto=True)


def _chosen(others: Others, pools: Iterable[Pool], facts: HostFacts) -> Pool:
    used = [*others.subnets, *(pool.subnet for pool in pools), *others.host]
    used += [ip_network(address) for address in facts.nameservers]
    subnet = free_subnet(used)
    return Pool(subnet, first_gateway(subnet, ()), auto=True)
