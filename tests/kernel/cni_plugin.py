# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CNI plugin (CNI 1.1, with STATUS and GC) that keeps what it was told, and misbehaves as its configuration says.

`behaves` in its configuration is a way to misbehave by command. What it is told is one line of JSON each in calls; for
each attachment that it has, there is a file. It makes a veth pair unless it is told of a result.
"""

import json
import os
import subprocess
import sys
import time

FOLDER = "/run/cni-test"
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def main():
    told = json.load(sys.stdin)
    environment = {name: value for name, value in os.environ.items() if name.startswith("CNI_")}
    command = environment["CNI_COMMAND"]
    os.makedirs(f"{FOLDER}/attachments", exist_ok=True)
    if command == "VERSION":
        return answer({"cniVersion": "1.1.0", "supportedVersions": told.get("versions", VERSIONS)})
    with open(f"{FOLDER}/calls", "a") as calls:
        calls.write(json.dumps({"command": command, "config": told, **environment}) + "\n")
    behaviour = told.get("behaves", {}).get(command)
    if os.path.exists(f"{FOLDER}/behaves"):
        with open(f"{FOLDER}/behaves") as file:
            behaviour = json.load(file).get(command, behaviour)
    return {"ADD": add, "DEL": delete, "GC": collect}.get(command, nothing)(told, environment, behaviour)


def answer(value):
    print(json.dumps(value))
    return 0


def fails(code, msg, details=""):
    answer({"cniVersion": "1.1.0", "code": code, "msg": msg, "details": details})
    return 1


def misbehaves(behaviour):
    """Return the exit status of what can be done wrong whatever the command, None for nothing."""
    if behaviour == "exit":
        sys.stderr.write("boom\n")
        return 1
    if behaviour == "error":
        sys.stderr.write("boom\n")
        return fails(7, "no such thing", "ask somebody else")
    if behaviour == "garbage":
        print("Hello, world!")
        return 0
    if behaviour == "hang":
        subprocess.Popen(["sleep", "1000"])
        time.sleep(1000)
    if behaviour == "flood":
        for _line in range(100 << 10):
            sys.stdout.write("x" * 1023 + "\n")
        return 0
    if behaviour == "busy":
        with open(f"{FOLDER}/tries", "a+") as file:
            file.write("x")
            file.seek(0)
            if len(file.read()) < 3:
                return fails(11, "later")
    return None


def add(told, environment, behaviour):
    name, netns = environment["CNI_IFNAME"], environment["CNI_NETNS"]
    open(attachment(environment), "w").close()
    status = misbehaves(behaviour)
    if status is not None:
        return status
    result = told.get("prevResult")
    if result is None:
        inside = ["ip", "-n", os.path.basename(netns)]
        peer = "p" + environment["CNI_CONTAINERID"][:12]
        subprocess.check_call([*inside, "link", "add", name, "type", "veth", "peer", "name", peer])
        subprocess.check_call([*inside, "address", "add", "10.99.0.5/24", "dev", name])
        subprocess.check_call([*inside, "link", "set", name, "up"])
        result = {
            "interfaces": [{"name": name, "sandbox": netns}],
            "ips": [{"address": "10.99.0.5/24", "interface": 0}],
        }
    result["cniVersion"] = told["cniVersion"]
    if behaviour == "leave":
        return fails(100, "it is made, and cannot be used")
    odd = {
        "foreign": {"interfaces": [{"name": "up0", "sandbox": netns}]},
        "elsewhere": {"interfaces": [{"name": name, "sandbox": "/run/netns/c2"}]},
        "liar": {"ips": [{"address": "10.98.0.5/24", "interface": 0}]},
        "nonsense": {"ips": [{"address": "banana"}]},
        "index": {"ips": [{"address": "10.99.0.5/24", "interface": 7}]},
        "list": {"ips": {"a": "b"}},
    }
    return answer({**result, **odd.get(behaviour, {})})


def delete(told, environment, behaviour):
    status = misbehaves(behaviour)
    if status is not None:
        return status
    if behaviour == "leave":
        return 0
    if environment.get("CNI_NETNS"):
        inside = ["ip", "-n", os.path.basename(environment["CNI_NETNS"])]
        subprocess.call([*inside, "link", "delete", environment["CNI_IFNAME"]], stderr=subprocess.DEVNULL)
    if os.path.exists(attachment(environment)):
        os.unlink(attachment(environment))
    return 0


def collect(told, environment, behaviour):
    valid = {f"{item['containerID']}-{item['ifname']}" for item in told["cni.dev/valid-attachments"]}
    for name in os.listdir(f"{FOLDER}/attachments"):
        if name not in valid:
            os.unlink(f"{FOLDER}/attachments/{name}")
    return misbehaves(behaviour) or 0


def nothing(told, environment, behaviour):
    if behaviour == "unready":
        return fails(50, "the daemon does not run")
    return misbehaves(behaviour) or 0


def attachment(environment):
    return f"{FOLDER}/attachments/{environment['CNI_CONTAINERID']}-{environment['CNI_IFNAME']}"


sys.exit(main())
