# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network becomes: what is kept, what is chosen, and what is refused and why."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _resolve as resolve
from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    HostFacts,
    NetworkSpec,
    PoolSpec,
)
from ansible_collections.netloom.containers.plugins.module_utils._subnets import Occupied

FACTS = HostFacts(mtu=1500)


def spec(name="net", *subnets, **given):
    pools = tuple(item if isinstance(item, PoolSpec) else PoolSpec(ip_network(item)) for item in subnets)
    return NetworkSpec(name, **({"pools": pools} if subnets else {}), **given)


def entry(subnet, gateway=None, ip_range=None, aux=None):
    return PoolSpec(
        ip_network(subnet),
        ip_address(gateway) if gateway else None,
        ip_network(ip_range) if ip_range else None,
        None if aux is None else tuple((name, ip_address(address)) for name, address in aux.items()),
    )


def resolved(asked, recorded=None, others=(), facts=FACTS):
    taken = resolve.Others(
        Occupied((pool.subnet, other.name) for other in others for pool in other.pools),
        Occupied(facts.subnets),
        {other.ifname: other.name for other in others},
    )
    return resolve.network(asked, recorded, taken, facts, "/var/lib/netloom")


def member(container, ipv4=None, ipv6=None, static=()):
    return Endpoint(
        network="net",
        container=container,
        runtime="netns",
        id="0" * 64,
        host_ifname="veth0",
        ifname="eth0",
        mac="02:42:0a:32:00:02",
        ipv4=ip_interface(ipv4) if ipv4 else None,
        ipv6=ip_interface(ipv6) if ipv6 else None,
        static=static,
    )


def subnets(network):
    return [str(pool.subnet) for pool in network.pools]


# --- a new network ---


def test_a_name_alone_gives_a_bridge_with_the_first_free_subnet():
    network = resolved(spec())
    assert (network.driver, network.mtu, network.enable_ipv4, network.enable_ipv6) == ("bridge", 1500, True, False)
    assert subnets(network) == ["172.17.0.0/16"]
    assert str(network.pools[0].gateway) == "172.17.0.1"
    assert network.pools[0].auto is True
    assert network.ifname == f"br-{network.id[:12]}"
    assert network.mac.startswith("02:")


def test_the_predefined_bridge_is_netloom0():
    assert resolved(spec("bridge")).ifname == "netloom0"


def test_a_chosen_subnet_overlaps_no_network_no_route_and_no_nameserver():
    other = resolved(spec("other", "172.17.0.0/16"))
    facts = HostFacts(
        subnets=((ip_network("172.18.9.0/24"), "route 172.18.9.0/24"),), nameservers=(ip_address("172.19.0.2"),)
    )
    assert subnets(resolved(spec(), None, [other], facts)) == ["172.20.0.0/16"]


def test_subnets_are_in_one_order_whatever_the_order_asked():
    one = resolved(spec("net", "fd00:1::/64", "10.51.0.0/24", "10.50.0.0/24"))
    two = resolved(spec("net", "10.50.0.0/24", "10.51.0.0/24", "fd00:1::/64"))
    assert one == two
    assert subnets(one) == ["10.50.0.0/24", "10.51.0.0/24", "fd00:1::/64"]


def test_an_ipv6_subnet_alone_gets_an_ipv4_one_beside_it_unless_that_is_off():
    assert subnets(resolved(spec("net", "fd00:1::/64"))) == ["172.17.0.0/16", "fd00:1::/64"]
    assert subnets(resolved(spec("net", "fd00:1::/64", enable_ipv4=False))) == ["fd00:1::/64"]


def test_the_gateway_is_the_first_address_that_is_not_reserved():
    network = resolved(spec("net", entry("10.50.0.0/24", aux={"a": "10.50.0.1"})))
    assert str(network.pools[0].gateway) == "10.50.0.2"


def test_the_mtu_is_that_of_the_default_route_unless_it_is_given():
    assert resolved(spec(), facts=HostFacts(mtu=1450)).mtu == 1450
    assert resolved(spec(options=(("mtu", "1400"),)), facts=HostFacts(mtu=1450)).mtu == 1400


@pytest.mark.parametrize("name", ["mtu", "com.docker.network.driver.mtu"])
def test_an_option_is_the_same_by_short_name_and_by_label(name):
    network = resolved(spec(options=((name, "1400"),)))
    assert (network.mtu, network.options) == (1400, (("mtu", "1400"),))


