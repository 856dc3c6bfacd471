# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a subnet is whose: parts are disjoint, and stay where they are."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

errors = pytest.importorskip("ansible.errors", reason="filters run on the controller, where Ansible is")

from ansible_collections.netloom.containers.plugins.filter.subnet_slice import FilterModule, subnet_slice  # noqa: E402

SUBNET = "10.60.0.0/16"
HOSTS = ["a", "b", "c"]


def refusal(*args, **kwargs):
    """Return what the filter says when it refuses."""
    with pytest.raises(errors.AnsibleFilterError) as caught:
        subnet_slice(*args, **kwargs)
    return str(caught.value)


def test_ansible_finds_it():
    assert FilterModule().filters() == {"subnet_slice": subnet_slice}


@pytest.mark.parametrize("host, expected", [("a", "10.60.0.0/24"), ("b", "10.60.1.0/24"), ("c", "10.60.2.0/24")])
def test_the_place_among_the_hosts_is_the_number(host, expected):
    assert subnet_slice(SUBNET, host, HOSTS) == expected


@pytest.mark.parametrize(
    "subnet, slices, number, expected",
    [
        ("10.60.0.0/16", 1, 0, "10.60.0.0/16"),
        ("10.60.0.0/16", 16, 15, "10.60.240.0/20"),
        ("10.60.7.0/24", 4, 3, "10.60.7.192/26"),
        ("10.60.0.0/30", 4, 2, "10.60.0.2/32"),
        ("fd00:60::/48", 65536, 5, "fd00:60:0:5::/64"),
    ],
)
def test_a_number_is_that_of_the_part(subnet, slices, number, expected):
    assert subnet_slice(subnet, "a", ["a"], slices, {"a": number}) == expected


@pytest.mark.parametrize("slices", [4, 64, 256])
def test_no_two_hosts_share_an_address(slices):
    parts = [ipaddress.ip_network(subnet_slice(SUBNET, host, HOSTS, slices)) for host in HOSTS]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(parts, 2))


def test_a_host_in_the_middle_moves_nobody_who_has_a_number():
    numbers = {"a": 0, "b": 1, "c": 2, "new": 7}
    before = [subnet_slice(SUBNET, host, HOSTS, numbers=numbers) for host in HOSTS]
    assert [subnet_slice(SUBNET, host, ["a", "new", "b", "c"], numbers=numbers) for host in HOSTS] == before


def test_a_host_at_the_end_moves_nobody():
    before = [subnet_slice(SUBNET, host, HOSTS) for host in HOSTS]
    assert [subnet_slice(SUBNET, host, [*HOSTS, "new"]) for host in HOSTS] == before


def test_a_host_that_has_gone_keeps_its_number_from_others():
    assert refusal(SUBNET, "a", ["a", "b"], numbers={"a": 0, "b": 1, "gone": 1}) == "numbers: b and gone both have 1"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("10.60.0.1/16", "a", ["a"]), "subnet: 10.60.0.1/16 has host bits set"),
        ((None, "a", ["a"]), "subnet: None does not appear to be an IPv4 or IPv6 network"),
        ((SUBNET, "z", HOSTS), "host: z is not among the hosts a, b, c"),
        ((SUBNET, "a", HOSTS, 2), "slices: there are 2 for 3 hosts"),
        ((SUBNET, "a", HOSTS, 6), "slices: 6 is not a power of two"),
        ((SUBNET, "a", HOSTS, 0), "slices: 0 is not a power of two"),
        ((SUBNET, "a", HOSTS, "16"), "slices: '16' is not a power of two"),
        (("10.60.0.0/30", "a", HOSTS, 8), "slices: 10.60.0.0/30 has 4 addresses, too few for 8 slices"),
        ((SUBNET, "a", HOSTS, 4, {"a": 0, "b": 1, "c": 4}), "numbers: c has 4, which is not a number from 0 to 3"),
        ((SUBNET, "a", HOSTS, 4, {"a": 0, "b": 1, "c": -1}), "numbers: c has -1, which is not a number from 0 to 3"),
        ((SUBNET, "a", HOSTS, 4, {"a": 0, "b": 1, "c": "2"}), "numbers: c has '2', which is not a number from 0 to 3"),
        ((SUBNET, "a", HOSTS, 4, {"a": 1, "b": 2, "c": 1}), "numbers: a and c both have 1"),
        ((SUBNET, "a", HOSTS, 4, {"a": 1}), "numbers: b, c have none; either all hosts have one, or none"),
        ((SUBNET, "a", HOSTS, 4, {"a": 1, "b": 2}), "numbers: c has none; either all hosts have one, or none"),
    ],
)
def test_what_would_give_an_address_twice_is_refused(arguments, message):
    assert refusal(*arguments) == message
