# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a bridge's packets in the forward chains of other programs, as nft lists them.

A few packets of each bridge are followed. A rule that asks for more than what is known of such a packet (its port,
a mark) is passed over. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple

from ._nft import TABLE

ACCEPT, DROP, RETURN = "accept", "drop", "return"
SENT, ANSWERS, PUBLISHED, AMONG = (
    "what members send",
    "answers to them",
    "what comes to published ports",
    "what members send each other",
)
_FAMILIES = {4: "ip", 6: "ip6"}
_VERDICTS = {"accept": ACCEPT, "queue": ACCEPT, "drop": DROP, "reject": DROP, "return": RETURN}
# Parts of a rule that are neither a condition nor a verdict.
_NEUTRAL = {"counter", "log", "mangle", "notrack", "set", "dup"}
_OTHER_PROTOCOLS = {"ip", "ip6", "udp", "udplite", "icmp", "icmpv6", "igmp", "sctp", "dccp", "ah", "esp", "comp"}
_INTERFACES = ("iifname", "oifname", "ibrname", "obrname")
_BY_INDEX = {"iif": "iifname", "oif": "oifname"}

Packet = dict[str, Any]  # what is known of it: "iifname" and so on, in nft's words
Verdict = tuple[str, str]  # what a rule does, and where it sends the packet; two empty texts: nothing


class Bridge(NamedTuple):
    """A bridge of ours and the subnets behind it; packets of their IP versions are looked at."""

    ifname: str
    subnets: tuple[Any, ...]


class Chain(NamedTuple):
    """A chain of another program that packets pass on their way through the host."""

    family: str
    table: str
    name: str
    policy: str = ACCEPT

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name}"


def forward_chains(items: Iterable[Mapping[str, Any]]) -> tuple[Chain, ...]:
    """Return the chains of others, among what nft lists, that forwarded packets pass."""
    return tuple(
        Chain(chain["family"], chain["table"], chain["name"], chain.get("policy", ACCEPT))
        for chain in (item["chain"] for item in items if "chain" in item)
        if chain.get("hook") == "forward" and chain["table"] != TABLE
    )


def tables(items: Collection[Mapping[str, Any]]) -> dict[Chain, Table]:
    """Return the forward chains of others, each with the table that it is in."""
    return {chain: Table(items, chain) for chain in forward_chains(items)}


def drops(foreign: Mapping[Chain, Table], bridge: Bridge, bridged: Collection[int]) -> dict[Chain, list[str]]:
    """Return the chains that drop packets of a bridge, each with what it drops: SENT, ANSWERS, PUBLISHED, AMONG.

    `bridged` are the IP versions of which packets from member to member pass these chains, too
    (bridge-nf-call-iptables, -ip6tables).
    """
    found: dict[Chain, list[str]] = {}
    for chain, table in foreign.items():
        kinds = dict.fromkeys(
            kind
            for kind, packet in _packets(bridge, chain.family, bridged)
            if (table.fate(chain.name, packet) or chain.policy) == DROP
        )
        if kinds:
            found[chain] = [*kinds]
    return found


def _packets(bridge: Bridge, family: str, bridged: Collection[int]) -> Iterator[tuple[str, Packet]]:
    """Yield one packet of each kind that a chain of `family` sees."""
    ours, other = bridge.ifname, f"/{bridge.ifname}"  # no interface has a slash in its name: see _equals
    if family == "bridge":
        yield AMONG, {"ibrname": ours, "obrname": ours, "state": "new"}
    for version, protocol in _FAMILIES.items():
        mine = tuple(subnet for subnet in bridge.subnets if subnet.version == version)
        if not mine or family not in ("inet", protocol):
            continue
        new = {"nfproto": f"ipv{version}", "protocol": protocol, "l4proto": "tcp", "state": "new", "status": ""}
        incoming = {**new, "iifname": other, "oifname": ours, "daddr": mine}
        yield SENT, {**new, "iifname": ours, "oifname": other, "saddr": mine}
        yield ANSWERS, {**incoming, "state": "established"}
        yield PUBLISHED, {**incoming, "status": "dnat"}
        if version in bridged:
            yield AMONG, {**incoming, "iifname": ours, "saddr": mine}


