# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cell of the tables in docs/firewall.md, as packets.

A yes is a TCP connection and a datagram that arrives; a no is neither. The positive control: with our rules that drop
flushed, and those that translate left, every cell is a yes.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from engine import attach, do, present

pytestmark = pytest.mark.packets

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "firewall.md"
NETWORKS = {"net": 1, "other": 2, "inner": 3, "third": 4}  # "net" is the one that a table is about
WEB, UNPUBLISHED, SERVICE = 80, 7777, 7070  # ports of members, the latter of the neighbour too, and of the host
PUBLISHED, AT_LOOPBACK, LOCAL_SERVICE = 8080, 8082, 7171  # ports of the host
PATIENCE_SECONDS = {"yes": 4.0, "no": 0.4}
NODAD = {4: (), 6: ("nodad",)}  # for ip address add
MODES = ["nat", "nat-unprotected", "routed", "internal", "isolated"]
FORWARDED = ("member", "published port", "at its own address", "outside")
SOURCES = {
    "same network": "a2",
    "another network": "b1",
    "internal network": "i1",
    "host": None,
    "LAN neighbour": "r",
    "LAN neighbour to 127.0.0.0/8": "r2",
    "member to 127.0.0.0/8": "a3",
}

Table = dict[tuple[str, str], str]  # of row and column: yes, no, or – where there is no such thing


class Cell(NamedTuple):
    """One cell for one IP version; several targets where it promises several."""

    row: str
    column: str
    version: int
    targets: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return f"IPv{self.version} {self.row} -> {self.column}"


# --- the document ---


def tables() -> dict[str, Table]:
    """Return the tables of the document by the gateway mode, `internal` or `flush` in the headings over them."""
    found: dict[str, Table] = {}
    for section in re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _newline, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        if lines:
            name = re.findall(r"\w+(?:-\w+)?", re.findall("`[^`]+`", heading)[-1])[0]
            found[name] = _table(lines)
    return found


def _table(lines: list[str]) -> Table:
    columns, *rows = ([cell.strip() for cell in line.strip("| ").split("|")] for line in lines)
    return {
        (row[0], column): re.fullmatch(r"(yes|no|–)(?: \[\d\])*", cell)[1]
        for row in rows
        for column, cell in zip(columns[1:], row[1:], strict=True)
    }


TABLES = tables()


def test_the_document_has_a_table_for_every_mode_and_one_for_an_empty_ruleset():
    assert [*TABLES] == [*MODES, "nft"]
    assert {tuple(table) for table in TABLES.values()} == {tuple(TABLES["nat"])}
    assert {row for row, _column in TABLES["nat"]} == {*SOURCES}


# --- the world ---


def address(network: str, member: int, version: int) -> str:
    number = NETWORKS[network]
    return {4: f"10.{number}.0.{member}", 6: f"fd00:{number}::{member}"}[version]


