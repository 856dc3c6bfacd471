# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole host in one task: what it makes, whose it is, what it never touches, and how little it does."""

from __future__ import annotations

import errno
import json
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import engine
import pyroute2
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._kernel import database, firewall, netns, wire
from ansible_collections.netloom.containers.plugins.module_utils._model import EndpointSpec
from ansible_collections.netloom.containers.plugins.module_utils._verbs.topology_spec import (
    EndpointItem,
    NamespaceItem,
    NetworkItem,
    TopologySpec,
)
from engine import attach, do, namespace, network, no_topology, present, refusal, sandwich, topology

NET, BACK = network("net", "10.1.0.0/24"), network("back", "10.2.0.0/24", internal=True)
SHOP = dict(
    namespaces=["web", "db"], networks=[NET, BACK], attachments=[("net", "web"), ("back", "web"), ("back", "db")]
)


def addresses(container: str) -> list[str]:
    listing = json.loads(rig.run("ip", "-j", "-n", container, "-4", "address", "show", "scope", "global").stdout)
    return [f"{link['ifname']} {item['local']}/{item['prefixlen']}" for link in listing for item in link["addr_info"]]


def namespaces() -> list[str]:
    return sorted(line.split()[0] for line in rig.run("ip", "netns").stdout.splitlines())


# --- what it makes ---


def test_one_task_makes_a_host_and_another_removes_it_without_residue():
    do(present("net"), engine.absent("net"))  # the state directory stays
    before = rig.snapshot()
    done = sandwich(topology("shop", **SHOP))
    assert done.count("create network namespace web") == 1
    assert addresses("web") == ["eth0 10.1.0.2/24", "eth1 10.2.0.2/24"]
    assert addresses("db") == ["eth0 10.2.0.3/24"]
    rig.pings("db", "10.2.0.2")
    rig.pings("web", "10.2.0.3")
    assert engine.drift("net") == engine.drift("back") == []
    assert sandwich(no_topology("shop"))
    assert rig.snapshot() == before
    assert do(no_topology("shop")) == []


def test_its_networks_carry_a_label_that_says_whose_they_are():
    do(topology("shop", **SHOP), present("mine"))
    labels = {item["Name"]: item["Labels"] for item in engine.inspected(verify=False)}
    assert labels["net"] == labels["back"] == {"netloom.topology": "shop"}
    assert labels["mine"] == {}
    do(present("net", labels={}))
    assert engine.inspected("net")[0]["Labels"] == {"netloom.topology": "shop"}


def test_what_is_not_listed_any_more_stays_without_purge_and_goes_with_it():
    do(topology("shop", **SHOP))
    less = dict(namespaces=["web"], networks=[NET], attachments=[("net", "web")])
    assert do(topology("shop", **less)) == []
    lines = sandwich(topology("shop", **less, purge=True))
    assert [line for line in lines if "namespace" in line or "network" in line] == [
        "remove network namespace db",
        "remove record of network namespace db",
        "remove endpoint of db on network back",
        "remove endpoint of web on network back",
        "remove network back",
    ]
    assert namespaces() == ["web"]
    assert addresses("web") == ["eth0 10.1.0.2/24"]
    assert [item["Name"] for item in engine.inspected()] == ["bridge", "host", "net", "none"]


def test_a_subnet_of_a_network_that_is_purged_can_be_had_in_the_same_task():
    do(topology("shop", **SHOP))
    renamed = {**SHOP, "networks": [network("front", "10.1.0.0/24"), BACK], "attachments": [("front", "web")]}
    assert "remove network net" in sandwich(topology("shop", **renamed, purge=True))
    assert addresses("web") == ["eth0 10.1.0.2/24"]


def test_a_namespace_that_the_task_makes_can_be_named_by_its_path():
    do(topology("shop", namespaces=["web"], networks=[NET], attachments=[("net", "/run/netns/web")]))
    assert do(topology("shop", namespaces=["web"], networks=[NET], attachments=[("net", "web")])) == []


def test_members_of_a_listed_network_can_be_namespaces_that_the_task_makes():
    members = (EndpointSpec("net", "web"), EndpointSpec("net", "db"))
    spec = TopologySpec("shop", (NamespaceItem("web"), NamespaceItem("db")), (NetworkItem(NET, members),))
    assert sandwich(engine.whole(spec))
    assert (addresses("web"), addresses("db")) == (["eth0 10.1.0.2/24"], ["eth0 10.1.0.3/24"])


def test_namespaces_that_have_vanished_come_back_with_their_addresses():
    do(topology("shop", **SHOP))
    do(topology("shop", **SHOP, purge=True))
    before = addresses("web"), addresses("db")
    for name in ("web", "db"):
        rig.run("ip", "netns", "delete", name)
    rig.no_veths()
    assert sandwich(topology("shop", **SHOP))
    assert (addresses("web"), addresses("db")) == before
    rig.pings("db", "10.2.0.2")


