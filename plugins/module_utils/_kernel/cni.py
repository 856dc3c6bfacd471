# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNI plugins: executables that are told by environment and stdin what to make, and answer on stdout (CNI 1.1).

Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from .._errors import NetloomError
from .._plugins import PluginEndpoint, PluginNetwork
from . import programs

PATH = "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni"


def find(driver: str, options: Mapping[str, str]) -> None:
    """Every host has the dialect; which plugins it has is seen when a list names them."""


def make_network(host: Any, network: PluginNetwork) -> dict[str, Any]:
    """Make nothing: CNI knows containers alone."""
    return {}


def remove_network(host: Any, network: PluginNetwork) -> None:
    """Remove nothing."""


def make(host: Any, endpoint: PluginEndpoint, before: dict[str, Any]) -> dict[str, Any]:
    """ADD: each plugin of the list in turn, with what the one before it has answered."""
    result = None
    for plugin in _plugins(endpoint):
        result = host.execute(
            f"add {endpoint.ifname}", _call, "ADD", endpoint, plugin, result, _netns(host, endpoint.place)
        )
    ips = [ip["address"] for ip in (result or {}).get("ips", [])]
    macs = [one.get("mac") for one in (result or {}).get("interfaces", []) if one.get("sandbox")]
    return {
        "result": result,
        "ipv4": next((ip for ip in ips if ":" not in ip), ""),
        "ipv6": next((ip for ip in ips if ":" in ip), ""),
        "mac": next(iter(macs), ""),
    }


def remove(host: Any, endpoint: PluginEndpoint) -> None:
    """DEL, from the last plugin of the list to the first."""
    result = json.loads(endpoint.answer or "{}").get("result")
    netns = _netns(host, endpoint.place) if host.is_open(endpoint.place) else ""
    for plugin in reversed(_plugins(endpoint)):
        host.execute(f"remove {endpoint.ifname}", _call, "DEL", endpoint, plugin, result, netns)


def sweep(host: Any, endpoint: PluginEndpoint) -> None:
    """Leave nothing."""


def fault(host: Any, resource: Any) -> str:
    """CHECK."""
    return ""


def _plugins(endpoint: PluginEndpoint) -> list[dict[str, Any]]:
    conflist = json.loads(endpoint.request)["conflist"]
    common = {"cniVersion": conflist["cniVersion"], "name": conflist["name"]}
    return [{**plugin, **common} for plugin in conflist["plugins"]]


def _netns(host: Any, place: str) -> str:
    return host.sandbox(place).key


def _call(command: str, endpoint: PluginEndpoint, plugin: dict[str, Any], result: Any, netns: str) -> Any:
    path = shutil.which(plugin["type"], path=PATH)
    if path is None:
        raise NetloomError("driver_not_found", f"CNI plugin {plugin['type']!a}: is not in {PATH}")
    request = json.loads(endpoint.request)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": request["containerID"],
        "CNI_NETNS": netns,
        "CNI_IFNAME": endpoint.ifname,
        "CNI_PATH": PATH,
    }
    config = {**plugin, **({"prevResult": result} if result else {})}
    ran = programs.run([path], json.dumps(config).encode(), environment, request["timeout"])
    if ran.status:
        raise NetloomError(
            "driver_error", f"CNI plugin {plugin['type']}: {ran.stdout.decode('utf-8', 'replace')[:500]} {ran.words}"
        )
    return json.loads(ran.stdout) if command == "ADD" else None
