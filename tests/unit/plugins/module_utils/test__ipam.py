# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address management: who gets which address, and what is never handed out."""

from __future__ import annotations

import ipaddress
import random
import sys
import time
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _ipam as ipam
from ansible_collections.netloom.containers.plugins.module_utils import _subnets as subnetting
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Pool
from hypothesis import given, settings
from hypothesis import strategies as st


def pool(subnet, gateway=None, ip_range=None, **aux):
    return Pool(
        ip_network(subnet),
        ip_address(gateway) if gateway else None,
        ip_network(ip_range) if ip_range else None,
        tuple((name, ip_address(address)) for name, address in aux.items()),
    )


def holding(container, address, mac="02:00:00:00:00:01"):
    """Return an endpoint that holds an address."""
    ipv4, ipv6 = (address, None) if address.version == 4 else (None, address)
    return Endpoint("net", container, "netns", "0" * 64, "veth0", "eth0", mac, ipv4, ipv6)


def leases(*held):
    """Return the leases of a network whose containers hold these addresses, (container, address) each."""
    found = ipam.Leases()
    for number, (container, address) in enumerate(held):
        found.put(f"netns:{container}-{number}", holding(container, ip_interface(address)))
    return found


def fill(of, limit=1 << 17):
    """Return what a network hands out until it refuses, and the refusal."""
    given_out, held = [], ipam.Leases()
    for number in range(limit):
        try:
            address = ipam.free_address(of, held, "net")
        except NetloomError as error:
            return [str(address.ip) for address in given_out], error
        given_out.append(address)
        held.put(f"netns:c{number}", holding(f"c{number}", address))
    raise AssertionError("it never ends")


# --- handing out ---


def test_a_24_gives_253_addresses_in_order_and_then_says_that_it_is_full():
    given_out, error = fill(pool("10.50.0.0/24", "10.50.0.1"))
    assert given_out == [f"10.50.0.{last}" for last in range(2, 255)]
    assert error.code == "pool_exhausted"
    assert error.message == "network net: no free address in 10.50.0.0/24, 256 of 256 are taken"


def test_a_29_gives_5_addresses():
    assert fill(pool("10.50.0.0/29", "10.50.0.1"))[0] == [f"10.50.0.{last}" for last in range(2, 7)]


@pytest.mark.parametrize("gateway", ["10.50.0.1", "10.50.0.3", "10.50.0.6"])
def test_the_gateway_is_never_handed_out_wherever_it_is(gateway):
    expected = [f"10.50.0.{last}" for last in range(1, 7) if f"10.50.0.{last}" != gateway]
    assert fill(pool("10.50.0.0/29", gateway))[0] == expected


@pytest.mark.parametrize(
    ("ip_range", "expected"),
    [
        ("10.50.0.0/30", ["10.50.0.2", "10.50.0.3"]),
        ("10.50.0.4/30", ["10.50.0.4", "10.50.0.5", "10.50.0.6"]),
        ("10.50.0.7/32", []),
        ("10.50.0.0/32", []),
    ],
)
def test_a_range_at_an_end_of_the_subnet_gives_neither_network_nor_broadcast_address(ip_range, expected):
    assert fill(pool("10.50.0.0/29", "10.50.0.1", ip_range))[0] == expected


def test_broadcast_of_the_range_is_an_address_like_any_other():
    assert fill(pool("10.50.0.0/24", "10.50.0.1", "10.50.0.64/30"))[0] == [f"10.50.0.{last}" for last in range(64, 68)]


def test_range_gateway_and_reserved_addresses_together():
    small = pool("10.50.0.0/24", "10.50.0.1", "10.50.0.64/31", a="10.50.0.65", b="10.50.0.128")
    given_out, error = fill(small)
    assert given_out == ["10.50.0.64"]
    assert error.message == "network net: no free address in 10.50.0.64/31, 2 of 2 are taken"
    claimed = ipam.claimed_address(small, ip_address("10.50.0.129"), leases(), "", "ipv4_address", "net")
    assert claimed == ip_interface("10.50.0.129/24")
    assert ipam.counters(small, []) == {"IPsInUse": 5, "DynamicIPsAvailable": 1}
    assert ipam.counters(small, [ip_address("10.50.0.64")]) == {"IPsInUse": 6, "DynamicIPsAvailable": 0}


def test_an_address_that_is_released_from_a_full_pool_is_the_next_one():
    full = pool("10.50.0.0/24", "10.50.0.1")
    held = leases(*(("c", f"10.50.0.{last}/24") for last in range(2, 255)))
    with pytest.raises(NetloomError, match="no free address"):
        ipam.free_address(full, held, "net")
    held.put("netns:c-95", None)
    assert ipam.free_address(full, held, "net") == ip_interface("10.50.0.97/24")


