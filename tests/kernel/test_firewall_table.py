# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our table as nft and the kernel keep it: made, damaged, repaired, removed, refused."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change, plan
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._firewall import RULESET, elements
from ansible_collections.netloom.containers.plugins.module_utils._kernel import firewall
from ansible_collections.netloom.containers.plugins.module_utils._resources import Element
from rig import run

HOST = SimpleNamespace(execute=lambda what, function, *args, **kwargs: function(*args, **kwargs))
NAT = {"internal": False, "icc": True, "masquerade": True}
OURS = (RULESET, *elements("br-a", **NAT))
OTHERS = (*elements("br-b", internal=True, icc=False, masquerade=False),)
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
    "chain deleted": "delete chain inet netloom input",
    "chain added": "add chain inet netloom more {{ type filter hook forward priority -9; policy drop; }}",
    "chain of another priority": "delete chain inet netloom input\n"
    "add chain inet netloom input {{ type filter hook input priority 7; }}",
    "chain that drops": "add chain inet netloom forward {{ policy drop; }}",
    "chain without a hook": "delete chain inet netloom postrouting\nadd chain inet netloom postrouting",
    "set deleted": "flush chain inet netloom postrouting\nflush chain inet netloom forward\n"
    "delete set inet netloom masqueraded",
    "set of another type": "flush chain inet netloom input\nflush chain inet netloom forward\n"
    "delete set inet netloom internal\nadd set inet netloom internal {{ type ipv4_addr; }}",
    "set added": "add set inet netloom more {{ type ifname; }}",
    "map added": "add map inet netloom more {{ type ifname : verdict; }}",
    "table asleep": "add table inet netloom {{ flags dormant; }}",
    "everything flushed": "flush table inet netloom",
}


def make(*resources) -> None:
    firewall.apply(HOST, [Change(None, resource) for resource in resources])


def damage(name: str) -> None:
    words = {}
    for item in json.loads(run("nft", "-j", "list", "table", "inet", "netloom").stdout)["nftables"]:
        if "rule" in item:
            rule = item["rule"]["comment"].split(":")[1]
            words[rule], words[f"{rule}_comment"] = item["rule"]["handle"], item["rule"]["comment"]
    # One command, one transaction: what is deleted may be in use until then.
    run("nft", "-f", "-", stdin=DAMAGES[name].format(**words) + "\n")


def test_there_is_nothing_before_the_first_network():
    assert firewall.table() == ()


def test_what_is_made_is_observed():
    make(*OURS)
    assert firewall.table() == OURS
    assert tuple(firewall.observe(HOST, OURS[2:])) == OURS[2:]


def test_making_an_element_again_is_no_error():
    make(*OURS)
    make(*OURS[1:])
    assert firewall.table() == OURS


def test_one_batch_adds_and_removes():
    make(*OURS)
    firewall.apply(HOST, [*(Change(item, None) for item in OURS[1:]), *(Change(None, item) for item in OTHERS)])
    assert set(firewall.table()) == {RULESET, *OTHERS}


def test_removal_leaves_nothing_and_spares_the_tables_of_others():
    run("nft", "add", "table", "inet", "netloom2")
    before = run("nft", "list", "ruleset").stdout
    make(*OURS)
    firewall.apply(HOST, [*(Change(item, None) for item in reversed(OURS))])
    assert run("nft", "list", "ruleset").stdout == before


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_seen_and_repaired_with_the_elements_of_other_networks(name):
    make(*OURS, *OTHERS)
    run("nft", "add", "table", "inet", "somebody")
    damage(name)
    found = firewall.table()
    assert found[0].digest.startswith("damaged: ")
    lost = {item for item in OTHERS if item not in found}
    firewall.apply(HOST, list(plan(OURS, [item for item in found if item in OURS or item.key == RULESET.key])))
    assert set(firewall.table()) == {*OURS, *OTHERS} - lost
    assert lost <= {Element("internal", ("br-b",))}
    assert "somebody" in run("nft", "list", "tables").stdout


def test_damage_is_named():
    make(*OURS)
    damage("rule deleted")
    assert firewall.table()[0].digest == "damaged: rules of forward"


