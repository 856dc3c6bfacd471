# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our tables as nft and the kernel keep them: made, damaged, repaired, removed, refused."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from ipaddress import ip_interface
from types import SimpleNamespace

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _port_security
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change, plan
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._firewall import (
    ROUTED,
    RULESET,
    TABLE,
    Family,
    elements,
    opened,
    published,
)
from ansible_collections.netloom.containers.plugins.module_utils._kernel import firewall
from ansible_collections.netloom.containers.plugins.module_utils._model import UNPROTECTED, Endpoint
from ansible_collections.netloom.containers.plugins.module_utils._port_security import secured
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element, Entry, Resource, Ruleset
from rig import run

pytestmark = pytest.mark.packets

HOST = SimpleNamespace(execute=lambda what, function, *args, **kwargs: function(*args, **kwargs))
DUAL = {4: Family(), 6: Family()}
PORT = published("tcp", "", 8080, ("10.50.0.2", 80))
OURS = (
    RULESET,
    *elements("br-a", {4: Family(), 6: Family(ROUTED)}),
    PORT,
    published("udp", "127.0.0.1", 53, ("10.50.0.2", 5353)),
    published("tcp", "2001:db8::1", 443, ("fd00::2", 8443)),
    opened("tcp", ("fd00::2", 443)),
)
OTHERS = (
    *elements("br-b", {4: Family()}, internal=True, icc=False),
    *elements("br-c", {4: Family(source="198.51.100.7"), 6: Family(UNPROTECTED, source="2001:db8::7")}),
    published("tcp", "", 9090, ("10.60.0.2", 80)),
    published("sctp", "", 2905, ("fd00:6::2", 2905)),
    opened("udp", ("10.60.0.2", 53)),
)
DAMAGES = {
    "rule deleted": "delete rule inet netloom forward handle {isolation}",
    "rule replaced": "replace rule inet netloom forward handle {isolation} accept",
    "rule replaced under its name": "replace rule inet netloom forward handle {isolation} "
    'iifname @bridges oifname @bridges accept comment "{isolation_comment}"',
    "rule added": "add rule inet netloom input accept",
    "rule put in front": "insert rule inet netloom forward accept",
    "rules moved": "delete rule inet netloom forward handle {members}\n"
    'add rule inet netloom forward iifname . oifname @members accept comment "{members_comment}"',
    "rules flushed": "flush chain inet netloom prerouting",
    "ports not looked up": "flush chain inet netloom published",
    "port looked up elsewhere": "replace rule inet netloom published handle {publish4} dnat ip to "
    'meta l4proto . th dport map @hosts4 comment "{publish4_comment}"',
    "jump deleted": "delete rule inet netloom incoming handle {incoming}",
    "chain deleted": "delete chain inet netloom input",
    "chain added": "add chain inet netloom more {{ type filter hook forward priority -9; policy drop; }}",
    "chain of another priority": "delete chain inet netloom input\n"
    "add chain inet netloom input {{ type filter hook input priority 7; }}",
    "chain that drops": "add chain inet netloom forward {{ policy drop; }}",
    "chain without a hook": "delete chain inet netloom postrouting\nadd chain inet netloom postrouting",
    "set deleted": "flush chain inet netloom postrouting\ndelete set inet netloom translated",
    "set of another type": "flush chain inet netloom input\nflush chain inet netloom forward\n"
    "delete set inet netloom internal\nadd set inet netloom internal {{ type ipv4_addr; }}",
    "map of another type": "flush chain inet netloom published\ndelete map inet netloom ports6\n"
    "add map inet netloom ports6 {{ type inet_proto . inet_service : ipv6_addr; }}",
    "set added": "add set inet netloom more {{ type ifname; }}",
    "map added": "add map inet netloom more {{ type ifname : verdict; }}",
    "table asleep": "add table inet netloom {{ flags dormant; }}",
    "everything flushed": "flush table inet netloom",
}
# What is lost is what somebody has taken out of the sets; rules that are taken out take no element along.
LOST_SETS = {"set deleted": {"translated"}, "set of another type": {"internal"}, "map of another type": {"ports6"}}


def make(*resources: Resource) -> None:
    firewall.apply(HOST, [Change(None, resource) for resource in resources])


def remove(*resources: Resource) -> None:
    firewall.apply(HOST, [Change(resource, None) for resource in resources])


def parts(*resources: Resource) -> set[Resource]:
    """Return what a table holds with `resources` in it: it knows of elements, not of what they are for."""
    return {part for item in resources for part in (item.elements if isinstance(item, Entry) else (item,))}


