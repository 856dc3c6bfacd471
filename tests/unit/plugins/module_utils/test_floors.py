# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the engine: floors, purity, and what is allowed in one file only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
UTILS = PLUGINS / "module_utils"
PREFIX = "ansible_collections.netloom.containers.plugins.module_utils"
FLOORS = {
    "_model": 0,
    "_resources": 0,
    "_sublinks": 0,
    "_errors": 0,
    "_frozen": 0,
    "_vxlan": 0,
    "_jhash": 1,
    "_overlay": 1,
    "_vtep_filter": 1,
    "_changes": 1,
    "_diff": 1,
    "_ipam": 1,
    "_subnets": 1,
    "_nft": 1,
    "_firewall": 1,
    "_port_security": 1,
    "_ports": 1,
    "_shaping": 1,
    "_publishing": 1,
    "_routes": 1,
    "_settings": 1,
    "_flows": 1,
    "_names": 1,
    "_inspect": 1,
    "_inspect_endpoint": 1,
    "_codec": 1,
    "_foreign": 1,
    "_coexistence": 1,
    "_dns": 1,
    "_claims": 1,
    "_plugins": 1,
    "_netavark": 1,
    "_cni": 1,
    "_cni_results": 1,
    "_draft_plugins": 3,
    "_docker_plugins": 1,
    "_goal_plugins": 3,
    "_plugin_pools": 1,
    "_draft_pools": 3,
    "_goal_pools": 3,
    "_docker_calls": 1,
    "_ipam_options": 2,
    "_lending": 2,
    "_draft_claims": 3,
    "_goal_claims": 3,
    "_drivers": 2,
    "_resolve": 2,
    "_uplinks": 2,
    "_endpoints": 2,
    "_endpoint_options": 2,
    "_secondary": 2,
    "_apply": 3,
    "_draft": 3,
    "_draft_endpoints": 3,
    "_draft_networks": 3,
    "_draft_parents": 3,
    "_draft_overlay": 3,
    "_draft_ports": 3,
    "_draft_settings": 3,
    "_draft_names": 3,
    "_goal": 3,
    "_goal_names": 3,
    "_verbs": 3,
    "_options": 3,
    "_kernel": 4,
    "_sandboxes": 4,
    "_runner": 5,
    "_command": 5,
}
IMPURE = {
    "pyroute2",
    "socket",
    "subprocess",
    "os",
    "fcntl",
    "sqlite3",
    "time",
    "random",
    "secrets",
    "shutil",
    "pathlib",
}
FILES = sorted(UTILS.rglob("*.py"))
PURE = [path for path in FILES if FLOORS.get(path.relative_to(UTILS).parts[0].replace(".py", ""), 0) < 4]
ENTRIES = sorted((PLUGINS / "modules").glob("*.py"))


def name_of(path):
    return str(path.relative_to(PLUGINS))


def module_of(path):
    """_kernel/links.py is _kernel.links; _kernel/__init__.py is _kernel."""
    parts = path.relative_to(UTILS).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path): path for path in FILES}


def imports_of(path, own):
    """Yield (dotted name, own module or None) of everything that a file imports, wherever in the file."""
    package = own.split(".") if path.name == "__init__.py" else own.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = ".".join((*above, *filter(None, [base])))
            elif base.startswith(PREFIX):
                base = base[len(PREFIX) + 1 :]
            else:
                yield base, None
                continue
            for alias in node.names:
                deeper = ".".join(filter(None, (base, alias.name)))
                yield deeper, deeper if deeper in MODULES else base


def floor_of(module):
    return FLOORS[module.split(".")[0]]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_has_a_floor_and_its_docstring_says_which(path):
    top = path.relative_to(UTILS).parts[0].replace(".py", "")
    assert top in FLOORS, f"{path.name}: say in FLOORS where it belongs"
    text = path.read_text(encoding="utf-8")
    said = re.search(r"Floor (\d)\.", ast.get_docstring(ast.parse(text)) or "")
    assert not text.strip() or said and int(said.group(1)) == FLOORS[top]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_never_go_up(path):
    own = module_of(path)
    up = [name for name, ours in imports_of(path, own) if ours is not None and floor_of(ours) > floor_of(own)]
    assert up == []


def test_imports_never_go_in_a_circle():
    graph = {
        module_of(path): {ours for name, ours in imports_of(path, module_of(path)) if ours and ours != module_of(path)}
        for path in FILES
    }
    while graph:
        free = {module for module, needs in graph.items() if not needs & graph.keys()}
        assert free, f"a circle among {sorted(graph)}"
        graph = {module: needs for module, needs in graph.items() if module not in free}


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_nothing_below_floor_4_imports_what_can_touch_the_world(path):
    touched = {name for name, ours in imports_of(path, module_of(path)) if name.split(".")[0] in IMPURE}
    assert touched == set()


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_nothing_below_floor_4_opens_a_file(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert [call.id for call in calls if isinstance(call, ast.Name) and call.id in ("open", "exec", "eval")] == []


@pytest.mark.parametrize("path", ENTRIES, ids=name_of)
def test_a_module_imports_only_options_verbs_and_the_runner(path):
    ours = {ours for name, ours in imports_of(path, "") if ours}
    assert {name.split(".")[0] for name in ours} <= {"_options", "_verbs", "_runner"}


@pytest.mark.parametrize("path", ENTRIES, ids=name_of)
def test_a_module_is_documentation_and_one_function(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert [node.name for node in functions] == ["main"]
    assert functions[0].end_lineno - functions[0].lineno < 60


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_names_of_module_utils_begin_with_an_underscore(path):
    assert path.relative_to(UTILS).parts[0].startswith("_")


@pytest.mark.parametrize("path", [*FILES, *ENTRIES], ids=name_of)
def test_only_the_runner_fails_and_makes_module_objects(path):
    attributes = {
        node.attr for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)
    }
    if path.name != "_runner.py":
        assert "fail_json" not in attributes
        assert "AnsibleModule" not in path.read_text(encoding="utf-8").replace("AnsibleModule object", "")


@pytest.mark.parametrize("path", [*FILES, *ENTRIES], ids=name_of)
def test_argument_specs_stand_in_the_folder_of_options_only(path):
    """An argument is a dict(type="str") or so; params["name"] reads one."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    specs = [
        node
        for node in calls
        if isinstance(node.func, ast.Name)
        and node.func.id == "dict"
        and {"type", "required"} & {keyword.arg for keyword in node.keywords}
    ]
    assert not specs or path.parent.name == "_options"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_kernel_floor_imports_pyroute2(path):
    found = [name for name, ours in imports_of(path, module_of(path)) if name.split(".")[0] == "pyroute2"]
    assert not found or path.parent.name == "_kernel"


def test_only_the_executor_knows_of_check_mode():
    """The word dry_run decides something in _apply and nowhere else; others hand it on."""
    deciding = [
        path.name
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.If, ast.IfExp, ast.While))
        and "dry_run" in {item.id for item in ast.walk(node.test) if isinstance(item, ast.Name)}
    ]
    assert deciding == ["_apply.py"]
