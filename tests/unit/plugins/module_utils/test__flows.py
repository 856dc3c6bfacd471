# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections are forgotten when endpoints have changed: those of addresses and ports that change hands."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._firewall import published
from ansible_collections.netloom.containers.plugins.module_utils._flows import Flows, Redirection, outdated
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network, PublishedPort
from ansible_collections.netloom.containers.plugins.module_utils._resources import EndpointRecord, NetworkRecord

FOUR, SIX = ip_address("10.50.0.2"), ip_address("fd00::2")
WEB, DNS = PublishedPort("tcp", 80, 8080), PublishedPort("udp", 53, 5353)
C1 = Endpoint(
    network="net",
    container="c1",
    runtime="netns",
    id="e" * 64,
    host_ifname="veth0123456789a",
    ifname="eth0",
    mac="02:42:0a:32:00:02",
    ipv4=ip_interface("10.50.0.2/24"),
    ports=(WEB, DNS),
)
TO_WEB = Redirection("tcp", 8080, "", FOUR, 80)
TO_DNS = Redirection("udp", 5353, "", FOUR, 53)


def flows(*former, now=()):
    return outdated(former, [NetworkRecord(Network("net", "0" * 64, "bridge")), *map(EndpointRecord, now)])


def test_nothing_is_forgotten_without_endpoints():
    assert flows() == Flows()


def test_nothing_is_forgotten_of_an_endpoint_that_stays_as_it_is():
    assert flows(C1, now=[C1]) == Flows()


def test_nothing_is_forgotten_of_a_new_endpoint_without_ports():
    assert flows(now=[replace(C1, ports=())]) == Flows()


@pytest.mark.parametrize(
    "change",
    [
        {"mac": "02:42:0a:32:00:99"},
        {"ifname": "web0"},
        {"gw_priority": 7},
        {"driver_opts": (("port_security", "true"),)},
    ],
)
def test_nothing_is_forgotten_of_what_has_to_do_with_neither_addresses_nor_ports(change):
    assert flows(C1, now=[replace(C1, **change)]) == Flows()


def test_all_of_an_endpoint_that_goes_is_forgotten():
    both = replace(C1, ipv6=ip_interface("fd00::2/64"))
    assert flows(both) == Flows(
        addresses=frozenset({FOUR, SIX}),
        lost=frozenset(
            {
                TO_WEB,
                TO_DNS,
                Redirection("tcp", 8080, "", SIX, 80),
                Redirection("udp", 5353, "", SIX, 53),
            }
        ),
    )


def test_an_address_that_an_endpoint_gives_up_is_forgotten_with_what_led_to_it():
    moved = replace(C1, ipv4=ip_interface("10.50.0.9/24"))
    nine = ip_address("10.50.0.9")
    assert flows(C1, now=[moved]) == Flows(
        addresses=frozenset({FOUR}),
        lost=frozenset({TO_WEB, TO_DNS}),
        gained=frozenset({Redirection("udp", 5353, "", nine, 53)}),
    )


def test_an_address_that_an_endpoint_gets_besides_is_none_to_forget():
    both = replace(C1, ports=(), ipv6=ip_interface("fd00::2/64"))
    assert flows(replace(C1, ports=()), now=[both]) == Flows()


def test_a_port_that_is_withdrawn_is_lost():
    assert flows(C1, now=[replace(C1, ports=(DNS,))]) == Flows(lost=frozenset({TO_WEB}))


def test_a_port_that_leads_to_another_of_the_same_member_is_lost():
    moved = replace(C1, ports=(replace(WEB, container=81), DNS))
    assert flows(C1, now=[moved]) == Flows(lost=frozenset({TO_WEB}))


def test_a_udp_port_that_is_published_is_gained_so_that_flows_to_the_host_do_not_stay_there():
    assert flows(replace(C1, ports=()), now=[C1]) == Flows(gained=frozenset({TO_DNS}))
    assert flows(now=[C1]) == Flows(gained=frozenset({TO_DNS}))


def test_a_port_that_changes_hands_is_lost_by_one_and_gained_by_the_other():
    c2 = replace(C1, container="c2", ipv4=ip_interface("10.50.0.3/24"), ports=())
    found = flows(C1, c2, now=[replace(C1, ports=()), replace(c2, ports=(WEB, DNS))])
    three = ip_address("10.50.0.3")
    assert found == Flows(lost=frozenset({TO_WEB, TO_DNS}), gained=frozenset({Redirection("udp", 5353, "", three, 53)}))


def test_an_address_that_changes_hands_is_forgotten():
    c2 = replace(C1, container="c2", ports=())
    assert flows(replace(C1, ports=()), now=[c2]).addresses == {FOUR}


def test_the_endpoints_of_one_container_on_two_networks_are_two():
    back = replace(C1, network="back", ipv4=ip_interface("10.60.0.2/24"), ports=())
    assert flows(C1, back, now=[back]) == Flows(addresses=frozenset({FOUR}), lost=frozenset({TO_WEB, TO_DNS}))


def test_of_an_unfinished_endpoint_every_version_is_outdated_that_it_has_not_become():
    half = replace(C1, ipv4=ip_interface("10.50.0.9/24"), ports=(PublishedPort("tcp", 80, 9090),))
    nine = ip_address("10.50.0.9")
    assert flows(C1, half, now=[C1]) == Flows(
        addresses=frozenset({nine}), lost=frozenset({Redirection("tcp", 9090, "", nine, 80)})
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", {Redirection("tcp", 8080, "", FOUR, 80), Redirection("tcp", 8080, "", SIX, 80)}),
        ("0.0.0.0", {Redirection("tcp", 8080, "", FOUR, 80)}),
        ("::", {Redirection("tcp", 8080, "", SIX, 80)}),
        ("127.0.0.1", {Redirection("tcp", 8080, "127.0.0.1", FOUR, 80)}),
        ("::1", {Redirection("tcp", 8080, "::1", SIX, 80)}),
    ],
)
def test_a_port_is_redirected_for_the_ip_versions_of_its_address(address, expected):
    both = replace(C1, ipv6=ip_interface("fd00::2/64"), ports=(replace(WEB, address=address),))
    assert flows(both, now=[replace(both, ports=())]).lost == expected


def test_a_port_that_we_have_chosen_is_the_same_as_one_that_was_asked_for():
    chosen = replace(C1, ports=(replace(WEB, chosen=True), DNS))
    assert flows(C1, now=[chosen]) == Flows()


def test_what_a_network_leads_elsewhere_is_outdated_though_the_endpoint_stays():
    everywhere, here = (published("udp", place, 5353, ("10.50.0.2", 53)) for place in ("", "127.0.0.1"))
    at_home = Redirection("udp", 5353, "127.0.0.1", FOUR, 53)
    found = outdated([C1], [EndpointRecord(C1)], [Change(everywhere, None), Change(None, here)])
    assert found == Flows(lost=frozenset({TO_DNS}), gained=frozenset({at_home}))


def test_a_port_that_leads_to_another_member_is_outdated_for_the_former_one():
    before, after = (published("tcp", "::1", 8080, (member, 80)) for member in ("fd00::2", "fd00::3"))
    assert outdated([], [], [Change(before, after)]) == Flows(
        lost=frozenset({Redirection("tcp", 8080, "::1", SIX, 80)})
    )


def test_a_port_of_which_a_half_is_missing_leads_nowhere():
    whole = published("udp", "", 5353, ("10.50.0.2", 53))
    half = replace(whole, elements=whole.elements[:1])
    assert outdated([], [], [Change(half, whole)]) == Flows(gained=frozenset({TO_DNS}))
