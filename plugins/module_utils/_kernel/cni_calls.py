# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calling CNI plugins: where they are, what they are told by environment and stdin, and what they answer.

Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Mapping
from typing import Any

from .. import _cni, _cni_results
from .._errors import NetloomError
from .._frozen import dataclass
from .._names import nearest
from . import programs

_TAKEN = "address already in use"  # as Go has the error
_TRY_AGAIN_SECONDS = (0.1, 0.5, 1.0)  # how long a plugin is given that is not ready for a moment, between tries


@dataclass(frozen=True)
class Way:
    """How the plugins of a network are run: the folders that they are in, and how long each may take."""

    path: str = _cni.PATH
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class Attachment:
    """What CNI tells the plugins of one container's interface by: by environment."""

    container: str = ""
    ifname: str = ""
    netns: str = ""  # empty if it has gone
    args: str = ""


def find(kind: str, way: Way) -> str:
    """Return the path of a plugin.

    :raises NetloomError: driver_not_found.
    """
    found = shutil.which(kind, path=way.path)
    if found is None:
        there = sorted({name for folder in way.path.split(":") for name in _listed(folder)})
        has = f"; there is {', '.join(there[:20])}{' ...' if len(there) > 20 else ''}" if there else "; there is none"
        raise NetloomError(
            "driver_not_found",
            f"{_cni.OPTION}: CNI plugin {kind!a} is not in {way.path}{nearest(kind, there)}{has}",
        )
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def speaks(kind: str, version: str, way: Way) -> None:
    """:raises NetloomError: driver_not_found, there is no such plugin; driver_error, it does not speak a version of CNI."""
    what = f"CNI plugin {kind}: VERSION"
    ran = _run(find(kind, way), "VERSION", {"cniVersion": version}, Attachment(), way)
    if ran.status:
        raise NetloomError("driver_error", f"{what}: {_cni_results.failure(ran.status, ran.stdout, ran.stderr)[1]}")
    known = _cni_results.versions(ran.stdout, what)
    if version not in known:
        raise NetloomError(
            "driver_error",
            f"{_cni.OPTION}: CNI plugin {kind} does not speak cniVersion {version}; it speaks {', '.join(known)}",
        )


def call(command: str, config: Mapping[str, Any], attachment: Attachment, way: Way, kind: str = "") -> Any:
    """Have a plugin carry out a command, and return what it has answered to ADD.

    It is that of the configuration's type, unless `kind` names another one. One that asks to be called again later is, three times.

    :raises NetloomError: driver_not_found, driver_timeout, driver_error.
    """
    kind = kind or config["type"]
    what = f"CNI plugin {kind}: {command}"
    path = find(kind, way)
    for pause in (*_TRY_AGAIN_SECONDS, None):
        ran = _run(path, command, config, attachment, way)
        if not ran.status:
            break
        code, words = _cni_results.failure(ran.status, ran.stdout, ran.stderr)
        if code != _cni_results.TRY_AGAIN or pause is None:
            # A MAC address is taken (macvlan) until the kernel is done with the namespace of a container that was restarted.
            passing = OSError(errno.EADDRINUSE, words) if command == "ADD" and _TAKEN in words else None
            raise NetloomError("driver_error", f"{what}: {words}") from passing
        time.sleep(pause)
    return _cni_results.result(ran.stdout, what) if command == "ADD" else None


def _run(path: str, command: str, config: Mapping[str, Any], attachment: Attachment, way: Way) -> programs.Ran:
    asked = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": attachment.container,
        "CNI_IFNAME": attachment.ifname,
        "CNI_NETNS": attachment.netns,
        "CNI_ARGS": attachment.args,
        "CNI_PATH": way.path,
    }
    # An empty one is none, and not one that is empty: GC and STATUS are about no container.
    environment = {**_environment(), **{name: value for name, value in asked.items() if value}}
    return programs.run([path], json.dumps(config).encode(), environment, way.timeout_seconds)


def _environment() -> dict[str, str]:
    """Return what the plugins have of ours, as they have of every runtime: some look for their configuration there."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CNI_")}
