# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam: every side effect of the engine passes through `execute`, and its failures get their words here.

Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple

from .._errors import NetloomError

_BUSY_STEP_SECONDS = 0.01  # longer each time
# A MAC address is taken (macvlan) for as long as the kernel is at removing the namespace of a container that was restarted.
_TRIES = {errno.EBUSY: 5, errno.EADDRINUSE: 32}
_CODES = {
    errno.EPERM: "permission_denied",
    errno.EACCES: "permission_denied",
    errno.EOPNOTSUPP: "kernel_unsupported",
    errno.EXFULL: "kernel_limit",
}
_HINTS = {
    errno.EPERM: "; CAP_NET_ADMIN and CAP_SYS_ADMIN are needed",
    errno.EACCES: "; CAP_NET_ADMIN and CAP_SYS_ADMIN are needed",
    errno.EXFULL: "; a bridge takes 1,023 ports",
}


class Stage(NamedTuple):
    """How long a part of a task took, and how many things it was about."""

    seconds: float = 0.0
    things: int = 0


class Seam:
    """The host's half that carries things out, and knows how long what took."""

    def __init__(self) -> None:
        super().__init__()  # the other halves
        self.stages: dict[str, Stage] = {}
        self.progress: Callable[[str], Any] = lambda line: None  # told each stage as it begins

    def execute(
        self, what: str, act: Callable[..., Any], *args: Any, clear: Callable[[], Any] | None = None, **kwargs: Any
    ) -> Any:
        """Carry out one side effect and return what `act` returns. Nothing else in the engine changes anything.

        What is busy, or on its way out, is tried again, once `clear` has removed what the last try may have left.

        :raises NetloomError: it failed; the text is "cannot `what`: reason".
        """
        for attempt in itertools.count(1):
            try:
                return self.look(what, act, *args, **kwargs)
            except NetloomError as exc:
                if attempt >= _TRIES.get(_number(exc.__cause__) or 0, 1):
                    raise
            if clear is not None:
                clear()
            time.sleep(_BUSY_STEP_SECONDS * attempt)
        raise AssertionError  # there is no end to counting

    @staticmethod
    def look(what: str, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what `act` returns, which only reads.

        :raises NetloomError: it failed; the text is "cannot `what`: reason".
        """
        try:
            return act(*args, **kwargs)
        except NetloomError:
            raise
        except Exception as exc:
            number = _number(exc)
            if number is None:
                raise
            reason = (getattr(exc, "strerror", None) or os.strerror(number)) + _HINTS.get(number, "")
            raise NetloomError(_CODES.get(number, "apply_failed"), f"cannot {what}: {reason}") from exc

    @staticmethod
    def gone(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Remove something that may have gone by itself meanwhile."""
        try:
            act(*args, **kwargs)
        except Exception as exc:
            if _number(exc) != errno.ENODEV:
                raise

    @contextmanager
    def stage(self, name: str, things: int = 0) -> Iterator[None]:
        """Tell that a part of the task begins, and add how long it takes to the stage `name`."""
        self.progress(f"{name} ({things})" if things else name)
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            before = self.stages.get(name, Stage())
            self.stages[name] = Stage(before.seconds + spent, before.things + things)


def _number(exc: BaseException | None) -> int | None:
    """Return the errno of an error of the kernel's, told by Python or by pyroute2."""
    for name in ("code", "errno"):
        number = getattr(exc, name, None)
        if isinstance(number, int):
            return number
    return None
