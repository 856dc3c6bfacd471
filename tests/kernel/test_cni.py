# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks whose interfaces CNI plugins make: Debian's, a third party's, and one that does whatever a test wants."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._routes import static_routes
from ansible_collections.netloom.containers.plugins.module_utils._settings import interface_settings
from engine import absent, attach, detach, do, predict, present, refusal, result_of, sandwich

pytestmark = pytest.mark.packets
DEBIAN = "/usr/lib/cni"
OURS = "/run/cni-bin"
TEST = Path("/run/cni-test")
LEASES = Path("/run/leases")
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0")  # of Debian's plugins


def pool(subnet: str = "10.71.0.0/24", *more: str, routes=("0.0.0.0/0",), **options) -> dict:
    ranges = [[{"subnet": each}] for each in (subnet, *more)]
    return {
        "type": "host-local",
        "dataDir": str(LEASES),
        "ranges": ranges,
        "routes": [{"dst": to} for to in routes],
    } | options


def bridge(name: str = "cni9", **options) -> dict:
    return {"type": "bridge", "bridge": name, "isGateway": True, "ipMasq": True, "ipam": pool()} | options


def takes(plugin: dict, *capabilities: str) -> dict:
    return {**plugin, "capabilities": dict.fromkeys(capabilities, True)}


def conflist(*plugins: dict, version: str = "1.0.0", name: str = "net", **more) -> dict:
    return {"cniVersion": version, "name": name, "plugins": [*plugins], **more}


def cni(
    *plugins: dict, options: dict | None = None, name: str = "net", connected=None, force=False, **more
) -> engine.Verb:
    """Return the verb for a network of these plugins; `more` is of the list, and its name that of the network."""
    given = {"conflist": json.dumps(conflist(*plugins, **{"name": name, **more})), **(options or {})}
    return present(name, driver="cni", options=given, connected=connected, force=force)


def probe(**options) -> dict:
    """Return the configuration of the plugin that does what a test wants."""
    return {"type": "probe", **options}


def probed(*plugins: dict, timeout: int = 2, **more) -> engine.Verb:
    options = {"cni_path": f"{OURS}:{DEBIAN}", "plugin_timeout": str(timeout), **more.pop("options", {})}
    return cni(*plugins, options=options, **{"version": "1.1.0", **more})


def calls(*commands: str) -> list[dict]:
    """Return what the plugin was told, and forget it."""
    path = TEST / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [call for call in map(json.loads, lines) if not commands or call["command"] in commands]


def behave(**behaviours: str) -> None:
    TEST.mkdir(exist_ok=True)
    (TEST / "behaves").write_text(json.dumps(behaviours))


def attachments() -> list[str]:
    return sorted(os.listdir(TEST / "attachments")) if TEST.exists() else []


def leases() -> list[str]:
    """Return the addresses that host-local has handed out."""
    return sorted(path.name for path in LEASES.glob("*/*") if path.name[0].isdigit() or ":" in path.name)


def address(container: str, network: str = "net") -> str:
    """Return a container's address as network_info shows it."""
    (shape,) = engine.inspected(network, verify=False)
    return next((one["IPv4Address"] for one in shape["Containers"].values() if one["Name"] == container), "")


def links(netns: str | None = None) -> list[str]:
    return [link["ifname"] for link in json.loads(rig.run("ip", "-j", "link", netns=netns).stdout)]


def sound(verb: engine.Verb) -> list[str]:
    """Carry out a verb as predicted, with nothing left to do; return its changes. A sandwich without pictures."""
    predicted = predict(verb)
    done = do(verb)
    assert (done, predict(verb)) == (predicted, [])
    return done


@pytest.fixture(autouse=True)
def machine() -> None:
    for name in ("c1", "c2"):
        rig.netns(name)
    os.makedirs(OURS)
    program = (Path(__file__).parent / "cni_plugin.py").read_text()
    Path(f"{OURS}/probe").write_text(f"#!/usr/bin/python3 -ISsB\n{program}")
    os.chmod(f"{OURS}/probe", 0o755)


# --- from the first ADD to the last DEL ---


