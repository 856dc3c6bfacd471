# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker plugins as network drivers: told what dockerd would tell them, in its order.

A plugin makes an interface in the host's namespace and names it. That one is moved to the container and configured here;
it has to be one that was not there before the plugin was asked. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from .. import _docker_plugins as protocol
from .._changes import Change
from .._drivers.registry import AVAILABLE
from .._errors import NetloomError
from .._model import HOST, IPAM_DRIVERS
from .._names import nearest
from .._plugins import ELSEWHERE, MISSING, PluginEndpoint, PluginNetwork, PluginService, compact
from .._resources import Route
from . import journal, netlink, plugin_links, routes
from . import plugin_discovery as discovery
from .plugin_client import Client, Refused, Unknown

IS_UNSURE = True
_TIMEOUT_SECONDS = 30


def find(driver: str, options: Mapping[str, str]) -> None:
    """:raises NetloomError: as `find_named`."""
    find_named(driver, "driver")


def find_named(driver: str, option: str) -> None:
    """:raises NetloomError: driver_not_found; driver_error, a file names no address."""
    if discovery.locate(driver) is None:
        known = discovery.names()
        there = f"and the plugins {', '.join(known)}" if known else "and no plugin"
        kind, builtin = ("a driver", AVAILABLE) if option == "driver" else ("an IPAM driver", IPAM_DRIVERS)
        raise NetloomError(
            "driver_not_found",
            f"{option}: {driver!a} is not {kind}{nearest(driver, [*builtin, *known])}; available: {', '.join(builtin)},"
            f" {there}; {discovery.where()}",
        )


def greet(host: Any, driver: str, way: str) -> None:
    """Make sure that a plugin answers, and is a network driver of this host.

    :raises NetloomError: driver_not_found, driver_error, driver_timeout.
    """
    client(host, driver, way, protocol.NETWORK)


def client(host: Any, driver: str, way: str, role: str) -> Greeted:
    """Return the way to a plugin, which has said by now that it can do what it is asked.

    :raises NetloomError: driver_not_found, it says that it cannot; driver_error, driver_timeout.
    """
    key = ("plugin", driver, way)
    options = json.loads(way) if way else {}
    if key not in host.clients:
        address = discovery.locate(driver)
        if address is None:
            raise NetloomError(
                "driver_error",
                f"plugin {driver} is gone ({discovery.where()}); without it only force=true on state=absent removes its network",
            )
        exposed = discovery.insecure(address)
        if exposed and not options.get("insecure"):
            raise NetloomError(
                "driver_error", f"plugin {driver}: {exposed}; plugin_insecure=true among the options allows that"
            )
        host.clients[key] = Greeted(
            driver, address, options.get("timeout", _TIMEOUT_SECONDS), retrying=not host.gives_up
        )
    found = host.clients[key]
    found.greet(role)
    return found


