# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says: tables and lines for people, JSON for programs.

Collection-private. Floor 5.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from .._errors import NetloomError
from .._names import nearest
from .._verbs import inspection, restoration

_COLUMNS = ("NETWORK ID", "NAME", "DRIVER", "SCOPE", "SUBNETS", "MEMBERS")


def listing(host: Any, *, as_json: bool) -> str:
    """Return all networks, as a table or as JSON."""
    shapes = inspection.inspect(host, None, {}, verify=False)
    return _json(shapes) if as_json else _table([_COLUMNS, *map(_row, shapes)])


def inspected(host: Any, names: Sequence[str]) -> str:
    """Return networks in Docker's shape, as JSON.

    :raises NetloomError: network_not_found.
    """
    return _json(_shapes(host, names, verify=False))


def _shapes(host: Any, names: Sequence[str], *, verify: bool) -> list[dict[str, Any]]:
    """Return networks in Docker's shape, in the order of their names.

    :raises NetloomError: network_not_found.
    """
    shapes = inspection.inspect(host, names or None, {}, verify=verify)
    known = {shape["Name"] for shape in shapes}
    for name in names:
        if name not in known:
            every = host.records.network_names()
            raise NetloomError("network_not_found", f"there is no network {name!a}{nearest(name, every)}")
    return shapes


def verification(host: Any, names: Sequence[str], *, as_json: bool) -> tuple[str, bool]:
    """Return how the kernel differs from the records, and whether it does not.

    :raises NetloomError: network_not_found.
    """
    found = [{"Name": shape["Name"], "Drift": shape["Drift"]} for shape in _shapes(host, names, verify=True)]
    lines = [f"{shape['Name']}: {line}" for shape in found for line in shape["Drift"]]
    namespaces = [] if names else restoration.namespace_drift(host)
    if as_json:
        answer = {"networks": found, **({} if names else {"namespaces": namespaces})}
        return _json(answer), not (lines or namespaces)
    return "\n".join((*namespaces, *lines)), not (lines or namespaces)


def restored(result: restoration.Restored, *, as_json: bool) -> None:
    """Say what was brought back, and on standard error what was not."""
    changes = [str(change) for change in result.outcome.changes]
    for failure in result.failures:
        sys.stderr.write(f"netloom: {failure.kind} {failure.name}: {failure.error.message}\n")
    if not as_json:
        for line in result.outcome.warnings:
            sys.stderr.write(f"netloom: warning: {line}\n")
        for member in result.pending:
            changes.append(
                f"endpoint of {member.container} on network {member.network} is pending: its container does not run"
            )
        sys.stdout.writelines(f"{line}\n" for line in changes)
        return
    failures = [
        {"kind": one.kind, "name": one.name, "error_code": one.error.code, "msg": one.error.message}
        for one in result.failures
    ]
    pending = [{"network": member.network, "container": member.container} for member in result.pending]
    answer = {"changed": bool(changes), "changes": changes, "failures": failures, "pending": pending}
    shown = _json({**answer, "warnings": list(result.outcome.warnings)})
    sys.stdout.write(f"{shown}\n")


def _row(shape: dict[str, Any]) -> tuple[str, ...]:
    subnets = ", ".join(pool["Subnet"] for pool in shape["IPAM"]["Config"])
    members = str(len(shape["Containers"]))
    return shape["Id"][:12], shape["Name"], shape["Driver"], shape["Scope"], subnets, members


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("   ".join(f"{text:{width}}" for text, width in zip(row, widths)).rstrip() for row in rows)


def _json(value: Any) -> str:
    return json.dumps(value, indent=4)