def test_two_containers_have_addresses_reach_each_other_and_leave_nothing():
    assert sandwich(cni(bridge())) == ["create network net of plugin cni", "create network net"]
    assert sandwich(attach("net", "c1")) == [
        "create endpoint of c1 on network net",
        "create interface eth0 in c1 by plugin cni on network net",
    ]
    do(attach("net", "c2"))
    assert (address("c1"), address("c2"), leases()) == ("10.71.0.2/24", "10.71.0.3/24", ["10.71.0.2", "10.71.0.3"])
    rig.pings("c1", "10.71.0.3")
    rig.pings(None, "10.71.0.2")
    (shape,) = engine.inspected("net")
    assert shape["IPAM"]["Config"] == [{"Subnet": "10.71.0.0/24", "Gateway": "10.71.0.1"}]
    assert shape["Drift"] == []
    assert sandwich(detach("net", "c1")) == [
        "remove interface eth0 in c1 by plugin cni on network net",
        "remove endpoint of c1 on network net",
    ]
    assert leases() == ["10.71.0.3"]
    assert refusal(absent("net")).code == "network_in_use"
    assert sandwich(absent("net", force=True))
    assert (leases(), links("c1"), links("c2")) == ([], ["lo"], ["lo"])
    assert not Path(rig.STATE_DIR, "state.db").exists()


def test_each_version_is_spoken_with_its_own_results():
    for version in VERSIONS:
        do(cni(bridge(), {"type": "tuning", "mtu": 1400}, version=version), attach("net", "c1"))
        assert (address("c1"), engine.drift("net"), predict(attach("net", "c1"))) == ("10.71.0.2/24", [], [])
        do(absent("net", force=True))
        assert (leases(), links("c1")) == ([], ["lo"])
        shutil.rmtree(LEASES)
    assert "does not speak cniVersion 1.1.0; it speaks" in refusal(cni(bridge(), version="1.1.0")).message


def test_the_highest_version_that_a_list_offers_is_spoken():
    do(probed(probe(), cniVersions=["0.4.0", "1.0.0", "9.0.0"], version="0.3.1"), attach("net", "c1"))
    assert [call["config"]["cniVersion"] for call in calls("ADD")] == ["1.0.0"]


