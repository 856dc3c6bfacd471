# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolv.conf of named namespaces, where `ip netns exec` looks for it. Collection-private. Floor 4."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._changes import Change
from .._dns import NAMESPACES
from .._resources import Resource
from . import files


def observe(host: Any, wanted: Sequence[Any]) -> Iterator[Resource]:
    """Yield the files that are there; what is not a file of ours is foreign."""
    for resource in wanted:
        if os.path.islink(resource.path):
            yield replace(resource, foreign=True)
            continue
        text = files.read(resource.path)
        if text is not None:
            yield resource.as_found(text)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Write and remove files, with the folders that nothing else is in."""
    for change in changes:
        resource: Any = change.resource
        if change.after is None:
            host.execute(str(change), _remove, resource.path)
        else:
            host.execute(str(change), files.overwrite, resource.path, resource.text)


def _remove(path: str) -> None:
    files.remove(path)
    files.remove_empty(os.path.dirname(path), os.path.dirname(NAMESPACES))
