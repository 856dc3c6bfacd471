# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found, as a table and as JSON. Pure: nothing is measured here."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

FLAT = 1.1  # what counts as flat: less than the noise of one run

# What samples are measured in, and how they are shown: factor and unit
UNITS = {"s": ((1e-6, "us"), (1e-3, "ms"), (1, "s"))}


@dataclass(frozen=True)
class Limits:
    """A row's budget; None is no limit. The larger the better with `at_least`."""

    must: float | None = None
    aim: float | None = None
    at_least: bool = False

    def holds(self, value: float) -> str:
        """Return which limit a value keeps: aim, must, no; or nothing, where there is none."""
        if self.must is None:
            return "–"
        kept = [
            name
            for name, limit in (("aim", self.aim), ("must", self.must))
            if limit is not None and (value >= limit if self.at_least else value <= limit)
        ]
        return kept[0] if kept else "no"

    def shown(self, limit: float | None, unit: str) -> str:
        if limit is None:
            return "–"
        return f"{'≥' if self.at_least else '≤'} {limit:g} {unit}"


@dataclass(frozen=True)
class Finding:
    """Samples of ours and, for a ratio, of theirs. `case` tells findings of one row apart."""

    case: str
    ours: list[float]
    theirs: list[float] = field(default_factory=list)
    unit: str = "s"
    of: str = ""  # what ours is compared with
    limits: Limits | None = None  # where they are not the row's

    @property
    def value(self) -> float:
        """Return the ratio of the medians, or the median where there is nothing to compare with."""
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.theirs else ours

    @property
    def value_unit(self) -> str:
        return "×" if self.theirs else self.unit

    def samples(self) -> str:
        """Return both medians, and how many samples each is of."""
        sides = [amount(statistics.median(self.ours), self.unit)]
        counts = [str(len(self.ours))]
        if self.theirs:
            sides.append(amount(statistics.median(self.theirs), self.unit))
            counts += [str(len(self.theirs))] if len(self.theirs) != len(self.ours) else []
        return f"{' / '.join(sides)} (n={'/'.join(counts)})"


@dataclass
class Outcome:
    """What came of a row: findings, and why what is missing was skipped or has failed."""

    row: str
    title: str
    limits: Limits
    findings: list[Finding] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: str = ""


def amount(value: float, unit: str) -> str:
    """Return a value in the largest unit that leaves it at least 1, with three digits."""
    for factor, name in reversed(UNITS.get(unit, ((1, unit),))):
        if value >= factor:
            return f"{value / factor:.3g} {name}"
    return f"{value:.3g} {unit}"


HEAD = ("row", "budget", "measured", "must", "aim", "holds", "medians: ours / theirs", "compared with")


def table(outcomes: Iterable[Outcome]) -> str:
    """Return a table in Markdown: a line for each finding, and for each thing that was skipped."""
    lines = [HEAD]
    for outcome in outcomes:
        title = outcome.title
        for finding in outcome.findings:
            limits, unit = finding.limits or outcome.limits, finding.value_unit
            what = f"{title}: {finding.case}" if finding.case else title
            bounds = (limits.shown(limits.must, unit), limits.shown(limits.aim, unit))
            measured = f"{finding.value:.3g} {unit}"
            lines.append(
                (outcome.row, what, measured, *bounds, limits.holds(finding.value), finding.samples(), finding.of)
            )
        for reason in outcome.skipped:
            lines.append((outcome.row, title, "skipped", "", "", "", "", reason))
        if outcome.failed:
            lines.append((outcome.row, title, "failed", "", "", "", "", _one_line(outcome.failed)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    widths[-1] = max(len(HEAD[-1]), 3)  # the last one may be as long as it likes
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()} |" for line in lines
    )


def report(outcomes: Iterable[Outcome], about: dict[str, Any]) -> dict[str, Any]:
    """Return all of it, samples included, as it is written to a file."""
    return {"about": about, "rows": [_row(outcome) for outcome in outcomes]}


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "row": outcome.row,
        "budget": outcome.title,
        "findings": [
            {
                "case": finding.case,
                "value": finding.value,
                "unit": finding.value_unit,
                "must": (finding.limits or outcome.limits).must,
                "aim": (finding.limits or outcome.limits).aim,
                "holds": (finding.limits or outcome.limits).holds(finding.value),
                "compared_with": finding.of,
                "samples_unit": finding.unit,
                "ours": finding.ours,
                "theirs": finding.theirs,
            }
            for finding in outcome.findings
        ],
        "skipped": outcome.skipped,
        "failed": outcome.failed,
    }


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:300]
