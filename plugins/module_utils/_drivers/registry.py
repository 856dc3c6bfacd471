# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers there are. A new driver is one file here and one branch in `driver`.

Drivers are imported by the branch that picks them: what is imported costs time in every task.
Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import re
from functools import cache

from .._errors import NetloomError
from .base import Driver, NoDriver

DRIVERS = ("bridge", "macvlan", "ipvlan", "overlay", "host", "null")
# Besides, a driver can be the name of a Docker plugin.
AVAILABLE = (*DRIVERS, "cni", "netavark:NAME")

_PLUGIN_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9_.-]{1,127})?(:[A-Za-z0-9_.-]{1,63})?", re.ASCII
)


@cache  # they are asked for every endpoint of a task
def driver(name: str) -> Driver:
    """Return a driver.

    :raises NetloomError: driver_not_found.
    """
    if name == "bridge":
        from .bridge import BridgeDriver

        return BridgeDriver(name)
    if name == "macvlan":
        from .macvlan import MacvlanDriver

        return MacvlanDriver(name)
    if name == "ipvlan":
        from .ipvlan import IpvlanDriver

        return IpvlanDriver(name)
    if name == "overlay":
        from .overlay import OverlayDriver

        return OverlayDriver(name)
    if name in ("host", "null"):
        return NoDriver(name)
    if name == "cni":
        from .cni import CniDriver

        return CniDriver(name)
    if name.startswith("netavark:"):
        from .netavark import NetavarkDriver

        return NetavarkDriver(name)
    if _PLUGIN_NAME.fullmatch(name):
        from .remote import RemoteDriver

        return RemoteDriver(name)
    raise NetloomError("driver_not_found", f"driver: {name!a} is not a driver; available: {', '.join(AVAILABLE)}")
