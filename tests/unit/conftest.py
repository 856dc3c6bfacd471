# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable from a checkout in a folder of any name, where ansible-test has not done so."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.netloom.containers"


def _importable() -> bool:
    try:
        return importlib.util.find_spec(f"{COLLECTION}.plugins") is not None
    except ImportError:
        return False


def _provide() -> None:
    names = COLLECTION.split(".")
    for depth in range(1, len(names) + 1):
        name = ".".join(names[:depth])
        package = sys.modules.get(name)
        if package is None:
            package = sys.modules[name] = types.ModuleType(name)
            package.__path__ = [str(ROOT)] if name == COLLECTION else []
        if depth > 1:
            setattr(sys.modules[".".join(names[: depth - 1])], names[depth - 1], package)


if COLLECTION not in sys.modules and not _importable():
    _provide()


@pytest.fixture
def refused():
    """Return a function that calls what it is given and returns the (code, message) of the NetloomError it raises."""
    from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError

    def call(function, *args, **kwargs):
        with pytest.raises(NetloomError) as caught:
            function(*args, **kwargs)
        return caught.value.code, caught.value.message

    return call
