# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What network_topology asks for: lists of what the other modules ask for.

Collection-private. Floor 3.
"""

from __future__ import annotations

from .._frozen import dataclass
from .._model import EndpointSpec, NetworkSpec, Pairs


@dataclass(frozen=True)
class NamespaceItem:
    """One of a topology's namespaces, with settings (path to value). `absent` removes it, with `force` even if
    processes are in it."""

    name: str
    absent: bool = False
    force: bool = False
    settings: Pairs = ()


@dataclass(frozen=True)
class NetworkItem:
    """One of a topology's networks, with its exact or (`appends`) further members; None says nothing about them."""

    spec: NetworkSpec
    connected: tuple[EndpointSpec, ...] | None = None
    appends: bool = False
    absent: bool = False


@dataclass(frozen=True)
class EndpointItem:
    """One of a topology's attachments."""

    spec: EndpointSpec
    absent: bool = False


@dataclass(frozen=True)
class TopologySpec:
    """What a task asks of a whole host. With `purge`, what the topology `name` made and does not list goes."""

    name: str
    namespaces: tuple[NamespaceItem, ...] = ()
    networks: tuple[NetworkItem, ...] = ()
    attachments: tuple[EndpointItem, ...] = ()
    purge: bool = False
