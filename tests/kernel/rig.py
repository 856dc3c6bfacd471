# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kernel tests are made of: commands, namespaces, a neighbour, probes, a picture of the host, whole hosts."""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST_COMMAND = Path(__file__).resolve().parents[1] / "hosts" / "host"
STATE_DIR = "/var/lib/netloom"
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


# --- commands ---


def run(*argv: object, netns: str | None = None, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess:
    """Run a command in the host, or in a named namespace, and return its text output.

    :raises AssertionError: it failed and `check` is true; the message has what it said.
    """
    with inside(netns):
        done = subprocess.run([str(word) for word in argv], input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(done.args)} failed ({done.returncode}): {done.stderr}{done.stdout}")
    return done


@contextlib.contextmanager
def inside(netns: str | None) -> Iterator[None]:
    """Be in a named network namespace; `None` is the host's, where we are already."""
    if netns is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(f"/run/netns/{netns}")
        try:
            yield
        finally:
            _enter(f"/proc/self/fd/{home}")
    finally:
        os.close(home)


def _enter(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    result = libc.setns(descriptor, CLONE_NEWNET)
    os.close(descriptor)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def netns(name: str) -> str:
    """Make a named namespace with `lo` up, as a container; return its name."""
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")
    return name


def kernel_has(kind: str, *options: object, lower: str = "") -> bool:
    """Whether this kernel can make a link of a kind, on another one where it needs that; call it where a test would skip."""
    on = ("link", lower) if lower else ()
    tried = run("ip", "link", "add", *on, "name", "probe", "type", kind, *options, check=False)
    run("ip", "link", "delete", "probe", check=False)
    return tried.returncode == 0


def until(condition: Callable[[], Any], seconds: float = 5) -> None:
    """Wait until something holds that the kernel or another process brings about in a moment."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it has not come about in {seconds} s"
        time.sleep(0.01)


def no_veths() -> None:
    """Wait until the kernel has removed the veths of deleted namespaces, which it does a moment later."""
    until(lambda: not json.loads(run("ip", "-j", "link", "show", "type", "veth").stdout))


# --- a neighbour ---


@dataclass(frozen=True)
class Lan:
    """An Ethernet with the host on it, and a neighbour that the host's default route points to.

    The neighbour has no route to anything but the Ethernet: what it answers came from an address on it.
    """

    netns: str = "r"
    ifname: str = "lan0"
    host: str = "198.51.100.1"
    neighbour: str = "198.51.100.2"
    host6: str = "2001:db8:ffff::1"
    neighbour6: str = "2001:db8:ffff::2"


def lan() -> Lan:
    """Make the neighbour and return its addresses."""
    here = Lan()
    netns(here.netns)
    peer = ("peer", "name", "eth0", "netns", here.netns)
    run("ip", "link", "add", here.ifname, "address", "02:00:00:00:00:01", "type", "veth", *peer)
    for where, ifname, address, address6 in (
        (None, here.ifname, here.host, here.host6),
        (here.netns, "eth0", here.neighbour, here.neighbour6),
    ):
        run("ip", "link", "set", ifname, "addrgenmode", "none", netns=where)
        run("ip", "address", "add", f"{address}/24", "dev", ifname, netns=where)
        run("ip", "address", "add", f"{address6}/64", "dev", ifname, "nodad", netns=where)
    run("ip", "link", "set", "eth0", "up", netns=here.netns)
    run("ip", "link", "set", here.ifname, "up")
    run("ip", "route", "add", "default", "via", here.neighbour)
    run("ip", "-6", "route", "add", "default", "via", here.neighbour6)
    return here


# --- probes: each has an expectation, since "no answer" costs a second and an answer may need a second try ---


def pings(netns: str | None, address: str, expect: bool = True) -> bool:
    """Assert that an address answers from a namespace (`None`: from the host), or that it does not."""
    answered = any(_ping(netns, address) for _attempt in range(3 if expect else 1))
    assert answered == expect, f"{address} {'answers' if answered else 'does not answer'} {netns or 'the host'}"
    return True


def _ping(netns: str | None, address: str) -> bool:
    return run("ping", "-n", "-q", "-c1", "-W1", address, netns=netns, check=False).returncode == 0


def listens(netns: str | None, address: str, port: int) -> socket.socket:
    """Return a TCP listener in a namespace; the kernel accepts for it, and `accept()` says who came."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(netns):
        listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(16)
    listener.settimeout(2)
    return listener


def connects(netns: str | None, address: str, port: int, expect: bool = True) -> bool:
    """Assert that a TCP port can be reached from a namespace, or that it cannot (refused, or silence for a second)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(netns):
        probe = socket.socket(family, socket.SOCK_STREAM)
    with probe:
        probe.settimeout(3 if expect else 1)
        reason = os.strerror(probe.connect_ex((address, port)))
    assert (reason == "Success") == expect, f"TCP {address} {port} from {netns or 'the host'}: {reason}"
    return True


def seen_by(netns: str | None, from_netns: str | None, address: str, port: int = 7777) -> str:
    """Return the source address that a listener in `netns` sees when `from_netns` connects to it."""
    with listens(netns, address, port) as listener:
        connects(from_netns, address, port)
        connection, peer = listener.accept()
        connection.close()
        return peer[0]


# --- a picture of the host ---

# Clocks, counters and what the kernel changes on its own a moment after an interface comes up.
VOLATILE = {
    *("handle", "metainfo", "packets", "bytes", "expires", "stats", "stats64", "link_netnsid", "operstate"),
    *("hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "message_age_timer", "forward_delay_timer"),
    *("hold_timer", "topology_change", "topology_change_detected", "config_pending", "root_port", "state"),
    *("valid_life_time", "preferred_life_time", "tentative", "dadfailed", "protocol_down_reason", "last_used"),
    *("root_path_cost", "designated_cost", "designated_port", "designated_root", "designated_bridge"),
}
VOLATILE_FLAGS = {"RUNNING", "NO-CARRIER", "LOWER_UP", "M-DOWN", "linkdown", "dead"}
COMMANDS = {
    "links": "ip -j -d link show",
    "addresses": "ip -j address show",
    "routes": "ip -j route show table all",
    "routes6": "ip -j -6 route show table all",
    "rules": "ip -j rule show",
    "rules6": "ip -j -6 rule show",
    "neighbours": "ip -j neighbour show nud permanent",
    "fdb": "bridge -j fdb show",
    "queues": "tc -j qdisc show",
    "nft": "nft -j list ruleset",
}
SYSCTLS = (
    *("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-*"),
    *(f"net/ipv4/conf/*/{name}" for name in ("forwarding", "route_localnet", "rp_filter", "proxy_arp", "arp_*")),
    *(f"net/ipv6/conf/*/{name}" for name in ("disable_ipv6", "forwarding", "proxy_ndp", "accept_ra", "autoconf")),
    *(f"net/ipv6/conf/*/{name}" for name in ("accept_dad", "addr_gen_mode")),
)


@dataclass(frozen=True)
class Snapshot:
    """What a host is made of, by section; equal when the host is as it was."""

    sections: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def differences(self, other: Snapshot) -> list[str]:
        """Return what `other` has more (`+`) and less (`-`), under the headings of their sections."""
        lines = []
        for section in sorted({*self.sections, *other.sections}):
            before, after = self.sections.get(section, ()), other.sections.get(section, ())
            if before != after:
                lines.append(f"[{section}]")
                lines += [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
        return lines

    def __str__(self) -> str:
        return "\n".join(line for name, lines in self.sections.items() for line in (f"[{name}]", *lines))


def snapshot(state_dir: str = STATE_DIR, records_as_bytes: bool = True) -> Snapshot:
    """Return a picture of the host, of every named namespace, and of the state directory.

    With `records_as_bytes=False` databases are compared by content: a change that was undone leaves it the same,
    but not the bytes.
    """
    names = sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []
    sections = {"namespaces": tuple(f"{name} {os.stat(f'/run/netns/{name}').st_ino}" for name in names)}
    for name in (None, *names):
        try:
            sections.update(_picture(name))
        except OSError as error:  # the file is there, and no namespace in it
            sections[f"{name}"] = (f"not a namespace: {error.strerror}",)
    sections["state"] = tuple(_files(Path(state_dir), records_as_bytes))
    sections["names"] = tuple(naming())
    return Snapshot(sections)


def naming() -> Iterator[str]:
    """Yield what there is by way of names: files with what they hold, and the command lines of name servers of ours."""
    for folder in (Path("/etc/netns"), Path("/run/netloom")):
        for path in (folder, *sorted(folder.rglob("*"))) if folder.exists() else ():
            text = f" {path.read_text()!r}" if path.is_file() and path.name != "pid" else ""
            yield f"{path} {path.lstat().st_mode:o}{text}"
    yield from sorted(" ".join(words) for words in name_servers().values())


def name_servers() -> dict[int, list[str]]:
    """Return the name servers of ours that run: PID to command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_text(errors="replace").split("\0")[:-1]
            if words and os.path.basename(words[0]) == "dnsmasq" and "--pid-file=/run/netloom/" in " ".join(words):
                found[int(path.parent.name)] = words
    return found


def _picture(name: str | None) -> dict[str, tuple[str, ...]]:
    with inside(name):
        started = {
            section: subprocess.Popen(command.split(), stdout=subprocess.PIPE, text=True)
            for section, command in COMMANDS.items()
        }
        written = {section: process.communicate()[0] for section, process in started.items()}
        sysctls = tuple(_sysctls())
    picture = {f"{name or 'host'} {section}": _lines(section, text) for section, text in written.items()}
    return {**picture, f"{name or 'host'} sysctls": sysctls}


def _lines(section: str, text: str) -> tuple[str, ...]:
    items = json.loads(text or "[]")
    if section == "nft":
        items = [item for item in items["nftables"] if "metainfo" not in item]
    lines = [json.dumps(_lasting(item), sort_keys=True) for item in items if item and not _is_late(item)]
    ordered = section in ("nft", "rules", "rules6")
    return tuple(lines if ordered else sorted(lines))


def _is_late(item: Any) -> bool:
    """Whether the kernel makes this on its own, a moment after an interface has come up."""
    if not isinstance(item, dict):
        return False
    late_route = item.get("protocol") == "kernel" and str(item.get("dst")).startswith(("fe80:", "ff00:"))
    return late_route or str(item.get("local")).startswith("fe80:")


def _lasting(value: Any) -> Any:
    """Return a value without what changes on its own; members of nft sets in one order."""
    if isinstance(value, dict):
        kept = {name: _lasting(part) for name, part in value.items() if name not in VOLATILE}
        if isinstance(kept.get("elem"), list):
            kept["elem"] = sorted(kept["elem"], key=lambda part: json.dumps(part, sort_keys=True))
        return kept
    if isinstance(value, list):
        return [
            _lasting(part)
            for part in value
            if not (isinstance(part, str) and part in VOLATILE_FLAGS) and not _is_late(part)
        ]
    return value


def _sysctls() -> Iterator[str]:
    root = Path("/proc/sys")
    for pattern in SYSCTLS:
        for path in sorted(root.glob(pattern)):
            with contextlib.suppress(OSError):
                yield f"{path.relative_to(root)} = {path.read_text().strip()}"


def _files(folder: Path, records_as_bytes: bool) -> Iterator[str]:
    if not folder.exists():
        yield f"{folder}: absent"
        return
    for path in (folder, *sorted(folder.rglob("*"))):
        owner = path.lstat()
        what = f"{path} {owner.st_mode:o} {owner.st_uid}:{owner.st_gid}"
        if not path.is_file():
            yield what
        elif not records_as_bytes and path.suffix == ".db":
            yield what
            yield from _content(path)
        elif records_as_bytes or ".db-" not in path.name:
            yield f"{what} {owner.st_size} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def _content(database: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # opening a database may write to it
        for path in database.parent.glob(f"{database.name}*"):
            shutil.copy(path, folder)
        with contextlib.closing(sqlite3.connect(f"{folder}/{database.name}")) as connection:
            yield from (f"  {line}" for line in connection.iterdump())


# --- whole hosts ---


class Host:
    """A throw-away host (`tests/hosts/host`); with an address, it is on the underlay."""

    def __init__(self, name: str, address: str | None = None) -> None:
        if "NETLOOM_PRIVATE" in os.environ:  # it would outlive the namespaces that it was made in, half dead
            raise RuntimeError("a test that makes hosts asks for `host` or `new_host`, or is marked `hosts`")
        self.name = name
        self._maker = os.getpid()
        self._command("up", name, *([address] if address else []))

    def run(self, *argv: object, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess:
        """Run a command in the host and return its text output.

        :raises AssertionError: it failed and `check` is true.
        """
        return run(HOST_COMMAND, "run", self.name, *argv, check=check, stdin=stdin)

    @property
    def pid(self) -> int:
        """PID 1 of the host, as the machine counts."""
        return int(self._command("pid", self.name).stdout)

    def stop(self) -> None:
        """Cut its power: processes, interfaces and /run are gone, /etc and /var stay."""
        self._command("stop", self.name)

    def start(self) -> None:
        """Switch it on again."""
        self._command("start", self.name)

    def remove(self) -> None:
        """Leave nothing of it. Does nothing in a process that was forked from the one that made it."""
        if os.getpid() == self._maker:
            self._command("rm", self.name)

    @staticmethod
    def _command(*argv: str) -> subprocess.CompletedProcess:
        return run(HOST_COMMAND, *argv)
