# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several interfaces of one container on one network, which their names tell apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import engine
import lookup
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._routes import static_routes
from engine import EndpointSpec, absent, attach, detach, do, drift, present, refusal, sandwich


@pytest.fixture(autouse=True)
def containers():
    for name in ("c1", "c2"):
        rig.netns(name)
    do(present("net", "10.1.0.0/24"), attach("net", "c2"))


def interfaces(netns: str = "c1") -> dict[str, str]:
    """Return the first IPv4 address of each interface but lo."""
    found = json.loads(rig.run("ip", "-j", "-4", "address", "show", netns=netns).stdout)
    return {each["ifname"]: each["addr_info"][0]["local"] for each in found if each["ifname"] != "lo"}


def test_interfaces_with_names_of_their_own_are_attached_changed_and_detached_one_by_one():
    before = engine.picture("c1", "c2")
    assert sandwich(attach("net", "c1", ifname="wan0"))[0] == "create endpoint of c1 on network net"
    assert sandwich(attach("net", "c1", ifname="wan1", ipv4="10.1.0.9"))[0] == (
        "create endpoint of c1 (wan1) on network net"
    )
    assert interfaces() == {"wan0": "10.1.0.3", "wan1": "10.1.0.9"}
    for address in ("10.1.0.3", "10.1.0.9"):
        rig.pings("c2", address)
    members = engine.inspected("net", verify=False)[0]["Containers"]
    assert sorted(member["IPv4Address"] for member in members.values()) == ["10.1.0.2/24", "10.1.0.3/24", "10.1.0.9/24"]
    assert sandwich(attach("net", "c1", ifname="wan1", ipv4="10.1.0.8"))
    assert interfaces() == {"wan0": "10.1.0.3", "wan1": "10.1.0.8"}
    error = refusal(attach("net", "c1"))
    assert (error.code, error.message) == (
        "option_invalid",
        "interface_name: c1 has 2 interfaces on network net, wan0, wan1; say which one",
    )
    error = refusal(attach("net", "c1", ifname="wan0", ipv4="10.1.0.8"))
    assert (error.code, error.message) == (
        "address_in_use",
        "ipv4_address: 10.1.0.8 on network net is held by c1",
    )
    assert drift("net") == []
    rig.run("ip", "-n", "c1", "link", "delete", "wan1")
    assert drift("net")
    assert sandwich(present("net"))
    rig.pings("c2", "10.1.0.8")
    assert do(engine.detach("net", "c1", ifname="wan7")) == []
    assert sandwich(engine.detach("net", "c1", ifname="wan0"))
    assert interfaces() == {"wan1": "10.1.0.8"}
    assert sandwich(attach("net", "c1")) == []  # the only one that is left
    sandwich(attach("net", "c1", ifname="wan0"))
    assert sandwich(detach("net", "c1"))
    assert interfaces() == {}
    engine.same(engine.picture("c1", "c2"), before, "detached")


def test_one_whose_name_was_chosen_is_the_one_that_a_name_is_for():
    do(attach("net", "c1"))
    sandwich(attach("net", "c1", ifname="lan0"))
    assert interfaces() == {"lan0": "10.1.0.3"}
    sandwich(attach("net", "c1", ifname="lan1"))
    assert interfaces() == {"lan0": "10.1.0.3", "lan1": "10.1.0.4"}


def test_a_list_of_members_can_hold_a_container_twice():
    both = engine.listed("net", [EndpointSpec("net", "c1", ifname="a0"), EndpointSpec("net", "c1", ifname="a1")])
    assert sandwich(both)
    assert set(interfaces()) == {"a0", "a1"}
    one = engine.listed("net", [EndpointSpec("net", "c1", ifname="a1")])
    assert sandwich(one)
    assert set(interfaces()) == {"a1"}
    assert sandwich(both)
    sandwich(absent("net", force=True))
    assert interfaces() == {}


def test_a_topology_attaches_a_container_twice_and_takes_one_away():
    two = [EndpointSpec("lab", "c9", ifname="a0"), EndpointSpec("lab", "c9", ifname="a1")]
    networks = [engine.network("lab", "10.9.0.0/24")]
    whole = engine.topology("t", namespaces=["c9"], networks=networks, attachments=two)
    sandwich(whole)
    assert interfaces("c9") == {"a0": "10.9.0.2", "a1": "10.9.0.3"}
    sandwich(engine.topology("t", namespaces=["c9"], networks=networks, attachments=two[1:], purge=True))
    assert interfaces("c9") == {"a1": "10.9.0.3"}
    error = refusal(engine.topology("t", namespaces=["c9"], networks=networks, attachments=[two[0], two[0]]))
    assert (error.code, "each of several has an interface_name" in error.message) == ("option_invalid", True)


def test_the_default_route_stays_where_it_is_as_further_interfaces_come_and_go():
    def route() -> str:
        (found,) = json.loads(rig.run("ip", "-j", "route", "show", "default", netns="c1").stdout)
        return found["dev"]

    do(attach("net", "c1", ifname="b0"), attach("net", "c1", ifname="a0"))
    assert route() == "b0"
    do(attach("net", "c1", ifname="a0", gw_priority=1))
    assert route() == "a0"
    do(engine.detach("net", "c1", ifname="a0"))
    assert route() == "b0"


def test_a_name_server_is_listed_once_and_the_container_is_found_at_both():
    if not shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"):
        pytest.skip("dnsmasq is not installed (Debian: dnsmasq-base)")
    do(present("net", dns=True), attach("net", "c1", ifname="a0"), attach("net", "c1", ifname="a1"))
    lines = Path("/etc/netns/c1/resolv.conf").read_text().splitlines()[1:]
    assert lines == ["search net", "nameserver 10.1.0.1"]
    assert sorted(lookup.found("c2", "c1")) == ["10.1.0.3", "10.1.0.4"]
    do(detach("net", "c1", ifname="a0"))
    assert lookup.found("c2", "c1") == ["10.1.0.4"]


def test_a_route_is_given_by_one_of_them():
    routes = static_routes([{"destination": "10.9.0.0/16", "gateway": "10.1.0.2", "metric": None, "type": "unicast"}])
    do(attach("net", "c1", ifname="a0", routes=routes), attach("net", "c1", ifname="a1"))
    error = refusal(attach("net", "c1", ifname="a1", routes=routes))
    assert (error.code, "c1 has 10.9.0.0/16 with metric 0 on network net already" in error.message) == (
        "option_invalid",
        True,
    )
    assert do(attach("net", "c1", ifname="a0", routes=routes)) == []


def test_ports_of_each_interface_lead_to_it():
    from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs

    here = rig.lan()
    do(attach("net", "c1", ifname="a0", ports=port_specs(["8080:80"])))
    do(attach("net", "c1", ifname="a1", ports=port_specs(["8081:81"])))
    assert refusal(attach("net", "c1", ifname="a1", ports=port_specs(["8080:81"]))).code == "port_in_use"
    with rig.listens("c1", "10.1.0.3", 80), rig.listens("c1", "10.1.0.4", 81):
        rig.connects(here.netns, here.host, 8080)
        rig.connects(here.netns, here.host, 8081)
