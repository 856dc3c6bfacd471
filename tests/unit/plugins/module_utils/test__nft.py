# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table as values: what is asked of nft, and what is read from it.

The table is one of these tests' own, with one of each thing; fixtures/: as nft 1.0.6 printed it.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _nft as nft
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._nft import (
    ACCEPT,
    DROP,
    Chain,
    Set,
    Table,
    concat,
    match,
    meta,
    payload,
)
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element, Entry, Port, Ruleset

IIFNAME, OIFNAME = meta("iifname"), meta("oifname")
TABLE = Table(
    "inet",
    {
        "bridges": Set(("ifname",)),
        "members": Set(("ifname", "ifname")),
        "checked": Set(("nf_proto", "ifname")),
        "hosts": Set(("inet_proto", "inet_service"), "ipv4_addr"),
        "sources": Set(("ifname",), "ipv4_addr"),
    },
    {
        "forward": Chain(
            {
                "members": [match(concat(IIFNAME, OIFNAME), "@members"), ACCEPT],
                "isolation": [match(IIFNAME, "@bridges"), match(OIFNAME, "@bridges"), DROP],
                "replies": [match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT],
            },
            "filter",
            "forward",
            -5,
        ),
        "published": Chain(
            {
                "publish": [
                    {
                        "dnat": {
                            "family": "ip",
                            "addr": {"map": {"key": concat(meta("l4proto"), payload("th", "dport")), "data": "@hosts"}},
                        }
                    }
                ]
            }
        ),
        "incoming": Chain(
            {
                "checked": [match(concat(meta("nfproto"), IIFNAME), "@checked", "!="), DROP],
                "publish": [{"jump": {"target": "published"}}],
            },
            "nat",
            "prerouting",
            -90,
        ),
    },
    owners=("bridges",),
)
RULESET = nft.ruleset(TABLE)
BRIDGE_A, BRIDGE_B = Element("bridges", ("br-a",)), Element("bridges", ("br-b",))
MEMBERS_A, MEMBERS_B = Element("members", ("br-a", "br-a")), Element("members", ("br-b", "br-b"))
CHECKED_A, CHECKED_B = Element("checked", ("ipv4", "br-a")), Element("checked", ("ipv6", "br-b"))
WEB, DNS = Element("hosts", ("6", "8080"), ("10.50.0.2",)), Element("hosts", ("17", "53"), ("10.50.0.3",))
SIGNALS = Element("hosts", ("132", "2905"), ("10.50.0.4",))
SOURCE_B = Element("sources", ("br-b",), ("198.51.100.7",))
ELEMENTS = (BRIDGE_A, BRIDGE_B, MEMBERS_A, MEMBERS_B, CHECKED_A, CHECKED_B, WEB, DNS, SIGNALS, SOURCE_B)
LISTING = json.loads((Path(__file__).parent / "fixtures" / "nft_1_0_6_small_table.json").read_text(encoding="utf-8"))
PLACE = {"family": "inet", "table": "netloom"}
NAMED = {"table": {"family": "inet", "name": "netloom"}}


def listing() -> dict:
    return copy.deepcopy(LISTING)


def body(kind: str, name: str, items: dict) -> dict:
    """Return the set, map, chain or rule (by the name in its comment) of a listing, to be changed in a test."""
    found = [item[kind] for item in items["nftables"] if kind in item]
    return next(item for item in found if name in (item.get("name"), item.get("comment", "::").split(":")[1]))


def without(kind: str, name: str) -> dict:
    items = listing()
    gone = body(kind, name, items)
    items["nftables"] = [item for item in items["nftables"] if item.get(kind) is not gone]
    return items


def also(**item: dict) -> dict:
    return {"nftables": [*LISTING["nftables"], item]}


def digest(items: dict) -> str:
    return nft.observed(TABLE, items)[0].digest


def commands(*changes: Change, kept=None) -> list:
    return nft.transaction(TABLE, changes, kept)


def made(*resources) -> list:
    return commands(*(Change(None, resource) for resource in resources))


def removed(*resources) -> list:
    return commands(*(Change(resource, None) for resource in resources))


def elem(verb: str, name: str, *items) -> dict:
    return {verb: {"element": {**PLACE, "name": name, "elem": [*items]}}}


# --- what a table is made of ---


def test_a_table_comes_before_its_sets_and_these_before_chains_and_rules():
    kinds = [kind for part in nft.definition(TABLE) for kind in part]
    assert kinds == ["table", *["set"] * 3, *["map"] * 2, *["chain"] * 3, *["rule"] * 6]


