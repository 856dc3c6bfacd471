# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers netavark:NAME: Debian's netavark itself, and a plugin for tests that can be told to do wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import engine
import netavark_plugin
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._kernel import programs
from ansible_collections.netloom.containers.plugins.module_utils._netavark import NETAVARK_DIRS
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._verbs import restoration
from engine import absent, attach, detach, do, pool, present, refusal, sandwich

pytestmark = pytest.mark.packets  # its programs do the same whichever version the libraries have

NETAVARK = shutil.which("netavark", path=NETAVARK_DIRS)
needs_netavark = pytest.mark.skipif(NETAVARK is None, reason="netavark is not installed")


@pytest.fixture(autouse=True)
def machine():
    for name in ("c1", "c2", "c3"):
        rig.netns(name)


@pytest.fixture
def folder(tmp_path):
    """A folder with the plugin `test` in it."""
    netavark_plugin.install(tmp_path)
    return tmp_path


def by_plugin(folder: Path, *subnets, **options) -> engine.Verb:
    given = {"plugin_dirs": str(folder), **options}
    return present("net", *(subnets or ("10.1.0.0/24",)), driver="netavark:test", options=given)


def calls(folder: Path) -> list[list]:
    """Return what the plugin has been told since the last time: subcommand, arguments, and what it read."""
    file = folder / "calls"
    told = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return told


def links(netns: str | None = None) -> set[str]:
    return {item["ifname"] for item in json.loads(rig.run("ip", "-j", "link", netns=netns).stdout)} - {"lo"}


def addresses(netns: str, ifname: str = "eth0") -> list[str]:
    found = json.loads(rig.run("ip", "-j", "address", "show", "dev", ifname, netns=netns).stdout)
    return [f"{item['local']}/{item['prefixlen']}" for item in found[0]["addr_info"] if item["scope"] == "global"]


def default_routes(netns: str) -> list[tuple[str, str, int]]:
    found = json.loads(rig.run("ip", "-j", "route", "show", "default", netns=netns).stdout)
    return [(item["gateway"], item["dev"], item.get("metric", 0)) for item in found]


def rules() -> str:
    return rig.run("nft", "list", "ruleset").stdout


def member(name: str = "c1") -> dict:
    return next(item for item in engine.inspected("net")[0]["Containers"].values() if item["Name"] == name)


def settled(verb: engine.Verb) -> list[str]:
    """Carry out a verb in check mode, for real, and again, and return its changes: check mode said so, once is enough."""
    predicted = engine.predict(verb)
    assert do(verb) == predicted
    assert do(verb) == []
    return predicted


# --- netavark itself ---


@needs_netavark
def test_members_of_a_bridge_of_netavark_reach_each_other_and_leave_nothing(lan):
    made = sandwich(present("net", "10.1.0.0/24", "fd00:1::/64", driver="netavark:bridge"))
    assert made == ["create network net of plugin netavark:bridge", "create network net"]
    assert sandwich(attach("net", "c1")) == [
        "create endpoint of c1 on network net",
        "create interface eth0 in c1 by plugin netavark:bridge on network net",
    ]
    do(attach("net", "c2", ifname="lan0", mac="02:00:00:00:00:0a"))
    assert rig.pings("c1", "10.1.0.3") and rig.pings("c1", "fd00:1::3") and rig.pings(None, "10.1.0.2")
    assert addresses("c1") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert (member("c1")["MacAddress"], member("c2")["MacAddress"]) == ("02:42:0a:01:00:02", "02:00:00:00:00:0a")
    assert default_routes("c1") == [("10.1.0.1", "eth0", 100)]
    # Masqueraded by netavark: the neighbour has no route to 10.1.0.0/24.
    assert rig.seen_by(lan.netns, "c1", lan.neighbour) == lan.host
    assert engine.inspected("net")[0]["Drift"] == []
    assert settled(detach("net", "c2"))
    assert links("c2") == set() and rig.pings(None, "10.1.0.2")
    assert settled(absent("net", force=True))
    assert links("c1") == set() and links() == {lan.ifname}
    left = [line.strip() for line in rules().splitlines() if "10.1.0" in line or "fd00:" in line]
    assert left == [] and not os.path.exists("/run/netloom")