def there(family: str = "inet") -> set[Resource]:
    found = firewall.table(family)
    assert len(found) == len(set(found))
    return set(found)


def damage(command: str, family: str = "inet") -> None:
    words = {}
    for item in json.loads(run("nft", "-j", "list", "table", family, "netloom").stdout)["nftables"]:
        if "rule" in item:
            rule = item["rule"]["comment"].split(":")[1]
            words[rule], words[f"{rule}_comment"] = item["rule"]["handle"], item["rule"]["comment"]
    # One command, one transaction: what is deleted may be in use until then.
    run("nft", "-f", "-", stdin=command.format(**words) + "\n")


def test_there_is_nothing_before_the_first_network():
    assert firewall.table() == firewall.table("bridge") == ()


def test_what_is_made_is_observed():
    make(*OURS)
    assert there() == parts(*OURS)
    assert tuple(firewall.observe(HOST, OURS)) == OURS


def test_what_is_asked_for_is_observed_and_whether_there_is_more():
    make(*OURS, *OTHERS)
    found = tuple(firewall.observe(HOST, OURS))
    assert found == OURS
    assert isinstance(found[0], Ruleset)
    assert found[0].shared
    assert not firewall_ruleset(*OURS, *OTHERS).shared


def firewall_ruleset(*asked: Resource) -> Ruleset:
    found = next(iter(firewall.observe(HOST, asked)))
    assert isinstance(found, Ruleset)
    return found


def test_a_port_of_which_a_part_is_missing_is_observed_with_the_part_that_is_there():
    make(*OURS)
    run("nft", "delete element inet netloom ports4 { tcp . 8080 }")
    half = replace(PORT, elements=PORT.elements[:1])
    assert tuple(firewall.observe(HOST, [PORT])) == (half,)
    firewall.apply(HOST, plan([PORT], [half]))
    assert there() == parts(*OURS)


def test_a_port_that_leads_elsewhere_is_observed_as_it_is_and_moved():
    make(*OURS)
    run("nft", "delete element inet netloom hosts4 { tcp . 8080 }")
    run("nft", "add element inet netloom hosts4 { tcp . 8080 : 10.66.0.6 }")
    astray = replace(PORT, elements=(replace(PORT.elements[0], data=("10.66.0.6",)), PORT.elements[1]))
    assert tuple(firewall.observe(HOST, [PORT])) == (astray,)
    (change,) = plan([PORT], [astray])
    assert str(change) == "move port 0.0.0.0:8080/tcp: to 10.66.0.6 80 -> 10.50.0.2 80"
    firewall.apply(HOST, [change])
    assert there() == parts(*OURS)


def test_ports_swap_their_members_in_one_batch():
    one, two = published("tcp", "", 1, ("10.50.0.2", 80)), published("tcp", "", 2, ("10.50.0.3", 80))
    swapped = (published("tcp", "", 1, ("10.50.0.3", 80)), published("tcp", "", 2, ("10.50.0.2", 80)))
    make(RULESET, one, two)
    firewall.apply(HOST, plan([RULESET, *swapped], [RULESET, one, two]))
    assert there() == parts(RULESET, *swapped)


def test_making_an_element_again_is_no_error():
    make(*OURS)
    make(*OURS[1:])
    assert there() == parts(*OURS)


def test_one_batch_adds_and_removes():
    make(*OURS)
    firewall.apply(HOST, [*(Change(item, None) for item in OURS[1:]), *(Change(None, item) for item in OTHERS)])
    assert there() == parts(RULESET, *OTHERS)


def test_removal_leaves_nothing_and_spares_the_tables_of_others():
    run("nft", "add", "table", "inet", "netloom2")
    before = run("nft", "list", "ruleset").stdout
    make(*OURS)
    remove(*reversed(OURS))
    assert run("nft", "list", "ruleset").stdout == before


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_seen_and_repaired_with_the_elements_of_other_networks(name):
    make(*OURS, *OTHERS)
    run("nft", "add", "table", "inet", "somebody")
    damage(DAMAGES[name])
    found = tuple(firewall.observe(HOST, OURS))
    assert isinstance(found[0], Ruleset)
    assert found[0].digest.startswith("damaged: ")
    lost = parts(*OTHERS) - there()
    assert {item.set for item in lost if isinstance(item, Element)} == LOST_SETS.get(name, set()) & SETS_OF_OTHERS
    firewall.apply(HOST, list(plan(OURS, found)))
    assert there() == parts(*OURS, *OTHERS) - lost
    assert "somebody" in run("nft", "list", "tables").stdout


SETS_OF_OTHERS = {item.set for item in parts(*OTHERS) if isinstance(item, Element)}


