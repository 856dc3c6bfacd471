# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What network_namespace asks for, told in the engine's verbs.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from typing import Any

from .._apply import converge
from .._draft import Draft
from .._draft_networks import draft_namespace, drop_namespaces
from .._goal import goal_of
from .._model import Pairs
from .result import Result


def namespace_present(host: Any, name: str, settings: Pairs = (), *, dry_run: bool = False) -> Result:
    """Make a named network namespace with lo up, and `settings` (path to value) in it.

    :raises NetloomError: option_invalid, a namespace has no such setting.
    """
    draft = Draft(host.records)
    draft_namespace(draft, host, name, settings)
    return Result(converge(goal_of(draft, host), host, dry_run=dry_run))


def namespace_absent(host: Any, name: str, *, force: bool = False, dry_run: bool = False) -> Result:
    """Remove a named network namespace, after detaching what is attached to it.

    :raises NetloomError: network_in_use, processes run in it and `force` does not allow that.
    """
    draft = Draft(host.records)
    drop_namespaces(draft, host, {name: force})
    return Result(converge(goal_of(draft, host), host, dry_run=dry_run))
