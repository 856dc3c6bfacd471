# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd by its JSON gateway: transactions over the standard library, with whichever of the servers answers.

Nothing here knows what the keys are for. Collection-private. Floor 4.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from .._claims import OPTION
from .._errors import NetloomError

TIMEOUT_SECONDS = 10
_PAUSE_SECONDS = 0.1  # before all servers are asked again
_CONNECT_SECONDS = 2.0
_LEAST_SECONDS = 0.5  # that one server has for an answer
_UNAVAILABLE, _DEADLINE, _UNAUTHENTICATED, _INVALID = 14, 4, 16, 3  # gRPC's codes
_OLD_REVISION = "revision"  # of "auth: revision in header is old"


class _Refused(Exception):
    """A server has answered that it cannot, for the reason that is the text; `passing`: it may be able to soon."""

    def __init__(self, text: str, *, passing: bool = False, token: bool = False):
        super().__init__(text)
        self.passing, self.token = passing, token


class Client:
    """Connections to the servers of one cluster; they are made when they are needed.

    A request that got no answer may have been carried out: whoever sends one has it be such that it can be sent twice.
    """

    def __init__(self, options: Mapping[str, str], first: int):
        self._options = options
        urls = options["endpoints"].split(",")
        first %= len(urls)
        self._urls = [*urls[first:], *urls[:first]]  # so that not all hosts ask the same one
        self._seconds = int(options.get("timeout", TIMEOUT_SECONDS))
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self.failure: NetloomError | None = None
        self._token = ""
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def txn(self, compare: Sequence[Any], success: Sequence[Any], failure: Sequence[Any] = ()) -> dict[str, Any]:
        """Return etcd's answer to a transaction.

        :raises NetloomError: driver_timeout, no server has answered in time; driver_error, none can be reached, or they
            refuse; option_invalid, a file of certificates cannot be read.
        """
        body = {"compare": [*compare], "success": [*success], "failure": [*failure]}
        deadline = time.monotonic() + self._seconds
        faults: dict[str, str] = {}
        while True:
            passing = False
            for url in [*self._urls]:
                left = deadline - time.monotonic()
                if left <= 0:
                    faults.setdefault(url, "no answer")
                    passing = True
                    break
                try:
                    answer = self._authenticated(
                        url, body, min(left, max(_LEAST_SECONDS, self._seconds / len(self._urls)))
                    )
                except _Refused as exc:
                    if not exc.passing:
                        raise NetloomError("driver_error", f"etcd at {url} refuses: {exc}") from exc
                    faults[url], passing = str(exc), True
                except (OSError, http.client.HTTPException, ValueError) as exc:
                    self._drop(url)
                    faults[url] = _reason(exc)
                    passing |= _is_passing(exc)
                else:
                    self._urls.remove(url)
                    self._urls.insert(0, url)
                    return answer
            told = "; ".join(f"{url}: {fault}" for url, fault in faults.items())
            if not passing:
                raise NetloomError("driver_error", f"etcd cannot be reached: {told}")
            if time.monotonic() + _PAUSE_SECONDS >= deadline:
                raise NetloomError("driver_timeout", f"etcd has not answered in {self._seconds} s: {told}")
            time.sleep(_PAUSE_SECONDS)

    def _authenticated(self, url: str, body: Any, seconds: float) -> dict[str, Any]:
        if "username" not in self._options:
            return self._ask(url, "kv/txn", body, seconds)
        for fresh in (False, True):
            if fresh or not self._token:
                asked = {"name": self._options["username"], "password": self._options["password"]}
                self._token = ""
                self._token = str(self._ask(url, "auth/authenticate", asked, seconds).get("token", ""))
            try:
                return self._ask(url, "kv/txn", body, seconds)
            except _Refused as exc:
                if not exc.token or fresh:
                    raise
        raise AssertionError  # the second try returns or raises

    def _ask(self, url: str, what: str, body: Any, seconds: float) -> dict[str, Any]:
        connection = self._connection(url)
        if connection.sock is None:
            # A host that is switched off does not say so; the next server may be there.
            connection.timeout = min(seconds, _CONNECT_SECONDS)
            connection.connect()
        connection.sock.settimeout(seconds)
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        connection.request("POST", f"/v3/{what}", json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if response.status == 200 and isinstance(answer, dict):
            return answer
        self._drop(url)
        fields = answer if isinstance(answer, dict) else {}
        reason = str(fields.get("message") or fields.get("error") or f"HTTP {response.status}")
        code = fields.get("code")
        raise _Refused(
            reason,
            passing=code in (_UNAVAILABLE, _DEADLINE) or response.status in (502, 503, 504),
            token=code == _UNAUTHENTICATED or response.status == 401 or (code == _INVALID and _OLD_REVISION in reason),
        )

    def _connection(self, url: str) -> http.client.HTTPConnection:
        if url not in self._connections:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            if parts.scheme == "https":
                self._connections[url] = http.client.HTTPSConnection(host, port, context=self._context())
            else:
                self._connections[url] = http.client.HTTPConnection(host, port)
        return self._connections[url]

    def _drop(self, url: str) -> None:
        connection = self._connections.pop(url, None)
        if connection is not None:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            name = "ca_cert"
            try:
                found = ssl.create_default_context(cafile=self._options.get("ca_cert"))
                name = "cert"
                if "cert" in self._options:
                    found.load_cert_chain(self._options["cert"], self._options["key"])
            except (OSError, ssl.SSLError) as exc:
                path = self._options.get(name)
                raise NetloomError("option_invalid", f"{OPTION}.{name}: cannot use {path}: {_reason(exc)}") from exc
            self._tls = found
        return self._tls


def coded(text: str) -> str:
    """Return text as the gateway has it."""
    return base64.b64encode(text.encode()).decode()


def plain(text: str) -> str:
    """Return what the gateway means by text, which somebody else may have written."""
    return base64.b64decode(text).decode("utf-8", "replace")


def read(key: str, end: str = "") -> dict[str, Any]:
    """Return the operation that reads a key, or all keys from it up to `end`."""
    return {"request_range": {"key": coded(key), **({"range_end": coded(end)} if end else {})}}


def put(key: str, value: str) -> dict[str, Any]:
    return {"request_put": {"key": coded(key), "value": coded(value)}}


def delete(key: str, end: str = "") -> dict[str, Any]:
    return {"request_delete_range": {"key": coded(key), **({"range_end": coded(end)} if end else {})}}


def is_value(key: str, value: str | None) -> dict[str, Any]:
    """Return the comparison that holds where a key has a value, None for where it is not there."""
    if value is None:
        return is_empty(key)
    return {"key": coded(key), "target": "VALUE", "result": "EQUAL", "value": coded(value)}


def is_written(key: str, revision: str) -> dict[str, Any]:
    """Return the comparison that holds where a key was last written in a revision."""
    return {"key": coded(key), "target": "MOD", "result": "EQUAL", "mod_revision": revision}


def is_empty(key: str, end: str = "") -> dict[str, Any]:
    """Return the comparison that holds where a key is not there, or no key from it up to `end`."""
    asked = {"key": coded(key), "target": "VERSION", "result": "EQUAL", "version": "0"}
    return {**asked, **({"range_end": coded(end)} if end else {})}


def found(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return all that a transaction has read: key to value."""
    ranges = [item.get("response_range", {}) for item in answer.get("responses", ())]
    return {plain(item["key"]): plain(item.get("value", "")) for each in ranges for item in each.get("kvs", ())}


def revisions(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return when all that a transaction has read was written: key to revision."""
    ranges = [item.get("response_range", {}) for item in answer.get("responses", ())]
    return {plain(item["key"]): str(item["mod_revision"]) for each in ranges for item in each.get("kvs", ())}


def _is_passing(exc: BaseException) -> bool:
    """Return whether the same request may do better in a moment."""
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return True  # a connection of before, to a server that was started anew
    return not isinstance(exc, (ConnectionRefusedError, ssl.SSLError, ValueError))


def _reason(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer"
    return str(getattr(exc, "strerror", None) or exc or type(exc).__name__)
