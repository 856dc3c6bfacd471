# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do to our objects is reported and repaired; what others have beside them is left alone."""

from __future__ import annotations

import json

import engine
import pytest
import rig
from engine import attach, detach, do, drift, predict, present

NET = present("net")
# Damage: the command, and one line of the drift that it causes (part of it).
DAMAGES = {
    "bridge deleted": ("ip link delete {bridge}", "bridge {bridge} is missing"),
    "veth deleted on the host": ("ip link delete {veth}", "interface eth0 in c1 ({veth} on the host) is missing"),
    "veth deleted in the container": (
        "ip -n c1 link delete eth0",
        "interface eth0 in c1 ({veth} on the host) is missing",
    ),
    "address deleted on the bridge": (
        "ip address delete 10.1.0.1/24 dev {bridge}",
        "address 10.1.0.1/24 on {bridge} is missing",
    ),
    "IPv6 address deleted on the bridge": (
        "ip address delete fd00:1::1/64 dev {bridge}",
        "address fd00:1::1/64 on {bridge} is missing",
    ),
    "address deleted in the container": (
        "ip -n c1 address delete 10.1.0.2/24 dev eth0",
        "address 10.1.0.2/24 on eth0 in c1 is missing",
    ),
    "IPv6 address deleted in the container": (
        "ip -n c1 address delete fd00:1::2/64 dev eth0",
        "address fd00:1::2/64 on eth0 in c1 is missing",
    ),
    "table deleted": ("nft delete table inet netloom", "firewall table inet netloom is missing"),
    "rules flushed": ("nft flush ruleset", "firewall table inet netloom is missing"),
    "rule deleted": (
        "nft flush chain inet netloom forward",
        "firewall table inet netloom: digest is damaged: rules of forward",
    ),
    "element deleted": (
        "nft delete element inet netloom translated {{ ipv4 . {bridge} }}",
        "firewall element ipv4 . {bridge} in translated is missing",
    ),
    "bridge down": ("ip link set {bridge} down", "{bridge} is down"),
    "veth down on the host": ("ip link set {veth} down", "{veth} is down"),
    "veth down in the container": ("ip -n c1 link set eth0 down", "eth0 in c1 is down"),
    "MTU of the bridge": ("ip link set {bridge} mtu 1400", "bridge {bridge}: mtu is 1400, not 1500"),
    "MTU of the veth on the host": ("ip link set {veth} mtu 1400", "mtu is 1400, not 1500"),
    "MTU of the veth in the container": ("ip -n c1 link set eth0 mtu 1300", "mtu is 1300, not 1500"),
    "MAC of the bridge": ("ip link set {bridge} address 02:00:00:00:00:99", "mac is 02:00:00:00:00:99, not "),
    "MAC in the container": ("ip -n c1 link set eth0 address 02:00:00:00:00:99", "mac is 02:00:00:00:00:99, not "),
    "default route deleted": ("ip -n c1 route delete default", "route 0.0.0.0/0 in c1 is missing"),
    "default IPv6 route deleted": ("ip -n c1 -6 route delete default", "route ::/0 in c1 is missing"),
    "forwarding off": ("sysctl -qw net.ipv4.ip_forward=0", "sysctl net.ipv4.ip_forward: value is 0, not 1"),
    "isolation changed": ("bridge link set dev {veth} isolated on", "isolated is true, not false"),
    "alias of the bridge removed": ("ip link set {bridge} alias ''", "bridge {bridge}: tag is none, not netloom:net/"),
    "alias of the veth removed": ("ip link set {veth} alias ''", "tag is none, not netloom:net/"),
    "veth moved to another bridge": ("ip link set {veth} master foreign", "master is foreign, not {bridge}"),
    "veth taken out of the bridge": ("ip link set {veth} nomaster", "master is none, not {bridge}"),
    "bridge renamed": ("ip link set {bridge} name renamed", "bridge {bridge} is missing"),
    "veth renamed on the host": ("ip link set {veth} name renamed", "interface eth0 in c1 ({veth} on the host)"),
    "veth renamed in the container": ("ip -n c1 link set eth0 name renamed", "interface eth0 in c1"),
    "veth moved to another namespace": ("ip -n c1 link set eth0 netns c4", "interface eth0 in c1"),
}


@pytest.fixture(autouse=True)
def machine():
    """A network with two members, and things of somebody else."""
    for name in ("c1", "c2", "c3", "c4"):
        rig.netns(name)
    rig.run("ip", "link", "add", "foreign", "address", "02:00:00:00:00:77", "type", "bridge")
    do(present("net", "10.1.0.0/24", "fd00:1::/64"), attach("net", "c1"), attach("net", "c2"))
    do(present("other", "10.2.0.0/24"), attach("other", "c3"))


def names() -> dict[str, str]:
    """Return the names of the network's bridge and of the host's end of c1's interface."""
    ports = json.loads(rig.run("ip", "-j", "-n", "c1", "link", "show", "eth0").stdout)
    links = json.loads(rig.run("ip", "-j", "link").stdout)
    veth = next(link["ifname"] for link in links if link["ifindex"] == ports[0]["link_index"])
    return {"bridge": engine.bridge("net"), "veth": veth}


