# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nft table as values: what is asked of nft, and what is read from it. fixtures/: as nft 1.0.6 printed it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._coexistence import cure, foreign_drops
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._firewall import (
    RULESET,
    elements,
    observed,
    probes,
    transaction,
)
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element, Ruleset

LISTING = json.loads((Path(__file__).parent / "fixtures" / "nft_1_0_6_list_table.json").read_text(encoding="utf-8"))
BR_A = (
    Element("bridges", ("br-a",)),
    Element("checked", ("br-a",)),
    Element("members", ("br-a", "br-a")),
    Element("masqueraded", ("br-a",)),
)
BR_B = (Element("bridges", ("br-b",)), Element("checked", ("br-b",)), Element("internal", ("br-b",)))
PLACE = {"family": "inet", "table": "netloom"}
TABLE = {"table": {"family": "inet", "name": "netloom"}}


def listing() -> dict:
    return copy.deepcopy(LISTING)


def body(kind: str, name: str, items: dict) -> dict:
    """Return the set, chain or rule (by the name in its comment) of a listing, to be changed in a test."""
    found = [item[kind] for item in items["nftables"] if kind in item]
    return next(item for item in found if name in (item.get("name"), item.get("comment", "::").split(":")[1]))


def without(kind: str, name: str) -> dict:
    items = listing()
    gone = body(kind, name, items)
    items["nftables"] = [item for item in items["nftables"] if item.get(kind) is not gone]
    return items


def test_elements_of_a_plain_network():
    assert tuple(elements("br-a", internal=False, icc=True, masquerade=True)) == BR_A


def test_elements_of_an_internal_closed_network_without_addresses():
    found = tuple(elements("br-b", internal=True, icc=False, masquerade=False, check_sources=False))
    assert found == (Element("bridges", ("br-b",)), Element("internal", ("br-b",)))


@pytest.mark.parametrize("ifname", ["@bridges", "br*", "*"])
def test_elements_refuses_a_name_that_nft_would_not_take_for_a_name(ifname):
    with pytest.raises(NetloomError) as error:
        list(elements(ifname, internal=False, icc=True, masquerade=True))
    assert error.value.code == "invalid_ifname"


def test_observed_is_empty_without_a_table():
    assert observed(None) == ()


def test_observed_reads_what_nft_prints():
    assert set(observed(LISTING)) == {RULESET, *BR_A, *BR_B}


def test_observed_does_not_depend_on_how_a_version_of_nft_spells_an_expression():
    items = listing()
    body("rule", "replies", items)["expr"][1]["match"].update(op="==", right={"set": ["related", "established"]})
    body("rule", "loopback", items)["expr"].insert(0, {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}}})
    body("set", "internal", items)["elem"] = [{"elem": {"val": "br-b", "counter": {"packets": 0, "bytes": 0}}}]
    assert set(observed(items)) == {RULESET, *BR_A, *BR_B}


@pytest.mark.parametrize(
    "items, damage",
    [
        (without("rule", "isolation"), "rules of forward"),
        (without("rule", "masquerade"), "rules of postrouting"),
        (without("set", "internal"), "set internal"),
        (without("chain", "input"), "chain input"),
        ({"nftables": [*LISTING["nftables"], {"map": {**PLACE, "name": "more", "type": "ifname"}}]}, "map more"),
        ({"nftables": [TABLE]}, "set bridges, set checked, .*rules of postrouting"),
    ],
)
def test_observed_names_what_is_missing_or_too_much(items, damage):
    assert re.fullmatch("damaged: " + damage, observed(items)[0].digest)


@pytest.mark.parametrize(
    "kind, name, change, damage",
    [
        ("chain", "forward", {"policy": "drop"}, "chain forward"),
        ("chain", "forward", {"prio": 5}, "chain forward"),
        ("set", "members", {"type": "ifname"}, "set members"),
        ("table", "netloom", {"flags": "dormant"}, "table"),
        ("rule", "isolation", {"comment": "mine"}, "rules of forward"),
        ("rule", "isolation", {"expr": [{"accept": None}]}, "rules of forward"),
        ("rule", "internal-host", {"chain": "forward"}, "rules of forward, rules of input"),
    ],
)
def test_observed_names_what_was_changed(kind, name, change, damage):
    items = listing()
    body(kind, name, items).update(change)
    assert observed(items)[0] == Ruleset("damaged: " + damage)


def test_observed_sees_rules_that_changed_places():
    items = listing()
    places = [number for number, item in enumerate(items["nftables"]) if item.get("rule", {}).get("chain") == "forward"]
    first, second = places[:2]
    rules = items["nftables"]
    rules[first], rules[second] = rules[second], rules[first]
    assert observed(items)[0] == Ruleset("damaged: rules of forward")


def test_transaction_adds_and_removes_elements_by_set():
    changes = [*(Change(item, None) for item in BR_B), *(Change(None, item) for item in BR_A)]
    assert transaction(changes) == {
        "nftables": [
            {"delete": {"element": {**PLACE, "name": "bridges", "elem": ["br-b"]}}},
            {"delete": {"element": {**PLACE, "name": "checked", "elem": ["br-b"]}}},
            {"delete": {"element": {**PLACE, "name": "internal", "elem": ["br-b"]}}},
            {"add": {"element": {**PLACE, "name": "bridges", "elem": ["br-a"]}}},
            {"add": {"element": {**PLACE, "name": "checked", "elem": ["br-a"]}}},
            {"add": {"element": {**PLACE, "name": "members", "elem": [{"concat": ["br-a", "br-a"]}]}}},
            {"add": {"element": {**PLACE, "name": "masqueraded", "elem": ["br-a"]}}},
        ]
    }


