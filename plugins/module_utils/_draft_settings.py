# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks of settings, looked up in the kernel before anything is touched.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from typing import Any

from ._draft import Draft
from ._errors import NetloomError
from ._model import Pairs
from ._settings import OPTION, in_order, path_of


def refuse_unknown(host: Any, place: str, sysctls: Pairs) -> None:
    """See that the kernel has some settings for interfaces; it has them for lo if for any.

    :raises NetloomError: option_invalid.
    """
    paths = {name: path_of(name, "lo") for name, _value in sysctls}
    faults = host.setting_faults(place, list(paths.values()))
    for name, path in paths.items():
        if path in faults:
            raise NetloomError("option_invalid", f"{OPTION}.{name}: {faults[path]}")


def draft_settings(draft: Draft, host: Any, name: str, settings: Pairs) -> None:
    """Have a named namespace, which is there or promised, have settings (path to value).

    :raises NetloomError: option_invalid.
    """
    if not settings:
        return
    found = host.find(name, "netns")
    place = f"{found.runtime}:{found.name}"
    if found.path is not None:
        host.open(place, found)
    faults = host.setting_faults(place, [path for path, _value in settings])
    for path, _value in settings:
        if path in faults:
            raise NetloomError("option_invalid", f"{OPTION}.{path.replace('/', '.')}: {faults[path]}")
    draft.settings[name] = in_order(dict(settings))
