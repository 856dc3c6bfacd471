# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge: observe, plan, apply with undo, verify. The only place that knows of check mode.

Whatever touches the host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field, replace
from typing import Any, Callable

from ._changes import Change, plan
from ._errors import NetloomError
from ._frozen import dataclass
from ._model import HOST, Endpoint, Key, Pairs
from ._resources import (
    Element,
    EndpointRecord,
    Link,
    NamespaceRecord,
    NetworkRecord,
    Port,
    Resource,
    Route,
    Ruleset,
    Sysctl,
    is_common,
)

Records = (NetworkRecord, EndpointRecord, NamespaceRecord)


@dataclass(frozen=True)
class Goal:
    """What a task wants: resources that shall be there, and those that may be there and shall not.

    `recorded` are the records as they are now; `unfinished` the keys of those that a killed run left; `former` the
    endpoints as they are and, where a run was killed, were. `other_elements` returns what else belongs in our firewall
    tables, for when one itself is not as it should be: whatever it held is lost for every network.
    """

    desired: tuple[Resource, ...]
    obsolete: tuple[Resource, ...] = ()
    recorded: tuple[Resource, ...] = ()
    unfinished: tuple[Key, ...] = ()
    other_elements: Callable[[], tuple[Resource, ...]] = tuple
    former: tuple[Endpoint, ...] = ()
    warnings: tuple[str, ...] = ()
    veil: Pairs = ()  # what a plugin has chosen, or in check mode would, and the words in its place


@dataclass(frozen=True)
class Outcome:
    """What was changed, or in check mode would be, and what the user should know besides."""

    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def converge(goal: Goal, host: Any, *, dry_run: bool) -> Outcome:
    """Make the host and the records what `goal` says, or leave them as they were.

    :raises NetloomError: a foreign object is in the way (nothing was touched), a change was refused
        (it was undone), or the undoing failed as well (the text says what is left).
    """
    scope = _kernel((*goal.desired, *goal.obsolete))
    with host.stage("observe", len(scope)):
        observed = _observe(host, scope)
        if any(isinstance(item, Ruleset) and item not in observed for item in goal.desired):
            others = goal.other_elements()
            goal = replace(goal, desired=(*goal.desired, *others))
            scope = (*scope, *_kernel(others))
            observed += host.observe(others)
    with host.stage("plan"):
        _refuse_foreign(goal.desired, observed)
        apart = _left_alone(goal.desired, observed)
        warnings = (*goal.warnings, *_warnings(goal.desired, apart))
        desired = [item for item in goal.desired if item.key not in apart]
        scope = tuple(item for item in scope if item.key not in apart)
        observed = [item for item in observed if item.key not in apart]
        changes = plan(desired, [*observed, *goal.recorded])
        if goal.veil:
            changes = tuple(replace(change, veil=goal.veil) for change in changes)
        host.prepare(changes)
    if dry_run or not (changes or goal.unfinished):
        return Outcome(changes, warnings)
    flows: Any = ()
    if goal.former or any(isinstance(change.resource, Port) for change in changes):
        from ._flows import outdated  # what is new has no past

        flows = outdated(goal.former, desired, changes)
    _carry_out(host, changes, goal.unfinished, desired, observed, scope, flows)
    return Outcome(changes, (*warnings, *host.notes))


def _carry_out(
    host: Any,
    changes: tuple[Change, ...],
    unfinished: Iterable[Key],
    desired: list[Resource],
    observed: list[Resource],
    scope: tuple[Resource, ...],
    flows: Any,
) -> None:
    """Record the intent, make the changes, see that they are made, and record that; or undo what was made.

    :raises NetloomError: as `converge`.
    """
    in_kernel = tuple(change for change in changes if not isinstance(change.resource, Records))
    touched = {change.resource.key for change in changes if isinstance(change.resource, Records) and change.after}
    with host.stage("write records", len(changes)):
        host.execute("write the records", host.records.begin, changes)
    try:
        host.apply(in_kernel)
        if any(flows):
            host.forget(flows)
        with host.stage("verify", len(scope)):
            _verify(desired, host, scope, {change.resource.handler for change in in_kernel})
        with host.stage("announce"):
            host.announce(in_kernel)
        with host.stage("write records"):
            resuming = {*unfinished, *_learned(desired, host)}
            finished = sorted(touched.union(resuming))
            resumed = (item for item in desired if isinstance(item, EndpointRecord) and item.key in resuming)
            made = [_as_made(change, host) for change in (*(Change(item, item) for item in resumed), *changes)]
            host.execute("write the records", host.records.complete, made, finished, _released(desired, scope))
    except BaseException as exc:
        _undo(observed, host, scope, exc)
        raise