def test_a_31_has_two_addresses_and_no_broadcast():
    assert fill(pool("10.50.0.0/31", "10.50.0.0"))[0] == ["10.50.0.1"]


# --- static addresses ---


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        ("10.50.0.9", "address_in_use", "ipv4_address: 10.50.0.9 on network net is held by web"),
        ("10.50.0.1", "address_reserved", "ipv4_address: 10.50.0.1 is the gateway of 10.50.0.0/24"),
        ("10.50.0.0", "address_reserved", "ipv4_address: 10.50.0.0 is the network address of 10.50.0.0/24"),
        ("10.50.0.255", "address_reserved", "ipv4_address: 10.50.0.255 is the broadcast address of 10.50.0.0/24"),
        ("10.50.0.5", "address_reserved", "ipv4_address: 10.50.0.5 is the auxiliary address printer of 10.50.0.0/24"),
        ("10.51.0.5", "invalid_address", "ipv4_address: 10.51.0.5 is not in 10.50.0.0/24 of network net"),
        ("fd00::5", "invalid_address", "ipv4_address: fd00::5 is not in 10.50.0.0/24 of network net"),
    ],
)
def test_an_address_that_cannot_be_had_is_refused_with_who_has_it(address, code, message, refused):
    subnet = pool("10.50.0.0/24", "10.50.0.1", printer="10.50.0.5")
    asked = (ip_address(address), leases(("web", "10.50.0.9/24")), "netns:me", "ipv4_address", "net")
    assert refused(ipam.claimed_address, subnet, *asked) == (code, message)


def test_an_address_outside_the_range_may_be_asked_for():
    subnet = pool("10.50.0.0/24", "10.50.0.1", "10.50.0.128/25")
    asked = (ip_address("10.50.0.2"), leases(), "", "o", "net")
    assert ipam.claimed_address(subnet, *asked) == ip_interface("10.50.0.2/24")


# --- leases: as recorded, and as a task is about to change them ---


class Recorded(ipam.NoLeases):
    """Records in which c1 holds 10.50.0.2 and c2 holds 10.50.0.3."""

    def holders(self, address):
        return {"10.50.0.2": [("netns:c1", "c1")], "10.50.0.3": [("netns:c2", "c2")]}.get(str(address), [])

    def mac_holders(self, mac):
        return [("netns:c1", "c1")] if mac == "02:00:00:00:00:01" else []

    def next_free(self, subnet, first, last):
        return next((one for one in subnet if first <= one <= last and not self.holders(one)), None)


C1 = holding("c1", ip_interface("10.50.0.2/24"))


def test_what_the_records_say_counts_until_the_task_decides_otherwise():
    held = ipam.Leases(Recorded())
    subnet = pool("10.50.0.0/24", "10.50.0.1")
    assert (held.holder(ip_address("10.50.0.2")), held.mac_holder("02:00:00:00:00:01")) == ("c1", "c1")
    assert str(ipam.free_address(subnet, held, "net").ip) == "10.50.0.4"
    held.put("netns:c1", None, [C1])
    assert (held.holder(ip_address("10.50.0.2")), held.mac_holder("02:00:00:00:00:01")) == ("", "")
    assert str(ipam.free_address(subnet, held, "net").ip) == "10.50.0.2"


def test_an_endpoint_never_stands_in_its_own_way():
    held = ipam.Leases(Recorded())
    assert held.holder(ip_address("10.50.0.2"), "netns:c1") == ""
    held.put("netns:c1", C1, [C1])
    assert held.holder(ip_address("10.50.0.2"), "netns:c1") == ""
    assert held.holder(ip_address("10.50.0.2"), "netns:c2") == "c1"


def test_an_address_that_one_gives_up_and_another_takes_is_held_once():
    held = ipam.Leases(Recorded())
    moved = holding("c1", ip_interface("10.50.0.9/24"))
    held.put("netns:c1", moved, [C1])
    held.put("netns:c3", holding("c3", ip_interface("10.50.0.2/24")))
    assert held.holder(ip_address("10.50.0.2"), "netns:c1") == "c3"
    assert held.holder(ip_address("10.50.0.9")) == "c1"
    held.put("netns:c3", None)
    assert held.holder(ip_address("10.50.0.2")) == ""


# --- gateways ---


@pytest.mark.parametrize(
    ("subnet", "aux", "gateway"),
    [
        ("10.50.0.0/24", [], "10.50.0.1"),
        ("10.50.0.0/24", ["10.50.0.1", "10.50.0.2"], "10.50.0.3"),
        ("10.50.0.0/31", [], "10.50.0.0"),
        ("fd00::/64", [], "fd00::1"),
        ("fd00::/127", [], "fd00::"),
    ],
)
def test_the_first_address_that_is_not_reserved_is_the_gateway(subnet, aux, gateway):
    assert str(subnetting.first_gateway(ip_network(subnet), map(ip_address, aux))) == gateway


