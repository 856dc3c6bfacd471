# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported by Python at its start: when an Ansible module ends, tells what memory it took and what it had imported.

Adds one line of JSON to the file that NETLOOM_OBSERVED names. Anything but a module is left alone.
"""

from __future__ import annotations

import atexit
import os
import sys

UTILS = "ansible_collections.netloom.containers.plugins.module_utils"


def tell(path):
    if "AnsiballZ_" not in sys.argv[0]:
        return
    import json
    import re

    # Not getrusage(): that may be the peak of the process that started us.
    with open("/proc/self/status", encoding="ascii") as file:
        peak = int(re.search(r"^VmHWM:\s*(\d+) kB", file.read(), re.MULTILINE)[1])
    told = {"module": os.path.basename(sys.argv[0]).partition("_")[2].partition(".")[0], "peak_kib": peak}
    if "NETLOOM_OBSERVE_IMPORTS" in os.environ:
        told.update(imports())
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")


def imports():
    """Return the sizes in bytes of the collection's module_utils: those imported, and all that came along."""
    import zipimport

    # The bundle is gone by now; what Python has read of it at first is still there.
    sizes = {
        name: entry[3]  # not compressed
        for directory in zipimport._zip_directory_cache.values()
        for name, entry in directory.items()
        if name.startswith(UTILS.replace(".", os.sep)) and name.endswith(".py")
    }
    files = {name.replace(os.sep, ".")[: -len(".py")].removesuffix(".__init__"): name for name in sizes}
    return {"imported": {name: sizes[files[name]] for name in sys.modules if name in files}, "bundled": sizes}


if "NETLOOM_OBSERVED" in os.environ:
    atexit.register(tell, os.environ["NETLOOM_OBSERVED"])
