# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings can be given, and what is said of the others."""

from __future__ import annotations

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _settings as settings

LOGGED = "net.ipv4.conf.IFNAME.log_martians"


@pytest.mark.parametrize("name", [LOGGED, "net/ipv4/conf/IFNAME/log_martians"])
@pytest.mark.parametrize("value", [1, "1", " 1\n", "01"])
def test_a_setting_of_an_interface_is_one_by_value(name, value):
    assert settings.interface_settings({name: value}) == ((LOGGED, "1"),)


@pytest.mark.parametrize(
    "name",
    [
        "net.ipv4.conf.eth0.log_martians",
        "net.ipv4.conf.all.log_martians",
        "net.ipv4.ip_forward",
        "kernel.IFNAME.x",
        "net.ipv4.conf.IFNAME",
        "net.ipv4.conf.IFNAME.a.b",
        "net.ipv4.conf.IFNAME/../x",
        "net.ipv4.route.IFNAME.x",
        "",
    ],
)
def test_a_setting_that_is_not_of_the_interface_is_refused(name, refused):
    code, message = refused(settings.interface_settings, {name: 1})
    assert code == "option_invalid"
    assert message.startswith(f"sysctls.{name}: is not the name of an interface's setting, net.ipv4.conf.IFNAME.NAME")


@pytest.mark.parametrize("name", ["disable_ipv6", "mtu"])
def test_what_follows_from_the_network_is_not_given(name, refused):
    code, message = refused(settings.interface_settings, {f"net.ipv6.conf.IFNAME.{name}": 0})
    assert (code, "follows from the network" in message) == ("option_invalid", True)


@pytest.mark.parametrize("value", [True, None, "", "yes", 1.5, "0x1", [1], "99999999999"])
def test_a_value_is_a_whole_number(value, refused):
    assert refused(settings.interface_settings, {LOGGED: value}) == (
        "option_invalid",
        f"sysctls.{LOGGED}: {value!r} is not a whole number",
    )


def test_two_spellings_of_one_setting_say_the_same(refused):
    both = {LOGGED: 1, "net/ipv4/conf/IFNAME/log_martians": "1"}
    assert settings.interface_settings(both) == ((LOGGED, "1"),)
    code, message = refused(settings.interface_settings, {**both, LOGGED: 0})
    assert (code, message.endswith("is given twice, as '0' and '1'")) == ("option_invalid", True)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/10.log_martians", "net/ipv4/conf/eth0.10/log_martians"),
        ("net/ipv4/conf/eth0.10/log_martians", "net/ipv4/conf/eth0.10/log_martians"),
    ],
)
def test_a_setting_of_a_namespace_is_spelt_as_sysctl_spells_it(name, path):
    assert settings.namespace_settings({name: 1}) == ((path, "1"),)


def test_what_sets_others_is_written_first():
    given = {"net.ipv4.conf.all.arp_ignore": 1, "net.ipv6.conf.all.forwarding": 1, "net.ipv4.ip_forward": 1}
    assert [path for path, _value in settings.namespace_settings(given)] == [
        "net/ipv4/ip_forward",
        "net/ipv6/conf/all/forwarding",
        "net/ipv4/conf/all/arp_ignore",
    ]


def test_values_of_several_words_are_parted_by_spaces():
    assert settings.namespace_settings({"net.ipv4.tcp_rmem": " 4096\t87380  6291456\n"})[0][1] == "4096 87380 6291456"


@pytest.mark.parametrize(
    "name", ["kernel.hostname", "net", "net.", "net/../kernel/hostname", "net.ipv4.a b", "", "vm.x"]
)
def test_a_setting_that_is_not_of_a_namespace_is_refused(name, refused):
    assert refused(settings.namespace_settings, {name: 1}) == (
        "option_invalid",
        f"sysctls.{name}: is not the name of a setting of a namespace, net.NAME",
    )


@pytest.mark.parametrize("value", [True, None, "", " ", 1.5, [1], {}])
def test_a_value_of_a_namespace_is_text_or_a_whole_number(value, refused):
    code, message = refused(settings.namespace_settings, {"net.ipv4.ip_forward": value})
    assert (code, message) == (
        "option_invalid",
        f"sysctls.net.ipv4.ip_forward: {value!r} is neither text nor a whole number",
    )
