# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CNI plugins answer (CNI 0.3.0 to 1.1): what an answer may be, and what of it counts here.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from ._errors import NetloomError

_WORDS_MAX = 500
TRY_AGAIN = 11  # an error code of CNI's; others are the plugin's own business


def result(data: bytes, what: str) -> dict[str, Any]:
    """Return what a plugin has answered to ADD.

    :raises NetloomError: driver_error, it is no result; `what` begins the text.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        said = _words(data) or "nothing"
        raise NetloomError("driver_error", f"{what}: what it answered is no JSON: {said}") from None
    try:
        _check(found)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise NetloomError(
            "driver_error", f"{what}: what it answered is no result of CNI: {exc}: {_words(data)}"
        ) from None
    return found


def _check(found: Any) -> None:
    """:raises ValueError: and what else Python has for a value of another kind."""
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    interfaces = found.get("interfaces") or []
    for item in interfaces:
        if not isinstance(item["name"], str) or not item["name"]:
            raise ValueError("an interface has no name")
        if not all(isinstance(item.get(key, ""), str) for key in ("mac", "sandbox")):
            raise ValueError(f"interface {item['name']!a} has a MAC or a sandbox that is no text")
    for item in found.get("ips") or []:
        ip_interface(_text(item["address"]))
        if item.get("gateway"):
            ip_address(_text(item["gateway"]))
        index = item.get("interface")
        if index is not None and (not isinstance(index, int) or not -1 <= index < len(interfaces)):
            raise ValueError(f"address {item['address']} is of interface {index}, and there are {len(interfaces)}")
    for item in found.get("routes") or []:
        ip_network(_text(item["dst"]), strict=False)
        if item.get("gw"):
            ip_address(_text(item["gw"]))
    if not isinstance(found.get("dns") or {}, dict):
        raise ValueError("dns is no object")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!a} is no text")
    return value


def of_container(found: Mapping[str, Any], ifname: str, netns: str) -> dict[str, list[str]]:
    """Return the interfaces that a result says are the container's, with their addresses.

    :raises NetloomError: driver_error, an interface is somebody else's.
    """
    interfaces = found.get("interfaces") or []
    mine: dict[str, list[str]] = {}
    for item in interfaces:
        if item.get("sandbox"):
            if item["sandbox"] != netns:
                raise NetloomError(
                    "driver_error",
                    f"interface {item['name']!a} is in {item['sandbox']!a}, and the container is {netns}",
                )
            mine[item["name"]] = []
    for item in found.get("ips") or []:
        index = item.get("interface")
        # Of 0.3.x, many do not say whose it is.
        name = ifname if index is None or index < 0 else interfaces[index]["name"]
        if index is None or index < 0 or interfaces[index].get("sandbox"):
            mine.setdefault(name, []).append(item["address"])
    return mine


def answer(found: Mapping[str, Any], ifname: str, netns: str) -> dict[str, Any]:
    """Return what is to be known of a result: the first addresses, the MAC, and where the container's interfaces are.

    :raises NetloomError: driver_error.
    """
    mine = of_container(found, ifname, netns)
    there = [ip for ips in mine.values() for ip in ips if not ip_interface(ip).ip.is_loopback]
    macs = {item["name"]: item.get("mac", "").lower() for item in found.get("interfaces") or [] if item.get("sandbox")}
    return {
        "result": found,
        "interfaces": mine,
        "ipv4": next((ip for ip in there if ip_interface(ip).version == 4), ""),
        "ipv6": next((ip for ip in there if ip_interface(ip).version == 6), ""),
        "mac": macs.get(ifname) or next(iter(macs.values()), ""),
    }


def ungranted(known: Mapping[str, Any], asked: list[str]) -> str:
    """Return words for an address that was asked for and not given, empty if there is none."""
    given = {str(ip_interface(ip).ip) for ips in known["interfaces"].values() for ip in ips}
    missing = [ip for ip in asked if str(ip_interface(ip).ip) not in given]
    return f"was asked for {missing[0]}, and has given {', '.join(sorted(given)) or 'none'}" if missing else ""


def failure(status: int, stdout: bytes, stderr: bytes) -> tuple[int, str]:
    """Return CNI's code for why a plugin has failed, 0 for none, and words for it; what it wrote to stderr as well."""
    code, reason = 0, ""
    try:
        said = json.loads(stdout)
        code = said["code"] if isinstance(said["code"], int) else 0
        parts = [str(said[key]) for key in ("msg", "details") if said.get(key)]
        reason = f"{': '.join(parts) or 'no reason given'} (code {code})"[:_WORDS_MAX]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        died = f"was killed by signal {-status}" if status < 0 else f"has ended with status {status}"
        reason = ": ".join(filter(None, (died, _words(stdout))))
    besides = _words(stderr)
    return code, f"{reason}; stderr: {besides}" if besides else reason


def _words(data: bytes) -> str:
    """Return the end of what a program wrote, on one line."""
    return " ".join(data[-_WORDS_MAX:].decode("utf-8", "replace").split())


def versions(data: bytes, what: str) -> list[str]:
    """Return the versions of CNI that a plugin says it speaks.

    :raises NetloomError: driver_error.
    """
    try:
        found = json.loads(data)["supportedVersions"]
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return found
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise NetloomError("driver_error", f"{what}: what it answered are no versions of CNI: {_words(data) or 'nothing'}")
