# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with systemd that the role `host` has prepared: what comes back with a reboot, and beside whom."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig

pytestmark = [pytest.mark.hosts, pytest.mark.packets]
ROOT = Path(__file__).resolve().parents[2]
BOOTED = ROOT / "tests" / "hosts" / "booted"
COLLECTIONS = ROOT / ".cache" / "collections"
DRIVE = ROOT / "tests" / "kernel" / "drive.py"
NEEDED = ("systemd-nspawn", "dockerd", "podman", "runc", "conmon", "firewalld", "busybox", "dnsmasq")
PLAY = """
- name: A host whose networks come back
  hosts: all
  gather_subset: ["!all"]
  roles:
    - role: netloom.containers.host
      host_docker_plugin: true
  tasks:
    - name: Namespaces and networks
      netloom.containers.network_topology:
        name: shop
        namespaces:
          - {name: r1, sysctls: {net.ipv4.ip_forward: 1}}
          - {name: web}
        networks:
          - {name: app, subnet: 10.50.0.0/24}
          - {name: back, subnet: 10.60.0.0/24, internal: true}
        attachments:
          - {network: app, container: r1}
          - {network: back, container: r1, interface_name: back0}
          - {network: app, container: web, ipv4_address: 10.50.0.80, published_ports: ["8080:80"], aliases: [www]}
"""
PART = """
- name: A part of what the role does
  hosts: all
  gather_subset: ["!all"]
  tasks:
    - name: A part
      ansible.builtin.include_role:
        name: netloom.containers.host
        tasks_from: "{{ part }}"
"""
ENGINES = """
mkdir -p /etc/docker /root/image/bin /root/image/etc /root/image/usr /etc/systemd/system/systemd-nspawn@mach.service.d
cp /bin/busybox /root/image/bin
for name in sh sleep ip; do ln -s busybox /root/image/bin/$name; done
echo ID=test >/root/image/etc/os-release
tar -C /root/image -cf /root/image.tar .
echo '{"data-root": "/root/docker", "storage-driver": "vfs"}' >/etc/docker/daemon.json
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/root/podman"\n'     >/etc/containers/storage.conf
printf '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n' >/etc/containers/containers.conf
cat >/etc/systemd/system/systemd-nspawn@mach.service.d/image.conf <<'END'
[Service]
ExecStart=
ExecStart=systemd-nspawn --quiet --keep-unit --machine=%i --directory=/root/image --as-pid2 --private-network     --link-journal=no /bin/sleep 1000
END
systemctl unmask docker.service docker.socket containerd.service nftables.service firewalld.service
systemctl enable docker.service docker.socket nftables.service
systemctl start docker.service nftables.service systemd-nspawn@mach.service
docker import /root/image.tar busybox
podman import /root/image.tar busybox
docker run --detach --name box --restart always --network none busybox sleep 1000
docker network create --driver netloom --ipam-driver netloom --subnet 10.70.0.0/24 -o network=plugged plugged
docker run --detach --name own --restart always --network plugged --ip 10.70.0.7 busybox sleep 1000
podman run --detach --name pod --network none busybox sh -c 'ip address show eth0; exec sleep 1000'
"""


class Booted:
    """A throw-away host that systemd has booted."""

    def __init__(self, name: str, folder: str) -> None:
        self.name, self.folder = name, folder
        self.environment = {**os.environ, "NETLOOM_BOOTED": folder}

    def do(self, verb: str, *argv: object, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess:
        words = [str(BOOTED), verb, self.name, *map(str, argv)]
        done = subprocess.run(
            words, env=self.environment, input=stdin, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0 or not check, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def run(self, *argv: object, check: bool = True) -> str:
        return self.do("run", *argv, check=check).stdout

    def play(self, play: str, *arguments: str) -> dict[str, int]:
        """Run a playbook on the host and return what its recap counts."""
        path = Path(self.folder, "play.yml")
        path.write_text(play)
        variables = {
            "ansible_connection": "local",
            "ansible_shell_executable": f"{self.folder}/{self.name}/shell",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": str(ROOT / ".cache" / self.name),
            "ansible_pipelining": True,
        }
        command = (sys.executable, "-m", "ansible", "playbook", "--inventory", f"{self.name},", "--extra-vars")
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*command, json.dumps(variables), *arguments, str(path)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {word: int(count) for word, count in re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])}

    def seen(self) -> tuple[str, str]:
        """Return what the command says of the networks, and the interfaces and routes of the namespaces."""
        look = "for name in r1 web; do ip -n $name -br address; ip -n $name -br link; ip -n $name route; done"
        return self.run("netloom", "inspect", "app", "back"), re.sub(r"@if\d+", "", self.run("sh", "-c", look))

    def is_whole(self) -> bool:
        return self.do("run", "netloom", "verify", check=False).stdout == ""


