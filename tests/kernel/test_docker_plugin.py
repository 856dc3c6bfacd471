# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dockerd whose containers are on our networks: it and `netloom docker-plugin` run in one throw-away host."""

from __future__ import annotations

import base64
import json
import socket
import sys
import time
from pathlib import Path

import pytest
import rig
from ansible_collections.netloom.containers.plugins.plugin_utils import _zipapp
from test_engines import DOCKER, LOOK, Engine, drive, needs, start_dockerd, wait_for

pytestmark = pytest.mark.packets  # Docker moves what netlink has made, whatever library encodes that

COMMAND = "/usr/local/sbin/netloom"
SOCKET = "/run/docker/plugins/netloom.sock"
BOX = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait")
MORE = "cd /root/image && for name in ip ping nc cat; do ln -sf busybox bin/$name; done"
ENGINE = """
import sys
from ipaddress import ip_network
sys.path.insert(0, {folder!r})
import look
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from ansible_collections.netloom.containers.plugins.module_utils._model import NetworkSpec, PoolSpec
from ansible_collections.netloom.containers.plugins.module_utils._verbs import networks, restoration
try:
    with Host("/var/lib/netloom", 30) as host:
        print({code})
except NetloomError as exc:
    print(exc.code)
"""
NETWORK, ENDPOINT = "5" * 64, "e" * 64  # ids that Docker has given to nothing


class Plugged(Engine):
    """A Docker with our plugin, and what else there is to ask on its host."""

    def start_plugin(self) -> None:
        self.host.run(
            "sh", "-c", f"({COMMAND} docker-plugin) </dev/null >>/var/log/plugin 2>&1 & echo $! >/run/plugin.pid"
        )
        wait_for(self.host, f"test -S {SOCKET}", "/var/log/plugin")

    def kill_plugin(self, signal: str = "KILL") -> None:
        self.host.run(
            "sh",
            "-c",
            f"kill -{signal} $(cat /run/plugin.pid); while kill -0 $(cat /run/plugin.pid); do sleep 0.02; done",
        )

    def refused(self, *argv: str) -> str:
        """Run a docker command that must fail, and return what it says."""
        done = self.host.run(*self.command, *argv, check=False)
        assert done.returncode, done.stdout
        return done.stderr

    def run_box(self, name: str, *options: str) -> None:
        self("run", "--detach", "--name", name, *options, "busybox", *BOX)

    def netloom(self, *argv: str, code: int = 0) -> str:
        done = self.host.run(COMMAND, *argv, check=False)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    def network(self, name: str) -> dict:
        (found,) = json.loads(self.netloom("inspect", name))
        return found

    def names(self) -> set[str]:
        return {each["Name"] for each in json.loads(self.netloom("list", "--json"))} - {"bridge", "host", "none"}

    def address(self, container: str, network: str) -> str:
        return self(
            "inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}', container
        )

    def reaches(self, container: str, address: str) -> bool:
        return not self.host.run(
            *self.command, "exec", container, "ping", "-c1", "-W1", address, check=False
        ).returncode

    def engine(self, code: str) -> str:
        """Return what an expression gives that does something with the engine's `host`, or the code of its error."""
        program = ENGINE.format(folder=str(LOOK.parent), code=code)
        return self.host.run(sys.executable, "-B", "-c", program).stdout.strip()

    def call(self, method: str, body: object = None, *, raw: bytes | None = None, head: str = "") -> tuple[int, dict]:
        """Return the status and the answer of one call at the plugin's socket."""
        text = json.dumps(body or {}).encode() if raw is None else raw
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(f"/proc/{self.host.pid}/root{SOCKET}")
            length = head or f"Content-Length: {len(text)}"
            connection.sendall(f"POST /{method} HTTP/1.1\r\nHost: \r\n{length}\r\n\r\n".encode() + text)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        status, _blank, content = answer.partition(b"\r\n\r\n")
        return int(status.split()[1]), json.loads(content)


