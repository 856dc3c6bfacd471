# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that all modules have. An option is spelt in one file of this folder, and nowhere else in Python.

Collection-private and pure. Floor 3.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from .._errors import NetloomError
from .._model import SECRET_OPTIONS

STATE = dict(type="str", choices=["present", "absent"], default="present")
COMMON = dict(
    state_dir=dict(type="path", default="/var/lib/netloom"),
    lock_timeout=dict(type="int", default=30),
)


def state_dir(params: Mapping[str, Any]) -> str:
    """Return the state directory.

    :raises NetloomError: option_invalid.
    """
    if not posixpath.isabs(params["state_dir"]):
        raise NetloomError("option_invalid", f"state_dir: {params['state_dir']!a} is not an absolute path")
    return posixpath.normpath(params["state_dir"])


def secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of the options must be in no output and no log."""
    for item in (params, *(params.get("networks") or ())):
        options = item.get("ipam_driver_options")
        for name in SECRET_OPTIONS if isinstance(options, dict) else ():
            if options.get(name):
                yield str(options[name])


def lock_timeout(params: Mapping[str, Any]) -> int:
    """Return how long to wait for the lock, in seconds.

    :raises NetloomError: option_invalid.
    """
    if params["lock_timeout"] < 0:
        raise NetloomError("option_invalid", f"lock_timeout: {params['lock_timeout']} is negative")
    return params["lock_timeout"]
