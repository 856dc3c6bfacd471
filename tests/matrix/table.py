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
KINDS = {"core": "the walk", "sanity": "sanity tests"}


def parts(text: str) -> list[tuple[int, str]]:
    """Return what sorts versions as numbers, words behind them."""
    return [(int(part), "") if part.isdigit() else (1 << 30, part) for part in text.split(".")]


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(title: str, columns: list[str], rows: dict[str, list[str]]) -> str:
    head = [row([title, *columns]), row(["---"] * (len(columns) + 1))]
    return "\n".join([*head, *(row([name, *cells]) for name, cells in rows.items())])


def tables(found: dict[str, str]) -> list[str]:
    """Return the tables of what there is: controllers, targets, nft."""

    def versions(kind: str, place: int = 1) -> list[str]:
        return sorted({name.split("-")[place] for name in found if name.startswith(f"{kind}-")}, key=parts)

    cores, nfts, pythons, pyroutes = versions("core"), versions("nft"), versions("target"), versions("target", 2)
    rows = {what: [found.get(f"{kind}-{core}", "") for core in cores] for kind, what in KINDS.items()}
    grid = {python: [found.get(f"target-{python}-{each}", "") for each in pyroutes] for python in pythons}
    made = [
        cores and table("ansible-core", cores, rows),
        pythons and table("Python", [f"pyroute2 {each}" for each in pyroutes], grid),
        nfts and table("nft", nfts, {"the walk": [found[f"nft-{nft}"] for nft in nfts]}),
    ]
    return [each for each in made if each]


if __name__ == "__main__":
    print("\n\n".join(tables({path.name: SHOWN[path.read_text().strip()] for path in Path(sys.argv[1]).iterdir()})))