# --- what is refused ---


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (
            spec(driver="../../tmp/x"),
            "driver_not_found",
            "driver: '../../tmp/x' is not a driver; available: bridge, macvlan, ipvlan, ",
        ),
        (spec(driver="host"), "option_invalid", "driver: host has one network, which is predefined"),
        (spec(driver="null"), "option_invalid", "driver: null has one network, which is predefined"),
        (
            spec(options=(("mtuu", "1400"),)),
            "option_unknown",
            "driver_options: 'mtuu' is not an option of driver bridge (did you mean mtu?); it knows bridge_name, gateway_mode_ipv4, ",
        ),
        (
            spec(options=(("mtu", "1400"), ("com.docker.network.driver.mtu", "1300"))),
            "option_invalid",
            "contradict each other",
        ),
        (spec(options=(("icc", "maybe"),)), "option_invalid", "driver_options.icc: 'maybe' is not true or false"),
        (
            spec(options=(("bridge_name", "br%d"),)),
            "invalid_ifname",
            "driver_options.bridge_name: 'br%d' contains '%' at 3",
        ),
        (spec(options=(("interface_prefix", "x" * 13),)), "invalid_ifname", "driver_options.interface_prefix"),
        (
            spec(ipam_options=(("x", "y"),)),
            "option_unknown",
            "ipam_driver_options: 'x' is not an option of driver default; it knows none",
        ),
        (
            spec("net", "10.50.0.0/24", "10.50.0.128/25"),
            "subnet_overlap",
            "ipam_config[1].subnet: 10.50.0.128/25 overlaps 10.50.0.0/24 of ipam_config[0]",
        ),
        (
            spec("net", "10.50.0.0/24", "10.50.0.0/24"),
            "subnet_overlap",
            "ipam_config[1].subnet: 10.50.0.0/24 overlaps 10.50.0.0/24 of ipam_config[0]",
        ),
        (
            spec("net", entry("10.50.0.0/24", "10.50.0.0")),
            "address_reserved",
            "ipam_config[0].gateway: 10.50.0.0 is the network address of 10.50.0.0/24",
        ),
        (
            spec("net", entry("10.50.0.0/24", "10.50.0.255")),
            "address_reserved",
            "ipam_config[0].gateway: 10.50.0.255 is the broadcast address",
        ),
        (
            spec("net", entry("10.50.0.0/24", "10.50.0.9", aux={"a": "10.50.0.9"})),
            "address_reserved",
            "is the auxiliary address a of",
        ),
        (spec(enable_ipv4=False), "option_invalid", "enable_ipv4: false leaves the network without any subnet"),
        (
            spec("net", "10.50.0.0/24", enable_ipv4=False),
            "option_invalid",
            "ipam_config[0].subnet: 10.50.0.0/24 contradicts enable_ipv4: false",
        ),
        (
            spec("net", "fd00::/64", enable_ipv6=False),
            "option_invalid",
            "ipam_config[0].subnet: fd00::/64 contradicts enable_ipv6: false",
        ),
        (
            spec(options=(("gateway_mode_ipv6", "isolated"),)),
            "option_invalid",
            "driver_options.gateway_mode_ipv6: isolated needs internal: true",
        ),
        (
            spec("net", "fd00::/64", options=(("mtu", "1279"),)),
            "option_invalid",
            "driver_options.mtu: 1279 is less than the 1280 that IPv6 needs",
        ),
        (spec("net", PoolSpec(None, ip_address("10.50.0.1"))), "option_invalid", "gateway and ip_range need a subnet"),
    ],
)
def test_what_cannot_be_made_is_refused_with_option_and_value(asked, code, message, refused):
    found, text = refused(resolved, asked)
    assert found == code
    assert message in text


@pytest.mark.parametrize("text", ["-1", "0", "67", "65536", "70000", "abc", "1.5", "", " 1400", "1e3", "\u0661400"])
def test_an_mtu_that_no_link_takes_is_refused(text, refused):
    code, message = refused(resolved, spec(options=(("mtu", text),)))
    assert code == "option_invalid"
    assert message.startswith(f"driver_options.mtu: {ascii(text)} is not a whole number from 68 to 65535")


@pytest.mark.parametrize("text", ["68", "1279", "65535"])
def test_the_smallest_and_largest_mtu_are_taken(text):
    assert resolved(spec(options=(("mtu", text),))).mtu == int(text)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("10.50.0.0/24", "10.50.0.0/24"),
        ("10.50.0.0/25", "10.50.0.0/24"),
        ("10.50.0.128/25", "10.50.0.0/24"),
        ("10.50.0.64/26", "10.50.0.0/24"),
        ("10.50.0.0/23", "10.50.0.0/24"),
        ("10.48.0.0/13", "10.50.0.0/24"),
        ("10.50.0.254/31", "10.50.0.0/24"),
        ("fd00::/64", "fd00::/64"),
        ("fd00::/48", "fd00:0:0:1::/64"),
        ("fd00:0:0:1::/64", "fd00::/48"),
    ],
)
def test_a_subnet_that_overlaps_another_network_is_refused_with_its_name(mine, theirs, refused):
    other = resolved(spec("other", theirs, enable_ipv4=":" not in theirs))
    code, message = refused(resolved, spec("net", mine, enable_ipv4=":" not in mine), None, [other])
    assert code == "subnet_overlap"
    assert message == f"ipam_config[0].subnet: {mine} overlaps {theirs} of network other"


