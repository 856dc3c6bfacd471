# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint with port security may use, as elements of sets; fixtures/: as nft 1.0.6 printed the table."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import IPv6Address, ip_interface
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint
from ansible_collections.netloom.containers.plugins.module_utils._nft import definition, observed, transaction
from ansible_collections.netloom.containers.plugins.module_utils._port_security import (
    RULESET,
    TABLE,
    link_local,
    secured,
)
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element, Ruleset

FIXTURE = Path(__file__).parent / "fixtures" / "nft_1_0_6_list_bridge_table.json"
PORT = "veth0123456789a"
C1 = Endpoint(
    network="net",
    container="c1",
    runtime="netns",
    id="e" * 64,
    host_ifname=PORT,
    ifname="eth0",
    mac="02:42:0a:01:00:03",
    ipv4=ip_interface("10.1.0.3/24"),
    ipv6=ip_interface("fd00::3/64"),
)


def bridged(name, *value):
    return Element(name, value, family="bridge")


def entries(endpoint):
    ruleset, *found = secured(endpoint)
    assert ruleset == RULESET
    return [(entry.name, entry.elements) for entry in found]


def test_a_member_may_use_its_mac_its_addresses_and_its_link_local_address():
    assert entries(C1) == [
        (f"port security of c1 ({PORT})", (bridged("secured", PORT),)),
        (f"source 02:42:0a:01:00:03 of c1 ({PORT})", (bridged("macs", PORT, "02:42:0a:01:00:03"),)),
        (f"source 10.1.0.3 of c1 ({PORT})", (bridged("owned4", PORT, "10.1.0.3"),)),
        (
            f"source fd00::3 of c1 ({PORT})",
            (bridged("owned6", PORT, "fd00::3"), bridged("targets", PORT, "1743088155")),
        ),
        (
            f"source fe80::42:aff:fe01:3 of c1 ({PORT})",
            (bridged("owned6", PORT, "fe80::42:aff:fe01:3"), bridged("targets", PORT, "697773615")),
        ),
    ]


def test_a_member_without_ipv6_has_no_link_local_address_either():
    assert [name for name, _elements in entries(replace(C1, ipv6=None))] == [
        f"port security of c1 ({PORT})",
        f"source 02:42:0a:01:00:03 of c1 ({PORT})",
        f"source 10.1.0.3 of c1 ({PORT})",
    ]


@pytest.mark.parametrize(
    "other", [{"mac": "02:00:00:00:00:09"}, {"ipv4": ip_interface("10.1.0.9/24")}, {"ipv6": ip_interface("fd00::9/64")}]
)
def test_what_a_member_may_use_no_longer_is_an_entry_that_goes(other):
    before, after = dict(entries(C1)), dict(entries(replace(C1, **other)))
    # An entry is known by its name: with other elements under the same one, those that it had would stay.
    assert [name for name in before if name in after and after[name] != before[name]] == []
    assert set(before) - set(after) != set()


def test_a_member_without_ipv4_may_use_no_ipv4_address():
    found = [element for _name, elements in entries(replace(C1, ipv4=None)) for element in elements]
    assert [element for element in found if element.set == "owned4"] == []


def test_another_name_of_the_interface_is_nothing_to_port_security():
    assert list(secured(replace(C1, ifname="web0"))) == list(secured(C1))


def test_no_two_entries_have_an_element_in_common_so_that_one_can_go_without_the_other():
    found = [element for _name, elements in entries(C1) for element in elements]
    assert len(found) == len(set(found))


def test_the_name_of_a_container_is_in_titles_only():
    nasty = replace(C1, container='"; flush ruleset\n@secured*')
    resources = [*secured(nasty)]
    assert all("flush ruleset" in item.title for item in resources[1:])
    assert "flush" not in json.dumps(transaction(TABLE, [Change(None, item) for item in resources]))


@pytest.mark.parametrize(
    ("mac", "address"),
    [
        ("02:42:0a:01:00:03", "fe80::42:aff:fe01:3"),
        ("02:42:0a:32:00:80", "fe80::42:aff:fe32:80"),
        ("00:00:5e:00:53:01", "fe80::200:5eff:fe00:5301"),
        ("fe:ff:ff:ff:ff:ff", "fe80::fcff:ffff:feff:ffff"),
    ],
)
def test_the_link_local_address_is_the_macs_with_the_universal_bit_turned(mac, address):
    assert link_local(mac) == IPv6Address(address)


def test_the_table_and_its_elements_are_read_as_nft_prints_them():
    found = observed(TABLE, json.loads(FIXTURE.read_text(encoding="utf-8")))
    assert found[0] == RULESET
    secured_c1 = {element for _name, elements in entries(C1) for element in elements}
    assert set(found[1:]) == secured_c1 | {bridged("anycast", "vx-0123456789ab", "02:00:00:00:00:01")}


def test_the_table_is_one_of_its_own():
    assert (RULESET.family, RULESET.title) == ("bridge", "firewall table bridge netloom")
    assert RULESET.key == Ruleset("other", "bridge").key != Ruleset(RULESET.digest, "inet").key


def test_what_is_not_secured_passes_before_any_other_rule_is_asked():
    rules = [part["rule"] for part in definition(TABLE) if "rule" in part]
    assert rules[1]["expr"] == [
        {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "@secured"}},
        {"accept": None},
    ]
    assert all(rule["expr"][-1] in ({"drop": None},) for rule in rules[2:] if ":unmark:" not in rule["comment"])
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]+", rule["comment"]) for rule in rules)


def test_frames_of_a_common_gateway_are_dropped_on_their_way_in_and_out_before_any_other_rule_is_asked():
    rules = [part["rule"] for part in definition(TABLE) if "rule" in part]
    firsts = [next(rule for rule in rules if rule["chain"] == chain) for chain in ("prerouting", "output")]
    for rule, ifname in zip(firsts, ("iifname", "oifname")):
        key = {"concat": [{"meta": {"key": ifname}}, {"payload": {"protocol": "ether", "field": "saddr"}}]}
        assert rule["expr"] == [{"match": {"op": "==", "left": key, "right": "@anycast"}}, {"drop": None}]


def test_an_advertisement_is_compared_by_the_hash_of_its_target():
    (rule,) = (part["rule"]["expr"] for part in definition(TABLE) if ":advert:" in str(part))
    # 8 bytes of ICMPv6 header and flags stand before the 16 of the target (RFC 4861, section 4.4).
    target = {"payload": {"base": "th", "offset": 64, "len": 128}}
    assert rule[1]["mangle"]["value"]["jhash"]["expr"] == target
    assert rule[2]["match"]["right"] == "@targets"
    assert rule[3] == {"drop": None}


def test_the_mark_that_a_hash_was_kept_in_is_taken_off_again():
    names = [part["rule"]["comment"].split(":")[1] for part in definition(TABLE) if "rule" in part]
    assert names.index("unmark") == names.index("advert") + 1
