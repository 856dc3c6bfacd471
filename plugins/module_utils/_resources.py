# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is made of: one resource is one thing that is there or not, and in some state.

`rank` orders a plan: creations go up, deletions come down. The ranks say, among other things, that firewall rules are
there before an interface is up, and an interface is down before its rules go, so that no packet ever crosses unfiltered.
Collection-private. Frozen values only: nothing here reads or changes anything. Floor 0.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import field
from typing import Any, ClassVar

from ._frozen import dataclass
from ._model import HOST, SECRET_OPTIONS, Endpoint, IPInterface, Key, Network, Pairs, Sandbox

DEPRECATED = "deprecated"  # what a secondary address of IPv6 is behind
PROTOCOLS = {"tcp": "6", "udp": "17", "sctp": "132"}  # IPPROTO_*, as our maps of ports have them


@dataclass(frozen=True)
class Resource:
    """Base of all resources. Two resources with one key are two states of the same thing."""

    rank: ClassVar[int] = 0
    handler: ClassVar[str] = ""  # the file in _kernel/ that drives it
    verbs: ClassVar[tuple[str, str, str]] = ("create", "change", "remove")
    is_shared: ClassVar[bool] = False  # several networks can have it in common
    needs: ClassVar[str] = ""  # a kind of link that a kernel may not know

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
    """A nft table of ours: chains, rules and empty sets. `digest` says which version of them.

    `shared` is observed: its sets hold more than what was asked about.
    """

    digest: str
    family: str = "inet"
    shared: bool = field(default=False, compare=False)
    rank = 10
    handler = "firewall"
    is_shared = True

    @property
    def key(self):
        return ("ruleset", self.family)

    @property
    def title(self):
        return f"firewall table {self.family} netloom"


@dataclass(frozen=True)
class Element(Resource):
    """One element of a set of a nft table of ours, or of a map, which has it lead to `data`.

    `shared` is observed: others need it as well.
    """

    set: str
    value: Key
    data: Key = ()
    family: str = "inet"
    shared: bool = field(default=False, compare=False)
    rank = 20
    handler = "firewall"

    @property
    def key(self):
        return ("element", self.set, *self.value)

    @property
    def parent(self):
        return ("ruleset", self.family)

    @property
    def title(self):
        return f"firewall element {' . '.join(self.value)} in {self.set}"

    def facts(self):
        return {self.set: " . ".join(self.data or self.value)}


@dataclass(frozen=True)
class Entry(Resource):
    """Elements of sets and maps of a nft table of ours that belong together. Observed with those that are there."""

    name: str
    elements: tuple[Element, ...]
    family: str = "inet"
    rank = 20
    handler = "firewall"

    @property
    def key(self):
        return ("entry", self.name)

    @property
    def parent(self):
        return ("ruleset", self.family)

    @property
    def title(self):
        return self.name

    def facts(self):
        return {"elements": [element.set for element in self.elements]}


@dataclass(frozen=True)
class Port(Entry):
    """A port of the host that leads to a member."""

    verbs = ("publish", "move", "withdraw")

    def facts(self):
        return {"to": " ".join(" ".join(element.data) for element in self.elements)}


@dataclass(frozen=True)
class Sysctl(Resource):
    """A kernel setting below /proc/sys. Removing it writes `restore`, the value it had before us.

    The setting of an interface goes with the interface: `ifname` names it, `restore` is then unused. Where it `inherits`,
    removing it while the interface stays writes what new interfaces of the place get.
    """

    place: str
    path: str  # net/ipv4/ip_forward
    value: str
    restore: str = field(default="", compare=False)
    ifname: str = field(default="", compare=False)
    inherits: bool = field(default=False, compare=False)
    handler = "sysctls"
    verbs = ("set", "set", "restore")

    @property
    def rank(self):
        if self.ifname:
            return 50
        return 36 if self.place else 30  # in a namespace of ours, which is made before

    @property
    def key(self):
        return ("sysctl", self.place, self.path)

    @property
    def parent(self):
        if self.ifname:
            return ("link", self.place, self.ifname)
        return ("namespace", self.place.partition(":")[2]) if self.place else None

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
    hairpin: bool = False  # what the member sends may come back to it, as the host asks for with br_netfilter
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
class Loan(Resource):
    """A veth pair with the host's end a port of `master`; the other is made as `ifname` on the host too, for Docker to move.

    Where that is by now is Docker's business: the pair is there when our end is.
    """

    name: str
    master: str
    isolated: bool
    mtu: int
    tag: str
    hairpin: bool
    ifname: str = field(compare=False)
    mac: str = field(compare=False)
    sandbox: str = field(default="", compare=False)  # what Docker calls the place that it moves that to
    rank = 42
    handler = "links"

    @property
    def key(self):
        return ("link", HOST, self.name)

    @property
    def title(self):
        return f"interface {self.name}, lent to Docker"


