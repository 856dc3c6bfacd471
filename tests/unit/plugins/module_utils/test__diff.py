# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as two texts, of which a person reads the lines that differ."""

from __future__ import annotations

import difflib
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path

from ansible_collections.netloom.containers.plugins.module_utils._changes import Change, plan
from ansible_collections.netloom.containers.plugins.module_utils._diff import difference
from ansible_collections.netloom.containers.plugins.module_utils._model import HOST, Endpoint, Network, Pool
from ansible_collections.netloom.containers.plugins.module_utils._plugins import PluginNetwork
from ansible_collections.netloom.containers.plugins.module_utils._resources import (
    Address,
    Bridge,
    EndpointRecord,
    NetworkRecord,
    Route,
    Sysctl,
    Up,
    Veth,
)
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[4]
POOL = Pool(ip_network("10.50.0.0/24"), gateway=ip_interface("10.50.0.1/24").ip)
WEB = Network("web", "0" * 64, "bridge", pools=(POOL,), labels=(("tier", "a"),), dns=True)
BRIDGE = Bridge("br0", "02:00:00:00:00:01", 1500, "netloom:net/0123456789ab")
GATEWAY = Address(HOST, "br0", ip_interface("10.50.0.1/24"))
VETH = Veth("veth1", "br0", False, 1500, "netloom:net/ba9876543210", "netns:c1", "eth0", "02:42:0a:32:00:02")
C1 = Endpoint("web", "c1", "netns", "1" * 64, "veth1", "eth0", "02:42:0a:32:00:02", ip_interface("10.50.0.2/24"))


def changed(before, after):
    return difference([Change(NetworkRecord(before), NetworkRecord(after))])


def shown(diff):
    """Return what Ansible shows of a diff, but for its three first lines."""
    before, after = (diff[side].splitlines() for side in ("before", "after"))
    return list(difflib.unified_diff(before, after, lineterm=""))[3:]


def test_of_what_a_plugin_is_told_the_line_has_the_name_and_of_what_comes_up_that_it_does():
    new = [PluginNetwork("weave", "web", '{"zone":"blue"}'), Up(HOST, "br0")]
    lines = ["network web of plugin weave\n", "br0 (state up)\n"]
    assert difference(Change(None, item) for item in new) == {"before": "", "after": "".join(lines)}


def test_nothing_is_no_text():
    assert difference(()) == {"before": "", "after": ""}


def test_what_is_new_is_one_line_with_what_is_special_about_it():
    route = Route("netns:c1", "0.0.0.0/0", "10.50.0.1", "eth0")
    found = [NetworkRecord(WEB), EndpointRecord(C1), BRIDGE, VETH, GATEWAY, route]
    assert difference(Change(None, item) for item in found) == {
        "before": "",
        "after": "network web (driver bridge, subnet 10.50.0.0/24, gateway 10.50.0.1, labels.tier a)\n"
        "endpoint of c1 on network web "
        "(runtime netns, ipv4_address 10.50.0.2/24, mac_address 02:42:0a:32:00:02, interface_name eth0)\n"
        "bridge br0 (mac 02:00:00:00:00:01, mtu 1500)\n"
        "interface eth0 in c1 (veth1 on the host, mtu 1500, mac 02:42:0a:32:00:02)\n"
        "address 10.50.0.1/24 on br0\n"
        "route 0.0.0.0/0 in c1 (gateway 10.50.0.1, ifname eth0)\n",
    }


def test_what_goes_is_the_line_that_it_came_with():
    came, went = difference([Change(None, NetworkRecord(WEB))]), difference([Change(NetworkRecord(WEB), None)])
    assert went == {"before": came["after"], "after": ""}


def test_what_differs_from_how_all_are_is_said():
    odd = replace(WEB, pools=(), internal=True, enable_ipv4=False, dns=False, labels=())
    told = difference([Change(None, NetworkRecord(odd))])["after"]
    assert told == "network web (driver bridge, enable_ipv4 false, internal true, dns false)\n"


def test_what_changes_is_a_heading_over_the_facts_that_differ():
    after = replace(WEB, internal=True, labels=(("tier", "b"), ("zone", "1")))
    assert shown(changed(WEB, after)) == [
        " network web",
        "-  internal: false",
        "-  labels.tier: a",
        "+  internal: true",
        "+  labels.tier: b",
        "+  labels.zone: 1",
    ]


def test_what_stays_the_same_is_unsaid_in_dictionaries_and_lists():
    one = replace(WEB, labels=(("a", "1"), ("b", "2")))
    assert shown(changed(one, replace(one, labels=(("a", "1"), ("b", "3"))))) == [
        " network web",
        "-  labels.b: 2",
        "+  labels.b: 3",
    ]
    before, after = (
        EndpointRecord(replace(C1, aliases=("db", "old"))),
        EndpointRecord(replace(C1, aliases=("db", "new"))),
    )
    assert shown(difference([Change(before, after)])) == [
        " endpoint of c1 on network web",
        "-  aliases: old",
        "+  aliases: new",
    ]


def test_another_order_is_shown_whole():
    before, after = (
        replace(WEB, dns_servers=servers) for servers in (("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1"))
    )
    assert changed(before, after) == {
        "before": "network web\n  dns_servers: [192.0.2.1, 192.0.2.2]\n",
        "after": "network web\n  dns_servers: [192.0.2.2, 192.0.2.1]\n",
    }


def test_a_value_of_0_is_said():
    setting = Sysctl(HOST, "net/ipv6/conf/br0/accept_ra", "0", ifname="br0")
    assert difference([Change(None, setting)])["after"] == "sysctl net.ipv6.conf.br0.accept_ra (value 0)\n"


def test_a_replaced_link_is_on_both_sides():
    diff = difference(plan([replace(VETH, ifname="web0")], [VETH]))
    assert shown(diff) == [
        "-interface eth0 in c1 (veth1 on the host, mtu 1500, mac 02:42:0a:32:00:02)",
        "+interface web0 in c1 (veth1 on the host, mtu 1500, mac 02:42:0a:32:00:02)",
    ]


@given(st.text(), st.text())
def test_no_label_makes_a_line_of_its_own_or_reaches_the_terminal(name, value):
    new = replace(WEB, labels=((name, value),))
    for diff in (changed(replace(WEB, labels=()), new), difference([Change(None, NetworkRecord(new))])):
        assert len(diff["after"].splitlines()) <= 2
        assert all(line.isprintable() for line in diff["after"].split("\n"))


def test_the_documentation_shows_what_the_integration_test_sees():
    seen = (ROOT / "tests/integration/targets/container_network/files/diff.txt").read_text(encoding="utf-8")
    page = (ROOT / "docs/diff.md").read_text(encoding="utf-8")
    blocks = [block.partition("\n```")[0] for block in page.split("```diff\n")[1:]]
    assert "\n\n".join(blocks) == seen.rstrip("\n")