@needs_netavark
def test_netavark_publishes_ports(lan):
    do(present("net", "10.1.0.0/24", driver="netavark:bridge"))
    do(attach("net", "c1", ports=port_specs(["8080:80", "127.0.0.1:5353:53/udp"])))
    assert settled(attach("net", "c1")) == []
    taken = refusal(attach("net", "c2", ports=port_specs(["8080:81"])))
    assert (taken.code, "c1" in taken.message) == ("port_in_use", True)
    with rig.listens("c1", "10.1.0.2", 80):
        assert rig.connects(lan.netns, lan.host, 8080)
        assert rig.connects(lan.netns, lan.host, 8081, expect=False)
    assert "127.0.0.1" in rules() and "10.1.0.2:53" in rules()
    assert settled(attach("net", "c1", ports=port_specs(["8081:80"])))
    with rig.listens("c1", "10.1.0.2", 80):
        assert rig.connects(lan.netns, lan.host, 8081)
        assert rig.connects(lan.netns, lan.host, 8080, expect=False)
    do(absent("net", force=True))
    assert "10.1.0.2" not in rules()


@needs_netavark
def test_an_internal_bridge_of_netavark_has_no_way_out(lan):
    do(present("net", "10.1.0.0/24", driver="netavark:bridge", internal=True), attach("net", "c1"), attach("net", "c2"))
    assert rig.pings("c1", "10.1.0.3") and default_routes("c1") == []
    assert refusal(attach("net", "c1", ports=port_specs(["80:80"]))).code == "option_invalid"


@needs_netavark
def test_a_container_that_was_restarted_is_plugged_into_netavark_again(lan):
    do(present("net", "10.1.0.0/24", driver="netavark:bridge"), attach("net", "c1", ports=port_specs(["8080:80"])))
    before = member()
    rig.run("ip", "netns", "delete", "c1")
    rig.netns("c1")
    changes = settled(present("net"))
    assert changes == [
        "remove interface eth0 in c1 by plugin netavark:bridge on network net",
        next(line for line in changes if line.startswith("change endpoint of c1 on network net: sandbox ")),
        "create interface eth0 in c1 by plugin netavark:bridge on network net",
    ]
    assert member() == before
    with rig.listens("c1", "10.1.0.2", 80):
        assert rig.connects(lan.netns, lan.host, 8080)
    rig.run("ip", "netns", "delete", "c1")
    do(absent("net", force=True))
    assert links() == {lan.ifname} and "10.1.0" not in rules()


@needs_netavark
def test_what_netavark_made_is_there_again_after_a_reboot(lan):
    do(present("net", "10.1.0.0/24", driver="netavark:bridge"))
    for name, port in (("c1", "8080:80"), ("c2", "8081:80")):
        do(attach("net", name, ports=port_specs([port])))
    for name in ("c1", "c2"):
        rig.run("ip", "netns", "delete", name)
    rig.run("ip", "link", "delete", next(name for name in links() if name.startswith("nv-")))
    rig.run("nft", "flush", "ruleset")
    engine.result_of(partial(engine._call, restoration.restore))
    assert do(present("net")) == [] and engine.inspected("net")[0]["Drift"] == []
    assert addresses("c2") == ["10.1.0.3/24"]
    with rig.listens("c1", "10.1.0.2", 80):
        assert rig.connects(lan.netns, lan.host, 8080)
    assert settled(absent("net", force=True))
    assert links() == {lan.ifname} and "10.1.0" not in rules()