@pytest.fixture(scope="module")
def docker(new_host):
    needs("dockerd", "docker", "containerd", "runc")
    docker = Plugged(new_host(), "docker", *DOCKER)
    docker.host.run("sh", "-c", f"{MORE} && tar -c . >/root/image.tar")
    python = Path(sys.executable)  # of the environment, whose own folder has no blank in its name
    zipapp = base64.b64encode(_zipapp.zipapp(f"{python.parent.resolve() / python.name} -I")).decode()
    docker.host.run("sh", "-c", f"base64 -d >{COMMAND} && chmod 755 {COMMAND}", stdin=zipapp)
    docker.start_plugin()
    start_dockerd(docker.host)
    docker("import", "/root/image.tar", "busybox")
    docker.host.run(
        "sh",
        "-c",
        "ip netns add outside && ip -n outside link set lo up"
        " && ip link add out0 type veth peer name eth0 netns outside && ip link set out0 up"
        " && ip address add 198.51.100.1/24 dev out0 && ip -n outside address add 198.51.100.2/24 dev eth0"
        " && ip -n outside link set eth0 up",
    )
    return docker


@pytest.fixture
def clean(docker):
    """After the test nothing is left of it: neither Docker's nor ours."""
    yield docker
    docker.host.run("sh", "-c", f"{' '.join(DOCKER)} ps -aq | xargs -r {' '.join(DOCKER)} rm -f")
    docker.host.run(
        "sh", "-c", f"{' '.join(DOCKER)} network ls -q --filter driver=netloom | xargs -r {' '.join(DOCKER)} network rm"
    )
    left = docker.names()
    for name in left:  # so that the next test does not meet it
        docker.engine(f"networks.network_absent(host, {name!r}, force=True)")
    assert left == set()
    assert docker.host.run("sh", "-c", "ip -br link | grep -c -E '^(br-|veth|peer)'", check=False).stdout == "0\n"


OURS = ("network", "create", "--driver", "netloom", "--ipam-driver", "netloom")


def changed(spec: str) -> str:
    return f"[str(change) for change in networks.network_present(host, {spec}).outcome.changes]"


def test_a_container_runs_on_a_network_that_both_know(clean):
    docker = clean
    docker(
        *OURS,
        "--subnet",
        "10.77.0.0/24",
        "--aux-address",
        "printer=10.77.0.2",
        "--ipv6",
        "--subnet",
        "fd77::/64",
        "-o",
        "network=app",
        "dapp",
    )
    docker.run_box("web", "--network", "dapp")
    docker.run_box("fixed", "--network", "dapp", "--ip", "10.77.0.50")
    assert (docker.address("web", "dapp"), docker.address("fixed", "dapp")) == ("10.77.0.3", "10.77.0.50")
    shape = docker.network("app")
    assert shape["Containers"] == {
        f"ep-{endpoint}": {
            "Name": endpoint,
            "EndpointID": endpoint,
            "MacAddress": mac,
            "IPv4Address": address,
            "IPv6Address": address6,
        }
        for container, mac, address, address6 in (
            ("web", "02:42:0a:4d:00:03", "10.77.0.3/24", "fd77::2/64"),
            ("fixed", "02:42:0a:4d:00:32", "10.77.0.50/24", "fd77::3/64"),
        )
        for endpoint in [docker("inspect", "--format", "{{.NetworkSettings.Networks.dapp.EndpointID}}", container)]
    }
    assert shape["IPAM"]["Config"] == [
        {"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1", "AuxiliaryAddresses": {"printer": "10.77.0.2"}},
        {"Subnet": "fd77::/64", "Gateway": "fd77::1"},
    ]
    assert shape["Labels"]["netloom.docker"] == docker("network", "inspect", "--format", "{{.Id}}", "dapp")
    assert (
        docker.reaches("web", "10.77.0.50")
        and docker.reaches("web", "10.77.0.1")
        and docker.reaches("web", "198.51.100.1")
    )
    assert docker.reaches("web", "fd77::3") and docker.reaches("web", "fd77::1")
    assert "default via 10.77.0.1 dev eth0" in docker("exec", "web", "ip", "route")
    assert docker.netloom("verify") == docker.netloom("restore") == ""
    docker("rm", "--force", "web", "fixed")
    assert docker.network("app")["Containers"] == {}
    assert docker.network("app")["Status"]["IPAM"]["Subnets"]["10.77.0.0/24"]["IPsInUse"] == 4
    docker("network", "rm", "dapp")
    assert docker.names() == set()


