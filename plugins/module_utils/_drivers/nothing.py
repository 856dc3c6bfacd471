# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers host and null: a container on them has the host's own namespace, or no interface at all.

They make nothing, and nothing can be attached to them. Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._model import Endpoint, Network, PublishedPort
from .._resources import Resource

OPTIONS: dict = {}
ENDPOINT_OPTIONS: dict = {}
EXAMPLE: dict[str, str] = {}
ATTACHABLE, BRIDGED, ON_PARENT = False, False, False
PLUGIN, ASSIGNS = False, False


def check(network: Network) -> None:
    """There is nothing to contradict."""


def network_resources(network: Network) -> Iterator[Resource]:
    """Yield nothing."""
    return iter(())


def endpoint_resources(network: Network, endpoint: Endpoint) -> Iterator[Resource]:
    """Yield nothing."""
    return iter(())


def bound(network: Network, endpoint: Endpoint, port: PublishedPort) -> Iterator[tuple[int, str]]:
    """Yield nothing."""
    return iter(())