@dataclass(frozen=True)
class Address(Resource):
    """An address with its prefix length on an interface.

    A `secondary` one is `behind` another, so that this one is the source of what the container sends: in IPv4 the one
    of the same subnet that was there first, and takes it along when it goes; in IPv6 it is deprecated (RFC 4862).
    """

    place: str
    ifname: str
    address: IPInterface
    behind: str = ""
    secondary: bool = field(default=False, compare=False)
    handler = "addresses"
    verbs = ("add", "change", "remove")

    @property
    def rank(self):
        return 61 if self.behind else 60

    @property
    def key(self):
        return ("address", self.place, self.ifname, str(self.address))

    @property
    def provides(self):
        if self.secondary:
            return (self.key,)
        return (self.key, (f"ipv{self.address.version}", self.place, self.ifname))

    @property
    def fixed(self):
        return (self.behind,)

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
    """A route of ours in a sandbox's main table. Ours carry our own protocol number.

    One that is not unicast has neither gateway nor interface, and stays when the interfaces go. `otherwise` is of a
    default route whose gateway a plugin may name or not: what takes its place where there is none, empty for nothing.
    """

    place: str
    destination: str  # 0.0.0.0/0
    gateway: str
    ifname: str
    metric: int = 0  # of IPv6, the kernel's 1024
    type: str = "unicast"
    foreign: bool = field(default=False, compare=False)  # observed, and somebody else's
    beside: tuple[str, ...] = field(default=(), compare=False)  # interfaces whose own routes it may stand beside
    otherwise: tuple[Route, ...] | None = field(default=None, compare=False)
    rank = 80
    handler = "routes"
    verbs = ("add", "change", "remove")

    @property
    def key(self):
        return ("route", self.place, self.destination, str(self.metric))

    @property
    def parent(self):
        return ("link", self.place, self.ifname) if self.ifname else None

    @property
    def support(self):
        if not self.ifname:
            return None
        # With an interface's last IPv4 address the kernel drops the IPv4 routes through it; not so with IPv6.
        return None if ":" in self.destination else ("ipv4", self.place, self.ifname)

    @property
    def title(self):
        return f"route {self.destination}{f' metric {self.metric}' if self.metric else ''}{where(self.place)}"

    def facts(self):
        return {
            "destination": self.destination,
            "gateway": self.gateway,
            "ifname": self.ifname,
            "type": self.type,
        }


@dataclass(frozen=True)
class NetworkRecord(Resource):
    """A network in the records; its facts are the options of the module."""

    network: Network
    handler = "records"

    @property
    def key(self):
        return ("network", self.network.name)

    @property
    def needs(self):  # type: ignore[override]
        return self.network.driver if self.network.driver in ("macvlan", "ipvlan") else ""  # its members' interfaces

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
            "ipam_driver_options": {name: text for name, text in network.ipam_options if name not in SECRET_OPTIONS},
            "dns": network.dns,
            "dns_servers": list(network.dns_servers),
            **_owner(network.topology),
            **({"docker": list(network.docker)} if network.docker else {}),
        }
        if network.definition:  # it stands in what the plugin is told
            facts["definition"] = f"sha256:{hashlib.sha256(network.definition.encode()).hexdigest()[:12]}"
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
        return ("endpoint", self.endpoint.network, self.endpoint.seat)

    @property
    def title(self):
        apart = f" ({self.endpoint.apart})" if self.endpoint.apart else ""
        return f"endpoint of {self.endpoint.container}{apart} on network {self.endpoint.network}"

    def facts(self):
        endpoint = self.endpoint
        return {
            "runtime": endpoint.runtime,
            "ipv4_address": endpoint.ipv4,
            "ipv6_address": endpoint.ipv6,
            "mac_address": endpoint.mac,
            "interface_name": endpoint.ifname,
            "aliases": list(endpoint.aliases),
            "gw_priority": endpoint.gw_priority,
            "driver_opts": dict(endpoint.driver_opts),
            "published_ports": [str(port) for port in endpoint.ports],
            "routes": [str(route) for route in endpoint.routes],
            "sysctls": dict(endpoint.sysctls),
            "secondary_addresses": [str(address) for address in endpoint.secondary],
            "sandbox": _spoken(endpoint.sandbox),
            **_owner(endpoint.topology),
        }


@dataclass(frozen=True)
class NamespaceRecord(Resource):
    """A named network namespace in the records: one that we made, or that was given settings (path to value).

    `topology` is what it belongs to, empty for none.
    """

    name: str
    topology: str = ""
    settings: Pairs = ()
    rank = 1
    handler = "records"

    @property
    def key(self):
        return ("namespace record", self.name)

    @property
    def title(self):
        return f"record of network namespace {self.name}"

    def facts(self):
        return {
            "name": self.name,
            **_owner(self.topology),
            **({"settings": dict(self.settings)} if self.settings else {}),
        }


def _owner(topology: str) -> dict[str, str]:
    return {"topology": topology} if topology else {}


def _spoken(sandbox: Sandbox | None) -> str | None:
    if sandbox is None:
        return None
    return f"{sandbox.key} ({sandbox.cookie})" if sandbox.cookie else sandbox.key


def where(place: str) -> str:
    """Return ` in c1` for a sandbox, nothing for the host."""
    return f" in {place.partition(':')[2]}" if place else ""


def is_common(item: Resource) -> bool:
    """Return whether several networks or endpoints can have it in common.

    That is a firewall table of ours, a parent that was made for networks, a setting of the host itself, or one that goes
    back while its interface stays.
    """
    return item.is_shared or (isinstance(item, Sysctl) and item.place == HOST and bool(item.restore or not item.ifname))