def test_sets_maps_and_chains_are_spelt_as_nft_does():
    parts = nft.definition(TABLE)
    assert {"set": {**PLACE, "name": "bridges", "type": "ifname"}} in parts
    assert {"set": {**PLACE, "name": "checked", "type": ["nf_proto", "ifname"]}} in parts
    assert {"map": {**PLACE, "name": "hosts", "type": ["inet_proto", "inet_service"], "map": "ipv4_addr"}} in parts
    assert {
        "chain": {**PLACE, "name": "forward", "type": "filter", "hook": "forward", "prio": -5, "policy": "accept"}
    } in parts
    assert {"chain": {**PLACE, "name": "published"}} in parts


def test_a_rule_has_its_name_and_a_digest_of_itself_as_a_comment():
    comments = [part["rule"]["comment"] for part in nft.definition(TABLE) if "rule" in part]
    assert [comment.split(":")[1] for comment in comments] == [
        "members",
        "isolation",
        "replies",
        "publish",
        "checked",
        "publish",
    ]
    assert all(re.fullmatch("netloom:[a-z]+:[0-9a-f]{12}", comment) for comment in comments)
    assert len(set(comments)) == 6


def test_a_table_of_another_family_or_with_another_rule_has_another_digest():
    other = {**TABLE.chains, "forward": TABLE.chains["forward"]._replace(priority=-6)}
    digests = {
        nft.ruleset(table).digest for table in (TABLE, TABLE._replace(family="ip"), TABLE._replace(chains=other))
    }
    assert len(digests) == 3
    assert nft.ruleset(TABLE._replace(family="bridge")).family == "bridge"


# --- reading ---


def test_observed_is_empty_without_a_table():
    assert nft.observed(TABLE, None) == ()


def test_observed_reads_what_nft_prints():
    found = nft.observed(TABLE, LISTING)
    assert found[0] == RULESET
    assert set(found[1:]) == set(ELEMENTS)
    assert len(found) == 11


def test_observed_tells_elements_of_another_family_apart():
    table = TABLE._replace(family="bridge")
    assert Element("bridges", ("br-a",), family="bridge") in nft.observed(table, LISTING)


@pytest.mark.parametrize(
    ("spelt", "number"), [("tcp", "6"), ("udp", "17"), ("sctp", "132"), (6, "6"), (17, "17"), (132, "132")]
)
def test_observed_reads_a_protocol_by_name_and_by_number(spelt, number):
    items = listing()
    body("map", "hosts", items)["elem"] = [[{"concat": [spelt, 8080]}, "10.50.0.2"]]
    assert Element("hosts", (number, "8080"), ("10.50.0.2",)) in nft.observed(TABLE, items)


def test_observed_does_not_depend_on_how_a_version_of_nft_spells_an_expression():
    items = listing()
    body("rule", "replies", items)["expr"][0]["match"].update(op="==", right={"set": ["related", "established"]})
    body("rule", "isolation", items)["expr"].insert(0, {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}}})
    counted = {"counter": {"packets": 0, "bytes": 0}}
    body("set", "bridges", items)["elem"] = [{"elem": {"val": "br-a", **counted}}, "br-b"]
    body("set", "checked", items)["elem"] = [
        {"elem": {"val": {"concat": ["ipv4", "br-a"]}, "comment": "x"}},
        {"concat": ["ipv6", "br-b"]},
    ]
    body("map", "sources", items)["elem"] = [[{"elem": {"val": "br-b", "comment": "x"}}, "198.51.100.7"]]
    assert set(nft.observed(TABLE, items)) == {RULESET, *ELEMENTS}


def test_observed_reads_a_set_of_one_key_and_an_empty_one():
    items = listing()
    body("set", "bridges", items)["elem"] = ["br-a"]
    del body("set", "members", items)["elem"]
    assert {BRIDGE_B, MEMBERS_A, MEMBERS_B} == set(ELEMENTS) - set(nft.observed(TABLE, items))


@pytest.mark.parametrize(
    "items, damage",
    [
        (without("rule", "isolation"), "rules of forward"),
        (without("rule", "checked"), "rules of incoming"),
        (without("set", "members"), "set members"),
        (without("map", "sources"), "map sources"),
        (without("chain", "published"), "chain published"),
        (also(map={**PLACE, "name": "more", "type": "ifname", "map": "verdict"}), "map more"),
        (also(set={**PLACE, "name": "more", "type": "ifname"}), "set more"),
        (also(chain={**PLACE, "name": "more"}), "chain more"),
        (also(rule={**PLACE, "chain": "forward", "expr": [ACCEPT]}), "rules of forward"),
        (also(flowtable={**PLACE, "name": "fast"}), "flowtable fast"),
        (also(counter={**PLACE, "name": "bytes"}), "counter bytes"),
        ({"nftables": [NAMED]}, "set bridges, set members, .*rules of forward, .*rules of incoming"),
    ],
)
def test_observed_names_what_is_missing_or_too_much(items, damage):
    assert re.fullmatch("damaged: " + damage, digest(items))


