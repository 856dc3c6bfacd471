# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a runtime says of a container's name, and the rules that several runtimes share.

Collection-private. Floor 4.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

from .._errors import NetloomError
from .._frozen import dataclass

# Where a runtime's containers are looked up, unless the variable says another place.
DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_STORAGE = "/var/lib/containers/storage"
PODMAN_SETTINGS = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")  # the first one counts
MACHINES = "/run/systemd/machines"
SIGNS = {
    "docker": ("DOCKER_HOST", (DOCKER_SOCKET,)),
    "podman": ("CONTAINERS_STORAGE_CONF", (PODMAN_STORAGE, *PODMAN_SETTINGS)),
    "machine": ("", (MACHINES,)),
}
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
ID = re.compile(r"[0-9a-f]{12,64}")  # a runtime's own id, or the twelve digits and more that its tools print


@dataclass(frozen=True)
class Found:
    """A container as its runtime knows it. By id or by name, one container has one `name`.

    `path` None means that the container is known, but does not run now. With a `pid`, the path is
    valid only while that process lives and its start time is `start_time` (clock ticks since boot).
    """

    runtime: str  # netns, pid, path, docker, podman, machine
    name: str
    path: str | None  # the namespace to open
    key: str  # the path to show for it
    container_id: str = ""
    pid: int | None = None
    start_time: int | None = None


def check_name(container: str) -> None:
    """:raises NetloomError: no runtime could have a container of this name."""
    reason = unusable(container)
    if reason:
        raise NetloomError("netns_invalid", f"container: {container!r} {reason}")


def unusable(name: str) -> str:
    """Return why `name` cannot be anything's name; empty if it can."""
    if not name:
        return "is empty"
    if "/" in name:
        return "contains '/'; only an absolute path may"
    if CONTROL.search(name):
        return "contains a control character"
    if name in (".", ".."):
        return "is a directory"
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        return "is not UTF-8"
    if name.startswith("-"):
        return "begins with '-'"
    if len(os.fsencode(name)) > 255:
        return "is longer than 255 bytes"
    return ""


def is_called(asked: str, name: str, container_id: str) -> bool:
    """Whether `asked` is the name or the id of a container: never a part of its name, never a few digits of its id."""
    return asked == name or (ID.fullmatch(asked) is not None and container_id.startswith(asked))


def of_process(runtime: str, name: str, pid: int, container_id: str = "") -> Found:
    """Return the container whose first process is `pid`; known but not running when that process is gone."""
    start_time = start_time_of(pid)
    path = f"/proc/{pid}/ns/net"
    if start_time is None:
        return Found(runtime, name, None, path, container_id)
    return Found(runtime, name, path, path, container_id, pid, start_time)


def with_key(found: Found, sandbox_key: str) -> Found:
    """Return `found` with the runtime's own path to the namespace, if that is what the path still is.

    A stopped container's may be a plain file, and one that shares another container's namespace has none.

    :raises NetloomError: the process is not in the sandbox, so the number means another process here.
    """
    try:
        process, sandbox = os.stat(found.key), os.stat(sandbox_key)
    except OSError:
        return found
    if sandbox.st_dev != process.st_dev:  # not on nsfs, which the kernel has one of
        return found
    if sandbox.st_ino != process.st_ino:
        raise NetloomError(
            "netns_invalid",
            f"container: {found.runtime} says that {found.name!r} is process {found.pid}, but that process is not "
            f"in {sandbox_key}: {found.runtime} runs in another PID namespace",
        )
    return replace(found, key=sandbox_key)


def start_time_of(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None if it has ended or never was."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(b")")[2].split()  # the name before may hold spaces and parentheses
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])  # field 22 of proc(5), counted from field 3