@needs_netavark
def test_a_run_that_is_killed_leaves_nothing_of_netavark_that_the_next_does_not_remove():
    net = present("net", "10.1.0.0/24", driver="netavark:bridge")
    do(net, attach("net", "c1"), absent("net", force=True))
    before = engine.picture("c1", "c2")  # netavark leaves chains of its own, which are empty
    for verb, there in ((attach("net", "c1"), {"eth0"}), (detach("net", "c1"), set())):
        member = () if there else (attach("net", "c1"),)
        do(net, *member)
        for position, effect in enumerate(engine.recorded(verb)):
            for finished in (True, False) if there else (True,):
                do(absent("net", force=True), net, *member)
                assert engine.killed(verb, position)
                if finished:
                    do(verb)
                    assert links("c1") == there and engine.inspected("net")[0]["Drift"] == []
                do(absent("net", force=True))
                engine.same(engine.picture("c1", "c2"), before, f"killed before {effect}, then finished: {finished}")


FAKE = """#!/bin/sh
input=$(cat)
echo "$NETAVARK_FW $* $input" >>{folder}/calls
case "$*" in
*version) echo '{{"version": "2.0.0"}}' ;;
*create) echo "$input" | sed 's/^{{"network": //; s/, "used": .*//' ;;
*) exit 1 ;;
esac
"""


def test_netavark_2_has_a_say_in_what_a_network_is(tmp_path):
    (tmp_path / "netavark").write_text(FAKE.format(folder=tmp_path))
    (tmp_path / "netavark").chmod(0o755)
    options = {"plugin_dirs": str(tmp_path), "firewall_driver": "nftables", "isolate": "true"}
    do(present("net", "10.1.0.0/24", driver="netavark:bridge", options=options))
    asked, created = (tmp_path / "calls").read_text().splitlines()
    assert asked == "nftables --config /run/netloom/netavark --rootless=false version "
    words, _brace, told = created.partition("{")
    assert words == "nftables --config /run/netloom/netavark --rootless=false create "
    value = json.loads(f"{{{told}")
    assert value["network"]["options"] == {"isolate": "true"} and value["options"]["check_used_subnets"] is False
    assert not os.path.exists("/run/netloom")


DAMAGES = {
    "ip -n c1 link delete eth0": "eth0 is missing",
    "ip -n c1 link set eth0 down": "eth0 is down",
    "ip -n c1 address flush dev eth0": "eth0 lacks the address 10.1.0.2",
    "ip -n c1 link set eth0 address 02:00:00:00:00:99": "eth0 has the MAC 02:00:00:00:00:99",
    "ip link delete {bridge}": "bridge {bridge} is missing",
    "ip link set {bridge} down": "bridge {bridge} is down",
    "ip address flush dev {bridge}": "bridge {bridge} lacks the address 10.1.0.1",
}


@needs_netavark
def test_what_was_done_to_what_netavark_made_is_told_and_repaired():
    net = present("net", "10.1.0.0/24", driver="netavark:bridge")
    do(net, attach("net", "c1"), attach("net", "c2"))
    bridge = next(name for name in links() if name.startswith("nv-"))
    for damage, drift in DAMAGES.items():
        rig.run(*damage.format(bridge=bridge).split())
        told = engine.inspected("net")[0]["Drift"]
        assert any(drift.format(bridge=bridge) in line for line in told), (damage, told)
        predicted = engine.predict(net)
        assert predicted and do(net) == predicted
        assert engine.inspected("net")[0]["Drift"] == []
        assert rig.pings("c1", "10.1.0.3") and rig.pings(None, "10.1.0.2")
    do(absent("net", force=True))
    assert links() == set() and "10.1.0" not in rules()


@needs_netavark
def test_members_of_a_macvlan_of_netavark_are_on_the_wire_of_its_parent(lan):
    options = {"parent": lan.ifname, "mode": "bridge", "mtu": "1400"}
    wire = pool("198.51.100.0/24", gateway="198.51.100.254", ip_range="198.51.100.64/26")
    do(present("net", wire, driver="netavark:macvlan", options=options))
    settled(attach("net", "c1"))
    assert rig.pings("c1", lan.neighbour) and addresses("c1") == ["198.51.100.64/24"]
    link = json.loads(rig.run("ip", "-j", "-d", "link", "show", "eth0", netns="c1").stdout)[0]
    assert (link["linkinfo"]["info_data"]["mode"], link["mtu"], link["address"]) == (
        "bridge",
        1400,
        "02:42:c6:33:64:40",
    )
    assert refusal(attach("net", "c1", ports=port_specs(["80:80"]))).code == "option_invalid"
    # Its MAC address is taken until the kernel is done with the old namespace.
    rig.run("ip", "netns", "delete", "c1")
    rig.netns("c1")
    do(present("net"))
    assert rig.pings("c1", lan.neighbour)
    do(detach("net", "c1"))
    assert links("c1") == set()


