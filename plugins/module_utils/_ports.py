# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports in Docker's syntax.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from ._errors import NetloomError
from ._model import PortSpec

OPTION = "published_ports"
PROTOCOLS = ("tcp", "udp", "sctp")
PORTS_MAX = 8192  # of one endpoint: the answer to a mistyped range comes at once
_SYNTAX = re.compile(
    r"(?:(?:(?P<address>\[[^\[\]]*\]|[^\[\]:]*):)?(?P<host>[^:]*):)?(?P<container>[^:/]+)(?:/(?P<protocol>[^:/]*))?"
)


def port_specs(texts: Iterable[Any], option: str = OPTION) -> tuple[PortSpec, ...]:
    """Return what a list of ports in Docker's syntax, `[[ADDRESS:][PORT]:]PORT[/PROTOCOL]`, asks for.

    A port can be a range FIRST-LAST; several ports of the container need as many of the host, one takes the first free.
    No host port, or 0, asks for a free one.

    :raises NetloomError: option_invalid.
    """
    found: dict[PortSpec, None] = {}
    for index, item in enumerate(texts):
        where = f"{option}[{index}]"
        for spec in _specs(str(item), where):
            found[spec] = None
            if len(found) > PORTS_MAX:
                raise NetloomError("option_invalid", f"{where}: more than {PORTS_MAX} ports of one endpoint")
    fixed: dict[tuple[str, int, str], PortSpec] = {}
    for spec in found:
        if spec.first == spec.last != 0:
            other = fixed.setdefault((spec.protocol, spec.first, spec.address), spec)
            if other is not spec:
                raise NetloomError(
                    "option_invalid",
                    f"{option}: port {spec.first}/{spec.protocol} cannot lead to both {other.container} and {spec.container}",
                )
    return tuple(found)


def _specs(text: str, option: str) -> Iterator[PortSpec]:
    def refused(reason: str) -> NetloomError:
        return NetloomError("option_invalid", f"{option}: {text!a} {reason}")

    parts = _SYNTAX.fullmatch(text)
    if parts is None:
        raise refused("is not [[ADDRESS:][PORT]:]PORT[/PROTOCOL], as 8080:80, 127.0.0.1:53:53/udp or [::1]:80:80")
    protocol = "tcp" if parts["protocol"] is None else parts["protocol"].lower()
    if protocol not in PROTOCOLS:
        raise refused(f"has the protocol {protocol!a}; it is one of {', '.join(PROTOCOLS)}")
    address = _address((parts["address"] or "").strip("[]"), refused)
    first, last = _range(parts["container"], refused)
    if not first:
        raise refused("has the container port 0; it is from 1 to 65535")
    host_first, host_last = _range(parts["host"], refused) if parts["host"] else (0, 0)
    if not host_first and host_last:
        raise refused("has a range of host ports that begins with 0; it is from 1 to 65535")
    many, hosts = last - first + 1, host_last - host_first + 1
    if host_first and many not in (1, hosts):
        raise refused(f"has {hosts} host ports for {many} container ports; there must be as many")
    if many > PORTS_MAX:
        raise refused(f"has {many} ports; an endpoint has at most {PORTS_MAX}")
    for offset in range(many):
        if many == 1:
            yield PortSpec(protocol, first, host_first, host_last, address)
        else:
            host = host_first + offset if host_first else 0
            yield PortSpec(protocol, first + offset, host, host, address)


def _range(text: str, refused: Callable[[str], NetloomError]) -> tuple[int, int]:
    numbers = text.split("-")
    if len(numbers) > 2 or not all(number.isascii() and number.isdigit() and len(number) < 6 for number in numbers):
        raise refused(f"has the port {text!a}, which is neither a number nor FIRST-LAST")
    first, last = int(numbers[0]), int(numbers[-1])
    if max(first, last) > 65535:
        raise refused(f"has the port {max(first, last)}; the largest is 65535")
    if first > last:
        raise refused(f"has the range {text}, which ends before it begins")
    return first, last


def _address(text: str, refused: Callable[[str], NetloomError]) -> str:
    if not text:
        return ""
    try:
        found = ipaddress.ip_address(text)
    except ValueError as exc:
        raise refused(f"has a host address that is none: {exc}") from exc
    if getattr(found, "scope_id", None) or found.is_multicast or getattr(found, "ipv4_mapped", None):
        raise refused(f"has the host address {found}, which is not that of an interface")
    return str(found)
