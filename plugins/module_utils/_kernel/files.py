# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files that everybody may read, and the folders that are there for them alone. Collection-private. Floor 4."""

from __future__ import annotations

import contextlib
import os

_TRIES = 5


def read(path: str) -> str | None:
    """Return what a file holds, None if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def make_folder(path: str) -> None:
    """Make a folder and those above it, readable to everybody whatever the umask."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)


def write(path: str, text: str, beside: str) -> None:
    """Have a file hold `text`, whole from the first moment on: it is written `beside` and renamed."""
    for attempt in range(1, _TRIES + 1):
        try:
            make_folder(os.path.dirname(path))
            _write(beside, text)
            os.rename(beside, path)
            return
        except FileNotFoundError:  # whoever removed the last file meanwhile has removed the folder
            if attempt == _TRIES:
                raise


def _write(path: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def overwrite(path: str, text: str) -> None:
    """Have a file hold `text`, and be the same file: `ip netns exec` has it mounted where its programs look."""
    make_folder(os.path.dirname(path))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        os.truncate(descriptor, os.write(descriptor, text.encode()))
    finally:
        os.close(descriptor)


def remove(path: str) -> None:
    """Have a file not be there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(path: str, root: str) -> None:
    """Have a folder not be there, nor those above it up to that of `root` that are empty then."""
    import shutil

    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
    remove_empty(os.path.dirname(path), os.path.dirname(os.path.dirname(root)))


def remove_empty(path: str, above: str) -> None:
    """Remove a folder if it is empty, and those over it likewise, below `above`."""
    while path != above:
        try:
            os.rmdir(path)
        except OSError:
            return
        path = os.path.dirname(path)