@needs_netavark
def test_a_mac_address_that_is_taken_for_a_while_is_waited_for(lan):
    wire = pool("198.51.100.0/24", gateway="198.51.100.254")
    do(present("net", wire, driver="netavark:macvlan", options={"parent": lan.ifname, "mode": "bridge"}))
    mac = "02:00:00:00:00:0a"
    rig.run("ip", "link", "add", "link", lan.ifname, "name", "m0", "address", mac, "type", "macvlan", "mode", "bridge")
    rig.run("ip", "link", "set", "m0", "up")
    refused = refusal_of(attach("net", "c1", mac=mac))
    assert refused.code == "driver_error" and "os error 98" in refused.message and links("c1") == set()
    with subprocess.Popen(["sh", "-c", "sleep 0.5; ip link delete m0"]):
        do(attach("net", "c1", mac=mac))
    assert rig.pings("c1", lan.neighbour) and links("c1") == {"eth0"}


@needs_netavark
def test_the_way_out_is_that_of_gw_priority_beside_a_network_of_ours():
    do(present("ours", "10.2.0.0/24"), present("net", "10.1.0.0/24", driver="netavark:bridge"))
    do(attach("ours", "c1", gw_priority=1), attach("net", "c1"))
    assert default_routes("c1") == [("10.2.0.1", "eth0", 0), ("10.1.0.1", "eth1", 100)]
    assert settled(attach("net", "c1", gw_priority=2)) != []
    assert default_routes("c1") == [("10.1.0.1", "eth1", 100)]
    assert settled(present("net")) == []
    settled(attach("ours", "c1", gw_priority=3))
    assert default_routes("c1") == [("10.2.0.1", "eth0", 0), ("10.1.0.1", "eth1", 100)]
    do(detach("ours", "c1"))
    assert default_routes("c1") == [("10.1.0.1", "eth1", 100)]


@needs_netavark
def test_what_netavark_says_of_its_failure_is_in_the_error_and_nothing_is_left():
    do(present("net", "10.1.0.0/24", driver="netavark:bridge", options={"mtu": "many"}))
    before = engine.picture("c1")
    error = refusal_of(attach("net", "c1"))
    assert error.code == "driver_error" and "netavark: setup: " in error.message and "(exit status 1)" in error.message
    engine.same(engine.picture("c1"), before, "after netavark has failed")


@needs_netavark
def test_a_bridge_of_somebody_else_s_interface_name_is_refused():
    rig.run("ip", "netns", "exec", "c1", "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "p0")
    do(present("net", "10.1.0.0/24", driver="netavark:bridge"))
    do(attach("net", "c1"))
    assert addresses("c1", "eth1") == ["10.1.0.2/24"]
    assert refusal(attach("net", "c1", ifname="eth0")).code == "endpoint_exists"
    rig.run("ip", "netns", "delete", "c1")
    rig.netns("c1")
    rig.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "p1", netns="c1")
    assert refusal_of(present("net")).code == "endpoint_exists"
    assert links("c1") == {"eth1", "p1"}
    rig.run("ip", "link", "delete", "eth1", netns="c1")
    do(present("net"))
    assert addresses("c1", "eth1") == ["10.1.0.2/24"]


def refusal_of(verb: engine.Verb):
    """Return the error of a verb that check mode cannot foresee."""
    assert engine.predict(verb) is not None
    try:
        engine.do(verb)
    except engine.NetloomError as exc:
        return exc
    raise AssertionError("it did not fail")


# --- a plugin ---


