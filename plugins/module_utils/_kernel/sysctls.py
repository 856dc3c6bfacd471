# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings below /proc/sys, of the host and of single interfaces. Collection-private. Floor 4."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from .._changes import Change
from .._model import HOST, Resource, Sysctl

_ROOT = "/proc/sys/"


def observe(host: Any, wanted: Sequence[Sysctl]) -> Iterator[Resource]:
    """Yield the wanted settings with the values they have.

    One that the kernel does not have (IPv6 switched off at boot) is as good as set.
    """
    for resource in wanted:
        if resource.ifname and host.link(resource.place, resource.ifname) is None:
            continue
        value = _value(host, resource)
        if value is None:
            yield resource
        elif resource.place == HOST and not resource.ifname:
            yield replace(resource, value=value, restore=host.records.original(resource.path, value))
        else:
            yield replace(resource, value=value)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Write each setting, or what it was before us. Neighbouring ones of one place take one visit there."""
    for place, run in groupby(changes, key=lambda change: change.resource.place):  # type: ignore[attr-defined]
        with host.entered(place):
            for change in run:
                resource: Any = change.resource
                value = resource.value if change.after is not None else resource.restore
                host.execute(str(change), _write, resource.path, value)


def _value(host: Any, resource: Sysctl) -> str | None:
    if resource.ifname:
        from . import devconf

        try:
            return devconf.setting(host.link(resource.place, resource.ifname), resource.path)
        except LookupError:
            pass
    return host.inside(resource.place, _read, resource.path)


def _read(path: str) -> str | None:
    try:
        with open(_ROOT + path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def _write(path: str, value: str) -> None:
    # No O_CREAT: a missing setting is an error, not a file to make.
    descriptor = os.open(_ROOT + path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
