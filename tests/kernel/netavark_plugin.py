# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A netavark plugin for tests: one end of a veth pair in the container, the other on a bridge of its own, or on none.

It does as the network's options say: `bridge` names the bridge; `odd_create`, `odd_setup` and `odd_teardown` say what it
does instead of its duty. Beside it, `calls` has a line for each call: subcommand, arguments and what was read.
"""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PYTHON = "/usr/bin/python3"
ANSWER = {"version": "0.1.0", "api_version": "1.0.0"}


def install(folder):
    """Make this file the plugin `test` in a folder."""
    path = Path(folder, "test")
    path.write_text(f"#!{PYTHON}\n{Path(__file__).read_text()}")
    path.chmod(0o755)


def ip(*words, netns=None):
    inside = ["nsenter", f"--net={netns}"] if netns else []
    subprocess.run([*inside, "ip", *words], check=True, capture_output=True, text=True)


def be_odd(how):
    if how == "fail":
        print("some words on stderr", file=sys.stderr)
        print(json.dumps({"error": "no, thanks"}))
        sys.exit(1)
    if how == "silent":
        sys.exit(3)
    if how == "garbage":
        print("I am no JSON {")
        sys.exit(0)
    if how == "hang":
        time.sleep(600)
    if how == "flood":
        while True:
            sys.stdout.write("x" * (1 << 20))
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)


def create(network):
    how = network.get("options", {}).get("odd_create", "")
    be_odd(how)
    if how == "subnets":
        network["subnets"] = [{"subnet": "10.99.0.0/24", "gateway": "10.99.0.1"}]
    elif how == "rename":
        network["name"] = "another"
    network["network_interface"] = "chosen0"
    network["options"] = {**network.get("options", {}), "added": "by create"}
    print(json.dumps(network))


def outer(request):
    return f"np{request['container_id'][:10]}"


def setup(netns, request):
    options, network = request["network_options"], request["network"]
    how = network.get("options", {}).get("odd_setup", "")
    be_odd(how)
    ifname = options["interface_name"]
    digits = f"{request['container_id'][:2]}:{request['container_id'][2:4]}"
    mac = options.get("static_mac", f"02:00:00:{digits}:01")
    name = "other0" if how == "name" else ifname
    peer = ("type", "veth", "peer", "name", "inner0")
    ip("link", "add", outer(request), "address", f"02:00:00:{digits}:02", *peer)
    ip("link", "set", "inner0", "netns", netns)
    ip("link", "set", "inner0", "name", name, "address", mac, netns=netns)
    bridge = network.get("options", {}).get("bridge")
    ip("link", "set", outer(request), "up", *(["master", bridge] if bridge else []))
    subnets = []
    for address, subnet in zip(options["static_ips"], network["subnets"]):
        length = ipaddress.ip_network(subnet["subnet"]).prefixlen
        subnets.append({"ipnet": f"{address}/{length}", "gateway": subnet.get("gateway")})
        if how != "lie":
            ip("address", "add", f"{address}/{length}", "dev", name, "nodad", netns=netns)
    ip("link", "set", name, "up", netns=netns)
    if how == "half":
        be_odd("fail")
    if how == "outside":
        subnets[0]["ipnet"] = "192.0.2.7/24"
    status = {"interfaces": {name: {"mac_address": mac.upper(), "subnets": subnets}}, "unknown": 1}
    print(json.dumps(status))


def teardown(netns, request):
    be_odd(request["network"].get("options", {}).get("odd_teardown", ""))
    try:
        ip("link", "delete", outer(request))
    except subprocess.CalledProcessError as exc:
        print(json.dumps({"error": f"teardown: {exc.stderr.strip()}"}))
        sys.exit(1)


def main():
    verb, read = sys.argv[1], sys.stdin.read()
    value = json.loads(read) if read else None
    with Path(__file__).with_name("calls").open("a") as file:
        print(json.dumps([verb, sys.argv[2:], value]), file=file)
    if verb == "info":
        version = Path(__file__).with_name("api_version")
        print(json.dumps({**ANSWER, "api_version": version.read_text()} if version.exists() else ANSWER))
    elif verb == "create":
        create(value)
    else:
        {"setup": setup, "teardown": teardown}[verb](sys.argv[2], value)


if __name__ == "__main__":
    main()
