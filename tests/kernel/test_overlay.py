# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network between hosts, as one of them sees it: made, changed, repaired, removed, and what is refused.

What crosses the wire is in test_overlay_hosts.py.
"""

from __future__ import annotations

import errno
import json
import shutil

import engine
import lookup
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from engine import absent, attach, detach, do, drift, present, refusal, sandwich

pytestmark = pytest.mark.packets
PEERS = "198.51.100.1,198.51.100.2,198.51.100.3"


def overlay(name="net", subnet="10.1.0.0/24", *, vni="42", peers=PEERS, force=False, **options):
    given = {"vni": vni, "peers": peers, **options}
    return present(name, subnet, driver="overlay", options=given, force=force)


def device(name="net"):
    return "vx-" + engine.inspected(name, verify=False)[0]["Id"][:12]


def link(ifname, netns=None):
    (found,) = json.loads(rig.run("ip", "-j", "-d", "link", "show", ifname, netns=netns).stdout)
    return found


def facts(name="net"):
    return link(device(name))["linkinfo"]["info_data"]


def entries(name="net"):
    """Return the entries of a device's own forwarding table: (MAC, peer), sorted."""
    found = json.loads(rig.run("bridge", "-j", "fdb", "show", "dev", device(name)).stdout)
    return sorted((entry["mac"], entry["dst"]) for entry in found if "dst" in entry)


def members_of(family, name):
    listing = json.loads(rig.run("nft", "-j", "list", "set", family, "netloom", name).stdout)
    (found,) = (item["set"] for item in listing["nftables"] if "set" in item)
    return sorted(json.dumps(element) for element in found.get("elem", ()))


@pytest.fixture(autouse=True)
def machine(lan):
    rig.netns("c1")


def test_a_network_is_made_changed_and_removed_as_check_mode_says_and_leaves_nothing():
    before = engine.picture("c1")
    made = sandwich(overlay())
    assert made[0] == "create network net"
    assert f"add peer 198.51.100.2 of {device()}" in made
    assert sandwich(attach("net", "c1"))
    assert (facts()["id"], facts()["port"], facts()["local"]) == (42, 4789, "198.51.100.1")
    assert (facts()["learning"], facts().get("df", "unset"), facts().get("ttl", 0)) == (True, "unset", 0)
    assert [link(device())["mtu"], link(engine.bridge("net"))["mtu"], link("eth0", "c1")["mtu"]] == [1450] * 3
    assert entries() == [("00:00:00:00:00:00", "198.51.100.2"), ("00:00:00:00:00:00", "198.51.100.3")]
    rig.pings("c1", "10.1.0.1")
    rig.pings("c1", "198.51.100.2")
    assert sandwich(detach("net", "c1"))
    assert sandwich(absent("net"))
    engine.same(engine.picture("c1"), before, "made and removed")


def test_a_peer_comes_and_goes_with_one_entry_and_the_device_stays():
    do(overlay(), attach("net", "c1"))
    number = link(device())["ifindex"]
    assert sandwich(overlay(peers="198.51.100.1,198.51.100.2,198.51.100.9"))
    assert entries() == [("00:00:00:00:00:00", "198.51.100.2"), ("00:00:00:00:00:00", "198.51.100.9")]
    assert [each[2:] for each in members_of("ip", "vteps4")] == [
        line[2:] for line in members_of("ip", "vteps4") if "198.51.100.2" in line or "198.51.100.9" in line
    ]
    assert sandwich(overlay(peers=""))
    assert (entries(), members_of("ip", "vteps4")) == ([], [])
    assert sandwich(overlay())
    assert link(device())["ifindex"] == number


def test_what_was_learned_from_a_peer_goes_with_it():
    do(overlay())
    for mac, peer in (("02:00:00:00:00:02", "198.51.100.2"), ("02:00:00:00:00:03", "198.51.100.3")):
        rig.run("bridge", "fdb", "append", mac, "dev", device(), "dst", peer, "dynamic")
    assert drift("net") == []
    do(overlay(peers="198.51.100.1,198.51.100.3"))
    assert entries() == [("00:00:00:00:00:00", "198.51.100.3"), ("02:00:00:00:00:03", "198.51.100.3")]


@pytest.mark.parametrize(
    ("options", "fact", "value"),
    [
        ({"vni": "43"}, "id", 43),
        ({"port": "4790"}, "port", 4790),
        ({"parent": "lan0"}, "link", "lan0"),
        ({"learning": "false"}, "learning", False),
    ],
)
def test_what_the_kernel_cannot_change_is_made_anew_and_members_keep_everything(options, fact, value):
    do(overlay(), attach("net", "c1"))
    member = link("eth0", "c1")["ifindex"]
    assert f"remove VXLAN interface {device()}" in sandwich(overlay(**options))
    assert facts()[fact] == value
    assert link("eth0", "c1")["ifindex"] == member
    rig.pings("c1", "10.1.0.1")
    assert drift("net") == []
    assert sandwich(overlay())