def test_items_can_be_absent():
    do(topology("shop", **SHOP))
    spec = TopologySpec(
        "shop",
        (NamespaceItem("db", absent=True),),
        (NetworkItem(network("back", force=True), absent=True),),
        (EndpointItem(EndpointSpec("net", "web"), absent=True),),
    )
    assert sandwich(engine.whole(spec))
    assert (namespaces(), addresses("web")) == (["web"], [])
    assert [each["Name"] for each in engine.inspected()] == ["bridge", "host", "net", "none"]


# --- whose it is ---


def test_what_was_there_is_changed_where_it_is_listed_and_stays_when_the_topology_goes():
    do(namespace("web"), present("net", "10.1.0.0/24"), attach("net", "web"))
    do(topology("shop", **{**SHOP, "networks": [network("net", "10.1.0.0/24", internal=True), BACK]}))
    assert engine.inspected("net")[0]["Internal"]
    do(topology("shop", purge=True, namespaces=["db"]))
    do(no_topology("shop"))
    assert (namespaces(), addresses("web")) == (["web"], ["eth0 10.1.0.2/24"])
    assert "netloom.topology" not in engine.inspected("net")[0]["Labels"]


def test_two_topologies_cannot_claim_the_same_object():
    do(topology("shop", **SHOP))
    for asked, code, message in (
        (dict(networks=[NET]), "network_exists_different", "networks[0].name: network net belongs to topology shop"),
        (dict(namespaces=["new", "db"]), "option_invalid", "namespaces[1].name: namespace db belongs to topology shop"),
        (
            dict(attachments=[("net", "web")]),
            "endpoint_exists",
            "attachments[0].container: endpoint of web on network net belongs to topology shop",
        ),
    ):
        error = refusal(topology("other", **asked))
        assert (error.code, error.message.partition(";")[0]) == (code, message)
        assert error.message.endswith("; topology other cannot claim it as well")


def test_a_topology_can_use_the_networks_of_another_which_then_cannot_go():
    do(topology("shop", **SHOP), topology("guest", namespaces=["visitor"], attachments=[("net", "visitor")]))
    error = refusal(no_topology("shop"))
    assert (error.code, error.message) == (
        "network_in_use",
        "purge: network net has members that topology shop did not attach: visitor; detach them first",
    )
    do(no_topology("guest"), no_topology("shop"))
    assert namespaces() == []


def test_a_namespace_of_a_topology_that_somebody_else_attached_cannot_go():
    do(topology("shop", **SHOP), present("mine"), attach("mine", "db"))
    error = refusal(topology("shop", networks=[NET], purge=True))
    assert error.code == "network_in_use"
    expected = "purge: namespace db of topology shop is still on network mine; list the namespace, or detach it first"
    assert error.message == expected


def test_a_namespace_that_is_attached_and_not_listed_any_more_cannot_go():
    do(topology("shop", **SHOP))
    error = refusal(topology("shop", networks=[NET], attachments=[("net", "web")], purge=True))
    assert (error.code, error.message[:58]) == (
        "network_in_use",
        "purge: namespace web of topology shop is still on network ",
    )


def test_a_namespace_with_processes_in_it_is_not_removed():
    do(topology("shop", **SHOP))
    sleeper = subprocess.Popen(["ip", "netns", "exec", "web", "sleep", "60"])
    try:
        rig.until(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
        error = refusal(no_topology("shop"))
        assert error.code == "network_in_use"
        assert error.message.startswith(f"purge: namespace web has processes in it: {sleeper.pid};")
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (dict(namespaces=["a", "a"]), "option_invalid", "namespaces[1].name: a is listed twice"),
        (dict(networks=[NET, NET]), "option_invalid", "networks[1].name: net is listed twice"),
        (
            dict(networks=[NET], namespaces=["a"], attachments=[("net", "a"), ("net", "/run/netns/a")]),
            "option_invalid",
            "attachments[1].container: /run/netns/a on network net is attachments[0] already; each of several has an interface_name",
        ),
        (
            dict(networks=[NET, network("n2", "10.1.0.128/25")]),
            "subnet_overlap",
            "networks[1].ipam_config[0].subnet: 10.1.0.128/25 overlaps 10.1.0.0/24 of network net",
        ),
        (
            dict(attachments=[("nett", "c")], networks=[NET]),
            "network_not_found",
            "attachments[0].network: there is no network 'nett' (did you mean net?)",
        ),
        (
            dict(networks=[NET], attachments=[("net", "nobody")]),
            "netns_not_found",
            "attachments[0].container: no network namespace, process, Docker container, Podman container or machine is called 'nobody'",
        ),
        (
            dict(
                networks=[NET],
                namespaces=["a", "b"],
                attachments=[
                    EndpointSpec("net", "a", ipv4=engine.ip_address("10.1.0.9")),
                    EndpointSpec("net", "b", ipv4=engine.ip_address("10.1.0.9")),
                ],
            ),
            "address_in_use",
            "attachments[1].ipv4_address: 10.1.0.9 on network net is held by a",
        ),
    ],
)
def test_a_bad_item_is_refused_with_its_place_before_anything_is_touched(asked, code, message):
    before = rig.snapshot()
    error = refusal(topology("shop", **asked))
    assert (error.code, error.message) == (code, message)
    assert rig.snapshot() == before


