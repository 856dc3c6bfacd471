# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Desired minus observed: the plan, and how it is told to people.

Collection-private and pure: no sockets, files, clocks or randomness. Floor 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import groupby
from typing import Any

from ._frozen import dataclass
from ._model import Key, Pairs
from ._resources import Bridge, Resource, Sysctl, Up


@dataclass(frozen=True)
class Change:
    """One thing that is not as it should be: `before` None creates it, `after` None removes it."""

    before: Resource | None
    after: Resource | None
    veil: Pairs = field(default=(), compare=False)  # what is not told of it, and the words in its place

    @property
    def resource(self) -> Resource:
        return self.after or self.before  # type: ignore[return-value]

    @property
    def differences(self) -> tuple[tuple[str, Any, Any], ...]:
        """Return (name, before, after) of every fact that changes."""
        before = self.before.facts() if self.before else {}
        after = self.after.facts() if self.after else {}
        return tuple(
            (name, before.get(name), after.get(name))
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        )

    def __str__(self) -> str:
        """Return the line that stands for it in a module's `changes`."""
        told = self._told()
        if not self.veil:
            return told
        from ._plugin_pools import veiled  # few tasks have anything to hide

        return veiled(told, self.veil)

    def _told(self) -> str:
        create, change, remove = self.resource.verbs
        if self.before is None:
            return f"{create} {self.resource.title}"
        if self.after is None:
            return f"{remove} {self.resource.title}"
        facts = ", ".join(f"{name} {spoken(old)} -> {spoken(new)}" for name, old, new in self.differences)
        return f"{change} {self.resource.title}: {facts or 'what is not shown'}"


def plan(desired: Iterable[Resource], observed: Iterable[Resource]) -> tuple[Change, ...]:
    """Return the changes that turn `observed` into `desired`, in the order to apply them.

    Deletions come first and run from the outside in (an interface is down before its rules go);
    creations and updates follow from the inside out. Of negative rank, creations come first, and
    deletions last. What the kernel removes along with its parent is not listed for itself, and is
    created anew when its parent is replaced.
    An empty result means that the host is already right.
    """
    wanted = {resource.key: resource for resource in desired}
    present = {resource.key: resource for resource in observed}
    doomed = [resource for key, resource in present.items() if key not in wanted or wanted[key].fixed != resource.fixed]
    gone = _taken_along(doomed, present)
    removals = [resource for resource in doomed if resource.key not in gone]
    for key in {*gone, *(resource.key for resource in removals)}:
        del present[key]
    changes = [Change(resource, None) for resource in removals if not _at_rest(resource)]
    changes.sort(key=lambda change: -change.resource.rank)
    additions = [Change(present.get(key), resource) for key, resource in wanted.items() if present.get(key) != resource]
    # A new bridge comes up after its ports. Else each member's announcement goes to all that are up already, which
    # at 1,000 is a third of the work, and on a bridge that was not there nobody can have a neighbour to forget.
    new = {change.resource.key for change in additions if isinstance(change.resource, Bridge) and not change.before}
    additions.sort(key=lambda change: (change.resource.rank, _is_up_of(change.resource, new)))
    # What is outside of the host (its rank is negative) is had before anything here is touched, and given back after.
    # What is there in another shape is between: it can be had only once the former is given back.
    replaced = {change.resource.key for change in changes}.intersection(change.resource.key for change in additions)
    outside, outside_gone = ([item for item in each if item.resource.rank < 0] for each in (additions, changes))
    return (
        *(change for change in outside if change.resource.key not in replaced),
        *(change for change in changes if change.resource.rank >= 0),
        *(change for change in outside_gone if change.resource.key in replaced),
        *(change for change in outside if change.resource.key in replaced),
        *(change for change in additions if change.resource.rank >= 0),
        *(change for change in outside_gone if change.resource.key not in replaced),
    )


def batches(changes: Iterable[Change]) -> Iterator[tuple[str, list[Change]]]:
    """Yield (handler, changes) for each run of neighbouring changes that one handler carries out."""
    for handler, run in groupby(changes, key=lambda change: change.resource.handler):
        yield handler, list(run)


def spoken_drift(change: Change) -> str:
    """Return the line that tells `change` as something that is not as it should be."""
    title = change.resource.title
    if change.before is None:
        return f"{title} is {'down' if change.resource.verbs[0] == 'bring up' else 'missing'}"
    if change.after is None:
        return f"{title} should not be there"
    return f"{title}: " + ", ".join(
        f"{name} is {spoken(old)}, not {spoken(new)}" for name, old, new in change.differences
    )


def spoken_drifts(changes: Iterable[Change]) -> list[str]:
    """Return the lines that tell changes as what is not as it should be. What is made anew for a fault is its fault."""
    faults = {
        change.resource.key: f"{change.resource.title}: {fault}"
        for change in changes
        for fault in [getattr(change.before, "fault", "")]
        if fault and change.after is None
    }
    others = (spoken_drift(change) for change in changes if change.resource.key not in faults)
    return [*faults.values(), *others]


def _is_up_of(resource: Resource, links: set[Key]) -> bool:
    return isinstance(resource, Up) and resource.parent in links


def _taken_along(doomed: Iterable[Resource], present: dict[Key, Resource]) -> set[Key]:
    """Return the keys of what disappears from `present` because something that it needs is doomed."""
    lost = {key for resource in doomed for key in resource.provides}
    gone: set[Key] = set()
    while True:
        more = {
            key
            for key, resource in present.items()
            if key not in gone and not lost.isdisjoint({resource.parent, resource.support})
        }
        if not more:
            return gone
        gone |= more
        lost |= {key for item in more for key in present[item].provides}


def _at_rest(resource: Resource) -> bool:
    """Return whether removing `resource` would change nothing.

    That is a setting that is back at its old value, or one that stays what it is as long as its interface.
    """
    if not isinstance(resource, Sysctl):
        return False
    return resource.restore == resource.value or bool(resource.ifname and not resource.restore)


def plain(value: Any) -> Any:
    """Return `value` as something that JSON can hold: addresses as text, pairs as a dict."""
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return str(value)


def spoken(value: Any) -> str:
    """Return `value` as it stands in a sentence."""
    value = plain(value)
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {spoken(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(spoken(item) for item in value) + "]"
    return str(value)
