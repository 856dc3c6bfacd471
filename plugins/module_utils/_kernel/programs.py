# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running somebody else's program: for a bounded time, with what it says bounded as well.

Collection-private. Floor 4.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from .._errors import NetloomError
from .._frozen import dataclass

OUTPUT_MAX_BYTES = 4 << 20
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Ran:
    """What came of a program."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        """The end of what it wrote to stderr, for a message."""
        return self.stderr[-2000:].decode("utf-8", "replace").strip()


def run(argv: Sequence[str], stdin: bytes, environment: Mapping[str, str], timeout_seconds: float) -> Ran:
    """Run a program to its end, in a process group of its own.

    What it leaves running in the background may go on, unless it keeps the output open until the time is over. The
    program itself ends with us: what it was about to do is for the next task to undo, and not to be done meanwhile.

    :raises NetloomError: driver_timeout; driver_error, it cannot be run, or says more than 4 MiB.
    """
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_end_with_parent(),
        )
    except OSError as exc:
        raise NetloomError("driver_error", f"{argv[0]}: cannot be run: {exc.strerror}") from None
    try:
        found = _conversation(process, stdin, time.monotonic() + timeout_seconds)
    except _Over as exc:
        code, words = exc.args
        raise NetloomError(code, f"{argv[0]}: {words.format(timeout_seconds)}") from None
    finally:
        if process.poll() is None:
            _kill(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                _close(stream)
    return found


def _end_with_parent() -> Callable[[], Any]:
    """Return what a child does to be killed when its parent is gone."""
    prctl = ctypes.CDLL(None).prctl  # found here: the child of a fork should do little
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Over(Exception):
    """It has to be ended: an error code, and words."""


def _conversation(process: subprocess.Popen, stdin: bytes, deadline: float) -> Ran:
    """:raises _Over: it takes too long, or says too much."""
    stdout, stderr = bytearray(), bytearray()
    said: dict[Any, bytearray] = {process.stdout: stdout, process.stderr: stderr}
    left = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        end: Any
        for end in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(end.fileno(), False)
            selector.register(end, selectors.EVENT_WRITE if end is process.stdin else selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _Over("driver_timeout", "has not ended after {:g} seconds")
            for key, _events in ready:
                stream: Any = key.fileobj
                if stream is process.stdin:
                    left = left[_write(key.fd, left) :] if left else left
                    if not left:
                        selector.unregister(key.fileobj)
                        _close(process.stdin)
                    continue
                data = os.read(key.fd, 1 << 16)
                said[stream] += data
                if len(said[stream]) > OUTPUT_MAX_BYTES:
                    raise _Over("driver_error", f"has written more than {OUTPUT_MAX_BYTES >> 20} MiB")
                if not data:
                    selector.unregister(stream)
    try:
        status = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Over("driver_timeout", "has not ended after {:g} seconds") from None
    return Ran(status, bytes(stdout), bytes(stderr))


def _write(descriptor: int, data: memoryview) -> int:
    """Return how much of `data` was taken; all of it where nobody reads it."""
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(data)


def _close(stream: Any) -> None:
    try:
        stream.close()
    except OSError:  # what was not taken yet
        pass


def _kill(process: subprocess.Popen) -> None:
    """Kill the program and all that is in its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
