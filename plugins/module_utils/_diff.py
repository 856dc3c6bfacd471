# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as two texts, before and after, of which Ansible shows the lines that differ.

What is there on one side only is one line, with what is special about it. What changes in place is a heading, which is on
both sides, over one line for each fact that differs. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._changes import Change, plain, spoken

NOT_SHOWN = "  what is not shown"
FIRST = ("driver", "subnet", "iprange", "gateway")  # of what something new has, in this order
# What is left out of its line: how all of them are, and what only the next run needs.
USUAL = {
    "enable_ipv4": True,
    "lo_up": True,
    "dns": True,
    "dns_servers": ["host"],
    "ipam_driver": "default",
    "type": "unicast",
    "state": "as asked",
}
INNER = frozenset({"digest", "master", "place", "request", "sandbox", "tag"})


def difference(changes: Iterable[Change]) -> dict[str, str]:
    """Return Ansible's diff, before and after, of what changes and of nothing else; empty texts for no changes."""
    before: list[str] = []
    after: list[str] = []
    for change in changes:
        olds, news = _lines(change)
        before += olds
        after += news
    return {"before": _text(before), "after": _text(after)}


def _lines(change: Change) -> tuple[list[str], list[str]]:
    """Return the lines of one change, before and after."""
    if change.before is None or change.after is None:
        line = [_whole(change)]
        olds, news = ([], line) if change.before is None else (line, [])
    else:
        heading = printable(change.resource.title)
        olds, news = _facts_that_differ(change)
        olds, news = [heading, *olds], [heading, *(news if olds or news else [NOT_SHOWN])]
    if change.veil:
        from ._plugin_pools import veiled  # few tasks have anything to hide

        olds, news = ([veiled(line, change.veil) for line in lines] for lines in (olds, news))
    return olds, news


def printable(text: str) -> str:
    """Return `text` in one line, what a terminal would act upon escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _whole(change: Change) -> str:
    """Return the line of what is on one side only: its name, and what neither that says nor all of its kind have."""
    title = change.resource.title
    said = set(title.replace("(", " ").replace(")", " ").split())
    facts = []
    for name, value in sorted(_flat(change.resource.facts()), key=_order):
        text = spoken(value)
        special = USUAL[name] != value if name in USUAL else bool(value)
        if special and name.partition(".")[0] not in INNER and not said.issuperset(text.split()):
            facts.append(f"{name} {text}")
    if not facts:
        return printable(title)
    opened = f"{title[:-1]}, " if title.endswith(")") else f"{title} ("
    return printable(f"{opened}{', '.join(facts)})")


def _facts_that_differ(change: Change) -> tuple[list[str], list[str]]:
    """Return the lines of one resource before and after, of lists and dictionaries the entries that differ."""
    olds: list[str] = []
    news: list[str] = []
    for name, old, new in change.differences:
        left, right = _entries(name, old), _entries(name, new)
        if left and left == right:  # the same in another order
            left, right = ([(name, spoken(value))] for value in (old, new))
        else:
            left, right = _without(left, right), _without(right, left)
        olds += [printable(f"  {key}: {text}") for key, text in left]
        news += [printable(f"  {key}: {text}") for key, text in right]
    return olds, news


def _entries(name: str, value: Any) -> list[tuple[str, str]]:
    """Return (name, text) of a fact: one for each entry of a list or a dictionary, none for nothing."""
    found = plain(value)
    if isinstance(found, Mapping):
        return [(f"{name}.{key}", spoken(item)) for key, item in sorted(found.items())]
    if isinstance(found, list):
        return sorted((name, spoken(item)) for item in found)
    return [] if found is None or found == "" else [(name, spoken(found))]


def _without(entries: list[tuple[str, str]], others: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list((Counter(entries) - Counter(others)).elements())


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) with dictionaries entry by entry, and pools by the names of their options."""
    for name, value in facts.items():
        name = name.rpartition("].")[2]
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, plain(value)


def _order(fact: tuple[str, Any]) -> int:
    return FIRST.index(fact[0]) if fact[0] in FIRST else len(FIRST)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
