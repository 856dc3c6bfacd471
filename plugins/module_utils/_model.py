# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, and what networks and endpoints are once everything is resolved.

Collection-private. Frozen values only: nothing here reads or changes anything. Floor 0.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Union

from ._frozen import dataclass

Subnet = Union[IPv4Network, IPv6Network]
IPAddress = Union[IPv4Address, IPv6Address]
IPInterface = Union[IPv4Interface, IPv6Interface]
Pairs = tuple[tuple[str, str], ...]  # a dict that can be hashed, sorted by key
Key = tuple[str, ...]

TOPOLOGY_LABEL = "netloom.topology"  # a network's label that says which topology made it
DOCKER_LABEL = "netloom.docker"  # and one that lists the networks of Docker's that it is
PRESENT = "present"  # the state of a record that no run has left unfinished
NAT, UNPROTECTED, ROUTED, ISOLATED = GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
IPAM_DRIVERS = ("default", "etcd")  # else it is a Docker plugin
SECRET_OPTIONS = ("password",)  # of address management; never shown
LENT = "docker-plugin"  # the runtime of endpoints that Docker has asked its plugin for
SHIM_SEAT = "host:shim"  # on a network, of the host itself
HOST = ""  # the place of whatever is in the host's own network namespace
HOST_SERVERS = ("host",)  # those that the host itself asks, in the place of their addresses


@dataclass(frozen=True)
class Pool:
    """A subnet with its gateway, the range that addresses are handed out of, and reserved addresses.

    `auto` says that the subnet was chosen by us; `ip_range` None means the whole subnet. `shim` is the address that
    the host has on a network that is on the wire of one of its interfaces.
    """

    subnet: Subnet
    gateway: IPAddress | None
    ip_range: Subnet | None = None
    aux: tuple[tuple[str, IPAddress], ...] = ()
    auto: bool = False
    shim: IPAddress | None = None


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
    ifname: str = ""  # the bridge, or the host's shim; empty for networks that have no interface of their own
    mac: str = ""
    mtu: int = 0  # bytes; 0 means that the driver has none
    created: str = ""  # RFC 3339; empty until the network is in the records
    topology: str = ""  # the topology that made it, if one did
    advertised: tuple[str, ...] = ()  # interfaces whose routers' advertisements the host goes by while it forwards IPv6
    parent: str = ""  # the host's interface that it is on, or whose packets to other hosts leave by
    vlan: str = ""  # the mark of a parent that was made for networks, a VLAN interface; empty if it was there
    vtep: str = ""  # the host's address that packets to other hosts come from
    dns: bool = False  # members find each other by name
    dns_given: bool = False  # whether that was asked for, or follows from what the host and the network are like
    dns_servers: tuple[str, ...] = HOST_SERVERS  # whom its name server asks about all other names
    space: str = ""  # where a plugin hands out the addresses, what it calls the space that they are in
    definition: str = ""  # of a plugin's network, what the plugin is told of it: one line of JSON
    node: str = ""  # where hosts share the addresses, the name of this one
    node_id: str = ""  # and a random number that another host of that name does not have
    docker: tuple[str, ...] = ()  # the ids of the networks of Docker's that it is
    docker_made: bool = False  # it goes with the last of them

    @property
    def shares_addresses(self) -> bool:
        """Whether other hosts hand out addresses of it as well."""
        return self.ipam_driver == "etcd"


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
class PublishedPort:
    """A port of the host that leads to a container's.

    `address` is that of the host, empty for all of them; `chosen` says that the port of the host was chosen by us.
    """

    protocol: str  # tcp, udp or sctp
    container: int
    host: int
    address: str = ""
    chosen: bool = False

    def __str__(self) -> str:
        """Return it in Docker's syntax."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}{':' if address else ''}{self.host}:{self.container}/{self.protocol}"


@dataclass(frozen=True)
class StaticRoute:
    """A route that a container is given. Of IPv6, metric 0 and the kernel's own 1024 are the same, and 0 here."""

    destination: str  # canonical CIDR
    gateway: str = ""  # only unicast has one
    metric: int = 0
    type: str = "unicast"  # or blackhole, unreachable, prohibit

    @property
    def version(self) -> int:
        return 6 if ":" in self.destination else 4

    @property
    def is_default(self) -> bool:
        """Whether it stands for the gateway of the network: of all endpoints, gw_priority decides."""
        return self.destination in ("0.0.0.0/0", "::/0") and not self.metric

    def __str__(self) -> str:
        """Return it as `ip route` has it."""
        kind = "" if self.type == "unicast" else f"{self.type} "
        via = f" via {self.gateway}" if self.gateway else ""
        return f"{kind}{self.destination}{via}" + (f" metric {self.metric}" if self.metric else "")


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
    ports: tuple[PublishedPort, ...] = ()
    routes: tuple[StaticRoute, ...] = ()
    sysctls: Pairs = ()  # net.ipv4.conf.IFNAME.log_martians, literally, to a whole number
    secondary: tuple[IPInterface, ...] = ()  # IPv4 first
    aliases: tuple[str, ...] = ()  # further names of the container on the network, sorted
    apart: str = ""  # the interface name by which it is told from the container's first endpoint on the network
    gateways: Pairs = ()  # ipv4 and ipv6 to what its plugin has named, empty for none; else they are those of the pools
    held: bool = False  # Docker has asked for its addresses before, and gives them back after

    @property
    def is_lent(self) -> bool:
        """Whether its sandbox is Docker's, which moves the interface there itself: all of ours is on the host."""
        return self.runtime == LENT

    @property
    def place(self) -> str:
        """The name of the endpoint's sandbox in resources; unique on a host."""
        return f"{self.runtime}:{self.container}"

    @property
    def seat(self) -> str:
        """The name of the endpoint on its network: its place, and for a further one its interface."""
        return seat_of(self.place, self.apart)

    @property
    def primaries(self) -> tuple[IPInterface, ...]:
        """The addresses that ports are published to, and that others know it by."""
        return tuple(address for address in (self.ipv4, self.ipv6) if address)

    @property
    def addresses(self) -> tuple[IPInterface, ...]:
        return (*self.primaries, *self.secondary)


