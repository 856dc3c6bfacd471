# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Life after a reboot: the kernel is emptied, the records are not, and everything comes back as it was."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._kernel import netns
from ansible_collections.netloom.containers.plugins.module_utils._model import StaticRoute
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._verbs import restoration
from engine import attach, detach, do, namespace, network, no_namespace, present, topology

pytestmark = pytest.mark.packets  # the same plan as a task's

BOOTS = iter(range(1, 100))


def restored(**options: Any) -> restoration.Restored:
    return engine.result_of(partial(engine._call, restoration.restore), **options)


def restored_container(name: str, runtime: str = "auto") -> restoration.Restored:
    return engine.result_of(partial(engine._call, restoration.restore_container, name, runtime))


def reboot(monkeypatch: Any) -> None:
    """Empty the kernel: processes, namespaces, links, rules and /run are gone, forwarding is off; the disk is not."""
    for pid in rig.name_servers():
        os.kill(pid, signal.SIGKILL)
    for name in os.listdir("/run/netns"):
        rig.run("ip", "netns", "delete", name)
    for link in json.loads(rig.run("ip", "-j", "link").stdout):
        if link["ifname"] != "lo":
            rig.run("ip", "link", "delete", link["ifname"], check=False)
    rig.run("nft", "flush", "ruleset")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("0")
    rig.run("umount", "/run/netns", check=False)
    shutil.rmtree("/run/netns")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree("/run/netloom")
    identity = f"boot-{next(BOOTS)}"
    monkeypatch.setattr(netns, "boot_id", lambda: identity)
    os.makedirs("/run/netns")


def everything() -> dict[str, Any]:
    """Return what users see of a host: inspect shapes, and the interfaces, addresses, routes and names of its namespaces."""
    seen: dict[str, Any] = {shape["Name"]: shape for shape in engine.inspected()}
    for name in sorted({*os.listdir("/run/netns")} - {rig.Lan.netns}):
        seen[name] = sorted(
            re.sub(r"@\w+ *", " ", line)  # the index at the other end
            for command in ("-br address", "-br link", "route", "-6 route")
            for line in rig.run("ip", *command.split(), netns=name).stdout.splitlines()
            if "fe80" not in line
        )
    return seen


def routed_host() -> None:
    """Make a host that has some of everything: names, IPv6, ports, routes, settings, priorities, two networks of one member."""
    do(
        namespace("r1", {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}),
        namespace("alone"),
        present("net", "10.1.0.0/24", "fd00:1::/64", dns=None),
        present("back", "10.2.0.0/24", internal=True, options={"mtu": "1400"}),
    )
    rig.netns("c1")  # somebody else's
    port = port_specs(["8080:80", "[::1]:53:53/udp"])
    routes = (StaticRoute("10.9.0.0/16", "10.1.0.2"),)
    do(
        attach("net", "r1", gw_priority=5),
        attach("net", "c1", ipv4="10.1.0.50", mac="02:00:00:00:00:50", ifname="lan0", routes=routes, aliases=("db",)),
        attach("back", "r1", sysctls=(("net.ipv4.conf.IFNAME.log_martians", "1"),)),
        attach("back", "c1", ports=()),
        attach("net", "c1", ifname="lan0", ports=port),
        topology("shop", namespaces=["t1"], networks=[network("shop", "10.3.0.0/24")], attachments=[("shop", "t1")]),
    )


def test_everything_comes_back_as_it_was_and_a_second_time_there_is_nothing_to_do(monkeypatch):
    rig.lan()
    routed_host()
    before = everything()
    names = rig.naming()
    assert [lines for name, lines in before.items() if isinstance(lines, dict) and lines["Drift"]] == []
    names = [line for line in names if "dnsmasq" in line]
    reboot(monkeypatch)
    rig.lan()  # as a boot makes it, before us
    assert engine.drift("net")
    predicted = restored(check=True)
    result = restored()
    assert result.outcome.changes == predicted.outcome.changes
    assert (result.failures, result.pending) == ((), ())
    assert everything() == before
    assert [line for line in rig.naming() if "dnsmasq" in line] == names != []
    assert rig.run("cat", "/proc/sys/net/ipv4/ip_forward", netns="r1").stdout == "1\n"
    rig.pings("r1", "10.1.0.50")
    with rig.listens("c1", "10.1.0.50", 80):
        rig.connects("r", "198.51.100.1", 8080)
    pictured = rig.snapshot()
    assert restored().outcome.changes == ()
    engine.same(rig.snapshot(), pictured, "restored twice")
    # Tasks find nothing to do either, and what is removed now leaves nothing.
    assert do(present("net", dns=None), attach("back", "c1"), namespace("r1", {"net.ipv4.ip_forward": 1})) == []
    do(no_namespace("r1"), no_namespace("alone"), detach("net", "c1"), detach("back", "c1"))
    do(engine.no_topology("shop"), engine.absent("net"), engine.absent("back"))
    assert os.listdir(rig.STATE_DIR) == []


