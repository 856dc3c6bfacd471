# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets and addresses of Docker plugins: asked for, kept in the records, and given back.

What is asked for is noted in the same step, as told: it is a plan's to say that it stays. What no plan has taken is given
back when the host is done with, and after a killed run by the next one of that network. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from .. import _docker_plugins as protocol
from .._changes import Change
from .._errors import NetloomError
from .._model import PRESENT, IPAddress, Subnet
from .._plugin_pools import ADDRESS, KINDS, POOL, PluginAddress, PluginPool
from .._plugins import compact
from .._resources import Resource
from . import journal, remote
from .plugin_client import Refused, Unknown

_GIVEN_BACK = "given back"  # or on its way there: whether the plugin has it is not known
_GATEWAY = "com.docker.network.gateway"
_MAC = "com.docker.network.endpoint.macaddress"
_CLASSES: dict[str, Any] = {POOL: PluginPool, ADDRESS: PluginAddress}


class PluginPools:
    """What a network has of the plugin that hands out its addresses."""

    def __init__(self, host: Any, network: str):
        self._host, self._network = host, network
        self._driver = self._way = self._space = ""
        self._begun = False

    def use(self, driver: str, way: str) -> None:
        """Have it be this plugin that is asked from now on."""
        self._driver, self._way = driver, way

    def begin(self) -> None:
        """Have the plugin have back what a killed run has left, once: what this one asks for is another matter.

        :raises NetloomError: driver_error, driver_timeout.
        """
        if not self._begun:
            self._begun = True
            self.give_back()

    # --- asking ---

    def wants_mac(self) -> bool:
        """Return whether the plugin wants to know an endpoint's MAC address before it gives an address."""
        return protocol.is_set(self._plugin().capabilities[protocol.IPAM], "RequiresMACAddress")

    def space(self, subnet: Subnet | None) -> str:
        """Return the address space of a subnet, or of those that are new."""
        row = journal.read(self._host.records, (POOL, self._network, str(subnet))) if subnet else None
        return json.loads(row[1]).get("AddressSpace", "") if row else self._space

    def request_pool(self, request: dict[str, Any]) -> tuple[Subnet, IPAddress | None]:
        """Return a subnet, and the gateway there that the plugin names, if it does.

        :raises NetloomError: driver_error, driver_timeout.
        """
        plugin = self._plugin()
        if not self._space:
            spaces = plugin.ask(f"{protocol.IPAM}.GetDefaultAddressSpaces")
            self._space = plugin.understood("GetDefaultAddressSpaces", protocol.local_space, spaces)
        what = f"claim a subnet for network {self._network}"
        return self._host.execute(what, self._request_pool, plugin, {"AddressSpace": self._space, **request})

    def _request_pool(self, plugin: Any, body: dict[str, Any]) -> tuple[Subnet, IPAddress | None]:
        told = plugin.ask(f"{protocol.IPAM}.RequestPool", body)
        try:
            number, subnet, gateway = plugin.understood("RequestPool", protocol.pool, told, body)
        except NetloomError:
            _decline(plugin, "ReleasePool", {"PoolID": told.get("PoolID")})
            raise
        resource = PluginPool(self._driver, self._network, str(subnet), self._way)
        answer = {"PoolID": number, "AddressSpace": self._space, "request": body}
        self._note(resource, answer)
        return subnet, gateway

    def request_address(
        self, subnet: Subnet, address: IPAddress | None, *, gateway: bool = False, mac: str | None = None
    ) -> IPAddress:
        """Return an address of a subnet, the one that is asked for if one is.

        :raises NetloomError: driver_error, driver_timeout.
        """
        options: dict[str, str] | None = {"RequestAddressType": _GATEWAY} if gateway else None
        if mac is not None and self.wants_mac():
            options = {_MAC: mac}
        what = f"claim an address for network {self._network}"
        return self._host.execute(what, self._request_address, self._plugin(), subnet, address, options)

    def _request_address(
        self, plugin: Any, subnet: Subnet, address: IPAddress | None, options: dict[str, str] | None
    ) -> IPAddress:
        body = {"PoolID": self._pool_id(str(subnet)), "Address": str(address or ""), "Options": options}
        told = plugin.ask(f"{protocol.IPAM}.RequestAddress", body)
        try:
            found = plugin.understood("RequestAddress", protocol.address, told, subnet, address)
        except NetloomError:
            given = str(told.get("Address", "")).partition("/")[0]
            _decline(plugin, "ReleaseAddress", {"PoolID": body["PoolID"], "Address": given})
            raise
        resource = PluginAddress(self._driver, self._network, str(found), str(subnet), self._way)
        self._note(resource, {"Options": options})
        return found

    def _note(self, resource: Any, answer: dict[str, Any]) -> None:
        row = journal.read(self._host.records, resource.key)
        if row is None or row[2] != PRESENT:
            journal.write(self._host.records, resource, compact(answer), journal.TOLD)

    def _pool_id(self, subnet: str) -> str:
        row = journal.read(self._host.records, (POOL, self._network, subnet))
        if row is None:
            raise NetloomError("driver_error", f"network {self._network}: plugin {self._driver} has given no {subnet}")
        return json.loads(row[1])["PoolID"]

    def _plugin(self) -> Any:
        return remote.client(self._host, self._driver, self._way, protocol.IPAM)

    # --- what becomes of it ---

    def make(self, resource: Any) -> None:
        """Have what was claimed stay; what was given back, or is to be the plugin's from now on, is claimed first."""
        self.use(resource.driver, resource.way)
        row = journal.read(self._host.records, resource.key)
        if row is None or row[2] == _GIVEN_BACK:
            self._claim_again(resource, json.loads(row[1]) if row else {})
            row = journal.read(self._host.records, resource.key)
        answer = row[1] if row else ""
        self._host.execute("write the records", journal.write, self._host.records, resource, answer)

    def _claim_again(self, resource: Any, answer: dict[str, Any]) -> None:
        if isinstance(resource, PluginPool):
            version = ip_network(resource.subnet).version
            request = {"SubPool": "", "Options": {}, "V6": version == 6, **answer.get("request", {})}
            request.pop("AddressSpace", None)
            self.request_pool({**request, "Pool": resource.subnet})
            return
        options, subnet, address = answer.get("Options"), ip_network(resource.subnet), ip_address(resource.address)
        what = f"claim {resource.title}"
        try:
            self._host.execute(what, self._request_address, self._plugin(), subnet, address, options)
        except Refused:
            if not answer:
                raise
            # It was not given back, as it seems, and is this network's still.
            journal.write(self._host.records, resource, compact(answer), journal.TOLD)

    def remove(self, resource: Any) -> None:
        """Give something back. A plugin that does not know it any more says so, and need not have it back."""
        row = journal.read(self._host.records, resource.key)
        if row is None:
            return
        if isinstance(resource, PluginPool):
            self.give_back(resource.subnet)
        self.use(resource.driver, resource.way)
        self._host.execute("write the records", journal.write, self._host.records, resource, row[1], _GIVEN_BACK)
        try:
            self._release(resource, json.loads(row[1] or "{}"))
        except NetloomError as exc:
            if not (self._host.gives_up or isinstance(exc, Refused)):
                raise
            self._host.notes.append(f"cannot release {resource.title}: {exc.message}")
        self._host.execute("write the records", journal.forget, self._host.records, resource)

    def _release(self, resource: Any, answer: dict[str, Any]) -> None:
        method, body = "ReleasePool", {"PoolID": answer.get("PoolID", "")}
        if isinstance(resource, PluginAddress):
            if journal.read(self._host.records, (POOL, self._network, resource.subnet)) is None:
                return  # it has gone with its subnet
            method, body = "ReleaseAddress", {"PoolID": self._pool_id(resource.subnet), "Address": resource.address}
        try:
            self._host.execute(f"release {resource.title}", self._plugin().ask, f"{protocol.IPAM}.{method}", body)
        except Unknown:
            pass

    def give_back(self, subnet: str = "") -> None:
        """Give back what no plan has taken: addresses, then subnets; or just the addresses of one.

        :raises NetloomError: driver_error, driver_timeout, of the first that could not be given back.
        """
        failure = None
        for kind in (ADDRESS,) if subnet else reversed(KINDS):
            for key in journal.keys(self._host.records, kind, self._network):
                row = journal.read(self._host.records, key)
                if row is None or row[2] == PRESENT or subnet not in ("", row[0]["subnet"]):
                    continue
                try:
                    self.remove(_CLASSES[kind](**row[0]))
                except NetloomError as exc:
                    failure = failure or exc
        if failure:
            raise failure


