# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of network_info.

Collection-private and pure. Floor 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import NetloomError
from .._inspect import FILTERS
from .._names import nearest
from .common import COMMON

INFO = dict(
    argument_spec=dict(
        name=dict(type="list", elements="str"),
        filters=dict(type="dict"),
        verify=dict(type="bool", default=False),
        **COMMON,
    ),
    supports_check_mode=True,
)


def filters(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return network_info's filters, each with the values that pass.

    :raises NetloomError: option_unknown, option_invalid.
    """
    found: dict[str, list[str]] = {}
    for name, value in (params["filters"] or {}).items():
        if name not in FILTERS:
            raise NetloomError(
                "option_unknown",
                f"filters: {name!a} is not a filter{nearest(str(name), FILTERS)}; there are {', '.join(FILTERS)}",
            )
        if name == "label" and isinstance(value, dict):
            value = [f"{key}={text}" for key, text in value.items()]
        texts = [
            str(item).lower() if isinstance(item, bool) else str(item)
            for item in (value if isinstance(value, list) else [value])
        ]
        allowed = {"type": ("builtin", "custom"), "dangling": ("true", "false")}.get(name)
        for text in texts:
            if allowed and text not in allowed:
                raise NetloomError("option_invalid", f"filters.{name}: {text!a} is neither {' nor '.join(allowed)}")
        found[name] = texts
    return found