@pytest.mark.parametrize(
    "kind, name, change, damage",
    [
        ("chain", "forward", {"policy": "drop"}, "chain forward"),
        ("chain", "forward", {"prio": 5}, "chain forward"),
        ("chain", "forward", {"hook": "input"}, "chain forward"),
        ("chain", "incoming", {"type": "filter"}, "chain incoming"),
        ("chain", "published", {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}, "chain published"),
        ("set", "members", {"type": "ifname"}, "set members"),
        ("set", "bridges", {"flags": ["interval"]}, "set bridges"),
        ("map", "hosts", {"map": "ipv6_addr"}, "map hosts"),
        ("table", "netloom", {"flags": "dormant"}, "table"),
        ("rule", "isolation", {"comment": "mine"}, "rules of forward"),
        ("rule", "isolation", {"expr": [{"accept": None}]}, "rules of forward"),
        ("rule", "publish", {"expr": [{"accept": None}]}, "rules of published"),
        ("rule", "checked", {"chain": "forward"}, "rules of forward, rules of incoming"),
    ],
)
def test_observed_names_what_was_changed(kind, name, change, damage):
    items = listing()
    body(kind, name, items).update(change)
    assert digest(items) == "damaged: " + damage


def test_observed_names_a_rule_that_asks_another_set():
    items = listing()
    body("rule", "members", items)["expr"][0]["match"]["right"] = "@bridges"
    assert digest(items) == "damaged: rules of forward"


def test_observed_names_a_rule_that_looks_into_another_map():
    items = listing()
    body("rule", "publish", items)["expr"][0]["dnat"]["addr"]["map"]["data"] = "@sources"
    assert digest(items) == "damaged: rules of published"


def test_observed_sees_rules_that_changed_places():
    items = listing()
    places = [number for number, item in enumerate(items["nftables"]) if item.get("rule", {}).get("chain") == "forward"]
    first, second = places[:2]
    rules = items["nftables"]
    rules[first], rules[second] = rules[second], rules[first]
    assert digest(items) == "damaged: rules of forward"


def test_observed_reads_the_elements_of_a_damaged_table_too():
    assert set(nft.observed(TABLE, without("rule", "isolation"))[1:]) == set(ELEMENTS)


# --- changing ---


def test_nothing_to_change_is_no_command():
    assert commands() == []


def test_transaction_adds_and_removes_elements_by_set():
    gone, new = (BRIDGE_B, MEMBERS_B, CHECKED_B), (CHECKED_A, BRIDGE_A, MEMBERS_A)
    assert commands(*(Change(item, None) for item in gone), *(Change(None, item) for item in new)) == [
        elem("delete", "bridges", "br-b"),
        elem("delete", "members", {"concat": ["br-b", "br-b"]}),
        elem("delete", "checked", {"concat": ["ipv6", "br-b"]}),
        elem("add", "bridges", "br-a"),
        elem("add", "members", {"concat": ["br-a", "br-a"]}),
        elem("add", "checked", {"concat": ["ipv4", "br-a"]}),
    ]


def test_transaction_adds_to_a_map_what_an_element_leads_to_and_removes_it_by_its_key():
    assert made(WEB, SOURCE_B) == [
        elem("add", "hosts", [{"concat": ["6", "8080"]}, "10.50.0.2"]),
        elem("add", "sources", ["br-b", "198.51.100.7"]),
    ]
    assert removed(WEB, SOURCE_B) == [
        elem("delete", "hosts", {"concat": ["6", "8080"]}),
        elem("delete", "sources", "br-b"),
    ]


def test_transaction_moves_an_element_of_a_map_by_removing_it_first():
    moved = replace(WEB, data=("10.50.0.9",))
    assert commands(Change(WEB, moved)) == [
        elem("delete", "hosts", {"concat": ["6", "8080"]}),
        elem("add", "hosts", [{"concat": ["6", "8080"]}, "10.50.0.9"]),
    ]


def test_transaction_adds_and_removes_all_elements_of_an_entry():
    entry = Entry("both", (BRIDGE_A, MEMBERS_A))
    assert made(entry) == [elem("add", "bridges", "br-a"), elem("add", "members", {"concat": ["br-a", "br-a"]})]
    assert removed(entry) == [
        elem("delete", "bridges", "br-a"),
        elem("delete", "members", {"concat": ["br-a", "br-a"]}),
    ]


