# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the container that a name means, among everything that can have containers.

A runtime is one file beside this one and one line in `_runtime`. Each is imported by the function that picks it,
so that a task pays for the runtimes it asks. Collection-private. Floor 4.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from .._errors import NetloomError
from .found import ID, SIGNS, Found, check_name, is_called
from .opening import OpenSandbox, open_sandbox

__all__ = ["RUNTIMES", "Found", "OpenSandbox", "find", "not_found", "open_sandbox"]

RUNTIMES = ("netns", "pid", "path", "docker", "podman", "machine")
ANYWHERE = ("netns", "pid", "docker", "podman", "machine")  # what `auto` asks for a name
NOUNS = {
    "netns": "network namespace",
    "pid": "process",
    "path": "path",
    "docker": "Docker container",
    "podman": "Podman container",
    "machine": "machine",
}


def promised(name: str) -> Found:
    """Return the named namespace `name` as it will be found once it is made."""
    from . import netns

    return netns.at(name)


def is_made(found: Found) -> bool:
    """Return whether a namespace that was promised is there."""
    from .._kernel import namespaces

    return namespaces.is_mounted(found.name)


class Lists:
    """What runtimes have, read at once by a task that looks up many containers: asking takes a millisecond each."""

    FEW = 4  # up to here, a list may cost more than it saves

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}
        self._names: dict[str, Collection[str]] = {}

    def may_have(self, runtime: str, picked: Any, container: str) -> bool:
        """Return whether it is worth asking a runtime for a container.

        :raises NetloomError: it does not tell what it has.
        """
        self._asked[runtime] = self._asked.get(runtime, 0) + 1
        if self._asked[runtime] <= self.FEW or not hasattr(picked, "names"):
            return True
        if runtime not in self._names:
            self._names[runtime] = picked.names()
        return container in self._names[runtime] or any(
            is_called(container, "", name) for name in self._names[runtime] if ID.fullmatch(container)
        )


def find(
    container: str, runtime: str = "auto", expected: Mapping[str, Found] | None = None, lists: Lists | None = None
) -> Found | None:
    """Return the container that is called `container`, running or not; None if there is none.

    With `auto`, a path is one if it begins with "/", and every runtime is asked for anything else. The named
    namespaces `expected`, by path, are about to be made, and count as found. `lists` is kept by a task for all its look-ups.

    :raises NetloomError: two runtimes have one of that name, nothing can be called so, or a runtime fails.
    """
    if runtime == "auto":
        if not container.startswith("/"):
            check_name(container)
            return _find_anywhere(container, _awaited("netns", container, expected), lists or Lists())
        runtime = "path"
    if runtime not in RUNTIMES:
        raise NetloomError("option_invalid", f"runtime: {runtime!r} is none of auto, {', '.join(RUNTIMES)}")
    picked = _runtime(runtime)
    if not picked.accepts(container):
        raise NetloomError("netns_invalid", f"container: {container!r} {picked.RULE}")
    awaited = _awaited(runtime, container, expected)
    return awaited[0] if awaited else picked.find(container, chosen=True)


def not_found(container: str, runtime: str = "auto") -> NetloomError:
    """Return the error for a name that `find` found nothing for."""
    if runtime == "auto":
        if container.startswith("/"):
            runtime = "path"
        else:
            asked = [NOUNS[name] for name in ANYWHERE]
            text = f"no {', '.join(asked[:-1])} or {asked[-1]} is called {container!r}"
            return NetloomError("netns_not_found", f"container: {text}")
    if runtime in ("pid", "path"):
        return NetloomError("netns_not_found", f"container: there is no {NOUNS[runtime]} {container}")
    return NetloomError("netns_not_found", f"container: no {NOUNS[runtime]} is called {container!r}")


def _awaited(runtime: str, container: str, expected: Mapping[str, Found] | None) -> list[Found]:
    """Return the namespace that is called so and is about to be made, if there is one."""
    if not expected or runtime not in ("netns", "path"):
        return []
    found = expected.get(container if runtime == "path" else promised(container).key)
    return [found] if found else []


def _find_anywhere(container: str, answers: list[Found], lists: Lists) -> Found | None:
    """Ask every runtime. One that fails is forgiven if exactly one of the others has the container."""
    failures: list[NetloomError] = []
    for name in filter(_is_here, ANYWHERE):
        if name == "pid" and (answers or not container.isdigit()):
            continue  # a number is a PID, unless a namespace is called so
        picked = _runtime(name)
        if not picked.accepts(container):
            continue
        try:
            found = picked.find(container, chosen=False) if lists.may_have(name, picked, container) else None
        except NetloomError as exc:
            failures.append(exc)
            continue
        if found:
            answers.append(found)
    if len(answers) > 1:
        raise _ambiguous(container, answers)
    if failures and not answers:
        raise failures[0]
    return answers[0] if answers else None


def _is_here(runtime: str) -> bool:
    """Return whether a host may have containers of a runtime: asking one that it has not costs its import."""
    variable, paths = SIGNS.get(runtime, ("", ("/",)))
    return variable in os.environ or any(map(os.path.exists, paths))


def _ambiguous(container: str, answers: list[Found]) -> NetloomError:
    both = " and ".join(f"a {NOUNS[found.runtime]} ({found.container_id[:12] or found.key})" for found in answers)
    choices = " or ".join(f"runtime={found.runtime}" for found in answers)
    return NetloomError("container_ambiguous", f"container: {container!r} is {both}; say {choices}")


def _runtime(name: str) -> Any:
    """Return the file of a runtime: its `accepts`, `find` and `RULE`. Static imports, so that they are bundled."""
    if name == "netns":
        from . import netns

        return netns
    if name == "pid":
        from . import pid

        return pid
    if name == "path":
        from . import path

        return path
    if name == "docker":
        from . import docker

        return docker
    if name == "podman":
        from . import podman

        return podman
    from . import machine

    return machine
