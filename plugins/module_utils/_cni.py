# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNI's network configuration lists (CNI 1.1): what one may be, and what each of its plugins is told.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Callable

from ._errors import NetloomError
from ._model import IPAddress, Subnet
from ._plugins import compact

OPTION = "driver_options.conflist"
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CHECKED, COLLECTED = "0.4.0", "1.1.0"  # since when there are CHECK (and the result in DEL), GC and STATUS
PATH = "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_OF_RUNTIME = ("prevResult", "runtimeConfig")  # the runtime's to say, and not the list's
_FLAGS = ("disableCheck", "disableGC", "loadOnlyInlinedPlugins")

Conflist = Mapping[str, Any]


def since(conflist: Conflist, version: str) -> bool:
    """Return whether a list is of a version of CNI or a later one."""
    return VERSIONS.index(conflist["cniVersion"]) >= VERSIONS.index(version)


def conflist(text: str, name: str, folder: Callable[[str], str] | None) -> str:
    """Return the canonical text of a list, or of a single configuration as a list of one.

    `name` is that of the network, for a list without. `folder` returns a JSON list of the texts of the plugins that are
    configured beside a list of a name; None where there is no beside.

    :raises NetloomError: option_invalid.
    """
    given = _object(text, OPTION)
    if "plugins" not in given and "type" in given:
        common = ("name", "cniVersion", "cniVersions", *_FLAGS)
        given = {
            **{key: given[key] for key in common if key in given},
            "plugins": [{key: value for key, value in given.items() if key not in common}],
            "loadOnlyInlinedPlugins": True,
        }
    own = given.get("name", name)
    if not isinstance(own, str) or not _NAME.fullmatch(own):
        raise _invalid(f"name: {own!a} does not begin with a letter or digit, or has more than those, _, . and -")
    flags = {flag: _flag(given.get(flag, False), flag) for flag in _FLAGS}
    plugins = given.get("plugins", [])
    if not isinstance(plugins, list):
        raise _invalid("plugins: is no list")
    if folder is not None and not flags["loadOnlyInlinedPlugins"]:
        found = json.loads(folder(own))
        plugins = [*plugins, *(_object(item, f"{OPTION}: {own}/: a plugin") for item in found)]
    if not plugins:
        raise _invalid("has no plugins")
    for index, plugin in enumerate(plugins):
        _check_plugin(plugin, f"plugins[{index}]")
    kept = {flag: True for flag in ("disableCheck", "disableGC") if flags[flag]}
    return compact({"cniVersion": _version(given), "name": own, "plugins": plugins, **kept})


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise NetloomError("option_invalid", f"{what}: is no JSON: {exc}") from None
    if not isinstance(found, dict):
        raise NetloomError("option_invalid", f"{what}: is no JSON object")
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _invalid(reason: str) -> NetloomError:
    return NetloomError("option_invalid", f"{OPTION}: {reason}")


def _flag(value: Any, name: str) -> bool:
    """Return a flag, which many lists have as text."""
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise _invalid(f"{name}: {value!a} is not true or false")
    return found


def _version(given: Conflist) -> str:
    """Return the highest version that a list says it can be read as, and that is known here."""
    several = given.get("cniVersions", [])
    asked = [
        *([given["cniVersion"]] if "cniVersion" in given else []),
        *(several if isinstance(several, list) else [0]),
    ]
    known = [version for version in VERSIONS if version in asked]
    if not all(isinstance(item, str) for item in asked) or not known:
        said = ", ".join(map(str, asked)) or "none"
        raise _invalid(f"cniVersion: {said!a} is not one of {', '.join(VERSIONS)}")
    return known[-1]


def _check_plugin(plugin: Any, where: str) -> None:
    """:raises NetloomError: option_invalid."""
    if not isinstance(plugin, dict):
        raise _invalid(f"{where}: is no JSON object")
    _check_type(plugin.get("type"), f"{where}.type")
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and "type" in ipam:
        _check_type(ipam["type"], f"{where}.ipam.type")
    declared = plugin.get("capabilities", {})
    if not isinstance(declared, dict) or not all(isinstance(value, bool) for value in declared.values()):
        raise _invalid(f"{where}.capabilities: is no object of true and false")
    for key in plugin:
        if key in _OF_RUNTIME or key.startswith("cni.dev/"):
            raise _invalid(f"{where}.{key}: is said by who runs the plugins, not by a list")


