# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the rows that are asked for, prints the table, and writes all of it as JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path

import rig as rigs
import rows
import table

ABOUT = """Measures this collection beside `ip -batch`, Docker and other collections, in throw-away hosts, and prints
whether the budget holds. Takes half an hour; with --quick, a few minutes. Times are those of a noisy machine: compare
ratios."""


def arguments():
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=ABOUT)
    parser.add_argument("row", nargs="*", metavar="ROW", help="rows to measure; all of them unless given")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="how often each is measured (3)")
    parser.add_argument("--size", type=int, default=1000, metavar="N", help="attachments of the large rows (1000)")
    parser.add_argument("--quick", action="store_true", help="like --runs 2 --size 50, to see that it works")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write the samples (.cache/benchmarks/DATE.json)"
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.runs, asked.size = 2, 50
    if not 1 <= asked.runs <= 50 or not 20 <= asked.size <= 1000:
        parser.error("1 to 50 runs, and a size from 20 to 1000: a bridge has no more ports")
    unknown = sorted({*asked.row} - {*rows.ROWS})
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(rows.ROWS)}")
    return asked


def measured(rig, name):
    """Return what came of one row. A row that fails does not keep the others from being measured."""
    row = rows.ROWS[name]
    outcome = table.Outcome(name, row.title, row.limits)
    started = time.monotonic()
    rigs.say(f"{name} ...")
    try:
        for found in row.measure(rig):
            if isinstance(found, table.Finding):
                outcome.findings.append(found)
                said = f"{found.value:.3g} {found.value_unit}"
            else:
                outcome.skipped.append(str(found))
                said = f"skipped: {found}"
            rigs.say(f"{name}{': ' if getattr(found, 'case', '') else ''}{getattr(found, 'case', '')}: {said}")
    except rigs.Skipped as exc:
        outcome.skipped.append(str(exc))
        rigs.say(f"{name}: skipped: {exc}")
    except rigs.Failed as exc:
        outcome.failed = str(exc)
        rigs.say(f"{name}: failed: {exc}")
    rigs.say(f"{name}: {time.monotonic() - started:.0f} s")
    return outcome


def versions(rig):
    """Return the versions of what was measured, and of what it ran on."""
    asked = "import importlib.metadata as m; print(*[m.version(name) for name in ('ansible-core', 'pyroute2')])"
    core, pyroute2 = rigs.run(rig.venv / "bin" / "python", "-c", asked).split()
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "Python": platform.python_version(),
        "ansible-core": core,
        "pyroute2": pyroute2,
        "iproute2": rigs.run("ip", "-V").partition("iproute2-")[2].split(",")[0].strip(),
        "nft": rigs.run("nft", "--version").split()[1],
        **rig.versions,
    }


def main():
    asked = arguments()
    if asked.list:
        for name, row in rows.ROWS.items():
            print(f"{name:12} {row.title}")
        return 0
    outcomes = []
    now = datetime.datetime.now(datetime.timezone.utc)
    load = os.getloadavg()[0]
    with rigs.rig(asked.runs, asked.size) as rig:
        try:
            for name in asked.row or rows.ROWS:
                outcomes.append(measured(rig, name))
        finally:  # what was measured before an interruption is not lost
            about = {
                "date": now.isoformat(timespec="seconds"),
                "commit": rigs.run("git", "-C", rigs.ROOT, "describe", "--always", "--dirty", check=False).strip(),
                "runs": asked.runs,
                "size": asked.size,
                "load_before": round(load, 2),
                "versions": versions(rig),
            }
            path = asked.json or rigs.ROOT / ".cache" / "benchmarks" / f"{now:%Y-%m-%dT%H%M%S}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(table.report(outcomes, about), indent=1) + "\n", encoding="utf-8")
            print(table.table(outcomes))
            print(f"\n{asked.runs} runs, size {asked.size}; load before {load:.1f}; medians, ratios of medians.")
            if asked.size != 1000:
                print("The budget is for size 1000: at another one it is a hint.")
            print(", ".join(f"{name} {version}" for name, version in about["versions"].items()))
            print(f"Samples: {path}")
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
