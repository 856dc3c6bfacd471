# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip.py that ansible-test downloads: installs pip from the package index, as configured.

.ci/run puts it where ansible-test looks before it downloads. The arguments are those of get-pip.py.
"""

from __future__ import annotations

import os
import subprocess
import sys

# In a process of its own: ensurepip turns pip's configuration off for the process that it runs in.
environment = {key: value for key, value in os.environ.items() if key != "GET_PIP"}
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"], env=environment, stdout=subprocess.DEVNULL)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "-q", *arguments], env=environment))
