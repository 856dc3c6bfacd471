# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a throw-away host, with the host's own Python: finds and opens containers, and prints what it saw as JSON.

Each argument is RUNTIME=CONTAINER; each answer is {"found", "sandbox"}, {"found", "error_code", "msg"} or null.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Makes the collection importable from a checkout in a folder of any name.
for package, paths in (
    ("ansible_collections", []),
    ("ansible_collections.netloom", []),
    ("ansible_collections.netloom.containers", [str(ROOT)]),
):
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = paths

from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import registry


def look(runtime, container):
    found = None
    try:
        found = registry.find(container, runtime)
        if found is None:
            return None
        with registry.open_sandbox(found) as opened:
            return {"found": dataclasses.asdict(found), "sandbox": dataclasses.asdict(opened.sandbox)}
    except NetloomError as error:
        seen = found and dataclasses.asdict(found)
        return {"found": seen, "error_code": error.code, "msg": error.message}


def main():
    asked = [argument.partition("=") for argument in sys.argv[1:]]
    print(json.dumps([look(runtime, container) for runtime, _sign, container in asked]))


if __name__ == "__main__":
    main()
