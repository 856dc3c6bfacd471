# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our nft tables in the kernel: one process to read each, one for all changes of a batch.

Collection-private. nft runs in the network namespace that the calling thread is in. Floor 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .. import _firewall
from .._changes import Change
from .._errors import NetloomError
from .._nft import TABLE, Table, observed, probes, ruleset, transaction
from .._resources import Element, Entry, Resource, Ruleset

TIMEOUT = 30
ATTEMPTS = 5
# ENOENT and EOPNOTSUPP: nft has no better words for a kernel without the module of an expression.
_UNSUPPORTED = ("No such file or directory", "not supported")
_TRANSIENT = ("resource busy", "Interrupted system call", "temporarily unavailable", "CHAIN_DEL")
_EXISTS = "File exists"
_MODULES = {
    '"fib"': "nft_fib_inet, nft_fib_ipv4, nft_fib_ipv6",
    '"ct"': "nft_ct, nf_conntrack",
    '"masquerade"': "nft_masq, nft_chain_nat",
    '"dnat"': "nft_nat, nft_chain_nat",
    '"jhash"': "nft_hash",
    '"snat"': "nft_nat, nft_chain_nat",
    '"family": "bridge"': "nf_tables_bridge",
}


def table(family: str = "inet", sets: Collection[str] | None = None) -> tuple[Resource, ...]:
    """Return what is in our table of a family (of `sets` only, where given), itself included; nothing if there is none."""
    done = _nft("list", "table", family, TABLE)
    if done.returncode and _UNSUPPORTED[0] in done.stderr:
        return ()
    return observed(_definition(family), _answer(done), sets)


def _definition(family: str) -> Table:
    if family == "bridge":
        from .. import _port_security

        return _port_security.TABLE
    if family in ("ip", "ip6"):
        from .. import _vtep_filter

        return _vtep_filter.TABLES[family]
    return _firewall.TABLE


