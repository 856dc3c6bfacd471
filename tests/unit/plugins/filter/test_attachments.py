# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members as attachments to a network."""

from __future__ import annotations

import pytest

errors = pytest.importorskip("ansible.errors", reason="filters run on the controller, where Ansible is")

from ansible_collections.netloom.containers.plugins.filter.attachments import FilterModule, attachments  # noqa: E402

NO_ROUTER = {"sysctls": {"net.ipv4.conf.IFNAME.forwarding": 0}}


def test_ansible_finds_it():
    assert FilterModule().filters() == {"attachments": attachments}


def test_a_name_and_a_dictionary_are_members():
    assert attachments(["c1", {"container": "c2", "aliases": ["db"]}], "lan") == [
        {"network": "lan", "container": "c1"},
        {"network": "lan", "container": "c2", "aliases": ["db"]},
    ]


def test_for_another_network_only_who_it_is_counts():
    web = {"container": "web", "runtime": "docker", "ipv4_address": "10.0.0.2", "published_ports": ["80:80"]}
    assert attachments([web], "back", names_only=True) == [{"network": "back", "container": "web", "runtime": "docker"}]


def test_what_a_member_says_wins_entry_by_entry():
    member = {"container": "c1", "sysctls": {"net.ipv4.conf.IFNAME.log_martians": 1}}
    assert attachments([member], "lan", defaults=NO_ROUTER)[0]["sysctls"] == {
        "net.ipv4.conf.IFNAME.forwarding": 0,
        "net.ipv4.conf.IFNAME.log_martians": 1,
    }


def test_what_is_given_is_not_changed():
    members = [{"container": "c1", "sysctls": {"net.ipv4.conf.IFNAME.log_martians": 1}}]
    attachments(members, "lan", defaults=NO_ROUTER)
    assert members == [{"container": "c1", "sysctls": {"net.ipv4.conf.IFNAME.log_martians": 1}}]
    assert NO_ROUTER == {"sysctls": {"net.ipv4.conf.IFNAME.forwarding": 0}}


def test_addresses_inside_are_taken_and_those_of_another_ip_version_are_not_looked_at():
    member = {"container": "c1", "ipv4_address": "10.60.1.9", "ipv6_address": "fd00::9"}
    assert attachments([member], "lan", within="10.60.1.0/24") == [{"network": "lan", **member}]


@pytest.mark.parametrize(
    "member, message",
    [
        (3, "members[0]: 3 is neither a name nor a dictionary of options"),
        ({}, "members[0]: there is no container"),
        (
            {"container": "c1", "network": "other"},
            "members[0]: network cannot be given, it follows from the list that a member is in",
        ),
        (
            {"container": "c1", "ipv4_address": "10.60.2.9"},
            "members[0].ipv4_address: 10.60.2.9 is outside 10.60.1.0/24, which is this host's part",
        ),
        (
            {"container": "c1", "secondary_addresses": ["10.60.1.9", "10.60.2.9"]},
            "members[0].secondary_addresses: 10.60.2.9 is outside 10.60.1.0/24, which is this host's part",
        ),
        (
            {"container": "c1", "ipv4_address": "10.60.1"},
            "members[0].ipv4_address: '10.60.1' does not appear to be an IPv4 or IPv6 address",
        ),
    ],
)
def test_what_is_no_member_is_refused(member, message):
    with pytest.raises(errors.AnsibleFilterError) as caught:
        attachments([member], "lan", within="10.60.1.0/24")
    assert str(caught.value) == message