class World:
    """A host with four networks; `modes` are those of the network "net" for IPv4 and IPv6."""

    def __init__(self, modes: tuple[str, str]):
        self.lan = rig.lan()
        self.modes = dict(zip((4, 6), modes, strict=True))
        self.internal = modes[0] in ("internal", "isolated")
        # The kernel solicits a neighbour for a packet of somebody else from a link-local address only.
        rig.run("ip", "address", "add", "fe80::1/64", "dev", self.lan.ifname, "nodad")
        for name in ("a1", "a2", "a3", "b1", "i1", "t1"):
            rig.netns(name)
        self.repair()
        published = (f"{PUBLISHED}:{WEB}", f"127.0.0.1:{AT_LOOPBACK}:{WEB}")
        ports = port_specs(f"{port}/{protocol}" for port in published for protocol in ("tcp", "udp"))
        first = attach("net", "a1") if self.internal else attach("net", "a1", ports=ports)
        do(first, attach("net", "a2"), attach("net", "a3"), attach("other", "b1"), attach("inner", "i1"))
        do(attach("third", "t1", ports=ports) if self.internal else attach("third", "t1"))
        self.bridges = {name: engine.bridge(name) for name in NETWORKS}
        self._route()

    def repair(self) -> None:
        """Make the networks, or what somebody has made of them into networks again."""
        modes = {version: "nat" if mode == "internal" else mode for version, mode in self.modes.items()}
        options = {f"gateway_mode_ipv{version}": mode for version, mode in modes.items()}
        for name, number in NETWORKS.items():
            internal = self.internal if name == "net" else name == "inner"
            chosen = options if name == "net" else {}
            do(present(name, f"10.{number}.0.0/24", f"fd00:{number}::/64", internal=internal, options=chosen))

    def _route(self) -> None:
        """Have everybody send whatever they like: internal members, and who sends to 127.0.0.0/8."""
        lan = self.lan
        rig.run("ip", "netns", "add", "r2")
        rig.run("ip", "link", "add", "lan1", "type", "veth", "peer", "name", "eth0", "netns", "r2")
        rig.run("ip", "address", "add", "203.0.113.1/24", "dev", "lan1")
        rig.run("ip", "address", "add", "203.0.113.2/24", "dev", "eth0", netns="r2")
        rig.run("ip", "link", "set", "eth0", "up", netns="r2")
        rig.run("ip", "link", "set", "lan1", "up")
        sysctl("ipv4/conf/all/route_localnet", 1)  # as kube-proxy does
        for version, via in ((4, lan.host), (6, lan.host6)):
            for number in NETWORKS.values():
                subnet = {4: f"10.{number}.0.0/24", 6: f"fd00:{number}::/64"}[version]
                rig.run("ip", f"-{version}", "route", "add", subnet, "via", via, netns=lan.netns)
            for name, network in (("i1", "inner"), *((name, "net") for name in ("a1", "a2", "a3") if self.internal)):
                gateway = ("via", address(network, 1, version), "onlink")
                rig.run("ip", f"-{version}", "route", "add", "default", *gateway, "dev", "eth0", netns=name)
        for name, via in (("r2", "203.0.113.1"), ("a3", address("net", 1, 4))):
            rig.run("ip", "address", "flush", "dev", "lo", netns=name)
            rig.run("ip", "route", "add", "127.0.0.1", "via", via, "dev", "eth0", "onlink", netns=name)
            with rig.inside(name):
                sysctl("ipv4/conf/all/route_localnet", 1)

    def join(self) -> None:
        """Have the host be on the network after all, if it is isolated."""
        if "isolated" in self.modes.values():
            sysctl(f"ipv6/conf/{self.bridges['net']}/disable_ipv6", 0)
            for version, length in ((4, 24), (6, 64)):
                gateway = f"{address('net', 1, version)}/{length}"
                rig.run("ip", "address", "add", gateway, "dev", self.bridges["net"], *NODAD[version])

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[socket.socket]]:
        """Have somebody listen at every destination; yield the sockets that datagrams come to."""
        places = [("a1", WEB), ("t1", WEB), ("a1", UNPUBLISHED), ("r", UNPUBLISHED), (None, SERVICE)]
        places = [*((netns, "::", port) for netns, port in places), (None, "127.0.0.1", LOCAL_SERVICE)]
        with contextlib.ExitStack() as stack:
            for place in places:
                stack.enter_context(waiting(*place, socket.SOCK_STREAM)).listen(4000)  # nobody accepts
            yield [stack.enter_context(waiting(*place, socket.SOCK_DGRAM)) for place in places]

    def targets(self, row: str, column: str, version: int) -> tuple[tuple[str, int], ...]:
        """Return the addresses and ports that a cell is about."""
        lan, member = self.lan, address("net", 2, version)
        host = {4: lan.host, 6: lan.host6}[version]
        if row.endswith("127.0.0.0/8"):
            port = {"host": LOCAL_SERVICE, "published port": AT_LOOPBACK}[column]
            return (("127.0.0.1", port),) if version == 4 else ()
        if column == "published port" and row == "host" and version == 4:
            return (host, PUBLISHED), ("127.0.0.1", PUBLISHED), ("127.0.0.1", AT_LOOPBACK)
        return (
            {
                "member": (member, UNPUBLISHED),
                "published port": (host, PUBLISHED),
                "at its own address": (member, WEB),
                "gateway": (address("net", 1, version), SERVICE),
                "other gateway": (address("third", 1, version), SERVICE),
                "host": (host, SERVICE),
                "outside": ({4: lan.neighbour, 6: lan.neighbour6}[version], UNPUBLISHED),
            }[column],
        )

    def cells(self, name: str = "") -> dict[Cell, str]:
        """Return what the document says of each cell; of the modes of this world's network, unless of another table."""
        found = {}
        for version, mode in self.modes.items():
            for (row, column), word in TABLES[name or mode].items():
                targets = self.targets(row, column, version) if word != "–" else ()
                if targets:
                    found[Cell(row, column, version, targets)] = word
        return found


def sysctl(path: str, value: int) -> None:
    Path("/proc/sys/net", path).write_text(str(value))


def waiting(netns: str | None, at: str, port: int, kind: int) -> socket.socket:
    with rig.inside(netns):
        made = socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET, kind)
    made.bind((at, port))
    made.setblocking(False)
    return made


def bridged_frames_pass_iptables(value: int) -> None:
    for name in ("iptables", "ip6tables"):
        with contextlib.suppress(FileNotFoundError):
            sysctl(f"bridge/bridge-nf-call-{name}", value)


# --- probes ---


