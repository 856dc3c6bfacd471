# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netavark and its plugins are told, beside what podman tells netavark, and what is taken for an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _endpoints, _netavark
from ansible_collections.netloom.containers.plugins.module_utils._drivers.options import canonical
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network, Pool, PublishedPort
from ansible_collections.netloom.containers.plugins.module_utils._plugins import PluginEndpoint, PluginNetwork
from ansible_collections.netloom.containers.plugins.module_utils._resources import Route

RECORDED = json.loads(Path(__file__).with_name("fixtures").joinpath("podman-netavark.json").read_text())
POOL = Pool(ip_network("10.1.0.0/24"), ip_address("10.1.0.254"), ip_network("10.1.0.128/25"))
SIX = Pool(ip_network("fd00:1::/64"), ip_address("fd00:1::1"))


def network(name="netavark:bridge", pools=(POOL,), options=(), **given):
    found = Network("net", "a" * 64, name, pools, options=tuple(sorted(dict(options).items())), **given)
    return replace(found, definition=driver(name).definition(found, None, str))


def endpoint(**given):
    asked = {
        "id": "b" * 64,
        "host_ifname": "",
        "ifname": "lan0",
        "mac": "02:00:00:00:00:11",
        "ipv4": ip_interface("10.1.0.129/24"),
    }
    return Endpoint("net", "c1", "netns", **{**asked, **given})


def told(net, member):
    """Return what is written to netavark, or to a plugin, for an endpoint."""
    ((resource),) = driver(net.driver).endpoint_resources(net, member)
    within = json.loads(resource.within)["network"]
    call = _netavark.own_call if _netavark.is_own(net.driver) else _netavark.plugin_call
    return json.loads(json.dumps(call(within, json.loads(resource.request))))


