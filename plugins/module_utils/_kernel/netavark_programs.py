# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of netavark's dialect: where they are, and how each of their subcommands is called.

Collection-private. Floor 4.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _netavark
from .._errors import NetloomError
from .._names import nearest
from . import files, programs

CONFIG_DIR = "/run/netloom/netavark"  # what netavark keeps from one call to the next
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # netavark looks for iptables in PATH
_ERRNO = re.compile(r"\(os error (\d+)\)")


def find(driver: str, dirs: str) -> str:
    """Return the path of the program for a driver; `dirs` are where it is looked for, as podman does unless given.

    :raises NetloomError: driver_not_found.
    """
    name = _netavark.name_of(driver)
    own = _netavark.is_own(driver)
    dirs = dirs.replace(",", ":") or (_netavark.NETAVARK_DIRS if own else _netavark.PLUGIN_DIRS)
    path = shutil.which("netavark" if own else name, path=dirs) if "/" not in name else None
    if path:
        return path
    if own:
        raise NetloomError("driver_not_found", f"driver: {driver} needs netavark, which is not in {dirs}")
    there = sorted({each for folder in dirs.split(":") for each in _programs(folder)})
    raise NetloomError(
        "driver_not_found",
        f"driver: there is no netavark plugin {name!a} in {dirs}; there are: {', '.join(there) or 'none'}"
        f"{nearest(name, [*there, *_netavark.OWN])}",
    )


def _programs(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if os.access(os.path.join(folder, name), os.X_OK)]
    except OSError:
        return []


class Program:
    """A plugin, or netavark itself, as a network's definition says that it is run."""

    def __init__(self, driver: str, definition: str):
        self._driver = driver
        self._how = json.loads(definition)
        self.own = _netavark.is_own(driver)

    def bridge(self, network: Mapping[str, Any]) -> str:
        """Return the name of the bridge that netavark makes for a network, empty for none."""
        return network["network_interface"] if _netavark.name_of(self._driver) == "bridge" else ""

    def check_api(self) -> None:
        """:raises NetloomError: driver_error, the plugin speaks another API."""
        with self.blamed():
            _netavark.check_api(self._call("info"))

    def creates(self) -> bool:
        """Return whether this netavark has a say in what a network is."""
        with self.blamed():
            answer = self._call("version")
            version = str(answer.get("version", "")) if isinstance(answer, dict) else ""
            major = version.partition(".")[0]
            return major.isdigit() and int(major) >= 2

    def create(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """Return a network as the plugin wants it."""
        with self.blamed():
            told = _netavark.creation(network) if self.own else network
            return _netavark.network_answered(network, self._call("create", value=told))

    def setup(self, network: Mapping[str, Any], endpoint: Mapping[str, Any], path: str) -> Any:
        """Return what the plugin has answered: a StatusBlock, if it is an answer at all."""
        with self.blamed():
            answer = self._call("setup", path, value=self._told(network, endpoint))
            return answer.get(network["name"]) if self.own and isinstance(answer, dict) else answer

    def teardown(self, network: Mapping[str, Any], endpoint: Mapping[str, Any], path: str) -> None:
        """Have the plugin take down what it has set up."""
        with self.blamed():
            self._call("teardown", path, value=self._told(network, endpoint), answers=False)

    def make_and_take_down(self, network: Mapping[str, Any], endpoint: Mapping[str, Any], path: str) -> None:
        """Set up and take down, so that what was there in part is there as a whole, and then not at all."""
        try:
            self.setup(network, endpoint, path)
        except NetloomError:  # it may have come as far as the last time
            with contextlib.suppress(NetloomError):
                self.teardown(network, endpoint, path)
            raise
        self.teardown(network, endpoint, path)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Have the errors of the block say whose they are."""
        try:
            yield
        except NetloomError as exc:
            name = "netavark" if self.own else f"netavark plugin {_netavark.name_of(self._driver)}"
            if exc.code not in ("driver_error", "driver_timeout") or exc.message.startswith(name):
                raise
            raise NetloomError(exc.code, f"{name}: {exc.message}") from exc.__cause__

    def _told(self, network: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
        return _netavark.own_call(network, endpoint) if self.own else _netavark.plugin_call(network, endpoint)

    def _call(self, *words: str, value: Any = None, answers: bool = True) -> Any:
        """Return what the program has answered to a subcommand.

        :raises NetloomError: driver_not_found, driver_timeout, driver_error with its own words.
        """
        path = find(self._driver, self._how["dirs"])
        stdin = b"" if value is None else json.dumps(value).encode() + b"\n"
        with _config(needed=self.own) as options:
            ran = programs.run([path, *options, *words], stdin, self._environment(), self._how["timeout"])
        text = ran.stdout.decode("utf-8", "replace").strip()
        try:
            answer = json.loads(text) if text else None
        except (ValueError, RecursionError):
            answer = text
        error = answer.get("error") if isinstance(answer, dict) else None
        if ran.status or error is not None:
            said = str(text if error is None else error)[:2000]
            raise _failure(words[0], ran, said) from _kernel_error(said)
        if answers and isinstance(answer, str):
            raise _failure(words[0], ran, f"has answered what is no JSON: {ascii(text[:200])}")
        return answer

    def _environment(self) -> dict[str, str]:
        folders = os.environ.get("PATH", os.defpath).split(":")
        found = {"PATH": ":".join([*folders, *(each for each in _SBIN if each not in folders)])}
        if self._how["firewall"]:
            found["NETAVARK_FW"] = self._how["firewall"]
        return found


def _failure(word: str, ran: programs.Ran, said: str) -> NetloomError:
    """Return an error with a program's own words."""
    told = "; ".join(part for part in (said, ran.words) if part)
    if ran.status:
        ended = f"exit status {ran.status}" if ran.status > 0 else f"ended by signal {-ran.status}"
        return NetloomError("driver_error", f"{word}: {told or 'no word'} ({ended})")
    return NetloomError("driver_error", f"{word}: {told}")


def _kernel_error(said: str) -> OSError | None:
    """Return the kernel's error that a program tells of, if it is one that passes by itself.

    A MAC address is taken (macvlan) until the kernel is done with the namespace of a container that was restarted.
    """
    numbers = [int(each) for each in _ERRNO.findall(said)]
    return OSError(errno.EADDRINUSE, said) if errno.EADDRINUSE in numbers else None


@contextlib.contextmanager
def _config(*, needed: bool) -> Iterator[list[str]]:
    """Return the options that netavark is run with; where it leaves nothing in its folder, that goes again."""
    if not needed:
        yield []
        return
    files.make_folder(CONFIG_DIR)
    try:
        yield ["--config", CONFIG_DIR, "--rootless=false"]
    finally:
        for folder in (CONFIG_DIR, os.path.dirname(CONFIG_DIR)):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
