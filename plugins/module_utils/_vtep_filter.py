# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables ip netloom and ip6 netloom: what comes as VXLAN of a network of ours comes from one of its peers.

Each is there while a network between hosts has its packets carried by that IP version: the kernel shows it every
packet that is for the host. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from ._jhash import hashed, marked, unmarked
from ._nft import ACCEPT, DROP, Chain, Set, Table, concat, match, meta, payload, ruleset
from ._resources import Element, Entry, Resource
from ._vxlan import Admission

_MARK, _SERVICE = "mark", "inet_service"
_UDP = 17  # IPPROTO_UDP
_DESTINATION = payload("udp", "dport")
_FAMILIES = {4: "ip", 6: "ip6"}
# nft 1.0.6 has no name for a VNI (RFC 7348, section 5), and its type is that of no set. But a packet's mark takes the
# hash of it, and of the byte before: the kernel itself refuses what has anything but 0 there.
_HASHED = marked("th", 88, 32)


def _table(version: int) -> Table:
    overlays, vteps = f"overlays{version}", f"vteps{version}"
    return Table(
        _FAMILIES[version],
        {
            overlays: Set((_SERVICE, _MARK)),  # ports with what `hashed` makes of a VNI
            vteps: Set((f"ipv{version}_addr", _SERVICE, _MARK)),  # peers with the same
            f"ports{version}": Set((_SERVICE,), users=overlays),
        },
        {
            "input": Chain(
                {
                    "others": [match(meta("l4proto"), _UDP, "!="), ACCEPT],
                    "ports": [match(_DESTINATION, f"@ports{version}", "!="), ACCEPT],
                    "vni": [_HASHED],
                    # Somebody else's network (Docker's) may be at the same port.
                    "foreign": [*_known((_DESTINATION, meta("mark")), overlays, "!="), unmarked(), ACCEPT],
                    "peer": [
                        *_known((payload(_FAMILIES[version], "saddr"), _DESTINATION, meta("mark")), vteps),
                        unmarked(),
                        ACCEPT,
                    ],
                    "stranger": [DROP],
                },
                "filter",
                # Not earlier than at input: of a packet in fragments, the first may end before the VNI.
                "input",
                -300,  # before NF_IP_PRI_FILTER, where other programs have their chains
            )
        },
        owners=(overlays,),
    )


def _known(parts: tuple[Any, ...], name: str, op: str = "==") -> list[dict[str, Any]]:
    return [match(concat(*parts), f"@{name}", op)]


TABLES = {family: _table(version) for version, family in _FAMILIES.items()}


def heard(version: int, port: int, vni: int, peers: tuple[str, ...]) -> Iterator[Resource]:
    """Yield the table, and what has only `peers`, addresses of this IP version, be heard at a port with a VNI."""
    family = _FAMILIES[version]
    mark = str(hashed(struct.pack("!I", vni)))
    yield ruleset(TABLES[family])
    yield Element(f"ports{version}", (str(port),), family=family)
    overlay = Element(f"overlays{version}", (str(port), mark), family=family)
    yield Entry(f"firewall of VNI {vni} at port {port} over IPv{version}", (overlay,), family)
    for peer in peers:
        element = Element(f"vteps{version}", (peer, str(port), mark), family=family)
        yield Admission(f"peer {peer} of VNI {vni} at port {port}", (element,), family)