def test_a_subnet_whose_addresses_are_all_reserved_has_no_gateway(refused):
    code, message = refused(
        subnetting.first_gateway, ip_network("10.50.0.0/30"), map(ip_address, ["10.50.0.1", "10.50.0.2"])
    )
    assert (code, message) == ("pool_exhausted", "subnet 10.50.0.0/30 has no address left for the gateway")


# --- subnets of our choice ---


@pytest.mark.parametrize(
    ("used", "chosen"),
    [
        ([], "172.17.0.0/16"),
        (["172.17.0.0/16"], "172.18.0.0/16"),
        (["172.17.5.0/24"], "172.18.0.0/16"),
        (["172.16.0.0/14"], "172.20.0.0/16"),
        (["172.18.0.0/16"], "172.17.0.0/16"),
        (["172.17.0.0/16", "172.19.0.0/16"], "172.18.0.0/16"),
        (["172.16.0.0/12"], "192.168.0.0/20"),
        (["172.16.0.0/12", "192.168.0.0/24"], "192.168.16.0/20"),
        (["172.16.0.0/12", "192.168.0.0/17"], "192.168.128.0/20"),
        (["172.16.0.0/12", "192.168.16.1/32"], "192.168.0.0/20"),
        (["172.16.0.0/12", "192.168.0.0/20", "192.168.31.0/24"], "192.168.32.0/20"),
        (["172.17.0.1/32"], "172.18.0.0/16"),
        (["fd00::/8"], "172.17.0.0/16"),
        (["10.0.0.0/8"], "172.17.0.0/16"),
    ],
)
def test_the_first_default_subnet_that_overlaps_nothing_is_chosen(used, chosen):
    assert str(subnetting.free_subnet(map(ip_network, used))) == chosen


def test_there_are_31_default_subnets_and_they_do_not_overlap():
    used = []
    with pytest.raises(NetloomError) as caught:
        while True:
            used.append(subnetting.free_subnet(used))
    assert len(used) == 31
    assert not any(one.overlaps(two) for one in used for two in used if one is not two)
    assert caught.value.code == "pool_exhausted"


@pytest.mark.parametrize("freed", ["172.17.0.0/16", "172.23.0.0/16", "192.168.0.0/20", "192.168.240.0/20"])
def test_a_subnet_that_is_given_back_is_chosen_again_at_once(freed):
    used = []
    for _turn in range(31):
        used.append(subnetting.free_subnet(used))
    used.remove(ip_network(freed))
    assert str(subnetting.free_subnet(used)) == freed


def test_without_netaddr_choosing_a_subnet_says_what_to_do(monkeypatch, refused):
    monkeypatch.setitem(sys.modules, "netaddr", None)
    code, message = refused(subnetting.free_subnet, [])
    assert code == "missing_dependency"
    assert message == "choosing a subnet needs the Python library netaddr; install it, or give a subnet"


# --- IPv6, and large pools ---


def test_ipv6_gives_neither_the_anycast_address_nor_the_gateway():
    assert fill(pool("fd00::/126", "fd00::1"))[0] == ["fd00::2", "fd00::3"]


def test_the_last_address_of_an_ipv6_range_can_be_had():
    last = pool("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff/128")
    assert str(ipam.free_address(last, leases(), "net")) == "fd00::ffff:ffff:ffff:ffff/64"


def test_a_large_pool_costs_nothing_before_it_is_used():
    started = time.perf_counter()
    for subnet in ("10.0.0.0/8", "fd00::/8"):
        assert ipam.free_address(pool(subnet, None), leases(), "net")
        assert ipam.counters(pool(subnet, None), [])
    assert time.perf_counter() - started < 0.1


def test_counters_of_an_ipv6_subnet_are_exact():
    assert ipam.counters(pool("fd00::/64", "fd00::1"), []) == {"IPsInUse": 2, "DynamicIPsAvailable": (1 << 64) - 2}


# --- which subnet overlaps which ---


@st.composite
def subnets(draw):
    base, longest = draw(st.sampled_from([("10.0.0.0", 32), ("fd00::", 128)]))
    length = draw(st.integers(longest - 12, longest))
    return ipaddress.ip_network((int(ip_address(base)) + draw(st.integers(0, 1 << 12)), length), strict=False)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(subnets(), st.sampled_from("abc")), max_size=12),
    subnets(),
    st.sampled_from("abcd"),
    st.sets(st.sampled_from("abcd")),
)
def test_what_a_subnet_overlaps_is_what_comparing_it_with_each_says(taken, asked, gone, besides):
    occupied = subnetting.Occupied(taken)
    occupied.remove(gone)
    assert {*occupied} == {subnet for subnet, owner in taken if owner != gone}
    expected = {
        (subnet, owner)
        for subnet, owner in taken
        if owner != gone and owner not in besides and subnet.version == asked.version and subnet.overlaps(asked)
    }
    found = occupied.overlapping(asked, besides)
    assert found in expected if expected else found is None


