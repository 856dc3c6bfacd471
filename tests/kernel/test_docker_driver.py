# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker plugins as drivers and as address management: what they are told, and what becomes of what they answer.

The conversation is compared with the one that a dockerd 20.10 had with the same plugin (fixtures/dockerd-trace.jsonl).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._model import PoolSpec
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from docker_plugin import GREETING, NOTHING, DockerPlugin
from engine import absent, attach, detach, do, drift, inspected, present, refusal, sandwich

pytestmark = pytest.mark.packets
TRACE = Path(__file__).parent / "fixtures" / "dockerd-trace.jsonl"
NET = present("net", "10.77.1.0/24", driver="lbplug")
QUICK = {"plugin_timeout": "2"}


@pytest.fixture
def plugin(tmp_path):
    for name in ("c1", "c2"):
        rig.netns(name)
    return DockerPlugin(tmp_path)


def settled(verb: engine.Verb) -> list[str]:
    """Carry out a verb that check mode has told all about, and that has nothing left to do; return its changes."""
    predicted = engine.predict(verb)
    done = do(verb)
    assert done == predicted
    assert do(verb) == []
    return done


def pool(subnet: str, gateway: str | None = None, ip_range: str | None = None, **aux: str) -> PoolSpec:
    found = tuple(sorted((name, ip_address(text)) for name, text in aux.items()))
    return PoolSpec(
        ip_network(subnet),
        ip_address(gateway) if gateway else None,
        ip_network(ip_range) if ip_range else None,
        found,
    )


# --- the conversation ---

# What of a call is another thing each time; its first value is N1, the next N2, and so on.
NUMBERED = {"NetworkID": "N", "EndpointID": "E", "SandboxKey": "S"}


def recorded(heading: str) -> list[dict[str, Any]]:
    """Return the calls that dockerd made under a heading of the trace."""
    lines = [json.loads(line) for line in TRACE.read_text().splitlines()]
    begin = next(number for number, line in enumerate(lines) if line["m"].startswith(f"### {heading}"))
    rest = lines[begin + 1 :]
    end = next(number for number, line in enumerate(rest) if line["m"].startswith("###"))
    return rest[:end]


def spoken(calls: list[dict[str, Any]], known: dict[str, list[str]]) -> list[tuple[str, Any]]:
    """Return method and fields of calls; what is another thing each time is numbered, in `known`."""
    found = []
    for call in calls:
        fields = dict(call["req"])
        for name, letter in NUMBERED.items():
            if name in fields:
                values = known.setdefault(letter, [])
                values += [fields[name]] if fields[name] not in values else []
                fields[name] = f"{letter}{values.index(fields[name]) + 1}"
        found.append((call["m"], fields))
    return found


