# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of real engines: Docker, Podman and systemd-machined, each with a daemon of the test's own.

Every engine lives in a throw-away host and dies with it. The image is a static busybox.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
import rig

pytestmark = pytest.mark.packets  # which container is meant, before any library is asked

# Unlike a plain `sleep`, it ends when it is asked to, also as PID 1.
COMMAND = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait")
LOOK = Path(__file__).with_name("look.py")
IMAGE = """
mkdir -p /root/image/bin && cd /root/image && cp /bin/busybox bin/
for name in sh sleep readlink; do ln -s busybox bin/$name; done
"""
# The files of a host are the machine's at first: its daemon's settings and containers are none of ours.
DOCKERD = """
rm -f /etc/docker/daemon.json
exec dockerd --data-root /root/docker --storage-driver vfs --bridge none --iptables=false --userland-proxy=false \
    >/var/log/dockerd 2>&1
"""
DOCKER = ("docker", "--host", "unix:///var/run/docker.sock")
PODMAN_SETTINGS = """
rm -rf /var/lib/containers/storage
mkdir -p /etc/containers
cat >/etc/containers/storage.conf <<'END'
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
"""
# machined asks which unit a machine belongs to, and reads that from its cgroup.
MACHINE = """
mkdir -p /root/image/etc /root/image/usr /root/image/proc /root/image/sys /root/image/dev /root/image/run
echo ID=test >/root/image/etc/os-release
mkdir -p /run/dbus /run/systemd/system
dbus-daemon --system --fork
/lib/systemd/systemd-machined >/var/log/machined 2>&1 &
"""
NSPAWN = """
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e $hierarchy/cgroup.procs ] || continue
    mkdir -p $hierarchy/machine.slice/box.service
    echo $$ >$hierarchy/machine.slice/box.service/cgroup.procs
done
exec systemd-nspawn --quiet --keep-unit --register=yes --machine=box --directory=/root/image --as-pid2 \
    --link-journal=no $1 /bin/sleep 600 </dev/null >/var/log/nspawn 2>&1
"""


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/lib/systemd"


def needs(*programs: str) -> None:
    for program in ("busybox", *programs):
        if not shutil.which(program, path=PATH):
            pytest.skip(f"{program} is not installed")
    if not rig.run("ldd", "/bin/busybox", check=False).returncode:
        pytest.skip("busybox is not static (Debian: busybox-static)")


def look(host, *asked: str) -> list:
    """Return what the collection sees of containers in the host: each is RUNTIME=CONTAINER."""
    return json.loads(host.run("env", "--unset=DOCKER_HOST", "/usr/bin/python3", "-B", LOOK, *asked).stdout)


def look_at(host, asked: str) -> dict:
    return look(host, asked)[0]


def wait_for(host, command: str, log: str) -> None:
    """Wait until a shell command succeeds in the host."""
    deadline = time.monotonic() + 30
    while host.run("sh", "-c", command, check=False).returncode:
        assert time.monotonic() < deadline, host.run("tail", "-n20", log, check=False).stdout
        time.sleep(0.05)


class Engine:
    """A host with a Docker or a Podman of its own: the two have one command line."""

    def __init__(self, host, runtime: str, *command: str) -> None:
        self.host = host
        self.runtime = runtime
        self.command = command
        host.run("sh", "-c", f"{IMAGE}\ntar -c . >/root/image.tar")

    def __call__(self, *argv: str) -> str:
        return self.host.run(*self.command, *argv).stdout.strip()

    def start(self, name: str, network: str = "none") -> str:
        """Start a container and return its id."""
        return self("run", "--detach", "--name", name, "--network", network, "busybox", *COMMAND)

    def look_at(self, container: str) -> dict:
        return look_at(self.host, f"{self.runtime}={container}")


def start_dockerd(host) -> None:
    host.run("sh", "-c", f"({DOCKERD}) </dev/null >/dev/null 2>&1 &")
    wait_for(host, " ".join((*DOCKER, "version")), "/var/log/dockerd")


@pytest.fixture(scope="module")
def docker(new_host):
    needs("dockerd", "docker", "containerd", "runc")
    docker = Engine(new_host(), "docker", *DOCKER)
    start_dockerd(docker.host)
    docker("import", "/root/image.tar", "busybox")
    return docker


@pytest.fixture(scope="module")
def podman(new_host):
    needs("podman", "conmon", "runc")
    # crun does not work where cgroups v1 and v2 are mixed.
    podman = Engine(new_host(), "podman", "podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")
    podman.host.run("sh", "-c", PODMAN_SETTINGS)
    podman("import", "/root/image.tar", "busybox")
    return podman


