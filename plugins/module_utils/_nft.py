# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of ours as nft speaks of it in JSON: defined, told apart from a damaged one, changed in one transaction.

What tables there are and what is in them is not said here. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ._changes import Change
from ._resources import PROTOCOLS, Element, Entry, Resource, Ruleset

TABLE = "netloom"  # the name of each table of ours, in whatever family
ACCEPT, DROP = {"accept": None}, {"drop": None}


class Set(NamedTuple):
    """A set, or with `value` a map. `key` and `value` are types of nft.

    An element of it belongs to whoever has an element of the set `users` that begins like it, empty: to one alone.
    """

    key: tuple[str, ...]
    value: str = ""
    users: str = ""


class Chain(NamedTuple):
    """Rules by name, in their order; without `hook` only other chains lead there."""

    rules: dict[str, list[dict[str, Any]]]
    kind: str = ""
    hook: str = ""
    priority: int = 0


class Table(NamedTuple):
    """A table of ours: its family, and its sets and chains by name.

    Whoever has something in the table has something in one of the sets `owners`.
    No keyword of nft ("masquerade") may name one: `nft list ruleset` would print what `nft -f` cannot read.
    """

    family: str
    sets: Mapping[str, Set]
    chains: Mapping[str, Chain]
    owners: tuple[str, ...]

    def __hash__(self) -> int:
        return hash(self.family)


# --- words of rules ---


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def payload(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}


def concat(*parts: Any) -> dict[str, Any]:
    return {"concat": [*parts]}


def digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


# --- what a table is made of ---


@cache  # it has a digest for each rule, and each look at a table compares with it
def definition(table: Table) -> tuple[dict[str, Any], ...]:
    """Return what the table is made of, in the order in which nft takes it: the table itself, sets, chains, rules."""
    place = {"family": table.family, "table": TABLE}
    parts: list[dict[str, Any]] = [{"table": {"family": table.family, "name": TABLE}}]
    for name, kind in table.sets.items():
        body = {**place, "name": name, "type": kind.key[0] if len(kind.key) == 1 else [*kind.key]}
        parts.append({"map": {**body, "map": kind.value}} if kind.value else {"set": body})
    for name, chain in table.chains.items():
        base = {"type": chain.kind, "hook": chain.hook, "prio": chain.priority, "policy": "accept"}
        parts.append({"chain": {**place, "name": name, **(base if chain.hook else {})}})
    for chain_name, chain in table.chains.items():
        for name, expression in chain.rules.items():
            comment = f"{TABLE}:{name}:{digest_of(expression)}"
            parts.append({"rule": {**place, "chain": chain_name, "comment": comment, "expr": expression}})
    return tuple(parts)


@cache
def ruleset(table: Table) -> Ruleset:
    """Return the resource that the table is when nothing is wrong with it."""
    return Ruleset(digest_of(definition(table)), table.family)


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
                facts = [body.get(fact) for fact in ("type", "map", "hook", "prio", "policy", "flags")]
                shape["table" if kind == "table" else f"{kind} {body.get('name')}"] = facts
    return shape


# --- reading ---


def observed(table: Table, listing: dict[str, Any] | None, sets: Collection[str] | None = None) -> tuple[Resource, ...]:
    """Return the table and its elements as `nft -j list table` tells them; `listing` None means no table.

    Elements are those of `sets`, by default of all: of thousands of published ports few tasks need to know.
    The digest of a table with anything missing, added or moved is `damaged: ` and what it is.
    """
    if listing is None:
        return ()
    items = listing["nftables"]
    wanted, shape = _shape(definition(table)), _shape(items)
    damage = [name for name in {**wanted, **shape} if shape.get(name) != wanted.get(name)]
    found = Ruleset("damaged: " + ", ".join(damage), table.family) if damage else ruleset(table)
    wanted_sets = table.sets if sets is None else sets
    return (found, *_elements_in(items, table.family, wanted_sets))


