# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is warned of in other programs' tables, as nft lists them, and with which commands each warning ends."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._coexistence import warnings
from ansible_collections.netloom.containers.plugins.module_utils._foreign import (
    AMONG,
    ANSWERS,
    PUBLISHED,
    SENT,
    Bridge,
    drops,
    forward_chains,
    tables,
)

SUBNETS = (ip_network("10.1.0.0/24"), ip_network("fd00:1::/64"))
BR_A, BR_B = Bridge("br-a", SUBNETS), Bridge("br-b", SUBNETS)
ONLY_IPV4 = Bridge("br-a", SUBNETS[:1])
ALL = [SENT, ANSWERS, PUBLISHED]


def chain(place: str, hook: str | None = None, policy: str = "accept") -> dict:
    family, table, name = place.split()
    base = {"hook": hook, "policy": policy} if hook else {}
    return {"chain": {"family": family, "table": table, "name": name, **base}}


def rule(place: str, *parts: object) -> dict:
    family, table, name = place.split()
    return {"rule": {"family": family, "table": table, "chain": name, "expr": list(parts)}}


def match(left: dict, right: object, op: str = "==") -> dict:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: object, op: str = "==") -> dict:
    return match({"meta": {"key": key}}, right, op)


def address(field: str, right: object, protocol: str = "ip") -> dict:
    return match({"payload": {"protocol": protocol, "field": field}}, right)


def jump(target: str) -> dict:
    return {"jump": {"target": target}}


FROM, TO = meta("iifname", "br-a"), meta("oifname", "br-a")
STATE = {"ct": {"key": "state"}}
ACCEPT, DROP, COUNT = {"accept": None}, {"drop": None}, {"counter": {"packets": 0, "bytes": 0}}
CONNTRACK = {"xt": {"type": "match", "name": "conntrack"}}
PLACE = "ip filter FORWARD"


def dropped(*rules: dict, policy: str = "drop", bridge: Bridge = ONLY_IPV4, bridged: tuple = ()) -> list[str]:
    """Return what a chain with these rules drops."""
    ((_chain, kinds),) = drops(tables([chain(PLACE, "forward", policy), *rules]), bridge, bridged).items() or [
        (None, [])
    ]
    return kinds


def test_forward_chains_are_those_of_others_that_forward():
    items = [
        chain(PLACE, "forward", "drop"),
        chain("ip filter INPUT", "input", "drop"),
        chain("ip filter DOCKER-USER"),
        chain("inet firewalld filter_FORWARD", "forward"),
        chain("inet netloom forward", "forward", "drop"),
        chain("bridge netloom forward", "forward", "drop"),
    ]
    assert [str(each) for each in forward_chains(items)] == [PLACE, "inet firewalld filter_FORWARD"]


def test_a_policy_drops_all_that_no_rule_knows():
    assert dropped() == ALL
    assert dropped(policy="accept") == []


@pytest.mark.parametrize("verdict", [DROP, {"reject": None}, {"xt": {"type": "target", "name": "REJECT"}}])
def test_a_last_rule_drops_as_a_policy_does(verdict):
    assert dropped(rule(PLACE, COUNT, verdict), policy="accept") == ALL


def test_what_members_send_each_other_counts_where_bridged_packets_are_filtered():
    assert dropped(bridged=(4,)) == [*ALL, AMONG]
    assert dropped(bridged=(6,)) == ALL


def test_only_ip_versions_of_the_bridge_count():
    items = [chain("ip6 filter FORWARD", "forward", "drop")]
    assert drops(tables(items), ONLY_IPV4, ()) == {}
    assert [*drops(tables(items), BR_A, ()).values()] == [ALL]


def test_a_chain_for_both_ip_versions_drops_once():
    assert [*drops(tables([chain("inet site forward", "forward", "drop")]), BR_A, (4, 6)).values()] == [[*ALL, AMONG]]


def test_a_bridge_table_is_asked_for_what_members_send_each_other():
    items = [chain("bridge site forward", "forward", "drop")]
    assert [*drops(tables(items), BR_A, ()).values()] == [[AMONG]]
    let = rule("bridge site forward", meta("ibrname", "br-a"), ACCEPT)
    assert drops(tables([*items, let]), BR_A, ()) == {}


@pytest.mark.parametrize("right", ["br-a", "br-*", {"set": ["br-c", "br-a"]}, "@ours"])
def test_each_direction_is_let_through_by_its_own_rule(right):
    ours = {"set": {"family": "ip", "table": "filter", "name": "ours", "elem": [{"elem": {"val": "br-a"}}, "br-c"]}}
    sends, gets = (rule(PLACE, meta(side, right), COUNT, ACCEPT) for side in ("iifname", "oifname"))
    assert dropped(ours, sends) == [ANSWERS, PUBLISHED]
    assert dropped(ours, gets) == [SENT]
    assert dropped(ours, sends, gets, bridged=(4,)) == []