def test_transaction_makes_a_table_only_where_there_is_none():
    commands = transaction([Change(None, RULESET), Change(None, BR_A[0])])["nftables"]
    assert commands[0] == {"create": TABLE}
    assert commands[1] == {"add": {"set": {**PLACE, "name": "bridges", "type": "ifname"}}}
    assert commands[-1] == {"add": {"element": {**PLACE, "name": "bridges", "elem": ["br-a"]}}}


def test_transaction_adds_each_rule_once_and_in_order():
    commands = transaction([Change(None, RULESET)])["nftables"]
    rules = [command["add"]["rule"] for command in commands if "rule" in command.get("add", {})]
    assert [(rule["chain"], rule["comment"].split(":")[1]) for rule in rules] == [
        ("prerouting", "loopback"),
        ("prerouting", "source"),
        ("forward", "members"),
        ("forward", "internal-out"),
        ("forward", "internal-in"),
        ("forward", "isolation"),
        ("forward", "replies"),
        ("forward", "unpublished"),
        ("input", "internal-reply"),
        ("input", "internal-gateway"),
        ("input", "internal-host"),
        ("postrouting", "masquerade"),
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]+", rule["comment"]) for rule in rules)


def test_transaction_spells_the_rule_against_forged_sources():
    commands = transaction([Change(None, RULESET)])["nftables"]
    rule = next(command["add"]["rule"] for command in commands if ":source:" in str(command))
    assert rule["expr"] == [
        {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "@checked"}},
        {"match": {"op": "==", "left": {"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "right": False}},
        {"drop": None},
    ]


def test_transaction_replaces_a_damaged_table_and_keeps_its_elements():
    changes = [Change(Ruleset("damaged: table"), RULESET), Change(None, BR_A[0]), Change(BR_B[2], None)]
    kept = (Ruleset("damaged: table"), *BR_B, Element("members", ("br-b",)), Element("unknown", ("br-b",)))
    commands = transaction(changes, kept)["nftables"]
    assert commands[:3] == [{"add": TABLE}, {"delete": TABLE}, {"add": TABLE}]
    assert [command["add"]["element"] for command in commands if "element" in command.get("add", {})] == [
        {**PLACE, "name": "bridges", "elem": ["br-b", "br-a"]},
        {**PLACE, "name": "checked", "elem": ["br-b"]},
    ]


def test_transaction_removes_the_table_with_all_that_is_in_it():
    changes = [*(Change(item, None) for item in BR_A), Change(RULESET, None)]
    assert transaction(changes) == {"nftables": [{"delete": TABLE}]}


def test_transaction_puts_a_name_nowhere_but_into_sets():
    (element,) = transaction([Change(None, Element("bridges", ('"; flush ruleset',)))])["nftables"]
    assert element == {"add": {"element": {**PLACE, "name": "bridges", "elem": ['"; flush ruleset']}}}


def test_probes_ask_for_every_rule_alone():
    asked = dict(probes())
    assert len(asked) == 12
    assert ["rule" in str(command) for command in asked["source"]["nftables"]].count(True) == 1
    assert asked["source"]["nftables"][:3] == [{"add": TABLE}, {"delete": TABLE}, {"add": TABLE}]


def chain(family: str, table: str, name: str, hook: str | None = None, policy: str = "accept") -> dict:
    base = {"hook": hook, "policy": policy} if hook else {}
    return {"chain": {"family": family, "table": table, "name": name, **base}}


CHAINS = [
    chain("ip", "filter", "FORWARD", "forward", "drop"),
    chain("ip", "filter", "INPUT", "input", "drop"),
    chain("ip", "filter", "DOCKER-USER"),
    chain("ip6", "filter", "FORWARD", "forward"),
    chain("inet", "firewalld", "filter_FORWARD", "forward"),
    chain("inet", "netloom", "forward", "forward", "drop"),
]


def test_foreign_drops_are_chains_of_others_that_forward_and_drop():
    assert foreign_drops({"nftables": CHAINS}) == ("ip filter FORWARD", "inet firewalld filter_FORWARD")


@pytest.mark.parametrize("right", ["br-a", {"set": ["br-a", "br-c"]}])
def test_foreign_drops_passes_over_a_table_that_names_the_bridge(right):
    expression = [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": right}}, {"accept": None}]
    rule = {"rule": {"family": "ip", "table": "filter", "chain": "DOCKER-USER", "expr": expression}}
    assert foreign_drops({"nftables": [*CHAINS, rule]}, "br-a") == ("inet firewalld filter_FORWARD",)
    assert len(foreign_drops({"nftables": [*CHAINS, rule]}, "br-b")) == 2


@pytest.mark.parametrize(
    "name, words",
    [
        ("ip filter FORWARD", "iptables -I DOCKER-USER -o br-a -j ACCEPT"),
        ("ip filter FORWARD", "ufw route allow in on br-a"),
        ("ip6 filter FORWARD", "ip6tables -I DOCKER-USER -i br-a -j ACCEPT"),
        ("inet firewalld filter_FORWARD", "--zone=trusted --add-interface=br-a"),
        ("inet mine forward", 'iifname "br-a" accept'),
    ],
)
def test_cure_names_the_bridge_in_the_language_of_the_owner(name, words):
    assert words in cure(name, "br-a")
