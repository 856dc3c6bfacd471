# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table inet netloom: a constant number of rules over sets and maps, and what a network and a port put into them.

A packet costs the same whether there is one network or a thousand. What is promised of it is docs/firewall.md.
Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ._errors import NetloomError
from ._model import NAT, ROUTED
from ._nft import ACCEPT, DROP, Chain, Set, Table, concat, match, meta, payload, ruleset
from ._resources import PROTOCOLS, Element, Entry, Port, Resource

_PROTO, _SERVICE, _IFNAME = "inet_proto", "inet_service", "ifname"
_ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}

_SETS = {
    "bridges": Set((_IFNAME,)),  # every bridge of ours
    "loops": Set((_IFNAME, _IFNAME)),  # each bridge twice: from it, and back to it
    "members": Set((_IFNAME, _IFNAME)),  # the same of those whose members may talk to each other
    "internal": Set((_IFNAME,)),
    # By IP version, "ipv4" or "ipv6", and bridge:
    "checked": Set(("nf_proto", _IFNAME)),  # every subnet has an address, and so a route, on the bridge
    "protected": Set(("nf_proto", _IFNAME)),  # only what is published can be reached from outside
    "translated": Set(("nf_proto", _IFNAME)),  # members leave under the address of the host
    "routed": Set(("nf_proto", _IFNAME)),  # what is published is reached at the member's own address
    # What is published, by protocol and port, and at one address of the host only: by address, protocol and port.
    # nft 1.0.6 cannot be asked in JSON for a map to an address and a port, so there is a map to each.
    **{f"hosts{version}": Set((_PROTO, _SERVICE), _ADDRESS[version]) for version in (4, 6)},
    **{f"ports{version}": Set((_PROTO, _SERVICE), _SERVICE) for version in (4, 6)},
    **{f"hosts{version}_at": Set((_ADDRESS[version], _PROTO, _SERVICE), _ADDRESS[version]) for version in (4, 6)},
    **{f"ports{version}_at": Set((_ADDRESS[version], _PROTO, _SERVICE), _SERVICE) for version in (4, 6)},
    **{f"opened{version}": Set((_ADDRESS[version], _PROTO, _SERVICE)) for version in (4, 6)},
    # The address of the host under which members of a bridge leave, where it is a certain one.
    **{f"sources{version}": Set((_IFNAME,), _ADDRESS[version]) for version in (4, 6)},
}

_IIFNAME, _OIFNAME, _VERSION = meta("iifname"), meta("oifname"), meta("nfproto")
_FROM_BRIDGES, _TO_BRIDGES = match(_IIFNAME, "@bridges"), match(_OIFNAME, "@bridges")
_OUT = match(_OIFNAME, "@bridges", "!=")
_LOOP = match(concat(_IIFNAME, _OIFNAME), "@loops")
_CHECKED = match(concat(_VERSION, _IIFNAME), "@checked")
_FROM_INTERNAL, _TO_INTERNAL = match(_IIFNAME, "@internal"), match(_OIFNAME, "@internal")
_TO_PROTECTED = match(concat(_VERSION, _OIFNAME), "@protected")
_FROM_TRANSLATED = match(concat(_VERSION, _IIFNAME), "@translated")
_LOOPBACK = {"prefix": {"addr": "127.0.0.0", "len": 8}}
_NO_ROUTE_BACK = match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False)
_NO_ROUTE_ON = match({"fib": {"result": "oif", "flags": ["daddr", "iif"]}}, False)
_GROUPS = {"prefix": {"addr": "ff00::", "len": 8}}
_DESTINATION = {"fib": {"result": "type", "flags": ["daddr"]}}
_SOURCE = {"fib": {"result": "type", "flags": ["saddr"]}}
_TO_HOST = match(_DESTINATION, "local")
_TO_GATEWAY = match(
    {"fib": {"result": "type", "flags": ["daddr", "iif"]}}, {"set": ["local", "broadcast", "multicast"]}
)
_KNOWN = match({"ct": {"key": "state"}}, ["established", "related"], "in")
_REPLY = match({"ct": {"key": "direction"}}, "reply")
_REDIRECTED = match({"ct": {"key": "status"}}, "dnat", "in")
_SERVICE_OF = (meta("l4proto"), payload("th", "dport"))
_PUBLISH = {"jump": {"target": "published"}}
_MASQUERADE = {"masquerade": None}