def test_mtu_and_isolation_change_in_place():
    do(overlay(), attach("net", "c1"))
    number = link(device())["ifindex"]
    assert sandwich(overlay(mtu="1400", icc="false"))
    assert [link(device())["mtu"], link(engine.bridge("net"))["mtu"], link("eth0", "c1")["mtu"]] == [1400] * 3
    assert link(device())["linkinfo"]["info_slave_data"]["isolated"] is True
    assert sandwich(overlay())
    assert link(device())["linkinfo"]["info_slave_data"]["isolated"] is False
    assert (link(device())["mtu"], link(device())["ifindex"]) == (1450, number)


def test_driver_and_bridge_name_are_changed_by_force_only_and_members_come_back():
    do(present("net", "10.1.0.0/24"), attach("net", "c1"))
    change = overlay(bridge_name="br9")
    assert refusal(change).code == "network_exists_different"
    assert sandwich(overlay(bridge_name="br9", force=True))
    assert link(device())["master"] == "br9"
    rig.pings("c1", "10.1.0.1")
    assert sandwich(present("net", driver="bridge", options={}, force=True))
    assert rig.run("nft", "list", "tables").stdout == "table inet netloom\n"
    assert json.loads(rig.run("ip", "-j", "link", "show", "type", "vxlan").stdout or "[]") == []
    rig.pings("c1", "10.1.0.1")


def test_members_of_other_hosts_are_known_without_learning():
    rig.run("ip", "address", "add", "198.51.100.7/24", "dev", "lan0")
    options = {"learning": "false", "endpoints": "10.1.0.9@198.51.100.2,10.1.0.2@198.51.100.1"}
    do(overlay(**options), attach("net", "c1"))
    assert entries() == [("02:42:0a:01:00:09", "198.51.100.2")]
    assert rig.run("ip", "neighbour", "show", "dev", device(), "nud", "permanent").stdout.split()[:3] == [
        "10.1.0.9",
        "lladdr",
        "02:42:0a:01:00:09",
    ]
    assert sandwich(overlay(**{**options, "endpoints": "10.1.0.9=02:00:00:00:00:09@198.51.100.3"}))
    assert entries() == [("02:00:00:00:00:09", "198.51.100.3")]
    assert sandwich(overlay(learning="false"))
    assert (entries(), rig.run("ip", "neighbour", "show", "dev", device(), "nud", "permanent").stdout) == ([], "")


def test_neighbours_of_both_ip_versions_come_back_after_the_device_was_down():
    endpoints = "10.1.0.9@198.51.100.2,fd00:1::9=02:42:0a:01:00:09@198.51.100.2"
    verb = present(
        "net",
        "10.1.0.0/24",
        "fd00:1::/64",
        driver="overlay",
        options={"vni": "42", "peers": PEERS, "learning": "false", "endpoints": endpoints},
    )
    assert sandwich(verb)
    rig.run("ip", "link", "set", device(), "down")
    assert "neighbour fd00:1::9 of " + device() + " is missing" in drift("net")
    assert sandwich(present("net"))
    shown = rig.run("ip", "neighbour", "show", "dev", device(), "nud", "permanent").stdout
    assert sorted(line.split()[0] for line in shown.splitlines()) == ["10.1.0.9", "fd00:1::9"]
    assert "inet6" not in rig.run("ip", "address", "show", device()).stdout


def test_over_ipv6_the_mtu_is_smaller_and_the_table_another():
    assert sandwich(overlay(peers="2001:db8:ffff::1,2001:db8:ffff::2"))
    assert (facts()["local6"], link(device())["mtu"]) == ("2001:db8:ffff::1", 1430)
    assert entries() == [("00:00:00:00:00:00", "2001:db8:ffff::2")]
    assert len(members_of("ip6", "vteps6")) == 1
    assert "table ip netloom" not in rig.run("nft", "list", "tables").stdout
    assert sandwich(absent("net"))
    assert rig.run("nft", "list", "ruleset").stdout == ""


