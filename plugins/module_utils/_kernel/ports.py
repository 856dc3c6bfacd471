# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host: whether a process has one, which process that is, and which numbers may be handed out.

Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from .._errors import NetloomError
from .._ports import OPTION
from .._publishing import Bound

_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, 132),  # IPPROTO_SCTP
}
_TCP_LISTEN = "0A"  # net/tcp_states.h
_COMMAND_MAX = 80  # characters of a command line that are shown


def numbers() -> range:
    """Return the ports that the kernel hands out, from which we do as well."""
    with open(_RANGE, encoding="ascii") as file:
        first, last = map(int, file.read().split())
    return range(first, last + 1)


def owner(protocol: str, port: int, bound: Bound) -> str:
    """Return words for the process of the host that has a port, empty if none has: found out by trying to bind it.

    :raises NetloomError: option_invalid, the address is not one of the host's.
    """
    version, address = bound
    kind, number = _KINDS[protocol]
    try:
        probe = socket.socket(_FAMILIES[version], kind | socket.SOCK_CLOEXEC, number)
    except OSError as exc:
        if exc.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            return ""  # so no process can have it
        raise
    with probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is closed but lingers counts as free
        if version == 6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return _process(protocol, port)
            if exc.errno in (errno.EADDRNOTAVAIL, errno.EINVAL):
                raise NetloomError("option_invalid", f"{OPTION}: {address} is not an address of the host") from exc
            raise
    return ""


def _process(protocol: str, port: int) -> str:
    inodes = {*_inodes(protocol, port)}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return f"process {pid} ({_command(pid)})"
        except OSError:  # it has ended, or closed the file
            continue
    return "a process of the host"


def _inodes(protocol: str, port: int) -> Iterator[str]:
    for name in (protocol, f"{protocol}6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
        except FileNotFoundError:
            continue
        for row in rows:
            if int(row[1].rpartition(":")[2], 16) == port and (protocol != "tcp" or row[3] == _TCP_LISTEN):
                yield row[9]


def _command(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    if not words:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            words = file.read().strip()
    printable = "".join(letter if letter.isprintable() else "?" for letter in words)
    return printable if len(printable) <= _COMMAND_MAX else printable[:_COMMAND_MAX] + "…"
