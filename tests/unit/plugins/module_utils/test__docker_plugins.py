# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker plugins are asked, and what of their answers is taken; what they choose stays behind a veil."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _docker_plugins as protocol
from ansible_collections.netloom.containers.plugins.module_utils._changes import Change, plan
from ansible_collections.netloom.containers.plugins.module_utils._diff import difference
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._endpoints import default_routes, ways_out
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    Network,
    Pool,
    PublishedPort,
)
from ansible_collections.netloom.containers.plugins.module_utils._plugin_pools import (
    PluginAddress,
    PluginPool,
    of_network,
    veiled,
)
from ansible_collections.netloom.containers.plugins.module_utils._plugins import PluginNetwork
from ansible_collections.netloom.containers.plugins.module_utils._resources import Up
from hypothesis import given
from hypothesis import strategies as st

REMOTE = driver("weave")
POOL = Pool(ip_network("10.77.1.0/24"), ip_address("10.77.1.1"), aux=(("r1", ip_address("10.77.1.9")),))
NETWORK = Network("net", "ab" * 32, "weave", (POOL,), options=(("plugin_timeout", "5"), ("zone", "blue")))


def endpoint(network: str = "net", ipv4: str = "10.77.1.2/24", **fields) -> Endpoint:
    return Endpoint(network, "c1", "netns", "cd" * 32, "vethx", "eth0", "", ip_interface(ipv4), **fields)