def test_a_listing_of_the_whole_ruleset_can_be_loaded_again(tmp_path):
    make(*OURS, *OTHERS)
    saved = tmp_path / "nftables.conf"
    saved.write_text("flush ruleset\n" + run("nft", "list", "ruleset").stdout)
    before = set(firewall.table())
    run("nft", "-f", saved)
    assert set(firewall.table()) == before
    run("nft", "delete", "table", "inet", "netloom")
    run("nft", "-f", saved)
    assert set(firewall.table()) == before


def test_the_number_of_rules_does_not_depend_on_the_number_of_networks():
    make(*OURS)
    one = run("nft", "list", "ruleset").stdout.count("comment")
    make(*(item for number in range(200) for item in elements(f"br-{number}", **NAT)))
    assert len(firewall.table()) == len(OURS) + 200 * len(OURS[1:])
    assert run("nft", "list", "ruleset").stdout.count("comment") == one == 12


@pytest.mark.parametrize("ifname", ["0x10", "drop", "1", "$x", "a;b", "{a}", "a,b", "a#b", "eth0@if3", "br.100", "~"])
def test_odd_interface_names_come_back_as_they_went(ifname):
    make(RULESET, *elements(ifname, **NAT))
    assert firewall.table() == (RULESET, *elements(ifname, **NAT))
    run("nft", "-f", "-", stdin="flush ruleset\n" + run("nft", "list", "ruleset").stdout)
    assert firewall.table() == (RULESET, *elements(ifname, **NAT))


def test_a_table_made_meanwhile_keeps_what_is_in_it():
    make(RULESET, *OTHERS)
    make(*OURS)
    assert set(firewall.table()) == {*OURS, *OTHERS}


def test_tasks_that_know_nothing_of_each_other_lose_nothing():
    networks = [tuple(elements(f"br-{number}", **NAT)) for number in range(8)]
    context = multiprocessing.get_context("fork")
    tasks = [context.Process(target=make, args=(RULESET, *network)) for network in networks]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0] * 8
    assert set(firewall.table()) == {RULESET, *(item for network in networks for item in network)}


def test_an_element_that_is_not_there_cannot_be_removed_and_nothing_else_is():
    make(*OURS)
    with pytest.raises(NetloomError) as error:
        firewall.apply(HOST, [Change(OURS[1], None), Change(OTHERS[0], None)])
    assert error.value.code == "apply_failed"
    assert firewall.table() == OURS


def test_every_side_effect_passes_through_the_seam():
    calls = []
    host = SimpleNamespace(execute=lambda what, function, *args, **kwargs: calls.append(what))
    firewall.apply(host, [Change(None, item) for item in OURS])
    assert calls == ["create firewall table inet netloom and 4 more"]
    assert firewall.table() == ()


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


@pytest.mark.parametrize("reason", ["Device or resource busy", "Interrupted system call"])
def test_a_moment_of_contention_is_waited_out(fake_nft, tmp_path, reason):
    fake_nft(f'[ -e {tmp_path}/tried ] && exec $NFT "$@"; : >{tmp_path}/tried; {FAILS.format(reason)}')
    make(*OURS)
    assert firewall.table() == OURS


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


def test_a_foreign_chain_that_drops_is_found_until_its_owner_lets_the_bridge_through():
    assert firewall.foreign_forward_drops(["br-a"]) == {}
    make(*OURS)
    chain = "chain FORWARD { type filter hook forward priority 0; policy drop; }"
    run("nft", "-f", "-", stdin=f"table ip filter {{ {chain}\n}}\n")
    assert firewall.foreign_forward_drops(["br-a"]) == {"ip filter FORWARD": ["br-a"]}
    run("nft", "insert", "rule", "ip", "filter", "FORWARD", "iifname", "br-a", "counter", "accept")
    assert firewall.foreign_forward_drops(["br-a"]) == {}
    assert firewall.foreign_forward_drops(["br-a", "br-b", "br-c"]) == {"ip filter FORWARD": ["br-b", "br-c"]}


@pytest.mark.skipif(not Path("/usr/sbin/iptables-nft").exists(), reason="iptables-nft is not installed")
def test_the_cure_for_docker_is_recognized():
    for command in ("-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER"):
        run("/usr/sbin/iptables-nft", *command.split())
    assert firewall.foreign_forward_drops(["br-a"]) == {"ip filter FORWARD": ["br-a"]}
    for side in ("-i", "-o"):
        run("/usr/sbin/iptables-nft", "-I", "DOCKER-USER", side, "br-a", "-j", "ACCEPT")
    assert firewall.foreign_forward_drops(["br-a"]) == {}