@pytest.fixture
def booted() -> Iterator[Booted]:
    for program in NEEDED:
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            pytest.skip(f"{program} is not installed")
    folder = f"/var/tmp/netloom-booted-{os.getpid()}"
    host = Booted(f"b{os.getpid()}", folder)
    try:
        host.do("up")
        yield host
    finally:
        host.do("rm")
        for path in (folder, ROOT / ".cache" / host.name):
            shutil.rmtree(path, ignore_errors=True)


def test_a_host_is_after_a_reboot_what_it_was_beside_docker_podman_and_other_firewalls(booted):
    assert booted.play(PART, "--check", "--extra-vars", "part=restore")["changed"] > 4
    assert booted.run("find", "/usr", "/etc", "-name", "*netloom*") == ""
    booted.play(PLAY)

    booted.run("sh", "-ec", ENGINES)
    attached = booted.run("/usr/bin/python3", "-B", DRIVE, "attach=app/box", "attach=app/pod", "attach=back/mach")
    assert [each["pending"] for each in json.loads(attached)] == [False] * 3
    assert booted.is_whole()
    before = booted.seen()

    booted.do("stop")
    booted.do("start")
    assert (
        booted.run("systemctl", "is-active", "netloom-restore", "netloom-docker-plugin", "docker").split()
        == ["active"] * 3
    )
    # Named namespaces were there before Docker, and its plugin; its containers followed.
    for between in ("containerd", "netloom-docker-plugin"):
        order = f"systemctl show --value -p ActiveEnterTimestampMonotonic netloom-restore {between} docker"
        times = [int(word) for word in booted.run("sh", "-c", order).split()]
        assert times == sorted(times)
    rig.until(lambda: "eth0" in booted.run("docker", "exec", "box", "ip", "link"), 20)
    # Those of Podman and systemd-nspawn are back when they are started, the first before its own process runs.
    assert "netloom" not in booted.run("podman", "start", "pod")
    assert booted.run("podman", "logs", "pod").count("inet 10.50.0.4/24") == 1
    booted.run("systemctl", "start", "systemd-nspawn@mach")
    rig.until(booted.is_whole, 10)
    booted.run("ping", "-nqc1", "-W2", "10.70.0.7")
    assert booted.seen() == before
    booted.run("ip", "netns", "exec", "web", "ping", "-nqc1", "-W2", "10.50.0.4")
    assert booted.run("ip", "netns", "exec", "r1", "cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
    assert booted.run("ip", "netns", "exec", "r1", "getent", "hosts", "www").split()[0] == "10.50.0.80"

    # A hook that cannot do its work does not keep a container from starting.
    booted.run("mv", "/usr/local/sbin/netloom", "/root/netloom")
    assert "LOOPBACK" in booted.run("podman", "run", "--rm", "--network", "none", "busybox", "ip", "link")
    booted.run("mv", "/root/netloom", "/usr/local/sbin/netloom")

    # nftables.service flushes all rules.
    for verb in ("reload", "restart", "stop", "start"):
        booted.run("systemctl", verb, "nftables")
        if verb != "stop":
            rig.until(booted.is_whole, 20)
    booted.run("systemctl", "stop", "nftables")
    booted.run("netloom", "restore")
    booted.run("systemctl", "start", "firewalld")
    booted.run("firewall-cmd", "--reload")
    booted.run("systemctl", "restart", "firewalld")
    assert booted.is_whole()

    assert booted.play(PLAY)["changed"] == 0
    booted.play(PART, "--extra-vars", "part=no_docker_plugin")
    booted.play(PART, "--extra-vars", "part=no_restore")
    assert booted.run("find", "/usr", "/etc", "-name", "*netloom*") == ""
    assert "10.50.0.80/24" in booted.run("ip", "-n", "web", "-br", "address")