def observe(host: Any, wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the state of those of `wanted` that are there."""
    by_family: dict[str, list[Any]] = {}
    for resource in wanted:
        by_family.setdefault(resource.family, []).append(resource)  # type: ignore[attr-defined]
    for family, resources in by_family.items():
        elements = (element for each in resources for element in getattr(each, "elements", (each,)))
        defined = _definition(family)
        sets = {*defined.owners, *(element.set for element in elements if isinstance(element, Element))}
        yield from _observed(table(family, sets), resources, defined)


def _observed(found: Sequence[Resource], wanted: Sequence[Any], defined: Table) -> Iterator[Resource]:
    known = {resource.key: resource for resource in found}
    asked = {element.key for resource in wanted for element in getattr(resource, "elements", (resource,))}
    for resource in wanted:
        if isinstance(resource, Entry):
            there: Any = tuple(known[element.key] for element in resource.elements if element.key in known)
            if there:
                yield replace(resource, elements=there)
        elif resource.key in known:
            state: Any = known[resource.key]
            others = (item for key, item in known.items() if key not in asked and isinstance(item, Element))
            if isinstance(state, Ruleset):
                shared = any(item.set in defined.owners for item in others)
            else:
                users = defined.sets[state.set].users
                shared = bool(users) and any((item.set, item.value[:1]) == (users, state.value) for item in others)
            yield replace(state, shared=True) if shared else state


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make all of `changes` in one transaction, or none of them.

    :raises NetloomError: kernel_unsupported, naming what is missing; permission_denied; missing_dependency;
        apply_failed with nft's own words.
    """
    what = str(changes[0]) + (f" and {len(changes) - 1} more" if len(changes) > 1 else "")
    host.execute(what, _change, changes)


def _change(changes: Sequence[Change]) -> None:
    families = dict.fromkeys(change.resource.family for change in changes)  # type: ignore[attr-defined]
    parts = {family: [change for change in changes if change.resource.family == family] for family in families}  # type: ignore[attr-defined]
    builds = {family for family, part in parts.items() if any(isinstance(change.after, Ruleset) for change in part)}
    there = any(change.before for change in changes if isinstance(change.after, Ruleset))
    for attempt in range(1, ATTEMPTS + 1):
        commands = [
            command
            for family, part in parts.items()
            for command in _transaction(family, part, in_place=there and family in builds)
        ]
        done = _nft("-f", "-", commands={"nftables": commands})
        # The lock is one per state directory: a task with another one may have made the table meanwhile.
        taken = bool(builds) and _EXISTS in done.stderr
        if not done.returncode or not (taken or any(words in done.stderr for words in _TRANSIENT)):
            break
        there = there or taken
        time.sleep(0.01 * attempt)
    if done.returncode and builds and any(words in done.stderr for words in _UNSUPPORTED):
        _refuse_for_lack(builds)
    _answer(done)


def _transaction(family: str, changes: Sequence[Change], *, in_place: bool) -> list[dict[str, Any]]:
    """Return the commands for one table. `in_place`: it may be there, and what it holds belongs to others too, and stays."""
    defined = _definition(family)
    if not in_place:
        return transaction(defined, changes)
    found, before = table(family), None
    whole = ruleset(defined)
    while found != before and whole not in found:
        # nft reads a table in several dumps; one that is being made meanwhile looks damaged.
        found, before = table(family), found
    if whole in found:
        return transaction(defined, [change for change in changes if not isinstance(change.after, Ruleset)])
    return transaction(defined, changes, found)


def foreign_forward_drops(networks: Iterable[Any]) -> list[str]:
    """Return a text for each other program whose chains drop what the bridges of networks forward, with the cure."""
    items = _answer(_nft("list", "chains"))["nftables"]
    chains = [item["chain"] for item in items if "chain" in item]
    hooked = [chain for chain in chains if chain.get("hook") == "forward" and chain["table"] != TABLE]
    tables = dict.fromkeys((chain["family"], chain["table"]) for chain in hooked)
    if not tables:
        return []
    from .. import _coexistence, _foreign  # on hosts with another firewall, and on no other
    from . import sysctls

    items = [item for item in items if item.get("chain") not in hooked]  # as they are now, with their rules:
    for place in tables:
        done = _nft("list", "table", *place)
        # One that is gone was being made anew: firewalld does so when it reloads.
        items += [] if done.returncode else _answer(done)["nftables"]
    bridges = [_foreign.Bridge(network.ifname, tuple(pool.subnet for pool in network.pools)) for network in networks]
    switches = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
    bridged = [version for version, path in switches.items() if sysctls.read(path) == "1"]
    return _coexistence.warnings(items, bridges, bridged)


def _nft(*arguments: str, commands: Any = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    program = shutil.which("nft", path=path)
    if program is None:
        raise NetloomError("missing_dependency", "nft is not installed on the target: install the package nftables")
    try:
        return subprocess.run(  # pylint: disable=ansible-bad-function
            [program, "-j", *arguments],
            input=None if commands is None else json.dumps(commands),
            stdin=subprocess.DEVNULL if commands is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={"PATH": path, "LC_ALL": "C"},  # its messages are compared
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise NetloomError("apply_failed", f"nft has not answered for {TIMEOUT} seconds") from exc


def _answer(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what nft printed.

    :raises NetloomError: it failed.
    """
    if not done.returncode:
        return json.loads(done.stdout) if done.stdout.strip() else None
    words = " ".join(done.stderr.split("\n")[:4]).strip() or f"status {done.returncode}"
    code = "permission_denied" if "Operation not permitted" in words else "apply_failed"
    raise NetloomError(code, f"cannot change or read the firewall: nft: {words}")


def _refuse_for_lack(families: Iterable[str]) -> None:
    """Find the rules that this kernel cannot hold, by asking it for each alone without keeping any.

    :raises NetloomError: kernel_unsupported, if there is one.
    """
    lacking: dict[str, list[str]] = {}
    for rule, commands in (probe for family in families for probe in probes(_definition(family))):
        if _nft("-c", "-f", "-", commands=commands).returncode:
            text = json.dumps(commands["nftables"][-1])
            modules = "; ".join(names for word, names in _MODULES.items() if word in text) or "nf_tables"
            lacking.setdefault(modules, []).append(rule)
    if lacking:
        needs = ", ".join(f"{modules} (for {', '.join(rules)})" for modules, rules in lacking.items())
        raise NetloomError("kernel_unsupported", f"the kernel lacks what the firewall needs: {needs}")