# Where ours differs from dockerd's, and why; docs/plugins-docker.md has the same list.
def as_ours(calls: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return dockerd's calls without what we do otherwise."""
    found: list[tuple[str, Any]] = []
    for method, fields in calls:
        if method in GREETING or method == "IpamDriver.GetDefaultAddressSpaces":
            continue  # once in the life of a daemon, and once in each of our tasks that needs it: compared apart
        if method == "NetworkDriver.EndpointOperInfo":
            continue  # a daemon looks whenever it is asked about a container; we do after a change
        found.append((method, fields))
    return found


def test_the_conversation_is_that_of_dockerd(plugin):
    mine: dict[str, list[str]] = {}
    theirs: dict[str, list[str]] = {}

    def same(heading: str, *verbs: engine.Verb) -> None:
        do(*verbs)
        assert as_ours(spoken(plugin.calls(), mine)) == as_ours(spoken(recorded(heading), theirs)), heading

    same(
        "docker network create",
        present(
            "n1",
            pool("10.77.1.0/24", "10.77.1.1", "10.77.1.128/25", r1="10.77.1.9"),
            driver="lbplug",
            options={"nopt": "2"},
            ipam_driver="lbplug",
            ipam_options=(("iopt", "1"),),
        ),
    )
    published = port_specs(["8080:80"])
    # The plugin hands out 10.77.1.2, which is outside of ip_range: it has never heard of SubPool.
    same("docker run", attach("n1", "c1", ports=published))
    # dockerd tells a second network of the container's ports as well: they are of the container there, of the endpoint here.
    second = [call for call in recorded("docker network connect") if "Options" in call["req"]]
    assert all(call["req"]["Options"]["com.docker.network.portmap"] for call in second[-2:])
    do(
        present("n2", "10.77.0.0/24", "fd77:1::/64", driver="lbplug", ipam_driver="lbplug"),
        attach(
            "n2",
            "c1",
            ipv4="10.77.0.50",
            ipv6="fd77:1::50",
            driver_opts=(("lb.x", "y"),),
            ports=port_specs(["8081:80"]),
        ),
    )
    told = as_ours(spoken(plugin.calls(), mine))
    wanted = as_ours(spoken(recorded("docker network connect"), theirs))
    assert json.loads(re.sub("8081", "8080", json.dumps(told))) == json.loads(json.dumps(wanted))
    same("docker network disconnect", detach("n2", "c1"))
    same("docker stop", detach("n1", "c1"))
    do(absent("n1"))
    first = as_ours(spoken(plugin.calls(), mine))
    assert first == as_ours(spoken(recorded("docker network rm"), theirs))[:4]
    do(absent("n2"))
    rest = as_ours(spoken(plugin.calls(), mine))
    # dockerd gives back subnet by subnet, we all addresses and then all subnets.
    assert sorted(map(str, rest)) == sorted(map(str, as_ours(spoken(recorded("docker network rm"), theirs))[4:]))
    assert plugin.held() == NOTHING


def test_an_address_is_asked_for_with_the_mac_where_the_plugin_wants_that(tmp_path):
    rig.netns("c1")
    plugin = DockerPlugin(tmp_path, {"IpamDriver": {"RequiresMACAddress": True}})
    settled(present("net", "10.77.9.0/24", driver="lbplug", ipam_driver="lbplug"))
    settled(attach("net", "c1"))
    calls = [*plugin.calls()]
    theirs = [call for call in recorded("=== variants") if call["m"] not in GREETING]
    ours = [call for call in calls if call["m"] not in GREETING]
    asked = {call["m"]: call["req"] for call in ours}
    mac = asked["IpamDriver.RequestAddress"]["Options"]["com.docker.network.endpoint.macaddress"]
    assert asked["NetworkDriver.CreateEndpoint"]["Interface"]["MacAddress"] == mac
    wanted = theirs[4]["req"]["Options"]["com.docker.network.endpoint.macaddress"]
    same = [as_ours(spoken(items, {})) for items in (ours, theirs)]
    assert json.dumps(same[0], sort_keys=True).replace(mac, wanted) == json.dumps(same[1], sort_keys=True)


def test_each_task_makes_itself_known_as_a_daemon_does_when_it_starts(plugin):
    do(present("net", "10.77.1.0/24", driver="lbplug", ipam_driver="lbplug"))
    calls = plugin.calls()
    theirs = [call for call in recorded("docker network create") if call["m"] in GREETING]
    assert sorted(call["m"] for call in calls if call["m"] in GREETING) == sorted(call["m"] for call in theirs)
    lengths = {call["m"]: call["hdr"]["Content-Length"] for call in theirs}
    for call in calls:
        assert {**call["hdr"], "Content-Length": ""} == {**theirs[0]["hdr"], "Content-Length": ""}
        assert lengths.get(call["m"], call["hdr"]["Content-Length"]) == call["hdr"]["Content-Length"]


# protocols.md, sections 2 and 3: what is in a request, and of which type.
TEXT, TRUTH, OBJECT, ARRAY = str, bool, dict, list
IDS = {"NetworkID": TEXT, "EndpointID": TEXT}
SCHEMA: dict[str, dict[str, Any]] = {
    "Plugin.Activate": {},
    "NetworkDriver.GetCapabilities": {},
    "IpamDriver.GetCapabilities": {},
    "IpamDriver.GetDefaultAddressSpaces": {},
    "IpamDriver.RequestPool": {
        "AddressSpace": TEXT,
        "Pool": TEXT,
        "SubPool": TEXT,
        "V6": TRUTH,
        "Options": (OBJECT, type(None)),
    },
    "IpamDriver.ReleasePool": {"PoolID": TEXT},
    "IpamDriver.RequestAddress": {"PoolID": TEXT, "Address": TEXT, "Options": (OBJECT, type(None))},
    "IpamDriver.ReleaseAddress": {"PoolID": TEXT, "Address": TEXT},
    "NetworkDriver.CreateNetwork": {"NetworkID": TEXT, "Options": OBJECT, "IPv4Data": ARRAY, "IPv6Data": ARRAY},
    "NetworkDriver.DeleteNetwork": {"NetworkID": TEXT},
    "NetworkDriver.CreateEndpoint": {**IDS, "Interface": OBJECT, "Options": OBJECT},
    "NetworkDriver.EndpointOperInfo": IDS,
    "NetworkDriver.DeleteEndpoint": IDS,
    "NetworkDriver.Join": {**IDS, "SandboxKey": TEXT, "Options": OBJECT},
    "NetworkDriver.Leave": IDS,
    "NetworkDriver.ProgramExternalConnectivity": {**IDS, "Options": OBJECT},
    "NetworkDriver.RevokeExternalConnectivity": IDS,
}


def test_every_request_has_the_fields_of_the_protocol_and_no_others(plugin):
    do(
        present("net", "10.77.1.0/24", driver="lbplug", ipam_driver="lbplug", internal=True),
        attach("net", "c1"),
        absent("net", force=True),
        present("net", driver="lbplug", ipam_driver="lbplug", enable_ipv6=True),
        attach("net", "c1", ports=port_specs(["53:53/udp"])),
        absent("net", force=True),
    )
    calls = plugin.calls()
    assert {call["m"] for call in calls} == {*SCHEMA}
    for call in calls:
        schema = SCHEMA[call["m"]]
        assert {*call["req"]} == {*schema}, call
        assert all(isinstance(call["req"][name], kind) for name, kind in schema.items()), call
    created = next(call["req"] for call in calls if call["m"] == "NetworkDriver.CreateNetwork")
    assert created["Options"]["com.docker.network.internal"] is True


# --- what becomes of the answers ---


def test_the_interface_is_the_containers_with_addresses_routes_and_what_was_learned(plugin):
    assert sandwich(NET) == ["create network net of plugin lbplug", "create network net"]
    assert sandwich(attach("net", "c1")) == [
        "create endpoint of c1 on network net",
        "create interface eth0 in c1 by plugin lbplug on network net",
        "set sysctl net.ipv6.conf.eth0.disable_ipv6 in c1",
        "set sysctl net.ipv4.conf.eth0.arp_notify in c1",
        "add address 10.77.1.2/24 on eth0 in c1",
        "bring up eth0 in c1",
        "add route 0.0.0.0/0 in c1",
        "begin service of plugin lbplug for eth0 in c1 on network net",
    ]
    rig.pings("c1", "10.77.1.1")
    routes = rig.run("ip", "route", netns="c1").stdout
    assert "default via 10.77.1.1 dev eth0" in routes and "10.123.0.0/16 via 10.77.1.1" in routes
    member = next(iter(inspected("net")[0]["Containers"].values()))
    assert (member["MacAddress"], inspected("net")[0]["Drift"]) == ("02:42:0a:4d:01:02", [])
    sandwich(detach("net", "c1"))
    assert rig.run("ip", "-n", "c1", "-j", "link").stdout.count("ifname") == 1
    sandwich(absent("net"))
    assert plugin.held() == NOTHING


GATEWAYS = [
    ({"Gateway": "10.77.1.7"}, "default via 10.77.1.7", "10.77.1.7"),
    ({"Gateway": ""}, "", ""),
]


@pytest.mark.parametrize(("more", "route", "shown"), GATEWAYS)
def test_the_gateway_is_what_the_plugin_names(plugin, more, route, shown):
    do(NET, present("other", "10.2.0.0/24"), attach("other", "c2"))
    plugin.misbehave(NetworkDriver_Join={"more": more})
    settled(attach("net", "c1"))
    assert (rig.run("ip", "route", "show", "default", netns="c1").stdout.startswith(route), drift("net")) == (True, [])
    assert ("default" in rig.run("ip", "route", netns="c1").stdout) == bool(shown)
    # Where it names none, the next network gives the default route.
    settled(attach("net", "c2"))
    hop = "via 10.77.1.7" if shown else "via 10.2.0.1"
    assert hop in rig.run("ip", "route", "show", "default", netns="c2").stdout
    told = [name for name in plugin.methods() if name.startswith("Program")]
    assert len(told) == (2 if shown else 0)
    assert settled(attach("net", "c2", gw_priority=-1))
    assert "via 10.2.0.1" in rig.run("ip", "route", "show", "default", netns="c2").stdout
    assert ("RevokeExternalConnectivity" in plugin.methods()) == bool(shown)


def test_a_route_that_another_network_has_given_already_is_left_to_that(plugin):
    do(NET, present("two", "10.78.0.0/24", driver="lbplug"), attach("net", "c1"))
    route = {"StaticRoutes": [{"Destination": "10.123.0.0/16", "RouteType": 0, "NextHop": "10.78.0.1"}]}
    plugin.misbehave(NetworkDriver_Join={"more": route})
    settled(attach("two", "c1"))
    assert "via 10.77.1.1" in rig.run("ip", "route", "show", "10.123.0.0/16", netns="c1").stdout
    settled(detach("net", "c1"))
    assert drift("two") == []
    settled(attach("two", "c1", mac="02:00:00:00:00:11"))  # made anew, it is told once more
    assert "via 10.78.0.1" in rig.run("ip", "route", "show", "10.123.0.0/16", netns="c1").stdout


DAMAGE = {
    "the interface is gone": "ip -n c1 link delete eth0",
    "the interface has another MAC": "ip -n c1 link set eth0 address 02:00:00:00:00:99",
    "the interface has another MTU": "ip -n c1 link set eth0 mtu 1300",
    "a route of the plugin's is gone": "ip -n c1 route delete 10.123.0.0/16",
    "the address is gone": "ip -n c1 address flush dev eth0",
}


@pytest.mark.parametrize("command", DAMAGE.values(), ids=DAMAGE)
def test_what_is_not_as_it_was_made_is_made_again(plugin, command):
    do(NET, attach("net", "c1", ports=port_specs(["8080:80"])))
    rig.run(*command.split())
    assert drift("net")
    assert settled(present("net"))
    assert drift("net") == []
    rig.pings("c1", "10.77.1.1")
    assert plugin.held()["endpoints"] == 1


def test_a_restarted_container_gets_its_interface_back_and_the_plugin_a_new_endpoint(plugin):
    do(NET, attach("net", "c1"))
    first = next(call["req"]["EndpointID"] for call in plugin.calls() if call["m"] == "NetworkDriver.Join")
    rig.run("ip", "netns", "delete", "c1")
    rig.no_veths()
    rig.netns("c1")
    do(present("net"))
    calls = plugin.calls()
    joined = next(call["req"]["EndpointID"] for call in calls if call["m"] == "NetworkDriver.Join")
    assert joined != first
    assert first in [call["req"]["EndpointID"] for call in calls if call["m"] == "NetworkDriver.DeleteEndpoint"]
    rig.pings("c1", "10.77.1.1")


def test_another_port_is_told_with_a_new_endpoint_and_is_nobody_elses(plugin):
    do(NET, attach("net", "c1", ports=port_specs(["8080:80"])))
    assert refusal(attach("net", "c2", ports=port_specs(["8080:80"]))).code == "port_in_use"
    plugin.calls()
    assert settled(attach("net", "c1", ports=port_specs(["8081:80"])))
    programmed = next(call["req"] for call in plugin.calls() if call["m"].endswith(".ProgramExternalConnectivity"))
    assert programmed["Options"]["com.docker.network.portmap"][0]["HostPort"] == 8081


# --- what plugins get wrong (FI-21) ---

OWN = {"InterfaceName": {"SrcName": "own0"}}
ROUTE = {"Destination": "10.9.0.0/16", "RouteType": 0, "NextHop": "10.77.1.1"}
WRONG: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "hangs": ("Join", {"before": 7}, "driver_timeout", "no answer in 2 s"),
    "hangs after": ("CreateEndpoint", {"after": 7}, "driver_timeout", "no answer in 2 s"),
    "drips": ("CreateEndpoint", {"instead": {"text": "{}" * 99, "slowly": 0.1}}, "driver_timeout", "no answer in 2 s"),
    "hangs up": ("Join", {"after": "hang up"}, "driver_error", "Join: "),
    "HTML": ("Join", {"instead": {"status": 500, "text": "<html>\n<b>x</b>"}}, "driver_error", "HTTP 500: <html> <b>"),
    "nonsense": ("Join", {"instead": {"text": "ok"}}, "driver_error", "its answer is not a JSON object: ok"),
    "a list": ("Join", {"instead": {"text": "[]"}}, "driver_error", "its answer is not a JSON object: []"),
    "deep": ("Join", {"instead": {"text": "[", "times": 99999}}, "driver_error", "is not a JSON object"),
    "100 MB": ("Join", {"instead": {"text": "x" * 100, "times": 1 << 20}}, "driver_error", "more than 4 MiB"),
    "says no": ("CreateEndpoint", {"instead": {"json": {"Err": "no\nway"}}}, "driver_error", "CreateEndpoint: no way"),
    "knows no Join": ("Join", {"instead": {"status": 404}}, "driver_error", "it knows no such method"),
    "own interface": ("Join", {"more": OWN}, "driver_error", "own0, which is one of the host's own interfaces"),
    "lo": ("Join", {"more": {"InterfaceName": {"SrcName": "lo"}}}, "driver_error", "the host's own"),
    "no interface": ("Join", {"more": {"InterfaceName": {"SrcName": "x9"}}}, "driver_error", "x9, which is not there"),
    "no name": ("Join", {"more": {"InterfaceName": None}}, "driver_error", "InterfaceName.SrcName: '' has 0 bytes"),
    "a path": ("Join", {"more": {"InterfaceName": {"SrcName": "../x"}}}, "driver_error", "contains '/' at 3"),
    "a number": ("Join", {"more": {"InterfaceName": {"SrcName": 7}}}, "driver_error", "SrcName is '7', and not text"),
    "gateway elsewhere": ("Join", {"more": {"Gateway": "10.1.1.1"}}, "driver_error", "outside of the network's pools"),
    "next hop elsewhere": (
        *("Join", {"more": {"StaticRoutes": [{**ROUTE, "NextHop": "192.0.2.1"}]}}),
        *("driver_error", "StaticRoutes[0].NextHop is '192.0.2.1', which is outside"),
    ),
    "default route": (
        *("Join", {"more": {"StaticRoutes": [{**ROUTE, "Destination": "0.0.0.0/0"}]}}),
        *("driver_error", "StaticRoutes[0].Destination is '0.0.0.0/0'"),
    ),
    "given address": (
        *("CreateEndpoint", {"more": {"Interface": {"Address": "10.77.1.3/24"}}}),
        *("driver_error", "Interface.Address is '10.77.1.3/24', and was given as 10.77.1.3/24"),
    ),
    "other address": (
        *("CreateEndpoint", {"more": {"Interface": {"AddressIPv6": "fd00::1/64"}}}),
        *("driver_error", "an address outside the pools"),
    ),
    "bad MAC": (
        "CreateEndpoint",
        {"more": {"Interface": {"MacAddress": "01:00:5e:00:00:01"}}},
        "driver_error",
        "multicast",
    ),
    "ports": ("ProgramExternalConnectivity", {"instead": {"json": {"Err": "taken"}}}, "driver_error", "taken"),
}


