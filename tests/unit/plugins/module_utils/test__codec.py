# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to the records comes back equal."""

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _codec as codec
from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    Network,
    Pool,
    PublishedPort,
    Sandbox,
    StaticRoute,
)
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = st.text(max_size=20)
PAIRS = st.dictionaries(TEXT, TEXT, max_size=3).map(lambda found: tuple(sorted(found.items())))
ADDRESSES = st.ip_addresses()


@st.composite
def subnets(draw):
    address = draw(ADDRESSES)
    return ipaddress.ip_network(f"{address}/{draw(st.integers(0, address.max_prefixlen))}", strict=False)


POOLS = st.builds(
    Pool,
    subnet=subnets(),
    gateway=st.none() | ADDRESSES,
    ip_range=st.none() | subnets(),
    aux=st.lists(st.tuples(TEXT, ADDRESSES), max_size=2).map(tuple),
    auto=st.booleans(),
)
NETWORKS = st.builds(
    Network,
    name=TEXT,
    id=TEXT,
    driver=TEXT,
    pools=st.lists(POOLS, max_size=3).map(tuple),
    enable_ipv4=st.booleans(),
    enable_ipv6=st.booleans(),
    internal=st.booleans(),
    labels=PAIRS,
    options=PAIRS,
    ipam_options=PAIRS,
    ifname=TEXT,
    mtu=st.integers(0, 65535),
    created=TEXT,
    advertised=st.lists(TEXT, max_size=2).map(tuple),
    dns=st.booleans(),
    dns_given=st.booleans(),
    dns_servers=st.lists(TEXT, max_size=2).map(tuple),
)
PORTS = st.builds(
    PublishedPort,
    protocol=st.sampled_from(["tcp", "udp", "sctp"]),
    container=st.integers(1, 65535),
    host=st.integers(1, 65535),
    address=st.just("") | ADDRESSES.map(str),
    chosen=st.booleans(),
)
ROUTES = st.builds(
    StaticRoute,
    destination=subnets().map(str),
    gateway=st.just("") | ADDRESSES.map(str),
    metric=st.integers(0, 0xFFFFFFFF),
    type=st.sampled_from(["unicast", "blackhole"]),
)
ENDPOINTS = st.builds(
    Endpoint,
    network=TEXT,
    container=TEXT,
    runtime=TEXT,
    id=TEXT,
    host_ifname=TEXT,
    ifname=TEXT,
    mac=TEXT,
    ipv4=st.none() | st.ip_addresses(v=4).map(lambda address: ipaddress.ip_interface(f"{address}/24")),
    ipv6=st.none() | st.ip_addresses(v=6).map(lambda address: ipaddress.ip_interface(f"{address}/64")),
    gw_priority=st.integers(),
    driver_opts=PAIRS,
    static=st.lists(TEXT, max_size=3).map(tuple),
    sandbox=st.none()
    | st.builds(Sandbox, key=TEXT, boot_id=TEXT, cookie=st.integers(0), inode=st.integers(0), container_id=TEXT),
    ports=st.lists(PORTS, max_size=3).map(tuple),
    routes=st.lists(ROUTES, max_size=3).map(tuple),
    sysctls=PAIRS,
    secondary=st.lists(ADDRESSES.map(ipaddress.ip_interface), max_size=3).map(tuple),
    aliases=st.lists(TEXT, max_size=3).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(NETWORKS)
def test_a_network_comes_back_equal(network):
    assert codec.network(codec.encode(network)) == network


@settings(max_examples=200, deadline=None)
@given(ENDPOINTS)
def test_an_endpoint_comes_back_equal(endpoint):
    assert codec.endpoint(codec.encode(endpoint)) == endpoint


def test_records_of_before_there_were_ports_and_routes_are_read():
    network = json.loads(codec.encode(Network("net", "0" * 64, "bridge")))
    endpoint = json.loads(codec.encode(Endpoint("net", "c1", "netns", "1" * 64, "veth1", "eth0", "02:42:0a:32:00:02")))
    del network["advertised"], endpoint["ports"], endpoint["routes"], endpoint["sysctls"], endpoint["secondary"]
    assert codec.network(json.dumps(network)).advertised == ()
    found = codec.endpoint(json.dumps(endpoint))
    assert (found.ports, found.routes, found.sysctls, found.secondary) == ((), (), (), ())


def test_networks_and_endpoints_of_before_there_were_names_have_none():
    network = json.loads(codec.encode(Network("net", "0" * 64, "bridge", dns=True, dns_given=True)))
    endpoint = json.loads(codec.encode(Endpoint("net", "c1", "netns", "1" * 64, "veth1", "eth0", "02:42:0a:32:00:02")))
    del network["dns"], network["dns_given"], network["dns_servers"], endpoint["aliases"]
    assert codec.network(json.dumps(network)) == Network("net", "0" * 64, "bridge")
    assert codec.endpoint(json.dumps(endpoint)).aliases == ()


def test_equal_values_are_equal_text_of_one_line():
    text = codec.encode(Network("net", "0" * 64, "bridge", labels=(("a", "line\nbreak"),)))
    assert "\n" not in text
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"name": "x"}', '{"pools": [{}]}', "{"])
@pytest.mark.parametrize("decode", [codec.network, codec.endpoint])
def test_text_that_is_not_ours_is_refused(decode, text):
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(text)
