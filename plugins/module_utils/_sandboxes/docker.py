# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's containers, asked for through the daemon's API socket.

The request is written by hand: http.client takes 9 ms to import, and has no time limit for a whole answer.
Only ever reads. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time

from .._errors import NetloomError
from .found import DOCKER_SOCKET, Found, is_called, of_process, with_key

TIMEOUT_SECONDS = 10
ANSWER_MAX_BYTES = 8 << 20  # a container with very many labels and mounts says 1 MiB of itself
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
RULE = "is not a container's name: letters, digits, '.', '_' and '-', a letter or digit first"


def accepts(container: str) -> bool:
    """Whether Docker would take it for a name or an id."""
    return NAME.fullmatch(container) is not None


def find(container: str, *, chosen: bool) -> Found | None:
    """Return the container of exactly this name or id; None if Docker has none.

    Unless Docker was `chosen`, a host without its socket just has no such container.

    :raises NetloomError: the daemon does not run, or gives no sensible answer in time.
    """
    address = socket_path()
    if address is None or not os.path.exists(address):
        if not chosen:
            return None
        where = address or f"DOCKER_HOST={os.environ['DOCKER_HOST']}, which is not a Unix socket"
        raise NetloomError("netns_not_found", f"container: cannot ask Docker for {container!r}: no socket at {where}")
    status, body = ask(address, f"/containers/{container}/json")
    return found_in(container, status, body)


def names() -> set[str]:
    """Return the names and ids of all containers, running or not.

    :raises NetloomError: as `find`.
    """
    address = socket_path()
    if address is None or not os.path.exists(address):
        return set()
    status, body = ask(address, "/containers/json?all=1")
    try:
        found = json.loads(body if status == 200 else b"")
        return {name for item in found for name in (item["Id"], *(each.lstrip("/") for each in item["Names"]))}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise not_understood(body) from exc


def socket_path() -> str | None:
    """Return the path of the daemon's socket; None if the environment names a daemon elsewhere."""
    host = os.environ.get("DOCKER_HOST") or f"unix://{DOCKER_SOCKET}"
    return host[len("unix://") :] if host.startswith("unix://") else None


def ask(address: str, request_path: str) -> tuple[int, bytes]:
    """Return the status and body of the daemon's answer to a GET request.

    :raises NetloomError: the daemon cannot be reached, is too slow, or does not speak HTTP.
    """
    # HTTP/1.0: the answer comes in one piece, and ends with the connection.
    request = f"GET {request_path} HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n"
    try:
        return split(exchange(address, request.encode("ascii")))
    except (ConnectionRefusedError, FileNotFoundError) as exc:
        raise NetloomError("netns_not_found", f"container: Docker does not run: {address}: {exc.strerror}") from exc
    except PermissionError as exc:
        raise NetloomError("permission_denied", f"container: cannot ask Docker: {address}: {exc.strerror}") from exc
    except socket.timeout as exc:
        text = f"container: Docker at {address} did not answer within {TIMEOUT_SECONDS} seconds"
        raise NetloomError("driver_timeout", text) from exc
    except OSError as exc:
        raise NetloomError("driver_error", f"container: cannot ask Docker: {address}: {exc}") from exc


def exchange(address: str, request: bytes) -> bytes:
    """Return all that the daemon answers to `request`, or somewhat more than `ANSWER_MAX_BYTES` of it.

    The time limit is for the whole of it, so that no trickle of bytes holds the task up.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(address)
        connection.sendall(request)
        while len(answer) <= ANSWER_MAX_BYTES:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = connection.recv(1 << 16)
            if not piece:
                break
            answer += piece
    return answer


def split(answer: bytes) -> tuple[int, bytes]:
    """Return the status and the body of an HTTP answer.

    :raises NetloomError: it is none, or too long.
    """
    head, blank, body = answer.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
    if not status or not blank or len(answer) > ANSWER_MAX_BYTES:
        raise not_understood(answer)
    return int(status[1]), body


def found_in(container: str, status: int, body: bytes) -> Found | None:
    """Return the container that an answer of the daemon describes; None if it says that there is none.

    :raises NetloomError: the answer is an error, or not a container's description.
    """
    if status == 404:
        return None
    try:
        answer = json.loads(body)
        if status != 200:
            # A few hex digits that several ids begin with: no name, and no id either.
            if status in (400, 500) and "multiple ids" in answer["message"].lower():
                return None
            text = f"container: Docker refuses to describe {container!r}: {answer['message']}"
            raise NetloomError("driver_error", text)
        name, container_id, state = answer["Name"].lstrip("/"), answer["Id"], answer["State"]
        running, pid = state["Running"] is True, int(state["Pid"])
        sandbox_key = answer["NetworkSettings"].get("SandboxKey") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise not_understood(body) from exc
    if not is_called(container, name, container_id):
        return None
    if not running or pid <= 0:
        return Found("docker", name, None, sandbox_key, container_id)
    return with_key(of_process("docker", name, pid, container_id), sandbox_key)


def not_understood(answer: bytes) -> NetloomError:
    """Return the error for an answer that is not what Docker's API promises."""
    shown = ascii(answer[:80].decode("utf-8", "replace")) if answer else "nothing"
    return NetloomError("driver_error", f"container: Docker's answer is not understood: {shown}")