def _redirection(version: int, suffix: str) -> list[dict[str, Any]]:
    family = {4: "ip", 6: "ip6"}[version]
    key = concat(*([payload(family, "daddr")] if suffix else []), *_SERVICE_OF)
    target = {
        part: {"map": {"key": key, "data": f"@{name}{version}{suffix}"}}
        for part, name in (("addr", "hosts"), ("port", "ports"))
    }
    return [{"dnat": {"family": family, **target}}]


def _source(version: int) -> list[dict[str, Any]]:
    address = {"map": {"key": _IIFNAME, "data": f"@sources{version}"}}
    return [
        _OUT,
        match(_DESTINATION, "multicast", "!="),
        {"snat": {"family": {4: "ip", 6: "ip6"}[version], "addr": address}},
    ]


def _opened(version: int) -> list[dict[str, Any]]:
    key = concat(payload({4: "ip", 6: "ip6"}[version], "daddr"), *_SERVICE_OF)
    return [_TO_BRIDGES, match(key, f"@opened{version}"), ACCEPT]


# With br_netfilter, frames from member to member pass prerouting and forward as well; both of their interfaces are
# then the bridge.
_CHAINS = {
    "prerouting": Chain(
        {
            # What a port at 127.0.0.1 needs (route_localnet) opens the loopback to the bridge's members, and somebody
            # may have set it for all interfaces (kube-proxy does).
            "loopback": [match(_IIFNAME, "lo", "!="), match(payload("ip", "daddr"), _LOOPBACK), DROP],
            # A forged source has no route back through the bridge. The kernel's fib lets 0.0.0.0 to broadcast
            # (DHCP) and :: to link-local multicast (DAD) pass. With br_netfilter, what a member that is a router sends on
            # to another one is seen here too: what stays on the bridge, and is not for the host, is between members.
            "source": [_CHECKED, _NO_ROUTE_BACK, _NO_ROUTE_ON, DROP],
            # An IPv6 group has a route on every interface.
            "source-to-group": [_CHECKED, match(payload("ip6", "daddr"), _GROUPS), _NO_ROUTE_BACK, DROP],
        },
        "filter",
        "prerouting",
        -300,  # NF_IP_PRI_RAW: what is dropped here leaves no trace in connection tracking
    ),
    "published": Chain(
        {
            f"publish{version}{suffix.replace('_', '-')}": _redirection(version, suffix)
            for version in (4, 6)
            for suffix in ("_at", "")
        }
    ),
    # After NF_IP_PRI_NAT_DST (-100), where other programs translate: a port that they have published stays theirs.
    "incoming": Chain({"incoming": [_TO_HOST, _PUBLISH]}, "nat", "prerouting", -90),
    "outgoing": Chain(
        {
            # IPv6 has no route_localnet: the answer would never arrive. So who tries [::1] first (localhost) is refused
            # at once, and goes on to 127.0.0.1.
            "loopback-ipv6": [match(payload("ip6", "daddr"), "::1"), ACCEPT],
            "outgoing": [_TO_HOST, _PUBLISH],
        },
        "nat",
        "output",
        -90,
    ),
    "forward": Chain(
        {
            "members": [match(concat(_IIFNAME, _OIFNAME), "@members"), ACCEPT],
            # Before "replies", so that open connections end when a network becomes internal.
            "internal-out": [_FROM_INTERNAL, DROP],
            "internal-in": [_TO_INTERNAL, DROP],
            # From outside, from another network, and round port isolation: whoever asks the host for it.
            "published": [_TO_BRIDGES, _REDIRECTED, ACCEPT],
            # Also the way round port isolation (icc: false), through the gateway and back: see @members.
            "isolation": [_FROM_BRIDGES, _TO_BRIDGES, DROP],
            "replies": [_TO_PROTECTED, _KNOWN, ACCEPT],
            "opened4": _opened(4),
            "opened6": _opened(6),
            "routed-icmp": [
                match(concat(_VERSION, _OIFNAME), "@routed"),
                match(meta("l4proto"), {"set": [1, 58]}),  # IPPROTO_ICMP, IPPROTO_ICMPV6
                ACCEPT,
            ],
            # A neighbour on the LAN with a route to the subnet reaches nothing that is not published.
            "unpublished": [_TO_PROTECTED, DROP],
        },
        "filter",
        "forward",
        -5,  # before NF_IP_PRI_FILTER, where other programs have their chains
    ),
    "input": Chain(
        {
            # To the host's own connections only: those that a member opened before end, as above.
            "internal-reply": [_FROM_INTERNAL, _KNOWN, _REPLY, ACCEPT],
            "internal-gateway": [_FROM_INTERNAL, _TO_GATEWAY, ACCEPT],
            "internal-host": [_FROM_INTERNAL, DROP],
        },
        "filter",
        "input",
        -5,
    ),
    "postrouting": Chain(
        {
            # A member that asks the host for a port of its own network would get the answer straight from the member.
            "hairpin": [_LOOP, _REDIRECTED, _MASQUERADE],
            # br_netfilter bridges what comes back to where it came from; there it is from no interface, nor from the host.
            "hairpin-bridged": [
                match(meta("iif"), 0),
                match(_SOURCE, "local", "!="),
                _TO_BRIDGES,
                _REDIRECTED,
                _MASQUERADE,
            ],
            # Nobody but the host can answer to its loopback.
            "loopback-source": [match(payload("ip", "saddr"), _LOOPBACK), _TO_BRIDGES, _MASQUERADE],
            "source4": _source(4),
            "source6": _source(6),
            "masquerade": [_FROM_TRANSLATED, _OUT, match(_DESTINATION, "multicast", "!="), _MASQUERADE],
        },
        "nat",
        "postrouting",
        100,  # NF_IP_PRI_NAT_SRC
    ),
}
TABLE = Table("inet", _SETS, _CHAINS, owners=("bridges",))
RULESET = ruleset(TABLE)


