# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends packets between throw-away hosts and namespaces in them, all at once, and tells what is not as it was said.

What to send is read from the standard input, line by line; a place is `HOST` or `HOST/NAMESPACE`, a target is
`ADDRESS` (a ping) or `ADDRESS:PORT` (a TCP connection), and what has several addresses has commas between them:

    serve PLACE PORT                   somebody listens there meanwhile
    route PLACE DESTINATION via ROUTER a route that is there meanwhile
    PLACE > TARGET yes                 an answer comes, from one of the addresses
    PLACE > TARGET no [OPTION=N...]    none comes, from any; options are size (bytes, not to be fragmented) and ttl
    table FILE                         the first table of a Markdown file says yes or no, for:
    row NAME = PLACE...                  what a row is about
    column NAME = TARGET...              what a column is about

Silence proves nothing where nobody is: whoever gets no answer must get one from somebody else, and a target that does
not answer must answer somebody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
PATIENCE_SECONDS = 6.0  # for an answer that is to come
SILENCE_SECONDS = 0.8  # without one that is not


@dataclass(frozen=True)
class Way:
    """One packet to send: where from, to which addresses, and whether an answer is to come."""

    place: str
    targets: tuple[str, ...]
    expected: bool
    options: dict[str, int] = field(default_factory=dict, hash=False)

    def __str__(self):
        options = "".join(f" {name}={value}" for name, value in self.options.items())
        return f"{self.place} > {','.join(self.targets)}{options}"


def namespace(place: str) -> str:
    """Return the path of the network namespace of a host, or of one that it has a name for."""
    host, *name = place.split("/")
    pid = Path(os.environ["NETLOOM_HOSTS"], "hosts", host, "pid").read_text().split()[0]
    return f"/proc/{pid}/root/run/netns/{name[0]}" if name else f"/proc/{pid}/ns/net"


def open_in(place: str, *kind: int) -> socket.socket:
    """Return a socket in the namespace of a place; the thread stays in that namespace, so it is one that ends."""
    with open(namespace(place)) as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {place}")
    return socket.socket(socket.AF_INET, *kind)


def checksum(packet: bytes) -> int:
    """Return the checksum of the Internet (RFC 1071)."""
    packet += b"\0" * (len(packet) % 2)
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def pinged(place: str, address: str, identity: int, seconds: float, size: int | None = None, ttl: int = 64) -> bool:
    """Tell whether an echo comes back in time; it is asked for again and again."""
    payload = b"\0" * (56 if size is None else size)
    sums = checksum(struct.pack("!BBHHH", 8, 0, 0, identity, 1) + payload)
    request = struct.pack("!BBHHH", 8, 0, sums, identity, 1) + payload
    end = time.monotonic() + seconds
    with open_in(place, socket.SOCK_RAW, socket.IPPROTO_ICMP) as probe:
        probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        if size is not None:
            probe.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        while time.monotonic() < end:
            with contextlib.suppress(OSError):  # no route, or too large
                probe.sendto(request, (address, 0))
            if echoed(probe, address, identity, min(end, time.monotonic() + 0.3)):
                return True
    return False


def echoed(probe: socket.socket, address: str, identity: int, end: float) -> bool:
    """Tell whether an echo arrives until `end`, whatever else does."""
    while (left := end - time.monotonic()) > 0:
        probe.settimeout(left)
        with contextlib.suppress(OSError):
            packet, (sender, _port) = probe.recvfrom(65536)
            kind, _code, _sum, answered = struct.unpack_from("!BBHH", packet, (packet[0] & 15) * 4)
            if (kind, answered, sender) == (0, identity, address):
                return True
    return False


