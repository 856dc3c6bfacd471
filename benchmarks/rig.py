# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the benchmarks measure: throw-away hosts, playbooks run in them, and a Docker of their own.

Everything is below one folder that goes at the end, with the hosts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HOST_COMMAND = ROOT / "tests" / "hosts" / "host"
COLLECTIONS = ROOT / ".cache" / "collections"
TREE = COLLECTIONS / "ansible_collections" / "netloom" / "containers"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# As in tests/kernel/test_engines.py, but with its firewall, as people run it.
DOCKERD = """
mkdir -p /root/image/bin && cd /root/image && cp /bin/busybox bin/ && ln -s busybox bin/sh && ln -s busybox bin/sleep
tar -c . >/root/image.tar
rm -f /etc/docker/daemon.json
(exec dockerd --data-root /root/docker --storage-driver vfs --bridge none --userland-proxy=false \
    </dev/null >/var/log/dockerd 2>&1) &
for _try in $(seq 300); do
    docker version >/dev/null 2>&1 && exec docker import /root/image.tar busybox
    sleep 0.1
done
tail -n 20 /var/log/dockerd >&2
exit 1
"""


class Skipped(Exception):
    """This cannot be measured here; says why."""


class Failed(Exception):
    """A command or a task has failed; says what it said."""


def run(*argv: object, check: bool = True, stdin: str = "") -> str:
    """Run a command and return its output.

    :raises Failed: it ended with another status than 0.
    """
    words = [str(word) for word in argv]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Failed(f"{' '.join(words[:6])}: {(done.stderr + done.stdout).strip()[-2000:]}")
    return done.stdout


