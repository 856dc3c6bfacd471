# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints whose interface is Docker's to move: what of them is on the host, and what they cannot follow.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ._drivers.registry import driver
from ._errors import NetloomError
from ._model import HOST, LENT, Endpoint, IPInterface, Network, Sandbox
from ._names import endpoint_id
from ._resources import Loan, Resource, Veth


def lent(endpoint: Endpoint, found: Iterable[Resource]) -> Iterator[Resource]:
    """Yield what is on the host of what a driver says that exists of an endpoint; the other end is Docker's.

    Of an address that is only held there is nothing.
    """
    for item in found if endpoint.host_ifname else ():
        if isinstance(item, Veth):
            yield Loan(
                item.name,
                master=item.master,
                isolated=item.isolated,
                mtu=item.mtu,
                tag=item.tag,
                hairpin=item.hairpin,
                ifname=item.ifname,
                mac=item.mac,
                sandbox=endpoint.sandbox.key if endpoint.sandbox else "",
            )
        elif getattr(item, "place", HOST) == HOST:
            yield item


def check_kept(network: Network, before: Endpoint, after: Endpoint) -> None:
    """See that an endpoint can stay as it is in its sandbox, which nobody but Docker enters.

    :raises NetloomError: network_in_use, the network is to be another one.
    """
    if before.addresses != after.addresses or not driver(network.driver).bridged:
        raise NetloomError(
            "network_in_use",
            f"network {network.name}: Docker's endpoint {after.container} cannot follow;"
            " docker network disconnect its container first",
        )


def seat_of_endpoint(identity: str) -> str:
    """Return the seat of the endpoint that Docker knows by an id."""
    return f"{LENT}:{identity}"


def seat_of_address(interface: IPInterface) -> str:
    """Return the seat of an address that Docker has asked for, and has not told the endpoint of."""
    return f"{LENT}:{interface.ip}"


def held(network: Network, interface: IPInterface, boot_id: str) -> Endpoint:
    """Return what holds an address for Docker until it tells whose it is."""
    return Endpoint(
        network=network.name,
        container=str(interface.ip),
        runtime=LENT,
        id=endpoint_id(network.id, seat_of_address(interface)),
        host_ifname="",
        ifname="",
        mac="",
        ipv4=interface if interface.version == 4 else None,
        ipv6=interface if interface.version == 6 else None,
        static=(f"ipv{interface.version}",),
        sandbox=outside(boot_id),
        held=True,
    )


def outside(boot_id: str) -> Sandbox:
    """Return where an endpoint is that is in no sandbox, of which Docker has told in this boot."""
    return Sandbox("", boot_id)


def joined(endpoint: Endpoint, key: str, boot_id: str) -> Endpoint:
    """Return an endpoint in the sandbox that Docker calls `key`, which may have no file of that name yet."""
    return replace(endpoint, sandbox=Sandbox(key, boot_id))
