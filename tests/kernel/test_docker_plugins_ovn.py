# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's ovn-docker, a Docker plugin of the OVN project: two containers on an overlay network of Open vSwitch.

It needs the packages ovn-docker, ovn-central, ovn-host and openvswitch-switch, 30 MB that are not installed for every
run of the tests: without them it is skipped by name. Open vSwitch forwards in user space, which takes no kernel module.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

PATH = "/usr/bin:/usr/sbin:/bin:/sbin"
HERE = Path(__file__).parent
DATABASES = (
    "external-ids:ovn-remote=unix:/var/run/ovn/ovnsb_db.sock",
    "external-ids:ovn-nb=unix:/var/run/ovn/ovnnb_db.sock",
    "external-ids:ovn-encap-type=geneve",
    "external-ids:ovn-encap-ip=127.0.0.1",
    "external-ids:ovn-bridge-datapath-type=netdev",
)
# As packaged it takes the output of ovs-vsctl for text, which it is not, and names a scope that is a swarm's.
CURE = r"""
driver=$(command -v ovn-docker-overlay-driver)
sed -i 's/stdout=subprocess.PIPE)/stdout=subprocess.PIPE, universal_newlines=True)/; s/"Scope": "global"/"Scope": "local"/' "$driver"
mkdir -p /etc/docker/plugins
setsid /usr/bin/python3 "$driver" </dev/null >/var/log/driver.log 2>&1 &
timeout 20 sh -c 'until [ -s /etc/docker/plugins/openvswitch.spec ] && grep -q Running /var/log/driver.log; do sleep 0.2; done'
"""


@pytest.mark.packets
@pytest.mark.slow
def test_containers_reach_each_other_on_a_network_of_ovn(host):
    for program in ("ovn-docker-overlay-driver", "ovn-nbctl", "ovn-controller", "ovs-vsctl"):
        if not shutil.which(program, path=PATH):
            pytest.skip(f"{program} is not installed (packages ovn-docker, ovn-central, ovn-host, openvswitch-switch)")
    host.run("ip", "link", "set", "lo", "up")
    host.run("/usr/share/openvswitch/scripts/ovs-ctl", "--no-monitor", "--system-id=h1", "start", check=False)
    host.run("/usr/share/ovn/scripts/ovn-ctl", "start_northd")
    host.run("ovs-vsctl", "--timeout=10", "set", "open", ".", *DATABASES)
    host.run("/usr/share/ovn/scripts/ovn-ctl", "start_controller")
    host.run("sh", "-ec", CURE)
    for name in ("c1", "c2"):
        host.run("ip", "netns", "add", name)
    *made, attached, again = json.loads(
        host.run(
            *(sys.executable, "-B", HERE / "drive.py", 'plugin=net/openvswitch/{"plugin_insecure": "true"}'),
            *("attach=net/c1", "attach=net/c2", "attach=net/c2"),
        ).stdout
    )
    assert made[0]["changes"][0] == "create network net of plugin openvswitch"
    assert (attached["drift"], again["changes"]) == ([], [])
    address = attached["endpoint"]["ipv4"].split("/")[0]
    host.run("ip", "netns", "exec", "c1", "ping", "-n", "-q", "-c3", "-W2", address)
    host.run(sys.executable, "-B", HERE / "drive.py", "detach=net/c1", "detach=net/c2", "absent=net")
    assert "switch" not in host.run("ovn-nbctl", "--timeout=5", "show").stdout