class Family(NamedTuple):
    """How a network treats one IP version.

    `check_sources` False: a subnet of the network has no address on the bridge, so the kernel has no route
    back to its members, and whether a source is theirs cannot be told. `source` is the host's address under which
    members leave, empty for that of the way out.
    """

    mode: str = NAT
    translate: bool = True
    check_sources: bool = True
    source: str = ""


def elements(
    ifname: str, families: Mapping[int, Family], *, internal: bool = False, icc: bool = True
) -> Iterator[Element]:
    """Yield what says in our sets how the network with the bridge `ifname` is to be treated.

    :raises NetloomError: invalid_ifname: nft's JSON would take the name for a set or a wildcard.
    """
    if ifname.startswith("@") or "*" in ifname:
        raise NetloomError("invalid_ifname", f"bridge_name: {ifname!a} has a meaning of its own in nft")
    yield Element("bridges", (ifname,))
    yield Element("loops", (ifname, ifname))
    if icc:
        yield Element("members", (ifname, ifname))
    if internal:
        yield Element("internal", (ifname,))
    for version, family in families.items():
        mine = (f"ipv{version}", ifname)
        if family.check_sources:
            yield Element("checked", mine)
        if internal:
            continue
        if family.mode in (NAT, ROUTED):
            yield Element("protected", mine)
        if family.mode == ROUTED:
            yield Element("routed", mine)
        elif family.translate and family.source:
            yield Element(f"sources{version}", (ifname,), (family.source,))
        elif family.translate:
            yield Element("translated", mine)


def published(protocol: str, address: str, port: int, target: tuple[str, int]) -> Port:
    """Return what has a port of the host lead to the address and port `target`; `address` empty means all of the host's."""
    version = 6 if ":" in target[0] else 4
    number = PROTOCOLS[protocol]
    suffix, key = ("_at", (address, number, str(port))) if address else ("", (number, str(port)))
    shown = address or ("[::]" if version == 6 else "0.0.0.0")
    return Port(
        f"port {f'[{address}]' if ':' in address else shown}:{port}/{protocol}",
        (
            Element(f"hosts{version}{suffix}", key, (target[0],)),
            Element(f"ports{version}{suffix}", key, (str(target[1]),)),
        ),
    )


def opened(protocol: str, target: tuple[str, int]) -> Resource:
    """Return what lets the outside reach a port of a member at the member's own address."""
    version = 6 if ":" in target[0] else 4
    shown = f"[{target[0]}]" if version == 6 else target[0]
    key = (target[0], PROTOCOLS[protocol], str(target[1]))
    return Entry(f"opening {shown}:{target[1]}/{protocol}", (Element(f"opened{version}", key),))
