# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of what CNI plugins have made: by what a container has, and by what they say of it (CHECK).

Only reads. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_interface
from typing import Any

from .. import _cni
from .._errors import NetloomError
from .._plugins import MISSING, PluginEndpoint
from . import cni_calls, journal, netlink
from .cni_calls import Attachment, Way


def checks(host: Any, endpoint: PluginEndpoint, answer: dict[str, Any], how: Way) -> Iterable[tuple[str, str]]:
    """Yield (type, words) of each plugin whose CHECK fails. One that is not there by now has nothing to say."""
    request = json.loads(endpoint.request)
    conflist, where = request["conflist"], netns(host, endpoint.place)
    if conflist.get("disableCheck") or not _cni.since(conflist, _cni.CHECKED):
        return
    for plugin in conflist["plugins"]:
        if plugin["type"] in answer.get("unchecked", ()):
            continue
        runtime, former = request["runtimeConfig"], answer.get("former", {})
        config = _cni.told(conflist, plugin, runtime, answer.get("result"), former)
        try:
            host.look("check it", cni_calls.call, "CHECK", config, attachment(endpoint, where), how)
        except NetloomError as exc:
            if exc.code != "driver_not_found":
                yield plugin["type"], exc.message


def missing(host: Any, place: str, answer: dict[str, Any]) -> str:
    """Return words for an interface or address of an answer that a container does not have, empty if it has all."""
    wire = host.netlink(place)
    for name, ips in answer.get("interfaces", {}).items():
        index = host.find_index(place, name)
        if not index:
            return f"{MISSING}{name} in {place.partition(':')[2]}"
        there = {(version, found.address) for version in (4, 6) for found in netlink.addresses(wire, index, version)}
        for ip in map(ip_interface, ips):
            if (ip.version, ip.ip.packed) not in there:
                return f"interface {name} does not have {ip}"
    return ""


def is_there(host: Any, endpoint: PluginEndpoint) -> bool:
    """Return whether the namespace that an endpoint was made in is open."""
    return host.is_made(endpoint.place) and endpoint.sandbox in ("", host.identity(endpoint.place))


def netns(host: Any, place: str) -> str:
    return host.sandbox(place).key


def attachment(endpoint: PluginEndpoint, netns: str) -> Attachment:
    request = json.loads(endpoint.request)
    return Attachment(request["containerID"], endpoint.ifname, netns, request["args"])


def way(host: Any, network: str) -> Way:
    """Return how a network's plugins are run, as it was told last."""
    found = journal.read(host.records, ("plugin network", network))
    told = json.loads(found[0]["request"]) if found else {}
    return Way(told["cni_path"], told["timeout"]) if told else Way()