class Greeted(Client):
    """A client that has made itself known before it asks."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._roles: list[str] | None = None
        self.capabilities: dict[str, dict[str, Any]] = {}  # by role

    def greet(self, role: str) -> None:
        """Have the plugin say, once in a task, what it is and can.

        :raises NetloomError: as `client`.
        """
        if self._roles is None:
            self._roles = self._understood("Plugin.Activate", protocol.implements)
        if role not in self._roles:
            raise NetloomError(
                "driver_not_found",
                f"plugin {self._name} is no {role}: it implements {', '.join(self._roles)[:200] or 'nothing'}",
            )
        if role not in self.capabilities:
            self.capabilities[role] = self._capabilities(role)

    def _capabilities(self, role: str) -> dict[str, Any]:
        try:
            found = self.ask(f"{role}.GetCapabilities")
        except Unknown:
            return {}
        if role == protocol.NETWORK and self.understood("GetCapabilities", protocol.scope, found) == "global":
            raise NetloomError(
                "driver_error",
                f"plugin {self._name} is of scope global: its networks are those of a swarm, which allocates them; this is one host",
            )
        return found

    def _understood(self, method: str, parse: Any) -> Any:
        return self.understood(method, parse, self.ask(method))

    def understood(self, method: str, parse: Any, *args: Any) -> Any:
        """Return what an answer means.

        :raises NetloomError: driver_error.
        """
        try:
            return parse(*args)
        except NetloomError as exc:
            raise NetloomError(exc.code, f"plugin {self._name}: {method}: {exc.message}") from None


# --- networks ---


def make_network(host: Any, network: PluginNetwork) -> dict[str, Any]:
    """CreateNetwork."""
    plugin = client(host, network.driver, network.way, protocol.NETWORK)
    host.execute(
        f"create {network.title}", plugin.ask, f"{protocol.NETWORK}.CreateNetwork", json.loads(network.request)
    )
    return {}


def remove_network(host: Any, network: PluginNetwork) -> None:
    """DeleteNetwork."""
    number = {"NetworkID": json.loads(network.request)["NetworkID"]}
    _forget(host, network, f"remove {network.title}", "DeleteNetwork", number)


# --- endpoints ---


def make(host: Any, endpoint: PluginEndpoint, before: dict[str, Any]) -> dict[str, Any]:
    """CreateEndpoint and Join; the interface that the plugin has made then goes to the container.

    An endpoint that is made again is a new one to the plugin, as with Docker: it may still know the last one.
    """
    plugin = client(host, endpoint.driver, endpoint.way, protocol.NETWORK)
    request, within = json.loads(endpoint.request), json.loads(endpoint.within)
    ids = {"NetworkID": within["NetworkID"], "EndpointID": os.urandom(32).hex()}
    host.execute("write the records", journal.write, host.records, endpoint, compact(ids), journal.TOLD)
    there = {link.ifindex for link in host.look("read interfaces", netlink.links, host.netlink(HOST))}
    body = {**ids, "Interface": request["Interface"], "Options": {**request["Options"], **request["Ports"]}}
    made = host.execute(f"create {endpoint.title}", plugin.ask, f"{protocol.NETWORK}.CreateEndpoint", body)
    mac = plugin.understood("CreateEndpoint", protocol.interface_mac, made, request["Interface"])
    body = {**ids, "SandboxKey": host.sandbox(endpoint.place).key, "Options": request["Ports"]}
    told = host.execute(f"join {endpoint.title}", plugin.ask, f"{protocol.NETWORK}.Join", body)
    pools = [ip_network(datum["Pool"]) for name in ("IPv4Data", "IPv6Data") for datum in within[name]]
    versions = [version for version, name in ((4, "Address"), (6, "AddressIPv6")) if request["Interface"][name]]
    joined = plugin.understood("Join", protocol.joined, told, pools, versions)
    link = plugin_links.made(host, endpoint, joined.source, there)
    answer = {**ids, "link": joined.source, "gateways": dict(joined.gateways), "routes": [*joined.routes]}
    host.execute("write the records", journal.write, host.records, endpoint, compact(answer), journal.TOLD)
    found = plugin_links.move_in(host, endpoint, link, ids["EndpointID"], mac or request["Interface"]["MacAddress"])
    return {**answer, "mac": found.mac, "mtu": found.mtu}


def remove(host: Any, endpoint: PluginEndpoint) -> None:
    """Leave and DeleteEndpoint; in between the interface goes back to where the plugin had made it."""
    answer = json.loads(endpoint.answer or "{}")
    if "EndpointID" not in answer:
        return  # it was not told anything yet
    ids = {name: answer[name] for name in ("NetworkID", "EndpointID")}
    _forget(host, endpoint, f"have {endpoint.title} leave", "Leave", ids)
    plugin_links.move_out(host, endpoint, answer)
    _forget(host, endpoint, f"remove {endpoint.title}", "DeleteEndpoint", ids)


def sweep(host: Any, endpoint: PluginEndpoint) -> None:
    """Remove the interface, if it is still somewhere."""
    answer = json.loads(endpoint.answer or "{}")
    for place, name in ((endpoint.place, endpoint.ifname), (HOST, answer.get("link", ""))):
        link = plugin_links.marked(host, place, name, endpoint, answer)
        if link is not None:
            from . import messages

            deletion = messages.delete_link(link.ifindex)
            host.execute(f"remove interface {endpoint.ifname}", host.gone, host.netlink(place).change, deletion)


def fault(host: Any, resource: Any) -> str:
    """Return why an interface, or what is done for it, is not as it was made. Of a network only the plugin could tell."""
    if isinstance(resource, PluginNetwork):
        return ""
    if isinstance(resource, PluginService):
        return _fault_of_service(host, resource)
    answer = json.loads(resource.answer or "{}")
    if host.is_made(resource.place) and resource.sandbox != host.identity(resource.place):
        return ELSEWHERE
    link = host.link(resource.place, resource.ifname)
    if link is None:
        return f"{MISSING}{resource.ifname}"
    if link.alias != plugin_links.tag_of(resource, answer):
        return "its interface is another one"
    for name, found in (("mac", link.mac), ("mtu", link.mtu)):
        if found != answer.get(name):
            return f"its {name.upper()} is {found}, and was {answer.get(name)}"
    return ""


# --- what is done for an endpoint that is up ---


def serve(host: Any, service: PluginService, before: PluginService | None) -> dict[str, Any]:
    """Have the plugin's routes be there, and its way in and out, if this endpoint is the container's way out."""
    plugin = client(host, service.driver, service.way, protocol.NETWORK)
    answer = _of_endpoint(host, service)
    ids = {name: answer[name] for name in ("NetworkID", "EndpointID")}
    given = answer["routes"]
    if before is None:
        missing = _missing_routes(host, service, given)
        routes.apply(host, [Change(None, route) for route in missing])
        given = [(route.destination, route.gateway) for route in missing]
    else:
        given = json.loads(before.answer or "{}").get("routes", [])
    was_programmed = before is not None and json.loads(before.answer or "{}").get("programmed")
    # As with Docker, an endpoint for which the plugin has named no gateway is no way out.
    programmed = service.external and any(answer["gateways"].values())
    if programmed and not was_programmed:
        body = {**ids, "Options": json.loads(service.request)["Ports"]}
        _tell(host, plugin, f"open the ports of {service.title}", "ProgramExternalConnectivity", body)
    if was_programmed and not programmed:
        _tell(host, plugin, f"close the ports of {service.title}", "RevokeExternalConnectivity", ids)
    _tell(host, plugin, f"look at {service.title}", "EndpointOperInfo", ids)
    return {"programmed": programmed, "routes": given}


def end(host: Any, service: PluginService) -> None:
    """Have the plugin close the ports that it has opened. Its routes go with the interface."""
    answer = _of_endpoint(host, service)
    programmed = json.loads(service.answer or "{}").get("programmed", service.external)
    if programmed and "EndpointID" in answer:
        ids = {name: answer[name] for name in ("NetworkID", "EndpointID")}
        _forget(host, service, f"close the ports of {service.title}", "RevokeExternalConnectivity", ids)


def _fault_of_service(host: Any, service: PluginService) -> str:
    told = journal.read(host.records, ("plugin endpoint", service.network, service.seat))
    if told is None:
        return "its interface is not made"
    fields, answer, state = told
    if state == journal.TOLD:
        return "its interface is not made"
    found = fault(host, PluginEndpoint(**fields, answer=answer))
    given = json.loads(service.answer or "{}").get("routes", [])
    missing = [] if found else _missing_routes(host, service, given)
    return found or (f"its route {missing[0].destination} is not there" if missing else "")


def _of_endpoint(host: Any, service: PluginService) -> dict[str, Any]:
    told = journal.read(host.records, ("plugin endpoint", service.network, service.seat))
    return json.loads(told[1] or "{}") if told else {}


def _missing_routes(host: Any, service: PluginService, given: Iterable[Sequence[str]]) -> list[Route]:
    """Return the plugin's routes to where nothing leads yet. One of another network of the container is as good."""
    wanted = [Route(service.place, to, gateway, service.ifname) for to, gateway in given]
    there = {route.key for route in routes.observe(host, wanted)}
    return [route for route in wanted if route.key not in there]


# --- calls ---


def _tell(host: Any, plugin: Client, what: str, method: str, body: dict[str, Any]) -> None:
    """Tell a plugin what it need not know of."""
    try:
        host.execute(what, plugin.ask, f"{protocol.NETWORK}.{method}", body)
    except Unknown:
        pass


def _forget(host: Any, resource: Any, what: str, method: str, body: dict[str, Any]) -> None:
    """Have a plugin forget something. What was not as it was made, it may not know any more: then it says so."""
    plugin = client(host, resource.driver, resource.way, protocol.NETWORK)
    try:
        _tell(host, plugin, what, method, body)
    except Refused as exc:
        if not resource.fault:
            raise
        host.notes.append(exc.message)
