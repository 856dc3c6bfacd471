# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netavark and its plugins: programs that read JSON, and make an interface in the namespace whose path they are given.

netavark takes something down in the namespace where it was set up, and fails half-way where that is gone, or what it
looks for in it. So it is given a namespace to stand in for one that has gone, and a bridge that was damaged is made whole
before it is removed. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any

from .. import _netavark
from .._errors import NetloomError
from .._model import HOST
from .._plugins import INTERRUPTED, PluginEndpoint, PluginNetwork
from . import journal, namespaces, netavark_programs, netlink, netns
from .netavark_programs import Program
from .netlink import IFF_UP, LinkState

IS_UNSURE = False


def find(driver: str, options: Mapping[str, str]) -> None:
    """:raises NetloomError: driver_not_found."""
    dirs = options.get("plugin_dirs") or options.get("netloom.plugin_dirs") or ""
    if all(folder.startswith("/") for folder in dirs.replace(",", ":").split(":") if folder):
        netavark_programs.find(driver, dirs)


def make_network(host: Any, network: PluginNetwork) -> dict[str, Any]:
    """Have the plugin say what it makes of a network. netavark has no say in it before version 2."""
    program = Program(network.driver, network.request)
    told = json.loads(network.request)["network"]
    if not program.own:
        host.execute(f"ask plugin {network.driver} who it is", program.check_api)
    elif not host.execute("ask netavark for its version", program.creates):
        return {"network": told}
    return {"network": host.execute(f"create network {network.network}", program.create, told)}


def remove_network(host: Any, network: PluginNetwork) -> None:
    """Tell nobody: there is no call for it. What was made for its members has gone with them."""


def make(host: Any, endpoint: PluginEndpoint, before: dict[str, Any]) -> dict[str, Any]:
    """Have the interface set up, and see that it is what was asked for.

    :raises NetloomError: endpoint_exists; driver_error, driver_timeout and so on, as its words are.
    """
    place, ifname = endpoint.place, endpoint.ifname
    if host.find_index(place, ifname):
        # The plugin has not been told: nothing of it is there, and this interface is not its own.
        host.execute("write the records", journal.forget, host.records, endpoint)
        container = place.partition(":")[2]
        raise NetloomError("endpoint_exists", f"interface_name: {ifname} exists in {container} already")
    program, request = Program(endpoint.driver, endpoint.within), json.loads(endpoint.request)
    network = _network(host, endpoint)
    # netavark leaves a macvlan that it cannot bring up, since its MAC address is taken, and then cannot make another one.
    unfinished, path = partial(sweep, host, endpoint), _path(host, place)
    answer = host.execute(f"set up {endpoint.title}", program.setup, network, request, path, clear=unfinished)
    with program.blamed():
        _netavark.check_setup(request, answer)
        link = _link(host, endpoint)
        lacking = _lacking(host, endpoint, link, "")
        if lacking:
            raise NetloomError("driver_error", f"setup says that it has made {ifname}; but {lacking}")
    return {"mac": link.mac if link else "", "netns": _identity(host, place), "status": answer}


def remove(host: Any, endpoint: PluginEndpoint) -> None:
    """Have the interface taken down, and whatever else was made for it."""
    program, request = Program(endpoint.driver, endpoint.within), json.loads(endpoint.request)
    network = _network(host, endpoint)
    title = f"take down {endpoint.title}"
    if program.own:
        _remove_own(host, endpoint, program, network, title)
        return
    answer = json.loads(endpoint.answer or "{}")
    there = host.is_made(endpoint.place) and answer.get("netns", _identity(host, endpoint.place)) == _identity(
        host, endpoint.place
    )
    try:
        if there:
            host.execute(title, program.teardown, network, request, _path(host, endpoint.place))
        else:
            host.execute(title, _stand_in, program.teardown, network, request)
    except NetloomError as exc:
        if there and not endpoint.fault:
            raise
        host.notes.append(f"cannot {title}: {exc.message}; it is forgotten here, and may be left there")


def _remove_own(host: Any, endpoint: PluginEndpoint, program: Program, network: dict[str, Any], title: str) -> None:
    request = json.loads(endpoint.request)
    bridge = program.bridge(network)
    whole = _own_link(host, endpoint) is not None and (not bridge or host.find_index(HOST, bridge))
    if whole and endpoint.fault != INTERRUPTED:
        host.execute(title, program.teardown, network, request, _path(host, endpoint.place))
        return
    sweep(host, endpoint)
    if bridge:
        host.execute(title, _stand_in, program.make_and_take_down, network, request)