def test_damage_is_named():
    make(*OURS)
    damage(DAMAGES["rule deleted"])
    assert firewall.table()[0] == Ruleset("damaged: rules of forward")


def test_a_listing_of_the_whole_ruleset_can_be_loaded_again(tmp_path):
    make(*OURS, *OTHERS, *SECURED, *SECURED_OTHERS)
    saved = tmp_path / "nftables.conf"
    saved.write_text("flush ruleset\n" + run("nft", "list", "ruleset").stdout)
    before = there(), there("bridge")
    run("nft", "-f", saved)
    assert (there(), there("bridge")) == before
    run("nft", "flush", "ruleset")
    run("nft", "-f", saved)
    assert (there(), there("bridge")) == before
    assert before == (parts(*OURS, *OTHERS), parts(*SECURED, *SECURED_OTHERS))
    assert "flush ruleset\n" + run("nft", "list", "ruleset").stdout == saved.read_text()


def test_a_listing_in_json_can_be_loaded_again():
    make(*OURS, *OTHERS, *SECURED)
    saved = json.loads(run("nft", "-j", "list", "ruleset").stdout)
    run("nft", "flush", "ruleset")
    run("nft", "-j", "-f", "-", stdin=json.dumps(saved))
    assert (there(), there("bridge")) == (parts(*OURS, *OTHERS), parts(*SECURED))


def test_the_number_of_rules_does_not_depend_on_the_number_of_networks_and_ports():
    make(*OURS)
    one = run("nft", "list", "ruleset").stdout.count("comment")
    many = [item for number in range(200) for item in elements(f"br-{number}", DUAL)]
    ports = [published("tcp", "", 10_000 + number, ("10.50.0.2", 80)) for number in range(500)]
    make(*many, *ports)
    assert there() == parts(*OURS, *many, *ports)
    assert run("nft", "list", "ruleset").stdout.count("comment") == one
    assert one == sum(len(chain.rules) for chain in TABLE.chains.values())


@pytest.mark.parametrize("ifname", ["0x10", "drop", "1", "$x", "a;b", "{a}", "a,b", "a#b", "eth0@if3", "br.100", "~"])
def test_odd_interface_names_come_back_as_they_went(ifname):
    network = (RULESET, *elements(ifname, {4: Family(source="198.51.100.7"), 6: Family(ROUTED)}))
    make(*network)
    assert there() == set(network)
    run("nft", "-f", "-", stdin="flush ruleset\n" + run("nft", "list", "ruleset").stdout)
    assert there() == set(network)


def test_a_table_made_meanwhile_keeps_what_is_in_it():
    make(RULESET, *OTHERS)
    make(*OURS)
    assert there() == parts(*OURS, *OTHERS)


def test_tasks_that_know_nothing_of_each_other_lose_nothing():
    networks = [
        (*elements(f"br-{number}", DUAL), published("tcp", "", 8000 + number, (f"10.50.{number}.2", 80)))
        for number in range(8)
    ]
    context = multiprocessing.get_context("fork")
    tasks = [context.Process(target=make, args=(RULESET, *network)) for network in networks]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0] * 8
    assert there() == parts(RULESET, *(item for network in networks for item in network))


def test_an_element_that_is_not_there_cannot_be_removed_and_nothing_else_is():
    make(*OURS)
    with pytest.raises(NetloomError) as error:
        remove(OURS[1], OTHERS[0])
    assert error.value.code == "apply_failed"
    assert there() == parts(*OURS)


def test_a_port_that_somebody_else_has_meanwhile_is_not_taken_and_nothing_else_is_made():
    make(*OURS)
    with pytest.raises(NetloomError) as error:
        make(*OTHERS, published("tcp", "", 8080, ("10.66.0.6", 80)))
    assert error.value.code == "apply_failed"
    assert there() == parts(*OURS)


# --- the table bridge netloom ---


def endpoint(number: int, container: str) -> Endpoint:
    return Endpoint(
        network="net",
        container=container,
        runtime="netns",
        id=f"{number:064x}",
        host_ifname=f"veth{number}",
        ifname="eth0",
        mac=f"02:42:0a:01:00:{number:02x}",
        ipv4=ip_interface(f"10.1.0.{number}/24"),
        ipv6=ip_interface(f"fd00::{number:x}/64"),
    )


