# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as one file: what is in it, and that it is always the same."""

from __future__ import annotations

import ast
import io
import shutil
import zipfile

import pytest
from ansible_collections.netloom.containers.plugins.plugin_utils import _zipapp

UTILS = "ansible_collections/netloom/containers/plugins/module_utils"


@pytest.fixture(scope="module")
def archive():
    return zipfile.ZipFile(io.BytesIO(_zipapp.zipapp("/usr/bin/python3")))


def test_it_holds_the_modules_own_code_and_nothing_of_ansible(archive):
    names = archive.namelist()
    assert f"{UTILS}/_verbs/restoration.py" in names
    assert f"{UTILS}/_drivers/macvlan.py" in names  # imported by the function that picks it
    assert f"{UTILS}/_runner.py" not in names
    for name in names:
        tree = ast.parse(archive.read(name))
        imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        imported += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
        assert [each for each in imported if each.split(".")[0] == "ansible"] == [], name


def test_every_import_of_a_file_in_it_is_in_it(archive):
    names = {*archive.namelist()}
    for name in names:
        for node in ast.walk(ast.parse(archive.read(name))):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = "/".join(name.split("/")[: -node.level])
                base = "/".join((folder, *(node.module or "").split("."))).rstrip("/")
                each = [f"{base}.py"] + [f"{base}/{alias.name}.py" for alias in node.names]
                assert names.intersection(each), f"{name}: from {'.' * node.level}{node.module} import"


def test_the_same_code_makes_the_same_bytes_whenever_it_was_written(tmp_path):
    shutil.copytree(_zipapp.ROOT / "plugins" / "module_utils", tmp_path / "plugins" / "module_utils")
    for name in ("galaxy.yml", "MANIFEST.json"):
        if (_zipapp.ROOT / name).exists():
            shutil.copy(_zipapp.ROOT / name, tmp_path)
    for path in tmp_path.rglob("*.py"):
        path.touch()
    assert _zipapp.zipapp("/opt/python", tmp_path) == _zipapp.zipapp("/opt/python")


def test_it_says_what_runs_it(archive):
    assert _zipapp.zipapp("/opt/python -I").startswith(b"#!/opt/python -I\nPK")


def test_an_installed_collection_says_its_version_otherwise(tmp_path):
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "7.8.9"}}', encoding="utf-8")
    assert _zipapp.version(tmp_path) == "7.8.9"
