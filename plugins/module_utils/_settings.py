# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings below net. that users give for interfaces and for namespaces.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ._errors import NetloomError
from ._model import Pairs

OPTION = "sysctls"
IFNAME = "IFNAME"  # in the name of a setting of an endpoint, literally
_OF_INTERFACE = re.compile(r"net\.ipv[46]\.(?:conf|neigh)\.IFNAME\.[a-z0-9_]+")
_OF_NAMESPACE = re.compile(r"net(?:/[A-Za-z0-9_.:@-]+)+")
_FOLLOWS = {
    "disable_ipv6": "whether an interface has IPv6 follows from the network",
    "mtu": "it follows from the network",
}
_FIRST = ("ip_forward", "forwarding")  # writing these sets others


def interface_settings(values: Mapping[Any, Any], option: str = OPTION) -> Pairs:
    """Return settings of an interface, by names like net.ipv4.conf.IFNAME.log_martians.

    :raises NetloomError: option_invalid.
    """
    found: dict[str, str] = {}
    for given, value in values.items():
        name = str(given).replace("/", ".")
        where = f"{option}.{given}"
        if not _OF_INTERFACE.fullmatch(name):
            raise NetloomError(
                "option_invalid",
                f"{where}: is not the name of an interface's setting, net.ipv4.conf.IFNAME.NAME or the same with ipv6"
                " or neigh, in which IFNAME stands for the interface",
            )
        setting = name.rpartition(".")[2]
        if ".ipv6.conf." in name and setting in _FOLLOWS:
            raise NetloomError("option_invalid", f"{where}: cannot be given; {_FOLLOWS[setting]}")
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,10}", text):
            raise NetloomError("option_invalid", f"{where}: {value!r} is not a whole number")
        _put(found, name, str(int(text)), where)
    return tuple(sorted(found.items()))


def namespace_settings(values: Mapping[Any, Any], option: str = OPTION) -> Pairs:
    """Return settings of a namespace by their paths, net/ipv4/ip_forward, in the order to write them.

    As with sysctl(8), dots part the name, unless a slash comes first: then dots belong to names of interfaces.

    :raises NetloomError: option_invalid.
    """
    found: dict[str, str] = {}
    for given, value in values.items():
        where = f"{option}.{given}"
        path = str(given)
        if "/" not in path or "." in path.partition("/")[0]:
            path = path.translate(str.maketrans("./", "/."))
        if not _OF_NAMESPACE.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise NetloomError("option_invalid", f"{where}: is not the name of a setting of a namespace, net.NAME")
        text = " ".join(str(value).split())
        if isinstance(value, (bool, float, list, dict)) or value is None or not text or "\0" in text:
            raise NetloomError("option_invalid", f"{where}: {value!r} is neither text nor a whole number")
        _put(found, path, text, where)
    return in_order(found)


def in_order(settings: Mapping[str, str]) -> Pairs:
    """Return settings (path to value) in the order to write them."""
    return tuple(sorted(settings.items(), key=lambda item: (item[0].rpartition("/")[2] not in _FIRST, item[0])))


def path_of(name: str, ifname: str) -> str:
    """Return the path below /proc/sys of an interface's setting."""
    return name.replace(".", "/").replace(f"/{IFNAME}/", f"/{ifname}/")


def _put(found: dict[str, str], name: str, value: str, where: str) -> None:
    if found.setdefault(name, value) != value:
        raise NetloomError("option_invalid", f"{where}: is given twice, as {found[name]!a} and {value!a}")
