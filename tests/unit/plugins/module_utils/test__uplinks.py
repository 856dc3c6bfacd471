# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _uplinks
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import Network, Uplink
from ansible_collections.netloom.containers.plugins.module_utils._sublinks import Sublink, Vlan

STATE_DIR = "/var/lib/netloom"
ETH0 = Uplink("eth0", "", 9000, "02:00:00:00:00:01")


def network(name="net", kind="macvlan", **options):
    return Network(name, name * 16, kind, mac="02:11:22:33:44:55", options=tuple(sorted(options.items())))


def settled(wanted, recorded=None, uplinks=(ETH0,), others=()):
    known = {uplink.name: uplink for uplink in uplinks}
    return _uplinks.settled(wanted, recorded, known.get, others, STATE_DIR)


def refusal(*args, **kwargs):
    with pytest.raises(NetloomError) as caught:
        settled(*args, **kwargs)
    return caught.value.code, caught.value.message


def test_a_network_has_the_mtu_of_its_parent_and_never_more():
    found = settled(network(parent="eth0"))
    assert (found.parent, found.mtu, found.vlan, found.ifname) == ("eth0", 9000, "", "")
    assert settled(network(parent="eth0", mtu="1400")).mtu == 1400
    assert refusal(network(parent="eth0", mtu="9001")) == (
        "option_invalid",
        "driver_options.mtu: 9001 is more than the 9000 of eth0",
    )
    small = replace(ETH0, mtu=1500)
    assert settled(network(parent="eth0"), found, [small]).mtu == 1500
    assert settled(network(parent="eth0"), settled(network(parent="eth0"), uplinks=[small])).mtu == 1500
    assert settled(network(parent="eth0"), settled(network(parent="eth0", mtu="1400"))).mtu == 9000


def test_a_vlan_interface_is_made_where_it_is_missing_and_stays_ours():
    tag = _uplinks.vlan_tag(STATE_DIR, "eth0.10")
    made = settled(network(parent="eth0.10"))
    assert made.vlan == tag
    assert [*driver("macvlan").network_resources(made)] == [Vlan("eth0.10", "eth0", 10, tag)]
    ours = Uplink("eth0.10", "vlan", 9000, "02:00:00:00:00:01", alias=tag)
    assert settled(network(parent="eth0.10"), uplinks=[ETH0, ours]).vlan == tag
    assert settled(network(parent="eth0.10"), uplinks=[ETH0, replace(ours, alias="mine")]).vlan == ""
    assert _uplinks.vlan_tag("/elsewhere", "eth0.10") != tag


@pytest.mark.parametrize(
    ("parent", "uplink", "code", "text"),
    [
        ("eth1", ETH0, "parent_not_found", "driver_options.parent: the host has no interface eth1"),
        (
            "eth1.5",
            ETH0,
            "parent_not_found",
            "driver_options.parent: the host has neither eth1.5 nor eth1 to make it on",
        ),
        ("eth0.0", ETH0, "option_invalid", "driver_options.parent: eth0.0: a VLAN has a number from 1 to 4094"),
        ("eth0.4095", ETH0, "option_invalid", "driver_options.parent: eth0.4095: a VLAN has a number from 1 to 4094"),
        (
            "eth0",
            replace(ETH0, master="br0"),
            "option_invalid",
            "driver_options.parent: eth0 is a port of br0, which takes all that arrives there",
        ),
        (
            "eth0.5",
            replace(ETH0, up=False),
            "option_invalid",
            "driver_options.parent: eth0 is down; bring it up first: ip link set eth0 up",
        ),
        (
            "eth0",
            replace(ETH0, loopback=True),
            "option_invalid",
            "driver_options.parent: eth0 is the loopback interface, which leads nowhere",
        ),
    ],
)
def test_what_will_not_do_as_a_parent(parent, uplink, code, text):
    assert refusal(network(parent=parent), uplinks=[uplink]) == (code, text)


def test_a_parent_that_has_gone_down_since_is_no_reason_to_refuse():
    recorded = settled(network(parent="eth0"))
    assert settled(network(parent="eth0"), recorded, [replace(ETH0, up=False)]) == recorded


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (("macvlan", {}), ("ipvlan", {}), "with driver ipvlan, and an interface carries one of both"),
        (("macvlan", {}), ("macvlan", {"mode": "passthru"}), "and mode passthru needs it alone"),
        (("macvlan", {"mode": "passthru"}), ("macvlan", {}), "and mode passthru needs it alone"),
        (("ipvlan", {"mode": "l3"}), ("ipvlan", {}), "in mode l2, and an interface has one mode for all"),
        (("ipvlan", {}), ("ipvlan", {"flag": "private"}), ""),
        (("macvlan", {"mode": "vepa"}), ("macvlan", {}), ""),
    ],
)
def test_what_one_parent_carries(one, other, why):
    there = settled(network("other", other[0], parent="eth0", **other[1]))
    asked = network("net", one[0], parent="eth0", **one[1])
    if why:
        assert refusal(asked, others=[there]) == (
            "option_invalid",
            f"driver_options.parent: eth0 is the parent of network other {why}",
        )
    else:
        assert settled(asked, others=[there]).parent == "eth0"
    elsewhere = replace(there, parent="eth1")
    assert settled(asked, others=[elsewhere]).parent == "eth0"


def test_the_host_s_own_interface_is_one_more_on_the_parent():
    found = settled(network(parent="eth0", host_shim="true"))
    (shim, *_settings) = driver("macvlan").network_resources(found)
    assert shim == Sublink(
        "", found.ifname, "eth0", "macvlan", "bridge", found.mac, 9000, f"netloom:net/{found.id[:12]}"
    )
    assert [*driver("macvlan").network_resources(settled(network(parent="eth0")))] == []