def test_a_container_is_connected_and_disconnected_while_it_runs(clean):
    docker = clean
    for name, subnet in (("front", "10.1.0.0/24"), ("back", "10.2.0.0/24")):
        docker(*OURS, "--subnet", subnet, "-o", f"network={name}", name)
    docker.run_box("web", "--network", "front")
    docker.run_box("db", "--network", "back")
    docker("network", "connect", "--ip", "10.2.0.9", "--alias", "backend", "back", "web")
    assert docker.address("web", "back") == "10.2.0.9"
    assert docker.reaches("web", docker.address("db", "back"))
    assert docker.reaches("db", "backend")  # a name of Docker's own
    docker("network", "disconnect", "back", "web")
    assert not docker.reaches("db", "10.2.0.9")
    assert "eth1" not in docker("exec", "web", "ip", "link")
    docker("network", "connect", "back", "web")
    assert docker.reaches("db", "10.2.0.3")  # the lowest one is free again: "db" has .2
    assert docker.netloom("verify") == ""


def echoes(docker, port: int) -> bool:
    done = docker.host.run(
        "ip",
        "netns",
        "exec",
        "outside",
        "timeout",
        "3",
        "busybox",
        "nc",
        "-w",
        "2",
        "198.51.100.1",
        port,
        stdin="hello",
        check=False,
    )
    return done.stdout == "hello"


def test_a_published_port_leads_to_a_container_for_as_long_as_it_runs(clean):
    docker = clean
    docker(*OURS, "-o", "network=app", "app")
    command = ("/bin/nc", "-ll", "-p", "80", "-e", "/bin/cat")
    docker("run", "--detach", "--name", "web", "--network", "app", "--publish", "8080:80", "busybox", *command)
    assert echoes(docker, 8080) and not echoes(docker, 8081)
    assert docker.netloom("verify") == ""
    taken = docker.refused("run", "--rm", "--network", "app", "--publish", "8080:80", "busybox", *command)
    assert "published_ports: port 8080/tcp is held by" in taken
    docker("stop", "--time", "1", "web")
    assert not echoes(docker, 8080)
    docker("start", "web")
    assert echoes(docker, 8080)
    assert len(docker.network("app")["Containers"]) == 1


def test_containers_of_docker_and_of_ours_are_neighbours(clean):
    docker = clean
    docker(*OURS, "--subnet", "10.77.0.0/24", "-o", "network=app", "app")
    docker.run_box("web", "--network", "app")
    docker.host.run("ip", "netns", "add", "c1")
    ours = drive(docker.host, "attach=app/c1")[0]["endpoint"]
    docker.run_box("late", "--network", "app")
    assert (docker.address("web", "app"), ours["ipv4"], docker.address("late", "app")) == (
        "10.77.0.2",
        "10.77.0.3/24",
        "10.77.0.4",
    )
    assert docker.reaches("web", "10.77.0.3")
    docker.host.run("ip", "netns", "exec", "c1", "ping", "-c1", "-W2", "10.77.0.4")
    assert docker.engine("networks.network_absent(host, 'app')") == "network_in_use"
    assert "10.77.0.3 on network app is held by c1" in docker.refused(
        "run", "--network", "app", "--ip", "10.77.0.3", "busybox", "sleep", "1"
    )

    docker("rm", "--force", "web", "late")
    docker("network", "rm", "app")
    assert list(docker.network("app")["Containers"].values())[0]["Name"] == "c1"  # it is not Docker's to remove
    drive(docker.host, "detach=app/c1", "absent=app")
    docker.host.run("ip", "netns", "delete", "c1")


def test_a_network_that_was_there_before_is_used_and_stays(clean):
    docker = clean
    docker.engine(changed("NetworkSpec('own', dns=False)"))
    before = docker.network("own")
    subnet = before["IPAM"]["Config"][0]["Subnet"]
    other = docker.refused("network", "create", "-d", "netloom", "--subnet", "10.9.0.0/24", "-o", "network=own", "d1")
    assert "not 10.9.0.0/24; give it as --subnet" in other
    assert "option mtu: it has its own" in docker.refused(
        *OURS, "--subnet", subnet, "-o", "network=own", "-o", "mtu=1400", "d1"
    )
    docker(*OURS, "--subnet", subnet, "-o", "network=own", "d1")
    docker.run_box("web", "--network", "d1")
    assert docker.reaches("web", before["IPAM"]["Config"][0]["Gateway"])
    docker("rm", "--force", "web")
    assert docker.engine("networks.network_absent(host, 'own')") == "network_in_use"
    docker("network", "rm", "d1")
    assert docker.network("own") == before
    drive(docker.host, "absent=own")