# --- drift and repair ---


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        ("bridge fdb del 00:00:00:00:00:00 dev {vx} dst 198.51.100.2", "peer 198.51.100.2 of {vx} is missing"),
        (
            "bridge fdb append 00:00:00:00:00:00 dev {vx} dst 198.51.100.9",
            "peer 198.51.100.9 of {vx} should not be there",
        ),
        ("ip link delete {vx}", "VXLAN interface {vx} is missing"),
        ("ip link set {vx} nomaster", "VXLAN interface {vx}: master is none, not {bridge}"),
        ("ip link set {vx} mtu 1300", "VXLAN interface {vx}: mtu is 1300, not 1450"),
        ("ip link set {vx} address 02:00:00:00:00:99", "VXLAN interface {vx}: mac is 02:00:00:00:00:99, not "),
        ("ip link set {vx} down", "{vx} is down"),
        ("bridge link set dev {vx} isolated on", "VXLAN interface {vx}: isolated is true, not false"),
        ("nft delete table ip netloom", "firewall table ip netloom is missing"),
        ("nft delete table bridge netloom", "firewall table bridge netloom is missing"),
        ("nft flush set ip netloom vteps4", "peer 198.51.100.2 of VNI 42 at port 4789 is missing"),
        ("nft flush set ip netloom ports4", "firewall element 4789 in ports4 is missing"),
        ("nft flush chain ip netloom input", "firewall table ip netloom: digest is damaged"),
    ],
)
def test_what_is_damaged_is_reported_and_repaired(damage, line):
    do(overlay(), attach("net", "c1"))
    names = {"vx": device(), "bridge": engine.bridge("net")}
    before = engine.picture("c1")
    rig.run(*damage.format(**names).split())
    assert any(each.startswith(line.format(**names)) for each in drift("net")), drift("net")
    assert sandwich(present("net"))
    assert drift("net") == []
    engine.same(engine.picture("c1"), before, "damaged and repaired")


def test_a_renamed_device_is_put_right():
    do(overlay())
    name = device()
    rig.run("ip", "link", "set", name, "down")
    rig.run("ip", "link", "set", name, "name", "mine")
    assert sandwich(present("net"))
    assert [each["ifname"] for each in json.loads(rig.run("ip", "-j", "link", "show", "type", "vxlan").stdout)] == [
        name
    ]


def test_an_address_that_the_host_has_lost_is_replaced_by_the_one_that_it_has_now():
    do(overlay(peers="198.51.100.2"))
    rig.run("ip", "address", "add", "198.51.100.5/24", "dev", "lan0")
    assert do(present("net")) == []
    rig.run("ip", "address", "delete", "198.51.100.1/24", "dev", "lan0")
    rig.run("ip", "address", "replace", "198.51.100.5/24", "dev", "lan0")
    assert sandwich(present("net"))
    assert facts()["local"] == "198.51.100.5"


def test_an_underlay_that_takes_less_by_now_is_told_of_and_changes_nothing():
    do(overlay(), attach("net", "c1"))
    rig.run("ip", "link", "set", "lan0", "mtu", "1400")
    result = engine.result_of(overlay())
    words = "network net: lan0 takes packets of 1400 bytes, and members' of 1450 need 1500"
    assert [str(change) for change in result.outcome.changes] == []
    assert any(warning.startswith(words) for warning in result.outcome.warnings)
    assert [line[: len(words)] for line in drift("net")] == [words]
    assert sandwich(overlay(mtu="1350"))
    assert drift("net") == []


def test_a_device_with_a_parent_that_takes_less_by_now_can_still_be_made_anew():
    do(overlay(parent="lan0"))
    rig.run("ip", "link", "set", "lan0", "mtu", "1400")
    rig.run("ip", "link", "delete", device())
    assert sandwich(present("net"))
    assert len(drift("net")) == 1


# --- what is refused ---


def test_two_networks_with_one_vni_are_told_apart_by_port_or_ip_version_or_refused():
    do(overlay())
    error = refusal(overlay("two", "10.2.0.0/24"))
    assert (error.code, error.message) == (
        "option_invalid",
        "driver_options.vni: 42 at port 4789 over IPv4 is that of network net",
    )
    assert sandwich(overlay("two", "10.2.0.0/24", port="4790"))
    assert sandwich(overlay("three", "10.3.0.0/24", peers="2001:db8:ffff::1,2001:db8:ffff::2"))
    assert refusal(overlay("two", "10.2.0.0/24")).code == "option_invalid"
    assert [drift(name) for name in ("net", "two", "three")] == [[], [], []]
    assert sandwich(absent("net"))
    assert members_of("ip", "ports4") == ["4790"]
    assert sandwich(absent("two"))
    assert sandwich(absent("three"))
    assert rig.run("nft", "list", "ruleset").stdout == ""


def test_a_port_is_watched_as_long_as_a_network_of_any_state_directory_is_at_it():
    do(overlay())
    do(overlay("two", "10.2.0.0/24", vni="43"))
    do(overlay("two", "10.3.0.0/24", vni="44"), state_dir="/run/second")
    do(absent("two"))
    assert drift("net") == []
    do(absent("net"))
    assert members_of("ip", "ports4") == ["4789"]
    assert engine.inspected("two", state_dir="/run/second")[0]["Drift"] == []
    do(absent("two"), state_dir="/run/second")
    assert rig.run("nft", "list", "ruleset").stdout == ""


