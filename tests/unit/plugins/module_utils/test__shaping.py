# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How limits are written, and what the host has of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._drivers.options import canonical, check_fit
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network
from ansible_collections.netloom.containers.plugins.module_utils._resources import Sysctl, Up
from ansible_collections.netloom.containers.plugins.module_utils._shaping import (
    Ifb,
    Redirect,
    Shaper,
    UpEarly,
    ifb_mac,
    limited,
    rate,
    size,
)

BRIDGE = driver("bridge")
NET = Network(name="net", id="d" * 64, driver="bridge", pools=(), ifname="br-d", mtu=1500)
C1 = Endpoint(
    network="net",
    container="c1",
    runtime="netns",
    id="0123456789abcdef" * 4,
    host_ifname="veth0123456789a",
    ifname="eth0",
    mac="02:42:0a:01:00:03",
    ipv4=ip_interface("10.1.0.3/24"),
    ipv6=None,
)
IFB = "ifb0123456789ab"


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("20000000", 20_000_000),
        ("20000000bit", 20_000_000),
        ("20mbit", 20_000_000),
        ("20Mbit", 20_000_000),
        ("20 MBIT", 20_000_000),
        ("20m", 20_000_000),
        ("20M", 20_000_000),
        ("1.5gbit", 1_500_000_000),
        ("0.0015g", 1_500_000),
        ("64kbit", 64_000),
        ("1kibit", 1024),
        ("8Mi", 8 << 20),
        ("1gibit", 1 << 30),
        ("1tbit", 10**12),
        ("1000tbit", 10**15),
        ("1k", 1000),
        ("1000000.0", 1_000_000),
        ("1000.9", 1000),
    ],
)
def test_a_rate_is_kept_in_bits_per_second(text, bits):
    assert rate(text, "o") == str(bits)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "o: '' is not a number of bits per second, with a suffix such as kbit, mbit or gbit"),
        ("fast", "o: 'fast' is not a number"),
        ("-1", "o: '-1' is not a number"),
        ("+1mbit", "o: '+1mbit' is not a number"),
        ("1e6", "o: '1e6' is not a number"),
        ("10%", "o: '10%' is not a number"),
        ("1ibit", "o: '1ibit' is not a number"),
        ("1pbit", "o: '1pbit' is not a number"),
        (".5mbit", "o: '.5mbit' is not a number"),
        ("1.mbit", "o: '1.mbit' is not a number"),
        ("\u0661mbit", "o: '\\u0661mbit' is not a number"),
        ("1mbit\nx", "o: '1mbit\\nx' is not a number"),
        ("10mbps", "tc takes bps for bytes per second, others for bits: it is not taken"),
        ("10MBps", "tc takes bps for bytes per second, others for bits: it is not taken"),
        ("0", "o: '0' is not from 1000 to 1000000000000000 bit/s"),
        ("0mbit", "o: '0mbit' is not from 1000 to"),
        ("999", "o: '999' is not from 1000 to"),
        ("1000.1tbit", "o: '1000.1tbit' is not from 1000 to"),
        ("9" * 30, "is not from 1000 to"),
        ("9" * 31, "is not a number"),
    ],
)
def test_what_is_no_rate_is_refused_with_the_rule(text, says):
    with pytest.raises(NetloomError) as caught:
        rate(text, "o")
    assert caught.value.code == "option_invalid"
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("65536", 65536),
        ("65536b", 65536),
        ("64k", 65536),
        ("64kb", 65536),
        ("64KB", 65536),
        ("1.5k", 1536),
        ("2m", 2 << 20),
        ("1gb", 1 << 30),
        ("4294967295", (1 << 32) - 1),
    ],
)
def test_a_burst_is_kept_in_bytes(text, number):
    assert size(text, "o") == str(number)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "o: '' is not a number of bytes, with a suffix such as kb or mb"),
        ("1mbit", "o: '1mbit' is not a number of bytes"),
        ("-1", "o: '-1' is not a number of bytes"),
        ("0", "o: '0' is not from 1 to 4294967295 bytes"),
        ("4g", "o: '4g' is not from 1 to 4294967295 bytes"),
    ],
)
def test_what_is_no_size_is_refused_with_the_rule(text, says):
    with pytest.raises(NetloomError) as caught:
        size(text, "o")
    assert caught.value.code == "option_invalid"
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("given", "mtu", "says"),
    [
        ({"burst": "9k"}, 1500, "driver_opts.burst: 9216 needs ingress_rate or egress_rate"),
        (
            {"burst": "1513", "ingress_rate": "1m"},
            1500,
            "1513 is less than the 1514 bytes of the largest packet of network net (MTU 1500, and 14 of Ethernet)",
        ),
        ({"burst": "9k", "egress_rate": "1m"}, 9203, "driver_opts.burst: 9216 is less than the 9217 bytes"),
    ],
)
def test_a_burst_that_fits_nothing_is_refused(given, mtu, says):
    opts = canonical(tuple(given.items()), BRIDGE.endpoint_options, "driver_opts", "bridge")
    with pytest.raises(NetloomError) as caught:
        check_fit(opts, BRIDGE.endpoint_options, replace(NET, mtu=mtu), "driver_opts")
    assert caught.value.code == "option_invalid"
    assert says in caught.value.message


