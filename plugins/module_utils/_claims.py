# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that hosts share: what a network's pool is in etcd, who claims what of it, and which address is tried first.

A key per address, so that none can have two owners. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import field
from ipaddress import ip_address, ip_network
from typing import Any

from ._errors import NetloomError
from ._frozen import dataclass
from ._model import SHIM_SEAT, Endpoint, IPAddress, Network, Pairs, Pool, PoolSpec, Subnet
from ._resources import Resource

ETCD = "etcd"
PREFIX = "/netloom"
OPTION = "ipam_driver_options"


class LostRace(NetloomError):
    """Another host has had it meanwhile: nothing was changed, and a fresh look may find something else."""

    is_race = True


@dataclass(frozen=True)
class Share:
    """A host's share in the pool of a network: how to reach it, and what the host is there.

    `node` is the host's name; `node_id` is a random number that another host of this name does not have.
    """

    network: str
    options: Pairs
    node: str
    node_id: str

    @property
    def prefix(self) -> str:
        """The beginning of all keys of the network."""
        return f"{dict(self.options).get('prefix', PREFIX)}/networks/{self.network}/"


@dataclass(frozen=True)
class Owner:
    """Who has an address: a seat on the network, on a host."""

    node: str
    node_id: str
    seat: str

    def __str__(self) -> str:
        return f"{self.seat.partition(':')[2]} on host {self.node}"


@dataclass(frozen=True)
class Member(Resource):
    """The fact that a host goes by the pool of a network. `pool` is the definition that all of them go by."""

    share: Share = field(compare=False)
    node: str
    node_id: str
    pool: str
    rank = -2
    handler = ETCD
    verbs = ("join", "change", "leave")

    @property
    def key(self):
        return ("pool member", self.share.prefix, self.node)

    @property
    def title(self):
        return f"the pool of network {self.share.network} in etcd as host {self.node}"

    def facts(self):
        return {"pool": self.pool}


@dataclass(frozen=True)
class Claim(Resource):
    """The fact that an address of a network is an endpoint's, and no other host's to give."""

    share: Share = field(compare=False)
    address: str
    owner: Owner
    rank = -1
    handler = ETCD
    verbs = ("claim", "change", "release")

    @property
    def key(self):
        return ("claim", self.share.prefix, self.address)

    @property
    def title(self):
        return f"address {self.address} of network {self.share.network} in etcd"

    def facts(self):
        return {"owner": str(self.owner)}


def share_of(network: Network) -> Share | None:
    """Return this host's share in the pool of a network, None where the pool is the host's alone."""
    if network.ipam_driver != ETCD:
        return None
    return Share(network.name, network.ipam_options, network.node, network.node_id)


def of_network(network: Network) -> Iterator[Resource]:
    """Yield what there is in etcd of a network itself."""
    share = share_of(network)
    if share is not None:
        yield Member(share, share.node, share.node_id, definition(network.pools))
        for pool in network.pools:
            if pool.shim is not None:
                yield Claim(share, str(pool.shim), Owner(share.node, share.node_id, SHIM_SEAT))


def of_endpoint(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield what there is in etcd of an endpoint."""
    share = share_of(network)
    if share is not None:
        owner = Owner(share.node, share.node_id, endpoint.seat)
        for interface in endpoint.addresses:
            if any(interface.network == pool.subnet for pool in network.pools):
                yield Claim(share, str(interface.ip), owner)


def definition(pools: Iterable[Pool]) -> str:
    """Return what all hosts of a network must agree on, as one line of JSON."""
    return _compact(
        [
            {
                "subnet": str(pool.subnet),
                "gateway": str(pool.gateway or ""),
                "ip_range": str(pool.ip_range or ""),
                "aux_addresses": {name: str(address) for name, address in pool.aux},
            }
            for pool in pools
        ]
    )


def pools_of(text: str) -> tuple[PoolSpec, ...]:
    """Return the pools of a `definition`.

    :raises ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    return tuple(
        PoolSpec(
            ip_network(item["subnet"]),
            ip_address(item["gateway"]) if item["gateway"] else None,
            ip_network(item["ip_range"]) if item["ip_range"] else None,
            tuple(sorted((name, ip_address(address)) for name, address in item["aux_addresses"].items())),
        )
        for item in json.loads(text)
    )


def completed(asked: Iterable[PoolSpec], known: Iterable[PoolSpec]) -> tuple[PoolSpec, ...]:
    """Return the pools that a task asks for, with what it omits of them as the other hosts have it."""
    by_subnet = {item.subnet: item for item in known}
    only = next(iter(by_subnet.values())) if len(by_subnet) == 1 else None
    found = []
    for item in asked:
        there = by_subnet.get(item.subnet) if item.subnet is not None else only
        if there is not None:
            aux = there.aux if item.aux is None else item.aux
            subnet, gateway = item.subnet or there.subnet, item.gateway or there.gateway
            item = PoolSpec(subnet, gateway, item.ip_range or there.ip_range, aux)
        found.append(item)
    return tuple(found)


def disagreements(mine: str, theirs: str) -> list[str]:
    """Return, one line each, where a `definition` is not what it is for the other hosts."""
    here, there = ({item["subnet"]: item for item in json.loads(text)} for text in (mine, theirs))
    found = [f"subnet {subnet} is here alone" for subnet in here if subnet not in there]
    found += [f"subnet {subnet} is missing here" for subnet in there if subnet not in here]
    for subnet in here:
        for name, value in here[subnet].items():
            other = there.get(subnet, {}).get(name, value)
            if other != value:
                found.append(f"{name} of {subnet} is {_spoken(other)} there and {_spoken(value)} here")
    return found


def encode(owner: Owner) -> str:
    """Return what the key of an address leads to."""
    return _compact({"node": owner.node, "id": owner.node_id, "seat": owner.seat})


def owner(text: str) -> Owner:
    """Return who has an address; what we have not written is somebody's whom we do not know."""
    try:
        fields = json.loads(text)
        return Owner(str(fields["node"]), str(fields["id"]), str(fields["seat"]))
    except (ValueError, KeyError, TypeError):
        return Owner("unknown", "", f":{text[:60]!a}")


def tried(inside: Subnet, share: Share, seat: str) -> Iterator[IPAddress]:
    """Yield all addresses of `inside`, in the order in which a seat of a host tries them.

    Begin and step come of a hash of who asks: the same each time, and for everybody another. The size of a subnet is a
    power of two, and an odd step leaves no address of it out.
    """
    digest = hashlib.sha256("\0".join((share.network, share.node, seat)).encode()).digest()
    size, make = inside.num_addresses, type(inside.network_address)
    begin, step = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big") | 1
    first = int(inside.network_address)
    return (make(first + (begin + number * step) % size) for number in range(size))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _spoken(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={address}" for name, address in value.items()) or "none"
    return value or "none"
