# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command netloom: what the records list, how the kernel differs, and bringing it back, without Ansible.

Collection-private. Floor 5.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .._errors import NetloomError
from .._kernel import privileges
from .._kernel.host import Host
from .._sandboxes.registry import RUNTIMES

STATE_DIR = "/var/lib/netloom"
LOCK_TIMEOUT_SECONDS = 30
DOCKER_SOCKET = "/run/docker/plugins/netloom.sock"
DOCKER_LOCK_TIMEOUT_SECONDS = 20  # less than Docker waits for an answer
_AMISS, _WRONG_USE = 1, 2  # exit codes


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(_WRONG_USE, f"netloom: {message}\n")


def main(arguments: Sequence[str] | None = None, version: str = "unknown") -> int:
    """Carry out a command line, and return the exit code: 0, 1 where something is amiss, 2 for wrong use."""
    asked = _parser(version).parse_args(arguments)
    try:
        if asked.verb == "restore" and asked.hook:
            from . import hook

            return hook.run(asked.state_dir, asked.lock_timeout)
        privileges.require("run it as root")
        code = _VERBS[asked.verb](asked)
        sys.stdout.flush()
        return code
    except NetloomError as exc:
        sys.stderr.write(f"netloom: {exc.message}\n")
    except BrokenPipeError:  # whoever read what we say has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as exc:
        sys.stderr.write(f"netloom: {exc}\n")
    except KeyboardInterrupt:
        return 130
    return _AMISS


def _parser(version: str) -> Parser:
    parser = Parser(
        prog="netloom", description="Networks of netloom.containers: show them, verify them, bring them back."
    )
    parser.add_argument("--version", action="version", version=f"netloom {version}")
    common = Parser(add_help=False)
    common.add_argument(
        "--state-dir", metavar="DIR", type=_directory, default=STATE_DIR, help=f"the records ({STATE_DIR})"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)

    listing = verbs.add_parser("list", parents=[common], help="list all networks")
    listing.add_argument("--json", action="store_true", help="as inspect shows them")
    inspecting = verbs.add_parser(
        "inspect", parents=[common], help="show networks as docker network inspect does, in JSON"
    )
    inspecting.add_argument("name", nargs="+", metavar="NAME")
    verifying = verbs.add_parser("verify", parents=[common], help="say how the kernel differs from the records")
    verifying.add_argument(
        "name", nargs="*", metavar="NAME", help="networks; without any, all of them and the namespaces"
    )
    verifying.add_argument("--json", action="store_true", help="name and lines of each network")
    _add_restore(verbs.add_parser("restore", parents=[common], help="bring back what the records list"))
    plugin = verbs.add_parser("docker-plugin", parents=[common], help="serve Docker as its plugin netloom")
    plugin.add_argument(
        "--socket", metavar="PATH", type=_directory, default=DOCKER_SOCKET, help=f"where ({DOCKER_SOCKET})"
    )
    _add_lock_timeout(plugin, DOCKER_LOCK_TIMEOUT_SECONDS)
    return parser


def _add_restore(restoring: argparse.ArgumentParser) -> None:
    restoring.add_argument("--json", action="store_true", help="what was done, in JSON")
    restoring.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    _add_lock_timeout(restoring, LOCK_TIMEOUT_SECONDS)
    one = restoring.add_mutually_exclusive_group()
    one.add_argument("--container", metavar="NAME", help="only what this container is attached to")
    one.add_argument("--netns", metavar="NAME", help="the same for a named network namespace")
    one.add_argument("--pid", metavar="PID", type=_pid, help="the same for a container that was attached by its PID")
    one.add_argument(
        "--hook", action="store_true", help="the same for the container whose OCI state is on standard input"
    )
    one.add_argument("--early", action="store_true", help="everything, and no container engine is asked: none runs yet")
    restoring.add_argument("--runtime", choices=RUNTIMES, default="auto", help="what knows the container")


def _add_lock_timeout(parser: argparse.ArgumentParser, seconds: int) -> None:
    parser.add_argument(
        "--lock-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=seconds,
        help=f"how long to wait for somebody else who changes something ({seconds})",
    )


def _directory(text: str) -> str:
    if not os.path.isabs(text):
        raise argparse.ArgumentTypeError(f"{text!a} is not an absolute path")
    return os.path.normpath(text)


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!a} is not a number of seconds")
    return int(text)


def _pid(text: str) -> str:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!a} is not a PID")
    return text


def _list(asked: Any) -> int:
    from . import showing

    with Host(asked.state_dir) as host:
        sys.stdout.write(f"{showing.listing(host, as_json=asked.json)}\n")
    return 0


def _inspect(asked: Any) -> int:
    from . import showing

    with Host(asked.state_dir) as host:
        sys.stdout.write(f"{showing.inspected(host, asked.name)}\n")
    return 0


def _verify(asked: Any) -> int:
    from . import showing

    with Host(asked.state_dir) as host:
        text, healthy = showing.verification(host, asked.name, as_json=asked.json)
    if text:
        sys.stdout.write(f"{text}\n")
    return 0 if healthy else _AMISS


def _restore(asked: Any) -> int:
    from .._verbs import restoration
    from . import showing

    with Host(asked.state_dir, None if asked.dry_run else asked.lock_timeout) as host:
        one = (
            ("netns", asked.netns)
            if asked.netns
            else ("pid", asked.pid)
            if asked.pid
            else (asked.runtime, asked.container)
        )
        if one[1]:
            result = restoration.restore_container(host, one[1], one[0], dry_run=asked.dry_run)
        else:
            result = restoration.restore(host, early=asked.early, dry_run=asked.dry_run)
    showing.restored(result, as_json=asked.json)
    return _AMISS if result.failures else 0


def _docker_plugin(asked: Any) -> int:
    from . import serving

    return serving.serve(asked.socket, asked.state_dir, asked.lock_timeout)


_VERBS = {
    "list": _list,
    "inspect": _inspect,
    "verify": _verify,
    "restore": _restore,
    "docker-plugin": _docker_plugin,
}
