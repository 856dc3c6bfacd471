# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking up names from a namespace: single questions to one server (RFC 1035), and what the C library finds."""

from __future__ import annotations

import ipaddress
import itertools
import socket
import struct
from dataclasses import dataclass

import rig

TYPES = {"A": 1, "PTR": 12, "AAAA": 28}
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    code: str
    values: tuple[str, ...] = ()  # addresses or names, as answered
    ttl: int | None = None


SILENCE = Answer("silence")


def ask(netns, server, name, kind="A", *, tcp=False, seconds=2.0):
    """Return what a server answers, SILENCE if it does not or refuses the connection."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with rig.inside(netns):
        client = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    with client:
        client.settimeout(seconds)
        try:
            client.connect((server, 53))
            return exchange(client, name, kind, tcp=tcp)
        except OSError:
            return SILENCE


def exchange(client, name, kind="A", *, tcp=False):
    """Return the answer to a question over a connected socket.

    :raises OSError: there is none.
    """
    number = next(_NUMBERS) & 0xFFFF
    question = _name(name) + struct.pack("!HH", TYPES[kind], 1)
    packet = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question
    client.sendall(struct.pack("!H", len(packet)) + packet if tcp else packet)
    reply = client.recv(4096)
    if not reply:
        raise ConnectionError("closed without an answer")
    if tcp:
        reply = reply[2:]
    assert struct.unpack("!H", reply[:2])[0] == number
    return _parsed(reply, len(question))


def reverse(netns, server, address, **options):
    return ask(netns, server, ipaddress.ip_address(address).reverse_pointer, "PTR", **options)


def found(netns, name, database="ahostsv4"):
    """Return the addresses that the C library finds for a name, as programs of a namespace do."""
    done = rig.run("ip", "netns", "exec", netns, "getent", database, name, check=False)
    return sorted({line.split()[0] for line in done.stdout.splitlines()})


def _name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _parsed(reply, question_size):
    _number, flags, _questions, count = struct.unpack("!HHHH", reply[:8])
    position = 12 + question_size
    values, ttl = [], None
    for _record in range(count):
        _owner, position = _read_name(reply, position)
        kind, _class, ttl, size = struct.unpack("!HHIH", reply[position : position + 10])
        position += 10
        data = reply[position : position + size]
        if kind == TYPES["PTR"]:
            values.append(_read_name(reply, position)[0])
        else:
            values.append(str(ipaddress.ip_address(data)))
        position += size
    return Answer(CODES.get(flags & 15, str(flags & 15)), tuple(values), ttl)


def _read_name(reply, position):
    labels = []
    while True:
        size = reply[position]
        if size >= 0xC0:  # a pointer
            rest, _end = _read_name(reply, struct.unpack("!H", reply[position : position + 2])[0] & 0x3FFF)
            return ".".join([*labels, rest]), position + 2
        position += 1
        if not size:
            return ".".join(labels), position
        labels.append(reply[position : position + size].decode())
        position += size
