# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table inet netloom: its rules, and what a network, a port and an opening put into its sets.

fixtures/: as nft 1.0.6 printed it. How it is read and changed: test__nft.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._firewall import (
    RULESET,
    TABLE,
    Family,
    elements,
    opened,
    published,
)
from ansible_collections.netloom.containers.plugins.module_utils._nft import definition, observed
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element, Entry, Port, Ruleset

FIXTURE = Path(__file__).parent / "fixtures" / "nft_1_0_6_list_table.json"


def keyed(name, *value):
    return Element(name, value)


def rules(chain):
    found = [part["rule"] for part in definition(TABLE) if part.get("rule", {}).get("chain") == chain]
    return {rule["comment"].split(":")[1]: rule["expr"] for rule in found}


# --- what a network puts into the sets ---


def test_a_plain_network_is_checked_protected_and_translated():
    assert list(elements("br-a", {4: Family()})) == [
        keyed("bridges", "br-a"),
        keyed("loops", "br-a", "br-a"),
        keyed("members", "br-a", "br-a"),
        keyed("checked", "ipv4", "br-a"),
        keyed("protected", "ipv4", "br-a"),
        keyed("translated", "ipv4", "br-a"),
    ]


def test_each_ip_version_is_treated_for_itself():
    assert list(elements("br-a", {4: Family("routed"), 6: Family("nat-unprotected")})) == [
        keyed("bridges", "br-a"),
        keyed("loops", "br-a", "br-a"),
        keyed("members", "br-a", "br-a"),
        keyed("checked", "ipv4", "br-a"),
        keyed("protected", "ipv4", "br-a"),
        keyed("routed", "ipv4", "br-a"),
        keyed("checked", "ipv6", "br-a"),
        keyed("translated", "ipv6", "br-a"),
    ]


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (Family("nat"), {"checked", "protected", "translated"}),
        (Family("nat", translate=False), {"checked", "protected"}),
        (Family("nat", check_sources=False), {"protected", "translated"}),
        (Family("nat-unprotected"), {"checked", "translated"}),
        (Family("nat-unprotected", translate=False), {"checked"}),
        (Family("routed"), {"checked", "protected", "routed"}),
        (Family("routed", translate=False), {"checked", "protected", "routed"}),
        (Family("routed", source="198.51.100.7"), {"checked", "protected", "routed"}),
        (Family("nat", source="198.51.100.7"), {"checked", "protected", "sources4"}),
        (Family("nat", translate=False, source="198.51.100.7"), {"checked", "protected"}),
        (Family("nat-unprotected", source="198.51.100.7"), {"checked", "sources4"}),
    ],
)
def test_a_mode_decides_what_is_protected_translated_and_routed(family, expected):
    found = {element.set for element in elements("br-a", {4: family})}
    assert found == {"bridges", "loops", "members", *expected}


@pytest.mark.parametrize(
    ("version", "source", "element"),
    [
        (4, "198.51.100.7", Element("sources4", ("br-a",), ("198.51.100.7",))),
        (6, "2001:db8::7", Element("sources6", ("br-a",), ("2001:db8::7",))),
    ],
)
def test_a_network_leaves_under_the_address_that_it_is_given(version, source, element):
    assert element in elements("br-a", {version: Family(source=source)})


@pytest.mark.parametrize("mode", ["nat", "routed", "nat-unprotected", "isolated"])
def test_an_internal_network_is_neither_protected_nor_translated_since_nothing_passes(mode):
    assert list(elements("br-b", {4: Family(mode, source="198.51.100.7")}, internal=True)) == [
        keyed("bridges", "br-b"),
        keyed("loops", "br-b", "br-b"),
        keyed("members", "br-b", "br-b"),
        keyed("internal", "br-b"),
        keyed("checked", "ipv4", "br-b"),
    ]


def test_an_internal_closed_network_without_an_address_of_its_own():
    assert list(elements("br-b", {4: Family("isolated", check_sources=False)}, internal=True, icc=False)) == [
        keyed("bridges", "br-b"),
        keyed("loops", "br-b", "br-b"),
        keyed("internal", "br-b"),
    ]


def test_a_network_without_subnets_is_a_bridge_and_no_more():
    assert [element.set for element in elements("br-a", {})] == ["bridges", "loops", "members"]


@pytest.mark.parametrize("ifname", ["@bridges", "br*", "*"])
def test_a_name_that_nft_would_not_take_for_a_name_is_refused(ifname):
    with pytest.raises(NetloomError) as error:
        list(elements(ifname, {4: Family()}))
    assert error.value.code == "invalid_ifname"


# --- what a port puts into the maps ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ("tcp", "", 8080, ("10.50.0.2", 80)),
            Port(
                "port 0.0.0.0:8080/tcp",
                (
                    Element("hosts4", ("6", "8080"), ("10.50.0.2",)),
                    Element("ports4", ("6", "8080"), ("80",)),
                ),
            ),
        ),
        (
            ("udp", "127.0.0.1", 53, ("10.50.0.2", 5353)),
            Port(
                "port 127.0.0.1:53/udp",
                (
                    Element("hosts4_at", ("127.0.0.1", "17", "53"), ("10.50.0.2",)),
                    Element("ports4_at", ("127.0.0.1", "17", "53"), ("5353",)),
                ),
            ),
        ),
        (
            ("sctp", "", 2905, ("fd00::2", 2905)),
            Port(
                "port [::]:2905/sctp",
                (
                    Element("hosts6", ("132", "2905"), ("fd00::2",)),
                    Element("ports6", ("132", "2905"), ("2905",)),
                ),
            ),
        ),
        (
            ("tcp", "2001:db8::1", 443, ("fd00::2", 8443)),
            Port(
                "port [2001:db8::1]:443/tcp",
                (
                    Element("hosts6_at", ("2001:db8::1", "6", "443"), ("fd00::2",)),
                    Element("ports6_at", ("2001:db8::1", "6", "443"), ("8443",)),
                ),
            ),
        ),
    ],
)
def test_a_port_leads_from_the_host_to_a_member(given, expected):
    assert published(*given) == expected


