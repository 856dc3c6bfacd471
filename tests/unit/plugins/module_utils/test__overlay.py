# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network between hosts asks for, which of the host's addresses and interfaces it uses, and what it is made of."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _codec, _inspect, _overlay
from ansible_collections.netloom.containers.plugins.module_utils import _resolve as resolve
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._model import (
    Endpoint,
    HostFacts,
    NetworkSpec,
    PoolSpec,
    Uplink,
)
from ansible_collections.netloom.containers.plugins.module_utils._names import pairs
from ansible_collections.netloom.containers.plugins.module_utils._overlay import Asked, Underlay
from ansible_collections.netloom.containers.plugins.module_utils._resources import Bridge, Ruleset
from ansible_collections.netloom.containers.plugins.module_utils._vxlan import (
    EVERYBODY,
    Admission,
    Forwarding,
    Neighbour,
    Station,
    Vxlan,
)

OVERLAY = driver("overlay")
ETH0 = Uplink(
    "eth0",
    "",
    1500,
    "02:00:00:00:00:01",
    addresses=(ip_interface("203.0.113.1/24"), ip_interface("fe80::1/64"), ip_interface("2001:db8::1/64")),
)


def network(state_dir="/var/lib/netloom", subnets=("10.1.0.0/24",), name="net", **options):
    given = pairs({"vni": 42, **options}, "driver_options")
    pools = tuple(PoolSpec(ip_network(subnet)) for subnet in subnets)
    spec = NetworkSpec(name, driver="overlay", options=given, pools=pools)
    return resolve.network(spec, None, resolve.Others(), HostFacts(), state_dir)


def asked(**options):
    return _overlay.asked(network(**options))


def tunnelled(**options):
    return replace(network(**options), vtep="203.0.113.1", mtu=1450)


def made(value, kind):
    return [item for item in OVERLAY.network_resources(value) if isinstance(item, kind)]


# --- options ---


def test_options_have_one_spelling_and_peers_are_a_set():
    options = dict(network(peers=["203.0.113.10", " 203.0.113.2", "203.0.113.10"], port="04790", learning="no").options)
    assert options == {"vni": "42", "peers": "203.0.113.2,203.0.113.10", "port": "4790", "learning": "false"}


def test_a_member_elsewhere_has_the_mac_that_members_have_unless_told():
    found = asked(
        learning=False,
        peers=["203.0.113.2"],
        subnets=("10.1.0.0/24", "fd00::/64"),
        endpoints=["fd00::9=02-00-00-00-00-09@203.0.113.2", "10.1.0.9@203.0.113.2"],
    )
    assert found.endpoints == (
        ("10.1.0.9", "02:42:0a:01:00:09", "203.0.113.2"),
        ("fd00::9", "02:00:00:00:00:09", "203.0.113.2"),
    )