def _kernel(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    return tuple({r.key: r for r in reversed([*resources]) if not isinstance(r, Records)}.values())


def _learned(desired: Iterable[Resource], host: Any) -> list[Key]:
    """Return the keys of the endpoints for which plugins have answered something that is not in their records."""
    if not host.learned:
        return []
    records = (item for item in desired if isinstance(item, EndpointRecord))
    return [item.key for item in records if host.as_learned(item.endpoint) != item.endpoint]


def _as_made(change: Change, host: Any) -> Change:
    """Return a change of an endpoint with what is known of it and its sandbox now that it is made."""
    after = change.after
    if not isinstance(after, EndpointRecord):
        return change
    endpoint = host.as_learned(after.endpoint)
    if host.is_open(endpoint.place):
        sandbox = host.sandbox(endpoint.place)
        if sandbox != endpoint.sandbox:
            endpoint = replace(endpoint, sandbox=sandbox)
    return change if endpoint is after.endpoint else replace(change, after=replace(after, endpoint=endpoint))


def _released(desired: Iterable[Resource], scope: Iterable[Resource]) -> list[str]:
    """Return the host's settings that nothing needs any more, restored by this run or by one that was killed."""
    needed = {item.key for item in desired}
    return [item.path for item in scope if isinstance(item, Sysctl) and is_common(item) and item.key not in needed]


def _verify(desired: Iterable[Resource], host: Any, scope: Iterable[Resource], handlers: Collection[str]) -> None:
    """Plan again for the kinds of resources that were changed.

    :raises NetloomError: apply_failed, what was asked for is not what is there.
    """
    seen = _observe(host, [item for item in scope if item.handler in handlers])
    settled = (host.settle(item) for item in _kernel(desired) if item.handler in handlers)
    wanted = [item for item in settled if item is not None]
    keys = {item.key for item in wanted}
    # A plugin may have made a route where one of ours could have been; and what was in nobody's way has stayed.
    seen = [item for item in seen if item.key in keys or not _is_foreign(item)]
    left = plan(wanted, seen)
    if left:
        raise NetloomError("apply_failed", "the host is not as it was made to be: " + "; ".join(map(str, left)))


def _is_foreign(item: Resource) -> bool:
    return isinstance(item, Link) or getattr(item, "foreign", False)


def _undo(before: Iterable[Resource], host: Any, scope: Iterable[Resource], cause: BaseException) -> None:
    """Bring back what was observed before, by planning it: a half-applied batch needs no special case.

    :raises NetloomError: that failed too; the intent stays in the records for the next run.
    """
    changes: tuple[Change, ...] = ()
    try:
        before = _kernel(before)
        now = _observe(host, scope)
        apart = _left_alone(before, now)
        changes = plan(before, [item for item in now if item.key not in apart])
        host.apply(changes)
        host.execute("write the records", host.records.put_back)
    except Exception as exc:
        left = "; ".join(map(str, changes)) or "the records"
        raise NetloomError(
            getattr(cause, "code", "apply_failed"),
            f"{cause}; undoing it failed too: {exc}; left to do: {left}; the same task again repairs it",
        ) from cause


def _observe(host: Any, scope: Iterable[Resource]) -> list[Resource]:
    """Return what is there of `scope`.

    The other end of a link of ours may have a name that another one wants: that is no foreign interface.
    """
    observed = host.observe(scope)
    ours = {key for item in observed if not isinstance(item, Link) for key in item.provides}
    return [item for item in observed if not (isinstance(item, Link) and item.key in ours)]


def _refuse_foreign(desired: Iterable[Resource], observed: Iterable[Resource]) -> None:
    """:raises NetloomError: something that is not ours has a name that we want."""
    foreign = {item.key: item for item in observed if isinstance(item, Link)}
    for resource in desired:
        for key in resource.provides if foreign else ():
            if key in foreign:
                raise _in_the_way(resource, foreign[key])


def _in_the_way(wanted: Resource, found: Link) -> NetloomError:
    kind = found.kind or "physical interface"
    article = "an" if kind[0] in "aeiou" else "a"
    if found.place == HOST:
        return NetloomError(
            "invalid_ifname", f"{wanted.title}: {found.name} exists and is {article} {kind} that is not ours"
        )
    container = found.place.partition(":")[2]
    return NetloomError(
        "endpoint_exists",
        f"interface_name: {found.name} exists in {container} and is {article} {kind} that is not ours",
    )


def _left_alone(desired: Iterable[Resource], observed: Iterable[Resource]) -> dict[Key, Resource]:
    """Return, by key, what is not ours to plan with: foreign links and routes, and what others still need.

    Another state directory's networks are in the same firewall table and need the same forwarding.
    """
    wanted = {item.key for item in desired}
    found = {item.key: item for item in observed if _is_foreign(item)}
    tables = {
        item.key: item for item in observed if isinstance(item, Ruleset) and item.shared and item.key not in wanted
    }
    found.update(tables)
    elements = (item for item in observed if isinstance(item, Element) and item.shared)
    found.update((item.key, item) for item in elements if item.key not in wanted)
    if ("ruleset", "inet") in tables:
        settings = (item for item in observed if isinstance(item, Sysctl) and is_common(item) and not item.ifname)
        found.update((item.key, item) for item in settings if item.key not in wanted)
    return found


def _warnings(desired: Iterable[Resource], left_alone: dict[Key, Resource]) -> tuple[str, ...]:
    """Say where a route or a file that is not ours keeps us from making one."""
    found = [left_alone.get(item.key) for item in desired]
    files = [item.title for item in found if item is not None and item.handler == "resolvconf"]
    return tuple(
        f"{title}: there is one already that is not ours; it is kept, and names are looked up as it says"
        for title in files
    ) + tuple(
        f"{item.title}: there is one already that is not ours, {_leads(item)}; it is kept"
        for item in found
        if isinstance(item, Route)
    )


def _leads(route: Route) -> str:
    return f"through {route.gateway or route.ifname}" if route.type == "unicast" else f"of type {route.type}"