def _stand_in(act: Any, network: dict[str, Any], request: dict[str, Any]) -> None:
    """Call a plugin with a namespace that is there for nothing else."""
    descriptor = namespaces.in_new(netns.here)
    try:
        act(network, request, f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def sweep(host: Any, endpoint: PluginEndpoint) -> None:
    """Remove what is left of the interface in the sandbox, if it is the plugin's."""
    found = _own_link(host, endpoint) if _netavark.is_own(endpoint.driver) else _plugins_link(host, endpoint)
    if found is None:
        return
    from . import messages

    wire = host.netlink(endpoint.place)
    host.execute(f"remove interface {endpoint.ifname}", host.gone, wire.change, messages.delete_link(found.ifindex))


def _own_link(host: Any, endpoint: PluginEndpoint) -> LinkState | None:
    """Return the interface that netavark itself has made in the sandbox.

    It is known by its kind, and by the MAC that was asked for or what it is attached to.
    """
    found, name = _link(host, endpoint), _netavark.name_of(endpoint.driver)
    if found is None or found.kind != _netavark.KINDS[name]:
        return None
    if found.mac == json.loads(endpoint.request)["network_options"].get("static_mac"):
        return found
    upper = json.loads(endpoint.within)["network"].get("network_interface", "")
    other = _other_end(host, endpoint, found)
    return found if other is not None and upper and upper in (other.name, host.ifname(other.master)) else None


def _other_end(host: Any, endpoint: PluginEndpoint, link: LinkState) -> LinkState | None:
    """Return what an interface in the sandbox hangs on in the host, None for nothing there."""
    if not link.peer or link.netnsid < 0 or link.netnsid != host.number_in(endpoint.place):
        return None
    return netlink.link(host.netlink(HOST), host.ifname(link.peer))


def _plugins_link(host: Any, endpoint: PluginEndpoint) -> LinkState | None:
    """Return the interface that a plugin has left in the sandbox, where it is the one that it was set up in."""
    found, answer = _link(host, endpoint), json.loads(endpoint.answer or "{}")
    if found is None or answer.get("netns", _identity(host, endpoint.place)) != _identity(host, endpoint.place):
        return None
    return found if answer.get("mac", found.mac) == found.mac else None


def _link(host: Any, endpoint: PluginEndpoint) -> LinkState | None:
    if not host.is_made(endpoint.place):
        return None
    return netlink.link(host.netlink(endpoint.place), endpoint.ifname)


def fault(host: Any, resource: Any) -> str:
    """Return what of an endpoint is not there any more, or is another one. Of a network there is nothing to see."""
    if isinstance(resource, PluginNetwork):
        return ""
    if not host.is_made(resource.place):
        return "its container is gone"
    answer = json.loads(resource.answer or "{}")
    return _lacking(host, resource, host.link(resource.place, resource.ifname), answer.get("mac", ""))


def _lacking(host: Any, endpoint: PluginEndpoint, link: LinkState | None, mac: str) -> str:
    ifname = endpoint.ifname
    if link is None:
        return f"{ifname} is missing"
    options = json.loads(endpoint.request)["network_options"]
    expected = mac or options.get("static_mac", link.mac)
    if link.mac != expected:
        return f"{ifname} has the MAC {link.mac}, not {expected}"
    if not link.flags & IFF_UP:
        return f"{ifname} is down"
    wire = host.netlink(endpoint.place)
    there = {each.address for version in (4, 6) for each in netlink.addresses(wire, link.ifindex, version)}
    for address in options["static_ips"]:
        if ip_address(address).packed not in there:
            return f"{ifname} lacks the address {address}"
    return _bridge_lacking(host, endpoint, link) if _netavark.name_of(endpoint.driver) == "bridge" else ""


def _bridge_lacking(host: Any, endpoint: PluginEndpoint, link: LinkState) -> str:
    """Return what is not there on the host's side of an interface that netavark has made."""
    told = json.loads(endpoint.within)["network"]
    name = told["network_interface"]
    bridge = netlink.link(host.netlink(HOST), name)
    if bridge is None:
        return f"bridge {name} is missing"
    if not bridge.flags & IFF_UP:
        return f"bridge {name} is down"
    outer = _other_end(host, endpoint, link)
    if outer is None or outer.master != bridge.ifindex:
        return f"{endpoint.ifname} is not on bridge {name}"
    if told.get("options", {}).get("mode") == "unmanaged":
        return ""  # its addresses are somebody else's business
    wire = host.netlink(HOST)
    there = {each.address for version in (4, 6) for each in netlink.addresses(wire, bridge.ifindex, version)}
    for subnet in _netavark.network_seen(told, json.loads(endpoint.request))["subnets"]:
        gateway = subnet.get("gateway")
        if gateway and ip_address(gateway).packed not in there:
            return f"bridge {name} lacks the address {gateway}"
    return ""


def _network(host: Any, endpoint: PluginEndpoint) -> dict[str, Any]:
    """Return the network as the plugin has answered it, or as it was told where that answer is of something else by now."""
    found = journal.read(host.records, ("plugin network", endpoint.network))
    if found is not None and found[1] and found[0]["request"] == endpoint.within:
        return json.loads(found[1])["network"]
    return json.loads(endpoint.within)["network"]


def _path(host: Any, place: str) -> str:
    """Return a path to a sandbox: the one that it is known by, as long as that leads to the one that is open."""
    known, descriptor = host.sandbox(place).key, host.descriptor(place)
    try:
        if os.path.samestat(os.stat(known), os.fstat(descriptor)):
            return known
    except OSError:
        pass
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _identity(host: Any, place: str) -> str:
    """Return what tells the sandbox that is open from any other."""
    sandbox = host.sandbox(place) if host.is_made(place) else None
    return f"{sandbox.boot_id} {sandbox.cookie} {sandbox.inode}" if sandbox else ""