def test_a_plugin_is_told_what_podman_would_tell_it(folder):
    net = present(
        "net",
        pool("10.1.0.0/24", gateway="10.1.0.254", ip_range="10.1.0.128/25"),
        driver="netavark:test",
        options={"plugin_dirs": f"/nowhere,{folder}", "plugin_timeout": "10", "vlan": "7", "parent": "eth9"},
        labels={"a": "b"},
    )
    assert settled(net) == ["create network net of plugin netavark:test", "create network net"]
    told = calls(folder)
    network = {
        "name": "net",
        "id": engine.inspected("net")[0]["Id"],
        "driver": "test",
        "subnets": [
            {
                "subnet": "10.1.0.0/24",
                "gateway": "10.1.0.254",
                "lease_range": {"start_ip": "10.1.0.128", "end_ip": "10.1.0.255"},
            }
        ],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
        "labels": {"a": "b"},
        "options": {"vlan": "7", "parent": "eth9"},
    }
    assert told == [["info", [], None], ["create", [], network]]
    asked = attach(
        "net", "c1", mac="02:00:00:00:00:11", ifname="lan0", aliases=("web",), ports=port_specs(["127.0.0.1:8080:80"])
    )
    sandwich(asked)
    request = {
        "container_id": member()["EndpointID"],
        "container_name": "c1",
        "port_mappings": [
            {"container_port": 80, "host_ip": "127.0.0.1", "host_port": 8080, "protocol": "tcp", "range": 1}
        ],
        # As `create` has answered it.
        "network": {
            **network,
            "network_interface": "chosen0",
            "options": {**network["options"], "added": "by create"},
        },
        "network_options": {
            "interface_name": "lan0",
            "aliases": ["web"],
            "static_ips": ["10.1.0.128"],
            "static_mac": "02:00:00:00:00:11",
        },
    }
    assert calls(folder) == [["setup", ["/run/netns/c1"], request]]
    assert (addresses("c1", "lan0"), member()["MacAddress"]) == (["10.1.0.128/24"], "02:00:00:00:00:11")
    settled(detach("net", "c1"))
    assert calls(folder) == [["teardown", ["/run/netns/c1"], request]]
    do(absent("net"))
    assert calls(folder) == [] and links() == set() and links("c1") == set()


def test_an_endpoint_has_the_mac_that_its_plugin_has_chosen(folder):
    do(by_plugin(folder, "10.1.0.0/24", "fd00:1::/64"))
    settled(attach("net", "c1"))
    mac = json.loads(rig.run("ip", "-j", "link", "show", "eth0", netns="c1").stdout)[0]["address"]
    assert member()["MacAddress"] == mac and mac.startswith("02:00:00:")
    assert "static_mac" not in calls(folder)[-1][2]["network_options"]
    do(detach("net", "c1"), attach("net", "c2"))
    assert addresses("c2") == ["10.1.0.3/24", "fd00:1::3/64"] or addresses("c2") == ["10.1.0.2/24", "fd00:1::2/64"]


def test_a_plugin_s_endpoint_comes_back_after_its_container_did(folder):
    do(by_plugin(folder), attach("net", "c1"))
    before = member()
    calls(folder)
    rig.run("ip", "netns", "delete", "c1")
    rig.until(lambda: not links())  # the other end goes with it
    rig.netns("c1")
    # In the namespace of now there is an interface of somebody else's, which the teardown of before must not meet.
    result = engine.result_of(present("net"))
    verbs = [(verb, words[0] == "/run/netns/c1") for verb, words, _value in calls(folder)]
    assert verbs == [("teardown", False), ("setup", True)]
    assert any("teardown" in line for line in result.outcome.warnings)
    assert member() == before and addresses("c1") == ["10.1.0.2/24"]


def test_a_change_of_what_a_plugin_was_told_needs_force_with_members(folder):
    do(by_plugin(folder), attach("net", "c1"))
    error = refusal(by_plugin(folder, vlan="8"))
    assert error.code == "network_exists_different"
    calls(folder)
    do(present("net", options={"plugin_dirs": str(folder), "vlan": "8"}, force=True))
    assert [verb for verb, _words, _value in calls(folder)] == ["teardown", "info", "create", "setup"]
    assert addresses("c1") == ["10.1.0.2/24"]


