# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our nft table in the kernel: one process to read it, one for all changes of a batch.

Collection-private. nft runs in the network namespace that the calling thread is in. Floor 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._changes import Change
from .._errors import NetloomError
from .._firewall import FAMILY, RULESET, TABLE, observed, probes, transaction
from .._resources import Resource, Ruleset

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
}


def table() -> tuple[Resource, ...]:
    """Return all that is in our table, the table itself included; nothing when there is none."""
    done = _nft("list", "table", FAMILY, TABLE)
    if done.returncode and _UNSUPPORTED[0] in done.stderr:
        return ()
    return observed(_answer(done))


def observe(host: Any, wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the state of those of `wanted` that are there."""
    keys = {resource.key for resource in wanted}
    found = table()
    shared = any(resource.key not in keys for resource in found)
    for resource in found:
        if resource.key in keys:
            yield replace(resource, shared=shared) if isinstance(resource, Ruleset) else resource


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Make all of `changes` in one transaction, or none of them.

    :raises NetloomError: kernel_unsupported, naming what is missing; permission_denied; missing_dependency;
        apply_failed with nft's own words.
    """
    what = str(changes[0]) + (f" and {len(changes) - 1} more" if len(changes) > 1 else "")
    host.execute(what, _change, changes)


def _change(changes: Sequence[Change]) -> None:
    builds = [change for change in changes if isinstance(change.after, Ruleset)]
    there = any(change.before for change in builds)
    for attempt in range(1, ATTEMPTS + 1):
        done = _nft("-f", "-", commands=_in_place(changes) if there else transaction(changes))
        # The lock is one per state directory: a task with another one may have made the table meanwhile.
        taken = bool(builds) and _EXISTS in done.stderr
        if not done.returncode or not (taken or any(words in done.stderr for words in _TRANSIENT)):
            break
        there = there or taken
        time.sleep(0.01 * attempt)
    if done.returncode and builds and any(words in done.stderr for words in _UNSUPPORTED):
        _refuse_for_lack()
    _answer(done)


def _in_place(changes: Sequence[Change]) -> Any:
    """Return the transaction for a table that is there: what it holds belongs to other networks too, and stays."""
    found, before = table(), None
    while found != before and RULESET not in found:
        # nft reads a table in several dumps; one that is being made meanwhile looks damaged.
        found, before = table(), found
    if RULESET in found:
        return transaction([change for change in changes if not isinstance(change.after, Ruleset)])
    return transaction(changes, found)


def foreign_forward_drops(ifnames: Iterable[str]) -> dict[str, list[str]]:
    """Return the chains of other programs that drop what bridges send or get, as `foreign_drops`: chain to bridges."""
    from .._coexistence import foreign_drops  # when a network is made, and never again

    chains = foreign_drops(_answer(_nft("list", "chains")))
    items: list[Any] = []
    for family, name in dict.fromkeys(tuple(chain.split(" ")[:2]) for chain in chains):
        items += _answer(_nft("list", "table", family, name))["nftables"]
    found: dict[str, list[str]] = {}
    for ifname in ifnames if items else ():
        for chain in foreign_drops({"nftables": items}, ifname):
            found.setdefault(chain, []).append(ifname)
    return found


def _nft(*arguments: str, commands: Any = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    program = shutil.which("nft", path=path)
    if program is None:
        raise NetloomError("missing_dependency", "nft is not installed on the target: install the package nftables")
    try:
        return subprocess.run(
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


def _refuse_for_lack() -> None:
    """Find the rules that this kernel cannot hold, by asking it for each alone without keeping any.

    :raises NetloomError: kernel_unsupported, if there is one.
    """
    lacking: dict[str, list[str]] = {}
    for rule, commands in probes():
        if _nft("-c", "-f", "-", commands=commands).returncode:
            text = json.dumps(commands["nftables"][-1])
            modules = "; ".join(names for word, names in _MODULES.items() if word in text) or "nf_tables"
            lacking.setdefault(modules, []).append(rule)
    if lacking:
        needs = ", ".join(f"{modules} (for {', '.join(rules)})" for modules, rules in lacking.items())
        raise NetloomError("kernel_unsupported", f"the kernel lacks what the firewall needs: {needs}")