# --- against a model that cannot be wrong ---


class Model:
    """Every address of a subnet with what it is for, kept as a plain dict."""

    def __init__(self, of):
        self.of = of
        self.holders = dict.fromkeys(of.subnet)
        if of.subnet.num_addresses > 2:
            self.holders[of.subnet.network_address] = "reserved"
            self.holders[of.subnet.broadcast_address] = "reserved"
        for address in (of.gateway, *(address for name, address in of.aux)):
            self.holders[address] = "reserved"
        self.order = [address for address in self.holders if of.ip_range is None or address in of.ip_range]

    def lowest(self):
        return next((address for address in self.order if self.holders[address] is None), None)

    def used(self):
        return {address: holder for address, holder in self.holders.items() if holder not in (None, "reserved")}

    def counters(self):
        return {
            "IPsInUse": sum(holder is not None for holder in self.holders.values()),
            "DynamicIPsAvailable": sum(self.holders[address] is None for address in self.order),
        }


def agree(model, held, address):
    """Take or release `address` (None: any) in the model, and check that the real thing says the same."""
    if address is None:
        try:
            got = ipam.free_address(model.of, held, "net")
        except NetloomError as error:
            assert error.code == "pool_exhausted"
            assert model.lowest() is None
            return
        assert got.ip == model.lowest()
    elif address in model.used():
        with pytest.raises(NetloomError, match="is held by c"):
            ipam.claimed_address(model.of, address, held, "", "o", "net")
        held.put(str(address), None)
        model.holders[address] = None
        return
    else:
        try:
            got = ipam.claimed_address(model.of, address, held, "", "o", "net")
        except NetloomError as error:
            assert error.code == "address_reserved"
            assert model.holders[address] == "reserved"
            return
    held.put(str(got.ip), holding("c", got))
    model.holders[got.ip] = "c"


@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_operations_agree_with_the_model(seed):
    chance = random.Random(seed)
    model = Model(pool("10.50.0.0/26", "10.50.0.9", "10.50.0.0/27", a="10.50.0.20", b="10.50.0.40"))
    held = ipam.Leases()
    for _turn in range(2000):
        agree(model, held, chance.choice((None, ip_address("10.50.0.0") + chance.randrange(64))))
        assert ipam.counters(model.of, model.used()) == model.counters()


@st.composite
def pools(draw):
    prefixlen = draw(st.integers(25, 31))
    subnet = ipaddress.ip_network((int(ip_address("10.50.0.0")), prefixlen))
    hosts = list(subnet.hosts())
    range_length = draw(st.integers(prefixlen, 32))
    ranges = list(subnet.subnets(new_prefix=range_length))
    aux = draw(st.lists(st.sampled_from(hosts), max_size=3, unique=True))
    gateway = draw(st.sampled_from([host for host in hosts if host not in aux] or hosts))
    return Pool(
        subnet,
        gateway,
        draw(st.sampled_from([None, *ranges])),
        tuple((f"a{number}", address) for number, address in enumerate(aux) if address != gateway),
    )


@settings(max_examples=200, deadline=None)
@given(pools(), st.lists(st.none() | st.integers(0, 127), max_size=50))
def test_any_pool_agrees_with_the_model(of, operations):
    model, held = Model(of), ipam.Leases()
    for offset in operations:
        agree(model, held, None if offset is None else of.subnet[offset % of.subnet.num_addresses])
    assert ipam.counters(of, model.used()) == model.counters()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["172.16.0.0", "192.168.0.0", "10.0.0.0"]), st.integers(0, 1 << 20), st.integers(13, 32)
        ),
        max_size=30,
    )
)
def test_a_chosen_subnet_never_overlaps_and_never_skips_a_free_one(taken):
    used = [
        ipaddress.ip_network((int(ip_address(base)) + offset, length), strict=False) for base, offset, length in taken
    ]
    candidates = [
        sub for base, length in subnetting.DEFAULT_POOLS for sub in ip_network(base).subnets(new_prefix=length)
    ]
    free = [candidate for candidate in candidates if not any(candidate.overlaps(other) for other in used)]
    try:
        chosen = subnetting.free_subnet(used)
    except NetloomError:
        chosen = None
    assert chosen == (free[0] if free else None)