def test_what_is_not_given_is_the_port_of_rfc_7348_learning_and_no_peers():
    assert asked() == Asked(42, 4789, (), "", True, False, (), 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vni": None}, "vni: '' is not a whole number from 1 to 16777215"),
        ({"vni": 0}, "vni: '0' is not a whole number from 1 to 16777215"),
        ({"vni": 16777216}, "vni: '16777216' is not"),
        ({"vni": "-1"}, "vni: '-1' is not"),
        ({"vni": "1e3"}, "vni: '1e3' is not"),
        ({"port": 0}, "port: '0' is not a whole number from 1 to 65535"),
        ({"port": 65536}, "port: '65536' is not"),
        ({"peers": ["203.0.113.1", "nobody"]}, "peers: 'nobody': "),
        ({"peers": ["203.0.113.1/24"]}, "peers: '203.0.113.1/24': "),
        ({"peers": ["203.0.113.1", "2001:db8::1"]}, "peers: 203.0.113.1 and 2001:db8::1 are of two IP versions"),
        ({"peers": ["239.1.1.1"]}, "peers: 239.1.1.1 is a multicast address"),
        ({"peers": ["0.0.0.0"]}, "peers: 0.0.0.0 is the unspecified address"),
        ({"peers": ["127.0.0.1"]}, "peers: 127.0.0.1 is a loopback address"),
        ({"peers": ["255.255.255.255"]}, "peers: 255.255.255.255 is the broadcast address"),
        ({"peers": ["fe80::1"]}, "peers: fe80::1 is a link-local address"),
        ({"learning": "maybe"}, "learning: 'maybe' is not true or false"),
        ({"endpoints": ["10.1.0.9@203.0.113.2"], "peers": ["203.0.113.2"]}, "endpoints: is for learning: false"),
        ({"endpoints": ["10.1.0.9"], "learning": False}, "endpoints: '10.1.0.9' is not ADDRESS@PEER"),
        (
            {"endpoints": ["10.1.0.9@203.0.113.2"], "learning": False},
            "endpoints: 203.0.113.2 of 10.1.0.9 is not one of the peers",
        ),
        ({"endpoints": ["fd00::9@203.0.113.2"], "learning": False}, "endpoints: fd00::9 needs a MAC address"),
        (
            {"endpoints": ["10.9.0.9@203.0.113.2"], "learning": False, "peers": ["203.0.113.2"]},
            "endpoints: 10.9.0.9 is in no subnet of the network",
        ),
        (
            {"endpoints": ["10.1.0.9@203.0.113.2", "10.1.0.9@203.0.113.3"], "learning": False},
            "endpoints: 10.1.0.9 is listed twice, and not alike",
        ),
        ({"endpoints": ["10.1.0.9=01:00:00:00:00:01@203.0.113.2"]}, "endpoints: 01:00:00:00:00:01 is a multicast"),
        ({"control_plane": "evpm"}, "control_plane: 'evpm' is not one of none, evpn (did you mean evpn?)"),
        ({"control_plane": "evpn", "learning": True}, "learning: is not for control_plane: evpn"),
        (
            {"control_plane": "evpn", "endpoints": ["10.1.0.9@203.0.113.2"], "peers": ["203.0.113.2"]},
            "endpoints: is for learning: false, without control_plane: evpn",
        ),
        ({"gateway_mode_ipv4": "isolated"}, "gateway_mode_ipv4: isolated needs internal: true"),
    ],
)
def test_a_wrong_value_is_refused_with_option_value_and_rule(options, words, refused):
    code, text = refused(network, **options)
    assert code == "option_invalid"
    assert f"driver_options.{words}" in text


def test_a_network_between_hosts_needs_a_vni(refused):
    spec = NetworkSpec("net", driver="overlay")
    code, text = refused(resolve.network, spec, None, resolve.Others(), HostFacts(), "/x")
    assert (code, text.partition(":")[0]) == ("option_invalid", "driver_options.vni")
    assert "is required by driver overlay" in text


def test_an_unknown_option_is_refused_with_the_nearest(refused):
    code, text = refused(network, peer="203.0.113.2")
    assert (code, "did you mean peers?" in text) == ("option_unknown", True)


# --- the host's own ---


def test_the_hosts_own_address_among_the_peers_is_where_packets_come_from():
    wanted = asked(peers=["203.0.113.1", "203.0.113.2"])
    underlay = Underlay((ETH0,), own=("203.0.113.1",), way="eth0", source="203.0.113.9")
    assert _overlay.tunnel(wanted, underlay, "203.0.113.8") == ("203.0.113.1", ETH0)


def test_without_it_packets_come_from_where_the_route_to_the_first_peer_has_them_come_from():
    wanted = asked(peers=["203.0.113.2"])
    assert _overlay.tunnel(wanted, Underlay((ETH0,), way="eth0", source="203.0.113.9"), "")[0] == "203.0.113.9"


def test_an_address_that_the_host_still_has_stays_where_packets_come_from():
    two = replace(ETH0, addresses=(ip_interface("203.0.113.1/24"), ip_interface("203.0.113.7/24")))
    wanted = asked(peers=["203.0.113.2"])
    underlay = Underlay((two,), way="eth0", source="203.0.113.1")
    assert _overlay.tunnel(wanted, underlay, "203.0.113.7")[0] == "203.0.113.7"
    assert _overlay.tunnel(wanted, underlay, "203.0.113.8")[0] == "203.0.113.1"