SECURED = (*secured(endpoint(3, "c1")),)
SECURED_OTHERS = (*secured(endpoint(4, '"; flush ruleset\n*')),)[1:]
SECURITY = _port_security.RULESET
BRIDGE_DAMAGES = {
    "rule deleted": "delete rule bridge netloom prerouting handle {mac}",
    "rule replaced": "replace rule bridge netloom prerouting handle {ipv4} accept",
    "rule replaced under its name": "replace rule bridge netloom prerouting handle {others} "
    'iifname != @secured drop comment "{others_comment}"',
    "rule added": "add rule bridge netloom prerouting drop",
    "rule put in front": "insert rule bridge netloom prerouting accept",
    "rules flushed": "flush chain bridge netloom prerouting",
    "chain of another priority": "delete chain bridge netloom prerouting\n"
    "add chain bridge netloom prerouting {{ type filter hook prerouting priority 0; }}",
    "chain that drops": "add chain bridge netloom prerouting {{ policy drop; }}",
    "set added": "add set bridge netloom more {{ type ifname; }}",
    "table asleep": "add table bridge netloom {{ flags dormant; }}",
    "everything flushed": "flush table bridge netloom",
}


def test_port_security_is_observed_as_it_is_made():
    make(*SECURED)
    assert there("bridge") == parts(*SECURED)
    assert tuple(firewall.observe(HOST, SECURED)) == SECURED
    assert firewall.table() == ()


def test_one_batch_makes_both_tables():
    make(*OURS, *SECURED)
    assert (there(), there("bridge")) == (parts(*OURS), parts(*SECURED))
    assert tuple(firewall.observe(HOST, [*OURS, *SECURED])) == (*OURS, *SECURED)


def test_what_is_refused_in_one_table_is_not_made_in_the_other():
    make(*OURS)
    with pytest.raises(NetloomError):
        make(*SECURED, published("tcp", "", 8080, ("10.66.0.6", 80)))
    assert (there(), there("bridge")) == (parts(*OURS), set())


def test_port_security_comes_and_goes_by_endpoint():
    make(*SECURED)
    make(*SECURED_OTHERS)
    assert there("bridge") == parts(*SECURED, *SECURED_OTHERS)
    remove(*reversed(SECURED_OTHERS))
    assert there("bridge") == parts(*SECURED)


def test_port_security_goes_with_the_last_endpoint_and_leaves_the_other_table():
    make(*OURS, *SECURED)
    remove(*reversed(SECURED))
    assert (there(), there("bridge")) == (parts(*OURS), set())
    assert "bridge" not in run("nft", "list", "tables").stdout


@pytest.mark.parametrize(
    "other",
    [
        {"ipv4": ip_interface("10.1.0.99/24")},
        {"ipv6": ip_interface("fd00::99/64")},
        {"ipv6": None},
        {"mac": "02:00:00:00:00:09"},
        {"mac": "02:00:00:00:00:09", "ipv4": None, "ifname": "web0"},
    ],
)
def test_what_an_endpoint_may_use_no_longer_goes_and_the_rest_stays(other):
    wanted = (*secured(replace(endpoint(3, "c1"), **other)),)
    make(*SECURED, *SECURED_OTHERS)
    # As a task does, that has the endpoint become another: both versions are looked for, by what they are known.
    both = {item.key: item for item in (*SECURED, *wanted)}.values()
    firewall.apply(HOST, list(plan(wanted, firewall.observe(HOST, list(both)))))
    assert there("bridge") == parts(*wanted, *SECURED_OTHERS)


@pytest.mark.parametrize("name", BRIDGE_DAMAGES)
def test_damage_to_port_security_is_seen_and_repaired_with_the_elements_of_other_endpoints(name):
    make(*OURS, *SECURED, *SECURED_OTHERS)
    run("nft", "add", "table", "bridge", "somebody")
    damage(BRIDGE_DAMAGES[name], "bridge")
    found = tuple(firewall.observe(HOST, SECURED))
    assert isinstance(found[0], Ruleset)
    assert found[0].digest.startswith("damaged: ")
    firewall.apply(HOST, list(plan(SECURED, found)))
    assert there("bridge") == parts(*SECURED, *SECURED_OTHERS)
    assert there() == parts(*OURS)
    assert "somebody" in run("nft", "list", "tables").stdout


def test_both_tables_are_repaired_in_one_batch():
    make(*OURS, *OTHERS, *SECURED, *SECURED_OTHERS)
    damage(DAMAGES["everything flushed"])
    damage(BRIDGE_DAMAGES["everything flushed"], "bridge")
    desired = (*OURS, *SECURED)
    firewall.apply(HOST, list(plan(desired, firewall.observe(HOST, desired))))
    assert there() == parts(*OURS, *OTHERS)
    assert there("bridge") == parts(*SECURED, *SECURED_OTHERS)


