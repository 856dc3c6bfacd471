# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of members: what they may look like, who has which, and the resources that have them found.

A network has a dnsmasq of its own, which answers on its bridge alone. Each member's names are a file that it watches.
What is promised of them is docs/names.md. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field, replace

from ._errors import NetloomError
from ._frozen import dataclass
from ._model import HOST_SERVERS, Endpoint, Network
from ._resources import Resource

ROOT = "/run/netloom/dns"
NAMESPACES = "/etc/netns"  # where ip-netns(8) looks for what a namespace has in the place of a file in /etc
MARK = "# netloom: "  # what a file of ours begins with
HOSTS_RESOLV_CONF = "/etc/resolv.conf"
NAME_MAX = 253
TTL_SECONDS = 5
# sendto refuses it, so dnsmasq answers REFUSED at once, and the member asks its next name server. NXDOMAIN, which a
# real one would answer to a name of another network, ends the search.
NOBODY = "255.255.255.255"
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NAMED = ("netns", "docker", "podman", "machine")  # a process has no name, and a path is none
_ENGINES = ("docker", "podman")
_SHORT_ID = 12


@dataclass(frozen=True)
class Names(Resource):
    """The file that says which names lead to a member."""

    network: str
    container: str
    folder: str
    file: str
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    rank = 74
    handler = "resolvers"
    verbs = ("add", "change", "remove")

    @property
    def key(self):
        return ("names", self.folder, self.file)

    @property
    def parent(self):
        return ("resolver", self.folder)

    @property
    def path(self) -> str:
        return f"{self.folder}/hosts/{self.file}"

    @property
    def text(self) -> str:
        return "".join(f"{address} {' '.join(self.names)}\n" for address in self.addresses)

    @property
    def title(self):
        return f"names of {self.container} on network {self.network}"

    def facts(self):
        return {"names": list(self.names), "addresses": list(self.addresses)}


@dataclass(frozen=True)
class Resolver(Resource):
    """The name server of a network, which all of its members have in common.

    `upstream` are the servers that it asks about other names, HOST_SERVERS for the host's own. What belongs to the
    networks `refused` is for their own servers to say. Observed, it may not be `running`, or be `odd`: started with
    another command line, or not the one in its pid file.
    """

    network: str
    folder: str
    ifname: str
    domain: str  # empty where the network's name is no name of a domain
    upstream: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    running: bool = True
    odd: bool = False
    rank = 76
    handler = "resolvers"
    verbs = ("start", "change", "stop")

    @property
    def key(self):
        return ("resolver", self.folder)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What dnsmasq is started with."""
        domain = (f"--domain={self.domain}", "--expand-hosts", f"--local=/{self.domain}/") if self.domain else ()
        return (
            "--conf-file=/dev/null",
            f"--interface={self.ifname}",
            "--bind-dynamic",  # the bridge may be made anew under it
            "--except-interface=lo",
            "--no-hosts",
            f"--hostsdir={self.folder}/hosts",
            *domain,
            "--domain-needed",
            "--bogus-priv",
            f"--local-ttl={TTL_SECONDS}",
            f"--servers-file={self.folder}/servers",
            f"--resolv-file={HOSTS_RESOLV_CONF}" if self.upstream == HOST_SERVERS else "--no-resolv",
            f"--pid-file={self.folder}/pid",
        )

    @property
    def servers(self) -> str:
        """What its servers file holds."""
        asked = () if self.upstream == HOST_SERVERS else self.upstream
        lines = [*(f"server={address}" for address in asked), *(f"server=/{name}/{NOBODY}" for name in self.refused)]
        return "".join(f"{line}\n" for line in lines)

    def as_found(self, arguments: Iterable[str], servers: str) -> Resolver:
        """Return it as a process with these arguments and this servers file makes it."""
        arguments = tuple(arguments)
        lines = [line.partition("=")[2] for line in servers.splitlines()]
        asked = tuple(line for line in lines if not line.startswith("/"))
        refused = tuple(line.split("/")[1] for line in lines if line.startswith("/"))
        hosts = f"--resolv-file={HOSTS_RESOLV_CONF}" in arguments
        found = replace(self, upstream=HOST_SERVERS + asked if hosts else asked, refused=refused)
        expected = replace(found, upstream=HOST_SERVERS if hosts else asked).arguments
        return replace(found, odd=arguments != expected)

    @property
    def title(self):
        return f"name server of network {self.network}"

    def facts(self):
        return {
            "running": self.running,
            "upstream": list(self.upstream),
            "refused": list(self.refused),
            "process": "another one" if self.odd else "ours",
        }


@dataclass(frozen=True)
class ResolvConf(Resource):
    """What a named namespace has in the place of /etc/resolv.conf. `foreign` is observed: it is somebody else's."""

    container: str
    nameservers: tuple[str, ...]
    search: tuple[str, ...]
    foreign: bool = field(default=False, compare=False)
    rank = 78
    handler = "resolvconf"
    verbs = ("write", "change", "remove")

    @property
    def key(self):
        return ("resolv.conf", self.container)

    @property
    def path(self) -> str:
        return f"{NAMESPACES}/{self.container}/resolv.conf"

    @property
    def text(self) -> str:
        search = f"search {' '.join(self.search)}\n" if self.search else ""
        servers = "".join(f"nameserver {address}\n" for address in self.nameservers)
        return f"{MARK}written with the networks of this namespace, removed with them\n{search}{servers}"

    def as_found(self, text: str) -> ResolvConf:
        """Return it as a file of this text has it."""
        lines = [line.split() for line in text.splitlines()]
        return replace(
            self,
            nameservers=tuple(line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1),
            search=tuple(word for line in lines if line[:1] == ["search"] for word in line[1:]),
            foreign=not text.startswith(MARK),
        )

    @property
    def title(self):
        return self.path

    def facts(self):
        return {"nameservers": list(self.nameservers), "search": list(self.search)}