# --- how little it does ---


def many(size: int) -> engine.Verb:
    """Return the verb for a host with this many containers on one network."""
    names = [f"c{number}" for number in range(size)]
    return topology(
        "load",
        namespaces=names,
        networks=[network("net", "10.1.0.0/16")],
        attachments=[("net", name) for name in names],
    )


@pytest.fixture
def counts(monkeypatch) -> Counter:
    """Return how often something costly was done: messages to netlink, nft processes, commits, entered namespaces."""
    found: Counter = Counter()

    def count(owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            found[what] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    count(wire.Wire, "_send", "messages")
    count(firewall, "_nft", "nft")
    count(database.Database, "writing", "commits")
    count(netns, "in_namespace", "entries")
    return found


def test_a_plan_commits_twice_and_runs_nft_four_times_however_large_it_is(counts):
    done = {}
    for size in (5, 25):
        counts.clear()
        do(many(size))
        done[size] = Counter(counts)
        counts.clear()
        assert do(many(size)) == []
        done[-size] = Counter(counts)
        do(no_topology("load"))
    # nft lists the table, makes it, lists it to verify, and lists the chains of others.
    assert [(done[size]["commits"], done[size]["nft"]) for size in (5, 25)] == [(2, 4), (2, 4)]
    assert [(done[size]["commits"], done[size]["nft"]) for size in (-5, -25)] == [(0, 2), (0, 2)]


def test_an_attachment_costs_a_fixed_number_of_messages_and_entries(counts):
    done = {}
    for size in (5, 25):
        counts.clear()
        do(many(size))
        first = Counter(counts)
        counts.clear()
        do(many(size))
        done[size] = {**first, "messages again": counts["messages"], "entries again": counts["entries"]}
        do(no_topology("load"))
    each = {what: (done[25][what] - done[5][what]) / 20 for what in done[5]}
    assert each == {
        "messages": 12,
        "messages again": 4,
        "entries": 5,
        "entries again": 2,
        "commits": 0,
        "nft": 0,
    }


def test_removing_many_endpoints_waits_for_the_kernel_once():
    do(many(20))
    effects = engine.recorded(no_topology("load"))
    assert effects.count("remove 20 interfaces") == 1
    assert [effect for effect in effects if effect.startswith("remove interface veth")] == []


def test_the_second_run_of_many_has_no_effect_at_all():
    do(many(20))
    assert engine.recorded(many(20)) == []


# --- many attachments, and every effect of theirs failing ---

ERRORS = (errno.EPERM, errno.EBUSY, errno.ENOBUFS, errno.ENOSPC)
SHARDS = 4
# Each of the two versions of pyroute2 that the tests run with takes every other effect.
HALF = int(not hasattr(pyroute2, "AsyncIPRoute"))


def positions(shard: int, effects: list[str]) -> range:
    return range(2 * shard + HALF, len(effects), 2 * SHARDS)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_refused_effect_of_twenty_attachments_leaves_the_host_as_it_was(shard):
    engine.without_waiting()
    effects = engine.recorded(many(20))
    do(no_topology("load"))
    before = engine.picture()
    for position in positions(shard, effects):
        number = ERRORS[position // (2 * SHARDS) % len(ERRORS)]
        with pytest.raises(engine.NetloomError) as caught:
            engine.result_of(many(20), kind=partial(engine.Failing, {position: engine.error(number)}))
        assert f"cannot {effects[position]}: " in caught.value.message
        engine.same(engine.picture(), before, f"after {effects[position]} ({position}) failed")


@pytest.mark.parametrize("shard", range(SHARDS))
def test_twenty_attachments_that_were_killed_are_finished_by_the_same_task(shard):
    effects = engine.recorded(many(20))
    watched = ("c0", "c1", "c19")
    after = engine.picture(*watched)
    do(no_topology("load"))
    beginning = engine.picture()
    for position in positions(shard, effects):
        assert engine.killed(many(20), position)
        do(many(20))
        engine.same(engine.picture(*watched), after, f"killed before {effects[position]} ({position})")
        do(no_topology("load"))
        engine.same(engine.picture(), beginning, f"after {effects[position]} ({position}), removed")
