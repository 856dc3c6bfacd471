# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker plugin of the tests' own (plugins/lbplug.py), as a process: what it was told, what it has, what is wrong with it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import rig

PROGRAM = Path(__file__).parent / "plugins" / "lbplug.py"
SOCKET = Path("/run/docker/plugins/lbplug.sock")
GREETING = ("Plugin.Activate", "NetworkDriver.GetCapabilities", "IpamDriver.GetCapabilities")


class DockerPlugin:
    """The plugin lbplug. It dies with the namespaces that its test runs in."""

    def __init__(self, folder: Path, capabilities: dict[str, Any] | None = None, program: Path = PROGRAM):
        self._log, self._mischief = folder / "log", folder / "mischief"
        self._argv = [str(program), "lbplug", str(self._log), str(self._mischief), json.dumps(capabilities or {})]
        self.start()

    def start(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            SOCKET.unlink()
        self._process = subprocess.Popen([sys.executable, "-SE", *self._argv])
        rig.until(lambda: SOCKET.exists() and self.held() is not None)

    def kill(self) -> None:
        """Have it be gone, with all that it knows; its socket is left behind."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def misbehave(self, **wrong: Any) -> None:
        """Have answers be wrong from now on, by method: NetworkDriver_Join={...}; without any, all is well again."""
        self._mischief.write_text(json.dumps({name.replace("_", "."): what for name, what in wrong.items()}))

    def calls(self) -> list[dict[str, Any]]:
        """Return all calls since the last time that this was asked: m, req, hdr, res and code of each."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.write_text("")
        return [json.loads(line) for line in lines]

    def methods(self) -> list[str]:
        """Return the methods of all calls since, without those by which a task makes itself known."""
        return [call["m"].partition(".")[2] for call in self.calls() if call["m"] not in GREETING]

    def held(self) -> dict[str, Any] | None:
        """Return what it has: numbers of networks and endpoints, and addresses by pool; None if it does not answer."""
        connection = http.client.HTTPConnection("")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(SOCKET))
            connection.request("POST", "/Lbplug.Held")
            return json.loads(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def pictured(self, picture: rig.Snapshot) -> rig.Snapshot:
        """Return a picture of the host with what the plugin has; an endpoint that was made anew counts as the same."""
        sections = {
            name: tuple(sorted(_NEW_EACH_TIME.sub(_without_number, line) for line in lines))
            for name, lines in picture.sections.items()
        }
        return rig.Snapshot({**sections, "plugin": (str(self.held()),)})


def _without_number(match: re.Match) -> str:
    return match[1]


_NEW_EACH_TIME = re.compile(r"(lb[hc]|netloom:net/)[0-9a-f]{8,12}")
NOTHING = {"networks": 0, "endpoints": 0, "addresses": {}}
