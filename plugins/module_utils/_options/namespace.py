# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of network_namespace.

Collection-private and pure. Floor 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model import Pairs
from .._names import identifier
from .common import COMMON, STATE

NAMESPACE_ITEM = dict(
    name=dict(type="str", required=True), state=STATE, force=dict(type="bool", default=False), sysctls=dict(type="dict")
)
NAMESPACE = dict(argument_spec=dict(**NAMESPACE_ITEM, **COMMON), supports_check_mode=True)


def namespace_name(params: Mapping[str, Any]) -> str:
    """:raises NetloomError: invalid_name."""
    return identifier(params["name"])


def namespace_settings(params: Mapping[str, Any]) -> Pairs:
    """Return the settings that a namespace is asked to have, by path.

    :raises NetloomError: option_invalid.
    """
    if not params["sysctls"]:
        return ()
    from .. import _settings

    return _settings.namespace_settings(params["sysctls"])
