# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table bridge netloom: a member with port security sends from its own addresses only, and answers for no others.

A gateway that several hosts have in common, with one MAC, stays on its own host. The table is there while an endpoint
or such a network asks for it: the kernel shows the frames of every bridge of the host to it.
Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any

from ._jhash import hashed, marked, unmarked
from ._model import Endpoint, IPAddress
from ._nft import ACCEPT, DROP, Chain, Set, Table, concat, match, meta, payload, ruleset
from ._resources import Element, Entry, Resource

_IFNAME, _MARK = "ifname", "mark"
_SETS = {
    "secured": Set((_IFNAME,)),  # host's ends of interfaces; in the others, those with what they may use
    "macs": Set((_IFNAME, "ether_addr")),
    "owned4": Set((_IFNAME, "ipv4_addr")),
    "owned6": Set((_IFNAME, "ipv6_addr")),
    "targets": Set((_IFNAME, _MARK)),  # what `hashed` makes of the same
    "anycast": Set((_IFNAME, "ether_addr")),  # ways to other hosts, each with a MAC that those have as well
}
_PORT = meta("iifname")
_ETHER_SOURCE = payload("ether", "saddr")
_ETHERTYPE = payload("ether", "type")
_ICMPV6 = payload("icmpv6", "type")
_ADVERT = match(_ICMPV6, "nd-neighbor-advert")
# nft 1.0.6 has no name for the target of an advertisement (RFC 4861, section 4.4), and its type is that of no set. But a
# packet's mark takes the hash of it.
_HASHED = marked("th", 64, 128)


def _not_in(name: str, what: Any) -> dict[str, Any]:
    return match(concat(_PORT, what), f"@{name}", "!=")


TABLE = Table(
    "bridge",
    _SETS,
    {
        "prerouting": Chain(
            {
                "anycast": [match(concat(_PORT, _ETHER_SOURCE), "@anycast"), DROP],
                "others": [match(_PORT, "@secured", "!="), ACCEPT],
                "mac": [_not_in("macs", _ETHER_SOURCE), DROP],
                "arp-mac": [_not_in("macs", payload("arp", "saddr ether")), DROP],
                # A probe asks for an address without having one (RFC 5227).
                "arp": [
                    match(payload("arp", "saddr ip"), "0.0.0.0", "!="),
                    _not_in("owned4", payload("arp", "saddr ip")),
                    DROP,
                ],
                # A client of DHCP has none yet.
                "ipv4": [
                    match(payload("ip", "saddr"), "0.0.0.0", "!="),
                    _not_in("owned4", payload("ip", "saddr")),
                    DROP,
                ],
                "ipv4-none": [match(payload("ip", "saddr"), "0.0.0.0"), match(payload("udp", "dport"), 67, "!="), DROP],
                # Duplicate address detection and reports of multicast groups come from nowhere (RFC 4862, RFC 3810).
                "ipv6": [match(payload("ip6", "saddr"), "::", "!="), _not_in("owned6", payload("ip6", "saddr")), DROP],
                "router": [match(_ICMPV6, {"set": ["nd-router-advert", "nd-redirect"]}), DROP],
                "advert": [_ADVERT, _HASHED, _not_in("targets", meta("mark")), DROP],
                "unmark": [_ADVERT, unmarked()],
                "kind": [match(_ETHERTYPE, {"set": ["arp", "ip", "ip6"]}, "!="), DROP],
            },
            "filter",
            "prerouting",
            -300,  # NF_BR_PRI_NAT_DST_BRIDGED: first
        ),
        # What comes from the host itself; nobody else may send from its MAC, and who does is not heard elsewhere.
        "output": Chain(
            {"anycast": [match(concat(meta("oifname"), _ETHER_SOURCE), "@anycast"), DROP]}, "filter", "output", -300
        ),
    },
    owners=("secured", "anycast"),
)
RULESET = ruleset(TABLE)


def secured(endpoint: Endpoint) -> Iterator[Resource]:
    """Yield the table, and what says in its sets what an endpoint may use: one entry for each MAC and address."""
    port, mac = endpoint.host_ifname, endpoint.mac
    # Without the interface's name in it, which can change while all that is here stays: an entry is known by its name.
    whose = f"{endpoint.container} ({port})"
    yield RULESET
    yield _entry(f"port security of {whose}", ("secured", (port,)))
    yield _entry(f"source {mac} of {whose}", ("macs", (port, mac)))
    addresses: list[IPAddress] = [interface.ip for interface in endpoint.addresses]
    if endpoint.ipv6 is not None:
        addresses.append(link_local(mac))
    for address in addresses:
        owned = [(f"owned{address.version}", (port, str(address)))]
        if address.version == 6:
            owned.append(("targets", (port, str(hashed(address.packed)))))
        yield _entry(f"source {address} of {whose}", *owned)


def anycast(ifname: str, mac: str) -> Iterator[Resource]:
    """Yield the table, and what keeps the host's own frames, which come from `mac`, off a way to other hosts."""
    yield RULESET
    yield _entry(f"common gateway {mac} behind {ifname}", ("anycast", (ifname, mac)))


def link_local(mac: str) -> IPv6Address:
    """Return the link-local address that the kernel gives an interface with this MAC (RFC 4291, appendix A)."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]]))


def _entry(name: str, *items: tuple[str, tuple[str, ...]]) -> Entry:
    return Entry(name, tuple(Element(where, key, family="bridge") for where, key in items), family="bridge")
