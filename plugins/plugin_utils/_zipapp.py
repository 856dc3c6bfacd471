# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command netloom as one executable file: the modules' own code, zipped. Works on the controller.

The same code makes the same bytes, wherever and whenever, so that copying it twice changes nothing.
Collection-private.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ("ansible_collections", "netloom", "containers", "plugins", "module_utils")
FIRST = "_command/main.py"
_MADE = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip file can hold
_MAIN = """import sys

from {package}._command.main import main

sys.exit(main(version="{version}"))
"""


def zipapp(python: str, root: Path = ROOT) -> bytes:
    """Return the command as a file that `python` (a path, and at most one argument) runs."""
    utils = root / "plugins" / "module_utils"
    files = {"/".join((*PACKAGE, name)): (utils / name).read_bytes() for name in imported(utils)}
    for depth in range(1, len(PACKAGE) + 1):
        files["/".join((*PACKAGE[:depth], "__init__.py"))] = b""
    files["__main__.py"] = _MAIN.format(package=".".join(PACKAGE), version=version(root)).encode()
    archive = io.BytesIO()
    archive.write(f"#!{python}\n".encode())
    with zipfile.ZipFile(archive, "a") as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MADE)
            entry.create_system = 3  # Unix, whatever the controller is
            entry.external_attr = 0o644 << 16
            target.writestr(entry, files[name])  # stored: how well a library compresses differs by version
    return archive.getvalue()


def version(root: Path = ROOT) -> str:
    """Return the version of the collection, installed or checked out."""
    manifest = root / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])


def imported(utils: Path) -> set[str]:
    """Return the files of module_utils that the command imports, wherever in a file, and those that these import."""
    found: set[str] = set()
    waiting = [FIRST]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(utils, name)
    return found


def _imports(utils: Path, name: str) -> Iterator[str]:
    folder = Path(name).parent
    for above in (folder, *folder.parents):
        if (utils / above / "__init__.py").exists() and above != Path():
            yield (above / "__init__.py").as_posix()
    for node in ast.walk(ast.parse((utils / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ([folder, *folder.parents][node.level - 1]).joinpath(*(node.module or "").split("."))
            for candidate in (base, *(base / alias.name for alias in node.names)):
                for path in (f"{candidate.as_posix()}.py", f"{candidate.as_posix()}/__init__.py"):
                    if (utils / path).is_file():
                        yield Path(path).as_posix()
