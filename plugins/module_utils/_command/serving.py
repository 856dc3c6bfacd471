# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of Docker's plugin: HTTP on a Unix socket, and the process around it.

Collection-private. Floor 5.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import traceback
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from .._errors import NetloomError
from .docker_plugin import Plugin, failure

BODY_MAX_BYTES = 1 << 20
_IDLE_SECONDS = 30  # of a caller that has begun and says no more
_CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json"


def serve(path: str, state_dir: str, lock_timeout_seconds: int) -> int:
    """Answer Docker's calls at the socket `path` until this process is asked to end; return the exit code."""
    plugin = Plugin(state_dir, lock_timeout_seconds, _say)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plugin.begin()
    with _listening(path, plugin) as server:
        inode = os.stat(path).st_ino
        try:
            _notify("READY=1")
            _say(f"serving Docker at {path}")
            server.serve_forever()
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        finally:
            _remove(path, inode)
            plugin.finish()
    return 0


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    plugin: Plugin


class _Handler(BaseHTTPRequestHandler):
    """One call: its connection is closed after the answer, so that none is idle."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: _Server

    def do_POST(self) -> None:  # noqa: N802
        method = self.path.lstrip("/")
        plugin = self.server.plugin
        if not plugin.knows(method):
            self._reply(404, {"Err": f"{method[:80]!a} is not implemented"})
            return
        try:
            body = self._body()
        except _Refused as exc:
            self._reply(exc.status, failure(method, str(exc)))
            return
        try:
            status, answer = 200, plugin.answer(method, body)
        except Exception as exc:  # one call must not end the others
            traceback.print_exc()
            status, answer = 500, failure(method, f"{type(exc).__name__}: {exc}")
        self._reply(status, answer)

    def _body(self) -> dict[str, Any]:
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        text = self._chunks() if chunked else self._whole()
        try:
            found = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError) as exc:
            raise _Refused(400, f"the request is not JSON: {str(exc)[:200]}") from exc
        if not isinstance(found, dict):
            raise _Refused(400, "the request is not a JSON object")
        return found

    def _whole(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise _Refused(400, "Content-Length is not a number")
        return self._read(int(length), 0)

    def _chunks(self) -> bytes:
        text = b""
        while True:
            try:
                size = int(self.rfile.readline(32).split(b";")[0], 16)
            except ValueError as exc:
                raise _Refused(400, "the request has a chunk of no size") from exc
            if size <= 0:
                return text
            text += self._read(size, len(text))
            self.rfile.readline(32)

    def _read(self, size: int, before: int) -> bytes:
        if size + before > BODY_MAX_BYTES:
            raise _Refused(413, f"the request is longer than {BODY_MAX_BYTES} bytes")
        text = self.rfile.read(size)
        if len(text) != size:
            raise _Refused(400, "the request ends early")
        return text

    def _reply(self, status: int, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def address_string(self) -> str:
        return "docker"

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        if code != 200:
            self.log_message("%s: status %s", self.path[:80], code)

    def log_message(self, format: str, *args: Any) -> None:
        _say(format % args)


class _Refused(Exception):
    """A request that no call can be made of, and the status that says so."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


def _listening(path: str, plugin: Plugin) -> _Server:
    """Return a server at `path`, which only root can reach; what a killed one has left there is replaced.

    :raises NetloomError: permission_denied, something else is there, or another one that answers.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    _clear(path)
    mask = os.umask(0o177)
    try:
        server = _Server(path, _Handler)
    finally:
        os.umask(mask)
    server.plugin = plugin
    return server


def _clear(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise NetloomError("permission_denied", f"socket: {path} is there, and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise NetloomError("permission_denied", f"socket: somebody serves {path} already")


def _remove(path: str, inode: int) -> None:
    try:
        if os.lstat(path).st_ino == inode:
            os.unlink(path)
    except FileNotFoundError:
        pass


def _notify(state: str) -> None:
    """Tell systemd, where it has started us, as sd_notify(3) does."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(state.encode(), f"\0{address[1:]}" if address[0] == "@" else address)


def _say(line: str) -> None:
    sys.stderr.write(f"netloom: {line}\n")
    sys.stderr.flush()
