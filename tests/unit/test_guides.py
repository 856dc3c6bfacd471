# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides and README: tasks that they show are such that modules take them, and no error code is forgotten."""

from __future__ import annotations

import importlib
import re
import textwrap
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import CODES

yaml = pytest.importorskip("yaml", reason="guides are for the controller, where Ansible and its YAML are")
pytest.importorskip("ansible.plugins.loader", reason="needs a controller")

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/docsite/rst"
if not GUIDES.is_dir():
    pytest.skip("guides are in a checkout only", allow_module_level=True)

PREFIX = "netloom.containers."
RST = re.compile(r"^\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)", re.M)
MARKDOWN = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)


def blocks():
    for pattern, paths in (
        (RST, GUIDES.glob("*.rst")),
        (MARKDOWN, [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]),
    ):
        for path in sorted(paths):
            for number, text in enumerate(pattern.findall(path.read_text()), 1):
                yield pytest.param(textwrap.dedent(text), id=f"{path.name}-{number}")


def tasks(items):
    """Yield each task of plays, blocks and lists of tasks."""
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            yield item
            for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                yield from tasks(item.get(key))


def argument_spec(name, monkeypatch):
    """Return what a module gives to AnsibleModule."""
    module = importlib.import_module(f"ansible_collections.netloom.containers.plugins.modules.{name}")
    given = {}

    class Seen(Exception):
        pass

    def see(**kwargs):
        given.update(kwargs)
        raise Seen

    for attribute in vars(module):
        if attribute.endswith("Module"):
            monkeypatch.setattr(module, attribute, see)
    with pytest.raises(Seen):
        module.main()
    return given


@pytest.mark.parametrize("text", list(blocks()))
def test_tasks_that_are_shown_are_such_that_the_modules_take_them(text, monkeypatch):
    for task in tasks(yaml.safe_load(text)):
        for name, options in task.items():
            if str(name).startswith(PREFIX) and isinstance(options, dict):
                known = argument_spec(name[len(PREFIX) :], monkeypatch)
                rules = {
                    key: known[key]
                    for key in ("mutually_exclusive", "required_together", "required_if")
                    if key in known
                }
                result = ArgumentSpecValidator(known["argument_spec"], **rules).validate(options)
                assert result.error_messages == [], task


def test_each_error_code_has_a_text_and_no_text_is_of_another():
    told = re.findall(r"^``([a-z_]+)``\n  \S", (GUIDES / "troubleshooting.rst").read_text(), re.M)
    assert sorted(told) == sorted(CODES)
