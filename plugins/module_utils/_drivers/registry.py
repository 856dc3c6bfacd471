# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers there are. A new driver is one file here and one branch in `driver`.

Drivers are imported by the branch that picks them: what is imported costs time in every task.
Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import re

from .._errors import NetloomError
from .._model import Network

DRIVERS = ("bridge", "macvlan", "ipvlan", "overlay", "host", "null")
# Besides, a driver can be the name of a Docker plugin.
AVAILABLE = (*DRIVERS, "cni", "netavark:NAME")

_PLUGIN_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9_.-]{1,127})?(:[A-Za-z0-9_.-]{1,63})?", re.ASCII
)


def driver(name: str):
    """Return the module of a driver.

    Each has OPTIONS and ENDPOINT_OPTIONS (short name to `DriverOption`), EXAMPLE (options that a network can have, as a
    task gives them; the tests that every driver goes through begin with it), ATTACHABLE, BRIDGED (members are behind a bridge
    of the host, which forwards for them), ON_PARENT (they are on the wire of an interface of the host), `check(network)`,
    `network_resources(network)`, `endpoint_resources(network, endpoint)`, `bound(network, endpoint, port)`, which
    yields the (IP version, address) that a port is published at, and those on a parent the functions of `macvlan`. Where
    the host itself has addresses on its networks, it has `host_addresses(network)`.

    PLUGIN says that somebody else's program makes networks and endpoints. Such a driver has `definition(network, recorded,
    read)`, which returns what the plugin is told of a network (`read` returns the text of a file), and ASSIGNS: whether the
    plugin chooses the addresses, and the networks have no subnets of ours; then it has `interface(network, address)`, which
    returns an address that is asked for with what is known of its prefix length. One that publishes ports has PUBLISHES.

    :raises NetloomError: driver_not_found.
    """
    if name == "bridge":
        from . import bridge

        return bridge
    if name == "macvlan":
        from . import macvlan

        return macvlan
    if name == "ipvlan":
        from . import ipvlan

        return ipvlan
    if name == "overlay":
        from . import overlay

        return overlay
    if name in ("host", "null"):
        from . import nothing

        return nothing
    if name == "cni":
        from . import cni

        return cni
    if name.startswith("netavark:"):
        from . import netavark

        return netavark
    if _PLUGIN_NAME.fullmatch(name):
        from . import remote

        return remote
    raise NetloomError("driver_not_found", f"driver: {name!a} is not a driver; available: {', '.join(AVAILABLE)}")


def as_seen(network: Network) -> Network:
    """Return a network as it is shown: where a plugin chooses the addresses, with the subnets that are known of it."""
    seen = getattr(driver(network.driver), "as_seen", None)
    return seen(network) if seen else network
