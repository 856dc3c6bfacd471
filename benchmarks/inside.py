# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a throw-away host: what has to be timed there, without the way into the host.

Reads the name of a function and its arguments as JSON, and prints as JSON what it returns. Durations are in seconds.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import subprocess
import sys
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
    """Return how long each of `count` allocations takes in a subnet whose first `held` addresses are taken.

    In this process, with the collection's own allocator and nothing else. This is the place to change when the
    allocator's interface does.
    """
    from ansible_collections.netloom.containers.plugins.module_utils import _ipam
    from ansible_collections.netloom.containers.plugins.module_utils._model import Pool

    network = ipaddress.ip_network(subnet)
    pool = Pool(network, network[1])
    used = {network[2 + number]: "taken" for number in range(held)}
    seconds = []
    for _number in range(count):
        started = time.perf_counter()
        address = _ipam.free_address(pool, used, "measured")
        seconds.append(time.perf_counter() - started)
        used[address.ip] = "measured"
    return seconds


if __name__ == "__main__":
    function, *arguments = json.load(sys.stdin)
    json.dump(globals()[function](*arguments), sys.stdout)