def test_a_vni_that_somebody_else_has_is_refused_before_anything_is_touched():
    rig.run(*"ip link add other type vxlan id 42 dstport 4789 local 198.51.100.1".split())
    before = rig.snapshot()
    error = refusal(overlay())
    assert (error.code, "that of interface other, which is not ours" in error.message) == ("option_invalid", True)
    engine.same(rig.snapshot(), before, "refused")


def test_a_vni_that_somebody_has_taken_meanwhile_is_an_error_that_says_so():
    do(overlay())
    rig.run("ip", "link", "delete", device())
    rig.run(*"ip link add other type vxlan id 42 dstport 4789 local 198.51.100.1".split())
    with pytest.raises(NetloomError) as caught:
        do(present("net"))
    assert caught.value.code == "option_invalid"
    assert "driver_options.vni: 42 at port 4789 is that of an interface which is not ours" in caught.value.message
    rig.run("ip", "link", "delete", "other")
    assert sandwich(present("net"))


def test_a_foreign_interface_of_the_name_is_let_alone():
    do(overlay())
    name = device()
    do(absent("net"))
    rig.run("ip", "link", "add", name, "address", "02:00:00:00:00:09", "type", "bridge")
    error = refusal(overlay())
    assert (error.code, f"{name} exists and is a bridge that is not ours" in error.message) == ("invalid_ifname", True)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"parent": "eth9"}, "parent_not_found", "driver_options.parent: there is no interface eth9"),
        ({"parent": "lo"}, "option_invalid", "driver_options.parent: lo is the loopback"),
        ({"parent": "down0"}, "option_invalid", "driver_options.parent: down0 is down"),
        ({"parent": "port0"}, "option_invalid", "driver_options.parent: port0 is a port of outer0"),
        (
            {"parent": "outer0", "peers": "198.51.100.2"},
            "option_invalid",
            "driver_options.parent: outer0 has no IPv4 address",
        ),
        ({"peers": "2001:db8:7::7", "mtu": "1431"}, "option_invalid", "1431 is more than the 1430 that fit: lan0"),
        ({"mtu": "1451"}, "option_invalid", "driver_options.mtu: 1451 is more than the 1450 that fit: lan0 takes 1500"),
        ({"peers": "198.51.100.1,198.51.100.7"}, "option_invalid", "are both addresses of this host"),
    ],
)
def test_an_underlay_that_does_not_do_is_refused_with_the_reason(options, code, words):
    rig.run("ip", "link", "add", "outer0", "address", "02:00:00:00:00:08", "type", "bridge")
    rig.run("ip", "link", "add", "port0", "master", "outer0", "type", "veth", "peer", "name", "down0")
    for name in ("outer0", "port0"):
        rig.run("ip", "link", "set", name, "up")
    rig.run("ip", "address", "add", "198.51.100.7/24", "dev", "lan0")
    error = refusal(overlay(**({"peers": "198.51.100.1"} | options)))
    assert error.code == code
    assert words in error.message


def test_a_host_without_a_route_to_its_peers_is_told_so():
    rig.run("ip", "route", "delete", "default")
    error = refusal(overlay(peers="192.0.2.1"))
    assert (error.code, "the host has no route to 192.0.2.1" in error.message) == ("option_invalid", True)


def test_a_kernel_without_vxlan_is_named():
    effects = engine.recorded(overlay())
    position = next(number for number, effect in enumerate(effects) if effect.startswith("create VXLAN"))
    do(absent("net"))
    before = engine.picture("c1")
    host = engine.Failing({position: OSError(errno.EOPNOTSUPP, "")}, rig.STATE_DIR, engine.LOCK_TIMEOUT_SECONDS)
    with pytest.raises(NetloomError) as caught:
        with host:
            overlay()(host=host, dry_run=False)
    assert caught.value.code == "kernel_unsupported"
    assert caught.value.message.endswith("the kernel lacks the module vxlan")
    engine.same(engine.picture("c1"), before, "refused")


def test_members_on_one_host_find_each_other_by_name():
    if not shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"):
        pytest.skip("dnsmasq is not installed (Debian: dnsmasq-base)")
    rig.netns("c2")
    options = {"vni": "42", "peers": PEERS}
    sandwich(present("net", "10.1.0.0/24", driver="overlay", options=options, dns=True))
    do(attach("net", "c1", aliases=("db",)), attach("net", "c2"))
    assert lookup.found("c2", "db.net") == ["10.1.0.2"]


def test_a_subnet_of_the_hosts_own_choice_is_warned_of():
    verb = present("net", driver="overlay", options={"vni": "42"})
    (warning,) = engine.result_of(verb).outcome.warnings
    assert "was chosen by this host alone; give every host the same subnet" in warning
    assert engine.result_of(verb).outcome.warnings == ()
