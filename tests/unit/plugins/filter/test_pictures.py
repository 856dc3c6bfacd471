# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the documentation are what the filter draws. `make pictures` draws them anew.

What they show is what network_info returned where the topology had been made, kept in tests/unit/pictures; that of a
whole host is drawn from the example next to it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

pytest.importorskip("ansible.errors", reason="filters run on the controller, where Ansible is")

import yaml  # noqa: E402
from ansible_collections.netloom.containers.plugins.filter.topology_graph import topology_graph  # noqa: E402

ROOT = Path(__file__).resolve().parents[4]
KEPT = ROOT / "tests/unit/pictures"
HOME = "https://raw.githubusercontent.com/netloom/containers/main/"  # a README is shown elsewhere as well
SHOWN_IN = {
    "walk": "README.md",
    "shop": "README.md",
    "drift": "README.md",
    **{name: f"roles/{name}/README.md" for name in ("bridge_network", "tiered_network", "macvlan_network")},
    **{name: f"roles/{name}/README.md" for name in ("overlay_network", "overlay_evpn", "routed_fabric")},
}
TITLES = {"walk": "", "shop": "", "drift": ""}


def source_of(name):
    if name != "shop":
        return json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.partition("### A whole host in one task\n")[2].partition("```yaml\n")[2].partition("```")[0]
    return yaml.safe_load(block)[0]["netloom.containers.network_topology"]


@pytest.mark.parametrize("name", SHOWN_IN)
def test_a_picture_is_what_the_filter_draws(name):
    path = ROOT / f"docs/images/{name}.svg"
    drawn = topology_graph(source_of(name), "svg", title=TITLES.get(name, name))
    if os.environ.get("NETLOOM_DRAW"):
        path.write_text(drawn, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == drawn, "make pictures"


@pytest.mark.parametrize("name", SHOWN_IN)
def test_a_picture_is_shown_with_words_for_those_who_do_not_see_it(name):
    page = ROOT / SHOWN_IN[name]
    shown = re.findall(r"!\[([^\]]{20,})\]\(([^)]*)\)", page.read_text(encoding="utf-8"))
    targets = [ROOT / link[len(HOME) :] if link.startswith(HOME) else page.parent / link for _words, link in shown]
    assert ROOT / f"docs/images/{name}.svg" in [target.resolve() for target in targets]


def test_there_is_no_other_picture():
    assert sorted(path.stem for path in (ROOT / "docs/images").iterdir()) == sorted(SHOWN_IN)
    assert sorted(path.stem for path in KEPT.iterdir()) == sorted(set(SHOWN_IN) - {"shop"})
