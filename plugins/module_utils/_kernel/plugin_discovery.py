# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Docker plugins are: sockets in /run/docker/plugins, then files that name an address, as dockerd looks for them.

Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .._errors import NetloomError
from .plugin_client import Address, Tls

SOCKETS = "/run/docker/plugins"
FILES = ("/etc/docker/plugins", "/usr/lib/docker/plugins")
_FILE_MAX_BYTES = 64 << 10


def locate(name: str) -> Address | None:
    """Return where a plugin listens, None if there is none of that name.

    :raises NetloomError: driver_error, a file names no address.
    """
    if ".." in name.split("/"):
        return None
    for path in _paths(SOCKETS, name, ".sock"):
        if _is_socket(path):
            return Address(path)
    for folder in FILES:
        for path in (*_paths(folder, name, ".spec"), *_paths(folder, name, ".json")):
            if os.path.isfile(path):
                return _described(path)
    return None


def names() -> list[str]:
    """Return the names of all plugins that there are."""
    found = {path[:-5] for path in _listed(SOCKETS) if path.endswith(".sock")}
    found.update(path[:-5] for folder in FILES for path in _listed(folder) if path.endswith((".spec", ".json")))
    return sorted({os.path.basename(name) for name in found})


def where() -> str:
    """Return words for where was looked."""
    return f"looked for NAME.sock in {SOCKETS}, and for NAME.spec and NAME.json in {' and '.join(FILES)}"


def insecure(address: Address) -> str:
    """Return why what a plugin is told could be read or answered by others, empty if it could not."""
    if address.path:
        return ""
    if address.tls is None:
        return f"{address} is reached over TCP without TLS"
    return "" if address.tls.verify else f"{address} is not asked for a certificate (no CAFile)"


def _paths(folder: str, name: str, suffix: str) -> tuple[str, str]:
    return f"{folder}/{name}{suffix}", f"{folder}/{name}/{os.path.basename(name)}{suffix}"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _listed(folder: str) -> Iterator[str]:
    try:
        items = sorted(os.listdir(folder))
    except OSError:
        return
    for item in items:
        yield item
        for suffix in (".sock", ".spec", ".json"):
            if os.path.exists(f"{folder}/{item}/{item}{suffix}"):
                yield f"{item}{suffix}"


def _described(path: str) -> Address:
    """Return the address that a file names: a line with a URL, or JSON with that and what TLS needs."""
    try:
        with open(path, "rb") as file:
            text = file.read(_FILE_MAX_BYTES).decode()
        if not path.endswith(".json"):
            return _address(text.strip(), None)
        fields = json.loads(text)
        url, tls = fields["Addr"], fields.get("TLSConfig")
        if not isinstance(url, str):
            raise TypeError(f"Addr is {url!a}")
        return _address(url.strip(), _tls(tls) if tls is not None else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise NetloomError("driver_error", f"{path}: names no plugin: {str(exc)[:200]}") from None


def _tls(fields: dict[str, Any]) -> Tls:
    ca_file, cert_file, key_file = (fields.get(name) or "" for name in ("CAFile", "CertFile", "KeyFile"))
    if not all(isinstance(text, str) for text in (ca_file, cert_file, key_file)):
        raise TypeError("TLSConfig has files that are none")
    # As Docker has it: without a CA there is nothing to verify with.
    return Tls(ca_file, cert_file, key_file, verify=bool(ca_file) and not fields.get("InsecureSkipVerify"))


def _address(url: str, tls: Tls | None) -> Address:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        path = parts.netloc + parts.path
        if not path.startswith("/"):
            raise ValueError(f"{url[:100]!a} is not an absolute path")
        return Address(path)
    if parts.scheme in ("tcp", "http", "https") and parts.hostname and parts.port:
        secured = tls or (Tls() if parts.scheme == "https" else None)
        return Address(host=parts.hostname, port=parts.port, tls=secured)
    shown = re.sub(r"//[^/@]*@", "//", url)[:100]
    raise ValueError(f"{shown!a} is neither unix:///PATH nor tcp://HOST:PORT")