def _check_type(kind: Any, where: str) -> None:
    if not isinstance(kind, str) or not kind or "\0" in kind:
        raise _invalid(f"{where}: is required, the name of a program")
    if "/" in kind or "\\" in kind or kind in (".", ".."):
        raise _invalid(f"{where}: {kind!a} is a path; it is the name of a program on cni_path")


# --- what a list says ---


def types(conflist: Conflist) -> list[str]:
    """Return the names of all programs that a list needs, those that hand out addresses as well."""
    plugins = conflist["plugins"]
    both = (*(plugin["type"] for plugin in plugins), *filter(None, map(ipam_type, plugins)))
    return [*dict.fromkeys(both)]


def ipam_type(plugin: Mapping[str, Any]) -> str:
    """Return the name of the program that hands a plugin's addresses out, empty if it needs none."""
    ipam = plugin.get("ipam")
    return ipam.get("type", "") if isinstance(ipam, dict) else ""


def capabilities(conflist: Conflist) -> set[str]:
    """Return what plugins of a list say that they take from who runs them."""
    return {name for plugin in conflist["plugins"] for name, on in plugin.get("capabilities", {}).items() if on}


def has_static_addresses(plugin: Mapping[str, Any]) -> bool:
    """Return whether a plugin's addresses are those of the list, so that it need not be asked for them."""
    return ipam_type(plugin) == "static"


def subnets(conflist: Conflist) -> Iterator[tuple[Subnet, IPAddress | None]]:
    """Yield (subnet, gateway if given) of what host-local hands out, as far as the list says so in a usual way."""
    for plugin in conflist["plugins"]:
        ipam = plugin.get("ipam")
        if ipam_type(plugin) != "host-local":
            continue
        sets = ipam.get("ranges")
        ranges = [item for each in sets if isinstance(each, list) for item in each] if isinstance(sets, list) else []
        for item in (ipam, *ranges):
            found = _subnet(item)
            if found:
                yield found


def _subnet(item: Any) -> tuple[Subnet, IPAddress | None] | None:
    if not isinstance(item, dict) or not isinstance(item.get("subnet"), str):
        return None
    try:
        subnet: Any = ip_network(item["subnet"], strict=False)
        gateway = item.get("gateway")
        return subnet, type(subnet[0])(gateway) if gateway else None
    except ValueError:  # it is the plugin's to complain
        return None


# --- what a plugin is told ---


def _dict(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def told(
    conflist: Conflist,
    plugin: Mapping[str, Any],
    runtime: Mapping[str, Any] | None = None,
    previous: Any = None,
    former: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a plugin reads: its part of the list, what it is capable of taking, and the result so far.

    `former` are the ips and the mac that a container had before, and would have again: as args, which a plugin may
    ignore, where it is not capable of taking them.
    """
    found = {key: value for key, value in plugin.items() if key != "capabilities"}
    found.update(cniVersion=conflist["cniVersion"], name=conflist["name"])
    takes = [name for name, on in plugin.get("capabilities", {}).items() if on]
    wanted = dict(runtime or {})
    former = former or {}
    if former.get("mac"):
        wanted.setdefault("mac", former["mac"])
    if former.get("ips") and "ips" not in wanted:
        if "ips" in takes:
            wanted["ips"] = former["ips"]
        elif not has_static_addresses(plugin):
            found["args"] = {
                **_dict(found, "args"),
                "cni": {"ips": former["ips"], **_dict(_dict(found, "args"), "cni")},
            }
    passed = {name: wanted[name] for name in takes if name in wanted}
    if passed:
        found["runtimeConfig"] = passed
    if previous is not None:
        found["prevResult"] = previous
    return found
