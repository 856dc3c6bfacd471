# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces that Docker plugins make: found in the host's namespace, moved to a container, and back.

Collection-private. Floor 4.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .._errors import NetloomError
from .._model import HOST
from .._names import network_tag
from .._plugins import PluginEndpoint
from . import netlink

_OURS = "netloom:"  # how the marks of our links begin
_LOOPBACK = 8  # IFF_LOOPBACK of linux/if.h


def made(host: Any, endpoint: PluginEndpoint, name: str, before: Collection[int]) -> netlink.LinkState:
    """Return the link that a plugin has made for a container.

    :raises NetloomError: driver_error, there is none, or it was there before: one of the host's own.
    """
    link = netlink.link(host.netlink(HOST), name)
    at = f"plugin {endpoint.driver}: Join: InterfaceName.SrcName is {name}"
    if link is None:
        raise NetloomError("driver_error", f"{at}, which is not there")
    if link.ifindex in before or link.name != name or link.flags & _LOOPBACK or link.alias.startswith(_OURS):
        raise NetloomError("driver_error", f"{at}, which is one of the host's own interfaces")
    return link


def move_in(host: Any, endpoint: PluginEndpoint, link: Any, number: str, mac: str) -> netlink.LinkState:
    """Mark a link, move it to the container under its name there, and give it its MAC address; return it."""
    from . import messages

    wire = host.netlink(HOST)
    tag = network_tag(endpoint.network, number)
    down = messages.set_up(link.ifindex, up=False)  # one that is up can have no other name
    host.execute(f"take down the interface that becomes {endpoint.ifname}", wire.change, down)
    host.execute(
        f"mark the interface that becomes {endpoint.ifname}", wire.change, messages.set_link(link.ifindex, alias=tag)
    )
    move = messages.move_link(link.ifindex, endpoint.ifname, host.descriptor(endpoint.place))
    host.execute(f"move interface {endpoint.ifname} to {endpoint.place.partition(':')[2]}", wire.change, move)
    inner = host.netlink(endpoint.place)
    if mac and mac != link.mac:
        setting = messages.set_link(host.index(endpoint.place, endpoint.ifname), address=mac)
        host.execute(f"configure interface {endpoint.ifname}", inner.change, setting)
    found = netlink.link(inner, endpoint.ifname)
    if found is None:
        raise NetloomError("apply_failed", f"interface {endpoint.ifname} is gone")
    return found


def move_out(host: Any, endpoint: PluginEndpoint, answer: dict[str, Any]) -> None:
    """Move a link back to the host under the name that its plugin knows it by, if nothing has that."""
    name = answer.get("link", "")
    link = marked(host, endpoint.place, endpoint.ifname, endpoint, answer)
    if link is None or host.find_index(HOST, name):
        return
    from . import messages

    wire = host.netlink(endpoint.place)
    host.execute(f"take down {endpoint.ifname}", host.gone, wire.change, messages.set_up(link.ifindex, up=False))
    move = messages.move_link(link.ifindex, name, host.home())
    host.execute(f"move interface {endpoint.ifname} back to the host", host.gone, wire.change, move)


def marked(host: Any, place: str, name: str, endpoint: PluginEndpoint, answer: dict[str, Any]) -> Any:
    """Return a link that is there now, if it is an endpoint's."""
    if not name or not (place == HOST or host.is_made(place)):
        return None
    link = netlink.link(host.netlink(place), name)
    return link if link is not None and "EndpointID" in answer and link.alias == tag_of(endpoint, answer) else None


def tag_of(endpoint: PluginEndpoint, answer: dict[str, Any]) -> str:
    return network_tag(endpoint.network, answer["EndpointID"]) if "EndpointID" in answer else ""
