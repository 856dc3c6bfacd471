# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of address management: what `etcd` and plugins are told, and what its values may be.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

import posixpath
import re

from ._claims import OPTION
from ._drivers.options import ANY, PLUGIN_TIMEOUT, DriverOption, as_given, canonical, flag
from ._errors import NetloomError
from ._model import Pairs
from ._names import identifier

_TIMEOUT_MAX_SECONDS = 120
_SCHEMES = ("http", "https")


def resolved(driver: str, given: Pairs) -> Pairs:
    """Return options of an IPAM driver in canonical form.

    :raises NetloomError: option_unknown, option_invalid.
    """
    if driver == "default":
        return canonical(given, {}, OPTION, driver)
    if driver != "etcd":
        return canonical(given, OF_PLUGINS, OPTION, driver)
    found = canonical(given, OPTIONS, OPTION, driver)
    options = dict(found)
    if "endpoints" not in options:
        raise NetloomError("option_invalid", f"{OPTION}.endpoints: is required by ipam_driver etcd")
    for one, other in (("cert", "key"), ("key", "cert"), ("username", "password"), ("password", "username")):
        if one in options and other not in options:
            raise NetloomError("option_invalid", f"{OPTION}.{one}: needs {other} as well")
    plain = [url for url in options["endpoints"].split(",") if url.startswith("http:")]
    for name in ("ca_cert", "cert"):
        if name in options and plain:
            raise NetloomError("option_invalid", f"{OPTION}.{name}: {plain[0]} has no TLS; its URL begins with https")
    return found


def _endpoints(text: str, option: str) -> str:
    urls = {_endpoint(item, option) for item in map(str.strip, text.split(",")) if item}
    if not urls:
        raise NetloomError("option_invalid", f"{option}: must not be empty")
    return ",".join(sorted(urls))


def _endpoint(text: str, option: str) -> str:
    parts = re.fullmatch(r"(?:(\w+)://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})/?", text, re.ASCII)
    if parts is None or not 0 < int(parts[3]) < 1 << 16:
        raise NetloomError(
            "option_invalid", f"{option}: {text!a} is not like http://ADDRESS:PORT or https://ADDRESS:PORT"
        )
    scheme = parts[1] or "http"
    if scheme not in _SCHEMES:
        raise NetloomError("option_invalid", f"{option}: {text!a} is neither http nor https")
    return f"{scheme}://{parts[2].lower()}:{int(parts[3])}"


def _prefix(text: str, option: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+/?", text):
        raise NetloomError("option_invalid", f"{option}: {text!a} is not like /netloom; allowed [A-Za-z0-9_.-] and /")
    return text.rstrip("/")


def _path(text: str, option: str) -> str:
    if not posixpath.isabs(text):
        raise NetloomError("option_invalid", f"{option}: {text!a} is not an absolute path")
    return posixpath.normpath(text)


def _word(text: str, option: str) -> str:
    if not text:
        raise NetloomError("option_invalid", f"{option}: must not be empty")
    return text


def _timeout(text: str, option: str) -> str:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _TIMEOUT_MAX_SECONDS:
        raise NetloomError(
            "option_invalid", f"{option}: {text!a} is not a whole number from 1 to {_TIMEOUT_MAX_SECONDS}"
        )
    return str(int(text))


OF_PLUGINS = {
    ANY: DriverOption(ANY, as_given),
    "plugin_timeout": PLUGIN_TIMEOUT,
    "plugin_insecure": DriverOption("netloom.plugin_insecure", flag),
}
OPTIONS = {
    "endpoints": DriverOption("endpoints", _endpoints),
    "prefix": DriverOption("prefix", _prefix),
    "ca_cert": DriverOption("ca_cert", _path),
    "cert": DriverOption("cert", _path),
    "key": DriverOption("key", _path),
    "username": DriverOption("username", _word),
    "password": DriverOption("password", _word),
    "timeout": DriverOption("timeout", _timeout),
    "node": DriverOption("node", identifier),
}