def test_a_burst_of_one_packet_fits():
    opts = (("burst", "1514"), ("egress_rate", "1000000"))
    check_fit(opts, BRIDGE.endpoint_options, NET, "driver_opts")


def test_what_a_member_receives_is_limited_at_the_hosts_end():
    assert [*limited(NET, C1, {"ingress": "20000000"}, None)] == [
        Shaper("veth0123456789a", 20_000_000, 125_000, 187_500)
    ]


def test_what_a_member_sends_is_led_through_an_interface_of_its_own():
    assert [*limited(NET, C1, {"egress": "1000007"}, "64000")] == [
        Ifb(IFB, "netloom:net/0123456789ab"),
        Sysctl("", f"net/ipv6/conf/{IFB}/disable_ipv6", "1", ifname=IFB),
        UpEarly("", IFB),
        Shaper(IFB, 1_000_000, 64_000, 67_125),
        Redirect("veth0123456789a", IFB),
    ]


@pytest.mark.parametrize(
    ("bits", "mtu", "burst", "queue"),
    [
        ("1000", 1500, 15_140, 15_143),
        ("1000", 65_535, 655_490, 655_493),
        (str(10**9), 1500, 6_250_000, 9_375_000),
        (str(10**15), 1500, 4_294_967_295, 4_294_967_295),
    ],
)
def test_without_a_burst_50_ms_of_the_rate_pass_at_once_or_ten_packets(bits, mtu, burst, queue):
    (found,) = limited(replace(NET, mtu=mtu), C1, {"ingress": bits}, None)
    assert (found.burst, found.queue) == (burst, queue)


def test_limits_are_there_before_the_interfaces_are_up():
    options = (("egress_rate", "1000000"), ("ingress_rate", "1000000"))
    found = sorted(BRIDGE.endpoint_resources(NET, replace(C1, driver_opts=options)), key=lambda resource: resource.rank)
    kinds = [type(each) for each in found]
    assert kinds.index(Ifb) < kinds.index(UpEarly) < kinds.index(Redirect) < kinds.index(Up)
    assert max(at for at, kind in enumerate(kinds) if kind is Shaper) < kinds.index(Redirect)


def test_an_endpoint_without_limits_has_none():
    kinds = {type(each) for each in BRIDGE.endpoint_resources(NET, C1)}
    assert kinds.isdisjoint([Ifb, Shaper, Redirect])


def test_the_mac_of_an_ifb_follows_from_its_name_and_is_not_that_of_the_veth():
    assert ifb_mac(IFB) == "02:23:45:67:89:ab"


def test_an_interface_that_is_up_early_is_no_other_state_of_one_that_is_up():
    assert UpEarly("", IFB).key == Up("", IFB).key
    assert UpEarly("", IFB) == UpEarly("", IFB)
