# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verb that loses a race against another host is carried out again, from the first look on.

Collection-private. Floor 3.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable

from .._errors import NetloomError

_TRIES = 12


def contended(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Return a verb that is tried again when another host has had meanwhile what it had chosen.

    What hosts share is had before anything of the host is touched, so that a race is lost without a trace.
    """

    @wraps(verb)
    def tried(host: Any, *args: Any, **options: Any) -> Any:
        for attempt in range(1, _TRIES + 1):
            try:
                return verb(host, *args, **options)
            except NetloomError as exc:
                if not exc.is_race or attempt == _TRIES:
                    raise
            host.begin_anew()
        raise AssertionError  # the last try returns or raises

    return tried