@pytest.mark.parametrize("right", ["br-b", "docker*", {"set": ["br-b"]}, "@nothing", {"range": ["br-a", "br-b"]}])
def test_a_rule_for_others_lets_nothing_of_ours_through(right):
    assert dropped(rule(PLACE, meta("iifname", right), ACCEPT), rule(PLACE, meta("oifname", right), ACCEPT)) == ALL


def test_rules_by_subnet_are_understood():
    wide = {"prefix": {"addr": "10.0.0.0", "len": 8}}
    assert dropped(rule(PLACE, address("saddr", wide), ACCEPT), rule(PLACE, address("daddr", wide), ACCEPT)) == []
    assert dropped(rule(PLACE, address("saddr", "10.1.0.0/24"), ACCEPT)) == [ANSWERS, PUBLISHED]
    assert dropped(rule(PLACE, address("saddr", "10.1.0.7"), DROP), policy="accept") == []
    assert dropped(rule(PLACE, address("saddr", wide), DROP), policy="accept") == [SENT]
    assert dropped(rule(PLACE, address("saddr", {"prefix": {"addr": "::", "len": 0}}, "ip6"), ACCEPT)) == ALL


@pytest.mark.parametrize(
    "right", [["established", "related"], {"set": ["established"]}, {"|": ["established", "related"]}]
)
def test_rules_by_connection_are_understood(right):
    assert dropped(rule(PLACE, match(STATE, right, "in"), ACCEPT)) == [SENT, PUBLISHED]
    assert dropped(rule(PLACE, match({"ct": {"key": "status"}}, "dnat", "in"), ACCEPT)) == [SENT, ANSWERS]
    assert dropped(rule(PLACE, match(STATE, "invalid", "in"), DROP), policy="accept") == []


def test_a_map_of_states_is_understood():
    verdicts = {"set": [["established", ACCEPT], ["invalid", DROP], ["new", jump("rest")]]}
    rules = rule(PLACE, {"vmap": {"key": STATE, "data": verdicts}}), rule("ip filter rest", FROM, ACCEPT)
    assert dropped(*rules) == [PUBLISHED]


def test_iptables_does_not_tell_states_and_its_accept_is_taken_for_what_is_established():
    assert dropped(rule(PLACE, CONNTRACK, COUNT, ACCEPT)) == [SENT, PUBLISHED]
    assert dropped(rule(PLACE, CONNTRACK, COUNT, DROP), policy="accept") == []


@pytest.mark.parametrize(
    "condition",
    [
        meta("mark", 1),
        address("dport", 80, "tcp"),
        address("dport", 53, "udp"),
        meta("iifname", "lo", "<"),
        {"limit": {"rate": 3, "per": "minute"}},
        {"xt": {"type": "match", "name": "set"}},
        "something that nft has no JSON for",
        match("neither", 1),
        meta("iifname", "eth0", "!="),
    ],
    ids=str,
)
def test_a_rule_that_asks_for_what_is_not_known_decides_nothing_for_what_comes_from_outside(condition):
    outside = [ANSWERS, PUBLISHED]
    assert [kind for kind in dropped(rule(PLACE, condition, ACCEPT)) if kind in outside] == outside
    assert [kind for kind in dropped(rule(PLACE, condition, DROP), policy="accept") if kind in outside] == []


def test_who_names_the_bridge_has_decided():
    assert dropped(rule(PLACE, FROM, DROP), rule(PLACE, TO, {"reject": None})) == []
    assert dropped(rule(PLACE, FROM, address("dport", 80, "tcp"), ACCEPT), rule(PLACE, TO, DROP)) == []
    assert dropped(rule(PLACE, FROM, address("dport", 80, "tcp"), DROP), rule(PLACE, TO, ACCEPT)) == [SENT]


def test_a_rule_for_all_but_another_interface_is_about_us():
    assert dropped(rule(PLACE, meta("iifname", "eth0", "!="), DROP), policy="accept") == [SENT]


def test_chains_are_followed_and_returned_from():
    inside = "ip filter inside"
    to_it = rule(PLACE, COUNT, jump("inside"))
    last = rule(PLACE, DROP)
    assert dropped(to_it, rule(inside, FROM, ACCEPT), last, policy="accept") == [ANSWERS, PUBLISHED]
    assert dropped(to_it, rule(inside, {"return": None}), rule(inside, ACCEPT), last, policy="accept") == ALL
    goes = rule(PLACE, {"goto": {"target": "inside"}})
    assert dropped(goes, rule(inside, FROM, DROP), last, policy="accept") == []


