# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a throw-away host: what has to be timed there, without the way into the host.

Reads the name of a function and its arguments as JSON, and prints as JSON what it returns. Durations are in seconds.
"""

from __future__ import annotations

import http.client
import importlib
import ipaddress
import json
import socket
import subprocess
import sys
import tempfile
import time

DOCKER_SOCKET = "/var/run/docker.sock"


def shell(script):
    """Return how long a shell script takes.

    :raises SystemExit: it fails.
    """
    started = time.perf_counter()
    done = subprocess.run(["/bin/sh", "-ec", script], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{script[:80]}: {done.stderr[-1000:]}")
    return seconds


class Docker:
    """Docker's API on one connection, with nothing of Ansible's around it."""

    def __init__(self):
        self._http = http.client.HTTPConnection("docker")
        self._http.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._http.sock.connect(DOCKER_SOCKET)

    def __call__(self, method, path, **body):
        """Return how long a request takes.

        :raises SystemExit: Docker refuses it.
        """
        started = time.perf_counter()
        self._http.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {text.decode()}")
        return time.perf_counter() - started

    def network(self, name, subnet):
        return self("POST", "/networks/create", Name=name, IPAM={"Config": [{"Subnet": subnet}]})


def docker_connects(containers, subnet):
    """Return how long it takes to connect each container, one after the other, to a network that is then removed."""
    docker = Docker()
    docker.network("measured", subnet)
    seconds = [docker("POST", "/networks/measured/connect", Container=name) for name in containers]
    for name in containers:
        docker("POST", "/networks/measured/disconnect", Container=name, Force=True)
    docker("DELETE", "/networks/measured")
    return seconds


def docker_networks(subnets):
    """Return how long it takes to create each network, beside those before it; they are then removed."""
    docker = Docker()
    seconds = [docker.network(f"measured{number}", subnet) for number, subnet in enumerate(subnets)]
    for number in range(len(subnets)):
        docker("DELETE", f"/networks/measured{number}")
    return seconds


def allocations(subnet, held, count):
    """Return how long each of `count` allocations takes in a subnet whose first `held` addresses are recorded as taken.

    In this process, with the records in a folder of their own; each allocation looks the address up as a task does.
    """
    prefix = "ansible_collections.netloom.containers.plugins.module_utils."
    names = ("_ipam", "_model", "_resources", "_changes")
    ipam, model, resources, changes = (importlib.import_module(prefix + name) for name in names)
    records_of = importlib.import_module(prefix + "_kernel.records").Records
    network = ipaddress.ip_network(subnet)
    pool = model.Pool(network, network[1])
    made = [resources.NetworkRecord(model.Network("measured", "0" * 64, "bridge", (pool,)))]
    for number in range(held):
        interface = ipaddress.ip_interface((network[2 + number], network.prefixlen))
        family = {f"ipv{network.version}": interface}
        made.append(
            resources.EndpointRecord(model.Endpoint("measured", f"c{number}", "netns", "", "", "eth0", "", **family))
        )
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        records = records_of(folder)
        intent = [changes.Change(None, record) for record in made]
        records.begin(intent)
        records.complete(intent, [record.key for record in made])
        for _number in range(count):
            started = time.perf_counter()
            ipam.free_address(pool, ipam.Leases(records.leases("measured")), "measured")
            seconds.append(time.perf_counter() - started)
        records.close()
    return seconds


if __name__ == "__main__":
    function, *arguments = json.load(sys.stdin)
    json.dump(globals()[function](*arguments), sys.stdout)
