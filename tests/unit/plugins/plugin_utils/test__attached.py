# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    Network,
    Pool,
    PortSpec,
    PublishedPort,
    Sandbox,
)
from ansible_collections.netloom.containers.plugins.plugin_utils._attached import (
    Attachment,
    Net,
    _port,
    members,
    recorded,
    recorded_net,
)

FAMILIES = ("ipv4", "ipv6")


def names(*attachments):
    return [(item.name, item.attachments[0].runtime) for item in members(attachments)]


def test_containers_are_called_by_their_names_and_paths_without_slashes():
    found = names(Attachment("app", "/srv/ns/web", "path"), Attachment("app", "web", "docker"))
    assert found == [("srv-ns-web", "path"), ("web", "docker")]


def test_of_one_name_the_runtime_that_auto_asks_first_keeps_it():
    found = names(*(Attachment("app", "7", runtime) for runtime in ("machine", "podman", "docker", "pid", "netns")))
    assert found == [
        ("7", "netns"),
        ("7@pid", "pid"),
        ("7@docker", "docker"),
        ("7@podman", "podman"),
        ("7@machine", "machine"),
    ]


def test_a_name_that_looks_like_a_told_apart_one_is_told_apart_too():
    found = names(
        Attachment("app", "web", "docker"), Attachment("app", "web@docker", "netns"), Attachment("app", "web", "netns")
    )
    assert found == [("web", "netns"), ("web@docker", "netns"), ("web@docker@docker", "docker")]


def test_attachments_of_a_container_come_in_the_order_of_its_default_routes():
    (member,) = members(
        [
            Attachment("c", "web", "netns", gw_priority=-1),
            Attachment("b", "web", "netns"),
            Attachment("a", "web", "netns", "eth1"),
            Attachment("a", "web", "netns", "eth0"),
            Attachment("z", "web", "netns", gw_priority=5),
        ]
    )
    assert [(item.network, item.interface_name) for item in member.attachments] == [
        ("z", ""),
        ("a", "eth0"),
        ("a", "eth1"),
        ("b", ""),
        ("c", ""),
    ]


TWO = [
    Attachment("a", "web", "netns", ipv6_address="fd00::2"),
    Attachment("b", "web", "netns", ipv4_address="10.0.0.2", ipv6_address="fd01::2"),
]


@pytest.mark.parametrize(
    ("families", "preferred", "expected"),
    [
        (("ipv4", "ipv6"), (), "fd00::2"),
        (("ipv4",), (), "10.0.0.2"),
        (("ipv4", "ipv6"), ("never", "b"), "10.0.0.2"),
        (("ipv6",), ("b",), "fd01::2"),
    ],
)
def test_the_address_is_that_of_the_first_network_that_is_preferred(families, preferred, expected):
    (member,) = members(TWO)
    assert member.variables({}, families, preferred)["ansible_host"] == expected


def test_without_an_address_there_is_no_ansible_host():
    (member,) = members([Attachment("a", "web", "netns")])
    assert "ansible_host" not in member.variables({}, FAMILIES, ())


@pytest.mark.parametrize(
    ("live", "pending"), [((True, True), False), ((False, True), False), ((False, False), True), ((None, None), None)]
)
def test_a_container_is_pending_when_none_of_its_attachments_is_plugged(live, pending):
    (member,) = members(Attachment(name, "web", "netns", live=one) for name, one in zip("ab", live))
    assert member.variables({}, FAMILIES, ())["netloom_pending"] is pending


def test_what_is_recorded_is_known():
    endpoint = Endpoint(
        "app",
        "web",
        "docker",
        "1" * 64,
        "nv-1",
        "eth0",
        "02:42:0a:00:00:02",
        ipaddress.ip_interface("10.0.0.2/24"),
        gw_priority=3,
        sandbox=Sandbox("/run/x", container_id="ab12"),
        ports=(PublishedPort("tcp", 80, 8080, "127.0.0.1"),),
        secondary=(ipaddress.ip_interface("10.0.0.3/24"),),
        aliases=("db",),
    )
    network = Network(
        "app",
        "2" * 64,
        "bridge",
        (Pool(ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_address("10.0.0.1")),),
        labels=(("tier", "web"),),
    )
    (member,) = members([recorded(endpoint, live=True)])
    assert member.variables({"app": recorded_net(network), "other": Net("other", "bridge")}, FAMILIES, ()) == {
        "ansible_host": "10.0.0.2",
        "netloom_container": "web",
        "netloom_runtime": "docker",
        "netloom_container_id": "ab12",
        "netloom_pending": False,
        "netloom_endpoints": [
            {
                "network": "app",
                "interface_name": "eth0",
                "mac_address": "02:42:0a:00:00:02",
                "ipv4_address": "10.0.0.2",
                "ipv6_address": None,
                "secondary_addresses": ["10.0.0.3"],
                "aliases": ["db"],
                "published_ports": ["127.0.0.1:8080:80/tcp"],
                "gw_priority": 3,
                "pending": False,
            }
        ],
        "netloom_networks": {
            "app": {
                "driver": "bridge",
                "subnets": ["10.0.0.0/24"],
                "gateways": ["10.0.0.1"],
                "internal": False,
                "labels": {"tier": "web"},
            }
        },
    }


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (PortSpec("tcp", 80), "80/tcp"),
        (PortSpec("tcp", 80, 8080, 8080), "8080:80/tcp"),
        (PortSpec("udp", 53, 5300, 5310, "127.0.0.1"), "127.0.0.1:5300-5310:53/udp"),
        (PortSpec("tcp", 80, 0, 0, "::1"), "[::1]::80/tcp"),
    ],
)
def test_a_port_that_is_asked_for_is_spelt_as_docker_does(spec, text):
    assert _port(spec) == text