def connected(place: str, address: str, port: int, seconds: float) -> bool:
    """Tell whether a TCP connection comes about in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open_in(place, socket.SOCK_STREAM) as probe:
            probe.settimeout(min(SILENCE_SECONDS, seconds))
            if probe.connect_ex((address, port)) == 0:
                return True
        time.sleep(0.1)
    return False


def answers(way: Way, number: int) -> list[str]:
    """Return the targets that answer; the first one is enough where an answer is to come."""
    found: list[str] = []
    seconds = PATIENCE_SECONDS if way.expected else SILENCE_SECONDS
    end = time.monotonic() + seconds
    while not found and time.monotonic() < end:
        for index, target in enumerate(way.targets):
            address, *port = target.split(":")
            short = seconds if len(way.targets) == 1 else SILENCE_SECONDS
            if port:
                came = connected(way.place, address, int(port[0]), short)
            else:
                came = pinged(way.place, address, (number * 8 + index) & 0xFFFF, short, **way.options)
            if came:
                found.append(target)
                if way.expected:
                    break
        if not way.expected:
            break
    return found


def cells(path: str, rows: dict[str, list[str]], columns: dict[str, list[str]]) -> list[Way]:
    """Return what the first table of a Markdown file says; a cell with neither yes nor no says nothing."""
    text = Path(path).read_text()
    lines = itertools.takewhile(lambda line: line.startswith("|"), text[text.index("\n| from ") + 1 :].splitlines())
    (_from, *header), _rule, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    unknown = (set(rows) ^ {row[0] for row in body}) | (set(columns) ^ set(header))
    if unknown:
        raise SystemExit(f"{path}: not both in the table and here: {', '.join(sorted(unknown))}")
    return [
        Way(place, tuple(target.split(",")), word[0] == "yes")
        for name, *values in body
        for column, value in zip(header, values)
        for word in [re.match(r"yes|no", value)]
        if word
        for place in rows[name]
        for target in columns[column]
    ]


def unproved(ways: list[Way], answered: dict[Way, list[str]]) -> list[str]:
    """Return what silence does not prove, since nobody answers there, or nobody is answered there, at all."""
    heard = {target.partition(":")[0] for found in answered.values() for target in found}
    speaks = {way.place for way, found in answered.items() if found}
    silent = [way for way in ways if not way.expected]
    return [f"{way.place} is answered by nobody" for way in silent if way.place not in speaks] + [
        f"{target} answers nobody" for way in silent for target in way.targets if target.partition(":")[0] not in heard
    ]


def read(lines: list[str]):
    """Return the ways, the listeners and the routes that the lines ask for."""
    ways: list[Way] = []
    servers, routes = [], []
    table, rows, columns = "", {}, {}
    for line in filter(None, map(str.strip, lines)):
        words = line.split()
        if words[0] == "serve":
            servers.append((words[1], int(words[2])))
        elif words[0] == "route":
            routes.append((words[1], words[2:]))
        elif words[0] == "table":
            table = line.partition(" ")[2].strip()  # its path may have blanks
        elif words[0] in ("row", "column"):
            name, places = line.partition(" ")[2].split("=")
            (rows if words[0] == "row" else columns)[name.strip()] = places.split()
        else:
            place, arrow, targets, expected, *options = words
            if arrow != ">" or expected not in ("yes", "no"):
                raise SystemExit(f"cannot read: {line}")
            given = {name: int(value) for name, value in (option.split("=") for option in options)}
            ways.append(Way(place, tuple(targets.split(",")), expected == "yes", given))
    return (cells(table, rows, columns) if table else []) + ways, servers, routes


def main() -> int:
    """Send everything, and return 1 if something is not as it was said."""
    ways, servers, routes = read(sys.stdin.read().splitlines())
    with contextlib.ExitStack() as stack:
        for place, route in routes:
            enter = ["nsenter", f"--net={namespace(place)}", "ip", "route"]
            subprocess.run([*enter, "add", *route], check=True)
            stack.callback(subprocess.run, [*enter, "del", *route], check=True)
        with ThreadPoolExecutor(1) as thread:
            for place, port in servers:
                listener = stack.enter_context(thread.submit(open_in, place, socket.SOCK_STREAM).result())
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("0.0.0.0", port))
                listener.listen(64)
        with ThreadPoolExecutor(max(1, len(ways))) as threads:
            answered = dict(zip(ways, threads.map(answers, ways, range(len(ways)))))
    wrong = [
        f"{way}: {'no answer' if way.expected else 'an answer'}" for way in ways if bool(answered[way]) != way.expected
    ]
    wrong += unproved(ways, answered)
    print("\n".join(dict.fromkeys(wrong)) or f"{len(ways)} ways are as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
