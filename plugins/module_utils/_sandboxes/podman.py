# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman's containers, asked for with `podman inspect`; those of the user that the task runs as.

Only ever reads. Collection-private. Floor 4.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import subprocess

from .._errors import NetloomError
from .found import PODMAN_SETTINGS, PODMAN_STORAGE, Found, is_called, of_process, with_key

TIMEOUT_SECONDS = 10
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
RULE = "is not a container's name: letters, digits, '.', '_' and '-', a letter or digit first"


def accepts(container: str) -> bool:
    """Whether Podman would take it for a name or an id."""
    return NAME.fullmatch(container) is not None


def find(container: str, *, chosen: bool) -> Found | None:
    """Return the container of exactly this name or id; None if Podman has none.

    Asking takes 50 to 100 ms. Unless Podman was `chosen`, it is asked only if its storage mentions the name. It is
    never asked before it has a storage: it would make one, and settle for good how that works.

    :raises NetloomError: Podman was chosen and is not installed, or gives no sensible answer in time.
    """
    if not chosen and not mentioned(container):
        return None
    program = shutil.which("podman")
    if not program:
        if not chosen:
            return None
        text = f"container: cannot ask Podman for {container!r}: podman is not installed"
        raise NetloomError("missing_dependency", text)
    if not os.path.isdir(storage()):
        return None
    argv = [program, "inspect", "--type", "container", "--", container]
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT_SECONDS, cwd="/"
        )
    except subprocess.TimeoutExpired as exc:
        raise NetloomError(
            "driver_timeout", f"container: podman inspect did not answer within {TIMEOUT_SECONDS} seconds"
        ) from exc
    except OSError as exc:
        raise NetloomError("driver_error", f"container: cannot run {program}: {exc.strerror}") from exc
    return found_in(container, done.returncode, done.stdout, done.stderr)


def mentioned(container: str) -> bool:
    """Whether a name or an id is in the lists of containers that Podman's storage keeps."""
    for path in glob.glob(f"{glob.escape(storage())}/*-containers/*containers.json"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                if f'"{container}' in file.read():
                    return True
        except FileNotFoundError:
            continue
    return False


def names_of(container_id: str) -> list[str]:
    """Return the names that Podman's storage has for a container's id. Needs no lock of Podman's."""
    for path in glob.glob(f"{glob.escape(storage())}/*-containers/*containers.json"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                listed = json.load(file)
            for item in listed:
                if item["id"] == container_id:
                    return [str(name) for name in item.get("names", ())]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return []


def storage() -> str:
    """Return the folder that holds containers: what the settings say, or where Podman keeps them otherwise."""
    own = os.environ.get("CONTAINERS_STORAGE_CONF")
    for path in (own,) if own else PODMAN_SETTINGS:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                setting = re.search(r'^\s*graphroot\s*=\s*"([^"]+)"', file.read(), re.MULTILINE)
        except OSError:
            continue
        return os.path.normpath(setting[1]) if setting else PODMAN_STORAGE
    return PODMAN_STORAGE


def found_in(container: str, status: int, output: bytes, errors: bytes) -> Found | None:
    """Return the container that `podman inspect` described; None if it said that there is none.

    :raises NetloomError: it failed otherwise, or its output is not a container's description.
    """
    if status != 0:
        said = errors.decode("utf-8", "replace").strip()
        # More than one: a few hex digits that several ids begin with. No name, and no id either.
        if "no such container" in said.lower() or "more than one" in said.lower():
            return None
        raise NetloomError("driver_error", f"container: podman inspect {container}: {said or f'exit status {status}'}")
    try:
        answer = json.loads(output)[0]
        name, container_id, state = answer["Name"], answer["Id"], answer["State"]
        running, pid = state["Running"] is True or state["Status"] == "paused", int(state["Pid"])
        sandbox_key = answer["NetworkSettings"].get("SandboxKey") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        shown = ascii(output[:80].decode("utf-8", "replace")) if output else "nothing"
        raise NetloomError("driver_error", f"container: Podman's answer is not understood: {shown}") from exc
    if not is_called(container, name, container_id):
        return None
    if not running or pid <= 0:
        return Found("podman", name, None, sandbox_key, container_id)
    return with_key(of_process("podman", name, pid, container_id), sandbox_key)
