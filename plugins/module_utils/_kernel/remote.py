# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker plugins. Floor 4."""

from __future__ import annotations

from collections.abc import Mapping

from .._errors import NetloomError


def find(driver: str, options: Mapping[str, str]) -> None:
    raise NetloomError("driver_not_found", f"driver: there is no plugin {driver!a}")
