# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of networks, as options of roles and filters list them. Collection-private, pure, on the controller only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

WHO = ("container", "runtime")  # the options of an attachment that say which container it is of


def member_of(item: Any, where: str) -> dict[str, Any]:
    """Return the options of a member that is given as the name of a container or as a dictionary of options.

    :raises AnsibleFilterError: it is neither, with the place `where` it is listed.
    """
    if isinstance(item, str):
        return {"container": item}
    if not isinstance(item, Mapping):
        raise AnsibleFilterError(f"{where}: {item!r} is neither a name nor a dictionary of options")
    if not item.get("container"):
        raise AnsibleFilterError(f"{where}: there is no container")
    if "network" in item:
        raise AnsibleFilterError(f"{where}: network cannot be given, it follows from the list that a member is in")
    return dict(item)
