# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing back what the records list: after a reboot, or when one container runs again.

Nobody asks for anything new here: everything becomes what the last task made of it. One plan for all of it; what cannot
be brought back is found by halving, and does not keep the rest away. The host comes in as an argument.
Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Callable

from .._apply import Outcome, converge
from .._changes import spoken_drift
from .._draft import Draft, Slot
from .._draft_endpoints import open_member, recorded_network
from .._draft_networks import draft_namespace, draft_network
from .._drivers.registry import driver
from .._errors import NetloomError
from .._frozen import dataclass
from .._goal import goal_of
from .._model import Endpoint, NetworkSpec
from .crowds import crowded

NAMESPACE, SETTINGS, NETWORK = "network namespace", "settings of network namespace", "network"
Item = tuple[str, str]  # one of these, and its name
_ENGINES = ("docker", "podman", "machine")
_OF_ALL = ("state_corrupt", "state_locked", "state_newer_version", "permission_denied")  # no item's own fault


@dataclass(frozen=True)
class Failure:
    """What could not be brought back, and why."""

    kind: str
    name: str
    error: NetloomError


@dataclass(frozen=True)
class Restored:
    """What came of it. `pending` are the endpoints whose container does not run."""

    outcome: Outcome
    failures: tuple[Failure, ...] = ()
    pending: tuple[Endpoint, ...] = ()


def restore(host: Any, *, early: bool = False, dry_run: bool = False) -> Restored:
    """Bring back all that the records list, as far as it can be.

    Namespaces are made that are recorded or have something attached to them. Endpoints in other containers come back
    where those run, and are pending where not. `early`: no container engine runs yet, and none is asked.

    :raises NetloomError: the records cannot be read; or what every item would fail for.
    """
    host.unasked = _ENGINES if early else ()
    recorded = [entry.value for entry in host.records.namespaces()]
    names = dict.fromkeys((*(one.name for one in recorded), *host.records.attached_namespaces()))
    items = [(NAMESPACE, name) for name in names]
    items += [(SETTINGS, one.name) for one in recorded if one.settings]
    items += [(NETWORK, name) for name in host.records.network_names()]
    pending: dict[Slot, Endpoint] = {}
    together = partial(_together, host, pending, dry_run=dry_run)
    outcomes, failures = _halving(items, together)
    if failures and any(outcome.changes for outcome in outcomes):
        # One may have waited for another: its parent may be the bridge of a network that came later.
        more, failures = _halving([(one.kind, one.name) for one in failures], together)
        outcomes += more
    return Restored(_summed(outcomes), tuple(failures), tuple(pending.values()))


def namespace_drift(host: Any) -> list[str]:
    """Return, one line each, what of the recorded namespaces is not as the records say. Changes nothing."""
    lines = []
    for entry in host.records.namespaces():
        host.begin_anew()
        draft = Draft(host.records)
        try:
            _draft_namespace(draft, host, entry.value.name, with_settings=True)
            outcome = converge(goal_of(draft, host), host, dry_run=True)
        except NetloomError as exc:
            lines.append(f"{NAMESPACE} {entry.value.name}: {exc.message}")
            continue
        lines += [spoken_drift(change) for change in outcome.changes]
    return lines


def restore_container(host: Any, container: str, runtime: str = "auto", *, dry_run: bool = False) -> Restored:
    """Bring back what is attached to one container, with the networks that it is on. One of no record is no error.

    :raises NetloomError: as `restore`; container_ambiguous, netns_invalid.
    """
    found = host.find(container, runtime)
    if found is not None:
        return restore_place(host, f"{found.runtime}:{found.name}", dry_run=dry_run)
    if runtime in ("auto", "netns") and host.records.namespace(container):
        return restore_place(host, f"netns:{container}", dry_run=dry_run)
    places = [place for place in host.records.places_of(container) if runtime in ("auto", place.partition(":")[0])]
    return restore_place(host, places[0], dry_run=dry_run) if places else Restored(Outcome())


def restore_place(host: Any, place: str, found: Any = None, *, dry_run: bool = False) -> Restored:
    """Bring back the endpoints of one sandbox, with the networks that they are on.

    `found` is the container as whoever has started it knows it; None: its runtime is asked.

    :raises NetloomError: as `restore`.
    """
    runtime, _colon, name = place.partition(":")
    items = [(NETWORK, member.network) for member in Draft(host.records).at(place)]
    if runtime == "netns" and host.records.namespace(name):
        items.insert(0, (SETTINGS, name))
    pending: dict[Slot, Endpoint] = {}

    def plug(some: Sequence[Item]) -> Outcome:
        host.begin_anew()
        draft = Draft(host.records)
        if found is not None:
            host.open(place, found)
        elif runtime == "netns":
            _draft_namespace(draft, host, name, with_settings=(SETTINGS, name) in some)
        wanted = {network for kind, network in some if kind == NETWORK}
        for member in draft.at(place):
            if member.network in wanted and recorded_network(draft, member.network):
                sandbox = open_member(host, member)
                if sandbox is None:
                    pending[member.network, member.seat] = member
                else:
                    draft.put(member if sandbox == member.sandbox else replace(member, sandbox=sandbox))
        return converge(goal_of(draft, host), host, dry_run=dry_run)

    outcomes, failures = _halving([*dict.fromkeys(items)], plug) if items else ([], [])
    return Restored(_summed(outcomes), tuple(failures), tuple(pending.values()))


def _halving(items: Sequence[Item], act: Callable[[Sequence[Item]], Outcome]) -> tuple[list[Outcome], list[Failure]]:
    """Bring back items in one plan, or if that fails each half of them likewise."""
    try:
        return [act(items)], []
    except NetloomError as exc:
        if exc.code in _OF_ALL or isinstance(exc.__cause__, ImportError):
            raise
        if len(items) == 1:
            return [], [Failure(*items[0], exc)]
    middle = len(items) // 2
    outcomes, failures = _halving(items[:middle], act)
    more, others = _halving(items[middle:], act)
    return [*outcomes, *more], [*failures, *others]


def _together(host: Any, pending: dict[Slot, Endpoint], items: Sequence[Item], *, dry_run: bool) -> Outcome:
    host.begin_anew()  # what a plan before has promised and found may not have come about
    draft = Draft(host.records)
    networks = []
    for kind, name in items:
        if kind == NETWORK:
            networks.append(draft_network(draft, host, NetworkSpec(name)))
        else:
            _draft_namespace(draft, host, name, with_settings=kind == SETTINGS)
    outcome = converge(goal_of(draft, host), host, dry_run=dry_run)
    warnings: list[str] = []
    for one in networks:
        members = tuple(draft.members(one.name).values())
        pending.update({(one.name, member.seat): member for member in members if not host.is_live(member)})
        warnings += crowded(host, one, members)
    forwarding = [one for one in networks if driver(one.driver).bridged and not one.internal]
    warnings += host.forward_drops(forwarding) if forwarding else ()
    return replace(outcome, warnings=(*outcome.warnings, *warnings))


def _draft_namespace(draft: Draft, host: Any, name: str, *, with_settings: bool) -> None:
    """Have a namespace be as it is recorded."""
    entry = draft.namespace_entry(name)
    draft_namespace(draft, host, name, entry.value.settings if with_settings and entry else (), again=True)


def _summed(outcomes: Iterable[Outcome]) -> Outcome:
    outcomes = [*outcomes]
    changes = tuple(change for outcome in outcomes for change in outcome.changes)
    return Outcome(changes, tuple(dict.fromkeys(line for outcome in outcomes for line in outcome.warnings)))