@dataclass
class Host:
    """A throw-away host."""

    name: str
    python: Path

    def run(self, *argv: object, check: bool = True, stdin: str = "") -> str:
        """Run a command in it, with a bare environment."""
        environment = ("env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8")
        return run(HOST_COMMAND, "run", self.name, *environment, *argv, check=check, stdin=stdin)

    def inside(self, function: str, *arguments: object) -> Any:
        """Return what a function of inside.py returns when it is called in the host."""
        asked = json.dumps([function, *arguments])
        environment = ("env", f"PYTHONPATH={COLLECTIONS}")
        return json.loads(self.run(*environment, self.python, "-B", HERE / "inside.py", stdin=asked))

    def seconds(self, script: str) -> float:
        """Return how long a shell script takes, counted in the host."""
        return self.inside("shell", script)

    def namespaces(self, count: int, prefix: str = "n") -> list[str]:
        """Make named namespaces and return their names."""
        names = [f"{prefix}{number}" for number in range(count)]
        self.run("ip", "-batch", "-", stdin="".join(f"netns add {name}\n" for name in names))
        return names

    def links(self, count: int) -> None:
        """Make links that are none of ours."""
        pairs = (f"link add foreign{number} type veth peer name nobodys{number}\n" for number in range(count // 2))
        self.run("ip", "-batch", "-", stdin="".join(pairs))


@dataclass
class Docker:
    """A host with a Docker daemon, and with containers on a network that nothing is measured on.

    On none at all, Docker would not let them be connected to another.
    """

    host: Host
    containers: list[str]
    version: str


@dataclass
class Rig:
    """What a row measures with. `runs` is how many times; `size` is 1,000 in the budget."""

    runs: int
    size: int
    work: Path
    versions: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return ROOT / ".cache" / "venv"

    # --- hosts ---

    def host(self, name: str) -> Host:
        """Make a throw-away host."""
        run(HOST_COMMAND, "up", name)
        return Host(name, self.venv / "bin" / "python")

    @contextlib.contextmanager
    def hosts(self, *names: str) -> Iterator[list[Host]]:
        """Make hosts, and remove them after the block."""
        try:
            yield [self.host(name) for name in names]
        finally:
            for name in names:
                run(HOST_COMMAND, "rm", name)

    def once(self, name: str, make: Any) -> Any:
        """Return what `make` returned the first time; when it could not be had, say so again."""
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except (Skipped, Failed) as exc:
                self._kept[name] = exc
        if isinstance(self._kept[name], Exception):
            raise self._kept[name]
        return self._kept[name]

    # --- what may not be there ---

    def needs_module(self, name: str) -> None:
        """:raises Skipped: the collection does not have this module."""
        if not (TREE / "plugins" / "modules" / f"{name}.py").exists():
            raise Skipped(f"this checkout has no module {name}")

    def needs(self, *programs: str) -> None:
        """:raises Skipped: one of these programs is not installed."""
        for program in programs:
            if not shutil.which(program, path=PATH):
                raise Skipped(f"{program} is not installed")

    def peers(self) -> Path:
        """Return an environment with PyPI's package `ansible`, and so with our peers' collections.

        :raises Skipped: it cannot be had.
        """
        return self.once("peers", self._peers)

    def _peers(self) -> Path:
        link = ROOT / ".cache" / "peers"
        if not (link / "ready").exists():
            say("peers: installing PyPI's package ansible, half a gigabyte, for those to come too ...")
        with contextlib.suppress(Failed):
            run(ROOT / ".ci" / "run", "peers")
        if not (link / "ready").exists():
            raise Skipped("the peers' collections cannot be installed (.ci/run peers says why)")
        found = json.loads(run(link / "bin" / "ansible-galaxy", "collection", "list", "--format", "json"))
        for name in ("community.docker", "containers.podman"):
            versions = [collections[name]["version"] for collections in found.values() if name in collections]
            if versions:
                self.versions[name] = versions[0]
        return link

    def docker(self) -> Docker:
        """Return a host with a Docker daemon and `size` / 10 containers, at least 4.

        :raises Skipped: there is no Docker here, or it does not start.
        """
        return self.once("docker", self._docker)

    def _docker(self) -> Docker:
        self.needs("dockerd", "docker", "containerd", "runc", "busybox", "iptables")
        count = max(4, self.size // 10)
        say(f"docker: starting a daemon and {count} containers ...")
        host = self.host("docker")
        try:
            host.run("sh", "-c", DOCKERD)
        except Failed as exc:
            raise Skipped(f"Docker does not start in a throw-away host: {exc}") from exc
        names = [f"b{number}" for number in range(count)]
        # Unlike a plain `sleep`, it ends when it is asked to, also as PID 1.
        command = "/bin/sh -c \"trap 'exit 0' TERM; sleep 36000 & wait\""
        start = f"docker run --detach --network home --name $name busybox {command}"
        host.run("docker", "network", "create", "--subnet", "10.208.0.0/16", "home")
        host.run("sh", "-ec", f"for name in {' '.join(names)}; do {start}; done")
        self.versions["Docker"] = host.run("docker", "version", "--format", "{{.Server.Version}}").strip()
        return Docker(host, names, self.versions["Docker"])

    # --- playbooks ---

    def play(
        self, host: Host, tasks: Sequence[dict[str, Any]], *, venv: Path | None = None, imports: bool = False
    ) -> list[dict[str, Any]]:
        """Run tasks in a host and return what came of each: task, seconds, changed, and stages where it has them.

        `venv` is the environment of Ansible and of the modules; with `imports`, what modules import is observed.

        :raises Failed: a task has failed.
        """
        number = next(self._numbers)
        playbook, observed = self.work / f"{number}.json", self.work / f"{number}.observed"
        play = {"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        environment = (venv or self.venv).resolve()
        settings = {
            "PATH": f"{environment}/bin:{PATH}",
            "PYTHONPATH": HERE / "observe",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NETLOOM_OBSERVED": observed,
            "ANSIBLE_CONFIG": self.work / "ansible.cfg",
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "ANSIBLE_LIBRARY": HERE / "library",
            "ANSIBLE_CALLBACK_PLUGINS": HERE / "callback",
            "ANSIBLE_STDOUT_CALLBACK": "netloom_seconds",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            **({"NETLOOM_OBSERVE_IMPORTS": "1"} if imports else {}),
        }
        program = environment / "bin" / "ansible-playbook"
        interpreter = ("-e", json.dumps({"ansible_python_interpreter": f"{environment}/bin/python"}))
        words = [f"{name}={value}" for name, value in settings.items()]
        output = host.run("env", *words, program, *interpreter, playbook, check=False)
        done = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        for task in done:
            if task["failed"]:
                said = task.get("msg") or task.get("module_stderr") or task.get("stderr")
                raise Failed(f"task {task['task']}: {said}"[:2000])
        if len(done) != len(tasks):
            raise Failed(f"{len(done)} of {len(tasks)} tasks were run: {output[-2000:]}")
        self._observe(done, observed)
        return done

    @staticmethod
    def _observe(done: list[dict[str, Any]], observed: Path) -> None:
        """Add to each task what its module told at its end: one line for each task that runs a module."""
        lines = observed.read_text(encoding="utf-8").splitlines() if observed.exists() else []
        if len(lines) == len(done):
            for task, line in zip(done, lines):
                task["observed"] = json.loads(line)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def rig(runs: int, size: int) -> Iterator[Rig]:
    """Yield a rig, and leave nothing of it, also when interrupted."""
    signal.signal(signal.SIGTERM, lambda *_ignored: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_ignored: sys.exit(129))
    folder = Path(tempfile.mkdtemp(prefix="netloom-benchmarks.", dir="/var/tmp"))
    try:
        (folder / "work").mkdir()
        (folder / "work" / "ansible.cfg").touch()
        bound = {ROOT, folder / "work", *(path.resolve() for path in (ROOT / ".cache").glob("*") if path.is_symlink())}
        bound.add(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "netloom")
        os.environ["NETLOOM_HOSTS"] = str(folder / "hosts")
        os.environ["NETLOOM_BIND"] = ":".join(str(path) for path in sorted(bound) if path.exists())
        yield Rig(runs, size, folder / "work")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.run([HOST_COMMAND, "rm-all"], check=False, start_new_session=True)
        shutil.rmtree(folder, ignore_errors=True)
