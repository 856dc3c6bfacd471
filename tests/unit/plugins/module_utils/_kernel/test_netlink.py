# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes as the kernel told them once."""

from __future__ import annotations

import base64
import errno
import os
import struct
import zlib

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._kernel import devconf, netlink
from ansible_collections.netloom.containers.plugins.module_utils._kernel.wire import attribute

# A veth, port of a bridge and isolated, with an alias and an MTU of 1400, as Linux 6.18 answered RTM_GETLINK.
PORT = (
    "eNrdlLtOG1EQhv/D+tjGGFiIQ8QdxB0KDCRcnBCSQKo00FFQAGLFRYAVBIhySyLxEDwKD8CDoBSpUqRzZsZ/gmUZKCKajGR/O3tmZufMzDmAQw"
    "JAEMIkhQDneSCNRtwFgEcob5Qttu6xbEyL14VXTmPF9BmUSspOrvdIZOUi2Ys64yjtxkRzwgK5RH4g3+JXKSV8R/tPjNvHOBmjR7+970YOx9Hp"
    "YbF4VBBO5qemZ16/mZ2bX9jaLvsNMI9JxsmbnrTslZ+5vxFjRlY1vv7pl0omwC1e4X+RHen2c0sWE1JTqyQOXSvqpa7n0eme6g0yQ9sn+zu7Eb"
    "DqvNg59qJOuqw9CtjjBHvjySSZIrvItEXw9hVlJ9lDZmiXZW6NiMu5uSya/j4n0QwXax4h82mh3so4LxgnR3bTrpd6HzlADpL99B+hPkpOMJ+X"
    "FXVrq3i+nzmPds7xkM1mGsOc5zFynPR2brOS1XHx61l0FuHGdeBKnC5Z5z/iqn6o4L9KKFvVe6RaNH7eZdgxSCW9nfODLwE2vpV9fnJu9EbQu6"
    "Y6Tz2R18338eNCPeI1Z/teF9ewxv42vz+cq6uRt3tgvVZ94h+zj66blEfZ9qr5V9vlapxJnWuVQZnRpySB93ECH+PfkzZLRQ=="
)


class Telling:
    """A wire that gives one answer, or fails."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self, _kind, _body):
        if isinstance(self.answer, int):
            raise OSError(self.answer, os.strerror(self.answer))
        return self.answer

    dump = ask


def port():
    found = netlink.link(Telling(zlib.decompress(base64.b64decode(PORT))), "v0")
    assert found is not None
    return found


def address(family, index, *attributes):
    return struct.pack("=BBBBI", family, 24, 0, 0, index) + b"".join(attribute(*each) for each in attributes)


def route(*attributes, family=2, length=0, table=254, protocol=3, kind=1):
    header = struct.pack("=BBBBBBBBI", family, length, 0, 0, table, protocol, 0, kind, 0)
    return header + b"".join(attribute(*each) for each in attributes)


def number(value):
    return struct.pack("=I", value)


def test_a_link_is_read_from_one_message():
    assert port()[:10] == (
        4,
        "v0",
        "veth",
        0x1003,  # IFF_MULTICAST | IFF_BROADCAST | IFF_UP
        1400,
        "02:00:00:00:00:02",
        "netloom:net/0123456789ab",
        2,
        3,
        True,
    )


def test_a_link_that_is_not_there_is_none():
    assert netlink.link(Telling(errno.ENODEV), "v0") is None


def test_a_link_that_may_not_be_read_is_an_error():
    with pytest.raises(PermissionError):
        netlink.link(Telling(errno.EPERM), "v0")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("net/ipv6/conf/v0/disable_ipv6", "0"),
        ("net/ipv6/conf/v0/accept_ra", "1"),
        ("net/ipv6/conf/v0/dad_transmits", "1"),
        ("net/ipv4/conf/v0/arp_notify", "0"),
        ("net/ipv4/conf/v0/send_redirects", "1"),
    ],
)
def test_the_settings_of_an_interface_come_with_it(path, value):
    assert devconf.setting(port(), path) == value


@pytest.mark.parametrize("path", ["net/ipv6/conf/v0/mtu", "net/ipv4/neigh/v0/retrans_time", "net/ipv4/conf/v0/tag"])
def test_other_settings_only_the_file_can_tell(path):
    with pytest.raises(LookupError):
        devconf.setting(port(), path)


def test_a_setting_that_this_kernel_has_not_only_the_file_can_tell():
    with pytest.raises(LookupError):
        devconf.setting(port()._replace(inet6=bytes(40)), "net/ipv6/conf/v0/disable_ipv6")


def test_an_interface_without_ipv6_has_none_of_its_settings():
    assert devconf.setting(port()._replace(inet6=b""), "net/ipv6/conf/v0/disable_ipv6") is None


def test_netlink_can_change_only_what_has_no_effect_besides():
    paths = ("net/ipv4/conf/v0/arp_notify", "net/ipv4/conf/v0/forwarding", "net/ipv6/conf/v0/arp_notify")
    assert [devconf.settable(path) for path in paths] == [22, 0, 0]


def test_a_kernel_that_does_not_filter_is_asked_no_more_than_the_interface_that_was_meant():
    ours, other = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    answer = [address(2, 5, (1, other), (2, ours)), address(2, 6, (1, ours)), address(10, 5, (1, bytes(16)))]
    assert netlink.addresses(Telling(answer), 5, 4) == [(5, ours, 24, 0)]


def test_an_interface_that_has_gone_has_no_addresses():
    assert netlink.addresses(Telling(errno.ENODEV), 5, 4) == []


def test_routes_are_the_unicast_ones_of_the_table():
    gateway = bytes([10, 0, 0, 1])
    answer = [
        route((5, gateway), (4, number(7)), (6, number(100)), (15, number(254)), protocol=157),
        route((1, bytes([10, 9, 0, 0])), (15, number(1000)), length=16, table=0),
        route((1, bytes([10, 0, 0, 255])), kind=3, length=32),
        route(family=10),
    ]
    assert netlink.routes(Telling(answer), 4, 254) == [(b"", 0, gateway, 7, 157, 100, 1)]


def test_a_table_that_no_route_is_in_has_none():
    assert netlink.routes(Telling(errno.ENOENT), 4, 254) == []
