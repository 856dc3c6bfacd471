# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dnsmasq for each network, and the files that it reads names from.

It puts itself into the background when it is ready, so that one that cannot start says why, and goes on as nobody.
A file that is renamed into its folder counts at once, and one that is removed as well (dnsmasq 2.87 or later).
Collection-private. Floor 4.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from .._changes import Change
from .._dns import ROOT, Names, Resolver
from .._errors import NetloomError
from .._resources import Resource
from . import files

_PATH = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
_OLDEST = (2, 87)  # before it, names that were removed were answered until the server was told to forget everything
_START_SECONDS = 20
_STOP_SECONDS = 3  # before it is killed, and after
_PID_ARGUMENT = "--pid-file="


def lacking() -> str:
    """Return why there can be no name server on this host, empty if there can."""
    import subprocess

    program = _program()
    if program is None:
        return "dnsmasq is not installed"
    said = subprocess.run(  # pylint: disable=ansible-bad-function
        [program, "--version"], capture_output=True, text=True, check=False, timeout=_START_SECONDS
    )
    version = re.search(r"[Vv]ersion (\d+)\.(\d+)", said.stdout)
    if version is None:
        return f"{program} does not say its version"
    found = (int(version[1]), int(version[2]))
    return "" if found >= _OLDEST else f"dnsmasq {found[0]}.{found[1]} is too old, {_OLDEST[0]}.{_OLDEST[1]} is needed"


def observe(host: Any, wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the state of those of `wanted` that are there."""
    processes = _Processes()
    for resource in wanted:
        found = _resolver(resource, processes) if isinstance(resource, Resolver) else _names(resource)
        if found is not None:
            yield found


def _names(wanted: Any) -> Names | None:
    text = files.read(wanted.path)
    if text is None or text == wanted.text:
        return None if text is None else wanted
    lines = [line.split() for line in text.splitlines() if line.split()]
    return replace(
        wanted,
        addresses=tuple(line[0] for line in lines),
        names=tuple(dict.fromkeys(name for line in lines for name in line[1:])),
    )


def _resolver(wanted: Resolver, processes: _Processes) -> Resolver | None:
    process = processes.of(wanted.folder)
    if process is None:
        return replace(wanted, running=False) if os.path.isdir(wanted.folder) else None
    if not os.path.isdir(f"{wanted.folder}/hosts"):
        return replace(wanted, running=False)  # it watches a folder that is no more
    servers = files.read(f"{wanted.folder}/servers")
    found = wanted.as_found(process[1], servers or "")
    whole = servers is not None and _pid(wanted.folder) == process[0]
    return found if whole else replace(found, odd=True)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Write all names of a batch at once; start, change and stop name servers one by one."""
    for is_names, run in groupby(changes, key=lambda change: isinstance(change.resource, Names)):
        if is_names:
            batch = [*run]
            more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
            host.execute(f"{batch[0]}{more}", _write_names, batch)
            continue
        for change in run:
            host.execute(str(change), _change, change.before, change.after)


def _write_names(changes: Sequence[Change]) -> None:
    for change in changes:
        resource: Any = change.resource
        if change.after is None:
            files.remove(resource.path)
        else:
            # dnsmasq passes over what begins with a dot, and would read this one before it is whole.
            files.write(resource.path, resource.text, beside=f"{resource.folder}/new")


def _change(before: Resolver | None, after: Resolver | None) -> None:
    """Have a name server be as `after` says, whatever of it there is.

    :raises NetloomError: missing_dependency; apply_failed with dnsmasq's own words.
    """
    resource: Any = after or before
    process = _Processes().of(resource.folder)
    if after is None or not after.running:
        _end(process)
        if after is None:
            files.remove_tree(resource.folder, ROOT)
        return
    files.write(f"{after.folder}/servers", after.servers, beside=f"{after.folder}/new")
    if before and before.running and not before.odd and process and process[1] == after.arguments:
        _signal(process, signal.SIGHUP)
        return
    _end(process)
    files.make_folder(f"{after.folder}/hosts")
    _start(after)


def _start(wanted: Resolver) -> None:
    import subprocess

    program = _program()
    if program is None:
        raise NetloomError("missing_dependency", f"dns: dnsmasq is not installed; network {wanted.network} needs it")
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        [program, *wanted.arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_START_SECONDS,
        cwd="/",
    )
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise NetloomError(
            "apply_failed",
            f"dns: cannot start the name server of network {wanted.network}: {words};"
            " dns: false makes the network without one",
        )


def _program() -> str | None:
    import shutil

    return shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:{_PATH}")


# --- processes: one is known by its whole command line, which names a folder that is one network's ---


class _Processes:
    """Name servers by folder: PID and arguments. Looks at all processes at most once."""

    def __init__(self) -> None:
        self._all: dict[str, tuple[int, tuple[str, ...]]] | None = None

    def of(self, folder: str) -> tuple[int, tuple[str, ...]] | None:
        pid = _pid(folder)
        arguments = _arguments(pid)
        if f"{_PID_ARGUMENT}{folder}/pid" in arguments:
            return pid, arguments
        if self._all is None:
            self._all = {}
            for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
                arguments = _arguments(pid)
                for argument in arguments:
                    if argument.startswith(f"{_PID_ARGUMENT}{ROOT}/"):
                        self._all[os.path.dirname(argument[len(_PID_ARGUMENT) :])] = (pid, arguments)
        return self._all.get(folder)


def _pid(folder: str) -> int:
    """Return what a name server's pid file says, 0 where it says nothing."""
    text = (files.read(f"{folder}/pid") or "").strip()
    return int(text) if text.isdigit() else 0


def _arguments(pid: int) -> tuple[str, ...]:
    """Return the arguments of a dnsmasq, nothing of any other process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:
        return ()
    named = bool(words) and os.path.basename(words[0]) == "dnsmasq"
    return tuple(words[1:]) if named and _is_on_this_host(pid) else ()


def _is_on_this_host(pid: int) -> bool:
    """Return whether a process is in our network namespace: whoever is root in a container can call one what he likes."""
    try:
        theirs, ours = os.stat(f"/proc/{pid}/ns/net"), os.stat("/proc/self/ns/net")
    except OSError:
        return False
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def _signal(process: tuple[int, tuple[str, ...]], number: int) -> int | None:
    """Send a signal to a process if it is still that one; return its pidfd, None if it is not."""
    try:
        descriptor = os.pidfd_open(process[0])
    except ProcessLookupError:
        return None
    if _arguments(process[0]) == process[1]:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
            return descriptor
    os.close(descriptor)
    return None


def _end(process: tuple[int, tuple[str, ...]] | None) -> None:
    """:raises NetloomError: apply_failed, it does not end."""
    import select

    for number in (signal.SIGTERM, signal.SIGKILL) if process else ():
        descriptor = _signal(process, number)  # type: ignore[arg-type]
        if descriptor is None:
            return
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if poll.poll(_STOP_SECONDS * 1000):
                return
        finally:
            os.close(descriptor)
    if process:
        raise NetloomError("apply_failed", f"dns: the name server, process {process[0]}, does not end")
