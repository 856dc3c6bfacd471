# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a collection before it is published, as far as no other program asks: docs/publishing.md is the list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="the files are for the controller, where Ansible and its YAML are")

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / ".ci/run").exists():
    pytest.skip("the files are in a checkout only", allow_module_level=True)

GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
RUNTIME = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
README = (ROOT / "README.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/publishing.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]
MODULES = sorted(path for path in (ROOT / "plugins/modules").glob("*.py"))
STEPS = set(re.findall(r"^step_([\w-]+)\(\)", (ROOT / ".ci/run").read_text(), re.M))


def documentation(path):
    return yaml.safe_load(re.search(r'^DOCUMENTATION = r"""(.*?)"""', path.read_text(), re.M | re.S)[1])


def steps_of_workflows():
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            yield from job.get("strategy", {}).get("matrix", {}).get("steps", ())
            for step in job["steps"]:
                yield from re.findall(r"\.ci/run ([a-z -]+)$", step.get("run", ""), re.M)


def test_the_list_has_all_of_its_rows():
    assert [row[0] for row in ROWS] == [str(number) for number in range(1, 28)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_the_list_says_that_shows_it_is_there(row):
    words = re.findall(r"`([^`]+)`", row[3])
    shown = [word for word in words if word in STEPS or "/" in word]
    assert shown or "reason: " in row[3]
    assert [word for word in shown if word not in STEPS and not (ROOT / word).exists()] == []


def test_the_lower_bound_of_ansible_core_is_no_preview():
    assert RUNTIME["requires_ansible"] == ">=2.16.0"


def test_the_readme_has_the_sections_of_the_certified_form_in_their_order():
    wanted = [
        "Description",
        "Requirements",
        "Installation",
        "Use Cases",
        "Testing",
        "Contributing",
        "Support",
        "Release Notes and Roadmap",
        "Related Information",
        "License Information",
    ]
    assert [title for title in re.findall(r"^## (.+)$", README, re.M) if title in wanted] == wanted


def test_links_of_the_readme_are_absolute_and_lead_to_files_that_are_there():
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    home = f"{GALAXY['repository']}/blob/main/"
    ours = [link[len(home) :].partition("#")[0] for link in links if link.startswith(home)]
    assert ours
    assert [path for path in ours if not (ROOT / path).exists()] == []


def test_the_readme_does_not_install_ansible():
    assert not re.search(r"pip install ansible", README)


def test_the_changelog_has_the_version_that_is_built():
    releases = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]
    assert GALAXY["version"] in releases
    assert f'<a id="v{GALAXY["version"].replace(".", "-")}"></a>' in (ROOT / "CHANGELOG.md").read_text()


def test_there_are_no_dependencies_on_other_collections():
    assert GALAXY["dependencies"] == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_has_the_attributes_that_are_asked_for(path):
    shared = (ROOT / "plugins/doc_fragments/_attributes.py").read_text()
    fragments = {
        f"netloom.containers._attributes{'' if name == 'DOCUMENTATION' else '.' + name.lower()}": yaml.safe_load(text)
        for name, text in re.findall(r'^    ([A-Z_]+) = r"""(.*?)"""', shared, re.M | re.S)
    }
    named = {
        attribute
        for fragment in documentation(path)["extends_documentation_fragment"]
        for attribute in fragments.get(fragment, {}).get("attributes", {})
    }
    assert named >= {"check_mode", "diff_mode", "idempotent", "platform", "action_group"}


def test_an_info_module_has_check_mode_and_returns_no_facts_and_no_state_asks():
    source = (ROOT / "plugins/modules/network_info.py").read_text()
    assert "ansible_facts" not in source
    states = [documentation(path)["options"].get("state", {}).get("choices", []) for path in MODULES]
    assert {choice for choices in states for choice in choices} == {"present", "absent"}


def test_the_action_group_has_the_modules_that_say_so():
    group = "netloom.containers._attributes.actiongroup_network"
    saying = [path.stem for path in MODULES if group in documentation(path)["extends_documentation_fragment"]]
    assert saying == sorted(RUNTIME["action_groups"]["network"]) == [path.stem for path in MODULES]


def test_folders_of_plugins_are_those_that_ansible_knows():
    known = {
        *(
            "action",
            "become",
            "cache",
            "callback",
            "cliconf",
            "connection",
            "doc_fragments",
            "filter",
            "httpapi",
            "inventory",
        ),
        *(
            "lookup",
            "module_utils",
            "modules",
            "netconf",
            "plugin_utils",
            "shell",
            "strategy",
            "terminal",
            "test",
            "vars",
        ),
    }
    assert {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir() and path.name != "__pycache__"} <= known


def test_private_code_has_a_leading_underscore_and_says_so():
    for folder in ("module_utils", "plugin_utils", "doc_fragments"):
        paths = [path for path in (ROOT / "plugins" / folder).rglob("*.py") if path.read_text().strip()]
        assert [
            path for path in paths if not path.relative_to(ROOT / "plugins" / folder).parts[0].startswith("_")
        ] == []
        assert [path for path in paths if "rivate" not in path.read_text()[:1500]] == []


@pytest.mark.parametrize(
    "path",
    [
        *(
            "CODE_OF_CONDUCT.md",
            "CONTRIBUTING.md",
            "LICENSE",
            "CHANGELOG.md",
            "REUSE.toml",
            "noxfile.py",
            "antsibull-nox.toml",
        ),
        *(
            "meta/execution-environment.yml",
            "requirements.txt",
            "bindep.txt",
            ".editorconfig",
            ".yamllint",
            ".ansible-lint",
        ),
        *("ruff.toml", "mypy.ini", ".gitignore", ".gitattributes", ".pre-commit-config.yaml", ".github/dependabot.yml"),
        *(".github/ISSUE_TEMPLATE/fault.yml", "docs/docsite/extra-docs.yml", "docs/docsite/links.yml"),
    ],
)
def test_a_file_that_is_asked_for_is_there(path):
    assert (ROOT / path).exists()


def test_requirements_of_targets_have_lower_bounds_and_no_ansible():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"(?!ansible)[a-z0-9]+(>=[0-9.]+)?", line)] == []


def test_workflows_run_steps_of_the_program_that_runs_everything():
    told = {word for steps in steps_of_workflows() for word in steps.split()}
    assert told >= {
        "lint",
        "sanity",
        "units",
        "kernel",
        "integration",
        "molecule",
        "walk",
        "docs",
        "publish",
        "build",
        "matrix",
    }
    assert told <= STEPS


def test_addresses_in_the_metadata_are_of_one_repository():
    assert {
        GALAXY[key].partition("/blob/")[0].partition("/issues")[0]
        for key in ("repository", "homepage", "documentation", "issues")
    } == {GALAXY["repository"]}


def test_tables_of_the_readme_are_about_the_versions_that_the_matrix_takes():
    arrays = dict(re.findall(r"^(cores|pythons|pyroutes)=\((.*)\)$", (ROOT / ".ci/run").read_text(), re.M))
    assert f"| ansible-core | {' | '.join(arrays['cores'].split())} |" in README
    assert f"| Python | {' | '.join(f'pyroute2 {each}' for each in arrays['pyroutes'].split())} |" in README
    rows = re.findall(r"^\| (3\.\d+) \|", README, re.M)
    assert rows == arrays["pythons"].split()