@pytest.fixture(params=["docker", "podman"])
def engine(request, new_host):  # asked for here, since the rig looks for it among the names of fixtures
    return request.getfixturevalue(request.param)


@pytest.fixture
def name(engine):
    """A name for a container; what has it, and `NAME-peer`, is removed after the test."""
    name = f"c{os.getpid()}x"
    yield name
    for container in (f"{name}-peer", name):
        engine.host.run(*engine.command, "rm", "--force", container, check=False)


# --- both engines ---


def test_a_container_has_one_name_however_it_is_called(engine, name):
    identity = engine.start(name)
    calls = (name, identity, identity[:12])
    seen = look(engine.host, *(f"{how}={call}" for how in (engine.runtime, "auto") for call in calls))
    assert len(seen) == 6
    assert {answer["found"]["name"] for answer in seen} == {name}
    assert {answer["found"]["container_id"] for answer in seen} == {identity}
    assert {answer["found"]["runtime"] for answer in seen} == {engine.runtime}
    assert len({answer["sandbox"]["cookie"] for answer in seen}) == 1


def test_the_namespace_is_the_one_that_the_container_sees(engine, name):
    engine.start(name)
    sandbox = engine.look_at(name)["sandbox"]
    assert engine("exec", name, "/bin/readlink", "/proc/self/ns/net") == f"net:[{sandbox['inode']}]"
    assert sandbox["cookie"] > 0


def test_a_part_of_a_name_or_a_few_digits_of_an_id_are_nobody(engine, name):
    identity = engine.start(name)
    parts = (name[:-1], name[1:], identity[:11], identity[:6], identity[1:], name.upper())
    assert look(engine.host, *(f"{engine.runtime}={part}" for part in parts)) == [None] * 6
    assert look(engine.host, *(f"auto={part}" for part in parts)) == [None] * 6


def test_a_container_that_was_never_started_is_known_and_not_running(engine, name):
    engine("create", "--name", name, "--network", "none", "busybox", *COMMAND)
    seen = engine.look_at(name)
    assert seen["found"]["name"] == name
    assert (seen["error_code"], seen["msg"]) == ("netns_not_found", f"container: {name} is not running")


def test_a_container_that_stopped_is_known_and_not_running(engine, name):
    identity = engine.start(name)
    engine("stop", "--time", "0", name)
    seen = engine.look_at(name)
    assert (seen["found"]["name"], seen["found"]["container_id"], seen["found"]["path"]) == (name, identity, None)
    assert (seen["error_code"], seen["msg"]) == ("netns_not_found", f"container: {name} is not running")


def test_a_container_that_was_removed_is_nobody(engine, name):
    engine.start(name)
    engine("rm", "--force", name)
    assert look(engine.host, f"{engine.runtime}={name}", f"auto={name}") == [None, None]


def test_a_container_that_restarts_is_the_same_one_in_a_new_namespace(engine, name):
    engine.start(name)
    before = engine.look_at(name)
    engine("restart", "--time", "0", name)
    after = engine.look_at(name)
    assert after["found"]["name"] == before["found"]["name"] == name
    assert after["found"]["container_id"] == before["found"]["container_id"]
    assert after["sandbox"]["boot_id"] == before["sandbox"]["boot_id"]
    assert after["sandbox"]["cookie"] != before["sandbox"]["cookie"]


def test_a_paused_container_is_running(engine, name):
    engine.start(name)
    running = engine.look_at(name)
    engine("pause", name)
    paused = engine.look_at(name)
    engine("unpause", name)
    assert paused == running


def test_a_container_on_the_hosts_network_is_refused(engine, name):
    engine.start(name, network="host")
    seen = engine.look_at(name)
    assert seen["error_code"] == "netns_is_host"
    assert seen["msg"] == f"container: {name}: this is the host's own network namespace"


def test_a_container_that_shares_the_network_of_another_is_in_the_same_namespace(engine, name):
    engine.start(name)
    engine.start(f"{name}-peer", network=f"container:{name}")
    own, peer = engine.look_at(name), engine.look_at(f"{name}-peer")
    assert peer["sandbox"]["cookie"] == own["sandbox"]["cookie"]
    assert peer["found"]["container_id"] != own["found"]["container_id"]


