# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network between hosts: what its driver options ask for, by which interface of the host its packets go, and their size.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from ._errors import NetloomError
from ._frozen import dataclass
from ._model import Network, Uplink

PORT = 4789  # RFC 7348, section 5
EVPN = "evpn"  # RFC 8365
CONTROL_PLANES = ("none", EVPN)
OVERHEAD = {4: 50, 6: 70}  # bytes: the outer IP header, UDP (8), VXLAN (8), the inner Ethernet header (14)


class Member(NamedTuple):
    """A member on another host, as the option endpoints tells of it."""

    address: str
    mac: str
    peer: str


class Asked(NamedTuple):
    """What the driver options of a network between hosts ask for."""

    vni: int
    port: int
    peers: tuple[str, ...]  # sorted; this host's own address may be among them
    parent: str
    learning: bool
    evpn: bool
    endpoints: tuple[Member, ...]
    mtu: int  # 0: what fits


@dataclass(frozen=True)
class Underlay:
    """What a host has of its own that packets to other hosts can go by.

    `own` are those of the peers that are the host itself; `way` and `source` are the interface and the address that
    packets to the first of the others leave by, to anywhere where there are none; empty where no route leads there.
    """

    uplinks: tuple[Uplink, ...] = ()
    own: tuple[str, ...] = ()
    way: str = ""
    source: str = ""

    def uplink(self, name: str) -> Uplink | None:
        return next((uplink for uplink in self.uplinks if uplink.name == name), None)


def asked(network: Network) -> Asked:
    """Return what a network's driver options, which are canonical, ask for."""
    options = dict(network.options)
    members = (item.replace("@", "=").split("=") for item in _items(options.get("endpoints", "")))
    evpn = options.get("control_plane") == EVPN
    return Asked(
        int(options.get("vni", 0)),
        int(options.get("port", PORT)),
        tuple(_items(options.get("peers", ""))),
        options.get("parent", ""),
        options.get("learning") != "false" and not evpn,
        evpn,
        tuple(Member(*item) for item in members),
        int(options.get("mtu", 0)),
    )


def _items(text: str) -> list[str]:
    return text.split(",") if text else []


def version_of(network: Network) -> int:
    """Return the IP version that carries a network's packets."""
    return ip_address(network.vtep).version if network.vtep else 4


def others(network: Network) -> tuple[str, ...]:
    """Return the peers of a network but for this host."""
    return tuple(peer for peer in asked(network).peers if peer != network.vtep)


def tunnel(wanted: Asked, underlay: Underlay, before: str) -> tuple[str, Uplink]:
    """Return the host's address that a network's packets come from, and the interface that they leave by.

    `before` is what the address was: it stays while the host has it and nothing says otherwise.

    :raises NetloomError: parent_not_found, option_invalid.
    """
    if len(underlay.own) > 1:
        raise _invalid("peers", f"{' and '.join(underlay.own)} are both addresses of this host; list one")
    name = wanted.parent or underlay.way
    uplink = underlay.uplink(name)
    if wanted.parent and uplink is None:
        raise NetloomError("parent_not_found", f"driver_options.parent: there is no interface {wanted.parent}")
    if uplink is None:
        towards = next((peer for peer in wanted.peers if peer not in underlay.own), "")
        raise _invalid("parent", f"is needed: the host has no route to {towards or 'anywhere'}")
    if uplink.fault():
        raise _invalid("parent", f"{uplink.name} {uplink.fault()}")
    return _vtep(wanted, underlay, uplink, before), uplink


def _vtep(wanted: Asked, underlay: Underlay, uplink: Uplink, before: str) -> str:
    if underlay.own:
        return underlay.own[0]
    versions = {ip_address(peer).version for peer in wanted.peers} or {4, 6}
    mine = (each.ip for each in uplink.addresses if not each.is_link_local)
    fitting = [str(address) for address in mine if address.version in versions]
    if before in fitting:
        return before
    if not wanted.parent and underlay.source:
        return underlay.source
    if not fitting:
        which = f"IPv{versions.pop()}" if len(versions) == 1 else "IP"
        raise _invalid("parent", f"{uplink.name} has no {which} address")
    return min(fitting, key=lambda text: ":" in text)  # the first one, of IPv4 where there is any


def mtu(wanted: Asked, before: int, uplink: Uplink, version: int, *, new: bool) -> int:
    """Return the MTU of a network: the option, else what it was `before` (0: nothing), else what fits.

    `new`: the option was not there before, so it can be refused; what fitted once is for `shrunk` to tell.

    :raises NetloomError: option_invalid.
    """
    fits = uplink.mtu - OVERHEAD[version]
    if wanted.mtu and wanted.mtu > fits and new:
        raise _invalid(
            "mtu",
            f"{wanted.mtu} is more than the {fits} that fit: {uplink.name} takes {uplink.mtu},"
            f" of which VXLAN over IPv{version} needs {OVERHEAD[version]}",
        )
    return wanted.mtu or before or fits


def shrunk(network: Network, uplink: Uplink) -> Iterable[str]:
    """Yield words for an interface that takes less by now than a network's packets need."""
    needed = network.mtu + OVERHEAD[version_of(network)]
    if uplink.mtu < needed:
        yield (
            f"network {network.name}: {uplink.name} takes packets of {uplink.mtu} bytes, and members' of {network.mtu}"
            f" need {needed}; larger ones are lost until its MTU is raised, or driver_options.mtu lowered to"
            f" {uplink.mtu - OVERHEAD[version_of(network)]} on every host"
        )


def _invalid(option: str, words: str) -> NetloomError:
    return NetloomError("option_invalid", f"driver_options.{option}: {words}")