class Table:
    """The table of a chain, as far as it says what becomes of a packet."""

    def __init__(self, items: Iterable[Mapping[str, Any]], chain: Chain):
        self.rules: dict[str, list[Any]] = {}
        self.sets: dict[str, Any] = {}
        for kind, item in (pair for entry in items for pair in entry.items()):
            if (item.get("family"), item.get("table")) != (chain.family, chain.table):
                continue
            if kind == "rule":
                self.rules.setdefault(item["chain"], []).append(item["expr"])
            elif kind in ("set", "map"):
                self.sets[f"@{item['name']}"] = item.get("elem", [])

    def fate(self, chain: str, packet: Packet) -> str | None:
        """Return ACCEPT or DROP; None for a packet that comes to the end of the chain."""
        for rule in self.rules.get(chain, ()):
            kind, target = self._verdict(rule, packet)
            if kind in ("jump", "goto"):
                kind = self.fate(target, packet) or ("" if kind == "jump" else RETURN)
            if kind:
                return None if kind == RETURN else kind
        return None

    def _verdict(self, rule: Iterable[Any], packet: Packet) -> Verdict:
        verdict, certain, meant, named, tracked = ("", ""), True, False, False, False
        for kind, part in _parts(rule):
            if kind == "match":
                met = self._meets(part, packet)
                if met is False:
                    return "", ""
                certain = certain and met is True
                key = _key(part["left"]) if met and part["op"] != "!=" else ""
                if key in (*_INTERFACES, "saddr", "daddr"):
                    meant = True
                    named = named or packet[key] in self._options(part["right"])
            elif kind == "vmap":
                verdict = self._looked_up(part, packet)
            elif kind in _VERDICTS:
                verdict = (_VERDICTS[kind], "")
            elif kind in ("jump", "goto"):
                verdict = (kind, part["target"])
            elif kind == "xt" and part["type"] == "target":
                verdict = (DROP, "") if part["name"] == "REJECT" else verdict
            elif kind == "xt" and part["name"] == "conntrack":
                tracked = True
            elif kind not in _NEUTRAL:
                certain = False
        if tracked and (verdict[0] != ACCEPT or packet["state"] != "established"):
            certain = False  # nft does not tell for which states iptables has it: to accept, for what is established
        # Whoever lets some of the bridge's packets through has decided about the others, too.
        if not certain and not (meant and verdict[0] == ACCEPT):
            return "", ""
        # And so has who drops them, when he names the bridge.
        return (ACCEPT, "") if named and verdict[0] == DROP else verdict

    def _looked_up(self, part: Mapping[str, Any], packet: Packet) -> Verdict:
        """Return what a map has for a packet."""
        for option, verdict in self._options(part["data"]):
            if self._meets({"op": "==", "left": part["key"], "right": option}, packet):
                ((kind, target),) = verdict.items()
                return _VERDICTS.get(kind, kind), target["target"] if target else ""
        return "", ""

    def _meets(self, match: Mapping[str, Any], packet: Packet) -> bool | None:
        """Return whether a packet meets a match; None when that depends on more than is known of it."""
        left, op = match["left"], match["op"]
        if not isinstance(left, dict):
            return None
        protocol = left.get("payload", {}).get("protocol")
        if protocol in _OTHER_PROTOCOLS and protocol != packet.get("protocol", protocol):
            return False
        key = _key(left)
        if key not in packet or op not in ("==", "in", "!="):
            return None
        answers = {_equals(key, packet[key], option) for option in self._options(match["right"])}
        met = True if True in answers else None if None in answers else False
        return met if op != "!=" or met is None else not met

    def _options(self, right: Any) -> list[Any]:
        """Return what a match compares with: one value, or the members of a set."""
        if isinstance(right, str) and right.startswith("@"):
            right = self.sets.get(right, [])
        elif isinstance(right, dict):
            right = right.get("set", right.get("|", right))  # nft 0.9 has "|" for flags
        members = right if isinstance(right, list) else [right]
        return [each["elem"]["val"] if isinstance(each, dict) and "elem" in each else each for each in members]


def _parts(rule: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the kind and the content of each part of a rule. nft prints what it has no JSON for as text."""
    for entry in rule:
        yield from entry.items() if isinstance(entry, dict) else ((str(entry), None),)


def _key(left: Mapping[str, Any]) -> str:
    """Return the name of what a match asks a packet for; empty for what is known of none."""
    if "meta" in left:
        return _BY_INDEX.get(left["meta"]["key"], left["meta"]["key"])
    if "ct" in left:
        return left["ct"]["key"] if left["ct"]["key"] in ("state", "status") else ""
    payload = left.get("payload", {})
    return payload["field"] if payload.get("protocol") in ("ip", "ip6") else ""


def _equals(key: str, value: Any, option: Any) -> bool | None:
    if key in ("saddr", "daddr"):
        return _holds(option, value)
    if key in _INTERFACES and value.startswith("/"):  # any interface but this one
        return False if option == value[1:] else None
    if not isinstance(option, (str, int)):
        return None
    if isinstance(option, str) and option.endswith("*"):
        return value.startswith(option[:-1])
    return option in ("tcp", 6) if key == "l4proto" else option == value


def _holds(option: Any, subnets: Iterable[Any]) -> bool | None:
    """Return whether addresses of these subnets are among those of a rule; None when some are, or it cannot be told."""
    text = "{addr}/{len}".format(**option["prefix"]) if isinstance(option, dict) and "prefix" in option else option
    try:
        network: Any = ip_network(text, strict=False)
    except (TypeError, ValueError):
        return None
    if all(subnet.subnet_of(network) for subnet in subnets):
        return True
    return None if any(subnet.overlaps(network) for subnet in subnets) else False