def test_a_network_changes_and_is_repaired_under_its_containers(clean):
    docker = clean
    docker(
        "network", "create", "-d", "netloom", "--subnet", "10.77.0.0/24", "-o", "network=app", "-o", "mtu=1400", "app"
    )
    unknown = docker.refused("network", "create", "-d", "netloom", "-o", "mtus=1400", "x")
    assert "driver_options: 'mtus' is not an option of driver bridge (did you mean mtu?)" in unknown
    docker.run_box("one", "--network", "app")
    docker.run_box("two", "--network", "app")
    assert "mtu 1400" in docker("exec", "one", "ip", "link", "show", "eth0")
    assert docker.reaches("one", "10.77.0.3")
    assert "isolated" in docker.engine(changed("NetworkSpec('app', options=(('icc', 'false'), ('mtu', '1400')))"))
    assert not docker.reaches("one", "10.77.0.3")
    assert docker.reaches("one", "10.77.0.1")
    docker.engine(changed("NetworkSpec('app', options=(('mtu', '1300'),), labels=(('a', 'b'),), internal=True)"))
    assert docker.reaches("one", "10.77.0.3")
    assert "mtu 1300" in docker("exec", "one", "ip", "link", "show", "eth0")
    assert docker.netloom("verify") == ""
    bridge = f"br-{docker.network('app')['Id'][:12]}"
    docker.host.run("ip", "link", "delete", bridge)
    assert "is missing" in docker.netloom("verify", code=1)
    docker.netloom("restore")
    assert docker.netloom("verify") == ""
    assert docker.reaches("one", "10.77.0.3")
    (port, *_others) = docker.host.run("ls", f"/sys/class/net/{bridge}/brif").stdout.split()
    docker.host.run("ip", "link", "delete", port)
    assert "has lost its interface" in docker.netloom("verify", code=1)
    docker.netloom("restore")
    other = "NetworkSpec('app', pools=(PoolSpec(ip_network('10.78.0.0/24')),), force=True)"
    assert docker.engine(changed(other)) == "network_in_use"


def test_docker_and_its_plugin_may_start_again_and_be_killed(clean):
    docker = clean
    docker(*OURS, "--subnet", "10.77.0.0/24", "-o", "network=app", "app")
    docker.run_box("kept", "--network", "app", "--restart", "always", "--ip", "10.77.0.9")
    docker.kill_plugin("TERM")
    assert docker.host.run("test", "-e", SOCKET, check=False).returncode
    docker.start_plugin()
    docker.kill_plugin()
    docker.start_plugin()  # beside the socket of the one that was killed
    docker.run_box("next", "--network", "app")
    assert docker.reaches("next", "10.77.0.9")

    # A call waits for somebody who changes something, and the plugin dies meanwhile: Docker asks again.
    docker.host.run(
        "sh",
        "-c",
        "(flock /var/lib/netloom/lock sleep 600) </dev/null >/dev/null 2>&1 & echo $! >/run/flock.pid; sleep 0.3",
    )
    docker.host.run(
        "sh",
        "-c",
        f"({' '.join(DOCKER)} run --detach --name waits --network app --stop-signal KILL busybox sleep 600"
        " >/run/waits 2>&1; echo $? >>/run/waits) </dev/null >/dev/null 2>&1 &",
    )
    time.sleep(1)
    docker.kill_plugin()
    docker.host.run("sh", "-c", "pkill -P $(cat /run/flock.pid)")
    docker.start_plugin()
    wait_for(docker.host, "grep -q ^0 /run/waits", "/run/waits")
    assert docker.reaches("waits", "10.77.0.9")

    docker.host.run(
        "sh", "-c", "kill $(cat /var/run/docker.pid); while [ -e /var/run/docker.pid ]; do sleep 0.05; done"
    )
    assert docker.network("app")["Containers"] == {}
    start_dockerd(docker.host)
    rig.until(lambda: docker.address("kept", "app") == "10.77.0.9", 20)
    docker("start", "next")
    assert docker.reaches("next", "10.77.0.9")
    assert len(docker.network("app")["Containers"]) == 2
    assert docker.netloom("verify") == ""


