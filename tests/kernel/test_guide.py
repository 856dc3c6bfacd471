# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide for maintainers adds a driver: its steps, done as they are written, in a copy of the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.hosts, pytest.mark.packets]  # what it runs has namespaces of its own
ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/docsite/rst/inside.rst"
BLOCK = re.compile(r"^\.\. code-block:: python\n   :caption: (\S+)\n\n((?:   .*\n|\n)+)", re.M)


def test_a_driver_that_is_added_as_the_guide_says_passes_the_tests_of_every_driver(tmp_path):
    (driver, source), (registry, branch) = (
        (path, textwrap.dedent(text)) for path, text in BLOCK.findall(GUIDE.read_text())
    )
    for part in ("plugins", "tests/kernel", "pytest.ini"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, tmp_path / part)
    (tmp_path / driver).write_text(source)
    text = (tmp_path / registry).read_text()
    text = text.replace("DRIVERS = (", 'DRIVERS = ("switch", ', 1)
    first = '    if name == "bridge":\n'
    text = text.replace(first, branch.partition("\n")[2].rstrip() + "\n" + first, 1)
    (tmp_path / registry).write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/kernel/test_drivers.py", "-k", "switch"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\b5 passed\b", ran.stdout), ran.stdout
