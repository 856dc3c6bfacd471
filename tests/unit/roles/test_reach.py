# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How molecule's scenarios send packets: what they are told to send, and what silence proves."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[3] / "molecule/shared/reach.py"
if not PATH.exists():
    pytest.skip("scenarios are in a checkout only", allow_module_level=True)
spec = importlib.util.spec_from_file_location("reach", PATH)
reach = sys.modules["reach"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reach)

TABLE = """# A role

| variable | default |
|---|---|
| `x` | 1 |

| from | front | data |
|---|---|---|
| front | yes [1] | no |
| data | – | yes |

| from | another | table |
|---|---|---|
| front | no | no |
"""


def way(place, targets, expected):
    return reach.Way(place, tuple(targets.split(",")), expected)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(TABLE)
    return str(path)


def test_every_cell_that_says_yes_or_no_is_sent(table):
    lines = [f"table {table}", "row front = h1/a h1/b", "row data = h1/d", "column front = 10.0.0.2,10.0.1.2"]
    ways, servers, routes = reach.read([*lines, "column data = 10.0.2.2 10.0.2.3"])
    assert (servers, routes) == ([], [])
    assert [str(each) + f" {each.expected}" for each in ways] == [
        "h1/a > 10.0.0.2,10.0.1.2 True",
        "h1/b > 10.0.0.2,10.0.1.2 True",
        "h1/a > 10.0.2.2 False",
        "h1/a > 10.0.2.3 False",
        "h1/b > 10.0.2.2 False",
        "h1/b > 10.0.2.3 False",
        "h1/d > 10.0.2.2 True",
        "h1/d > 10.0.2.3 True",
    ]


def test_a_row_or_column_that_is_forgotten_is_an_error(table):
    with pytest.raises(SystemExit, match=r"README.md: not both in the table and here: data, nonsense"):
        reach.read(
            [f"table {table}", "row front = h1", "row data = h1", "column front = 1.2.3.4", "column nonsense = 1.2.3.4"]
        )


def test_lines_say_what_is_there_meanwhile():
    assert reach.read(["serve h1/a 80", "route h2 10.0.0.0/8 via 192.0.2.1", "", "h1 > 10.0.0.2:80 no ttl=3"]) == (
        [reach.Way("h1", ("10.0.0.2:80",), False, {"ttl": 3})],
        [("h1/a", 80)],
        [("h2", ["10.0.0.0/8", "via", "192.0.2.1"])],
    )


def test_a_line_that_says_neither_yes_nor_no_is_an_error():
    with pytest.raises(SystemExit, match="cannot read: h1 > 10.0.0.2 perhaps"):
        reach.read(["h1 > 10.0.0.2 perhaps"])


def test_silence_proves_nothing_where_nobody_is():
    silent = way("h1/a", "10.0.0.2", False)
    assert reach.unproved([silent], {silent: []}) == ["h1/a is answered by nobody", "10.0.0.2 answers nobody"]


def test_silence_counts_between_those_who_are_heard_elsewhere():
    silent, there, here = (
        way("h1/a", "10.0.0.2:80", False),
        way("h1/b", "10.0.0.2", True),
        way("h1/a", "10.0.0.3", True),
    )
    answered = {silent: [], there: ["10.0.0.2"], here: ["10.0.0.3"]}
    assert reach.unproved([silent, there, here], answered) == []


@pytest.mark.parametrize("packet, expected", [(b"\x08\0\0\0\x12\x34\0\x01", 0xE5CA), (b"\xff", 0x00FF)])
def test_checksum_of_the_internet(packet, expected):
    assert reach.checksum(packet) == expected