DOCKER = [chain(PLACE, "forward", "drop"), chain("ip filter DOCKER-USER"), chain("ip filter DOCKER-ISOLATION-STAGE-1")]
UFW = [
    *(chain(f"{family} filter FORWARD", "forward", "drop") for family in ("ip", "ip6")),
    *(chain(f"{family} filter {name}-user-forward") for family, name in (("ip", "ufw"), ("ip6", "ufw6"))),
]
FIREWALLD = [
    chain("inet firewalld filter_FORWARD", "forward"),
    rule("inet firewalld filter_FORWARD", {"reject": None}),
]


def test_without_other_programs_nothing_is_said():
    assert warnings([], [BR_A], (4, 6)) == []


def test_a_warning_says_what_is_dropped_and_ends_with_commands():
    assert warnings(DOCKER, [BR_A], ()) == [
        (
            "ip filter FORWARD of Docker drops what members send, answers to them, what comes to published ports on br-a. "
            "To let it through: iptables -I DOCKER-USER -i br-a -j ACCEPT; iptables -I DOCKER-USER -o br-a -j ACCEPT"
        )
    ]


def test_many_bridges_are_one_warning_and_not_all_named():
    (warning,) = warnings(DOCKER, [Bridge(f"br-{number}", SUBNETS) for number in range(1, 9)], ())
    assert " on br-1 (likewise br-2, br-3, br-4, br-5 and 3 more). To let" in warning
    assert warning.endswith("iptables -I DOCKER-USER -o br-1 -j ACCEPT")


def test_a_bridge_that_is_cured_is_not_in_the_warning_about_another():
    cure = [
        rule("ip filter DOCKER-USER", match({"meta": {"key": side}}, "br-a"), ACCEPT) for side in ("iifname", "oifname")
    ]
    items = [*DOCKER, rule(PLACE, jump("DOCKER-USER")), *cure]
    (warning,) = warnings(items, [BR_A, BR_B], ())
    assert " on br-b. To let" in warning


@pytest.mark.parametrize(
    "items, commands",
    [
        (UFW, ["ufw route allow in on br-a; ufw route allow out on br-a"]),
        ([*UFW, *DOCKER], ["ufw route allow in on br-a; ufw route allow out on br-a"]),
        (
            [chain("ip6 filter FORWARD", "forward", "drop"), chain("ip6 filter DOCKER-USER")],
            ["ip6tables -I DOCKER-USER -i br-a -j ACCEPT; ip6tables -I DOCKER-USER -o br-a -j ACCEPT"],
        ),
        (
            FIREWALLD,
            [
                (
                    "firewall-cmd --permanent --new-zone=netloom; firewall-cmd --permanent --new-policy=netloom-out; "
                    "firewall-cmd --permanent --policy=netloom-out --add-ingress-zone=netloom; "
                    "firewall-cmd --permanent --policy=netloom-out --add-egress-zone=ANY; "
                    "firewall-cmd --permanent --policy=netloom-out --set-target=ACCEPT; "
                    "firewall-cmd --permanent --zone=netloom --add-interface=br-a; firewall-cmd --reload"
                )
            ],
        ),
        (
            [*FIREWALLD, chain("inet firewalld filter_FWD_netloom")],
            ["firewall-cmd --permanent --zone=netloom --add-interface=br-a; firewall-cmd --reload"],
        ),
        (
            [*DOCKER, *FIREWALLD, chain("inet firewalld filter_FWD_netloom")],
            [
                (
                    "firewall-cmd --permanent --direct --add-chain ipv4 filter DOCKER-USER; "
                    "firewall-cmd --permanent --direct --add-rule ipv4 filter DOCKER-USER 0 -i br-a -j ACCEPT; "
                    "firewall-cmd --permanent --direct --add-rule ipv4 filter DOCKER-USER 0 -o br-a -j ACCEPT; "
                    "firewall-cmd --reload"
                ),
                "firewall-cmd --permanent --zone=netloom --add-interface=br-a; firewall-cmd --reload",
            ],
        ),
        (
            [chain("inet site forward", "forward", "drop")],
            [
                (
                    "nft insert rule inet site forward iifname '\"br-a\"' counter accept; "
                    "nft insert rule inet site forward oifname '\"br-a\"' counter accept"
                )
            ],
        ),
        (
            [chain("bridge site forward", "forward", "drop")],
            ["nft insert rule bridge site forward ibrname '\"br-a\"' counter accept"],
        ),
    ],
    ids=[
        "ufw",
        "ufw and Docker",
        "Docker IPv6",
        "firewalld",
        "firewalld again",
        "Docker and firewalld",
        "nft",
        "bridge",
    ],
)
def test_the_commands_are_those_of_the_program_that_is_there(items, commands):
    assert [warning.partition("To let it through: ")[2] for warning in warnings(items, [BR_A], ())] == commands


def test_a_name_that_a_shell_would_read_is_quoted():
    (warning,) = warnings(DOCKER, [Bridge("br;$x", SUBNETS)], ())
    assert warning.endswith("iptables -I DOCKER-USER -o 'br;$x' -j ACCEPT")