def test_tasks_that_secure_endpoints_at_the_same_time_lose_nothing():
    endpoints = [(*secured(endpoint(number, f"c{number}")),) for number in range(2, 8)]
    context = multiprocessing.get_context("fork")
    tasks = [context.Process(target=make, args=resources) for resources in endpoints]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0] * 6
    assert there("bridge") == parts(*(item for resources in endpoints for item in resources))


# --- nft, and what it says ---


def test_every_side_effect_passes_through_the_seam():
    calls = []
    host = SimpleNamespace(execute=lambda what, function, *args, **kwargs: calls.append(what))
    firewall.apply(host, [Change(None, item) for item in OURS])
    assert calls == [f"create firewall table inet netloom and {len(OURS) - 1} more"]
    assert firewall.table() == ()


def test_one_side_effect_changes_both_tables():
    calls = []
    host = SimpleNamespace(execute=lambda what, function, *args, **kwargs: calls.append(what))
    firewall.apply(host, [Change(None, item) for item in (RULESET, SECURITY, *OURS[1:], *SECURED[1:])])
    assert len(calls) == 1


@pytest.fixture
def fake_nft(tmp_path, monkeypatch):
    """Return a function that puts a shell script in front of nft; its $NFT is the real one."""

    def put(script: str) -> None:
        program = tmp_path / "nft"
        program.write_text(f"#!/bin/sh\nNFT=/usr/sbin/nft\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


FAILS = 'echo "internal:0:0-0: Error: Could not process rule: {}" >&2; exit 1'


@pytest.mark.parametrize(
    "word, modules",
    [
        ('"fib"', "nft_fib_inet, nft_fib_ipv4, nft_fib_ipv6"),
        ('"masquerade"', "nft_masq, nft_chain_nat (for masquerade)"),
        ('"dnat": {', "nft_nat, nft_chain_nat (for publish4-at, publish4, publish6-at, publish6)"),
        ('"snat"', "nft_nat, nft_chain_nat (for source4, source6)"),
    ],
)
@pytest.mark.parametrize("reason", ["No such file or directory", "Operation not supported"])
def test_a_kernel_that_lacks_something_is_told_by_what_it_lacks(fake_nft, word, modules, reason):
    fails = f"case $input in *'{word}'*) {FAILS.format(reason)};; esac"
    fake_nft(f'input=$(cat); {fails}; printf %s "$input" | $NFT "$@"')
    with pytest.raises(NetloomError, match="lacks") as error:
        make(*OURS)
    assert error.value.code == "kernel_unsupported"
    assert modules in error.value.message
    assert "members" not in error.value.message


@pytest.mark.parametrize("reason", ["No such file or directory", "Operation not supported"])
def test_a_kernel_without_tables_for_bridges_is_told_by_that(fake_nft, reason):
    fails = f"""case $input in *'"family": "bridge"'*) {FAILS.format(reason)};; esac"""
    fake_nft(f'input=$(cat); {fails}; printf %s "$input" | $NFT "$@"')
    with pytest.raises(NetloomError, match="lacks .*nf_tables_bridge") as error:
        make(*OURS, *SECURED)
    assert error.value.code == "kernel_unsupported"
    assert firewall.table() == ()


@pytest.mark.parametrize("reason", ["Device or resource busy", "Interrupted system call"])
def test_a_moment_of_contention_is_waited_out(fake_nft, tmp_path, reason):
    fake_nft(f'[ -e {tmp_path}/tried ] && exec $NFT "$@"; : >{tmp_path}/tried; {FAILS.format(reason)}')
    make(*OURS)
    assert there() == parts(*OURS)


def test_contention_that_does_not_end_is_told_in_nfts_words(fake_nft, tmp_path):
    fake_nft(f"echo >>{tmp_path}/tries; {FAILS.format('Device or resource busy')}")
    with pytest.raises(NetloomError, match="Could not process rule: Device or resource busy") as error:
        make(*OURS)
    assert error.value.code == "apply_failed"
    assert (tmp_path / "tries").read_text() == "\n" * 5


def test_too_few_rights_are_told(fake_nft):
    fake_nft(FAILS.format("Operation not permitted"))
    with pytest.raises(NetloomError) as error:
        firewall.table()
    assert error.value.code == "permission_denied"


def test_a_missing_nft_is_told(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *args, **kwargs: None)
    with pytest.raises(NetloomError) as error:
        firewall.table()
    assert error.value.code == "missing_dependency"


def test_an_nft_that_hangs_is_given_up(fake_nft, monkeypatch):
    monkeypatch.setattr(firewall, "TIMEOUT", 0.2)
    fake_nft("exec sleep 5")
    with pytest.raises(NetloomError, match="has not answered") as error:
        firewall.table()
    assert error.value.code == "apply_failed"
