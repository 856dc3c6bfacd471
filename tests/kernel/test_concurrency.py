# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many tasks at the same moment on one host: each is a process of its own, and all start at a barrier."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections import Counter
from functools import partial
from ipaddress import ip_interface, ip_network

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from engine import absent, attach, do, drift, present, together

pytestmark = pytest.mark.packets  # the lock and the records, which no library is part of

TASKS = 16
CODES_OF_A_RACE = {"network_not_found", "network_in_use"}


def codes(answers: list) -> Counter:
    """Return how many tasks changed something, changed nothing, or failed with a code."""
    return Counter(
        answer.partition(":")[0] if isinstance(answer, str) else "changed" if answer else "unchanged"
        for answer in answers
    )


def acts(verbs) -> list:
    return [partial(do, verb) for verb in verbs]


def bridges() -> list[str]:
    return [link["ifname"] for link in json.loads(rig.run("ip", "-j", "link", "show", "type", "bridge").stdout)]


def test_one_of_many_tasks_for_one_network_makes_it():
    answers = together(*acts([present("net")] * TASKS))
    assert codes(answers) == {"changed": 1, "unchanged": TASKS - 1}
    assert (len(bridges()), drift("net")) == (1, [])


def test_networks_made_at_once_get_disjoint_subnets_and_bridges_of_their_own():
    names = [f"net{number}" for number in range(TASKS)]
    assert codes(together(*acts(map(present, names)))) == {"changed": TASKS}
    found = [network for network in engine.inspected() if network["Name"] in names]
    subnets = [ip_network(network["IPAM"]["Config"][0]["Subnet"]) for network in found]
    assert len(subnets) == TASKS == len(set(bridges()))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(subnets, 2))
    assert [network["Drift"] for network in found] == [[]] * TASKS


def test_one_of_many_networks_gets_the_subnet_that_all_want():
    answers = together(*acts(present(f"net{number}", "10.1.0.0/24") for number in range(TASKS)))
    assert codes(answers) == {"changed": 1, "subnet_overlap": TASKS - 1}
    assert len(bridges()) == 1


def test_a_hundred_attachments_at_once_have_a_hundred_addresses():
    containers = [rig.netns(f"c{number}") for number in range(100)]
    do(present("net", "10.1.0.0/24"))
    assert codes(together(*acts(attach("net", container) for container in containers))) == {"changed": 100}
    shape = engine.inspected("net")[0]
    recorded = sorted(ip_interface(member["IPv4Address"]).ip for member in shape["Containers"].values())
    assert recorded == [ip_network("10.1.0.0/24")[host] for host in range(2, 102)]
    assert shape["Drift"] == []
    rig.pings("c0", "10.1.0.1")


def test_one_of_many_containers_gets_the_address_that_all_want():
    containers = [rig.netns(f"c{number}") for number in range(TASKS)]
    do(present("net", "10.1.0.0/24"))
    answers = together(*acts(attach("net", container, ipv4="10.1.0.50") for container in containers))
    assert codes(answers) == {"changed": 1, "address_in_use": TASKS - 1}
    (winner,) = [member["Name"] for member in engine.inspected("net")[0]["Containers"].values()]
    losers = [answer for answer in answers if isinstance(answer, str)]
    assert all(f"held by {winner}" in loser or f"by {winner}" in loser for loser in losers), losers


def test_one_of_many_tasks_for_one_endpoint_makes_it():
    rig.netns("c1")
    do(present("net", "10.1.0.0/24"))
    assert codes(together(*acts([attach("net", "c1")] * TASKS))) == {"changed": 1, "unchanged": TASKS - 1}
    assert len(json.loads(rig.run("ip", "-j", "link", "show", "type", "veth").stdout)) == 1


def test_present_against_absent_ends_in_one_of_the_two():
    rig.netns("c1")
    beginning = engine.picture("c1")
    do(present("net", "10.1.0.0/24"))
    there = engine.picture("c1")
    do(absent("net"))
    for _round in range(25):
        answers = together(*acts([present("net", "10.1.0.0/24"), absent("net")] * 2))
        assert set(codes(answers)) <= {"changed", "unchanged"}
        engine.same(engine.picture("c1"), there if bridges() else beginning, "after both")
    do(absent("net"))
    assert engine.picture("c1") == beginning


def test_removing_a_network_against_attaching_leaves_no_endpoint_without_network():
    rig.netns("c1")
    beginning = engine.picture("c1")
    outcomes = set()
    for _round in range(15):
        do(present("net", "10.1.0.0/24"))
        answers = together(*acts([absent("net"), attach("net", "c1")]))
        failed = [answer.partition(":")[0] for answer in answers if isinstance(answer, str)]
        assert len(failed) == 1 and set(failed) <= CODES_OF_A_RACE, answers
        outcomes |= set(failed)
        if failed == ["network_not_found"]:
            assert engine.picture("c1") == beginning
        else:
            assert drift("net") == []
        do(absent("net", force=True))
        assert engine.picture("c1") == beginning
    assert outcomes


def holder() -> int:
    """Return the PID of a process that has taken the lock and does not let go of it."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        with Host(rig.STATE_DIR, 10):
            os.write(told, b"1")
            time.sleep(60)
        os._exit(0)
    os.close(told)
    assert os.read(ready, 1) == b"1"
    os.close(ready)
    return pid


def impatient(verb: engine.Verb) -> None:
    with Host(rig.STATE_DIR, 0.3) as host:
        verb(host=host, dry_run=False)


def test_who_waits_for_a_stopped_task_gives_up_and_names_it():
    do(present("other"))
    pid = holder()
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    answers = together(*[partial(impatient, present("net"))] * 4)
    assert codes(answers) == {"state_locked": 4}
    assert all(f"by process {pid} (" in answer for answer in answers), answers
    assert time.monotonic() - begun < 10
    assert engine.predict(present("other")) == []  # looking needs no lock
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert do(present("net"))


def test_a_killed_task_has_let_go_of_the_lock():
    pid = holder()
    with pytest.raises(NetloomError) as caught:
        impatient(present("net"))
    assert caught.value.code == "state_locked"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    impatient(present("net"))
    assert drift("net") == []


def churn(network: str, container: str, rounds: int) -> str:
    for _round in range(rounds):
        do(present(network), attach(network, container), absent(network, force=True))
    return "done"


def watch(seconds: float) -> list[str]:
    """Return what is wrong with any answer of network_info within some time."""
    wrong, answers = [], 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answers += 1
        for network in engine.inspected(verify=answers % 2 == 0):
            addresses = [member["IPv4Address"] for member in network["Containers"].values()]
            subnets = [ip_network(config["Subnet"]) for config in network["IPAM"]["Config"]]
            if network["Name"].startswith("net") and not subnets:
                wrong.append(f"no subnet: {network}")
            wrong += [
                f"{each} of {network}"
                for each in addresses
                if not any(ip_interface(each).network == one for one in subnets)
            ]
    return wrong or ([] if answers > 5 else [f"only {answers} answers"])


def test_inspection_meanwhile_is_always_consistent_and_holds_nobody_up():
    for number in range(4):
        rig.netns(f"c{number}")
    beginning = engine.picture("c0", "c1", "c2", "c3")
    changing = [partial(churn, f"net{number}", f"c{number}", 6) for number in range(4)]
    answers = together(*changing, partial(watch, 3.0), partial(watch, 3.0))
    assert answers == ["done"] * 4 + [[], []]
    assert engine.picture("c0", "c1", "c2", "c3") == beginning
