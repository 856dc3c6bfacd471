# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as the engine sees it: it observes resources, and every side effect passes through `execute`.

Collection-private. Floor 4.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

from .. import _changes
from .._changes import Change
from .._errors import NetloomError
from .._model import HOST, Endpoint, HostFacts, Network, Sandbox, Uplink
from .._resources import Address, Resource, Up
from .._sandboxes import registry
from .._sandboxes.registry import Found, OpenSandbox
from . import netlink, netns
from .database import check_private
from .handlers import handler
from .interfaces import Interfaces
from .plugged import Plugged
from .records import Records
from .seam import Seam

_ENCODED = ("links", "vxlans", "addresses", "routes", "sysctls")  # handlers whose changes pyroute2 encodes


class Host(Seam, Plugged, Interfaces):
    """One task's hold on the host. Without `lock_timeout` it only looks: no lock is taken, nothing is made."""

    def __init__(self, state_dir: str, lock_timeout_seconds: float | None = None):
        super().__init__()
        self.state_dir = state_dir
        self.lock_timeout_seconds = lock_timeout_seconds
        self.records = Records(state_dir, reading=lock_timeout_seconds is None)
        self._lock: tuple[int, bool] | None = None
        self._sandboxes: dict[str, OpenSandbox] = {}
        self._promised: dict[str, Found] = {}  # sandboxes that this task is about to make
        self._promised_at: dict[str, Found] = {}  # the same, by path
        self._found: dict[tuple[str, str], Found | None] = {}
        self._lists = registry.Lists()
        self._home: int | None = None
        self._lacks_dnsmasq: str | None = None
        self.pools: dict[Any, Any] = {}  # those that networks share with other hosts
        self.clients: dict[Any, Any] = {}  # and the ways to where they are
        self.unasked: tuple[str, ...] = ()  # runtimes that have no containers yet: asking one may have it started
        self.removed: dict[str, int] = {}  # descriptors of the named namespaces that this task has removed

    def __enter__(self) -> Host:
        check_private(self.state_dir, directory=True)
        if self.lock_timeout_seconds is not None:
            from . import lock

            self._lock = lock.take(self.state_dir, self.lock_timeout_seconds)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.begin_anew()
        for client in self.clients.values():
            client.close()
        if self._home is not None:
            os.close(self._home)
        self.records.close()
        if self._lock is not None:
            from . import lock

            descriptor, made = self._lock
            lock.release(descriptor, self.state_dir, made=made)

    def begin_anew(self) -> None:
        """Forget what was found, opened and promised, for a further plan under the same lock."""
        if self.pools_of_plugins:
            from . import plugin_pools

            plugin_pools.give_back_all(self)
        self.close_wires()
        for sandbox in self._sandboxes.values():
            sandbox.close()
        for descriptor in self.removed.values():
            os.close(descriptor)
        known: dict[Any, Any]
        for known in (
            self._sandboxes,
            self.removed,
            self._promised,
            self._promised_at,
            self._found,
            self.pools,
            self.learned,
            self.pools_of_plugins,
            self.ways,
        ):
            known.clear()
        self._lists = registry.Lists()

    # --- resources ---

    def prepare(self, changes: Sequence[Change]) -> None:
        """Make sure that `changes` can be carried out, before anything is touched.

        :raises NetloomError: missing_dependency, kernel_unsupported.
        """
        if any(change.resource.handler in _ENCODED for change in changes):
            from . import templates

            templates.library()
        made = [change.after for change in changes if change.after is not None and change.before is None]
        kinds = {item.needs for item in made if item.needs}
        if kinds:
            from . import uplinks

            uplinks.require(self, kinds)

    def apply(self, changes: Iterable[Change]) -> None:
        """Make `changes` in their order, each handler getting its neighbouring ones at once."""
        for name, batch in _changes.batches(changes):
            if self.ways and name == "routes":
                batch = [*self.settled(batch)]
            with self.stage(f"apply {name}", len(batch)):
                handler(name).apply(self, batch)

    def observe(self, wanted: Iterable[Resource]) -> list[Resource]:
        """Return what is there of `wanted`. What is in a sandbox that is not open counts as gone."""
        self._links.clear()
        groups: dict[str, dict[Any, Resource]] = {}
        for item in wanted:
            place = getattr(item, "place", HOST)
            if place == HOST or item.handler in ("links", "plugins") or self.is_made(place):
                groups.setdefault(item.handler, {})[item.key] = item
        found: list[Resource] = []
        for name, resources in groups.items():
            found += self.look(f"read {name}", _observed, self, name, list(resources.values()))
        return found

    def facts(self, ours: Iterable[str]) -> HostFacts:
        """Return what the host has of its own, the interfaces `ours` aside."""
        from . import facts

        return self.look("read addresses and routes", facts.read, self, frozenset(ours))

    def uplink(self, name: str) -> Uplink | None:
        """Return an interface of the host as a parent of networks, None if there is none."""
        from . import uplinks

        return self.look(f"read interface {name}", uplinks.read, self, name)

    def underlay(self, parent: str, peers: Sequence[str]) -> Any:
        """Return the ways from this host to its peers, as `_overlay.Underlay`."""
        from . import underlay

        return self.look("read addresses and routes", underlay.read, self, parent, peers)

    def vxlan_owner(self, heard_at: tuple[int, int, int], network: str) -> str:
        """Return the name of a VXLAN interface, not that of `network`, with a VNI, port and IP version; empty if none."""
        from . import vxlans

        return self.look("read interfaces", vxlans.owner, self, heard_at, f"vx-{network[:12]}")

    def shared_pool(self, share: Any) -> Any:
        """Return the pool that a network shares with other hosts, as `etcd.SharedPool`; `share` is a `_claims.Share`."""
        from . import etcd

        if share not in self.pools:
            self.pools[share] = etcd.SharedPool(share, self.clients)
        return self.pools[share]

    def new_node(self) -> tuple[str, str]:
        """Return the name of this host, and a random number to tell it from another of that name."""
        from . import etcd

        return self.look("read the name of the host", etcd.new_node)

    # --- sandboxes ---

    def promise(self, name: str) -> None:
        """Have the named namespace `name`, which this task makes, count as a container that runs."""
        found = registry.promised(name)
        self._promised[f"{found.runtime}:{found.name}"] = self._promised_at[found.key] = found

    @staticmethod
    def has_namespace(name: str) -> bool:
        """Return whether there is a named namespace."""
        return registry.is_made(registry.promised(name))

    def find(self, container: str, runtime: str) -> Found | None:
        """Return what the runtimes say of a container's name, and this task of the namespaces that it makes."""
        if runtime in self.unasked:
            return None
        asked = (container, runtime)
        if asked not in self._found:
            self._found[asked] = registry.find(container, runtime, self._promised_at, self._lists)
        return self._found[asked]

    def not_found(self, container: str, runtime: str) -> NetloomError:
        """Return the error for a name that `find` found nothing for."""
        return registry.not_found(container, runtime)

    def open(self, place: str, found: Found) -> Sandbox:
        """Return what is to be recorded of the namespace of a container, which is known as `place` from now on."""
        if place in self._promised:
            return self.sandbox(place)
        if place not in self._sandboxes:
            opened = self._sandboxes[place] = self.look(f"open {found.name}", registry.open_sandbox, found)
            self.keep(place, opened.take_wire())
        return self._sandboxes[place].sandbox

    def sandbox(self, place: str) -> Sandbox:
        """Return what is to be recorded of a namespace that is open; of one to be made, what is known already."""
        if self.is_made(place):
            return self._sandboxes[place].sandbox
        return Sandbox(self._promised[place].key)

    def identity(self, place: str) -> str:
        """Return what tells a namespace that is open from every other one, of another boot as well."""
        sandbox = self.sandbox(place)
        return f"{sandbox.boot_id}/{sandbox.cookie}"

    def is_made(self, place: str) -> bool:
        """Return whether the namespace of `place` is open, or can be by now."""
        if place in self._promised and registry.is_made(self._promised[place]):
            found = self._promised.pop(place)
            del self._promised_at[found.key]
            self.open(place, found)
        return place in self._sandboxes

    def shut(self, place: str) -> None:
        """Forget a namespace that is not what it seemed."""
        self.drop(place)
        self._sandboxes.pop(place).close()

    def lives(self, sandbox: Sandbox | None) -> bool:
        """Return whether a recorded sandbox is still there, as far as can be told without opening it."""
        if sandbox is None or not sandbox.key or sandbox.boot_id != netns.boot_id():
            return False
        if not sandbox.inode:
            return True  # lent to Docker, which says when it is over
        try:
            return os.stat(sandbox.key).st_ino == sandbox.inode
        except OSError:
            return False

    def is_live(self, member: Endpoint) -> bool:
        """Return whether the sandbox of an endpoint is there for this task, or its interface is lent to Docker."""
        return self.lives(member.sandbox) if member.is_lent else self.is_open(member.place)

    @staticmethod
    def boot_id() -> str:
        """Return what tells this boot from all others."""
        return netns.boot_id()

    def processes(self, names: Iterable[str]) -> dict[str, list[int]]:
        """Return the PIDs of the processes in named network namespaces, by name; those without any are left out."""
        from . import namespaces

        return namespaces.processes(names)

    def is_open(self, place: str) -> bool:
        """Return whether a sandbox is there for this task, or will be."""
        return place in self._sandboxes or place in self._promised

    def descriptor(self, place: str) -> int:
        """Return the open namespace of a sandbox, which exists by now."""
        self.is_made(place)
        return self._sandboxes[place].fd

    def inside(self, place: str, act: Callable[..., Any], *args: Any) -> Any:
        """Return what `act` returns in the network namespace of `place`."""
        with self.entered(place):
            return act(*args)

    @contextmanager
    def entered(self, place: str) -> Iterator[None]:
        """Run the block in the network namespace of `place`."""
        if place == HOST:
            yield
            return
        with netns.in_namespace(self.descriptor(place), self.home()):
            yield

    def home(self) -> int:
        """Return the open namespace of the host."""
        if self._home is None:
            self._home = netns.here()
        return self._home

    def number_in(self, place: str) -> int:
        """Return the number that a sandbox knows the host's namespace by, -1 if by none."""
        return netlink.namespace_number(self.netlink(place), self.home())

    def port_owner(self, protocol: str, port: int, bound: tuple[int, str]) -> str:
        """Return words for the process that has a port of the host at an (IP version, address), empty if none has.

        :raises NetloomError: option_invalid, there is no such address.
        """
        from . import ports

        return self.look("look for who has a port", ports.owner, protocol, port, bound)

    def port_numbers(self) -> range:
        """Return the ports that may be handed out."""
        from . import ports

        return self.look("read which ports may be handed out", ports.numbers)

    def lacks_dnsmasq(self) -> str:
        """Return why there can be no name server, empty if there can."""
        if self._lacks_dnsmasq is None:
            from . import resolvers

            self._lacks_dnsmasq = self.look("look for dnsmasq", resolvers.lacking)
        return self._lacks_dnsmasq

    def ipv6_is_off(self, place: str) -> bool:
        """Return whether a sandbox that is there has been told to have no IPv6, as far as anybody can be told."""
        return self.is_made(place) and self.inside(place, _sysctl, "net/ipv6/conf/all/disable_ipv6") != "0"

    def setting_faults(self, place: str, paths: Sequence[str]) -> dict[str, str]:
        """Return what is wrong with those of some settings, by path, that cannot be set in a sandbox.

        One that is still to be made will have what any new namespace has.
        """
        from . import namespaces, sysctls

        if self.is_made(place):
            return self.look("look at settings", self.inside, place, sysctls.faults, paths)
        return self.look("look at settings", namespaces.in_new, sysctls.faults, paths)

    def forget(self, flows: Any) -> None:
        """Have the kernel forget connections (`_flows.Flows`) that something else is at the other end of by now."""
        from . import flows as tracking

        tracking.forget(self, flows)

    def forward_drops(self, networks: Iterable[Network]) -> list[str]:
        """Return, for each other program that drops what the bridges of networks forward, what it drops and the cure."""
        from . import firewall

        return self.look("read other programs' firewalls", firewall.foreign_forward_drops, networks)

    def queue_max(self) -> int:
        """Return how many packets a processor queues for interfaces of this host; 0 where the kernel does not say."""
        return int(_sysctl("net/core/netdev_max_backlog") or 0)

    def neighbours_max(self, version: int) -> int:
        """Return how many neighbours of an IP version the kernel keeps, for the host and all containers together."""
        return self.look("read the limits of neighbours", netlink.neighbours_max, self.netlink(HOST), version)

    def announce(self, changes: Sequence[Change]) -> None:
        """Tell the neighbours of every address that `changes` gave to a sandbox where it is now."""
        came_up = {(change.after.place, change.after.ifname) for change in changes if isinstance(change.after, Up)}
        untold = [
            change.after
            for change in changes
            if isinstance(change.after, Address)
            and change.after.place != HOST
            # The kernel has told of IPv4 addresses when the interface came up (arp_notify).
            and (change.after.address.version == 6 or (change.after.place, change.after.ifname) not in came_up)
        ]
        if untold:
            from . import announcing

            announcing.announce(self, untold)


def _sysctl(path: str) -> str | None:
    from . import sysctls

    return sysctls.read(path)


def _observed(host: Host, name: str, wanted: list[Resource]) -> list[Resource]:
    return list(handler(name).observe(host, wanted))
