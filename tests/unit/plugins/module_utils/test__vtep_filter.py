# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that keep strangers' VXLAN out; fixtures/: as nft 1.0.6 printed them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._jhash import hashed
from ansible_collections.netloom.containers.plugins.module_utils._nft import definition, observed
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element, Entry, Ruleset
from ansible_collections.netloom.containers.plugins.module_utils._vtep_filter import TABLES, heard
from ansible_collections.netloom.containers.plugins.module_utils._vxlan import Admission

FIXTURES = Path(__file__).parent / "fixtures"
MARK = "487530534"  # of VNI 42


def test_a_mark_is_the_kernels_hash_of_the_vni():
    assert str(hashed(b"\0\0\0\x2a")) == MARK


@pytest.mark.parametrize(
    ("version", "family", "peers"), [(4, "ip", ("203.0.113.2", "203.0.113.3")), (6, "ip6", ("2001:db8::2",))]
)
def test_the_table_and_its_elements_are_read_as_nft_prints_them(version, family, peers):
    listing = json.loads((FIXTURES / f"nft_1_0_6_list_{family}_table.json").read_text(encoding="utf-8"))
    ruleset, *found = observed(TABLES[family], listing)
    wanted, *items = heard(version, 4789, 42, peers)
    assert ruleset == wanted
    assert set(found) == {element for item in items for element in getattr(item, "elements", (item,))}


def test_each_peer_is_admitted_on_its_own_after_everything_else_is_there():
    ruleset, port, overlay, *peers = heard(4, 4789, 42, ("203.0.113.2", "203.0.113.3"))
    assert isinstance(ruleset, Ruleset)
    assert port == Element("ports4", ("4789",), family="ip")
    assert isinstance(overlay, Entry)
    assert overlay.elements == (Element("overlays4", ("4789", MARK), family="ip"),)
    assert [(type(each), each.elements[0].value) for each in peers] == [
        (Admission, ("203.0.113.2", "4789", MARK)),
        (Admission, ("203.0.113.3", "4789", MARK)),
    ]
    assert min(peer.rank for peer in peers) > 70  # Up
    assert replace(peers[0], elements=()).key == peers[0].key != peers[1].key


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_what_is_not_known_is_dropped_last_and_every_mark_is_taken_off_before_a_packet_passes(family):
    rules = {
        part["rule"]["comment"].split(":")[1]: part["rule"]["expr"]
        for part in definition(TABLES[family])
        if "rule" in part
    }
    assert list(rules) == ["others", "ports", "vni", "foreign", "peer", "stranger"]
    assert rules["stranger"] == [{"drop": None}]
    unmark = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 0}}
    assert all(rules[name][-2:] == [unmark, {"accept": None}] for name in ("foreign", "peer"))
    # 8 bytes of UDP, 4 of flags: the VNI begins at bit 96, and the byte before it is 0 (RFC 7348, section 5).
    assert rules["vni"][0]["mangle"]["value"]["jhash"]["expr"] == {"payload": {"base": "th", "offset": 88, "len": 32}}
    assert all(
        re.fullmatch(r"[A-Za-z0-9_.:-]+", part["rule"]["comment"])
        for part in definition(TABLES[family])
        if "rule" in part
    )