# --- what Docker says and hears ---


def test_every_call_is_answered_as_docker_expects_and_may_come_twice(clean):
    docker, ids = clean, {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
    pool = {"PoolID": "netloom/10.66.0.0/24/10.66.0.128/25"}
    gateway = {"RequestAddressType": "com.docker.network.gateway"}
    portmap = [{"Proto": 17, "IP": "", "Port": 53, "HostIP": "", "HostPort": 5353, "HostPortEnd": 5353}]
    datum = {
        "AddressSpace": "netloom",
        "Pool": "10.66.0.0/24",
        "Gateway": "10.66.0.1/24",
        "AuxAddresses": {"a": "10.66.0.5/24"},
    }
    given = {"Address": "10.66.0.128/24", "AddressIPv6": "", "MacAddress": ""}
    conversation = [
        ("Plugin.Activate", {}, {"Implements": ["NetworkDriver", "IpamDriver"]}),
        (
            "NetworkDriver.GetCapabilities",
            {},
            {"Scope": "local", "ConnectivityScope": "local", "GwAllocChecker": False},
        ),
        ("IpamDriver.GetCapabilities", {}, {"RequiresMACAddress": False, "RequiresRequestReplay": False}),
        (
            "IpamDriver.GetDefaultAddressSpaces",
            {},
            {"LocalDefaultAddressSpace": "netloom", "GlobalDefaultAddressSpace": "netloom-global"},
        ),
        (
            "IpamDriver.RequestPool",
            {
                "AddressSpace": "netloom",
                "Pool": "10.66.0.0/24",
                "SubPool": "10.66.0.128/25",
                "Options": {},
                "V6": False,
            },
            {**pool, "Pool": "10.66.0.0/24", "Data": {}},
        ),
        (
            "IpamDriver.RequestAddress",
            {**pool, "Address": "10.66.0.1", "Options": gateway},
            {"Address": "10.66.0.1/24", "Data": {}},
        ),
        (
            "NetworkDriver.CreateNetwork",
            {
                "NetworkID": NETWORK,
                "Options": {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": {"network": "app"}},
                "IPv4Data": [datum],
                "IPv6Data": [],
            },
            {},
        ),
        (
            "IpamDriver.RequestAddress",
            {**pool, "Address": "10.66.0.128", "Options": None},
            {"Address": "10.66.0.128/24", "Data": {}},
        ),
        (
            "NetworkDriver.CreateEndpoint",
            {**ids, "Interface": given, "Options": {}},
            {"Interface": {"MacAddress": "02:42:0a:42:00:80"}},
        ),
        (
            "NetworkDriver.Join",
            {**ids, "SandboxKey": "/var/run/docker/netns/0123456789ab", "Options": {}},
            {
                "InterfaceName": {"SrcName": f"peer{ENDPOINT[:11]}", "DstPrefix": "eth"},
                "Gateway": "10.66.0.1",
                "StaticRoutes": [],
                "DisableGatewayService": True,
            },
        ),
        ("NetworkDriver.ProgramExternalConnectivity", {**ids, "Options": {"com.docker.network.portmap": portmap}}, {}),
        ("NetworkDriver.EndpointOperInfo", ids, {"Value": {}}),
        (
            "NetworkDriver.DiscoverNew",
            {"DiscoveryType": 1, "DiscoveryData": {"Address": "192.0.2.1", "self": True}},
            {},
        ),
    ]
    farewell = [
        ("NetworkDriver.RevokeExternalConnectivity", ids, {}),
        ("NetworkDriver.Leave", ids, {}),
        ("NetworkDriver.DeleteEndpoint", ids, {}),
        ("IpamDriver.ReleaseAddress", {**pool, "Address": "10.66.0.128"}, {}),
        ("IpamDriver.ReleaseAddress", {**pool, "Address": "10.66.0.1"}, {}),
        ("IpamDriver.ReleasePool", pool, {}),
        ("NetworkDriver.DeleteNetwork", {"NetworkID": NETWORK}, {}),
    ]
    for method, body, answer in conversation:
        for _time in range(2):
            assert (method, docker.call(method, body)) == (method, (200, answer))
    shape = docker.network("app")
    assert shape["IPAM"]["Config"] == [
        {
            "Subnet": "10.66.0.0/24",
            "IPRange": "10.66.0.128/25",
            "Gateway": "10.66.0.1",
            "AuxiliaryAddresses": {"a": "10.66.0.5"},
        }
    ]
    assert [*shape["Containers"]] == [f"ep-{ENDPOINT}"]
    assert docker.netloom("verify") == ""
    for method, body, answer in farewell:
        for _time in range(2):
            assert (method, docker.call(method, body)) == (method, (200, answer))
        if method == "NetworkDriver.DeleteEndpoint":  # Docker still has the address
            held = docker.call(
                "NetworkDriver.CreateEndpoint", {**ids, "EndpointID": "d" * 64, "Interface": {**given, "Address": ""}}
            )
            assert held[1]["Interface"]["Address"] == "10.66.0.129/24"
    assert docker.names() == set()


def test_what_is_no_call_is_refused_and_hurts_nobody(clean):
    docker = clean
    assert docker.call("NetworkDriver.AllocateNetwork")[0] == 404
    assert docker.call("IpamDriver.RequestPool", raw=b"{")[1]["Error"].startswith("the request is not JSON: ")
    assert docker.call("NetworkDriver.Leave", raw=b"[]") == (400, {"Err": "the request is not a JSON object"})
    too_long = "the request is longer than 1048576 bytes"
    assert docker.call("NetworkDriver.Leave", raw=b"", head="Content-Length: 104857600") == (413, {"Err": too_long})
    assert docker.call("NetworkDriver.Leave", raw=b"ffffff\r\n", head="Transfer-Encoding: chunked") == (
        413,
        {"Err": too_long},
    )
    unknown = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "/x"}
    assert docker.call("NetworkDriver.Join", unknown) == (
        200,
        {"Err": f"NetworkID: no network is Docker's {NETWORK[:12]}"},
    )
    for value in (None, "", "../x", 5, "g" * 500):
        assert docker.call("NetworkDriver.Join", {**unknown, "NetworkID": value})[1]["Err"].startswith("NetworkID: ")
    lost = {"PoolID": "netloom/10.66.0.0/24", "Address": ""}
    assert "none that was given here" in docker.call("IpamDriver.RequestAddress", lost)[1]["Error"]
    host = {"AddressSpace": "netloom", "Pool": "198.51.100.0/25"}
    assert "overlaps 198.51.100.0/24" in docker.call("IpamDriver.RequestPool", host)[1]["Error"]
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    answer = docker.call("NetworkDriver.GetCapabilities", raw=chunks, head="Transfer-Encoding: chunked")
    assert answer[1]["Scope"] == "local"
    assert docker.host.run("stat", "-c", "%a %U", SOCKET).stdout == "600 root\n"
    assert docker.names() == set()


# --- the end, as the other tests need what a boot takes ---


def test_after_a_reboot_docker_starts_its_containers_on_what_was_restored(clean):
    docker = clean
    docker(*OURS, "--subnet", "10.77.0.0/24", "-o", "network=app", "app")
    docker.run_box("kept", "--network", "app", "--restart", "always", "--ip", "10.77.0.9")
    docker.run_box("plain", "--network", "app")
    docker.host.stop()
    docker.host.start()
    docker.host.run("rm", "-f", "/var/run/docker.pid")
    docker.netloom("restore", "--early")
    docker.start_plugin()
    start_dockerd(docker.host)
    rig.until(lambda: docker.address("kept", "app") == "10.77.0.9", 20)
    assert docker.reaches("kept", "10.77.0.1")
    assert [each["IPv4Address"] for each in docker.network("app")["Containers"].values()] == ["10.77.0.9/24"]
    docker("start", "plain")
    assert docker.reaches("plain", "10.77.0.9")
    assert docker.netloom("verify") == ""
