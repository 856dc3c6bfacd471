# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes can be asked for, and what is said of the others."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _routes as routes
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, StaticRoute

C1 = Endpoint(
    *("net", "c1", "netns", "1" * 64, "veth1", "eth0", "02:42:0a:32:00:02"),
    ipv4=ip_interface("10.1.0.2/24"),
    ipv6=ip_interface("fd00:1::2/64"),
)


def parsed(*items):
    empty = {"gateway": None, "metric": None, "type": "unicast"}
    return routes.static_routes([{**empty, **item} for item in items])


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"destination": "10.9.0.0/16", "gateway": "10.1.0.9"}, StaticRoute("10.9.0.0/16", "10.1.0.9")),
        ({"destination": "10.9.0.7", "gateway": "10.1.0.9"}, StaticRoute("10.9.0.7/32", "10.1.0.9")),
        ({"destination": "FD00:9::7", "gateway": "fd00:1:0::9"}, StaticRoute("fd00:9::7/128", "fd00:1::9")),
        ({"destination": "default", "gateway": "10.1.0.9", "metric": 0}, StaticRoute("0.0.0.0/0", "10.1.0.9")),
        ({"destination": "default", "gateway": "fd00:1::9", "metric": 1024}, StaticRoute("::/0", "fd00:1::9")),
        ({"destination": "::/0", "type": "prohibit"}, StaticRoute("::/0", type="prohibit")),
        (
            {"destination": "10.9.0.0/16", "type": "blackhole", "metric": 4294967295},
            StaticRoute("10.9.0.0/16", metric=4294967295, type="blackhole"),
        ),
        (
            {"destination": "10.9.0.0/16", "type": "blackhole", "metric": 1024},
            StaticRoute("10.9.0.0/16", "", 1024, "blackhole"),
        ),
    ],
)
def test_a_route_is_one_by_value(item, expected):
    assert parsed(item) == (expected,)


GATEWAY = {"gateway": "10.1.0.9"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            {"destination": "", **GATEWAY},
            "destination: '' is neither ADDRESS/PREFIX-LENGTH nor an address nor 'default'",
        ),
        ({"destination": "lan", **GATEWAY}, "destination: 'lan': "),
        ({"destination": "10.9.0.0/255.255.0.0", **GATEWAY}, "destination: '10.9.0.0/255.255.0.0' is neither"),
        ({"destination": "10.9.0.0/33", **GATEWAY}, "destination: '10.9.0.0/33': "),
        (
            {"destination": "10.9.0.1/16", **GATEWAY},
            "destination: '10.9.0.1/16' has host bits set; it should be 10.9.0.0/16",
        ),
        ({"destination": "fe80::%eth0/64", "gateway": "fd00:1::9"}, "destination: 'fe80::%eth0/64' is neither"),
        ({"destination": "default", "type": "blackhole"}, "destination: 'default' is of either IP version"),
        ({"destination": "10.9.0.0/16"}, "gateway: is required; a route of type unicast leads to one"),
        ({"destination": "10.9.0.0/16", "gateway": "router"}, "gateway: 'router': "),
        (
            {"destination": "10.9.0.0/16", "gateway": "fd00:1::9"},
            "gateway: fd00:1::9 is an IPv6 address; that of 10.9.0.0/16 is one of IPv4",
        ),
        (
            {"destination": "10.9.0.0/16", "type": "prohibit", **GATEWAY},
            "gateway: 10.1.0.9 is given; a route of type prohibit leads nowhere and has none",
        ),
        (
            {"destination": "10.9.0.0/16", "metric": -1, **GATEWAY},
            "metric: -1 is not a whole number from 0 to 4294967295",
        ),
        ({"destination": "10.9.0.0/16", "metric": 4294967296, **GATEWAY}, "metric: 4294967296 is not"),
        ({"destination": "10.9.0.0/16", "metric": True, **GATEWAY}, "metric: True is not"),
    ],
)
def test_what_is_no_route_is_refused_with_option_value_and_rule(item, message, refused):
    code, text = refused(parsed, {"destination": "10.8.0.0/16", **GATEWAY}, item)
    assert code == "option_invalid"
    assert text.startswith(f"routes[1].{message}")


@pytest.mark.parametrize("other", [{"metric": 0}, {"gateway": "10.1.0.8"}, {"gateway": None, "type": "blackhole"}])
def test_of_one_destination_and_metric_there_is_one_route(other, refused):
    first = {"destination": "10.9.0.0/16", **GATEWAY}
    code, text = refused(parsed, first, {**first, **other})
    assert (code, text.partition(";")[0]) == (
        "option_invalid",
        "routes[1].destination: 10.9.0.0/16 with metric 0 is routes[0] already",
    )
    assert len(parsed(first, {**first, **other, "metric": 7})) == 2


def test_metric_0_and_1024_are_one_in_ipv6_and_two_in_ipv4(refused):
    six = {"destination": "fd00:9::/32", "gateway": "fd00:1::9"}
    four = {"destination": "10.9.0.0/16", **GATEWAY}
    assert refused(parsed, six, {**six, "metric": 1024})[0] == "option_invalid"
    assert len(parsed(four, {**four, "metric": 1024})) == 2


def test_a_gateway_is_a_neighbour(refused):
    assert routes.check(parsed({"destination": "10.9.0.0/16", **GATEWAY}), C1) is None
    for gateway, reason in (("10.1.0.2", "is the container's own address"), ("10.2.0.1", "is in no subnet")):
        code, text = refused(routes.check, parsed({"destination": "10.9.0.0/16", "gateway": gateway}), C1)
        assert (code, text.startswith(f"routes[0].gateway: {gateway} {reason}")) == ("option_invalid", True)


def test_a_list_of_routes_means_a_set():
    four = [
        {"destination": f"10.{number}.0.0/16", **GATEWAY, "metric": metric} for number in (9, 10) for metric in (0, 5)
    ]
    assert routes.in_order(parsed(*four)) == routes.in_order(parsed(*four[::-1]))
    assert [str(route) for route in routes.in_order(parsed(*four[::-1]))] == [
        "10.9.0.0/16 via 10.1.0.9",
        "10.9.0.0/16 via 10.1.0.9 metric 5",
        "10.10.0.0/16 via 10.1.0.9",
        "10.10.0.0/16 via 10.1.0.9 metric 5",
    ]