def test_a_name_that_a_namespace_has_too_is_ambiguous_until_the_runtime_is_said(engine, name):
    engine.start(name)
    engine.host.run("ip", "netns", "add", name)
    any_of_them, engines, named = look(engine.host, f"auto={name}", f"{engine.runtime}={name}", f"netns={name}")
    engine.host.run("ip", "netns", "delete", name)
    assert any_of_them["error_code"] == "container_ambiguous"
    assert f"runtime=netns or runtime={engine.runtime}" in any_of_them["msg"]
    assert engines["found"]["runtime"] == engine.runtime
    assert named["found"]["runtime"] == "netns"
    assert engines["sandbox"]["cookie"] != named["sandbox"]["cookie"]


# --- Docker ---


def test_docker_shows_its_own_path_to_the_namespace(docker):
    docker.start("keyed")
    seen = docker.look_at("keyed")
    assert seen["sandbox"]["key"] == docker("inspect", "--format", "{{.NetworkSettings.SandboxKey}}", "keyed")
    assert look_at(docker.host, f"path={seen['sandbox']['key']}")["sandbox"]["cookie"] == seen["sandbox"]["cookie"]
    docker("rm", "--force", "keyed")


def test_digits_that_several_docker_ids_begin_with_are_nobody(docker):
    ids = [docker("create", "--network", "none", "busybox", *COMMAND) for _container in range(17)]
    first = [identity[0] for identity in ids]
    shared = next(digit for digit in first if first.count(digit) > 1)
    assert look(docker.host, f"docker={shared}", f"auto={shared}x") == [None, None]
    docker("rm", *ids)


def test_a_docker_that_does_not_run_is_said_so_and_stops_nobody_else(docker):
    docker.host.run("ip", "netns", "add", "other")
    docker.host.run("sh", "-c", "kill -KILL $(cat /var/run/docker.pid)")  # it leaves its socket behind
    chosen, unknown, other = look(docker.host, "docker=web", "auto=web", "auto=other")
    docker.host.run("sh", "-c", "rm -f /var/run/docker.sock")
    chosen_without_socket, unknown_without_socket = look(docker.host, "docker=web", "auto=web")
    docker.host.run("sh", "-c", "rm -f /var/run/docker.pid; pkill -KILL containerd || :")
    start_dockerd(docker.host)
    assert (chosen["error_code"], unknown["error_code"]) == ("netns_not_found", "netns_not_found")
    assert "Docker does not run: /var/run/docker.sock: Connection refused" in chosen["msg"]
    assert other["found"]["runtime"] == "netns"
    assert "no socket at /var/run/docker.sock" in chosen_without_socket["msg"]
    assert unknown_without_socket is None


# --- Podman ---


def test_looking_for_a_podman_container_does_not_make_podman_a_storage(new_host):
    needs("podman")
    host = new_host()
    host.run("rm", "-rf", "/var/lib/containers/storage")
    assert look(host, "podman=web", "auto=web") == [None, None]
    assert host.run("ls", "/var/lib/containers/storage", check=False).returncode != 0


# --- systemd-machined ---


@pytest.fixture(scope="module")
def machined(new_host):
    needs("dbus-daemon", "systemd-machined", "systemd-nspawn")
    host = new_host()
    host.run("sh", "-c", f"{IMAGE}\n{MACHINE}")
    wait_for(host, "machinectl list", "/var/log/machined")
    return host


def register(host, *options: str) -> None:
    """Start the machine `box`."""
    host.run("sh", "-c", f"(exec sh -c '{NSPAWN}' sh {' '.join(options)}) </dev/null >/dev/null 2>&1 &")
    wait_for(host, "machinectl show box", "/var/log/nspawn")


def leader(host) -> str:
    """Return the PID of the machine's first process, as machined says over D-Bus."""
    return host.run("machinectl", "show", "box", "--property=Leader", "--value").stdout.strip()


def remove(host) -> None:
    host.run("kill", "-KILL", leader(host))  # to terminate it, machined would need systemd
    wait_for(host, "! machinectl show box", "/var/log/machined")


def test_a_machine_is_the_namespace_of_its_leader_and_restarts_into_a_new_one(machined):
    register(machined, "--private-network")
    inode = machined.run("readlink", f"/proc/{leader(machined)}/ns/net").stdout.strip()
    first, chosen = look(machined, "auto=box", "machine=box")
    remove(machined)
    gone = look(machined, "auto=box", "machine=box")
    register(machined, "--private-network")
    second = look_at(machined, "auto=box")
    remove(machined)
    assert first == chosen
    assert (first["found"]["runtime"], first["found"]["name"]) == ("machine", "box")
    assert inode == f"net:[{first['sandbox']['inode']}]"
    assert gone == [None, None]
    assert second["found"]["name"] == "box"
    assert second["sandbox"]["cookie"] != first["sandbox"]["cookie"]