@dataclass(frozen=True)
class Uplink:
    """An interface of the host as a parent of networks. `master` is what takes all its frames, empty for nothing."""

    name: str
    kind: str  # as in `ip -d link`; empty for a physical interface
    mtu: int
    mac: str
    alias: str = ""
    master: str = ""
    up: bool = True
    loopback: bool = False
    addresses: tuple[IPInterface, ...] = ()

    def fault(self, *, down: bool = True) -> str:
        """Return why no network can be on it, empty if one can; `down` says whether being down is a reason."""
        if self.loopback:
            return "is the loopback interface, which leads nowhere"
        if self.master:
            return f"is a port of {self.master}, which takes all that arrives there"
        if down and not self.up:
            return f"is down; bring it up first: ip link set {self.name} up"
        return ""


def seat_of(place: str, apart: str) -> str:
    """Return the name of an endpoint on its network. No interface and no place has two slashes in its name."""
    return f"{place}//{apart}" if apart else place


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
    dns: bool | None = None
    dns_servers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PortSpec:
    """A port that is asked for: the first free one from `first` to `last` of the host's, of all where both are 0."""

    protocol: str
    container: int
    first: int = 0
    last: int = 0
    address: str = ""


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
    ports: tuple[PortSpec, ...] | None = None
    routes: tuple[StaticRoute, ...] | None = None
    sysctls: Pairs | None = None
    secondary: tuple[IPAddress, ...] | None = None
    aliases: tuple[str, ...] | None = None


@dataclass(frozen=True)
class HostFacts:
    """What a host has of its own, for choices that must not collide with it.

    `subnets` are its addresses and routes, default routes aside, each with words for it;
    `mtu` is that of the interface with the default route, in bytes. `identity` is no other host's;
    `advertised` are the interfaces over which routers advertise themselves as its way out.
    """

    subnets: tuple[tuple[Subnet, str], ...] = ()
    nameservers: tuple[IPAddress, ...] = ()
    mtu: int = 1500
    identity: str = ""
    ipv6: bool = True  # the kernel has it
    advertised: tuple[str, ...] = ()

    def of_interface(self, ifname: str) -> frozenset[str]:
        """Return the words for the subnets that the host has on one of its interfaces."""
        return frozenset(words for _subnet, words in self.subnets if ifname and words.endswith(f" on {ifname}"))