def connects(cell: Cell, target: tuple[str, int], expected: str) -> bool:
    """Return whether a TCP connection comes about; send a datagram to where it would go, as well."""
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    deadline = time.monotonic() + PATIENCE_SECONDS[expected]
    with rig.inside(SOURCES[cell.row]):
        # A neighbour that did not answer before counts as unreachable for some seconds.
        while time.monotonic() < deadline:
            with socket.socket(family) as probe:
                probe.settimeout(PATIENCE_SECONDS[expected])
                connected = not probe.connect_ex(target)
            with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):  # no route
                probe.sendto(words(cell, target), target)
            if connected:
                return True
            time.sleep(0.1)
    return False


def words(cell: Cell, target: tuple[str, int]) -> bytes:
    """Return what a datagram says of itself."""
    return f"{cell} {target}".encode()


def heard(receivers: Iterable[socket.socket]) -> set[bytes]:
    """Return what has arrived of datagrams since the last time."""
    time.sleep(0.1)
    found = set()
    for each in receivers:
        with contextlib.suppress(BlockingIOError):
            while True:
                found.add(each.recv(200))
    return found


def different(cells: dict[Cell, str], receivers: Iterable[socket.socket]) -> list[str]:
    """Send packets for all cells at once, and return what is not as expected."""
    ways = [(cell, target, expected) for cell, expected in cells.items() for target in cell.targets]
    with ThreadPoolExecutor(len(ways)) as pool:
        connected = list(pool.map(connects, *zip(*ways, strict=True)))
    arrived = heard(receivers)
    found = []
    for (cell, target, expected), tcp in zip(ways, connected, strict=True):
        udp = words(cell, target) in arrived
        if {tcp, udp} != {expected == "yes"}:
            found.append(f"{cell}, {target}: {expected}, but TCP {tcp} and UDP {udp}")
    return found


def unprotect() -> None:
    """Leave of our table what translates."""
    for chain in ("prerouting", "forward", "input"):
        rig.run("nft", "flush", "chain", "inet", "netloom", chain)


def all_yes(cells: Iterable[Cell]) -> dict[Cell, str]:
    return dict.fromkeys(cells, "yes")


def forward_chains(policy: str, bridges: Iterable[str] = ()) -> None:
    """Have another program filter what is forwarded; `bridges` are let through, as we say in our warning."""
    for family in ("ip", "ip6"):
        rules = "\n".join(f'iifname "{name}" accept\noifname "{name}" accept' for name in bridges)
        chain = f"chain FORWARD {{ type filter hook forward priority 0; policy {policy};\n{rules}\n}}"
        rig.run("nft", "-f", "-", stdin=f"table {family} filter\nflush table {family} filter\n")
        rig.run("nft", "-f", "-", stdin=f"table {family} filter {{\n{chain}\n}}\n")


def without_what_is_forwarded(cells: dict[Cell, str]) -> dict[Cell, str]:
    """Return what is left where another program drops what is forwarded."""
    return {
        cell: "no" if cell.column in FORWARDED and SOURCES[cell.row] else expected for cell, expected in cells.items()
    }


every_mode = pytest.mark.parametrize("modes", [*((mode, mode) for mode in MODES), ("nat", "routed")], ids="/".join)


@every_mode
def test_packets_reach_what_the_document_says(modes):
    world = World(modes)
    cells = world.cells()
    with world.listening() as receivers:
        for value in (0, 1):
            bridged_frames_pass_iptables(value)
            assert different(cells, receivers) == [], f"fresh, bridge-nf-call-iptables={value}"
        forward_chains("accept")
        assert different(cells, receivers) == [], "beside another program's chain"
        rig.run("nft", "flush", "ruleset")
        world.repair()
        assert different(cells, receivers) == [], "flushed and repaired"
        world.join()
        unprotect()
        assert different(all_yes(cells), receivers) == [], "positive control"


@every_mode
def test_another_programs_drop_takes_what_is_forwarded_and_its_cure_gives_it_back(modes):
    world = World(modes)
    cells = world.cells()
    bridged_frames_pass_iptables(1)  # as Docker leaves it
    with world.listening() as receivers:
        forward_chains("drop")
        assert different(without_what_is_forwarded(cells), receivers) == [], "without the cure"
        forward_chains("drop", world.bridges.values())
        assert different(cells, receivers) == [], "with the cure"
        rig.run("nft", "flush", "ruleset")
        forward_chains("drop", world.bridges.values())
        world.repair()
        assert different(cells, receivers) == [], "flushed and repaired"
        world.join()
        unprotect()
        assert different(all_yes(cells), receivers) == [], "positive control"


def test_between_flush_and_repair_all_is_open_that_the_document_says():
    world = World(("nat", "nat"))
    with world.listening() as receivers:
        rig.run("nft", "flush", "ruleset")
        assert different(world.cells("nft"), receivers) == []
        world.repair()
        assert different(world.cells(), receivers) == []