@pytest.mark.parametrize(("mine", "theirs"), [("10.50.1.0/24", "10.50.0.0/24"), ("10.49.255.0/24", "10.50.0.0/24")])
def test_neighbouring_subnets_do_not_overlap(mine, theirs):
    assert subnets(resolved(spec("net", mine), None, [resolved(spec("other", theirs))])) == [mine]


def test_a_subnet_that_overlaps_the_host_is_refused_with_what_it_overlaps(refused):
    facts = HostFacts(subnets=((ip_network("10.50.0.7/32"), "address 10.50.0.7 on eth0"),))
    assert refused(resolved, spec("net", "10.50.0.0/24"), None, [], facts) == (
        "subnet_host_conflict",
        "ipam_config[0].subnet: 10.50.0.0/24 overlaps address 10.50.0.7 on eth0 of the host",
    )


def test_a_bridge_name_of_another_network_is_refused(refused):
    other = resolved(spec("other", options=(("bridge_name", "br0"),)))
    assert refused(resolved, spec("net", "10.50.0.0/24", options=(("bridge_name", "br0"),)), None, [other]) == (
        "invalid_ifname",
        "driver_options.bridge_name: br0 is the bridge of network other",
    )


# --- a network that is there ---

RECORDED = resolved(
    spec(
        "net",
        entry("10.50.0.0/24", "10.50.0.9", "10.50.0.128/25", {"a": "10.50.0.3"}),
        labels=(("k", "v"),),
        options=(("mtu", "1400"),),
        internal=True,
    )
)


def test_what_is_omitted_stays():
    assert resolved(spec(), RECORDED) == RECORDED


def test_what_a_pool_omits_stays_as_that_subnet_has_it():
    assert resolved(spec("net", "10.50.0.0/24"), RECORDED) == RECORDED


def test_what_is_emptied_goes():
    emptied = resolved(spec(labels=(), options=()), RECORDED)
    assert (emptied.labels, emptied.options, emptied.mtu) == ((), (), 1500)
    pool = resolved(spec("net", entry("10.50.0.0/24", aux={})), RECORDED).pools[0]
    assert (pool.aux, str(pool.gateway)) == ((), "10.50.0.9")


def test_an_empty_ipam_config_asks_for_a_subnet_of_our_choice():
    assert subnets(resolved(NetworkSpec("net", pools=()), RECORDED)) == ["172.17.0.0/16"]


def test_an_empty_ipam_config_keeps_a_subnet_that_we_chose():
    chosen = resolved(spec())
    assert resolved(NetworkSpec("net", pools=()), chosen) == chosen


def test_a_gateway_alone_is_about_the_only_subnet():
    network = resolved(spec("net", PoolSpec(None, ip_address("10.50.0.5"))), RECORDED)
    assert str(network.pools[0].gateway) == "10.50.0.5"
    assert str(network.pools[0].ip_range) == "10.50.0.128/25"


def test_a_subnet_that_is_there_is_not_compared_with_the_host_again():
    facts = HostFacts(subnets=((ip_network("10.50.0.0/16"), "route 10.50.0.0/16"),))
    assert resolved(spec("net", "10.50.0.0/24"), RECORDED, (), facts) == RECORDED


def test_the_mtu_of_a_network_does_not_follow_the_default_route():
    assert resolved(spec(), resolved(spec()), facts=HostFacts(mtu=9000)).mtu == 1500


@pytest.mark.parametrize(
    ("asked", "recorded", "needed"),
    [
        (spec(), None, True),
        (spec(), RECORDED, False),
        (spec("net", "10.50.0.0/24"), RECORDED, False),
        (spec("net", "10.51.0.0/24"), RECORDED, True),
        (NetworkSpec("net", pools=()), RECORDED, True),
        (spec(labels=()), RECORDED, False),
        (spec(options=()), RECORDED, True),
        (spec(driver="bridge"), RECORDED, False),
    ],
)
def test_facts_about_the_host_are_only_needed_where_something_is_chosen(asked, recorded, needed):
    assert resolve.needs_facts(asked, recorded) is needed


# --- obstacles ---


def test_labels_mtu_and_an_added_subnet_are_no_obstacles():
    wanted = resolved(spec("net", "10.50.0.0/24", "10.51.0.0/24", labels=(), options=(("mtu", "1300"),)), RECORDED)
    assert resolve.obstacles(wanted, RECORDED, [member("c1", "10.50.0.130/24")]) == ()