def test_what_cannot_be_restored_does_not_keep_the_rest_away(monkeypatch):
    rig.run("ip", "link", "add", "up0", "address", "02:00:00:00:00:09", "type", "bridge")
    rig.run("ip", "link", "set", "up0", "up")
    for number in range(5):
        do(
            namespace(f"c{number}"),
            present(f"net{number}", f"10.{number}.0.0/24"),
            attach(f"net{number}", f"c{number}"),
        )
    do(present("wire", "192.0.2.0/24", driver="macvlan", options={"parent": "up0"}), attach("wire", "c1"))
    do(namespace("odd", {"net.ipv4.ip_local_port_range": "2000 3000"}), attach("net1", "odd"))
    before = everything()
    reboot(monkeypatch)
    rig.run("ip", "link", "add", engine.bridge("net3"), "type", "bridge")  # in the way
    result = restored()
    assert [(failure.kind, failure.name, failure.error.code) for failure in result.failures] == [
        ("network", "net3", "invalid_ifname"),
        ("network", "wire", "parent_not_found"),
    ]
    assert [member.container for member in result.pending] == []
    rig.pings("c1", "10.1.0.1")
    rig.pings("odd", "10.1.0.2")
    assert restored().outcome.changes == ()
    rig.run("ip", "link", "delete", engine.bridge("net3"))
    rig.run("ip", "link", "add", "up0", "address", "02:00:00:00:00:09", "type", "bridge")
    rig.run("ip", "link", "set", "up0", "up")
    assert restored().failures == ()
    assert everything() == before


def test_a_network_on_the_bridge_of_one_that_comes_later_is_tried_again(monkeypatch):
    do(namespace("c1"), present("under", "10.1.0.0/24", options={"bridge_name": "under0"}))
    do(present("above", "10.2.0.0/24", driver="macvlan", options={"parent": "under0"}), attach("above", "c1"))
    before = everything()
    reboot(monkeypatch)
    assert restored().failures == ()
    assert everything() == before


def test_a_namespace_without_a_setting_that_its_kernel_had_comes_back_all_the_same(monkeypatch):
    do(namespace("c1", {"net.ipv4.ip_forward": 1}), present("net", "10.1.0.0/24"), attach("net", "c1"))
    reboot(monkeypatch)
    row = json.dumps({"net/ipv4/no_such": "1"})
    engine.sqlite3.connect(f"{rig.STATE_DIR}/state.db", isolation_level=None).execute(
        "UPDATE namespaces SET settings = ?", (row,)
    )
    (failure,) = restored().failures
    assert (failure.kind, failure.name) == ("settings of network namespace", "c1")
    assert failure.error.message == "sysctls.net.ipv4.no_such: the kernel has no such setting there"
    rig.pings("c1", "10.1.0.1")


def test_a_restore_that_is_killed_is_finished_by_the_next_one(monkeypatch):
    engine.without_waiting()
    do(namespace("c1"), present("net", "10.1.0.0/24"), attach("net", "c1"), attach("net", "c1", ifname="eth7"))
    before = everything()
    verb = partial(engine._call, restoration.restore)
    position = 0
    while True:
        reboot(monkeypatch)
        if not engine.killed(verb, position):
            break
        assert restored().failures == ()
        assert everything() == before
        position += 1
    assert position > 8
    assert everything() == before


def test_an_endpoint_whose_container_does_not_run_stays_pending_until_it_does(monkeypatch):
    rig.run(
        "unshare",
        "--net",
        "sh",
        "-c",
        "mkdir -p /run/own; touch /run/own/c1; mount --bind /proc/self/ns/net /run/own/c1",
    )
    do(present("net", "10.1.0.0/24"), attach("net", "/run/own/c1"), namespace("c2"), attach("net", "c2"))
    before = engine.inspected("net")
    rig.run("umount", "/run/own/c1")
    reboot(monkeypatch)
    result = restored()
    assert [member.container for member in result.pending] == ["/run/own/c1"]
    rig.pings("c2", "10.1.0.1")
    assert restored_container("/run/own/c1").outcome.changes == ()
    rig.run("unshare", "--net", "mount", "--bind", "/proc/self/ns/net", "/run/own/c1")
    result = restored_container("/run/own/c1")
    assert (result.failures, result.pending) == ((), ())
    assert engine.inspected("net") == before
    assert restored_container("/run/own/c1").outcome.changes == ()


def test_one_namespace_comes_back_with_its_networks_and_no_other(monkeypatch):
    do(
        namespace("c1", {"net.ipv4.ip_forward": 1}),
        namespace("c2"),
        present("a", "10.1.0.0/24"),
        present("b", "10.2.0.0/24"),
    )
    do(attach("a", "c1"), attach("a", "c2"), attach("b", "c2"))
    reboot(monkeypatch)
    result = restored_container("c1")
    assert result.failures == ()
    assert os.listdir("/run/netns") == ["c1"]
    assert rig.run("cat", "/proc/sys/net/ipv4/ip_forward", netns="c1").stdout == "1\n"
    rig.pings("c1", "10.1.0.1")
    assert engine.drift("b") != []
    assert restored_container("nobody").outcome.changes == ()
    rig.pings("c1", "10.1.0.1")
    assert [str(change) for change in restored_container("c2").outcome.changes] != []
    assert engine.drift("a") == engine.drift("b") == []


def test_nothing_recorded_is_nothing_to_restore():
    before = rig.snapshot()
    assert restored().outcome.changes == ()
    assert rig.snapshot() == before
