# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _docker_calls as calls
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import PoolSpec, PortSpec

NETWORK, ENDPOINT = "5" * 64, "e" * 64
POOL = {"AddressSpace": "netloom", "Pool": "10.1.0.0/24", "Gateway": "10.1.0.1/24"}


def network(**fields):
    return calls.network_call({"NetworkID": NETWORK, "Options": {}, "IPv4Data": [POOL], "IPv6Data": None, **fields})


def test_a_network_of_docker_is_read_whole():
    options = {
        "com.docker.network.enable_ipv6": True,
        "com.docker.network.internal": True,
        "com.docker.network.generic": {"network": "app", "driver": "overlay", "mtu": "1400"},
    }
    aux = {"AuxAddresses": {"printer": "10.1.0.9/24"}}
    six = {"AddressSpace": "netloom", "Pool": "fd00:1::/64", "Gateway": "fd00:1::1/64"}
    assert network(Options=options, IPv4Data=[{**POOL, **aux}], IPv6Data=[six]) == calls.NetworkCall(
        NETWORK,
        "app",
        "overlay",
        (("mtu", "1400"),),
        True,
        (
            PoolSpec(ip_network("10.1.0.0/24"), ip_address("10.1.0.1"), aux=(("printer", ip_address("10.1.0.9")),)),
            PoolSpec(ip_network("fd00:1::/64"), ip_address("fd00:1::1"), aux=()),
        ),
        True,
    )


def test_the_pool_of_dockers_address_management_null_is_none():
    found = network(IPv4Data=[{"AddressSpace": "null", "Pool": "0.0.0.0/0", "Gateway": "0.0.0.0/0"}])
    assert (found.pools, found.ours) == ((), False)


@pytest.mark.parametrize(
    "fields, code, words",
    [
        ({"NetworkID": ""}, "option_invalid", "NetworkID: a text is needed, not ''"),
        ({"NetworkID": "%" * 64}, "option_invalid", "is not an id of Docker's"),
        ({"Options": []}, "option_invalid", "Options: not an object"),
        ({"Options": {"com.docker.network.generic": {"a": {}}}}, "option_invalid", "Options.a: not a text"),
        (
            {"Options": {"com.docker.network.generic": {"network": "a/b"}}},
            "invalid_name",
            "network: 'a/b' contains '/'",
        ),
        ({"IPv4Data": [5]}, "option_invalid", "IPv4Data: not a list of objects"),
        (
            {"IPv4Data": [{"Pool": "10.1.0.1/24"}]},
            "noncanonical_subnet",
            "IPv4Data[0].Pool: '10.1.0.1/24' has host bits",
        ),
        (
            {"IPv4Data": [{**POOL, "Gateway": "10.2.0.1/24"}]},
            "invalid_address",
            "IPv4Data[0].Gateway: 10.2.0.1 is not in",
        ),
    ],
)
def test_what_is_wrong_with_a_network_is_said(fields, code, words):
    with pytest.raises(NetloomError) as raised:
        network(**fields)
    assert raised.value.code == code
    assert words in raised.value.message


def test_an_endpoint_has_docker_addresses_and_the_options_that_are_not_dockers():
    options = {"com.docker.network.portmap": [], "port_security": "true"}
    interface = {"Address": "10.1.0.7/24", "AddressIPv6": "", "MacAddress": "02:42:0A:01:00:07"}
    body = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Interface": interface, "Options": options}
    assert calls.endpoint_call(body) == calls.EndpointCall(
        NETWORK, ENDPOINT, ip_interface("10.1.0.7/24"), None, "02:42:0a:01:00:07", (("port_security", "true"),)
    )
    for name, text in (("Address", "fd00::1/64"), ("AddressIPv6", "10.1.0.7/24"), ("Address", "x")):
        with pytest.raises(NetloomError, match=f"^{name}: "):
            calls.endpoint_call({**body, "Interface": {name: text}})


def test_ports_are_those_of_the_host_that_docker_names_or_any_that_is_free():
    def asked(*items):
        return calls.ports({"Options": {"com.docker.network.portmap": list(items)}})

    tcp = {"Proto": 6, "IP": "", "Port": 80, "HostIP": "", "HostPort": 8080, "HostPortEnd": 8080}
    assert asked(tcp) == (PortSpec("tcp", 80, 8080, 8080),)
    assert asked({**tcp, "Proto": 17, "HostPort": 0, "HostPortEnd": 0}) == (PortSpec("udp", 80),)
    assert asked({**tcp, "HostPortEnd": 8090, "HostIP": "127.0.0.1"}) == (PortSpec("tcp", 80, 8080, 8090, "127.0.0.1"),)
    assert calls.ports({"Options": None}) == ()
    for odd in ({**tcp, "Proto": 1}, {**tcp, "Port": 0}, {**tcp, "HostPort": 70000}, {**tcp, "HostIP": "x"}, 5):
        with pytest.raises(NetloomError, match=r"^com\.docker\.network\.portmap\[0\]"):
            asked(odd)


@pytest.mark.parametrize("inside", [None, ip_network("10.1.0.128/25")])
def test_a_pool_is_known_by_the_id_that_it_was_given(inside):
    pool = calls.PoolId("netloom", ip_network("10.1.0.0/24"), inside)
    assert calls.pool_id({"PoolID": str(pool)}) == pool


@pytest.mark.parametrize("text", ["", "netloom", "other/10.1.0.0/24", "netloom/10.1.0.0/24/10.2.0.0/25", "netloom/a/b"])
def test_an_id_of_no_pool_is_refused(text):
    with pytest.raises(NetloomError, match="^PoolID: "):
        calls.pool_id({"PoolID": text})


def test_a_pool_of_our_choice_has_no_part():
    asked = {"AddressSpace": "netloom", "Pool": "", "SubPool": "", "Options": {}, "V6": True}
    assert calls.pool_call(asked) == ("netloom", None, None, True)
    for fields, words in (
        ({"SubPool": "10.1.0.0/25"}, "SubPool: '10.1.0.0/25' needs a Pool"),
        ({"AddressSpace": "lbl"}, "AddressSpace: 'lbl' is none of netloom"),
        ({"Options": {"foo": "bar"}}, "Options: 'foo' is not an option"),
    ):
        with pytest.raises(NetloomError, match=words):
            calls.pool_call({**asked, **fields})
