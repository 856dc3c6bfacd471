# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what a run of the matrix found, as the tables of the README.

`python tests/matrix/table.py FOLDER`: a file of the folder is a cell, and holds ok, failed or skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

SHOWN = {"ok": "yes", "failed": "no", "skipped": "–"}


def parts(text: str) -> list[tuple[int, str]]:
    """Return what sorts versions as numbers, words behind them."""
    return [(int(part), "") if part.isdigit() else (1 << 30, part) for part in text.split(".")]


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(folder: str) -> None:
    found = {path.name: SHOWN[path.read_text().strip()] for path in Path(folder).iterdir()}
    for kind, title in (("core", "ansible-core"), ("sanity", "ansible-test sanity"), ("nft", "nft")):
        versions = sorted((name.split("-")[1] for name in found if name.startswith(f"{kind}-")), key=parts)
        if versions:
            print(row([title, *versions]), row(["---"] * (len(versions) + 1)), sep="\n")
            print(row(["", *(found[f"{kind}-{version}"] for version in versions)]) + "\n")
    targets = [name.split("-")[1:] for name in found if name.startswith("target-")]
    pythons = sorted({python for python, _pyroute2 in targets}, key=parts)
    columns = sorted({pyroute2 for _python, pyroute2 in targets}, key=parts)
    if targets:
        print(
            row(["Python", *(f"pyroute2 {column}" for column in columns)]), row(["---"] * (len(columns) + 1)), sep="\n"
        )
        for python in pythons:
            print(row([python, *(found.get(f"target-{python}-{column}", "") for column in columns)]))


main(sys.argv[1])
