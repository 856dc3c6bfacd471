# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machine has what it is there for: links that other kernels lack, and a kernel that the engine works on."""

from __future__ import annotations

import pytest
import rig
from engine import attach, do, present, sandwich

pytestmark = pytest.mark.vm

KINDS = {
    "bridge": ("vlan_filtering", "1"),
    "dummy": (),
    "ifb": (),
    "ipvlan": ("mode", "l3"),
    "macvlan": ("mode", "bridge"),
    "vlan": ("id", "10"),
    "vrf": ("table", "10"),
    "vxlan": ("id", "10", "dstport", "4789"),
}
ON_A_PARENT = {"ipvlan", "macvlan", "vlan"}
QDISCS = ("fq_codel", "htb", "netem", "tbf")


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_has_links_of_a_kind(kind):
    rig.run("ip", "link", "add", "parent", "type", "bridge")
    parent = ("link", "parent") if kind in ON_A_PARENT else ()
    made = rig.run("ip", "link", "add", "probe", *parent, "type", kind, *KINDS[kind], check=False)
    if made.returncode:
        pytest.skip(f"this kernel has no {kind}: {made.stderr.strip()}")
    assert f" {kind} " in rig.run("ip", "-d", "link", "show", "probe").stdout


@pytest.mark.parametrize("qdisc", QDISCS)
def test_the_kernel_can_shape_traffic_with(qdisc):
    options = {"netem": ("delay", "1ms"), "tbf": ("rate", "1mbit", "burst", "10kb", "latency", "50ms")}
    made = rig.run("tc", "qdisc", "add", "dev", "lo", "root", qdisc, *options.get(qdisc, ()), check=False)
    if made.returncode:
        pytest.skip(f"this kernel has no {qdisc}: {made.stderr.strip()}")
    assert f"qdisc {qdisc} " in rig.run("tc", "qdisc", "show", "dev", "lo").stdout


def test_containers_of_a_bridge_reach_each_other():
    for name in ("c1", "c2"):
        rig.netns(name)
    assert sandwich(present("net", "10.1.0.0/24", "fd00:1::/64"))
    assert do(attach("net", "c1"), attach("net", "c2", ipv4="10.1.0.50"))
    rig.pings("c1", "10.1.0.50")
    rig.pings("c2", "fd00:1::1")