def is_dns_name(text: str) -> bool:
    """Return whether `text` can be a name: labels of letters, digits, '_' and '-', which is not at their ends."""
    return len(text) <= NAME_MAX and all(_LABEL.fullmatch(label) for label in text.split("."))


def dns_names(given: Iterable[str], option: str) -> tuple[str, ...]:
    """Return names as a sorted set. Case does not count, so they are in lower case.

    :raises NetloomError: option_invalid.
    """
    found = set()
    for index, text in enumerate(given):
        if not is_dns_name(text):
            raise NetloomError(
                "option_invalid",
                f"{option}[{index}]: {text[: NAME_MAX + 1]!a} is not a DNS name; labels of 1 to 63 of [A-Za-z0-9_-],"
                f" without '-' at their ends, {NAME_MAX} characters at most",
            )
        found.add(text.lower())
    return tuple(sorted(found))


def names_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the names of a member: its container's, its aliases, and the short id that an engine gives it."""
    container = endpoint.container
    own = (container,) if endpoint.runtime in _NAMED and is_dns_name(container) else ()
    identity = endpoint.sandbox.container_id[:_SHORT_ID] if endpoint.sandbox else ""
    short = (identity,) if identity and endpoint.runtime in _ENGINES else ()
    return tuple({name.lower(): name for name in reversed((*own, *endpoint.aliases, *short))}.values())[::-1]


def domain_of(network: Network) -> str:
    """Return the domain of a network's members, empty where its name cannot be one."""
    return network.name if is_dns_name(network.name) else ""


def folder_of(network: Network) -> str:
    return f"{ROOT}/{network.id[:12]}"


def names(network: Network, endpoint: Endpoint) -> Names:
    """Return the file of a member's names. dnsmasq completes those without a dot."""
    domain = domain_of(network)
    short = names_of(endpoint)
    full = tuple(f"{name}.{domain}" for name in short if "." in name and domain)
    addresses = tuple(str(address.ip) for address in endpoint.addresses)
    return Names(network.name, endpoint.container, folder_of(network), endpoint.id[:16], addresses, (*short, *full))


def resolver(network: Network, refused: Iterable[str] = ()) -> Resolver:
    """Return a network's name server. On an internal network it asks nobody else."""
    upstream = () if network.internal else network.dns_servers
    return Resolver(
        network.name, folder_of(network), network.ifname, domain_of(network), upstream, tuple(sorted(refused))
    )
