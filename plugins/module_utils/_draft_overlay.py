# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network between hosts takes from the host it is on: the address and the interface that its packets leave by.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import _overlay, _resolve
from ._draft import Draft
from ._errors import NetloomError
from ._model import Network


def on_underlay(draft: Draft, host: Any, network: Network, recorded: Network | None) -> Network:
    """Return a network between hosts, resolved but for what its packets to other hosts leave by, with that.

    :raises NetloomError: parent_not_found, option_invalid: there is no way to the peers, it takes no packets of the MTU
        that is asked for, or the VNI is another network's.
    """
    before = recorded if recorded is not None and recorded.driver == network.driver else None
    wanted = _overlay.asked(network)
    same_parent = before is not None and before.parent == wanted.parent
    underlay = host.underlay(wanted.parent, wanted.peers)
    vtep, uplink = _overlay.tunnel(wanted, underlay, before.vtep if before and same_parent else "")
    result = replace(network, parent=wanted.parent, vtep=vtep)
    version = _overlay.version_of(result)
    alike = before is not None and same_parent and _overlay.version_of(before) == version
    had = _overlay.asked(before).mtu if before else 0
    fitted = before.mtu if before and alike and not had else 0
    result = replace(result, mtu=_overlay.mtu(wanted, fitted, uplink, version, new=not alike or had != wanted.mtu))
    _resolve.check_mtu(result)
    if before is None or _heard_at(before) != _heard_at(result):
        _check_vni(draft, host, result)
    alone = network.ipam_driver == "default"
    if before is None and alone and any(pool.auto and pool.subnet.version == 4 for pool in result.pools):
        chosen = next(pool.subnet for pool in result.pools if pool.auto)
        draft.warnings.append(
            f"network {result.name}: {chosen} was chosen by this host alone; give every host the same subnet,"
            " and an ip_range of its own"
        )
    draft.warnings += _overlay.shrunk(result, uplink)
    return result


def shrunk(host: Any, network: Network) -> tuple[str, ...]:
    """Return words for an interface that takes less by now than a recorded network's packets need."""
    wanted = _overlay.asked(network)
    try:
        uplink = _overlay.tunnel(wanted, host.underlay(wanted.parent, wanted.peers), network.vtep)[1]
    except NetloomError:
        return ()  # told elsewhere
    return tuple(_overlay.shrunk(network, uplink))


def _heard_at(network: Network) -> tuple[int, int, int]:
    """Return what the kernel tells networks between hosts apart by, when a packet arrives."""
    wanted = _overlay.asked(network)
    return wanted.vni, wanted.port, _overlay.version_of(network)


def _check_vni(draft: Draft, host: Any, network: Network) -> None:
    vni, port, version = mine = _heard_at(network)
    for other in (*draft.undrafted(), *draft.networks.values()):
        if other is None or other.driver != network.driver or other.name == network.name:
            continue
        if _heard_at(other) == mine:
            raise NetloomError(
                "option_invalid",
                f"driver_options.vni: {vni} at port {port} over IPv{version} is that of network {other.name}",
            )
    owner = host.vxlan_owner(mine, network.id)
    if owner:
        raise NetloomError(
            "option_invalid",
            f"driver_options.vni: {vni} at port {port} over IPv{version} is that of interface {owner}, which is not ours",
        )
