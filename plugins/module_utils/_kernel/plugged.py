# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half that knows of plugins of others: what they have answered, and the ways to ask them.

Collection-private. Floor 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Callable

from .._changes import Change
from .._model import Endpoint
from .._resources import Resource, Route


class Plugged:
    """What plugins have been asked in this task, and what has come of it."""

    # What the host knows besides.
    records: Any
    lock_timeout_seconds: float | None
    look: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()  # the other halves
        self.learned: dict[tuple[str, str], dict[str, Any]] = {}  # by network and seat, what plugins have answered
        self.pools_of_plugins: dict[str, Any] = {}  # by network, what plugins have given it
        # By place and interface, the gateways that they have named.
        self.ways: dict[tuple[str, str], dict[str, str]] = {}
        self.asked: set[Any] = set()  # what plugins have been asked, and need not be again in this task
        self.gives_up = False  # what a plugin does not answer for is forgotten
        self.notes: list[str] = []  # what the user should know of what was done

    @property
    def only_looks(self) -> bool:
        """Whether nothing is changed, as in check mode."""
        return self.lock_timeout_seconds is None

    def settled(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield changes of routes with the gateways that plugins have named."""
        for change in changes:
            after = self.settle(change.after) if change.after else None
            if change.before or after:
                yield Change(change.before, after)

    def settle(self, resource: Resource) -> Resource | None:
        """Return a default route as the plugins of this host have named its gateway, None where they have named none.

        Everything else is what it is.
        """
        while isinstance(resource, Route) and resource.otherwise is not None:
            named = self.ways.get((resource.place, resource.ifname))
            if named is None:
                break
            gateway = named.get("ipv6" if ":" in resource.destination else "ipv4")
            if gateway:
                return replace(resource, gateway=gateway)
            if not resource.otherwise:
                return None
            resource = resource.otherwise[0]
        return resource

    def as_learned(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint with what its plugin has answered, itself where there is nothing to add."""
        answer = self.learned.get((endpoint.network, endpoint.seat))
        if not answer:
            return endpoint
        from .. import _plugins

        found = _plugins.learned(endpoint, answer)
        return endpoint if found == endpoint else found

    def plugin_pools(self, network: str) -> Any:
        """Return what a network has of the plugin that hands out its addresses, as `plugin_pools.PluginPools`."""
        from . import plugin_pools

        if network not in self.pools_of_plugins:
            self.pools_of_plugins[network] = plugin_pools.PluginPools(self, network)
        return self.pools_of_plugins[network]

    def give_back(self, network: str) -> None:
        """Have plugins have back what a killed run has left of theirs."""
        from . import journal

        if not self.only_looks and journal.keys(self.records, "plugin pool", network):
            self.plugin_pools(network).begin()

    def find_plugin(self, driver: str, options: Mapping[str, str]) -> None:
        """:raises NetloomError: driver_not_found, there is no plugin for a driver; `options` are those of the network."""
        from . import plugins

        self.look(f"look for plugin {driver}", plugins.dialect(driver).find, driver, options)

    def find_ipam_plugin(self, driver: str) -> None:
        """:raises NetloomError: driver_not_found, there is no plugin that could hand out addresses."""
        from . import remote

        self.look(f"look for plugin {driver}", remote.find_named, driver, "ipam_driver")

    def greet_plugin(self, driver: str, way: str) -> None:
        """Make sure that a plugin which is reached over a socket answers, and can do what it is there for.

        :raises NetloomError: driver_not_found, driver_error, driver_timeout.
        """
        from . import plugins

        self.look(f"greet plugin {driver}", plugins.dialect(driver).greet, self, driver, way)

    def prove_plugin(self, driver: str, told: Any, *, ready: bool) -> None:
        """See that a network's plugins can do what they are told; and `ready`, that they can do it now.

        :raises NetloomError: driver_not_found, driver_error, driver_timeout.
        """
        from . import plugins

        plugins.dialect(driver).prove(self, told, ready=ready)

    def read_definition(self, path: str) -> str:
        """Return the text of a file that defines a network.

        :raises NetloomError: option_invalid, it cannot be read.
        """
        from . import plugins

        return self.look(f"read {path}", plugins.definition, path)