def test_a_plugin_is_told_of_a_network_what_docker_tells_it_and_nothing_that_is_for_us():
    assert json.loads(REMOTE.definition(NETWORK, None, str)) == {
        "NetworkID": "ab" * 32,
        "Options": {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": {"zone": "blue"}},
        "IPv4Data": [
            {
                "AddressSpace": "LocalDefault",
                "Pool": "10.77.1.0/24",
                "Gateway": "10.77.1.1/24",
                "AuxAddresses": {"r1": "10.77.1.9/24"},
            }
        ],
        "IPv6Data": [],
    }


def test_a_plugin_is_told_of_a_mac_only_where_one_was_given():
    for static, mac in (((), ""), (("mac",), "02:00:00:00:00:01")):
        made = replace(endpoint(static=static), mac="02:00:00:00:00:01")
        resource = next(iter(REMOTE.endpoint_resources(NETWORK, made)))
        assert json.loads(resource.request)["Interface"]["MacAddress"] == mac


def test_ports_are_told_by_the_numbers_of_their_protocols():
    ports = (PublishedPort("tcp", 80, 8080), PublishedPort("udp", 53, 53, "127.0.0.1"), PublishedPort("tcp", 80, 81))
    told = protocol.ports_told(ports)
    assert told["com.docker.network.endpoint.exposedports"] == [{"Proto": 6, "Port": 80}, {"Proto": 17, "Port": 53}]
    assert told["com.docker.network.portmap"][1] == {
        "Proto": 17,
        "IP": "",
        "Port": 53,
        "HostIP": "127.0.0.1",
        "HostPort": 53,
        "HostPortEnd": 53,
    }


def test_another_timeout_is_no_other_network_to_the_plugin():
    one, other = (
        PluginNetwork("weave", "net", "{}", way=REMOTE.way((("plugin_timeout", text),))) for text in ("5", "6")
    )
    assert plan([one], [other]) == ()


WORDS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["10.77.1.7", "fe80::1", "eth0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "Interface",
                        "Address",
                        "AddressIPv6",
                        "MacAddress",
                        "InterfaceName",
                        "SrcName",
                        "Gateway",
                        "Pool",
                    ),
                    *(
                        "GatewayIPv6",
                        "StaticRoutes",
                        "Destination",
                        "RouteType",
                        "NextHop",
                        "Implements",
                        "Scope",
                        "PoolID",
                    ),
                    *("Data", "LocalDefaultAddressSpace", "com.docker.network.gateway"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
SUBNET = ip_network("10.77.1.0/24")
ASKED = {"Address": "10.77.1.2/24", "AddressIPv6": "", "MacAddress": ""}


@pytest.mark.parametrize(
    "parse",
    [
        protocol.scope,
        protocol.implements,
        protocol.local_space,
        lambda answer: protocol.interface_mac(answer, ASKED),
        lambda answer: protocol.joined(answer, [SUBNET], [4, 6]),
        lambda answer: protocol.pool(answer, {"Pool": "", "V6": False}),
        lambda answer: protocol.address(answer, SUBNET, None),
    ],
)
@given(
    answer=st.dictionaries(st.text(max_size=3) | st.sampled_from(["Interface", "InterfaceName", "StaticRoutes"]), WORDS)
)
def test_whatever_a_plugin_answers_is_taken_or_refused_with_words(parse, answer):
    try:
        parse(answer)
    except NetloomError as exc:
        assert exc.code == "driver_error" and len(exc.message) < 600


def test_an_answer_to_join_is_taken_with_what_is_unknown_in_it():
    answer = {
        "InterfaceName": {"SrcName": "w1", "DstPrefix": "ethwe", "DstName": "x"},
        "Gateway": "10.77.1.1",
        "GatewayIPv6": "fe80::1",
        "StaticRoutes": [
            {"Destination": "10.9.0.0/16", "RouteType": 0, "NextHop": "10.77.1.3"},
            {"Destination": "224.0.0.0/4", "RouteType": 1},
            {"Destination": "fd00:9::/64", "RouteType": 0, "NextHop": "fe80::2"},
        ],
        "DisableGatewayService": True,
        "New": [1],
    }
    assert protocol.joined(answer, [SUBNET], [4]) == protocol.Joined(
        "w1", (("ipv4", "10.77.1.1"),), (("10.9.0.0/16", "10.77.1.3"), ("224.0.0.0/4", ""))
    )
    assert protocol.joined(answer, [SUBNET], [4, 6]).gateways == (("ipv4", "10.77.1.1"), ("ipv6", "fe80::1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("add address 10.77.0.2/24 on eth0", "add address (an address) on eth0"),
        ("10.77.0.20/24 and 110.77.0.2", "10.77.0.20/24 and 110.77.0.2"),
        ("to 10.77.0.2:80", "to (an address):80"),
        ("subnet 10.77.0.0/24", "subnet (a subnet)"),
        ("fd77::1/64 is not fd77::10/64", "(six) is not fd77::10/64"),
    ],
)
def test_a_veil_covers_a_value_and_nothing_that_only_looks_like_it(text, expected):
    veil = (("10.77.0.2", "(an address)"), ("10.77.0.0/24", "(a subnet)"), ("fd77::1", "(six)"))
    assert veiled(text, veil) == expected


def test_a_change_tells_neither_in_its_line_nor_in_the_diff_what_a_plugin_chooses():
    change = Change(None, PluginAddress("weave", "net", "10.77.0.2", "10.77.0.0/24"), veil=(("10.77.0.2", "(one)"),))
    assert str(change) == "claim address (one) of network net by plugin weave"
    assert difference([change])["after"] == "address (one) of network net by plugin weave\n"


def test_what_a_network_has_of_a_plugin_is_claimed_first_and_released_before_the_network_is_forgotten():
    network = Network("net", "ab" * 32, "weave", (POOL,), ipam_driver="weave")
    of_plugin = [PluginNetwork("weave", "net", "{}"), *of_network(network)]
    up = Up("netns:c1", "eth0")
    gone = [str(change) for change in plan([], [*of_plugin, up])]
    assert [line.split()[1] for line in gone] == ["down", "address", "address", "subnet", "network"]
    assert [type(change.resource) for change in plan(of_plugin, [])][1] is PluginPool
    replaced = PluginNetwork("weave", "net", '{"a":1}')
    assert [str(change) for change in plan([replaced], [of_plugin[0], up])] == [
        "take down eth0 in c1",
        "remove network net of plugin weave",
        "create network net of plugin weave",
    ]


GATEWAYS = [((), "10.77.1.1"), ((("ipv4", "10.77.1.7"),), "10.77.1.7"), ((("ipv4", ""),), "10.2.0.1")]


@pytest.mark.parametrize(("named", "gateway"), GATEWAYS)
def test_a_default_route_goes_through_the_gateway_that_was_named(named, gateway):
    other = Network("other", "ef" * 32, "bridge", (Pool(ip_network("10.2.0.0/24"), ip_address("10.2.0.1")),))
    plugged = [(endpoint(gateways=named), NETWORK), (endpoint("other", ipv4="10.2.0.2/24"), other)]
    route = next(default_routes("netns:c1", plugged))
    assert route.gateway == gateway
    assert [each.gateway for each in route.otherwise or ()] == ([] if gateway == "10.2.0.1" else ["10.2.0.1"])
    # Whether the plugin has named a gateway or not, it is asked to open the endpoint's ports, or nothing is said.
    assert next(ways_out(plugged)).network == "net"