@pytest.mark.parametrize(
    ("peers", "vtep"), [(["203.0.113.2"], "203.0.113.1"), (["2001:db8::2"], "2001:db8::1"), ([], "203.0.113.1")]
)
def test_a_parent_gives_its_first_address_of_the_peers_ip_version(peers, vtep):
    wanted = asked(parent="eth0", peers=peers)
    assert _overlay.tunnel(wanted, Underlay((ETH0,), way="eth1", source="192.0.2.1"), "") == (vtep, ETH0)


@pytest.mark.parametrize(
    ("underlay", "options", "code", "words"),
    [
        (Underlay(), {"parent": "eth9"}, "parent_not_found", "parent: there is no interface eth9"),
        (
            Underlay(),
            {"peers": ["203.0.113.2"]},
            "option_invalid",
            "parent: is needed: the host has no route to 203.0.113.2",
        ),
        (Underlay(), {}, "option_invalid", "parent: is needed: the host has no route to anywhere"),
        (
            Underlay((replace(ETH0, up=False),)),
            {"parent": "eth0"},
            "option_invalid",
            "parent: eth0 is down",
        ),
        (
            Underlay((replace(ETH0, addresses=()),)),
            {"parent": "eth0", "peers": ["2001:db8::2"]},
            "option_invalid",
            "parent: eth0 has no IPv6 address",
        ),
        (
            Underlay((ETH0,), own=("203.0.113.1", "203.0.113.7"), way="eth0"),
            {"peers": ["203.0.113.1", "203.0.113.7"]},
            "option_invalid",
            "peers: 203.0.113.1 and 203.0.113.7 are both addresses of this host",
        ),
    ],
)
def test_a_host_without_a_way_to_its_peers_is_refused(underlay, options, code, words, refused):
    found, text = refused(_overlay.tunnel, asked(**options), underlay, "")
    assert found == code
    assert f"driver_options.{words}" in text


@pytest.mark.parametrize(("version", "fits"), [(4, 1450), (6, 1430)])
def test_packets_of_members_leave_room_for_what_is_put_round_them(version, fits):
    assert _overlay.mtu(asked(), 0, ETH0, version, new=True) == fits
    assert _overlay.mtu(asked(mtu=1300), 0, ETH0, version, new=True) == 1300
    assert _overlay.mtu(asked(), 1300, ETH0, version, new=False) == 1300


def test_an_mtu_that_does_not_fit_is_refused_with_both_numbers(refused):
    code, text = refused(_overlay.mtu, asked(mtu=1451), 0, ETH0, 4, new=True)
    assert code == "option_invalid"
    assert text.startswith("driver_options.mtu: 1451 is more than the 1450 that fit: eth0 takes 1500")


def test_an_interface_that_takes_less_by_now_is_told_of():
    value = tunnelled()
    assert [*_overlay.shrunk(value, ETH0)] == []
    (words,) = _overlay.shrunk(value, replace(ETH0, mtu=1499))
    assert words.startswith("network net: eth0 takes packets of 1499 bytes, and members' of 1450 need 1500")


def test_the_smallest_mtu_of_ipv6_counts_where_the_underlay_is_known(refused):
    value = replace(network(subnets=("10.1.0.0/24", "fd00::/64")), mtu=1279)
    assert refused(resolve.check_mtu, value)[0] == "option_invalid"


# --- what it is made of ---


def test_every_host_has_the_gateway_at_the_same_mac_whatever_its_state_directory():
    one, other = network("/var/lib/netloom"), network("/var/lib/other")
    assert one.mac == other.mac
    assert one.id != other.id
    assert network(name="another").mac != one.mac


def test_a_ula_of_a_network_between_hosts_is_the_same_on_every_host():
    spec = NetworkSpec("net", driver="overlay", options=(("vni", "42"),), enable_ipv4=False, enable_ipv6=True)
    found = {
        resolve.network(spec, None, resolve.Others(), HostFacts(identity=identity), "/x").pools
        for identity in ("one", "two")
    }
    assert len(found) == 1


def test_a_network_that_learns_sends_a_copy_to_each_peer_but_itself():
    value = tunnelled(peers=["203.0.113.1", "203.0.113.2", "203.0.113.3"])
    name = f"vx-{value.id[:12]}"
    assert made(value, Forwarding) == [
        Forwarding(name, EVERYBODY, "203.0.113.2"),
        Forwarding(name, EVERYBODY, "203.0.113.3"),
    ]
    assert [item.name for item in made(value, Admission)] == [
        "peer 203.0.113.2 of VNI 42 at port 4789",
        "peer 203.0.113.3 of VNI 42 at port 4789",
    ]
    assert made(value, Neighbour) == []