def test_transaction_changes_of_an_entry_only_what_changes():
    before, after = Port("port", (WEB, SOURCE_B)), Port("port", (replace(WEB, data=("10.50.0.9",)), SOURCE_B))
    assert commands(Change(before, after)) == [
        elem("delete", "hosts", {"concat": ["6", "8080"]}),
        elem("add", "hosts", [{"concat": ["6", "8080"]}, "10.50.0.9"]),
    ]


def test_transaction_completes_an_entry_of_which_a_part_is_missing():
    assert commands(Change(Port("port", (WEB,)), Port("port", (WEB, SOURCE_B)))) == [
        elem("add", "sources", ["br-b", "198.51.100.7"])
    ]


def test_transaction_leaves_alone_what_one_change_removes_and_another_adds():
    assert commands(Change(Entry("old", (BRIDGE_A,)), None), Change(None, Entry("new", (BRIDGE_A, BRIDGE_B)))) == [
        elem("add", "bridges", "br-b")
    ]


def test_transaction_adds_an_element_of_two_entries_once():
    assert made(Entry("one", (BRIDGE_A,)), Entry("two", (BRIDGE_A,))) == [elem("add", "bridges", "br-a")]


def test_transaction_makes_a_table_only_where_there_is_none():
    found = made(RULESET, BRIDGE_A)
    assert found[0] == {"create": NAMED}
    assert found[1] == {"add": {"set": {**PLACE, "name": "bridges", "type": "ifname"}}}
    assert found[-1] == elem("add", "bridges", "br-a")


def test_transaction_makes_a_table_of_the_parts_of_its_definition_in_their_order():
    first, *rest = nft.definition(TABLE)
    assert made(RULESET) == [{"create": first}, *({"add": part} for part in rest)]


def test_transaction_replaces_a_damaged_table_and_keeps_its_elements():
    changes = [Change(Ruleset("damaged: table"), RULESET), Change(None, BRIDGE_A), Change(MEMBERS_B, None)]
    kept = (Ruleset("damaged: table"), BRIDGE_B, CHECKED_B, MEMBERS_B, SOURCE_B)
    found = commands(*changes, kept=kept)
    assert found[:3] == [{"add": NAMED}, {"delete": NAMED}, {"add": NAMED}]
    assert [command for command in found if "element" in command.get("add", {})] == [
        elem("add", "bridges", "br-b", "br-a"),
        elem("add", "checked", {"concat": ["ipv6", "br-b"]}),
        elem("add", "sources", ["br-b", "198.51.100.7"]),
    ]


def test_transaction_keeps_nothing_of_what_a_damaged_table_had_that_has_no_place_in_a_whole_one():
    odd = (
        Element("members", ("br-b",)),
        Element("unknown", ("br-b",)),
        Element("hosts", ("6", "80")),
        Element("bridges", ("br-c",), ("10.0.0.1",)),
    )
    found = commands(Change(Ruleset("damaged: table"), RULESET), kept=(Ruleset("damaged: table"), *odd))
    assert [command for command in found if "element" in command.get("add", {})] == []


def test_transaction_replaces_a_table_with_what_a_port_leads_to_now():
    moved = Port("port", (replace(WEB, data=("10.50.0.9",)),))
    found = commands(Change(Ruleset("damaged: table"), RULESET), Change(None, moved), kept=(WEB, DNS))
    assert found[-1] == elem(
        "add", "hosts", [{"concat": ["17", "53"]}, "10.50.0.3"], [{"concat": ["6", "8080"]}, "10.50.0.9"]
    )


def test_transaction_removes_the_table_with_all_that_is_in_it():
    assert removed(Entry("both", (BRIDGE_A, MEMBERS_A)), BRIDGE_B, RULESET) == [{"delete": NAMED}]


def test_transaction_puts_a_name_nowhere_but_into_sets():
    assert made(Element("bridges", ('"; flush ruleset',))) == [elem("add", "bridges", '"; flush ruleset')]


# --- what a kernel lacks ---


def test_probes_ask_for_every_rule_alone():
    asked = list(nft.probes(TABLE))
    assert [name for name, _commands in asked] == ["members", "isolation", "replies", "publish", "checked", "publish"]
    for _name, probe in asked:
        assert ["rule" in command.get("add", {}) for command in probe["nftables"]].count(True) == 1
        assert probe["nftables"][:3] == [{"add": NAMED}, {"delete": NAMED}, {"add": NAMED}]


def test_probes_have_the_sets_and_chains_that_a_rule_refers_to():
    probe = dict(nft.probes(TABLE))["checked"]["nftables"]
    names = [part["name"] for command in probe[3:-1] for part in command["add"].values()]
    assert names == ["bridges", "members", "checked", "hosts", "sources", "forward", "published", "incoming"]
