# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fabric of leaves and spines: every leaf finds every other, both ways through the same spine."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

errors = pytest.importorskip("ansible.errors", reason="filters run on the controller, where Ansible is")

from ansible_collections.netloom.containers.plugins.filter.fabric import FilterModule, fabric  # noqa: E402

LINKS = "10.255.0.0/16"


def leaves(count):
    return [{"name": f"leaf{number}", "subnet": f"10.81.{number}.0/24"} for number in range(count)]


def walked(plan, leaf, destination):
    """Return the routers that a packet passes from a leaf to an address, as their routes lead it."""
    held = {(item["network"], item["ipv4_address"]): item["container"] for item in plan["attachments"]}
    path = [leaf]
    while True:
        mine = [item for item in plan["attachments"] if item["container"] == path[-1]]
        networks = {item["name"]: ipaddress.ip_network(item["subnet"]) for item in plan["networks"]}
        if any(destination in networks[item["network"]] for item in mine):
            return path
        (following,) = (
            held[item["network"], route["gateway"]]
            for item in mine
            for route in item.get("routes", [])
            if destination in ipaddress.ip_network(route["destination"])
        )
        assert following not in path
        path.append(following)


def described(plan, network):
    return {
        item["container"]: (item["interface_name"], item["ipv4_address"], item["routes"])
        for item in plan["attachments"]
        if item["network"] == network
    }


def test_ansible_finds_it():
    assert FilterModule().filters() == {"fabric": fabric}


def test_two_leaves_and_one_spine_as_a_whole():
    hidden = {"internal": True, "driver_options": {"gateway_mode_ipv4": "isolated"}}
    members = ["a1", {"container": "a2", "ipv4_address": "10.81.0.9"}]
    default = {"destination": "default", "gateway": "10.81.0.1"}
    plan = fabric([{**leaves(1)[0], "members": members}, leaves(2)[1]], ["spine"], "f", LINKS)
    assert plan["namespaces"] == [
        {"name": name, "sysctls": {"net.ipv4.ip_forward": 1}} for name in ("leaf0", "leaf1", "spine")
    ]
    assert plan["networks"] == [
        {"name": "f-leaf0", "subnet": "10.81.0.0/24", "gateway": "10.81.0.254", **hidden},
        {"name": "f-leaf1", "subnet": "10.81.1.0/24", "gateway": "10.81.1.254", **hidden},
        {"name": "f-leaf0-spine", "subnet": "10.255.0.0/29", "gateway": "10.255.0.6", **hidden},
        {"name": "f-leaf1-spine", "subnet": "10.255.0.8/29", "gateway": "10.255.0.14", **hidden},
    ]
    assert plan["attachments"][:3] == [
        {"network": "f-leaf0", "container": "leaf0", "interface_name": "lan", "ipv4_address": "10.81.0.1"},
        {"network": "f-leaf0", "container": "a1", "routes": [default]},
        {"network": "f-leaf0", "container": "a2", "ipv4_address": "10.81.0.9", "routes": [default]},
    ]
    assert described(plan, "f-leaf0-spine") == {
        "spine": ("leaf0", "10.255.0.1", [{"destination": "10.81.0.0/24", "gateway": "10.255.0.2"}]),
        "leaf0": ("spine", "10.255.0.2", [{"destination": "10.81.1.0/24", "gateway": "10.255.0.1"}]),
    }


@pytest.mark.parametrize("spines", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_leaf_finds_every_other_both_ways_through_one_spine(count, spines):
    plan = fabric(leaves(count), [f"spine{number}" for number in range(spines)], "f", LINKS)
    for one, other in itertools.permutations(range(count), 2):
        there = walked(plan, f"leaf{one}", ipaddress.ip_address(f"10.81.{other}.5"))
        back = walked(plan, f"leaf{other}", ipaddress.ip_address(f"10.81.{one}.5"))
        assert there == [f"leaf{one}", f"spine{(one + other) % spines}", f"leaf{other}"]
        assert back == there[::-1]


def test_a_leaf_and_a_spine_more_move_no_address_and_no_network():
    small = fabric(leaves(2), ["s0"], "f", LINKS)
    large = fabric(leaves(3), ["s0", "s1"], "f", LINKS)
    assert [item for item in small["networks"] if item not in large["networks"]] == []
    where = {(item["network"], item["container"]): item["ipv4_address"] for item in large["attachments"]}
    for item in small["attachments"]:
        assert where[item["network"], item["container"]] == item["ipv4_address"]


def test_no_two_networks_of_the_largest_fabric_overlap():
    plan = fabric(leaves(64), ["s0", "s1", "s2"], "f", LINKS)
    subnets = sorted(ipaddress.ip_network(item["subnet"]) for item in plan["networks"])
    assert len(subnets) == 64 * 4
    assert not any(one.overlaps(other) for one, other in zip(subnets, subnets[1:]))


def test_with_a_routing_daemon_routers_have_no_routes():
    plan = fabric([{**leaves(1)[0], "members": ["a1"]}, leaves(2)[1]], ["s0"], "f", LINKS, static=False)
    routes = {item["container"]: item.get("routes") for item in plan["attachments"]}
    assert routes == {
        "a1": [{"destination": "default", "gateway": "10.81.0.1"}],
        "leaf0": [],
        "leaf1": [],
        "s0": [],
    }


def test_a_router_may_have_any_address_and_members_routes_of_their_own():
    member = {"container": "a1", "routes": [{"destination": "10.9.0.0/16", "gateway": "10.81.0.7"}]}
    plan = fabric([{**leaves(1)[0], "router": "10.81.0.254", "members": [member]}], ["s0"], "f", LINKS)
    assert plan["networks"][0]["gateway"] == "10.81.0.1"
    assert plan["attachments"][0]["ipv4_address"] == "10.81.0.254"
    assert plan["attachments"][1]["routes"] == [
        {"destination": "10.9.0.0/16", "gateway": "10.81.0.7"},
        {"destination": "default", "gateway": "10.81.0.254"},
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([{"name": "a"}], ["s"], "f", LINKS), "leaves[0]: there is no subnet"),
        (([{"subnet": "10.81.0.0/24"}], ["s"], "f", LINKS), "leaves[0]: there is no name"),
        (
            ([{"name": "a", "subnet": "10.81.0.1/24"}], ["s"], "f", LINKS),
            "leaves[0].subnet: 10.81.0.1/24 has host bits set",
        ),
        ((leaves(2), [], "f", LINKS), "spines: there is none, and leaves are linked by nothing else"),
        ((leaves(2), ["leaf1"], "f", LINKS), "leaves, spines: leaf1 is there twice"),
        ((leaves(65), ["s"], "f", LINKS), "leaves: there are 65, and a fabric has at most 64"),
        (
            (leaves(2), ["s", "t"], "f", "10.255.0.0/23"),
            "links: 10.255.0.0/23 is too small, 2 spines take 512 addresses each",
        ),
        ((leaves(2), ["s"], "f", "nonsense"), "links: Expected 4 octets in 'nonsense'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(errors.AnsibleFilterError) as caught:
        fabric(*arguments)
    assert str(caught.value) == message
