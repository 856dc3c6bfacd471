# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our nft table: a constant number of rules over sets of interface names, and how nft speaks of it in JSON.

A packet costs the same whether there is one network or a thousand. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ._changes import Change
from ._errors import NetloomError
from ._resources import Element, Resource, Ruleset

FAMILY, TABLE = "inet", "netloom"
_OURS = {"family": FAMILY, "table": TABLE}

# No keyword of nft ("masquerade") may name a set: `nft list ruleset` would print what `nft -f` cannot read.
_SETS: dict[str, Any] = {
    "bridges": "ifname",  # every bridge of ours
    "checked": "ifname",  # those whose every subnet has an address, and so a route, on the bridge
    "members": ["ifname", "ifname"],  # a bridge twice: its members may talk to each other
    "internal": "ifname",
    "masqueraded": "ifname",
}


def _is(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


_IIFNAME, _OIFNAME = {"meta": {"key": "iifname"}}, {"meta": {"key": "oifname"}}
_FROM_BRIDGES, _TO_BRIDGES = _is(_IIFNAME, "@bridges"), _is(_OIFNAME, "@bridges")
_FROM_INTERNAL, _TO_INTERNAL = _is(_IIFNAME, "@internal"), _is(_OIFNAME, "@internal")
_TO_MASQUERADED = _is(_OIFNAME, "@masqueraded")
_TO_LOOPBACK = _is({"payload": {"protocol": "ip", "field": "daddr"}}, {"prefix": {"addr": "127.0.0.0", "len": 8}})
_NO_ROUTE_BACK = _is({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False)
_DESTINATION = {"fib": {"result": "type", "flags": ["daddr"]}}
_TO_GATEWAY = _is({"fib": {"result": "type", "flags": ["daddr", "iif"]}}, {"set": ["local", "broadcast", "multicast"]})
_KNOWN = _is({"ct": {"key": "state"}}, ["established", "related"], "in")
_REPLY = _is({"ct": {"key": "direction"}}, "reply")
_ACCEPT, _DROP = {"accept": None}, {"drop": None}

# Chains, named after their hooks: type, priority, and rules by name. With br_netfilter, frames from member to
# member pass prerouting and forward as well; both of their interfaces are then the bridge.
_CHAINS: dict[str, tuple[str, int, dict[str, list[dict[str, Any]]]]] = {
    "prerouting": (
        "filter",
        -300,  # NF_IP_PRI_RAW: what is dropped here leaves no trace in connection tracking
        {
            # Somebody else may have set route_localnet for all interfaces (kube-proxy does).
            "loopback": [_FROM_BRIDGES, _TO_LOOPBACK, _DROP],
            # A forged source has no route back through the bridge. The kernel's fib lets 0.0.0.0 to broadcast
            # (DHCP) and :: to link-local multicast (DAD) pass.
            "source": [_is(_IIFNAME, "@checked"), _NO_ROUTE_BACK, _DROP],
        },
    ),
    "forward": (
        "filter",
        -5,  # before NF_IP_PRI_FILTER, where other programs have their chains
        {
            "members": [_is({"concat": [_IIFNAME, _OIFNAME]}, "@members"), _ACCEPT],
            # Before "replies", so that open connections end when a network becomes internal.
            "internal-out": [_FROM_INTERNAL, _DROP],
            "internal-in": [_TO_INTERNAL, _DROP],
            # Also the way round port isolation (icc: false), through the gateway and back: see @members.
            "isolation": [_FROM_BRIDGES, _TO_BRIDGES, _DROP],
            "replies": [_TO_MASQUERADED, _KNOWN, _ACCEPT],
            # A neighbour on the LAN with a route to the subnet reaches nothing that is not published.
            "unpublished": [_TO_MASQUERADED, _DROP],
        },
    ),
    "input": (
        "filter",
        -5,
        {
            # To the host's own connections only: those that a member opened before end, as above.
            "internal-reply": [_FROM_INTERNAL, _KNOWN, _REPLY, _ACCEPT],
            "internal-gateway": [_FROM_INTERNAL, _TO_GATEWAY, _ACCEPT],
            "internal-host": [_FROM_INTERNAL, _DROP],
        },
    ),
    "postrouting": (
        "nat",
        100,  # NF_IP_PRI_NAT_SRC
        {
            "masquerade": [
                _is(_IIFNAME, "@masqueraded"),
                _is(_OIFNAME, "@bridges", "!="),
                _is(_DESTINATION, "multicast", "!="),
                {"masquerade": None},
            ]
        },
    ),
}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _definition() -> Iterator[dict[str, Any]]:
    """Yield what the table is made of, in the order in which nft takes it."""
    yield {"table": {"family": FAMILY, "name": TABLE}}
    for name, kind in _SETS.items():
        yield {"set": {**_OURS, "name": name, "type": kind}}
    for name, (kind, priority, _rules) in _CHAINS.items():
        chain = {"name": name, "type": kind, "hook": name, "prio": priority, "policy": "accept"}
        yield {"chain": {**_OURS, **chain}}
    for chain_name, (_kind, _priority, rules) in _CHAINS.items():
        for name, expression in rules.items():
            comment = f"{TABLE}:{name}:{_digest(expression)}"
            yield {"rule": {**_OURS, "chain": chain_name, "comment": comment, "expr": expression}}


def _references(expression: Any) -> Iterator[str]:
    if isinstance(expression, (dict, list)):
        for part in expression.values() if isinstance(expression, dict) else expression:
            yield from _references(part)
    if isinstance(expression, str) and expression.startswith("@"):
        yield expression


def _shape(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return, by what a person would call it, what must be equal in our definition and in nft's listing.

    Versions of nft spell an expression differently, so a rule stands here by its comment, which holds the
    digest of our spelling, with the sets it refers to and its statements, which all versions spell alike.
    """
    shape: dict[str, Any] = {}
    for item in items:
        for kind, body in item.items():
            if kind == "rule":
                statements = [word for statement in body["expr"] for word in statement if word != "match"]
                mark = (body.get("comment"), statements, sorted(_references(body["expr"])))
                shape.setdefault(f"rules of {body['chain']}", []).append(mark)
            elif kind != "metainfo":
                facts = [body.get(fact) for fact in ("type", "hook", "prio", "policy", "flags")]
                shape["table" if kind == "table" else f"{kind} {body.get('name')}"] = facts
    return shape


_DEFINITION = tuple(_definition())
_SHAPE = _shape(_DEFINITION)
RULESET = Ruleset(_digest(_DEFINITION))


def elements(
    ifname: str, *, internal: bool, icc: bool, masquerade: bool, check_sources: bool = True
) -> Iterator[Element]:
    """Yield what says in our sets how the network with the bridge `ifname` is to be treated.

    `check_sources` False: a subnet of the network has no address on the bridge, so the kernel has no route
    back to its members, and whether a source is theirs cannot be told.

    :raises NetloomError: invalid_ifname: nft's JSON would take the name for a set or a wildcard.
    """
    if ifname.startswith("@") or "*" in ifname:
        raise NetloomError("invalid_ifname", f"bridge_name: {ifname!a} has a meaning of its own in nft")
    yield Element("bridges", (ifname,))
    if check_sources:
        yield Element("checked", (ifname,))
    if icc:
        yield Element("members", (ifname, ifname))
    if internal:
        yield Element("internal", (ifname,))
    if masquerade:
        yield Element("masqueraded", (ifname,))


def observed(listing: dict[str, Any] | None) -> tuple[Resource, ...]:
    """Return the table and its elements as `nft -j list table` tells them; `listing` None means no table.

    The digest of a table with anything missing, added or moved is `damaged: ` and what it is.
    """
    if listing is None:
        return ()
    items = listing["nftables"]
    shape = _shape(items)
    damage = [name for name in {**_SHAPE, **shape} if shape.get(name) != _SHAPE.get(name)]
    table = Ruleset("damaged: " + ", ".join(damage)) if damage else RULESET
    sets = [item["set"] for item in items if "set" in item]
    return (table, *(Element(each["name"], _value(elem)) for each in sets for elem in each.get("elem", ())))


def _value(elem: Any) -> tuple[str, ...]:
    if isinstance(elem, dict) and "elem" in elem:  # with a comment, counter or timeout
        elem = elem["elem"]["val"]
    return tuple(str(part) for part in (elem["concat"] if isinstance(elem, dict) and "concat" in elem else (elem,)))


def transaction(changes: Sequence[Change], kept: Iterable[Resource] | None = None) -> dict[str, Any]:
    """Return one atomic nft transaction, in JSON, that makes all of `changes`.

    A table to be made must not be there yet. With `kept`, what was observed in it, it is replaced, damaged or
    not, and the elements of its sets stay: packets see the old table or the new one, nothing between.
    """
    ruleset = [change for change in changes if isinstance(change.resource, Ruleset)]
    if ruleset and ruleset[-1].after is None:
        return {"nftables": [{"delete": _DEFINITION[0]}]}
    added = [change.after for change in changes if isinstance(change.after, Element)]
    removed = [change.before for change in changes if isinstance(change.before, Element)]
    if not ruleset:
        return {"nftables": [*_elements("delete", removed), *_elements("add", added)]}
    added = [item for item in kept or () if isinstance(item, Element) and item not in removed] + added
    return {"nftables": [*_build(_DEFINITION[1:], replace=kept is not None), *_elements("add", added)]}


def _build(parts: Iterable[dict[str, Any]], *, replace: bool) -> list[dict[str, Any]]:
    table = _DEFINITION[0]
    # `add` before `delete`, which fails where there is nothing; `create` fails where there is something.
    start = [{"add": table}, {"delete": table}, {"add": table}] if replace else [{"create": table}]
    return start + [{"add": part} for part in parts]


def _elements(verb: str, items: Iterable[Element]) -> Iterator[dict[str, Any]]:
    """Yield one command for each set; elements of a set that we do not have, or of another shape, are left out."""
    for name, kind in _SETS.items():
        wide = isinstance(kind, list)
        values = dict.fromkeys(item.value for item in items if item.set == name and len(item.value) == 1 + wide)
        if values:
            elem = [{"concat": list(value)} if wide else value[0] for value in values]
            yield {verb: {"element": {**_OURS, "name": name, "elem": elem}}}


def probes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (rule, a transaction that makes a table with it alone), to find out what a kernel lacks."""
    for part in _DEFINITION:
        rule = part.get("rule")
        if rule:
            chain = [each for each in _DEFINITION if each.get("chain", {}).get("name") == rule["chain"]]
            sets = [each for each in _DEFINITION if "set" in each]
            yield rule["comment"].split(":")[1], {"nftables": _build([*sets, *chain, part], replace=True)}