def picture(plugin: DockerPlugin) -> rig.Snapshot:
    return plugin.pictured(engine.picture("c1", "c2"))


@pytest.mark.parametrize(("method", "wrong", "code", "words"), WRONG.values(), ids=WRONG)
def test_what_a_plugin_gets_wrong_costs_a_bounded_time_and_leaves_nothing(plugin, method, wrong, code, words):
    rig.run("ip", "link", "add", "own0", "type", "veth", "peer", "name", "own1")
    do(present("net", "10.77.1.0/24", driver="lbplug", options=QUICK), attach("net", "c2"))
    before = picture(plugin)
    plugin.misbehave(**{f"NetworkDriver_{method}": wrong})
    begun = time.monotonic()
    error = refusal_for_real(attach("net", "c1"))
    assert (error.code, words in error.message) == (code, True), error.message
    assert time.monotonic() - begun < 20
    plugin.misbehave()
    engine.same(picture(plugin), before, f"the plugin got {method} wrong")
    settled(attach("net", "c1"))


def refusal_for_real(verb: engine.Verb) -> Any:
    """Return the error of a verb that fails when it is carried out: check mode asks no plugin."""
    assert engine.predict(verb)
    with pytest.raises(engine.NetloomError) as caught:
        do(verb)
    return caught.value