def _as_named(removals: Sequence[Change]) -> Iterator[Change]:
    for kind in reversed(KINDS):
        yield from (change for change in reversed(removals) if change.resource.key[0] == kind)


def _decline(plugin: Any, method: str, body: dict[str, Any]) -> None:
    """Give back what a plugin has given wrongly, as far as it can be named."""
    try:
        if all(isinstance(value, str) and value for value in body.values()):
            plugin.ask(f"{protocol.IPAM}.{method}", body)
    except NetloomError:
        pass


def give_back_all(host: Any) -> None:
    """Give back what this host has asked for and no plan has taken. What fails is left for the next run."""
    for pools in host.pools_of_plugins.values():
        try:
            pools.give_back()
        except NetloomError as exc:
            host.notes.append(exc.message)


def observe(host: Any, wanted: Sequence[Any]) -> Iterator[Resource]:
    """Yield what of `wanted` plugins have given. What was asked for and not taken yet counts as not there."""
    for item in wanted:
        row = journal.read(host.records, item.key)
        if row is not None and row[2] == PRESENT:
            yield type(item)(**{**row[0], "way": item.way})


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Keep what was claimed, and give back what is not needed any more."""
    removals = [change for change in changes if change.after is None]
    # As Docker does, IPv4 and the gateway come first: a plan removes last what is named first.
    for change in (*(change for change in changes if change.after is not None), *_as_named(removals)):
        resource: Any = change.resource
        pools = host.plugin_pools(resource.network)
        if change.after is None:
            pools.remove(resource)
        else:
            pools.make(resource)