def test_a_plugin_that_is_not_there_is_named_with_those_that_are(folder):
    error = refusal(present("net", driver="netavark:tset", options={"plugin_dirs": str(folder)}))
    assert error.code == "driver_not_found" and "there are: test (did you mean test?)" in error.message
    for driver in ("netavark:", "netavark:../x", "netavark:a/b"):
        assert refusal(present("net", driver=driver)).code == "driver_not_found"
    assert refusal(by_plugin(folder, "10.1.0.0/24", "10.2.0.0/24")).code == "option_invalid"
    assert refusal(by_plugin(folder, firewall_driver="nftables")).code == "option_invalid"
    assert refusal(present("net", driver="netavark:bridge", options={"plugin_dirs": "here"})).code == "option_invalid"
    missing = refusal(present("net", driver="netavark:bridge", options={"plugin_dirs": str(folder)}))
    assert missing.code == "driver_not_found" and "needs netavark" in missing.message


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("fail", "driver_error", "setup: no, thanks; some words on stderr (exit status 1)"),
        ("silent", "driver_error", "setup: no word (exit status 3)"),
        ("garbage", "driver_error", "I am no JSON {"),
        ("hang", "driver_timeout", "has not ended after 1 seconds"),
        ("flood", "driver_error", "has written more than"),
        ("die", "driver_error", "ended by signal 9"),
        ("half", "driver_error", "no, thanks"),
        ("name", "driver_error", "setup has made other0 instead of eth0"),
        ("outside", "driver_error", "setup has given eth0 192.0.2.7/24 instead of 10.1.0.2"),
        ("lie", "driver_error", "but eth0 lacks the address 10.1.0.2"),
    ],
)
def test_a_plugin_that_does_wrong_is_quoted_and_undone(folder, how, code, words):
    do(by_plugin(folder, odd_setup=how, plugin_timeout="1"))
    before = engine.picture("c1")
    error = refusal_of(attach("net", "c1"))
    assert error.code == code and words in error.message and "netavark plugin test" in error.message
    verbs = [verb for verb, _words, _value in calls(folder)]
    assert verbs[-2:] == ["setup", "teardown"]
    engine.same(engine.picture("c1"), before, f"after setup has been odd: {how}")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("fail", "create: no, thanks"),
        ("garbage", "I am no JSON {"),
        ("subnets", "create has changed the subnets to"),
        ("rename", "create has changed the network's name from net to another"),
    ],
)
def test_a_network_that_a_plugin_refuses_or_changes_is_not_made(folder, how, words):
    error = refusal_of(by_plugin(folder, odd_create=how))
    assert error.code == "driver_error" and words in error.message
    assert [item["Name"] for item in engine.inspected()] == ["bridge", "host", "none"] and links() == set()


def test_a_plugin_of_another_api_is_refused(folder):
    (folder / "api_version").write_text("2.0.0")
    error = refusal_of(by_plugin(folder))
    assert error.code == "driver_error" and "API version 2.0.0" in error.message


def test_an_endpoint_that_a_plugin_does_not_let_go_of_stays_unless_given_up(folder):
    do(by_plugin(folder, odd_teardown="fail"), attach("net", "c1"))
    before = engine.picture("c1")
    error = refusal_of(detach("net", "c1"))
    assert error.code == "driver_error" and "teardown: no, thanks" in error.message
    engine.same(engine.picture("c1"), before, "after teardown has failed")
    outcome = engine.result_of(absent("net", force=True)).outcome
    assert any("no, thanks" in line for line in outcome.warnings)
    assert links("c1") == set() and calls(folder)


def test_a_plugin_that_is_gone_does_not_keep_its_network_from_being_removed(folder):
    do(by_plugin(folder), attach("net", "c1"))
    (folder / "test").unlink()
    assert refusal_of(detach("net", "c1")).code == "driver_not_found"
    outcome = engine.result_of(absent("net", force=True)).outcome
    assert any("there is no netavark plugin" in line for line in outcome.warnings)
    assert links("c1") == set() and links() == set()


def test_what_a_plugin_writes_is_bounded():
    assert programs.OUTPUT_MAX_BYTES <= 8 << 20
