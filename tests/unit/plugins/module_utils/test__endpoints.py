# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint becomes: addresses, MAC, interface names and default routes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _endpoints as endpoints
from ansible_collections.netloom.containers.plugins.module_utils._ipam import Leases
from ansible_collections.netloom.containers.plugins.module_utils._model import EndpointSpec, Network, Pool, Sandbox
from ansible_collections.netloom.containers.plugins.module_utils._resources import Route

SANDBOX = Sandbox("/run/netns/c1", "boot", 7, 9)


def pool(subnet, gateway, ip_range=None):
    return Pool(ip_network(subnet), ip_address(gateway), ip_network(ip_range) if ip_range else None)


def net(name="net", *pools, **given):
    return Network(
        name,
        "f" * 64,
        "bridge",
        pools or (pool("10.50.0.0/24", "10.50.0.1"),),
        ifname="br0",
        mac="02:11:22:33:44:55",
        **given,
    )


def attached(network=None, recorded=None, others=(), ifnames=(), container="c1", **asked):
    network = network or net()
    asked = {name: ip_address(value) if name in ("ipv4", "ipv6") else value for name, value in asked.items()}
    spec = EndpointSpec(network.name, container, **asked)
    return endpoints.endpoint(spec, network, recorded, ("netns", container), SANDBOX, leases(*others), ifnames)


def leases(*held):
    found = Leases()
    for endpoint in held:
        found.put(endpoint.place, endpoint)
    return found


# --- a new endpoint ---


def test_a_new_endpoint_gets_the_lowest_address_its_mac_and_eth0():
    found = attached()
    assert (str(found.ipv4), found.ipv6) == ("10.50.0.2/24", None)
    assert (found.mac, found.ifname, found.gw_priority) == ("02:42:0a:32:00:02", "eth0", 0)
    assert found.static == ()
    assert (found.place, found.sandbox) == ("netns:c1", SANDBOX)
    assert len(found.host_ifname) == 15 and found.host_ifname.startswith("veth")


def test_names_on_the_host_are_the_same_every_time_and_differ_by_container():
    assert attached().host_ifname == attached().host_ifname
    assert attached().host_ifname != attached(container="c2").host_ifname


def test_the_next_address_and_interface_name_that_are_free_are_taken():
    first = attached()
    second = attached(container="c2", others=[first], ifnames={"eth0", "eth2"})
    assert (str(second.ipv4), second.ifname) == ("10.50.0.3/24", "eth1")


def test_a_network_of_both_families_gives_both_addresses():
    both = net("net", pool("10.50.0.0/24", "10.50.0.1"), pool("fd00::/64", "fd00::1"))
    assert [str(item) for item in attached(both).addresses] == ["10.50.0.2/24", "fd00::2/64"]


def test_containers_of_one_name_on_two_hosts_have_two_macs_on_a_network_of_both():
    hosts = [
        replace(net("net", pool("fd00::/64", "fd00::1", part), enable_ipv4=False), driver="overlay")
        for part in ("fd00::1:0/112", "fd00::2:0/112")
    ]
    one, other = (attached(network) for network in hosts)
    assert one.mac != other.mac
    assert one.mac == attached(hosts[0]).mac


def test_a_network_of_ipv6_alone_gives_a_local_mac():
    found = attached(net("net", pool("fd00::/64", "fd00::1")))
    assert (found.ipv4, str(found.ipv6)) == (None, "fd00::2/64")
    assert found.mac.startswith("02:") and not found.mac.startswith("02:42:")


def test_a_full_subnet_is_followed_by_the_next():
    two = net("net", pool("10.50.0.0/30", "10.50.0.1"), pool("10.51.0.0/24", "10.51.0.1"))
    first = attached(two)
    assert str(attached(two, container="c2", others=[first]).ipv4) == "10.51.0.2/24"


def test_when_every_subnet_is_full_the_refusal_names_the_network(refused):
    tiny = net("net", pool("10.50.0.0/30", "10.50.0.1"))
    code, message = refused(attached, tiny, container="c2", others=[attached(tiny)])
    assert code == "pool_exhausted"
    assert message == "network net: no free address in 10.50.0.0/30, 4 of 4 are taken"


def test_a_full_family_refuses_the_whole_endpoint(refused):
    both = net("net", pool("10.50.0.0/24", "10.50.0.1"), pool("fd00::/127", "fd00::"))
    assert refused(attached, both, container="c2", others=[attached(both)])[0] == "pool_exhausted"


def test_the_interface_prefix_of_the_network_is_used():
    assert attached(net(options=(("interface_prefix", "lan"),)), ifnames={"lan0"}).ifname == "lan1"


# --- what is asked for ---


def test_what_is_given_is_taken_and_remembered_as_given():
    found = attached(ipv4="10.50.0.9", mac="02:00:00:00:00:09", ifname="web0", gw_priority=3)
    assert (str(found.ipv4), found.mac, found.ifname, found.gw_priority) == (
        "10.50.0.9/24",
        "02:00:00:00:00:09",
        "web0",
        3,
    )
    assert found.static == ("ifname", "ipv4", "mac")