def test_a_plugin_that_dies_half_way_is_asked_for_by_the_next_run(plugin):
    do(present("net", "10.77.1.0/24", driver="lbplug", options=QUICK))
    plugin.misbehave(NetworkDriver_Join={"after": "die"})
    error = refusal_for_real(attach("net", "c1"))
    assert error.code == "driver_error" and "undoing it failed too" not in error.message
    assert rig.run("ip", "-n", "c1", "-j", "link").stdout.count("ifname") == 1
    plugin.misbehave()
    plugin.start()
    assert refusal_for_real(attach("net", "c1")).message.startswith("plugin lbplug: ")  # it has forgotten its network
    assert "KeyError" in refusal_for_real(absent("net")).message
    do(absent("net", force=True))
    assert "on lb" in refusal(NET).message  # its bridge is still there
    rig.run("ip", "link", "delete", f"lb{next(iter(re.findall('lb([0-9a-f]+)', refusal(NET).message)))}")
    do(NET, attach("net", "c1"))
    rig.pings("c1", "10.77.1.1")


def test_a_plugin_that_is_on_its_way_up_is_waited_for(plugin):
    do(NET)
    plugin.kill()
    later = threading.Timer(0.5, plugin.start)
    later.start()
    begun = time.monotonic()
    error = refusal_for_real(attach("net", "c1"))
    later.join()
    # By then it has forgotten the network.
    assert time.monotonic() - begun > 0.4 and "KeyError" in error.message