def test_a_machine_on_the_hosts_network_is_refused(machined):
    register(machined)
    seen = look_at(machined, "machine=box")
    remove(machined)
    assert seen["error_code"] == "netns_is_host"


def drive(host, *asked: str) -> list:
    """Return what came of the engine's verbs in the host, under the Python that runs the tests."""
    return json.loads(host.run(sys.executable, "-B", LOOK.with_name("drive.py"), *asked).stdout)


def test_a_restarted_container_gets_its_endpoint_back(engine):
    name = f"web-{engine.runtime}"
    engine.start(name)
    _network, first = drive(engine.host, "network=app", f"attach=app/{name}")
    assert first["endpoint"]["runtime"] == engine.runtime
    shown = engine.host.run(*engine.command, "exec", name, "readlink", "/sys/class/net/eth0").stdout
    assert "eth0" in shown  # in the container, as the engine's own tool sees it

    engine("stop", "--time", "5", name)
    (stopped,) = drive(engine.host, f"attach=app/{name}")
    assert stopped["pending"]

    engine("start", name)
    (again,) = drive(engine.host, f"attach=app/{name}")
    assert again["changes"]
    assert not again["pending"]
    assert again["endpoint"] == first["endpoint"]
    assert drive(engine.host, f"attach=app/{name}")[0]["changes"] == []

    engine("rm", "--force", name)
    (gone,) = drive(engine.host, f"detach=app/{name}")
    assert gone["changes"]
    assert drive(engine.host, f"detach=app/{name}")[0]["changes"] == []


def test_a_container_is_found_among_many_names_of_one_task(engine, name):
    """From the fifth name on, Docker's list of all containers is asked, and no more for each."""
    container_id = engine.start(name)
    namespaces = [f"{name}{number}" for number in range(8)]
    for namespace in namespaces:
        engine.host.run("ip", "netns", "add", namespace)
    asked = ",".join([*namespaces, container_id[:12]])
    _network, many = drive(engine.host, "network=many", f"members=many/{asked}")
    assert many["members"] == {**dict.fromkeys(namespaces, "netns"), name: engine.runtime}
    (again,) = drive(engine.host, f"members=many/{','.join([*namespaces, name])}")
    assert again["changes"] == []
    for namespace in namespaces:
        engine.host.run("ip", "netns", "delete", namespace)


# How a container is told of a name server when it is made: Podman's has no --dns without a network of Podman's own.
TOLD = {
    "docker": ("--dns", "{server}", "--dns-search", "{domain}"),
    "podman": ("--volume", "/root/{domain}.conf:/etc/resolv.conf:ro"),
}


def test_a_container_finds_the_others_on_its_network_and_is_found(engine, name):
    needs("dnsmasq")
    domain = f"names-{engine.runtime}"
    (network,) = drive(engine.host, f"network={domain}")
    server = network["gateways"][0]
    engine.host.run("sh", "-c", f"printf 'nameserver {server}\\nsearch {domain}\\n' >/root/{domain}.conf")
    told = [word.format(server=server, domain=domain) for word in TOLD[engine.runtime]]
    identity = engine("run", "--detach", "--name", name, "--network", "none", *told, "busybox", *COMMAND)
    engine.host.run("ip", "netns", "add", f"{name}-peer")
    own, peer = drive(engine.host, f"attach={domain}/{name}", f"attach={domain}/{name}-peer")
    look_up = ("ip", "netns", "exec", f"{name}-peer", "getent", "hosts")
    for known_as in (name, identity[:12], f"{name}.{domain}"):
        assert engine.host.run(*look_up, known_as).stdout.split()[0] == own["endpoint"]["ipv4"].partition("/")[0]
    # Podman's containers may not ping, but it says whom.
    ping = ("exec", name, "/bin/busybox", "ping", "-c1", "-W2", f"{name}-peer")
    said = engine.host.run(*engine.command, *ping, check=False).stdout
    assert f"({peer['endpoint']['ipv4'].partition('/')[0]})" in said
    drive(engine.host, f"detach={domain}/{name}", f"detach={domain}/{name}-peer")
    engine.host.run("ip", "netns", "delete", f"{name}-peer")
    assert drive(engine.host, f"absent={domain}")[0]["drift"] == []
    assert engine.host.run("pgrep", "-f", f"domain={domain}", check=False).stdout == ""
