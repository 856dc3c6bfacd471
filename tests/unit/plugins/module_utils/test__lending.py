# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _codec, _lending
from ansible_collections.netloom.containers.plugins.module_utils._changes import plan
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import HOST, LENT, Endpoint, Network, Pool

BRIDGE = driver("bridge")
NETWORK = Network(
    "app",
    "a" * 64,
    "bridge",
    (Pool(ip_network("10.1.0.0/24"), ip_address("10.1.0.1")),),
    ifname="br-app",
    mtu=1500,
    docker=("5" * 64,),
    docker_made=True,
)
MEMBER = _lending.joined(
    Endpoint(
        "app", "e" * 64, LENT, "e" * 64, "veth1", "peer1", "02:00:00:00:00:02", ip_interface("10.1.0.2/24"), held=True
    ),
    "/var/run/docker/netns/1",
    "boot",
)


def resources(member=MEMBER, network=NETWORK):
    return [*_lending.lent(member, BRIDGE.endpoint_resources(network, member))]


def test_of_an_endpoint_that_is_lent_only_what_is_on_the_host_is_ours():
    assert {getattr(item, "place", HOST) for item in resources()} == {HOST}
    assert [item.key for item in resources()] == [
        ("link", HOST, "veth1"),
        ("sysctl", HOST, "net/ipv6/conf/veth1/disable_ipv6"),
        ("up", HOST, "veth1"),
    ]


def test_an_address_that_is_held_is_nothing_on_the_host():
    held = _lending.held(NETWORK, ip_interface("10.1.0.9/24"), "boot")
    assert (held.seat, held.addresses) == ("docker-plugin:10.1.0.9", (ip_interface("10.1.0.9/24"),))
    assert resources(held) == []


def test_where_docker_has_moved_the_other_end_is_no_difference():
    (loan, *others) = resources()
    seen = replace(loan, ifname="", mac="", sandbox="")
    assert plan([loan, *others], [seen, *others]) == ()
    assert [str(change) for change in plan([loan], [replace(loan, isolated=True)])] == [
        "change interface veth1, lent to Docker: isolated true -> false"
    ]


def test_an_endpoint_that_is_lent_follows_to_no_other_address_and_to_no_other_kind():
    _lending.check_kept(NETWORK, MEMBER, MEMBER)
    moved = replace(MEMBER, ipv4=ip_interface("10.2.0.2/24"))
    for network, after in ((NETWORK, moved), (replace(NETWORK, driver="macvlan"), MEMBER)):
        with pytest.raises(NetloomError, match="docker network disconnect its container first"):
            _lending.check_kept(network, MEMBER, after)


def test_what_docker_has_is_in_the_records():
    assert _codec.network(_codec.encode(NETWORK)) == NETWORK
    assert _codec.endpoint(_codec.encode(MEMBER)) == MEMBER
