# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's plugin protocol, NetworkDriver and IpamDriver: which call is which of the engine's verbs, and its answer.

Nothing here asks Docker anything, which waits for the answer meanwhile. Collection-private. Floor 5.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from .. import _docker_calls as calls
from .._endpoints import pool_of
from .._errors import NetloomError
from .._kernel.host import Host
from .._model import Network
from .._verbs import docker_endpoints, docker_networks, docker_pools

_FOREIGN = ("docker", "podman", "machine")  # engines that no call may ask for a container
_CONSTANT: dict[str, dict[str, Any]] = {
    "Plugin.Activate": {"Implements": ["NetworkDriver", "IpamDriver"]},
    "NetworkDriver.GetCapabilities": {"Scope": "local", "ConnectivityScope": "local", "GwAllocChecker": False},
    "NetworkDriver.EndpointOperInfo": {"Value": {}},  # asked for with every `docker inspect`
    "NetworkDriver.DiscoverNew": {},
    "NetworkDriver.DiscoverDelete": {},
    # What Docker has been given is in the records.
    "IpamDriver.GetCapabilities": {"RequiresMACAddress": False, "RequiresRequestReplay": False},
    "IpamDriver.GetDefaultAddressSpaces": {
        "LocalDefaultAddressSpace": calls.LOCAL,
        "GlobalDefaultAddressSpace": calls.GLOBAL,
    },
}


class Plugin:
    """Answers Docker's calls, one after the other, each under the lock of the state directory.

    `say` is told what an administrator should know, one line at a time.
    """

    def __init__(self, state_dir: str, lock_timeout_seconds: int, say: Callable[[str], Any]):
        self._state_dir, self._timeout, self.say = state_dir, lock_timeout_seconds, say
        self._turn = threading.Lock()  # the callers' order, which the lock of the state directory does not keep

    def begin(self) -> None:
        """Forget what Docker had of an earlier boot."""
        with self._host() as host:
            forgotten = docker_endpoints.forget_earlier_boots(host)
        if forgotten:
            self.say(f"forgotten, since this host has booted: {', '.join(forgotten)}")

    def finish(self) -> None:
        """Wait until no call is being carried out."""
        self._turn.acquire(timeout=self._timeout)

    def knows(self, method: str) -> bool:
        return method in _CONSTANT or method in _CALLS

    def answer(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a call that is known, an error in the words of the modules included."""
        if method in _CONSTANT:
            return _CONSTANT[method]
        if not self._turn.acquire(timeout=self._timeout):
            return failure(method, f"another call has not been answered for {self._timeout} seconds")
        try:
            with self._host() as host:
                return _CALLS[method](self, host, body)
        except NetloomError as exc:
            self.say(f"{method}: {exc.message}")
            return failure(method, exc.message)
        finally:
            self._turn.release()

    def told(self, method: str, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(f"{method}: {line}")

    def _host(self) -> Host:
        host = Host(self._state_dir, self._timeout)
        host.unasked = _FOREIGN
        return host


def failure(method: str, text: str) -> dict[str, Any]:
    """Return the answer that says what is wrong, where the caller looks for it."""
    return {"Error" if method.startswith("IpamDriver.") else "Err": text}


def _create_network(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    outcome = docker_networks.network_created(host, calls.network_call(body))
    plugin.told("NetworkDriver.CreateNetwork", outcome.warnings)
    return {}


def _delete_network(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    docker_networks.network_deleted(host, calls.network_id(body))
    return {}


def _create_endpoint(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    call = calls.endpoint_call(body)
    found = docker_endpoints.endpoint_created(host, call)
    # What Docker has given must not come back.
    chosen = {
        "Address": str(found.ipv4 or "") if call.ipv4 is None else "",
        "AddressIPv6": str(found.ipv6 or "") if call.ipv6 is None else "",
        "MacAddress": "" if call.mac else found.mac,
    }
    return {"Interface": {name: text for name, text in chosen.items() if text}}


def _join(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    names = calls.network_id(body), calls.endpoint_id(body)
    member, network, _outcome = docker_endpoints.endpoint_joined(host, *names, calls.sandbox_key(body))
    prefix = dict(network.options).get("interface_prefix", "eth")
    gateways = {"Gateway": _gateway(network, member.ipv4), "GatewayIPv6": _gateway(network, member.ipv6)}
    return {
        "InterfaceName": {"SrcName": member.ifname, "DstPrefix": prefix},
        **{name: text for name, text in gateways.items() if text},
        "StaticRoutes": [],
        # A network without a way out shall have none: no second interface on docker_gwbridge.
        "DisableGatewayService": True,
    }


def _gateway(network: Network, interface: Any) -> str:
    pool = pool_of(network, interface)
    return str(pool.gateway) if pool and pool.gateway and not network.internal else ""


def _leave(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    docker_endpoints.endpoint_left(host, calls.network_id(body), calls.endpoint_id(body))
    return {}


def _delete_endpoint(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    docker_endpoints.endpoint_deleted(host, calls.network_id(body), calls.endpoint_id(body))
    return {}


def _publish(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    names = calls.network_id(body), calls.endpoint_id(body)
    outcome = docker_endpoints.endpoint_published(host, *names, calls.ports(body))
    plugin.told("NetworkDriver.ProgramExternalConnectivity", outcome.warnings)
    return {}


def _withdraw(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    docker_endpoints.endpoint_withdrawn(host, calls.network_id(body), calls.endpoint_id(body))
    return {}


def _request_pool(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    space, subnet, inside, ipv6 = calls.pool_call(body)
    found = docker_pools.pool_requested(host, space, subnet, inside, ipv6=ipv6)
    return {"PoolID": str(found), "Pool": str(found.subnet), "Data": {}}


def _release_pool(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    docker_pools.pool_released(host, calls.pool_id(body))
    return {}


def _request_address(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    pool = calls.pool_id(body)
    address, gateway = calls.address_call(body, pool)
    return {"Address": str(docker_pools.address_requested(host, pool, address, gateway=gateway)), "Data": {}}


def _release_address(plugin: Plugin, host: Host, body: Mapping[str, Any]) -> dict[str, Any]:
    pool = calls.pool_id(body)
    address, _gateway = calls.address_call(body, pool)
    if address is None:
        raise NetloomError("invalid_address", "Address: none is given back")
    docker_pools.address_released(host, pool, address)
    return {}


_CALLS: dict[str, Callable[[Plugin, Host, Mapping[str, Any]], dict[str, Any]]] = {
    "NetworkDriver.CreateNetwork": _create_network,
    "NetworkDriver.DeleteNetwork": _delete_network,
    "NetworkDriver.CreateEndpoint": _create_endpoint,
    "NetworkDriver.DeleteEndpoint": _delete_endpoint,
    "NetworkDriver.Join": _join,
    "NetworkDriver.Leave": _leave,
    "NetworkDriver.ProgramExternalConnectivity": _publish,
    "NetworkDriver.RevokeExternalConnectivity": _withdraw,
    "IpamDriver.RequestPool": _request_pool,
    "IpamDriver.ReleasePool": _release_pool,
    "IpamDriver.RequestAddress": _request_address,
    "IpamDriver.ReleaseAddress": _release_address,
}