def test_a_plugin_that_is_gone_is_an_error_at_absent_and_a_warning_by_force(plugin):
    do(present("net", "10.77.1.0/24", driver="lbplug", options=QUICK), attach("net", "c1"))
    plugin.kill()
    error = refusal_for_real(detach("net", "c1"))
    assert (error.code, "no connection to /run/docker/plugins/lbplug.sock" in error.message) == ("driver_error", True)
    Path("/run/docker/plugins/lbplug.sock").unlink()
    error = refusal_for_real(detach("net", "c1"))
    assert "is gone" in error.message and "force=true" in error.message
    result = engine.result_of(absent("net", force=True))
    assert any("is forgotten here, and may be left there" in line for line in result.outcome.warnings)
    assert inspected("net") == [] and rig.run("ip", "-n", "c1", "-j", "link").stdout.count("ifname") == 1
    assert do(absent("net")) == []


GREETINGS = {
    "no role": (
        {"instead": {"json": {"Implements": ["VolumeDriver"]}}},
        "driver_not_found",
        "it implements VolumeDriver",
    ),
    "nothing": ({"instead": {"json": {}}}, "driver_not_found", "it implements nothing"),
    "no list": ({"instead": {"json": {"Implements": 7}}}, "driver_error", "Implements is not a list of names"),
    "HTML": ({"instead": {"status": 500, "text": "<html>"}}, "driver_error", "HTTP 500"),
}


