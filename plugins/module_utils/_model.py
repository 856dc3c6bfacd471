# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for (networks, endpoints) and what a host is made of (resources).

Collection-private. Frozen values only: nothing here reads or changes anything. Floor 0.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, ClassVar, Union

from ._frozen import dataclass

Subnet = Union[IPv4Network, IPv6Network]
IPAddress = Union[IPv4Address, IPv6Address]
IPInterface = Union[IPv4Interface, IPv6Interface]
Pairs = tuple[tuple[str, str], ...]  # a dict that can be hashed, sorted by key
Key = tuple[str, ...]

TOPOLOGY_LABEL = "netloom.topology"  # a network's label that says which topology made it
HOST = ""  # the place of whatever is in the host's own network namespace


@dataclass(frozen=True)
class Pool:
    """A subnet with its gateway, the range that addresses are handed out of, and reserved addresses.

    `auto` says that the subnet was chosen by us; `ip_range` None means the whole subnet.
    """

    subnet: Subnet
    gateway: IPAddress | None
    ip_range: Subnet | None = None
    aux: tuple[tuple[str, IPAddress], ...] = ()
    auto: bool = False


@dataclass(frozen=True)
class Network:
    """A network with everything resolved. `options` are the driver options that were given, by short name."""

    name: str
    id: str  # 64 hex digits
    driver: str
    pools: tuple[Pool, ...] = ()
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    internal: bool = False
    labels: Pairs = ()
    options: Pairs = ()
    ipam_driver: str = "default"
    ipam_options: Pairs = ()
    ifname: str = ""  # the bridge; empty for drivers that make no interface of their own
    mac: str = ""
    mtu: int = 0  # bytes; 0 means that the driver has none
    created: str = ""  # RFC 3339; empty until the network is in the records
    topology: str = ""  # the topology that made it, if one did


@dataclass(frozen=True)
class Sandbox:
    """A container's network namespace as it was when it was last seen.

    The cookie is SO_NETNS_COOKIE: unique for one boot, unlike inodes and PIDs, which are reused. Of a sandbox that
    is still to be made only the key is known.
    """

    key: str  # a path to the namespace, /run/netns/c1 or /proc/12/ns/net
    boot_id: str = ""
    cookie: int = 0
    inode: int = 0
    container_id: str = ""  # the runtime's own id, empty where it has none


@dataclass(frozen=True)
class Endpoint:
    """A container's interface on a network, with everything resolved.

    `static` names the options that were given rather than chosen: ipv4, ipv6, mac, ifname.
    `sandbox` None means that the endpoint is pending: it keeps its addresses, but is nowhere plugged.
    """

    network: str
    container: str
    runtime: str
    id: str  # 64 hex digits
    host_ifname: str
    ifname: str
    mac: str
    ipv4: IPInterface | None = None
    ipv6: IPInterface | None = None
    gw_priority: int = 0
    driver_opts: Pairs = ()
    static: tuple[str, ...] = ()
    sandbox: Sandbox | None = None
    topology: str = ""  # the topology that made it, if one did

    @property
    def place(self) -> str:
        """The name of the endpoint's sandbox in resources; unique on a host."""
        return f"{self.runtime}:{self.container}"

    @property
    def addresses(self) -> tuple[IPInterface, ...]:
        return tuple(address for address in (self.ipv4, self.ipv6) if address)


# --- specs: what is asked for. None means that the option was omitted, and what is there stays ------


@dataclass(frozen=True)
class PoolSpec:
    """One entry of ipam_config; `subnet` None stands for the only subnet that the network has."""

    subnet: Subnet | None = None
    gateway: IPAddress | None = None
    ip_range: Subnet | None = None
    aux: tuple[tuple[str, IPAddress], ...] | None = None


@dataclass(frozen=True)
class NetworkSpec:
    """What a task asks of a network. An empty `pools` asks for a subnet of our choice."""

    name: str
    driver: str | None = None
    options: Pairs | None = None
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    internal: bool | None = None
    labels: Pairs | None = None
    ipam_driver: str | None = None
    ipam_options: Pairs | None = None
    pools: tuple[PoolSpec, ...] | None = None
    force: bool = False


@dataclass(frozen=True)
class EndpointSpec:
    """What a task asks of a container's place on a network."""

    network: str
    container: str
    runtime: str = "auto"
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    mac: str | None = None
    ifname: str | None = None
    gw_priority: int | None = None
    driver_opts: Pairs | None = None


@dataclass(frozen=True)
class HostFacts:
    """What a host has of its own, for choices that must not collide with it.

    `subnets` are its addresses and routes, default routes aside, each with words for it;
    `mtu` is that of the interface with the default route, in bytes.
    """

    subnets: tuple[tuple[Subnet, str], ...] = ()
    nameservers: tuple[IPAddress, ...] = ()
    mtu: int = 1500


