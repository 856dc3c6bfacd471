# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records on a real disk: who holds what is always what the endpoints say, and looking it up stays cheap."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from ipaddress import ip_address, ip_interface, ip_network

import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils import _ipam as ipam
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change
from ansible_collections.netloom.containers.plugins.module_utils._kernel.records import Records
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network, Pool
from ansible_collections.netloom.containers.plugins.module_utils._resources import EndpointRecord, NetworkRecord

SUBNETS = {4: ip_network("10.1.0.0/27"), 6: ip_network("fd00::/122")}


@pytest.fixture
def records():
    rig.run("mkdir", "-p", "-m", "700", rig.STATE_DIR)
    with closing(Records(rig.STATE_DIR)) as opened:
        yield opened


def net(*subnets):
    return NetworkRecord(Network("net", "0" * 64, "bridge", tuple(Pool(subnet, subnet[1]) for subnet in subnets)))


def endpoint(container, *addresses):
    found = {f"ipv{address.version}": address for address in map(ip_interface, addresses)}
    return EndpointRecord(Endpoint("net", container, "netns", "", "", "eth0", f"mac of {container}", **found))


def write(records, *changes, undone=False):
    records.begin(changes)
    if undone:
        records.put_back()
    else:
        records.complete(changes, [change.resource.key for change in changes if change.after])


def free_ranges():
    with closing(sqlite3.connect(f"{rig.STATE_DIR}/state.db")) as db:
        rows = db.execute("SELECT subnet, first, last FROM free").fetchall()
    return {
        address
        for subnet, first, last in rows
        for address in ip_network(subnet)
        if ip_address(first[1:]) <= address <= ip_address(last[1:])
    }


def agree(records, held):
    """Assert that tables and look-ups say what `held` says: container to addresses."""
    holders = {ip_interface(address).ip: container for container, addresses in held.items() for address in addresses}
    everything = {address for subnet in SUBNETS.values() for address in subnet}
    assert free_ranges() == everything - holders.keys()
    leases = records.leases("net")
    for subnet in SUBNETS.values():
        for address in subnet:
            expected = holders.get(address)
            assert leases.holders(address) == ([(f"netns:{expected}", expected)] if expected else [])
            lowest = next((other for other in subnet if other >= address and other not in holders), None)
            assert leases.next_free(subnet, address, subnet[-1]) == lowest


@pytest.mark.parametrize("seed", range(4))
def test_leases_and_free_ranges_follow_whatever_is_written_or_taken_back(records, seed):
    chance = random.Random(seed)
    write(records, Change(None, net(*SUBNETS.values())))
    held: dict[str, list[str]] = {}
    for _turn in range(60):
        container = f"c{chance.randrange(30)}"
        taken = {address for addresses in held.values() for address in addresses}
        asked = [f"{chance.choice(list(subnet))}/{subnet.prefixlen}" for subnet in SUBNETS.values()]
        after = [] if chance.random() < 0.3 else [address for address in asked if address not in taken]
        before = endpoint(container, *held[container]) if container in held else None
        change = Change(before, endpoint(container, *after) if after else None)
        if not change.before and not change.after:
            continue
        undone = chance.random() < 0.3
        write(records, change, undone=undone)
        if not undone:
            held.pop(container, None)
            held.update({container: after} if after else {})
        agree(records, held)


def test_an_address_is_handed_over_within_one_commit(records):
    write(records, Change(None, net(SUBNETS[4])), Change(None, endpoint("a", "10.1.0.9/27")))
    handed_over = (Change(endpoint("a", "10.1.0.9/27"), None), Change(None, endpoint("b", "10.1.0.9/27")))
    write(records, *handed_over, undone=True)
    assert records.leases("net").holders(ip_address("10.1.0.9")) == [("netns:a", "a")]
    write(records, *handed_over)
    assert records.leases("net").holders(ip_address("10.1.0.9")) == [("netns:b", "b")]
    write(records, Change(endpoint("b", "10.1.0.9/27"), None))
    assert free_ranges() == set(SUBNETS[4])