@pytest.mark.parametrize(("wrong", "code", "words"), GREETINGS.values(), ids=GREETINGS)
def test_a_plugin_that_is_no_network_driver_is_refused_before_anything_is_touched(plugin, wrong, code, words):
    plugin.misbehave(Plugin_Activate=wrong)
    error = refusal(NET)
    assert (error.code, words in error.message) == (code, True), error.message
    assert inspected("net") == []


def test_a_plugin_of_a_swarm_is_refused(tmp_path):
    DockerPlugin(tmp_path, {"NetworkDriver": {"Scope": "global"}})
    assert "is of scope global" in refusal(NET).message


NOT_THERE = {
    "nearest driver": (present("net", driver="Bridge"), "driver: 'Bridge' is not a driver (did you mean bridge?)"),
    "nearest plugin": (present("net", driver="lbplugin"), "(did you mean lbplug?)"),
    "what there is": (
        present("net", driver="x"),
        "available: bridge, macvlan, ipvlan, overlay, host, null, cni, netavark:NAME, and the plugins",
    ),
    "where": (
        present("net", driver="x"),
        "looked for NAME.sock in /run/docker/plugins, and for NAME.spec and NAME.json in",
    ),
    "addresses": (
        present("net", ipam_driver="x"),
        "ipam_driver: 'x' is not an IPAM driver; available: default, etcd, and",
    ),
    "a path": (present("net", driver="x/.."), "driver: 'x/..' is not a driver"),
}


@pytest.mark.parametrize(("verb", "words"), NOT_THERE.values(), ids=NOT_THERE)
def test_a_plugin_that_is_not_there_is_refused_with_what_there_is(plugin, verb, words):
    error = refusal(verb)
    assert (error.code, words in error.message) == ("driver_not_found", True), error.message


# --- where plugins are ---


@pytest.fixture
def elsewhere(plugin):
    """Return a function that has a file of /etc/docker/plugins name an address, which leads to the plugin's socket."""
    hidden = Path("/run/lbplug.sock")
    rig.run("mount", "-t", "tmpfs", "etc", "/etc/docker") if Path("/etc/docker").exists() else None
    folder = Path("/etc/docker/plugins")
    folder.mkdir(parents=True, exist_ok=True)
    Path("/run/docker/plugins/lbplug.sock").rename(hidden)

    def described(name: str, text: str) -> None:
        (folder / name).write_text(text)

    described.socket = hidden
    return described