# --- resources: one thing a host is made of -------------------------------------------------------
#
# `rank` orders a plan: creations go up, deletions come down. The ranks say, among other things, that
# firewall rules are there before an interface is up, and an interface is down before its rules go,
# so that no packet ever crosses unfiltered.


@dataclass(frozen=True)
class Resource:
    """Base of all resources. Two resources with one key are two states of the same thing."""

    rank: ClassVar[int] = 0
    handler: ClassVar[str] = ""  # the file in _kernel/ that drives it
    verbs: ClassVar[tuple[str, str, str]] = ("create", "change", "remove")

    @property
    def key(self) -> Key:
        raise NotImplementedError

    @property
    def provides(self) -> tuple[Key, ...]:
        """Keys of what comes and goes with it in the kernel, itself included."""
        return (self.key,)

    @property
    def parent(self) -> Key | None:
        """Key of the resource whose removal removes this one."""
        return None

    @property
    def support(self) -> Key | None:
        """Key of what else it may go with, when that is removed."""
        return None

    @property
    def fixed(self) -> tuple:
        """What cannot be changed in place: a difference here means removing and creating anew."""
        return ()

    @property
    def title(self) -> str:
        """A noun phrase that names it in messages and diffs."""
        return " ".join(self.key)

    def facts(self) -> dict[str, Any]:
        """What a diff shows of it: option or kernel names to plain values."""
        return {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.compare and f.name not in ("place",)
        }


@dataclass(frozen=True)
class Ruleset(Resource):
    """Our nft table: chains, rules and empty sets. `digest` says which version of them.

    `shared` is observed: its sets hold more than what was asked about.
    """

    digest: str
    shared: bool = field(default=False, compare=False)
    rank = 10
    handler = "firewall"

    @property
    def key(self):
        return ("ruleset",)

    @property
    def title(self):
        return "firewall table inet netloom"


@dataclass(frozen=True)
class Element(Resource):
    """One element of a set of our nft table."""

    set: str
    value: tuple[str, ...]
    rank = 20
    handler = "firewall"

    @property
    def key(self):
        return ("element", self.set, *self.value)

    @property
    def parent(self):
        return ("ruleset",)

    @property
    def title(self):
        return f"firewall element {' . '.join(self.value)} in {self.set}"

    def facts(self):
        return {self.set: " . ".join(self.value)}


@dataclass(frozen=True)
class Sysctl(Resource):
    """A kernel setting below /proc/sys. Removing it writes `restore`, the value it had before us.

    The setting of an interface goes with the interface: `ifname` names it, `restore` is then unused.
    """

    place: str
    path: str  # net/ipv4/ip_forward
    value: str
    restore: str = field(default="", compare=False)
    ifname: str = field(default="", compare=False)
    handler = "sysctls"
    verbs = ("set", "set", "restore")

    @property
    def rank(self):
        return 50 if self.ifname else 30

    @property
    def key(self):
        return ("sysctl", self.place, self.path)

    @property
    def parent(self):
        return ("link", self.place, self.ifname) if self.ifname else None

    @property
    def title(self):
        return f"sysctl {self.path.replace('/', '.')}" + where(self.place)

    def facts(self):
        return {"value": self.value}


@dataclass(frozen=True)
class Namespace(Resource):
    """A named network namespace, as `ip netns` sees it."""

    name: str
    lo_up: bool = True
    rank = 35
    handler = "namespaces"

    @property
    def key(self):
        return ("namespace", self.name)

    @property
    def title(self):
        return f"network namespace {self.name}"


@dataclass(frozen=True)
class Link(Resource):
    """A link of somebody else: what observation finds under a name that we want. Never desired."""

    place: str
    name: str
    kind: str  # as in `ip -d link`; "" for a physical interface
    handler = "links"

    @property
    def key(self):
        return ("link", self.place, self.name)

    @property
    def title(self):
        return f"{self.kind or 'physical'} interface {self.name}" + where(self.place)


@dataclass(frozen=True)
class Bridge(Resource):
    """A Linux bridge of ours. `tag` is the ownership mark, kept in the link's alias.

    `recorded` says that it should be there already: missing, it is looked for under other names.
    """

    name: str
    mac: str
    mtu: int
    tag: str
    recorded: bool = field(default=False, compare=False)
    rank = 40
    handler = "links"

    @property
    def key(self):
        return ("link", HOST, self.name)

    @property
    def title(self):
        return f"bridge {self.name}"


@dataclass(frozen=True)
class Veth(Resource):
    """A veth pair: the host's end is a port of `master`, the other is `ifname` in the sandbox `place`."""

    name: str
    master: str
    isolated: bool
    mtu: int
    tag: str
    place: str
    ifname: str
    mac: str
    odd_mtu: int = 0  # observed: that of the other end, where the two differ
    rank = 42
    handler = "links"

    @property
    def key(self):
        return ("link", HOST, self.name)

    @property
    def provides(self):
        return (self.key, ("link", self.place, self.ifname))

    @property
    def fixed(self):
        return (self.place, self.ifname)

    def facts(self):
        return {name: value for name, value in super().facts().items() if name != "odd_mtu"}

    @property
    def title(self):
        return f"interface {self.ifname}{where(self.place)} ({self.name} on the host)"


