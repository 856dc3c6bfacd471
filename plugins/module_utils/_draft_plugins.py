# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: what has to be known of somebody else's plugin before it is told anything.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ._drivers.registry import driver
from ._model import Network


def on_plugin(host: Any, network: Network, recorded: Network | None) -> Network:
    """Return a network with its definition as its plugin is told it.

    :raises NetloomError: option_invalid, the definition is none; driver_not_found, driver_error, driver_timeout, a new
        network's plugin does not answer.
    """
    known = driver(network.driver)
    way = getattr(known, "way", None)  # only some are reached over a socket
    if way is not None and (recorded is None or recorded.driver != network.driver):
        host.greet_plugin(network.driver, way(network.options))
    return replace(network, definition=known.definition(network, recorded, host.read_definition))