STATIC = {
    "type": "static",
    "addresses": [{"address": "10.71.0.77/24", "gateway": "10.71.0.1"}, {"address": "fd71::77/64"}],
}
DEBIANS = {
    "loopback": ([{"type": "loopback"}], ""),
    "static": ([bridge(ipam=STATIC)], "10.71.0.77/24"),
    "ptp": ([{"type": "ptp", "ipMasq": True, "ipam": pool()}], "10.71.0.2/24"),
    "macvlan": ([{"type": "macvlan", "master": "up0", "ipam": pool()}], "10.71.0.2/24"),
    "tuning": (
        [bridge(), {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.eth0.arp_ignore": "1"}}],
        "10.71.0.2/24",
    ),
    "firewall": ([bridge(), {"type": "firewall", "backend": "iptables"}], "10.71.0.2/24"),
    "host-device": ([{"type": "host-device", "device": "up0", "ipam": pool()}], "10.71.0.2/24"),
    "bandwidth": (
        [
            bridge(),
            {
                "type": "bandwidth",
                "ingressRate": 10**7,
                "ingressBurst": 10**6,
                "egressRate": 10**7,
                "egressBurst": 10**6,
            },
        ],
        "10.71.0.2/24",
    ),
    "sbr": ([bridge(), {"type": "sbr"}], "10.71.0.2/24"),
    "portmap": ([bridge(), {"type": "portmap"}], "10.71.0.2/24"),
    "ipvlan": ([{"type": "ipvlan", "master": "up0", "ipam": pool()}], "10.71.0.2/24"),
    "vlan": ([{"type": "vlan", "master": "up0", "vlanId": 5, "ipam": pool()}], "10.71.0.2/24"),
    "vrf": ([bridge(), {"type": "vrf", "vrfname": "blue"}], "10.71.0.2/24"),
}
LINK_TYPES = {"ipvlan": (), "vlan": ("id", "5"), "vrf": ("table", "5")}


@pytest.mark.parametrize("kind", DEBIANS)
def test_every_plugin_of_debians_makes_checks_and_removes(kind):
    rig.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0p")
    rig.run("ip", "link", "set", "up0", "up")
    if kind in LINK_TYPES and not rig.kernel_has(kind, *LINK_TYPES[kind], lower="" if kind == "vrf" else "up0"):
        pytest.skip(f"this kernel makes no {kind}")
    plugins, expected = DEBIANS[kind]
    host = links()
    do(cni(*plugins))
    predicted = predict(attach("net", "c1"))
    assert (do(attach("net", "c1")), predict(attach("net", "c1"))) == (predicted, [])
    assert (address("c1"), engine.drift("net")) == (expected, [])
    do(detach("net", "c1"))
    assert (links("c1"), leases()) == (["lo"], [])
    do(attach("net", "c1"))
    rig.run("ip", "netns", "delete", "c1")
    do(absent("net", force=True))
    assert leases() == []
    rig.until(lambda: not {*links()} - {*host, "cni9"})


def test_dhcp_gives_an_address():
    for command in (
        ("ip", "link", "add", "cni9", "type", "bridge"),
        ("ip", "address", "add", "10.71.0.1/24", "dev", "cni9"),
        ("ip", "link", "set", "cni9", "up"),
    ):
        rig.run(*command)
    os.makedirs("/run/cni")
    daemons = [
        subprocess.Popen([f"{DEBIAN}/dhcp", "daemon", "-socketpath", "/run/cni/dhcp.sock"], stderr=subprocess.DEVNULL),
        subprocess.Popen(
            ["dnsmasq", "-k", "-C", "/dev/null", "-i", "cni9", "--bind-interfaces", "--port=0", "--user=root"]
            + ["--dhcp-range=10.71.0.50,10.71.0.99,2m", "--leasefile-ro", "--log-facility=/dev/null", "--pid-file="],
        ),
    ]
    rig.until(lambda: Path("/run/cni/dhcp.sock").exists())
    do(cni({"type": "bridge", "bridge": "cni9", "ipam": {"type": "dhcp", "daemonSocketPath": "/run/cni/dhcp.sock"}}))
    do(attach("net", "c1"))
    assert address("c1").startswith("10.71.0.")
    assert (engine.drift("net"), predict(attach("net", "c1"))) == ([], [])
    do(absent("net", force=True))
    assert links("c1") == ["lo"]
    for daemon in daemons:
        daemon.kill()


# --- what is asked for ---

CHAIN = (
    takes(bridge(), "ips", "mac"),
    takes({"type": "portmap", "snat": True}, "portMappings"),
    {"type": "firewall", "backend": "iptables"},
    takes({"type": "bandwidth"}, "bandwidth"),
)


def test_ports_are_published_and_limits_set_by_those_plugins_that_can(lan):
    do(cni(*CHAIN), attach("net", "c2"))
    asked = attach("net", "c1", ports=port_specs(["8080:80", "198.51.100.1:8081:80"]))
    with rig.listens("c1", "0.0.0.0", 80):
        do(attach("net", "c1"))
        rig.connects(lan.netns, lan.host, 8080, expect=False)
        rig.connects(None, "10.71.0.3", 80)
        assert sound(asked) == [
            "remove interface eth0 in c1 by plugin cni on network net",
            "change endpoint of c1 on network net: published_ports [] -> [8080:80/tcp, 198.51.100.1:8081:80/tcp]",
            "create interface eth0 in c1 by plugin cni on network net",
        ]
        assert address("c1") == "10.71.0.3/24"
        rig.connects(lan.netns, lan.host, 8080)
        rig.connects(lan.netns, lan.host, 8081)
    error = refusal(attach("net", "c2", ports=port_specs(["8080:80"])))
    assert (error.code, "c1 on network net" in error.message) == ("port_in_use", True)
    with rig.listens(None, "0.0.0.0", 9090):
        assert refusal(attach("net", "c2", ports=port_specs(["9090:80"]))).code == "port_in_use"
    do(present("plain", "10.72.0.0/24"))
    assert refusal(attach("plain", "c2", ports=port_specs(["8080:80"]))).code == "port_in_use"
    limits = (("burst", "64kb"), ("ingress_rate", "10mbit"))
    assert sound(attach("net", "c2", driver_opts=limits))
    assert "tbf" in rig.run("tc", "qdisc", "show").stdout
    (c1,) = [one for one in engine.inspected("net")[0]["Containers"].values() if one["Name"] == "c1"]
    do(attach("net", "c1", ports=()))
    assert engine.drift("net") == []
    rig.connects(lan.netns, lan.host, 8080, expect=False)
    assert c1["IPv4Address"] == "10.71.0.3/24"


def test_addresses_and_macs_that_are_asked_for_are_had():
    do(cni(*CHAIN))
    asked = attach("net", "c1", ipv4="10.71.0.50", mac="02:00:00:00:00:50")
    assert sound(asked)
    assert address("c1") == "10.71.0.50/24"
    assert (
        json.loads(rig.run("ip", "-j", "-n", "c1", "link", "show", "eth0").stdout)[0]["address"] == "02:00:00:00:00:50"
    )
    assert sound(attach("net", "c1", ipv4="10.71.0.51"))
    assert (address("c1"), leases()) == ("10.71.0.51/24", ["10.71.0.51"])
    error = refusal(attach("net", "c2", ipv4="10.71.0.51"))
    assert (error.code, "held by c1" in error.message) == ("address_in_use", True)
    before = rig.snapshot(records_as_bytes=False)
    with pytest.raises(engine.NetloomError) as caught:
        do(attach("net", "c2", ipv4="10.99.0.9"))
    assert (caught.value.code, "10.99.0.9" in caught.value.message) == ("driver_error", True)
    engine.same(rig.snapshot(records_as_bytes=False), before, "the plugin had no such address")


def test_a_mac_address_that_is_taken_for_a_while_is_waited_for(lan):
    mac = "02:00:00:00:00:0a"
    subnet = pool(ranges=[[{"subnet": "198.51.100.0/24", "rangeStart": "198.51.100.64"}]])
    do(cni(takes({"type": "macvlan", "master": lan.ifname, "ipam": subnet}, "mac")))
    rig.run("ip", "link", "add", "link", lan.ifname, "name", "m0", "address", mac, "type", "macvlan", "mode", "bridge")
    rig.run("ip", "link", "set", "m0", "up")
    with pytest.raises(engine.NetloomError, match="address already in use"):
        do(attach("net", "c1", mac=mac))
    assert links("c1") == ["lo"] and leases() == []
    with subprocess.Popen(["sh", "-c", "sleep 0.5; ip link delete m0"]):
        do(attach("net", "c1", mac=mac))
    assert rig.pings("c1", lan.neighbour)


def test_what_no_plugin_takes_is_refused_before_anything_is_touched():
    do(cni(bridge()))
    for option, capability, asked in (
        ("ipv4_address", "ips", {"ipv4": "10.71.0.50"}),
        ("mac_address", "mac", {"mac": "02:00:00:00:00:50"}),
        ("published_ports", "portMappings", {"ports": port_specs(["80:80"])}),
        ("aliases", "aliases", {"aliases": ("web",)}),
        ("driver_opts.ingress_rate", "bandwidth", {"driver_opts": (("ingress_rate", "1mbit"),)}),
        ("driver_opts.runtime_config.deviceID", "deviceID", {"driver_opts": (("runtime_config", '{"deviceID":"1"}'),)}),
    ):
        error = refusal(attach("net", "c1", **asked))
        assert error.code == "option_invalid"
        assert f"{option}: no plugin of network net has the capability {capability}" in error.message
    assert refusal(attach("net", "c1", gw_priority=1)).code == "option_invalid"
    assert links("c1") == ["lo"]


def test_a_plugin_is_told_what_it_takes_and_no_more():
    do(probed(takes(probe(), "portMappings", "mac"), probe(second=True)))
    options = (("cni_args", "FOO=bar;ABC=1"),)
    do(attach("net", "c1", ports=port_specs(["127.0.0.1:53:53/udp"]), driver_opts=options))
    first, second = calls("ADD")
    mapping = {"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"}
    assert first["config"]["runtimeConfig"] == {"portMappings": [mapping]}
    assert {"capabilities", "prevResult"}.isdisjoint(first["config"])
    assert (second["config"]["second"], "runtimeConfig" in second["config"]) == (True, False)
    assert second["config"]["prevResult"]["ips"] == [{"address": "10.99.0.5/24", "interface": 0}]
    assert first["CNI_ARGS"] == "IgnoreUnknown=1;FOO=bar;ABC=1"
    assert (first["CNI_NETNS"], first["CNI_IFNAME"]) == ("/run/netns/c1", "eth0")
    do(detach("net", "c1"))
    deleted = calls("DEL")
    assert ["second" in call["config"] for call in deleted] == [True, False]
    assert all(call["config"]["prevResult"]["ips"] for call in deleted)
    assert deleted[1]["config"]["runtimeConfig"] == {"portMappings": [mapping]}


def test_routes_and_settings_are_added_to_what_the_plugins_made():
    do(cni(bridge()))
    route = static_routes([{"destination": "10.9.0.0/16", "gateway": "10.71.0.1", "metric": None, "type": "unicast"}])
    asked = attach("net", "c1", routes=route, sysctls=interface_settings({"net.ipv4.conf.IFNAME.log_martians": 1}))
    do(attach("net", "c1"))
    assert sound(asked)
    assert "10.9.0.0/16 via 10.71.0.1" in rig.run("ip", "-n", "c1", "route").stdout
    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    assert sound(asked)
    assert "10.9.0.0/16 via 10.71.0.1" in rig.run("ip", "-n", "c1", "route").stdout
    do(absent("net", force=True))
    assert links("c1") == ["lo"]


# --- what a list may be ---


def test_a_list_in_a_file_is_what_it_is_at_the_time_of_the_task(tmp_path):
    path = tmp_path / "net.conflist"
    asked = present("net", driver="cni", options={"conflist": str(path)})
    assert refusal(asked).code == "option_invalid"
    path.write_text(json.dumps(conflist(bridge(ipam=pool("10.73.0.0/24")))))
    do(asked)
    path.write_text(json.dumps(conflist(bridge(), comment="x"), indent=2))
    removed, created, changed = sound(asked)
    assert (removed, created) == ("remove network net of plugin cni", "create network net of plugin cni")
    assert changed.startswith("change network net: definition sha256:")
    do(attach("net", "c1"))
    assert address("c1") == "10.71.0.2/24"
    path.write_text(json.dumps(conflist(bridge(ipam=pool("10.74.0.0/24")))))
    error = refusal(asked)
    assert (error.code, "driver_options" in error.message) == ("network_exists_different", True)
    assert predict(present("net")) == []  # nobody asks for what is in the file by now
    path.unlink()
    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    assert engine.drift("net") == [
        "interface eth0 in c1 by plugin cni on network net: there is no interface eth0 in c1"
    ]
    assert sound(present("net"))
    assert address("c1") == "10.71.0.2/24"
    path.write_text(json.dumps(conflist(bridge(ipam=pool("10.74.0.0/24")))))
    path.write_text(json.dumps(conflist(bridge("cni8", ipam=pool("10.74.0.0/24")))))
    assert do(present("net", driver="cni", options={"conflist": str(path)}, force=True))
    assert (address("c1"), leases()) == ("10.74.0.2/24", ["10.74.0.2"])
    assert do(asked) == []


def test_a_single_configuration_is_a_list_of_one_and_plugins_beside_a_list_are_of_it(tmp_path):
    (tmp_path / "net.conf").write_text(json.dumps({"cniVersion": "0.4.0", "name": "other", **bridge()}))
    do(present("net", driver="cni", options={"conflist": str(tmp_path / "net.conf")}), attach("net", "c1"))
    assert (leases(), (LEASES / "other").is_dir()) == (["10.71.0.2"], True)
    do(absent("net", force=True))
    (tmp_path / "net.conflist").write_text(json.dumps(conflist(bridge())))
    (tmp_path / "net").mkdir()
    (tmp_path / "net/10-tuning.conf").write_text(json.dumps({"type": "tuning", "mtu": 1410}))
    asked = present("net", driver="cni", options={"conflist": str(tmp_path / "net.conflist")})
    do(asked, attach("net", "c1"))
    assert "mtu 1410" in rig.run("ip", "-n", "c1", "link", "show", "eth0").stdout
    do(absent("net", force=True))
    (tmp_path / "net.conflist").write_text(json.dumps(conflist(bridge(), loadOnlyInlinedPlugins=True)))
    do(asked, attach("net", "c1"))
    assert "mtu 1500" in rig.run("ip", "-n", "c1", "link", "show", "eth0").stdout


def test_a_plugin_that_is_not_there_is_named_before_anything_is_touched():
    before = rig.snapshot()
    for plugins, path, kind, hint in (
        ([{"type": "brigde"}], DEBIAN, "brigde", "did you mean bridge?"),
        ([bridge(ipam={"type": "host-locla"})], DEBIAN, "host-locla", "did you mean host-local?"),
        ([bridge()], "/run/nowhere", "bridge", "there is none"),
    ):
        error = refusal(cni(*plugins, options={"cni_path": path}))
        assert error.code == "driver_not_found"
        assert f"CNI plugin '{kind}' is not in {path}" in error.message
        assert hint in error.message
    assert refusal(cni(*CHAIN, version="0.3.1")).code == "driver_error"  # firewall begins with 0.4.0
    engine.same(rig.snapshot(), before, "it was refused")


def test_a_plugin_that_has_gone_is_named_and_force_does_without_it():
    do(probed(probe()), attach("net", "c1"))
    os.rename(f"{OURS}/probe", f"{OURS}/away")
    assert refusal(attach("net", "c1")).code == "driver_not_found"
    assert [line for line in engine.drift("net") if "CNI plugin 'probe' is not in" in line]
    with pytest.raises(engine.NetloomError) as caught:
        do(detach("net", "c1"))
    assert caught.value.code == "driver_not_found"
    assert "eth0" in links("c1")
    warnings = result_of(absent("net", force=True)).outcome.warnings
    assert [line for line in warnings if "it is forgotten here" in line]
    assert links("c1") == ["lo"]


# --- what is not as it was made ---


def test_drift_is_what_is_missing_and_what_check_says():
    do(cni(bridge(), {"type": "firewall", "backend": "iptables"}), attach("net", "c1"))
    title = "interface eth0 in c1 by plugin cni on network net"
    rig.run("ip", "-n", "c1", "address", "delete", "10.71.0.2/24", "dev", "eth0")
    assert engine.drift("net") == [f"{title}: interface eth0 does not have 10.71.0.2/24"]
    assert sound(attach("net", "c1")) == [f"remove {title}", f"create {title}"]
    rig.run("iptables", "-F", "CNI-FORWARD")
    (line,) = engine.drift("net")
    assert line.startswith(f"{title}: CNI plugin firewall: CHECK: ")
    assert sound(present("net")) == [f"remove {title}", f"create {title}"]
    assert (address("c1"), engine.drift("net")) == ("10.71.0.2/24", [])


def test_check_is_not_asked_where_the_list_says_so_or_its_version_has_none():
    for more in ({"disableCheck": True}, {"version": "0.3.1"}):
        do(probed(probe(), **more), attach("net", "c1"))
        behave(CHECK="error")
        assert engine.drift("net") == []
        assert calls("CHECK") == []
        behave()
        do(absent("net", force=True))


def test_a_plugin_that_finds_fault_with_what_it_has_just_made_is_not_asked_again():
    warnings = result_of(cni(*CHAIN)).outcome.warnings
    made = result_of(attach("net", "c1", ports=port_specs(["8080:80"]))).outcome
    assert [line for line in made.warnings if "CNI plugin portmap finds fault with what it has just made" in line]
    assert (warnings, engine.drift("net"), predict(present("net"))) == ((), [], [])


def test_a_container_that_runs_again_has_its_address_again():
    do(cni(bridge()), attach("net", "c2"), attach("net", "c1"))
    assert address("c1") == "10.71.0.3/24"
    for name in ("c1", "c2"):
        rig.run("ip", "netns", "delete", name)
    rig.no_veths()
    assert engine.drift("net") == [
        f"endpoint of {name} on network net is pending: its container does not run" for name in ("c1", "c2")
    ]
    rig.netns("c1")
    moved = [
        line for line in predict(present("net")) if line.startswith("change endpoint of c1 on network net: sandbox")
    ]
    assert sound(present("net")) == [
        "remove interface eth0 in c1 by plugin cni on network net",
        *moved,
        "create interface eth0 in c1 by plugin cni on network net",
    ]
    assert (address("c1"), leases()) == ("10.71.0.3/24", ["10.71.0.2", "10.71.0.3"])
    rig.pings("c1", "10.71.0.1")
    do(detach("net", "c2"))
    assert leases() == ["10.71.0.3"]


def test_an_address_that_somebody_else_has_meanwhile_is_replaced_with_a_warning():
    do(cni(bridge()), attach("net", "c1"))
    (LEASES / "net/10.71.0.2").write_text("somebody\r\neth0")
    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    made = result_of(attach("net", "c1"))
    assert [line for line in made.outcome.warnings if "does not get 10.71.0.2/24 again" in line]
    assert (address("c1"), str(made.endpoint.ipv4)) == ("10.71.0.3/24", "10.71.0.3/24")


def test_a_containers_new_namespace_is_not_taken_for_the_old_one():
    do(cni(bridge()), attach("net", "c1"))
    rig.run("ip", "netns", "delete", "c1")
    rig.netns("c1")
    rig.run("ip", "-n", "c1", "link", "add", "eth0", "type", "veth", "peer", "name", "p0")
    error = refusal(attach("net", "c1"))
    assert (error.code, "eth0 exists in c1" in error.message) == ("endpoint_exists", True)
    assert do(detach("net", "c1"))
    assert ("eth0" in links("c1"), leases()) == (True, [])


def test_a_topology_makes_namespaces_and_what_plugins_make_in_them():
    given = (("conflist", json.dumps(conflist(bridge()))),)
    networks = [engine.network("net", driver="cni", options=given), engine.network("plain", "10.72.0.0/24")]
    shop = engine.topology("shop", namespaces=["c8"], networks=networks, attachments=[("plain", "c8"), ("net", "c8")])
    assert sound(shop)
    assert (address("c8"), engine.drift("net"), engine.drift("plain")) == ("10.71.0.2/24", [], [])
    rig.run("ip", "netns", "delete", "c8")
    rig.no_veths()
    assert sound(shop)
    assert (address("c8"), engine.drift("net"), engine.drift("plain")) == ("10.71.0.2/24", [], [])
    do(detach("net", "c8"))
    assert "default via 10.72.0.1 dev eth0" in rig.run("ip", "-n", "c8", "route").stdout
    do(engine.no_topology("shop"))
    assert leases() == []


def test_a_task_that_is_killed_while_a_plugin_works_takes_it_along_and_leaves_nothing():
    do(probed(bridge(), probe(), version="1.0.0", timeout=60))
    behave(ADD="hang")
    pid = os.fork()
    if pid == 0:
        do(attach("net", "c1"))
    rig.until(lambda: len(attachments()) == 1 and rig.run("pgrep", "-x", "sleep", check=False).stdout)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    rig.until(lambda: not rig.run("pgrep", "-x", "probe", check=False).stdout)
    assert ("eth0" in links("c1"), leases()) == (True, ["10.71.0.2"])
    behave()
    assert [line for line in engine.drift("net") if "a change of it was interrupted" in line]
    do(detach("net", "c1"))
    assert (links("c1"), leases(), attachments()) == (["lo"], [], [])


# --- plugins that fail ---

MISBEHAVIOUR = {
    "exit": ("driver_error", "has ended with status 1; stderr: boom"),
    "error": ("driver_error", "no such thing: ask somebody else (code 7); stderr: boom"),
    "garbage": ("driver_error", "is no JSON: Hello, world!"),
    "hang": ("driver_timeout", "has not ended after 1 seconds"),
    "flood": ("driver_error", "has written more than 4 MiB"),
    "foreign": ("driver_error", "there is no interface up0 in c1"),
    "elsewhere": ("driver_error", "interface 'eth0' is in '/run/netns/c2', and the container is /run/netns/c1"),
    "liar": ("driver_error", "interface eth0 does not have 10.98.0.5/24"),
    "nonsense": ("driver_error", "'banana' does not appear to be an IPv4 or IPv6 interface"),
    "index": ("driver_error", "address 10.99.0.5/24 is of interface 7"),
    "list": ("driver_error", "is no result of CNI"),
    "leave": ("driver_error", "it is made, and cannot be used (code 100)"),
}


@pytest.mark.parametrize(
    ("chain", "behaviours"),
    [
        ([bridge(), probe()], ("exit", "error", "garbage", "hang", "flood", "nonsense", "leave")),
        ([probe(), {"type": "tuning"}], ("error", "leave")),
    ],
    ids=["last", "first"],
)
def test_a_plugin_that_fails_costs_a_bounded_time_and_leaves_nothing(chain, behaviours):
    do(probed(*chain, timeout=1, version="1.0.0"))
    before = rig.snapshot(records_as_bytes=False)
    for behaviour in behaviours:
        code, words = MISBEHAVIOUR[behaviour]
        behave(ADD=behaviour)
        begun = time.monotonic()
        with pytest.raises(engine.NetloomError) as caught:
            do(attach("net", "c1"))
        assert time.monotonic() - begun < 4
        assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message
        assert (links("c1"), leases(), attachments()) == (["lo"], [], []), behaviour
    assert rig.snapshot(records_as_bytes=False).sections["state"] == before.sections["state"]
    assert not rig.run("pgrep", "-x", "sleep", check=False).stdout
    behave()
    assert do(attach("net", "c1"))


@pytest.mark.parametrize("behaviour", ["foreign", "elsewhere", "liar", "nonsense", "index", "list"])
def test_an_answer_that_is_not_so_is_refused_and_undone(behaviour):
    code, words = MISBEHAVIOUR[behaviour]
    do(probed(probe()))
    before = rig.snapshot(records_as_bytes=False)
    behave(ADD=behaviour)
    with pytest.raises(engine.NetloomError) as caught:
        do(attach("net", "c1"))
    assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message
    assert attachments() == []
    engine.same(rig.snapshot(records_as_bytes=False), before, behaviour)


def test_a_plugin_that_can_remove_nothing_leaves_no_interface():
    do(probed(probe(), timeout=1))
    for behaviour in ("exit", "hang", "leave"):
        behave(ADD="leave", DEL=behaviour)
        with pytest.raises(engine.NetloomError):
            do(attach("net", "c1"))
        assert links("c1") == ["lo"]
    behave()
    do(attach("net", "c1"))
    behave(DEL="error")
    with pytest.raises(engine.NetloomError) as caught:
        do(detach("net", "c1"))
    assert (caught.value.code, "no such thing" in caught.value.message) == ("driver_error", True)
    assert ("eth0" in links("c1"), engine.drift("net")) == (True, [])


def test_every_plugin_is_told_of_the_removal_though_one_fails():
    do(probed(probe(), probe(second=True, behaves={"DEL": "error"})), attach("net", "c1"))
    calls()
    with pytest.raises(engine.NetloomError):
        do(detach("net", "c1"))
    assert ["second" in call["config"] for call in calls("DEL")][:2] == [True, False]
    assert ("eth0" in links("c1"), engine.drift("net")) == (True, [])


def test_a_plugin_that_asks_for_another_try_is_given_it():
    do(probed(probe(behaves={"ADD": "busy"})), attach("net", "c1"))
    assert (len(calls("ADD")), engine.drift("net")) == (3, [])


def test_a_network_that_is_not_ready_takes_no_container():
    do(probed(probe()))
    behave(STATUS="unready")
    before = rig.snapshot()
    error = refusal(attach("net", "c1"))
    assert error.code == "driver_error"
    assert "network net is not ready: CNI plugin probe: STATUS: the daemon does not run (code 50)" in error.message
    engine.same(rig.snapshot(), before, "it is not ready")
    assert {call["command"] for call in calls()} == {"GC", "STATUS"}
    behave()
    assert do(attach("net", "c1"))


# --- what is left of containers that are gone ---


def test_what_was_given_up_is_removed_as_soon_as_its_plugin_is_there_again():
    names = [f"g{number}" for number in range(10)]
    for name in names:
        rig.netns(name)
    do(probed(probe()), attach("net", "c1"), attach("net", "c2"))
    do(_old(names))
    behave(DEL="exit")
    result_of(absent("old", force=True))
    assert len(attachments()) == 12
    behave()
    kept = {f"{call['CNI_CONTAINERID']}-eth0" for call in calls("ADD")[:2]}
    do(_old([]))
    assert {*attachments()} == kept
    assert (engine.drift("net"), engine.drift("old")) == ([], [])
    assert do(_old([])) == []


def _old(connected: list[str]) -> engine.Verb:
    """Return the verb for a network that plugins know by the name of another one; of a version without GC."""
    given = {"conflist": json.dumps(conflist(probe(), version="1.0.0")), "cni_path": OURS}
    return present("old", driver="cni", options=given, connected=connected)


@pytest.mark.parametrize(("more", "left"), [({}, 0), ({"disableGC": True}, 10), ({"options": {"gc": "false"}}, 10)])
def test_what_plugins_have_of_nobody_is_collected(more, left):
    (TEST / "attachments").mkdir(parents=True)
    for number in range(10):
        (TEST / f"attachments/stale{number}-eth0").touch()
    do(present("kept", driver="cni", options={"conflist": json.dumps(conflist(probe())), "cni_path": OURS}))
    do(attach("kept", "c1"), attach("kept", "c2"))
    assert len(attachments()) == 12
    do(probed(probe(), **more))
    assert len(attachments()) == 2 + left
    assert engine.drift("kept") == []


# --- a third party's ---


@pytest.mark.skipif(not os.path.exists(f"{DEBIAN}/dnsname"), reason="dnsname is not installed")
def test_dnsname_gives_names_to_containers_and_their_aliases():
    do(cni(bridge(), takes({"type": "dnsname", "domainName": "dns.test"}, "aliases"), version="0.4.0"))
    do(attach("net", "c1", aliases=("web",)), attach("net", "c2"))
    hosts = next(Path("/run/containers/cni/dnsname/net").glob("addnhosts")).read_text()
    assert (address("c1").split("/")[0] in hosts, "c1" in hosts, "web" in hosts) == (True, True, True)
    assert engine.drift("net") == []
    do(absent("net", force=True))
    assert not rig.run("pgrep", "-x", "dnsmasq", check=False).stdout