def _elements_in(items: Iterable[dict[str, Any]], family: str, sets: Collection[str]) -> Iterator[Element]:
    for item in items:
        for kind, body in item.items():
            if kind not in ("set", "map") or body["name"] not in sets:
                continue
            for each in body.get("elem", ()):
                key, value = each if kind == "map" else (each, None)
                yield Element(body["name"], _parts(key), _parts(value) if kind == "map" else (), family=family)


def _parts(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict) and "elem" in value:  # with a comment, counter or timeout
        value = value["elem"]["val"]
    parts = value["concat"] if isinstance(value, dict) and "concat" in value else (value,)
    # nft names a protocol where /etc/protocols does, which need not be there.
    return tuple(PROTOCOLS.get(str(part), str(part)) for part in parts)


# --- changing ---


def transaction(
    table: Table, changes: Sequence[Change], kept: Iterable[Resource] | None = None
) -> list[dict[str, Any]]:
    """Return the commands, to be given to nft as one transaction, that make all of `changes` to the table.

    A table to be made must not be there yet. With `kept`, what was observed in it, it is replaced, damaged or
    not, and the elements of its sets stay: packets see the old table or the new one, nothing between.
    """
    parts = definition(table)
    rulesets = [change for change in changes if isinstance(change.resource, Ruleset)]
    if rulesets and rulesets[-1].after is None:
        return [{"delete": parts[0]}]
    removed = [element for change in changes for element in _elements_of(change.before)]
    added = [element for change in changes for element in _elements_of(change.after)]
    if not rulesets:
        removed, added = _without(removed, added), _without(added, removed)
        return [*_commands(table, "delete", removed), *_commands(table, "add", added)]
    staying = [item for item in kept or () if isinstance(item, Element) and item not in removed]
    new = {element.key for element in added}
    added = [*(element for element in staying if element.key not in new), *added]
    return [*_build(parts[0], parts[1:], replace=kept is not None), *_commands(table, "add", added)]


def _elements_of(resource: Resource | None) -> tuple[Element, ...]:
    if isinstance(resource, Entry):
        return resource.elements
    return (resource,) if isinstance(resource, Element) else ()


def _without(some: Iterable[Element], others: Iterable[Element]) -> list[Element]:
    left_out = {*others}
    return [item for item in some if item not in left_out]


def _build(table: dict[str, Any], parts: Iterable[dict[str, Any]], *, replace: bool) -> list[dict[str, Any]]:
    # `add` before `delete`, which fails where there is nothing; `create` fails where there is something.
    start = [{"add": table}, {"delete": table}, {"add": table}] if replace else [{"create": table}]
    return start + [{"add": part} for part in parts]


def _commands(table: Table, verb: str, items: Iterable[Element]) -> Iterator[dict[str, Any]]:
    """Yield one command for each set; elements of a set that we do not have, or of another shape, are left out."""
    by_set: dict[str, dict[tuple[str, ...], Element]] = {}
    for item in items:
        by_set.setdefault(item.set, {})[item.value] = item
    for name, kind in table.sets.items():
        elem = [
            [_spelt(item.value), _spelt(item.data)] if kind.value and verb == "add" else _spelt(item.value)
            for item in by_set.get(name, {}).values()
            if len(item.value) == len(kind.key) and bool(item.data) == bool(kind.value)
        ]
        if elem:
            yield {verb: {"element": {"family": table.family, "table": TABLE, "name": name, "elem": elem}}}


def _spelt(parts: tuple[str, ...]) -> Any:
    return {"concat": [*parts]} if len(parts) > 1 else parts[0]


def probes(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (rule, a transaction that makes a table with it alone), to find out what a kernel lacks."""
    parts = definition(table)
    for part in parts:
        rule = part.get("rule")
        if rule:
            chains = [each for each in parts if "chain" in each]
            sets = [each for each in parts if "set" in each or "map" in each]
            commands = _build(parts[0], [*sets, *chains, part], replace=True)
            yield rule["comment"].split(":")[1], {"nftables": commands}