def test_an_unfinished_change_holds_what_was_and_what_will_be(records):
    write(records, Change(None, net(SUBNETS[4])), Change(None, endpoint("a", "10.1.0.9/27")))
    moved = (Change(endpoint("a", "10.1.0.9/27"), endpoint("a", "10.1.0.10/27")),)
    records.begin(moved)
    held = records.leases("net")
    assert held.holders(ip_address("10.1.0.9")) == held.holders(ip_address("10.1.0.10")) == [("netns:a", "a")]
    records.complete(moved, [moved[0].resource.key])
    assert held.holders(ip_address("10.1.0.9")) == []


def test_a_subnet_that_comes_later_knows_what_is_held_in_it(records):
    write(records, Change(None, net(SUBNETS[4])), Change(None, endpoint("a", "10.1.0.9/27")))
    wider = ip_network("10.1.0.0/26")
    write(records, Change(net(SUBNETS[4]), net(wider)))
    assert free_ranges() == set(wider) - {ip_address("10.1.0.9")}
    write(records, Change(net(wider), None), Change(endpoint("a", "10.1.0.9/27"), None))


def test_a_look_up_reads_as_much_in_a_full_subnet_as_in_an_empty_one(records):
    """Measured in instructions of SQLite's virtual machine, which a scan would have in proportion to the rows."""
    subnet = ip_network("10.1.0.0/24")
    made = [Change(None, endpoint(f"c{last}", f"10.1.0.{last}/24")) for last in range(2, 252)]

    def looking_up(lowest):
        steps = []
        leases = ipam.Leases(records.leases("net"))
        records.database._db.set_progress_handler(lambda: steps.append(1), 1)
        assert str(ipam.free_address(Pool(subnet, subnet[1]), leases, "net").ip) == lowest
        assert leases.mac_holder("mac of c3") == "c3"
        records.database._db.set_progress_handler(None, 0)
        return len(steps)

    write(records, Change(None, net(subnet)), *made[:2])
    beside_two = looking_up("10.1.0.4")
    write(records, *made[2:])
    assert 0 < looking_up("10.1.0.252") <= beside_two + 20


def test_who_reads_without_the_lock_never_takes_the_journal_of_a_database_made_anew(records):
    write(records, Change(None, net(SUBNETS[4])))
    with closing(Records(rig.STATE_DIR, reading=True)) as reader:
        assert reader.network_names() == ["net"]
        write(records, Change(net(SUBNETS[4]), None))  # nothing is left, so the file goes
        write(records, Change(None, net(SUBNETS[6])))
        with records.database.writing() as db:
            db.execute("UPDATE networks SET topology = 'other'")
            assert os.path.exists(f"{rig.STATE_DIR}/state.db-journal")
            assert str(reader.network("net").value.pools[0].subnet) == "fd00::/122"
            with reader.snapshot():
                assert reader.network_names() == ["net"]
            assert os.path.exists(f"{rig.STATE_DIR}/state.db-journal")
    assert len(records.networks_of("other")) == 1


def test_who_reads_without_the_lock_rolls_back_what_a_killed_run_has_left(records):
    write(records, Change(None, net(SUBNETS[4])))
    pid = os.fork()
    if pid == 0:
        db = sqlite3.connect(f"{rig.STATE_DIR}/state.db", isolation_level=None)
        db.execute("PRAGMA cache_size = 1")  # so that it is in the file before it is committed
        db.execute("BEGIN")
        db.executemany("INSERT INTO settings VALUES (?, '')", ((str(number) * 90,) for number in range(900)))
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.path.exists(f"{rig.STATE_DIR}/state.db-journal")
    with closing(Records(rig.STATE_DIR, reading=True)) as reader:
        assert reader.network_names() == ["net"]
        assert reader.original("1" * 90, "none") == "none"
