# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and endpoints that somebody else's plugin makes: a Docker plugin, a CNI plugin, one of netavark's.

What a plugin has been told is in the records, for few can be asked what they have. What it was told once cannot be
changed: another request is a removal and a creation. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from ipaddress import ip_interface
from typing import Any

from ._frozen import dataclass
from ._model import Endpoint
from ._resources import Resource, where

INTERRUPTED = "a change of it was interrupted"
ELSEWHERE = "its container has another network namespace by now"
MISSING = "there is no interface "  # how a fault begins that leaves nothing of an endpoint


@dataclass(frozen=True)
class PluginNetwork(Resource):
    """A network as a plugin knows it. `request` is all that the plugin is told of it, one line of JSON.

    `fault` and `answer` are observed: why it is not as it should be, and what the plugin has answered (JSON). `way` is
    how the plugin is reached, by options that it is not told (JSON).
    """

    driver: str  # as the option has it: weave, cni, netavark:fou
    network: str
    request: str
    fault: str = ""
    answer: str = field(default="", compare=False)
    way: str = field(default="", compare=False)
    rank = -3  # a plugin's addresses are had before it is told of the network, and given back before it forgets it
    handler = "plugins"

    @property
    def key(self):
        return ("plugin network", self.network)

    @property
    def fixed(self):
        return (self.driver, self.request, self.fault)

    @property
    def title(self):
        return f"network {self.network} of plugin {self.driver}"

    def facts(self):
        return {"state": self.fault or "as asked", "request": json.loads(self.request)}


@dataclass(frozen=True)
class PluginMember(Resource):
    """What a plugin does for a container on a network.

    `request` is all that the plugin is told of it, `within` of its network: one line of JSON each. `fault`, `answer` and
    `way` as of a network.
    """

    driver: str
    network: str
    seat: str
    place: str
    ifname: str
    request: str
    within: str = ""
    fault: str = ""
    answer: str = field(default="", compare=False)
    way: str = field(default="", compare=False)
    handler = "plugins"

    @property
    def fixed(self):
        return (self.driver, self.place, self.ifname, self.request, self.within, self.fault)


@dataclass(frozen=True)
class PluginEndpoint(PluginMember):
    """A container's interface that a plugin makes, with what the plugin does for it elsewhere.

    `former` is what it had before, for a plugin to be asked for again; `sandbox` is the namespace that it was made in, as
    the host tells it from others. Neither is a difference.
    """

    former: str = field(default="", compare=False)
    sandbox: str = field(default="", compare=False)
    rank = 42

    @property
    def key(self):
        return ("plugin endpoint", self.network, self.seat)

    @property
    def provides(self):
        # In a namespace that it was not made in, an interface of its name is somebody else's.
        return (self.key,) if self.fault == ELSEWHERE else (self.key, ("link", self.place, self.ifname))

    @property
    def title(self):
        return f"interface {self.ifname}{where(self.place)} by plugin {self.driver} on network {self.network}"

    def facts(self):
        return {"state": self.fault or "as asked", "request": json.loads(self.request)}


@dataclass(frozen=True)
class PluginService(PluginMember):
    """What a plugin does for an endpoint whose interface is up: routes of its own, and the way in and out.

    `external` says that the endpoint gives its container the default route: its published ports are for the plugin to
    open. With the other fields it is made anew.
    """

    external: bool = False
    rank = 81  # once the default route is there
    verbs = ("begin", "change", "end")

    @property
    def key(self):
        return ("plugin service", self.network, self.seat)

    @property
    def title(self):
        return f"service of plugin {self.driver} for {self.ifname}{where(self.place)} on network {self.network}"

    def facts(self):
        return {"state": self.fault or "as asked", "external_connectivity": self.external}


def compact(value: Any) -> str:
    """Return one line of JSON, the same for equal values."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def learned(endpoint: Endpoint, answer: Mapping[str, Any]) -> Endpoint:
    """Return an endpoint with what its plugin has answered: ipv4, ipv6 (address with prefix length), mac and gateways.

    What the answer does not have is as it was; an address that is empty there is none.
    """
    found: dict[str, Any] = {"mac": answer.get("mac") or endpoint.mac}
    for name in ("ipv4", "ipv6"):
        if name in answer:
            found[name] = ip_interface(answer[name]) if answer[name] else None
    if "gateways" in answer:
        found["gateways"] = tuple(sorted(answer["gateways"].items()))
    return replace(endpoint, **found)
