# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules return has Docker's keys, all of them, spelt and typed as Docker does."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _inspect as inspect
from ansible_collections.netloom.containers.plugins.module_utils import _inspect_endpoint as inspect_endpoint
from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    Network,
    Pool,
    PublishedPort,
    Sandbox,
    StaticRoute,
)

NET = Network(
    name="app",
    id="a" * 64,
    driver="bridge",
    pools=(
        Pool(
            ip_network("10.50.0.0/24"),
            ip_address("10.50.0.1"),
            ip_network("10.50.0.128/25"),
            (("p", ip_address("10.50.0.5")),),
        ),
        Pool(ip_network("fd00::/64"), ip_address("fd00::1")),
    ),
    enable_ipv6=True,
    labels=(("tier", "app"),),
    options=(("mtu", "1400"),),
    created="2026-01-01T00:00:00.000000000Z",
)
LABELS = {"com.docker.network.driver.mtu": "1400"}
C1 = Endpoint(
    network="app",
    container="c1",
    runtime="netns",
    id="e" * 64,
    host_ifname="veth0123456789a",
    ifname="eth0",
    mac="02:42:0a:32:00:80",
    ipv4=ip_interface("10.50.0.128/24"),
    ipv6=ip_interface("fd00::2/64"),
    static=("ipv4",),
    sandbox=Sandbox("/run/netns/c1", "boot", 7, 9),
)


def nowhere(port):
    return ()


def test_a_network_has_exactly_dockers_keys_and_values():
    assert inspect.network(NET, LABELS, [C1], {"netns:c1"}) == {
        "Name": "app",
        "Id": "a" * 64,
        "Created": "2026-01-01T00:00:00.000000000Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": True,
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [
                {
                    "Subnet": "10.50.0.0/24",
                    "IPRange": "10.50.0.128/25",
                    "Gateway": "10.50.0.1",
                    "AuxiliaryAddresses": {"p": "10.50.0.5"},
                },
                {"Subnet": "fd00::/64", "Gateway": "fd00::1"},
            ],
        },
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            "ep-" + "e" * 64: {
                "Name": "c1",
                "EndpointID": "e" * 64,
                "MacAddress": "02:42:0a:32:00:80",
                "IPv4Address": "10.50.0.128/24",
                "IPv6Address": "fd00::2/64",
            }
        },
        "Options": {"com.docker.network.driver.mtu": "1400"},
        "Labels": {"tier": "app"},
        "Status": {
            "IPAM": {
                "Subnets": {
                    "10.50.0.0/24": {"IPsInUse": 5, "DynamicIPsAvailable": 126},
                    "fd00::/64": {"IPsInUse": 3, "DynamicIPsAvailable": (1 << 64) - 3},
                }
            }
        },
    }


def test_a_network_is_json():
    assert json.loads(json.dumps(inspect.network(NET, LABELS, [C1], {"netns:c1"})))["Name"] == "app"


def test_a_member_that_does_not_run_counts_but_is_not_in_containers():
    shape = inspect.network(NET, {}, [C1], set())
    assert shape["Containers"] == {}
    assert shape["Status"]["IPAM"]["Subnets"]["10.50.0.0/24"]["IPsInUse"] == 5


def test_a_runtimes_container_is_keyed_by_its_own_id():
    real = replace(C1, sandbox=replace(C1.sandbox, container_id="d" * 64))
    assert list(inspect.network(NET, {}, [real], {"netns:c1"})["Containers"]) == ["d" * 64]


def test_what_is_not_known_yet_is_null():
    assert inspect.network(replace(NET, created=""), {}, [], set())["Created"] is None


def test_an_endpoint_has_exactly_dockers_keys_and_our_own():
    assert inspect_endpoint.endpoint(C1, NET, {}, nowhere, live=True) == {
        "IPAMConfig": {"IPv4Address": "10.50.0.128"},
        "Links": None,
        "Aliases": None,
        "DriverOpts": None,
        "GwPriority": 0,
        "NetworkID": "a" * 64,
        "EndpointID": "e" * 64,
        "Gateway": "10.50.0.1",
        "IPAddress": "10.50.0.128",
        "IPPrefixLen": 24,
        "MacAddress": "02:42:0a:32:00:80",
        "IPv6Gateway": "fd00::1",
        "GlobalIPv6Address": "fd00::2",
        "GlobalIPv6PrefixLen": 64,
        "DNSNames": None,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "Ports": {},
        "Routes": [],
        "Sysctls": {},
        "InterfaceName": "eth0",
        "HostInterface": "veth0123456789a",
        "SandboxKey": "/run/netns/c1",
        "Pending": False,
    }