def differences(theirs, ours, path=""):
    """Yield (path, theirs, ours) of everything that is not the same."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted({*theirs, *ours}):
            yield from differences(theirs.get(name), ours.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, pair in enumerate(zip(theirs, ours)):
            yield from differences(*pair, f"{path}[{index}]")
    elif theirs != ours:
        yield path, theirs, ours


def test_netavark_is_told_what_podman_tells_it_but_for_what_is_ours_to_choose():
    net = network(options={"mtu": "1400"}, labels=(("a", "b"),))
    member = endpoint(aliases=("web",), ports=(PublishedPort("tcp", 80, 8080, "127.0.0.1"),))
    theirs = RECORDED["stdin"]
    created = theirs["network_info"]["net"]["created"]
    assert [*differences(theirs, told(net, member))] == [
        # One endpoint of a container, not the container: each network is a call of its own.
        ("container_id", theirs["container_id"], "b" * 64),
        # When it was made and its labels say nothing to netavark; what is told is to be the same in the next run.
        ("network_info.net.created", created, None),
        ("network_info.net.id", theirs["network_info"]["net"]["id"], "a" * 64),
        ("network_info.net.labels", {"a": "b"}, None),
        ("network_info.net.network_interface", "podman1", "nv-aaaaaaaaaaaa"),
        # Podman never hands out the first address of a range; Docker does, and so do we. netavark reads neither.
        ("network_info.net.subnets[0].lease_range.start_ip", "10.1.0.129", "10.1.0.128"),
        # Podman adds the beginning of the container's id.
        ("networks.net.aliases", ["web", theirs["container_id"][:12]], ["web"]),
    ]


def test_what_netavark_answered_podman_is_an_answer():
    request = {"network_options": RECORDED["stdin"]["networks"]["net"]}
    _netavark.check_setup(request, RECORDED["stdout"]["net"])


def test_a_plugin_is_told_its_network_and_options_and_no_mac_that_nobody_asked_for():
    net = network("netavark:fou", (POOL, SIX), {"vni": "7", "parent": "eth0", "plugin_timeout": "9"}, internal=True)
    value = told(net, endpoint(ipv6=ip_interface("fd00:1::2/64")))
    assert value["network"]["driver"] == "fou" and value["network"]["internal"] is True
    assert value["network"]["options"] == {"parent": "eth0", "vni": "7"}
    assert "network_interface" not in value["network"]
    assert value["network_options"] == {"interface_name": "lan0", "static_ips": ["10.1.0.129", "fd00:1::2"]}
    asked = told(net, endpoint(static=("mac",)))
    assert asked["network_options"]["static_mac"] == "02:00:00:00:00:11"
    # As many subnets as addresses: netavark takes them for pairs.
    assert [each["subnet"] for each in asked["network"]["subnets"]] == ["10.1.0.0/24"]


def test_the_parent_of_netavark_s_own_wires_is_its_interface():
    net = network("netavark:macvlan", options={"parent": "eth0", "mode": "vepa"})
    value = told(net, endpoint())["network_info"]["net"]
    assert (value["network_interface"], value["options"]) == ("eth0", {"mode": "vepa"})
    with pytest.raises(NetloomError, match="MAC of its parent"):
        told(network("netavark:ipvlan"), endpoint(static=("mac",)))
    assert "static_mac" not in told(network("netavark:ipvlan"), endpoint())["networks"]["net"]


def test_a_change_of_labels_is_none_for_netavark_itself_and_one_for_a_plugin():
    bare, labelled = network(), network(labels=(("a", "b"),))
    assert bare.definition == labelled.definition
    assert network("netavark:fou").definition != network("netavark:fou", labels=(("a", "b"),)).definition


def test_a_network_and_an_endpoint_are_one_resource_each():
    net = network()
    assert [*driver(net.driver).network_resources(net)] == [PluginNetwork("netavark:bridge", "net", net.definition)]
    first, second = driver(net.driver).endpoint_resources(net, endpoint(secondary=(ip_interface("10.1.0.7/24"),)))
    assert isinstance(first, PluginEndpoint) and first.provides[1] == second.parent


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": "netavark:"}, "driver_not_found"),
        ({"name": "netavark:../x"}, "driver_not_found"),
        ({"pools": (POOL, replace(POOL, subnet=ip_network("10.2.0.0/24")))}, "option_invalid"),
        ({"name": "netavark:fou", "options": {"firewall_driver": "iptables"}}, "option_invalid"),
        ({"name": "netavark:macvlan", "options": {"parent": "a", "network_interface": "b"}}, "option_invalid"),
    ],
)
def test_what_no_plugin_can_be_told_is_refused(given, code):
    with pytest.raises(NetloomError) as caught:
        driver("netavark:x").check(network(**given))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("plugin_dirs", "/a,/b:/c", "/a:/b:/c"),
        ("plugin_timeout", "030", "30"),
        ("firewall_driver", "nftables", "nftables"),
        ("anything", "as it is", "as it is"),
    ],
)
def test_options_are_taken_in_their_canonical_form(name, value, expected):
    assert canonical(((name, value),), driver("netavark:x").options, "driver_options", "netavark:x") == (
        (name, expected),
    )


@pytest.mark.parametrize(
    ("name", "value"), [("plugin_dirs", "here"), ("plugin_timeout", "0"), ("firewall_driver", "nftable")]
)
def test_options_of_ours_are_checked(name, value):
    with pytest.raises(NetloomError) as caught:
        canonical(((name, value),), driver("netavark:x").options, "driver_options", "netavark:x")
    assert (caught.value.code, name in caught.value.message) == ("option_invalid", True)


ASKED = {"network_options": {"interface_name": "eth0", "static_ips": ["10.1.0.2"], "static_mac": "02:00:00:00:00:01"}}


def status(ifname="eth0", mac="02:00:00:00:00:01", **interface):
    return {"interfaces": {ifname: {"mac_address": mac, "subnets": [{"ipnet": "10.1.0.2/24"}], **interface}}}


def test_a_status_is_an_answer_whatever_more_it_says():
    _netavark.check_setup(ASKED, {**status(mac="02:00:00:00:00:01".upper()), "unknown": [1]})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "nothing instead of a status"),
        ([], "instead of a status"),
        ({}, "no interface instead of eth0"),
        ({"interfaces": None}, "no interface instead of eth0"),
        ({"interfaces": {"eth0": []}}, "eth0: []"),
        (status("../../x"), "../../x instead of eth0"),
        (status(subnets=[]), "no address instead of 10.1.0.2"),
        (status(subnets=[{"ipnet": "10.1.0.3/24"}]), "10.1.0.3/24 instead of 10.1.0.2"),
        (status(subnets=[{"ipnet": "10.1.0.2/24"}, {"ipnet": "10.1.0.9/24"}]), "10.1.0.9/24 instead of 10.1.0.2"),
        (status(subnets=[{"ipnet": "here"}]), "the address"),
        (status(subnets="all"), "subnets: all"),
        (status(subnets=[7]), "the address 7"),
        (status(mac=None), "mac_address: None"),
        (status(mac="02:00:00:00:00:02"), "instead of 02:00:00:00:00:01"),
    ],
)
def test_a_status_of_something_else_is_an_error_of_the_plugin(answer, words):
    with pytest.raises(NetloomError) as caught:
        _netavark.check_setup(ASKED, answer)
    assert (caught.value.code, words in caught.value.message) == ("driver_error", True), caught.value.message


NETWORK = json.loads(network("netavark:fou").definition)["network"]


def test_a_plugin_may_change_what_is_its_own_of_a_network():
    answer = {**NETWORK, "network_interface": "x0", "options": {"added": "1"}, "created": "now", "lease": None}
    assert _netavark.network_answered(NETWORK, answer) == answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "nothing instead of a network"),
        ({**NETWORK, "id": "c" * 64}, "changed the network's id"),
        ({**NETWORK, "driver": "bridge"}, "changed the network's driver"),
        ({**NETWORK, "subnets": None}, "wants other subnets"),
        ({**NETWORK, "subnets": [{"subnet": "10.1.0.0/24"}]}, "changed the subnets"),
        ({**NETWORK, "subnets": "10.1.0.0/24"}, "changed the subnets"),
        ({**NETWORK, "options": []}, "options: []"),
        ({**NETWORK, "network_interface": 7}, "network_interface: 7"),
    ],
)
def test_a_network_that_a_plugin_makes_another_one_of_is_an_error(answer, words):
    with pytest.raises(NetloomError) as caught:
        _netavark.network_answered(NETWORK, answer)
    assert (caught.value.code, words in caught.value.message) == ("driver_error", True), caught.value.message


@pytest.mark.parametrize("version", [None, "", "2.0.0", 1, "0.9"])
def test_an_api_that_is_not_the_first_is_refused(version):
    with pytest.raises(NetloomError, match="API version"):
        _netavark.check_api({"api_version": version})
    _netavark.check_api({"version": "0.1.0", "api_version": "1.2.3"})


def test_a_port_is_published_by_netavark_s_bridge_and_by_plugins_only():
    port = PublishedPort("tcp", 80, 8080)
    for name in ("netavark:bridge", "netavark:fou"):
        assert driver(name).publishes and [*driver(name).bound(network(name), endpoint(), port)] == [(4, "")]
    assert not driver("netavark:macvlan").publishes


def test_the_way_out_is_the_plugin_s_where_its_endpoint_comes_first():
    other = Network("other", "c" * 64, "bridge", (Pool(ip_network("10.2.0.0/24"), ip_address("10.2.0.1")),))
    beside = replace(endpoint(), network="other", ifname="eth1", ipv4=ip_interface("10.2.0.2/24"))
    plugged = [(endpoint(), network()), (beside, other)]
    assert [*_endpoints.default_routes("netns:c1", plugged)] == []
    (route,) = _endpoints.default_routes("netns:c1", [plugged[0], (replace(beside, gw_priority=1), other)])
    assert route == Route("netns:c1", "0.0.0.0/0", "10.2.0.1", "eth1") and route.beside == ("lan0",)
    internal = [(endpoint(), network(internal=True)), (beside, other)]
    assert [route.ifname for route in _endpoints.default_routes("netns:c1", internal)] == ["eth1"]