@dataclass(frozen=True)
class Address(Resource):
    """An address with its prefix length on an interface."""

    place: str
    ifname: str
    address: IPInterface
    rank = 60
    handler = "addresses"
    verbs = ("add", "change", "remove")

    @property
    def key(self):
        return ("address", self.place, self.ifname, str(self.address))

    @property
    def provides(self):
        return (self.key, (f"ipv{self.address.version}", self.place, self.ifname))

    @property
    def parent(self):
        return ("link", self.place, self.ifname)

    @property
    def title(self):
        return f"address {self.address} on {self.ifname}{where(self.place)}"

    def facts(self):
        return {"address": self.address}


@dataclass(frozen=True)
class Up(Resource):
    """The fact that an interface is administratively up."""

    place: str
    ifname: str
    rank = 70
    handler = "links"
    verbs = ("bring up", "bring up", "take down")

    @property
    def key(self):
        return ("up", self.place, self.ifname)

    @property
    def parent(self):
        return ("link", self.place, self.ifname)

    @property
    def title(self):
        return f"{self.ifname}{where(self.place)}"

    def facts(self):
        return {"state": "up"}


@dataclass(frozen=True)
class Route(Resource):
    """A route of ours in a sandbox's main table. Ours carry our own protocol number."""

    place: str
    destination: str  # 0.0.0.0/0
    gateway: str
    ifname: str
    foreign: bool = field(default=False, compare=False)  # observed, and somebody else's
    rank = 80
    handler = "routes"
    verbs = ("add", "change", "remove")

    @property
    def key(self):
        return ("route", self.place, self.destination)

    @property
    def parent(self):
        return ("link", self.place, self.ifname)

    @property
    def support(self):
        # With an interface's last IPv4 address the kernel drops the IPv4 routes through it; not so with IPv6.
        return None if ":" in self.destination else ("ipv4", self.place, self.ifname)

    @property
    def title(self):
        return f"route {self.destination}{where(self.place)}"


@dataclass(frozen=True)
class NetworkRecord(Resource):
    """A network in the records; its facts are the options of the module."""

    network: Network
    handler = "records"

    @property
    def key(self):
        return ("network", self.network.name)

    def facts(self):
        network = self.network
        facts = {
            "driver": network.driver,
            "driver_options": dict(network.options),
            "enable_ipv4": network.enable_ipv4,
            "enable_ipv6": network.enable_ipv6,
            "internal": network.internal,
            "labels": dict(network.labels),
            "ipam_driver": network.ipam_driver,
            **_owner(network.topology),
        }
        for pool in network.pools:
            option = f"ipam_config[{pool.subnet}]."
            facts[option + "subnet"] = pool.subnet
            facts[option + "iprange"] = pool.ip_range
            facts[option + "gateway"] = pool.gateway
            facts[option + "aux_addresses"] = dict(pool.aux)
        return facts


@dataclass(frozen=True)
class EndpointRecord(Resource):
    """An endpoint in the records; its facts are the options of the module."""

    endpoint: Endpoint
    rank = 1
    handler = "records"

    @property
    def key(self):
        return ("endpoint", self.endpoint.network, self.endpoint.place)

    @property
    def title(self):
        return f"endpoint of {self.endpoint.container} on network {self.endpoint.network}"

    def facts(self):
        endpoint = self.endpoint
        return {
            "runtime": endpoint.runtime,
            "ipv4_address": endpoint.ipv4,
            "ipv6_address": endpoint.ipv6,
            "mac_address": endpoint.mac,
            "interface_name": endpoint.ifname,
            "gw_priority": endpoint.gw_priority,
            "driver_opts": dict(endpoint.driver_opts),
            "sandbox": _spoken(endpoint.sandbox),
            **_owner(endpoint.topology),
        }


@dataclass(frozen=True)
class NamespaceRecord(Resource):
    """A named network namespace in the records, which a topology made."""

    name: str
    topology: str
    rank = 1
    handler = "records"

    @property
    def key(self):
        return ("namespace record", self.name)

    @property
    def title(self):
        return f"record of network namespace {self.name}"


def _owner(topology: str) -> dict[str, str]:
    return {"topology": topology} if topology else {}


def _spoken(sandbox: Sandbox | None) -> str | None:
    if sandbox is None:
        return None
    return f"{sandbox.key} ({sandbox.cookie})" if sandbox.cookie else sandbox.key


def where(place: str) -> str:
    """Return ` in c1` for a sandbox, nothing for the host."""
    return f" in {place.partition(':')[2]}" if place else ""
