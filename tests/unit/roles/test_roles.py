# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: what their READMEs, defaults and argument specs say is the same, and examples are what molecule runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="roles are for the controller, where Ansible and its YAML are")

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
SCENARIOS = ROOT / "molecule"

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def loaded(role, path):
    return yaml.safe_load((role / path).read_text()) or {}


def options(role):
    """Return the options of the role's entry point `main`."""
    return loaded(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


@each_role
def test_every_variable_with_a_default_is_specified_and_the_other_way_round(role):
    required = {name for name, option in options(role).items() if option.get("required")}
    assert set(loaded(role, "defaults/main.yml")) == set(options(role)) - required


@each_role
def test_specified_defaults_are_those_that_are_set(role):
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert specified == {name: loaded(role, "defaults/main.yml")[name] for name in specified}


@each_role
def test_every_variable_is_in_the_table_of_the_readme_and_the_other_way_round(role):
    told = re.findall(rf"^\| `({role.name}_\w+)` \|", (role / "README.md").read_text(), re.M)
    assert sorted(told) == sorted(options(role))


@each_role
def test_the_readme_shows_a_picture(role):
    assert "```text\n" in (role / "README.md").read_text()


@each_role
def test_every_variable_begins_with_the_name_of_the_role(role):
    names = [*options(role), *(loaded(role, "vars/main.yml") if (role / "vars/main.yml").exists() else {})]
    assert [name for name in names if not name.startswith(f"{role.name}_")] == []


@each_role
def test_the_first_example_is_what_molecule_runs(role):
    if not SCENARIOS.is_dir():
        pytest.skip("scenarios are in a checkout only")
    converge = (SCENARIOS / role.name / "converge.yml").read_text()
    example = re.search(r"^```yaml\n(.*?)^```$", (role / "README.md").read_text(), re.M | re.S)
    assert example
    assert example[1] == re.sub(r"\A---\n(#.*\n)+", "", converge)
