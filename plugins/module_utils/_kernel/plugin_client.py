# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker plugins over HTTP: unix sockets, TCP, and TCP with TLS, by the standard library.

A call takes no longer than it may, however slowly it is answered, and no more than 4 MiB are read of an answer.
Collection-private. Floor 4.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

from .._errors import NetloomError
from .._frozen import dataclass

ANSWER_MAX_BYTES = 4 << 20
RETRY_SECONDS = 15  # as dockerd waits for a plugin that is on its way up
_PAUSE_SECONDS, _PAUSE_MAX_SECONDS = 0.1, 2.0
_AGAIN_SECONDS = 2.0  # that a plugin has which has let us wait once in this task
_ACCEPT = "application/vnd.docker.plugins.v1.2+json"
_NOT_UP = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)  # nothing was sent: it can be tried again


@dataclass(frozen=True)
class Tls:
    """What a plugin's certificate is signed with, and what it is shown; `verify` False asks for no certificate of it."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True


@dataclass(frozen=True)
class Address:
    """Where a plugin listens: the path of a unix socket, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: Tls | None = None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Refused(NetloomError):
    """The plugin has answered that it will not."""

    is_refusal = True


class Unknown(Refused):
    """The plugin does not know what it is asked: 404."""


class Client:
    """The way to one plugin. Each call has a connection of its own."""

    def __init__(self, name: str, address: Address, seconds: float, *, retrying: bool = True):
        """`seconds` are those of one call; one that is not `retrying` does not wait for a plugin that is down."""
        self._name, self._address, self._seconds = name, address, seconds
        self._retrying = retrying

    def close(self) -> None:
        """There is nothing to close between calls."""

    def ask(self, method: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what the plugin answers.

        :raises Refused: the plugin says that it will not, or (`Unknown`) knows no such method.
        :raises NetloomError: driver_error, it cannot be reached, or answers nonsense; driver_timeout.
        """
        deadline = time.monotonic() + self._seconds
        try:
            stream = self._connected(deadline)
            try:
                status, data = self._exchange(stream, method, body)
            finally:
                stream.end()
        except (TimeoutError, socket.timeout):
            seconds, self._seconds, self._retrying = self._seconds, min(self._seconds, _AGAIN_SECONDS), False
            raise NetloomError("driver_timeout", f"{self._at(method)}: no answer in {seconds:g} s") from None
        except ssl.SSLError as exc:
            raise self._wrong(method, f"TLS: {exc.reason or exc}") from None
        except OSError as exc:
            raise self._wrong(method, f"no connection to {self._address}: {exc.strerror or exc}") from None
        except (http.client.HTTPException, ValueError) as exc:
            raise self._wrong(method, f"what it says is not HTTP ({type(exc).__name__})") from None
        return self._answer(method, status, data)

    def _connected(self, deadline: float) -> _Stream:
        """Return a connection. A plugin that is not up yet is waited for, a while longer each time."""
        pause, until = _PAUSE_SECONDS, min(deadline, time.monotonic() + RETRY_SECONDS)
        while True:
            try:
                return _Stream(self._connection(deadline), deadline)
            except OSError as exc:
                if exc.errno not in _NOT_UP or not self._retrying or time.monotonic() + pause >= until:
                    self._retrying = False  # the next call of this task need not wait as long again
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE_MAX_SECONDS)

    def _connection(self, deadline: float) -> socket.socket:
        address = self._address
        if not address.path:
            found = socket.create_connection((address.host, address.port), _left(deadline))
            return _secured(found, address.host, address.tls) if address.tls else found
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            found.settimeout(_left(deadline))
            found.connect(address.path)
        except BaseException:
            found.close()
            raise
        return found

    def _exchange(self, stream: _Stream, method: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        """Send a request as dockerd does, and return status and content of the answer."""
        connection = http.client.HTTPConnection("")
        connection.sock = stream  # type: ignore[assignment]
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode() + b"\n"
        connection.putrequest("POST", f"/{method}", skip_host=True, skip_accept_encoding=True)
        # No Content-Type: one of a form, as other clients send, is more than some servers bear.
        host = "" if self._address.path else str(self._address)
        for header, value in (("Host", host), ("Content-Length", str(len(data))), ("Accept", _ACCEPT)):
            connection.putheader(header, value)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.endheaders(data)  # some servers answer before they have heard all, and close the connection
        response = connection.getresponse()
        return response.status, response.read(ANSWER_MAX_BYTES + 1)

    def _answer(self, method: str, status: int, data: bytes) -> dict[str, Any]:
        if len(data) > ANSWER_MAX_BYTES:
            raise self._wrong(method, f"it answers more than {ANSWER_MAX_BYTES >> 20} MiB")
        try:
            found = json.loads(data) if data.strip() else {}
        except (ValueError, RecursionError):
            found = None
        words = _reason(found)
        if status == 404:
            raise Unknown("driver_error", f"{self._at(method)}: it knows no such method")
        if status != 200:
            raise Refused("driver_error", f"{self._at(method)}: HTTP {status}: {words or _readable(data)}")
        if words:
            raise Refused("driver_error", f"{self._at(method)}: {words}")
        if not isinstance(found, dict):
            raise self._wrong(method, f"its answer is not a JSON object: {_readable(data)}")
        return found

    def _at(self, method: str) -> str:
        return f"plugin {self._name}: {method}"

    def _wrong(self, method: str, words: str) -> NetloomError:
        return NetloomError("driver_error", f"{self._at(method)}: {words}")


class _Stream:
    """A socket as http.client uses one, of which nothing takes longer than until a deadline."""

    def __init__(self, connection: socket.socket, deadline: float):
        self._socket, self._deadline = connection, deadline

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(_left(self._deadline))
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket, self._deadline))

    def close(self) -> None:
        """Whoever says this may still read what was answered: `end` is the end."""

    def end(self) -> None:
        self._socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float):
        self._socket, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(_left(self._deadline))
        return self._socket.recv_into(buffer)


def _left(deadline: float) -> float:
    """:raises TimeoutError: nothing is left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _secured(connection: socket.socket, host: str, tls: Tls) -> socket.socket:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _reason(answer: Any) -> str:
    """Return the error that an answer holds: Err of network drivers, Error of those of addresses."""
    if not isinstance(answer, dict):
        return ""
    found = next((answer[name] for name in ("Err", "Error") if answer.get(name)), "")
    return _readable(str(found).encode("utf-8", "replace"))


def _readable(data: bytes) -> str:
    """Return the beginning of what a plugin says as words for a message."""
    text = " ".join(data[:2000].decode("utf-8", "replace").split())
    text = "".join(each if each.isprintable() else "?" for each in text)
    return f"{text[:300]}..." if len(text) > 300 else text
