# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this process may do what the engine does. Collection-private. Floor 4."""

from __future__ import annotations

import re

from .._errors import NetloomError

_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}  # linux/capability.h


def require(cure: str) -> None:
    """See that this process has the capabilities that the engine needs; `cure` says how to come by them.

    :raises NetloomError: permission_denied.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", file.read(), re.MULTILINE)
    held = int(found.group(1), 16) if found else 0
    missing = [name for name, bit in _CAPABILITIES.items() if not held >> bit & 1]
    if missing:
        raise NetloomError("permission_denied", f"needs {' and '.join(missing)}; {cure}")