def pumped(source: socket.socket, sink: socket.socket) -> None:
    """Have what comes of one socket go to another."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def forwarded(port: int, path: Path, context: ssl.SSLContext | None = None) -> None:
    """Have a TCP port of this host lead to a unix socket, with TLS where there is a context."""
    listener = socket.create_server(("127.0.0.1", port))

    def serve() -> None:
        while True:
            peer, _address = listener.accept()
            try:
                peer = context.wrap_socket(peer, server_side=True) if context else peer
            except OSError:
                continue  # it was not to be trusted
            inner = socket.socket(socket.AF_UNIX)
            inner.connect(str(path))
            for source, sink in ((peer, inner), (inner, peer)):
                threading.Thread(target=pumped, args=(source, sink), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def test_a_spec_names_a_socket(elsewhere):
    elsewhere("far.spec", f"unix://{elsewhere.socket}\n")
    settled(present("net", "10.77.1.0/24", driver="far"))


def test_tcp_has_tls_or_is_allowed(elsewhere):
    rig.run("ip", "link", "set", "lo", "up")
    forwarded(9999, elsewhere.socket)
    elsewhere("far.spec", "tcp://127.0.0.1:9999")
    error = refusal(present("net", "10.77.1.0/24", driver="far"))
    assert "127.0.0.1:9999 is reached over TCP without TLS; plugin_insecure=true" in error.message
    settled(present("net", "10.77.1.0/24", driver="far", options={"plugin_insecure": "true"}))
    settled(attach("net", "c1"))
    settled(absent("net", force=True))


@pytest.mark.parametrize("name", ["127.0.0.1", "192.0.2.7"])
def test_a_certificate_is_asked_for_and_shown(elsewhere, tmp_path, name):
    rig.run("ip", "link", "set", "lo", "up")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    rig.run(
        *(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ),
        *("-keyout", key, "-out", cert, "-subj", "/CN=far", "-addext", f"subjectAltName=IP:{name}"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    forwarded(9999, elsewhere.socket, context)
    tls = {"CAFile": str(cert), "CertFile": str(cert), "KeyFile": str(key)}
    elsewhere("far.json", json.dumps({"Name": "far", "Addr": "tcp://127.0.0.1:9999", "TLSConfig": tls}))
    net = present("net", "10.77.1.0/24", driver="far")
    if name == "127.0.0.1":
        settled(net)
        return
    assert "TLS: " in refusal(net).message
    elsewhere(
        "far.json", json.dumps({"Name": "far", "Addr": "tcp://127.0.0.1:9999", "TLSConfig": {**tls, "CAFile": ""}})
    )
    assert "is not asked for a certificate (no CAFile)" in refusal(net).message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("far.spec", "far", "is neither unix:///PATH nor tcp://HOST:PORT"),
        ("far.spec", "tcp://far", "is neither unix:///PATH nor tcp://HOST:PORT"),
        ("far.json", "{", "names no plugin"),
        ("far.json", '{"Name": "far"}', "names no plugin: 'Addr'"),
        ("far.json", '{"Addr": 7}', "names no plugin: Addr is 7"),
        ("far.json", '{"Addr": "tcp://h:1", "TLSConfig": []}', "names no plugin"),
    ],
)
def test_a_file_that_names_no_address_is_refused(elsewhere, name, text, words):
    elsewhere(name, text)
    error = refusal(present("net", driver="far"))
    assert (error.code, words in error.message) == ("driver_error", True), error.message


# --- addresses ---


def test_subnets_and_addresses_that_a_plugin_chooses_are_not_told_before_it_has(plugin):
    net = present("net", driver="lbplug", ipam_driver="lbplug")
    planned = engine.result_of(net, check=True).network
    assert (planned.pools, plugin.methods()) == ((), [])
    assert "claim (an IPv4 subnet by plugin lbplug)" in " ".join(settled(net)).replace("subnet (", "(")
    planned = engine.result_of(attach("net", "c1"), check=True).endpoint
    assert (planned.ipv4, planned.mac) == (None, "")
    lines = settled(attach("net", "c1"))
    assert "add address (an IPv4 address by plugin lbplug) on eth0 in c1" in lines
    assert inspected("net")[0]["IPAM"]["Config"] == [{"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}]
    rig.pings("c1", "10.77.0.1")
    settled(absent("net", force=True))
    assert plugin.held() == NOTHING


def test_a_plugin_hands_out_addresses_of_a_bridge_of_ours(plugin):
    settled(present("net", ipam_driver="lbplug", enable_ipv6=True))
    settled(attach("net", "c1", ports=port_specs(["8080:80"])))
    settled(attach("net", "c2", ipv4="10.77.0.77"))
    rig.pings("c1", "10.77.0.77")
    assert drift("net") == []
    assert plugin.held()["addresses"] == {
        "lblocal/10.77.0.0/24": ["10.77.0.1", "10.77.0.2", "10.77.0.77"],
        "lblocal/fd77:1::/64": ["fd77:1::1", "fd77:1::2", "fd77:1::3"],
    }
    settled(attach("net", "c2", ipv4="10.77.0.78"))
    assert "10.77.0.77" not in plugin.held()["addresses"]["lblocal/10.77.0.0/24"]
    assert settled(present("net", "10.80.0.0/24", "fd80::/64", force=True))
    assert {*plugin.held()["addresses"]} == {"lblocal/10.80.0.0/24", "lblocal/fd80::/64"}
    rig.pings("c1", next(each["IPv4Address"].split("/")[0] for each in inspected("net")[0]["Containers"].values()))
    settled(absent("net", force=True))
    assert plugin.held() == NOTHING


def test_a_subnet_that_overlaps_the_host_is_held_until_the_plugin_gives_another(plugin):
    rig.run("ip", "link", "add", "own0", "type", "veth", "peer", "name", "own1")
    rig.run("ip", "address", "add", "10.77.0.9/23", "dev", "own0")
    settled(present("net", driver="lbplug", ipam_driver="lbplug"))
    assert plugin.methods()[:4] == ["GetDefaultAddressSpaces", *["RequestPool"] * 3]
    assert {*plugin.held()["addresses"]} == {"lblocal/10.77.2.0/24"}


BAD_ADDRESSES = {
    "another pool": (
        "RequestPool",
        {"more": {"Pool": "10.99.0.0/24"}},
        "Pool is 10.99.0.0/24, and was to be 10.77.1.0/24",
    ),
    "no pool": ("RequestPool", {"more": {"PoolID": ""}}, "PoolID is missing"),
    "no subnet": ("RequestPool", {"more": {"Pool": "10.77.1.7/24"}}, "Pool: '10.77.1.7/24' has host bits set"),
    "outside": ("RequestAddress", {"more": {"Address": "10.99.0.1/24"}}, "which is outside of the pool 10.77.1.0/24"),
    "wrong key": ("RequestAddress", {"instead": {"json": {"Err": "x"}}}, "RequestAddress: x"),
    "says no": ("RequestAddress", {"instead": {"json": {"Error": "full"}}}, "RequestAddress: full"),
    "no address": ("RequestAddress", {"instead": {"json": {}}}, "Address is missing"),
    "no space": ("GetDefaultAddressSpaces", {"instead": {"json": {}}}, "LocalDefaultAddressSpace is missing"),
}


@pytest.mark.parametrize(("method", "wrong", "words"), BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
def test_what_address_management_gets_wrong_leaves_nothing(plugin, method, wrong, words):
    before = picture(plugin)
    plugin.misbehave(**{f"IpamDriver_{method}": wrong})
    error = refusal_for_real(present("net", "10.77.1.0/24", ipam_driver="lbplug"))
    assert (error.code, words in error.message) == ("driver_error", True), error.message
    plugin.misbehave()
    if words == "PoolID is missing":
        plugin.kill()  # what has no name cannot be given back
        plugin.start()
    engine.same(picture(plugin), before, f"the plugin got {method} wrong")
    settled(present("net", "10.77.1.0/24", ipam_driver="lbplug"))


# --- somebody else's ---


def test_a_plugin_on_a_framework_that_we_did_not_write_runs(tmp_path):
    pytest.importorskip("docker_plugin_api", reason="the framework docker-plugin-api is not installed")
    for name in ("c1", "c2"):
        rig.netns(name)
    program = Path(__file__).parent / "plugins" / "borrowed.py"
    process = subprocess.Popen([sys.executable, str(program), "borrowed"])
    try:
        rig.until(Path("/run/docker/plugins/borrowed.sock").exists, 20)
        settled(
            present(
                "net",
                pool("10.77.1.0/24", r1="10.77.1.9"),
                driver="borrowed",
                ipam_driver="borrowed",
                options={"a": "b"},
            )
        )
        do(attach("net", "c1", ports=port_specs(["8080:80"])), attach("net", "c2", mac="02:00:00:00:00:12"))
        rig.pings("c1", "10.77.1.3")
        rig.pings("c2", "10.77.1.1")
        assert drift("net") == []
        do(detach("net", "c1"), absent("net", force=True))
        assert not [line for line in rig.run("ip", "-br", "link").stdout.splitlines() if line.startswith("by")]
    finally:
        process.kill()
