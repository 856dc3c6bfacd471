# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages from templates: what is replaced, and what is refused."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel import templates

ENCODED = b"\x10\0NAMENAME\x08\0\1\2\3\4end"


def test_only_the_values_are_replaced():
    template = templates.located(ENCODED, [b"\1\2\3\4", b"NAMENAME"])
    assert templates.filled(template, (b"\xff\0\0\0", b"eth0\0\0\0\0")) == b"\x10\0eth0\0\0\0\0\x08\0\xff\0\0\0end"
    assert template.body == ENCODED


@pytest.mark.parametrize("sentinel", [b"absent", b"NAME"])
def test_a_value_that_is_not_there_exactly_once_is_refused(sentinel):
    with pytest.raises(ValueError, match="cannot be told from the rest"):
        templates.located(ENCODED, [sentinel])


@pytest.mark.parametrize("values", [(b"short",), (b"too long!",), (), (b"NAMENAME", b"more")])
def test_values_that_do_not_fit_are_refused(values):
    with pytest.raises(ValueError, match="do not fit"):
        templates.filled(templates.located(ENCODED, [b"NAMENAME"]), values)


def test_a_missing_library_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyroute2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    templates.library.cache_clear()
    with pytest.raises(NetloomError, match="the target needs the Python library pyroute2, 0.7.2 or later") as caught:
        templates.library()
    assert caught.value.code == "missing_dependency"
    assert caught.value.__cause__.name.split(".")[0] == "pyroute2"


def test_a_library_that_cannot_be_imported_is_as_good_as_missing(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyroute2"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "pyroute2").mkdir()
    (tmp_path / "pyroute2" / "__init__.py").write_text("raise ModuleNotFoundError('hidden', name='pyroute2')")
    monkeypatch.syspath_prepend(tmp_path)
    templates.library.cache_clear()
    with pytest.raises(NetloomError, match=r"pyroute2, 0.7.2 or later \(hidden\)") as caught:
        templates.library()
    assert caught.value.__cause__.name == "pyroute2"
    assert "pyroute2" not in sys.modules