def test_every_difference_is_an_obstacle_of_its_own():
    wanted = resolved(spec("net", "10.60.0.0/24", options=(("bridge_name", "br0"),)), RECORDED)
    found = resolve.obstacles(wanted, RECORDED, [member("c1", "10.50.0.130/24"), member("c2", "10.50.0.131/24")])
    assert found == (
        f"driver_options.bridge_name: {RECORDED.ifname} -> br0",
        "ipam_config: no subnet 10.50.0.0/24, in which c1 has 10.50.0.130",
        "ipam_config: no subnet 10.50.0.0/24, in which c2 has 10.50.0.131",
    )


def test_a_range_that_does_not_hold_a_lease_is_an_obstacle_unless_the_address_was_asked_for():
    wanted = resolved(spec("net", entry("10.50.0.0/24", ip_range="10.50.0.64/26")), RECORDED)
    assert resolve.obstacles(wanted, RECORDED, [member("c1", "10.50.0.130/24")]) == (
        "ipam_config: iprange 10.50.0.64/26 does not hold every lease: c1 has 10.50.0.130",
    )
    assert resolve.obstacles(wanted, RECORDED, [member("c1", "10.50.0.130/24", static=("ipv4",))]) == ()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (entry("10.50.0.0/24", "10.50.0.130"), "the gateway"),
        (entry("10.50.0.0/24", aux={"x": "10.50.0.130"}), "the auxiliary address x"),
    ],
)
def test_an_address_that_a_member_has_cannot_be_reserved_even_by_force(asked, why, refused):
    wanted = resolved(spec("net", asked), RECORDED)
    assert refused(resolve.obstacles, wanted, RECORDED, [member("c1", "10.50.0.130/24")]) == (
        "address_in_use",
        f"ipam_config: 10.50.0.130 cannot be {why}: c1 has 10.50.0.130",
    )


def test_a_subnet_without_members_can_go():
    assert resolve.obstacles(resolved(spec("net", "10.60.0.0/24"), RECORDED), RECORDED, []) == ()


# --- IPv6 ---


def test_a_network_that_asks_for_ipv6_gets_a_subnet_of_this_host_and_its_name():
    asked = spec(enable_ipv6=True)
    found = resolved(asked, facts=HostFacts(identity="one")).pools[1]
    assert (found.subnet.prefixlen, found.subnet.network_address.packed[0], found.auto) == (64, 0xFD, True)
    assert found.gateway == found.subnet[1]
    assert resolved(asked, facts=HostFacts(identity="one")).pools[1] == found
    sibling = resolved(spec("other", enable_ipv6=True), facts=HostFacts(identity="one")).pools[1].subnet
    elsewhere = resolved(asked, facts=HostFacts(identity="two")).pools[1].subnet
    assert sibling != found.subnet
    assert sibling.network_address.packed[:6] == found.subnet.network_address.packed[:6]  # one global id for a host
    assert elsewhere.network_address.packed[:6] != found.subnet.network_address.packed[:6]


def test_a_subnet_of_this_host_that_is_taken_is_passed_over():
    asked = spec(enable_ipv6=True, enable_ipv4=False)
    (first,) = resolved(asked, facts=HostFacts(identity="one")).pools
    facts = HostFacts(identity="one", subnets=((first.subnet, "route"),))
    (second,) = resolved(asked, facts=facts).pools
    assert int(second.subnet.network_address) == int(first.subnet.network_address) + (1 << 64)


def test_an_ipv6_subnet_of_our_choice_is_kept_until_it_is_asked_to_go():
    before = resolved(spec("net", "10.50.0.0/24", enable_ipv6=True), facts=HostFacts(identity="one"))
    assert resolved(spec("net", "10.50.0.0/24"), before).pools == before.pools
    assert resolved(spec("net", "10.50.0.0/24", enable_ipv6=False), before).pools == before.pools[:1]


def test_a_kernel_without_ipv6_is_refused_for_what_needs_it(refused):
    facts = HostFacts(ipv6=False)
    assert refused(resolved, spec(enable_ipv6=True), None, (), facts)[0] == "kernel_unsupported"
    assert resolved(spec(), facts=facts).enable_ipv6 is False


@pytest.mark.parametrize("internal", [True, False])
def test_uplinks_are_remembered_from_when_a_network_begins_to_forward_ipv6(internal):
    facts = HostFacts(advertised=("eth0",))
    network = resolved(spec("net", "fd00::/64", enable_ipv4=False, internal=internal), facts=facts)
    assert network.advertised == (() if internal else ("eth0",))
    later = resolved(spec(internal=False), network, facts=HostFacts(advertised=("eth1",)))
    assert later.advertised == (("eth1",) if internal else ("eth0",))
