# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Desired minus observed: what a plan holds, in which order, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _changes as changes
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change, plan
from ansible_collections.netloom.containers.plugins.module_utils._model import HOST, Endpoint, Network
from ansible_collections.netloom.containers.plugins.module_utils._plugins import PluginEndpoint, PluginNetwork
from ansible_collections.netloom.containers.plugins.module_utils._resources import (
    Address,
    Bridge,
    Element,
    EndpointRecord,
    Entry,
    Namespace,
    NetworkRecord,
    Port,
    Route,
    Ruleset,
    Sysctl,
    Up,
    Veth,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RULES = Ruleset("1")
ELEMENT = Element("bridges", ("br0",))
FORWARDING = Sysctl(HOST, "net/ipv4/ip_forward", "1", restore="0")
BRIDGE = Bridge("br0", "02:00:00:00:00:01", 1500, "netloom:net/0123456789ab")
GATEWAY = Address(HOST, "br0", ip_interface("10.50.0.1/24"))
BRIDGE_UP = Up(HOST, "br0")
VETH = Veth("veth1", "br0", False, 1500, "netloom:net/ba9876543210", "netns:c1", "eth0", "02:42:0a:32:00:02")
VETH_UP = Up(HOST, "veth1")
INSIDE = Address("netns:c1", "eth0", ip_interface("10.50.0.2/24"))
INSIDE_UP = Up("netns:c1", "eth0")
SETTING = Sysctl("netns:c1", "net/ipv6/conf/eth0/disable_ipv6", "1", ifname="eth0")
DEFAULT = Route("netns:c1", "0.0.0.0/0", "10.50.0.1", "eth0")
NETWORK = NetworkRecord(Network("net", "0" * 64, "bridge"))
ENDPOINT = EndpointRecord(Endpoint("net", "c1", "netns", "1" * 64, "veth1", "eth0", "02:42:0a:32:00:02"))
PORT = Port(
    "port 0.0.0.0:8080/tcp",
    (
        Element("hosts4", ("6", "8080"), ("10.50.0.2",)),
        Element("ports4", ("6", "8080"), ("80",)),
    ),
)
SECURITY = Ruleset("2", "bridge")
SOURCE = Entry(
    "source 10.50.0.2 of eth0 in c1 (veth1)", (Element("owned4", ("veth1", "10.50.0.2"), family="bridge"),), "bridge"
)
EVERYTHING = (
    NETWORK, ENDPOINT, RULES, SECURITY, ELEMENT, PORT, SOURCE, FORWARDING, BRIDGE, VETH, SETTING, GATEWAY, INSIDE,
    BRIDGE_UP, VETH_UP, INSIDE_UP, DEFAULT,
)  # fmt: skip


def resources(found):
    return [change.resource for change in found]


# --- order ---


def test_plan_replaces_what_is_outside_between_deletions_and_creations():
    old, new = (PluginNetwork("weave", "net", request) for request in ('{"a":1}', '{"a":2}'))
    member = PluginEndpoint("weave", "net", "netns:c1", "netns:c1", "eth0", "{}", within='{"a":1}')
    moved = replace(member, within='{"a":2}')
    assert [*map(str, plan([new, moved, VETH_UP], [old, member]))] == [
        "remove interface eth0 in c1 by plugin weave on network net",
        "remove network net of plugin weave",
        "create network net of plugin weave",
        "create interface eth0 in c1 by plugin weave on network net",
        "bring up veth1",
    ]


def test_what_is_made_anew_for_a_fault_is_drift_by_its_fault():
    member = PluginEndpoint("weave", "net", "netns:c1", "netns:c1", "eth0", "{}")
    found = plan([member, VETH_UP], [replace(member, fault="it is asleep")])
    assert changes.spoken_drifts(found) == [
        "interface eth0 in c1 by plugin weave on network net: it is asleep",
        "veth1 is down",
    ]


@pytest.mark.parametrize("order", [EVERYTHING, EVERYTHING[::-1]])
def test_creation_runs_from_records_through_rules_and_links_to_routes(order):
    assert [item.rank for item in resources(plan(order, ()))] == [
        0, 1, 10, 10, 20, 20, 20, 30, 40, 42, 50, 60, 60, 70, 70, 70, 80,
    ]  # fmt: skip


def test_rules_are_there_before_any_interface_is_up():
    order = resources(plan(EVERYTHING, ()))
    assert max(map(order.index, (RULES, SECURITY, ELEMENT, PORT, SOURCE))) < min(
        map(order.index, (BRIDGE_UP, VETH_UP, INSIDE_UP))
    )


def test_a_new_bridge_comes_up_after_its_ports():
    assert resources(plan(EVERYTHING, ()))[-4:] == [VETH_UP, INSIDE_UP, BRIDGE_UP, DEFAULT]


def test_a_bridge_that_is_there_comes_up_before_what_is_new_on_it():
    assert resources(plan(EVERYTHING, [BRIDGE]))[-4:] == [BRIDGE_UP, VETH_UP, INSIDE_UP, DEFAULT]


def test_deletion_takes_links_before_their_rules_and_rules_before_the_record():
    # The table goes last and takes its elements along; a bridge takes its addresses and its being up.
    assert resources(plan((), [NETWORK, RULES, BRIDGE, GATEWAY, BRIDGE_UP, ELEMENT])) == [BRIDGE, RULES, NETWORK]


def test_deletion_of_a_network_beside_another_takes_the_element_alone():
    assert resources(plan([RULES], [NETWORK, RULES, BRIDGE, GATEWAY, BRIDGE_UP, ELEMENT])) == [BRIDGE, ELEMENT, NETWORK]


def test_a_table_takes_along_the_ports_in_it_but_nothing_of_the_other_table():
    assert resources(plan([SECURITY, SOURCE], [RULES, ELEMENT, PORT, SECURITY, SOURCE])) == [RULES]
    assert resources(plan([RULES, ELEMENT, PORT], [RULES, ELEMENT, PORT, SECURITY, SOURCE])) == [SECURITY]


def test_a_port_goes_while_its_member_stays():
    assert plan([RULES, VETH], [RULES, VETH, PORT]) == (Change(PORT, None),)


def test_a_port_that_leads_to_another_member_is_moved():
    moved = replace(PORT, elements=(Element("hosts4", ("6", "8080"), ("10.50.0.3",)), PORT.elements[1]))
    assert plan([RULES, moved], [RULES, PORT]) == (Change(PORT, moved),)


def test_a_port_of_which_a_part_is_missing_is_completed():
    half = replace(PORT, elements=PORT.elements[:1])
    assert plan([RULES, PORT], [RULES, half]) == (Change(half, PORT),)


def test_deletions_come_before_creations():
    other = Namespace("c9")
    assert resources(plan([RULES, other], [RULES, BRIDGE])) == [BRIDGE, other]


def test_removing_a_veth_takes_along_what_is_in_the_sandbox():
    left = (RULES, BRIDGE, GATEWAY, BRIDGE_UP)
    assert resources(plan(left, [*left, VETH, VETH_UP, INSIDE, INSIDE_UP, SETTING, DEFAULT])) == [VETH]


def test_a_route_through_somebody_elses_interface_is_removed_for_itself():
    assert resources(plan((), [replace(DEFAULT, ifname="other")])) == [replace(DEFAULT, ifname="other")]


def test_a_replaced_link_has_its_children_created_anew():
    renamed = replace(VETH, ifname="web0")
    inside, up = replace(INSIDE, ifname="web0"), replace(INSIDE_UP, ifname="web0")
    found = plan([BRIDGE, renamed, VETH_UP, inside, up], [BRIDGE, VETH, VETH_UP, INSIDE, INSIDE_UP])
    assert [(change.before, change.after) for change in found] == [
        (VETH, None),
        (None, renamed),
        (None, inside),
        (None, VETH_UP),
        (None, up),
    ]


def test_what_changes_in_place_leaves_its_children_alone():
    larger = replace(VETH, mtu=9000)
    assert plan([larger, VETH_UP, INSIDE], [VETH, VETH_UP, INSIDE]) == (Change(VETH, larger),)


def test_a_setting_that_has_its_old_value_again_is_not_restored():
    assert plan((), [Sysctl(HOST, "net/ipv4/ip_forward", "0", restore="0")]) == ()
    assert plan((), [FORWARDING]) == (Change(FORWARDING, None),)


def test_a_setting_of_an_interface_stays_as_long_as_the_interface():
    assert plan([VETH], [VETH, SETTING]) == ()


def test_a_setting_of_an_interface_that_had_another_value_goes_back_to_it():
    loopback = Sysctl(HOST, "net/ipv4/conf/br0/route_localnet", "1", restore="0", ifname="br0")
    assert plan([BRIDGE], [BRIDGE, loopback]) == (Change(loopback, None),)
    assert plan([], [BRIDGE, loopback]) == (Change(BRIDGE, None),)


def test_of_what_is_as_it_should_be_the_plan_says_nothing():
    assert plan(EVERYTHING, EVERYTHING[::-1]) == ()


# --- the property that everything rests on ---


def applied(found, observed):
    """Return what a host would show after `found`: what a link provides goes and comes with it."""
    there = {resource.key: resource for resource in observed}
    for change in found:
        if change.before is not None and change.after is None:
            lost = {change.before.key, *change.before.provides}
            there.pop(change.before.key, None)
            while True:
                gone = [item for item in there.values() if not lost.isdisjoint({item.parent, item.support})]
                if not gone:
                    break
                for item in gone:
                    lost |= set(item.provides)
                    del there[item.key]
        else:
            if change.before is None:
                assert change.after.key not in there, f"{change} makes what is there"
            assert change.after.parent is None or known(change.after.parent, there), f"{change} comes before its parent"
            there[change.after.key] = change.after
    return tuple(there.values())


def known(parent, there):
    return (
        any(parent in item.provides for item in there.values())
        or parent[0] not in ("link", "ruleset")
        or (parent[0] == "link" and parent[2] == "foreign0")
    )


def lasting(there, wanted):
    """Return what is there by key, without what need not be: a setting that stays as long as its interface."""
    keys = {item.key for item in wanted}
    return {
        item.key: item
        for item in there
        if item.key in keys or not (isinstance(item, Sysctl) and item.ifname and not item.restore)
    }


BRIDGES = st.builds(
    Bridge,
    name=st.sampled_from(["br0", "br1"]),
    mac=st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:02"]),
    mtu=st.sampled_from([1400, 1500]),
    tag=st.just("netloom:net/0"),
)
VETHS = st.builds(
    Veth,
    name=st.sampled_from(["veth1", "veth2"]),
    master=st.sampled_from(["br0", "br1"]),
    isolated=st.booleans(),
    mtu=st.sampled_from([1400, 1500]),
    tag=st.just("netloom:net/1"),
    place=st.sampled_from(["netns:c1", "netns:c2"]),
    ifname=st.sampled_from(["eth0", "eth1"]),
    mac=st.sampled_from(["02:00:00:00:00:03", "02:00:00:00:00:04"]),
)


@st.composite
def hosts(draw):
    """Return resources that can be on one host at one time."""
    found = [RULES] if draw(st.booleans()) else []
    if found:
        found += draw(st.sets(st.sampled_from([Element("bridges", ("br0",)), Element("internal", ("br1",))])))
        found += draw(st.sets(st.sampled_from([PORT, replace(PORT, elements=PORT.elements[:1])]), max_size=1))
    if draw(st.booleans()):
        found += [SECURITY, *draw(st.sets(st.just(SOURCE)))]
    if draw(st.booleans()):
        found.append(Sysctl(HOST, "net/ipv4/ip_forward", "1", restore="0"))
    links = {link.key: link for link in draw(st.lists(st.one_of(BRIDGES, VETHS), max_size=5))}
    taken = set()
    for link in list(links.values()):
        ends = set(link.provides) - {link.key}
        if ends & taken:
            del links[link.key]
        taken |= ends
    found += links.values()
    for link in links.values():
        for _word, place, name in link.provides:
            if draw(st.booleans()):
                found.append(Up(place, name))
            if draw(st.booleans()):
                found.append(Address(place, name, ip_interface(draw(st.sampled_from(["10.50.0.1/24", "fd00::1/64"])))))
            if draw(st.booleans()):
                found.append(Sysctl(place, f"net/ipv6/conf/{name}/accept_ra", draw(st.sampled_from("01")), ifname=name))
            if place and draw(st.booleans()):
                found.append(Route(place, "0.0.0.0/0", draw(st.sampled_from(["10.50.0.1", "10.50.0.9"])), name))
    return tuple({item.key: item for item in found}.values())


@settings(max_examples=500, deadline=None)
@given(hosts(), hosts())
def test_applying_a_plan_leaves_nothing_to_plan(desired, observed):
    after = applied(plan(desired, observed), observed)
    assert plan(desired, after) == ()
    assert lasting(after, desired) == {item.key: item for item in desired}


@settings(max_examples=200, deadline=None)
@given(hosts(), hosts())
def test_the_way_back_is_a_plan_as_well(desired, observed):
    after = applied(plan(desired, observed), observed)
    back = applied(plan(observed, after), after)
    assert lasting(back, observed) == {item.key: item for item in observed}


@settings(max_examples=200, deadline=None)
@given(hosts(), hosts(), st.randoms())
def test_the_order_of_what_comes_in_does_not_matter(desired, observed, chance):
    shuffled = list(desired)
    chance.shuffle(shuffled)
    one, two = plan(desired, observed), plan(shuffled, observed)
    assert sorted(map(str, one)) == sorted(map(str, two))
    assert [change.resource.rank for change in one] == [change.resource.rank for change in two]


# --- batches ---


def test_neighbours_of_one_handler_are_one_batch():
    found = list(changes.batches(plan([RULES, ELEMENT, BRIDGE, VETH, GATEWAY], ())))
    assert [(handler, len(batch)) for handler, batch in found] == [("firewall", 2), ("links", 2), ("addresses", 1)]


# --- words ---


@pytest.mark.parametrize(
    ("change", "line", "drift"),
    [
        (Change(None, BRIDGE), "create bridge br0", "bridge br0 is missing"),
        (Change(BRIDGE, None), "remove bridge br0", "bridge br0 should not be there"),
        (
            Change(BRIDGE, replace(BRIDGE, mtu=1400)),
            "change bridge br0: mtu 1500 -> 1400",
            "bridge br0: mtu is 1500, not 1400",
        ),
        (Change(None, GATEWAY), "add address 10.50.0.1/24 on br0", "address 10.50.0.1/24 on br0 is missing"),
        (
            Change(None, INSIDE),
            "add address 10.50.0.2/24 on eth0 in c1",
            "address 10.50.0.2/24 on eth0 in c1 is missing",
        ),
        (Change(None, BRIDGE_UP), "bring up br0", "br0 is down"),
        (Change(None, PORT), "publish port 0.0.0.0:8080/tcp", "port 0.0.0.0:8080/tcp is missing"),
        (Change(PORT, None), "withdraw port 0.0.0.0:8080/tcp", "port 0.0.0.0:8080/tcp should not be there"),
        (
            Change(PORT, replace(PORT, elements=(replace(PORT.elements[0], data=("10.50.0.3",)), PORT.elements[1]))),
            "move port 0.0.0.0:8080/tcp: to 10.50.0.2 80 -> 10.50.0.3 80",
            "port 0.0.0.0:8080/tcp: to is 10.50.0.2 80, not 10.50.0.3 80",
        ),
        (
            Change(replace(PORT, elements=PORT.elements[:1]), PORT),
            "move port 0.0.0.0:8080/tcp: to 10.50.0.2 -> 10.50.0.2 80",
            "port 0.0.0.0:8080/tcp: to is 10.50.0.2, not 10.50.0.2 80",
        ),
        (
            Change(None, SOURCE),
            "create source 10.50.0.2 of eth0 in c1 (veth1)",
            "source 10.50.0.2 of eth0 in c1 (veth1) is missing",
        ),
        (
            Change(None, SECURITY),
            "create firewall table bridge netloom",
            "firewall table bridge netloom is missing",
        ),
        (
            Change(None, ELEMENT),
            "create firewall element br0 in bridges",
            "firewall element br0 in bridges is missing",
        ),
        (
            Change(None, VETH),
            "create interface eth0 in c1 (veth1 on the host)",
            "interface eth0 in c1 (veth1 on the host) is missing",
        ),
        (
            Change(replace(FORWARDING, value="0"), FORWARDING),
            "set sysctl net.ipv4.ip_forward: value 0 -> 1",
            "sysctl net.ipv4.ip_forward: value is 0, not 1",
        ),
        (
            Change(FORWARDING, None),
            "restore sysctl net.ipv4.ip_forward",
            "sysctl net.ipv4.ip_forward should not be there",
        ),
        (Change(None, NETWORK), "create network net", "network net is missing"),
        (Change(None, ENDPOINT), "create endpoint of c1 on network net", "endpoint of c1 on network net is missing"),
    ],
)
def test_a_change_tells_itself_in_one_line_and_as_drift(change, line, drift):
    assert str(change) == line
    assert changes.spoken_drift(change) == drift


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "none"),
        ("", "none"),
        (True, "true"),
        (0, "0"),
        ({"k": "v", "e": ""}, "{k: v, e: none}"),
        (("a", 1), "[a, 1]"),
        (ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
    ],
)
def test_values_are_spoken_plainly(value, words):
    assert changes.spoken(value) == words
