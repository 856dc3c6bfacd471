# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on networks as hosts of an inventory: what they are called, and what is known of them.

Collection-private and pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    EndpointSpec,
    Network,
    PortSpec,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs.topology_spec import NetworkItem, TopologySpec

# Of containers with one name, the first keeps it. The order is that in which `runtime: auto` asks.
RUNTIMES = ("netns", "pid", "path", "docker", "podman", "machine", "auto")
CONNECTION = "netloom.containers.netns"


@dataclass(frozen=True)
class Attachment:
    """A container's place on a network. What is chosen only when it is made is empty; `live` None: nobody has looked."""

    network: str
    container: str
    runtime: str
    interface_name: str = ""
    mac_address: str = ""
    ipv4_address: str = ""
    ipv6_address: str = ""
    secondary_addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    published_ports: tuple[str, ...] = ()
    gw_priority: int = 0
    container_id: str = ""
    live: bool | None = None

    def address(self, families: Sequence[str]) -> str:
        """Return its first address, by the order of families (ipv4, ipv6) that are wanted; empty if it has none."""
        known = {"ipv4": self.ipv4_address, "ipv6": self.ipv6_address}
        return next((known[family] for family in families if known[family]), "")

    def variables(self) -> dict[str, Any]:
        names = ("network", "interface_name", "mac_address", "ipv4_address", "ipv6_address")
        lists = ("secondary_addresses", "aliases", "published_ports")
        return {
            **{name: getattr(self, name) or None for name in names},
            **{name: list(getattr(self, name)) for name in lists},
            "gw_priority": self.gw_priority,
            "pending": None if self.live is None else not self.live,
        }


@dataclass(frozen=True)
class Net:
    """A network, as far as a host of the inventory is to know it."""

    name: str
    driver: str
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    internal: bool = False
    labels: tuple[tuple[str, str], ...] = ()

    def variables(self) -> dict[str, Any]:
        return {
            "driver": self.driver,
            "subnets": list(self.subnets),
            "gateways": list(self.gateways),
            "internal": self.internal,
            "labels": dict(self.labels),
        }


@dataclass(frozen=True)
class Member:
    """A container as a host of the inventory. Its attachments come in the order of its default routes."""

    name: str
    attachments: tuple[Attachment, ...]

    @property
    def pending(self) -> bool:
        """Whether it is known that no attachment is plugged anywhere."""
        return all(item.live is False for item in self.attachments)

    def variables(self, networks: dict[str, Net], families: Sequence[str], preferred: Sequence[str]) -> dict[str, Any]:
        """Return what is known of it. Networks that are `preferred` come first, for its address alone."""
        rank = {name: index for index, name in enumerate(preferred)}
        first = sorted(self.attachments, key=lambda item: rank.get(item.network, len(rank)))
        address = next(filter(None, (item.address(families) for item in first)), "")
        attached = self.attachments[0]
        named = sorted({item.network for item in self.attachments})
        return {
            **({"ansible_host": address} if address else {}),
            "netloom_container": attached.container,
            "netloom_runtime": attached.runtime,
            "netloom_container_id": next((item.container_id for item in self.attachments if item.container_id), None),
            "netloom_pending": None if all(item.live is None for item in self.attachments) else self.pending,
            "netloom_endpoints": [item.variables() for item in self.attachments],
            "netloom_networks": {name: networks[name].variables() for name in named if name in networks},
        }


def members(attachments: Iterable[Attachment]) -> list[Member]:
    """Return the containers that are attached, by runtime and name, each under a name of its own.

    One whose name another runtime has as well, which comes before its own, is called name@runtime.
    """
    found: dict[tuple[int, str], list[Attachment]] = {}
    for item in attachments:
        found.setdefault((RUNTIMES.index(item.runtime), item.container), []).append(item)
    taken: dict[str, Member] = {}
    for _key, items in sorted(found.items()):
        name = host_name(items[0].container)
        while name in taken:
            name = f"{name}@{items[0].runtime}"
        items.sort(key=lambda item: (-item.gw_priority, item.network, item.interface_name))
        taken[name] = Member(name, tuple(items))
    return list(taken.values())


def host_name(container: str) -> str:
    """Return what a container is called in an inventory: a path without slashes, anything else by its name."""
    return container.strip("/").replace("/", "-")


def connection_variables(member: Member) -> dict[str, str]:
    """Return the variables by which the connection plugin finds a container."""
    attached = member.attachments[0]
    return {
        "ansible_connection": CONNECTION,
        "ansible_netns_container": attached.container,
        "ansible_netns_runtime": attached.runtime,
    }


# --- from the records ---


def recorded(endpoint: Endpoint, *, live: bool) -> Attachment:
    """Return an endpoint of the records."""
    return Attachment(
        endpoint.network,
        endpoint.container,
        endpoint.runtime,
        endpoint.ifname,
        endpoint.mac,
        str(endpoint.ipv4.ip) if endpoint.ipv4 else "",
        str(endpoint.ipv6.ip) if endpoint.ipv6 else "",
        tuple(str(address.ip) for address in endpoint.secondary),
        endpoint.aliases,
        tuple(map(str, endpoint.ports)),
        endpoint.gw_priority,
        endpoint.sandbox.container_id if endpoint.sandbox else "",
        live,
    )


def recorded_net(network: Network) -> Net:
    """Return a network of the records."""
    subnets = tuple(str(pool.subnet) for pool in network.pools)
    gateways = tuple(str(pool.gateway) for pool in network.pools if pool.gateway)
    return Net(network.name, network.driver, subnets, gateways, network.internal, network.labels)


# --- from a topology ---


def listed(topology: TopologySpec) -> list[Attachment]:
    """Return the attachments that a topology lists, those of `connected` first."""
    namespaces = {item.name for item in topology.namespaces if not item.absent}
    absent = {item.spec.name for item in topology.networks if item.absent}
    specs = [spec for item in topology.networks if not item.absent for spec in item.connected or ()]
    specs += [item.spec for item in topology.attachments if not item.absent and item.spec.network not in absent]
    return [_listed(spec, namespaces) for spec in specs]


def listed_net(item: NetworkItem) -> Net:
    """Return a network of a topology."""
    spec, pools = item.spec, item.spec.pools or ()
    subnets = tuple(str(pool.subnet) for pool in pools if pool.subnet)
    gateways = tuple(str(pool.gateway) for pool in pools if pool.gateway)
    return Net(spec.name, spec.driver or "bridge", subnets, gateways, bool(spec.internal), spec.labels or ())


def _listed(spec: EndpointSpec, namespaces: set[str]) -> Attachment:
    runtime = spec.runtime
    if runtime == "auto" and spec.container.startswith("/"):
        runtime = "path"
    elif runtime == "auto" and spec.container in namespaces:
        runtime = "netns"
    return Attachment(
        spec.network,
        spec.container,
        runtime,
        spec.ifname or "",
        spec.mac or "",
        str(spec.ipv4 or ""),
        str(spec.ipv6 or ""),
        tuple(map(str, spec.secondary or ())),
        spec.aliases or (),
        tuple(map(_port, spec.ports or ())),
        spec.gw_priority or 0,
    )


def _port(spec: PortSpec) -> str:
    """Return a port that is asked for in Docker's syntax."""
    address = f"[{spec.address}]:" if ":" in spec.address else f"{spec.address}:" if spec.address else ""
    host = f"{spec.first}-{spec.last}" if spec.last > spec.first else str(spec.first) if spec.first else ""
    between = ":" if host or address else ""
    return f"{address}{host}{between}{spec.container}/{spec.protocol}"