def test_a_network_that_does_not_learn_knows_the_members_of_other_hosts_only():
    value = tunnelled(
        learning=False,
        peers=["203.0.113.1", "203.0.113.2"],
        endpoints=["10.1.0.2@203.0.113.1", "10.1.0.9@203.0.113.2"],
    )
    name = f"vx-{value.id[:12]}"
    assert made(value, Forwarding) == [Forwarding(name, "02:42:0a:01:00:09", "203.0.113.2")]
    assert made(value, Neighbour) == [Neighbour(name, "10.1.0.9", "02:42:0a:01:00:09")]
    assert len(made(value, Admission)) == 1


def test_what_a_routing_daemon_fills_is_told_of_own_members_only():
    value = tunnelled(control_plane="evpn", peers=["203.0.113.1", "203.0.113.2"])
    (vxlan,) = made(value, Vxlan)
    assert (vxlan.learning, vxlan.evpn, vxlan.suppressing) == (False, True, True)
    assert (made(value, Forwarding), made(value, Neighbour)) == ([], [])
    assert len(made(value, Admission)) == 1
    member = Endpoint(
        *("net", "c1", "netns", "0" * 64, "veth0", "eth0"),
        ipv4=ip_interface("10.1.0.9/24"),
        mac="02:42:0a:01:00:09",
        secondary=(ip_interface("10.1.0.10/24"),),
    )
    resources = [*OVERLAY.endpoint_resources(value, member)]
    assert [item for item in resources if isinstance(item, (Station, Neighbour))] == [
        Station(member.host_ifname, "02:42:0a:01:00:09"),
        Neighbour(value.ifname, "10.1.0.9", "02:42:0a:01:00:09"),
        Neighbour(value.ifname, "10.1.0.10", "02:42:0a:01:00:09"),
    ]
    others = [*OVERLAY.endpoint_resources(tunnelled(), member)]
    assert not [item for item in others if isinstance(item, (Station, Neighbour))]


def test_the_device_is_a_port_of_the_bridge_with_the_same_mtu():
    value = tunnelled(peers=["203.0.113.2"], icc=False)
    (bridge,), (vxlan,) = made(value, Bridge), made(value, Vxlan)
    assert (vxlan.master, vxlan.mtu, bridge.mtu) == (bridge.name, 1450, 1450)
    assert (vxlan.vni, vxlan.port, vxlan.local, vxlan.isolated) == (42, 4789, "203.0.113.1", True)
    assert vxlan.mac != bridge.mac


@pytest.mark.parametrize(("vtep", "family"), [("203.0.113.1", "ip"), ("2001:db8::1", "ip6")])
def test_the_filter_is_that_of_the_ip_version_that_carries_the_packets(vtep, family):
    families = {item.family for item in made(replace(tunnelled(), vtep=vtep), Ruleset)}
    assert families == {"inet", "bridge", family}


@pytest.mark.parametrize("option", [{"vni": 43}, {"port": 4790}, {"learning": False}, {"control_plane": "evpn"}])
def test_what_the_kernel_cannot_change_makes_the_device_anew(option):
    (before,), (after,) = made(tunnelled(), Vxlan), made(tunnelled(**option), Vxlan)
    assert before.fixed != after.fixed


# --- what is shown and recorded ---


def test_it_is_shown_as_docker_shows_an_overlay():
    shape = _inspect.network(tunnelled(peers=["203.0.113.2", "203.0.113.1"]), {}, (), ())
    assert (shape["Scope"], shape["Peers"]) == ("global", [{"Name": "203.0.113.2", "IP": "203.0.113.2"}])
    assert _inspect.matches(shape, {"scope": ["global"]}, ())


def test_records_keep_it_and_older_ones_are_read():
    value = replace(tunnelled(), parent="eth0")
    assert _codec.network(_codec.encode(value)) == value
    older = _codec.encode(value).replace('"parent":"eth0",', "").replace(',"vtep":"203.0.113.1"', "")
    assert _codec.network(older) == replace(value, parent="", vtep="")
