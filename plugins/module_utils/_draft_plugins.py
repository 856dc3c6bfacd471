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


def on_plugin(host: Any, network: Network, recorded: Network | None, *, given: bool = True) -> Network:
    """Return a network with its definition as its plugin is told it.

    `given`: whether options are; where none are, files that a definition was in are not read again.

    :raises NetloomError: option_invalid, the definition is none; driver_not_found, driver_error, driver_timeout, a new
        network's plugin does not answer; and what `prove` raises.
    """
    known = driver(network.driver)
    way = known.way(network.options)
    if way and (recorded is None or recorded.driver != network.driver):
        host.greet_plugin(network.driver, way)
    read = host.read_definition if given or recorded is None else None
    network = replace(network, definition=known.definition(network, recorded, read))
    prove(host, network)
    return network


def prove(host: Any, network: Network, *, ready: bool = False) -> None:
    """See that the plugins of a network are there, and `ready` that they can take a container now.

    :raises NetloomError: driver_not_found, driver_error, driver_timeout.
    """
    needs = driver(network.driver).needs(network)
    if needs is not None:
        host.prove_plugin(network.driver, needs, ready=ready)