def test_an_endpoint_without_addresses_of_a_family_has_empty_text_and_zero():
    shape = inspect_endpoint.endpoint(replace(C1, ipv6=None, static=(), sandbox=None), NET, {}, nowhere, live=False)
    assert (shape["GlobalIPv6Address"], shape["GlobalIPv6PrefixLen"], shape["IPv6Gateway"]) == ("", 0, "")
    assert (shape["IPAMConfig"], shape["SandboxKey"], shape["Pending"]) == (None, "", True)


def test_further_addresses_are_listed_as_docker_lists_them():
    secondary = (ip_interface("10.50.0.129/24"), ip_interface("fd00::9/64"))
    shape = inspect_endpoint.endpoint(replace(C1, secondary=secondary), NET, {}, nowhere, live=True)
    assert shape["SecondaryIPAddresses"] == [{"Addr": "10.50.0.129", "PrefixLen": 24}]
    assert shape["SecondaryIPv6Addresses"] == [{"Addr": "fd00::9", "PrefixLen": 64}]
    assert (shape["IPAddress"], shape["Gateway"]) == ("10.50.0.128", "10.50.0.1")


def test_routes_and_settings_are_shown_and_a_default_route_of_its_own_is_the_gateway():
    routes = (StaticRoute("0.0.0.0/0", "10.50.0.7"), StaticRoute("10.9.0.0/16", metric=5, type="blackhole"))
    one = replace(C1, routes=routes, sysctls=(("net.ipv4.conf.IFNAME.log_martians", "1"),))
    shape = inspect_endpoint.endpoint(one, replace(NET, internal=True), {}, nowhere, live=True)
    assert shape["Routes"] == [
        {"Destination": "0.0.0.0/0", "Gateway": "10.50.0.7", "Metric": 0, "Type": "unicast"},
        {"Destination": "10.9.0.0/16", "Gateway": "", "Metric": 5, "Type": "blackhole"},
    ]
    assert shape["Sysctls"] == {"net.ipv4.conf.IFNAME.log_martians": "1"}
    assert (shape["Gateway"], shape["IPv6Gateway"]) == ("10.50.0.7", "")


def test_an_internal_network_gives_no_gateway():
    assert inspect_endpoint.endpoint(C1, replace(NET, internal=True), {}, nowhere, live=True)["Gateway"] == ""


def ports(places, *published):
    return inspect_endpoint.endpoint(replace(C1, ports=published), NET, {}, places, live=True)["Ports"]


def everywhere(port):
    return ((4, port.address), (6, port.address))


def test_ports_have_the_shape_of_dockers_network_settings():
    assert ports(everywhere, PublishedPort("tcp", 80, 8080), PublishedPort("udp", 53, 5353)) == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "5353"}, {"HostIp": "::", "HostPort": "5353"}],
    }


def test_a_port_at_one_address_is_shown_there():
    assert ports(lambda port: [(4, port.address)], PublishedPort("tcp", 80, 8080, "127.0.0.1")) == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]
    }


def test_all_ports_of_the_host_that_lead_to_one_of_the_members_stand_together():
    published = (PublishedPort("tcp", 80, 8080), PublishedPort("tcp", 80, 8081, chosen=True))
    assert ports(lambda port: [(4, "")], *published) == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "0.0.0.0", "HostPort": "8081"}]
    }


def test_a_port_that_is_published_nowhere_is_shown_as_exposed_only():
    assert ports(nowhere, PublishedPort("tcp", 80, 8080)) == {"80/tcp": []}


PREDEFINED = ("bridge", "host", "none")
APP = inspect.network(NET, {}, [C1], {"netns:c1"})
EMPTY = inspect.network(replace(NET, labels=()), {}, [], set())
HOST = inspect.network(Network("host", "b" * 64, "host"), {}, [], set())


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        ({}, [APP, EMPTY, HOST]),
        ({"driver": ["bridge"]}, [APP, EMPTY]),
        ({"driver": ["bridge", "host"]}, [APP, EMPTY, HOST]),
        ({"driver": ["brid"]}, []),
        ({"id": ["bbb"]}, [HOST]),
        ({"name": ["os"]}, [HOST]),
        ({"name": ["^app$"]}, []),
        ({"scope": ["local"]}, [APP, EMPTY, HOST]),
        ({"scope": ["swarm"]}, []),
        ({"type": ["builtin"]}, [HOST]),
        ({"type": ["custom"]}, [APP, EMPTY]),
        ({"dangling": ["true"]}, [EMPTY]),
        ({"dangling": ["false"]}, [APP, HOST]),
        ({"label": ["tier"]}, [APP]),
        ({"label": ["tier=app"]}, [APP]),
        ({"label": ["tier=ap"]}, []),
        ({"label": ["tier", "other"]}, []),
        ({"driver": ["bridge"], "dangling": ["false"]}, [APP]),
    ],
)
def test_filters_are_those_of_docker_network_ls(filters, passing):
    assert [shape for shape in (APP, EMPTY, HOST) if inspect.matches(shape, filters, PREDEFINED)] == passing