def indices() -> dict[str, int]:
    """Return the index of every interface, by namespace and name."""
    found = {}
    for where in ((), ("-n", "c1"), ("-n", "c2"), ("-n", "c3"), ("-n", "c4")):
        for link in json.loads(rig.run("ip", "-j", *where, "link").stdout):
            found["/".join((*where[1:], link["ifname"]))] = link["ifindex"]
    return found


def picture() -> rig.Snapshot:
    return engine.picture("c1", "c2", "c3", "c4")


@pytest.mark.parametrize(("command", "line"), DAMAGES.values(), ids=list(DAMAGES))
def test_damage_is_reported_predicted_and_repaired_and_nothing_else_is(command, line):
    known = names()
    before, links = picture(), indices()
    assert drift("net") == []
    rig.run("sh", "-c", command.format(**known))
    damaged = picture()
    assert damaged != before
    left = {name: index for name, index in links.items() if indices().get(name) == index}
    if not {"c1/eth0", known["veth"]} <= left.keys():  # the two ends are one thing
        left.pop("c1/eth0", None)
        left.pop(known["veth"], None)

    reported, predicted = drift("net"), predict(NET)
    engine.same(picture(), damaged, "looked at")
    assert any(line.format(**known) in each for each in reported), reported
    assert do(NET) == predicted != []

    engine.same(picture(), before, "repaired")
    assert {name: index for name, index in indices().items() if name in left} == left
    assert (drift("net"), do(NET)) == ([], [])
    for member in ("c1", "c2"):
        rig.pings(member, "10.1.0.1")
    rig.pings("c1", "10.1.0.3")


def test_damage_to_one_network_is_not_the_other_ones_drift():
    rig.run("ip", "link", "delete", engine.bridge("net"))
    assert drift("other") == []
    assert do(present("other")) == []


def test_a_flushed_table_is_restored_for_every_network_by_a_task_for_one():
    before = picture()
    rig.run("nft", "flush", "ruleset")
    assert "firewall table inet netloom is missing" in drift("other")
    do(NET)
    engine.same(picture(), before, "repaired")
    assert drift("other") == []


def test_a_renamed_bridge_is_not_left_beside_its_successor():
    rig.run("ip", "link", "set", engine.bridge("net"), "name", "renamed")
    do(NET)
    assert rig.run("ip", "link", "show", "renamed", check=False).returncode


@pytest.mark.parametrize(
    "damage", ["true", "ip link set {bridge} down", "nft delete table inet netloom", "ip link delete {veth}"]
)
def test_what_belongs_to_others_is_never_touched(damage):
    known = names()
    for command in (
        "nft add table inet admin",
        "nft add chain inet admin input '{{ type filter hook input priority 0; policy accept; }}'",
        "nft add rule inet admin input tcp dport 9 drop comment netloom",
        "ip address add 192.0.2.1/24 dev {bridge}",
        "ip link add dummy1 type bridge",
        "ip -n c1 link add mine type bridge",
        "ip -n c1 address add 192.0.2.9/24 dev mine",
        "ip -n c1 link set mine up",
        "ip -n c1 route add 203.0.113.0/24 via 192.0.2.77",
        "ip -n c1 address add 192.0.2.200/32 dev lo",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=1",
    ):
        rig.run("sh", "-c", command.format(**known))
    before = picture()
    rig.run("sh", "-c", damage.format(**known))
    do(NET)
    engine.same(picture(), before, f"{damage}, and repaired")
    do(detach("net", "c1"), attach("net", "c1"))
    engine.same(picture(), before, "detached and attached again")


def test_a_foreign_default_route_stays_and_is_told():
    rig.run("ip", "-n", "c1", "route", "replace", "default", "via", "10.1.0.77")
    rig.run("ip", "-n", "c1", "route", "delete", "default", "proto", "157", check=False)
    rig.run("ip", "-n", "c1", "route", "replace", "default", "via", "10.1.0.77")
    before = picture()
    result = engine.result_of(NET)
    engine.same(picture(), before, "repaired")
    assert (result.outcome.changes, drift("net")) == ((), [])
    assert result.outcome.warnings == (
        "route 0.0.0.0/0 in c1: there is one already that is not ours, through 10.1.0.77; it is kept",
    )


def test_what_the_host_gets_inside_a_subnet_of_ours_is_told():
    rig.run("ip", "link", "add", "vpn0", "type", "bridge")
    rig.run("ip", "address", "add", "10.1.0.200/25", "dev", "vpn0")
    rig.run("ip", "link", "set", "vpn0", "up")
    assert drift("net") == ["subnet 10.1.0.0/24 overlaps address 10.1.0.200/25 on vpn0 of the host"]
    assert drift("other") == []
    rig.run("ip", "link", "delete", "vpn0")
    assert drift("net") == []