@pytest.mark.parametrize("name", ["ifname", "com.docker.network.endpoint.ifname"])
def test_an_interface_name_can_be_a_driver_option(name):
    found = attached(driver_opts=((name, "web0"),))
    assert (found.ifname, found.driver_opts) == ("web0", (("ifname", "web0"),))


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ({"ipv4": "10.50.0.2"}, "address_in_use", "ipv4_address: 10.50.0.2 on network net is held by web"),
        ({"ipv4": "10.50.0.1"}, "address_reserved", "ipv4_address: 10.50.0.1 is the gateway of 10.50.0.0/24"),
        ({"ipv4": "10.51.0.1"}, "invalid_address", "ipv4_address: 10.51.0.1 is not in 10.50.0.0/24 of network net"),
        ({"ipv6": "fd00::9"}, "invalid_address", "ipv6_address: network net has no IPv6 subnet"),
        (
            {"mac": "02:42:0a:32:00:02"},
            "address_in_use",
            "mac_address: 02:42:0a:32:00:02 on network net is held by web",
        ),
        (
            {"mac": "02:11:22:33:44:55"},
            "address_in_use",
            "mac_address: 02:11:22:33:44:55 on network net is held by the bridge",
        ),
        ({"ifname": "eth0"}, "endpoint_exists", "interface_name: eth0 exists in c1 already"),
        (
            {"driver_opts": (("mtu", "1400"),)},
            "option_unknown",
            "driver_opts: 'mtu' is not an option of driver bridge; it knows burst, egress_rate, ifname, ingress_rate, port_security",
        ),
    ],
)
def test_what_somebody_else_has_is_refused_with_who_has_it(asked, code, message, refused):
    web = attached(container="web")
    assert refused(attached, others=[web], ifnames={"eth0"}, **asked) == (code, message)


@pytest.mark.parametrize("name", ["host", "none"])
def test_nothing_can_be_attached_to_host_and_none(name, refused):
    predefined = Network(name, "f" * 64, "host" if name == "host" else "null")
    assert refused(attached, predefined) == (
        "option_invalid",
        f"network: nothing can be attached to the predefined network {name}",
    )


# --- an endpoint that is there ---


def test_what_is_omitted_stays():
    before = attached(ipv4="10.50.0.9", mac="02:00:00:00:00:09", ifname="web0", gw_priority=3)
    assert attached(recorded=before) == before


def test_a_changed_address_keeps_the_mac_and_the_interface_name():
    before = attached()
    after = attached(recorded=before, ipv4="10.50.0.77")
    assert after == replace(before, ipv4=ip_interface("10.50.0.77/24"), static=("ipv4",))


def test_a_derived_mac_that_is_taken_gives_way_to_a_local_one():
    thief = attached(container="thief", ipv4="10.50.0.9", mac="02:42:0a:32:00:02")
    found = attached(others=[thief])
    assert str(found.ipv4) == "10.50.0.2/24"
    assert found.mac != "02:42:0a:32:00:02" and found.mac.startswith("02:")


def test_an_endpoint_keeps_its_name_whatever_the_container_is_called_now():
    before = attached(container="c1")
    spec = EndpointSpec("net", "/run/netns/c1")
    after = endpoints.endpoint(spec, net(), before, ("path", "/run/netns/c1"), SANDBOX, leases(), [])
    assert after == before


# --- moving to a rebuilt network ---


def test_an_address_that_a_rebuilt_network_still_holds_is_kept():
    before = attached(ipv4="10.50.0.9", mac="02:00:00:00:00:09", ifname="web0")
    rebuilt = net("net", pool("10.50.0.0/24", "10.50.0.254"))
    assert endpoints.moved(before, rebuilt, leases()) == before


def test_an_address_that_a_rebuilt_network_does_not_hold_is_replaced_and_the_rest_is_kept():
    before = attached(mac="02:00:00:00:00:09", ifname="web0")
    after = endpoints.moved(before, net("net", pool("10.60.0.0/24", "10.60.0.1")), leases())
    assert (str(after.ipv4), after.mac, after.ifname) == ("10.60.0.2/24", "02:00:00:00:00:09", "web0")


def test_two_members_that_move_get_two_addresses():
    rebuilt = net("net", pool("10.60.0.0/24", "10.60.0.1"))
    first = endpoints.moved(attached(), rebuilt, leases())
    second = endpoints.moved(attached(container="c2", ipv4="10.50.0.3"), rebuilt, leases(first))
    assert str(second.ipv4) == "10.60.0.3/24"


# --- default routes ---


def plugged(name, priority, **given):
    network = net(name, **given)
    return attached(network, ifname=f"{name}0", gw_priority=priority), network


@pytest.mark.parametrize(
    ("pairs", "winner"),
    [
        ([("a", 0), ("b", 0)], "a0"),
        ([("b", 0), ("a", 0)], "a0"),
        ([("a", 0), ("b", 1)], "b0"),
        ([("a", -1), ("b", 0)], "b0"),
        ([("a", 5)], "a0"),
    ],
)
def test_the_highest_priority_gives_the_default_route_and_ties_go_by_name(pairs, winner):
    routes = list(endpoints.default_routes("netns:c1", [plugged(name, priority) for name, priority in pairs]))
    assert routes == [Route("netns:c1", "0.0.0.0/0", "10.50.0.1", winner)]


def test_an_internal_network_gives_no_default_route():
    assert list(endpoints.default_routes("netns:c1", [plugged("a", 5, internal=True)])) == []


def test_families_may_leave_by_different_networks():
    six = net("six", pool("fd00::/64", "fd00::1"))
    routes = list(endpoints.default_routes("p", [plugged("a", 0), (attached(six, ifname="six0"), six)]))
    assert routes == [Route("p", "0.0.0.0/0", "10.50.0.1", "a0"), Route("p", "::/0", "fd00::1", "six0")]
