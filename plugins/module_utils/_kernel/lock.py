# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock for each state directory, held around observing, planning and applying.

It is a flock on the directory itself: no lock file is left behind, and the kernel drops the lock
with the process. Collection-private. Floor 4.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from .._errors import NetloomError
from .database import check_private

_STEP_SECONDS = 0.02


def take(state_dir: str, timeout_seconds: float) -> tuple[int, bool]:
    """Return a descriptor that holds the lock of `state_dir`, and whether the directory was made for it.

    :raises NetloomError: state_locked, naming the process that has it; permission_denied.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        descriptor, made = _opened(state_dir)
        try:
            _wait(descriptor, deadline)
            if _is_still(descriptor, state_dir):
                return descriptor, made
        except BlockingIOError:
            os.close(descriptor)
            raise NetloomError(
                "state_locked",
                f"lock_timeout: {state_dir} was still locked after {timeout_seconds:g} s{_holder(state_dir)}",
            ) from None
        os.close(descriptor)  # whoever had the lock removed the directory, which he had made


def release(descriptor: int, state_dir: str, *, made: bool) -> None:
    """Let go of the lock. A directory that was made for it and is still empty goes with it."""
    if made:
        with contextlib.suppress(OSError):
            os.rmdir(state_dir)
    os.close(descriptor)


def _opened(state_dir: str) -> tuple[int, bool]:
    made = False
    if not check_private(state_dir, directory=True):
        os.makedirs(os.path.dirname(state_dir) or "/", exist_ok=True)
        try:
            os.mkdir(state_dir, 0o700)
            made = True
        except FileExistsError:
            check_private(state_dir, directory=True)
    try:
        return os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC), made
    except FileNotFoundError:
        return _opened(state_dir)


def _wait(descriptor: int, deadline: float) -> None:
    """:raises BlockingIOError: the lock could not be had until `deadline`."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_STEP_SECONDS)


def _is_still(descriptor: int, state_dir: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(state_dir))
    except FileNotFoundError:
        return False


def _holder(state_dir: str) -> str:
    """Return " by process N (command)" for the process whose descriptor has the lock, if it can be seen."""
    directory = os.path.realpath(state_dir)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for number in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{number}") != directory:
                    continue
                with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                    if "FLOCK" in file.read():
                        with open(f"/proc/{pid}/cmdline", "rb") as command:
                            words = command.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                        return f" by process {pid} ({words[:200]})"
        except OSError:
            continue  # it ended meanwhile
    return ""