def test_a_port_that_leads_elsewhere_is_the_same_port():
    one, other = (published("tcp", "", 8080, (address, 80)) for address in ("10.50.0.2", "10.60.0.2"))
    assert one.key == other.key
    assert one != other


def test_the_ports_of_both_ip_versions_are_two():
    keys = {published("tcp", "", 8080, (address, 80)).key for address in ("10.50.0.2", "fd00::2")}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ("tcp", ("10.50.0.2", 80)),
            Entry("opening 10.50.0.2:80/tcp", (Element("opened4", ("10.50.0.2", "6", "80")),)),
        ),
        (
            ("udp", ("fd00::2", 53)),
            Entry("opening [fd00::2]:53/udp", (Element("opened6", ("fd00::2", "17", "53")),)),
        ),
    ],
)
def test_an_opening_lets_in_at_the_members_own_address(given, expected):
    assert opened(*given) == expected


# --- the table ---


def test_the_table_and_its_elements_are_read_as_nft_prints_them():
    found = observed(TABLE, json.loads(FIXTURE.read_text(encoding="utf-8")))
    # Where a rule was changed on purpose: have nft 1.0.6 make the table, and list it into the fixture.
    assert found[0] == RULESET
    assert set(found[1:]) == {
        *elements("br-a", {4: Family(), 6: Family("routed")}),
        *elements("br-b", {4: Family()}, internal=True, icc=False),
        *elements(
            "br-c",
            {
                4: Family(source="198.51.100.7"),
                6: Family("nat-unprotected", translate=False, check_sources=False),
            },
        ),
        *published("tcp", "", 8080, ("10.50.0.2", 80)).elements,
        *published("udp", "127.0.0.1", 53, ("10.50.0.2", 53)).elements,
        *published("sctp", "::1", 132, ("fd00::2", 132)).elements,
        *opened("tcp", ("fd00::2", 443)).elements,
    }


def test_the_table_is_one_of_its_own():
    assert (RULESET.family, RULESET.title) == ("inet", "firewall table inet netloom")
    assert RULESET.key == Ruleset("other").key


@pytest.mark.parametrize(
    ("chain", "names"),
    [
        ("prerouting", ["loopback", "source", "source-to-group"]),
        ("published", ["publish4-at", "publish4", "publish6-at", "publish6"]),
        ("incoming", ["incoming"]),
        ("outgoing", ["loopback-ipv6", "outgoing"]),
        (
            "forward",
            [
                "members",
                "internal-out",
                "internal-in",
                "published",
                "isolation",
                "replies",
                "opened4",
                "opened6",
                "routed-icmp",
                "unpublished",
            ],
        ),
        ("input", ["internal-reply", "internal-gateway", "internal-host"]),
        (
            "postrouting",
            ["hairpin", "hairpin-bridged", "loopback-source", "source4", "source6", "masquerade"],
        ),
    ],
)
def test_the_rules_of_a_chain_stand_in_this_order(chain, names):
    assert list(rules(chain)) == names


def test_there_are_no_other_chains():
    assert list(TABLE.chains) == ["prerouting", "published", "incoming", "outgoing", "forward", "input", "postrouting"]


def test_comments_hold_nothing_that_is_syntax():
    comments = [part["rule"]["comment"] for part in definition(TABLE) if "rule" in part]
    assert [comment for comment in comments if not re.fullmatch(r"[A-Za-z0-9_.:-]+", comment)] == []


def test_the_names_of_sets_and_chains_are_words_that_mean_nothing_to_nft():
    keywords = {"set", "map", "element", "masquerade", "redirect", "snat", "dnat", "accept", "drop", "mark", "hook"}
    assert keywords.isdisjoint({*TABLE.sets, *TABLE.chains})


def test_every_set_is_asked_and_every_set_that_is_asked_is_there():
    asked = set(re.findall(r'"@(\w+)"', json.dumps(definition(TABLE))))
    assert asked == set(TABLE.sets)


def test_a_forged_source_is_one_without_a_route_back_in_what_leaves_the_bridge():
    assert rules("prerouting")["source"] == [
        {
            "match": {
                "op": "==",
                "left": {"concat": [{"meta": {"key": "nfproto"}}, {"meta": {"key": "iifname"}}]},
                "right": "@checked",
            }
        },
        {"match": {"op": "==", "left": {"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "right": False}},
        {"match": {"op": "==", "left": {"fib": {"result": "oif", "flags": ["daddr", "iif"]}}, "right": False}},
        {"drop": None},
    ]


def test_a_port_at_one_address_is_looked_up_by_it_and_one_at_all_without():
    service = [{"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]
    destination = {"payload": {"protocol": "ip", "field": "daddr"}}
    assert rules("published")["publish4-at"] == [
        {
            "dnat": {
                "family": "ip",
                "addr": {"map": {"key": {"concat": [destination, *service]}, "data": "@hosts4_at"}},
                "port": {"map": {"key": {"concat": [destination, *service]}, "data": "@ports4_at"}},
            }
        }
    ]
    assert rules("published")["publish6"] == [
        {
            "dnat": {
                "family": "ip6",
                "addr": {"map": {"key": {"concat": service}, "data": "@hosts6"}},
                "port": {"map": {"key": {"concat": service}, "data": "@ports6"}},
            }
        }
    ]
