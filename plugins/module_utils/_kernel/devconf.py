# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of single interfaces that come with a link, so that no file is read for them.

Only those that the kernel tells in the unit of the file. Collection-private and pure. Floor 4.
"""

from __future__ import annotations

import struct

from .netlink import LinkState

_INET_CONF, _INET6_CONF = "net/ipv4/conf/", "net/ipv6/conf/"
_INET = {  # IPV4_DEVCONF_* of linux/ip.h, which count from 1
    "forwarding": 1,
    "proxy_arp": 3,
    "accept_redirects": 4,
    "send_redirects": 6,
    "rp_filter": 8,
    "accept_source_route": 9,
    "arp_filter": 13,
    "arp_announce": 18,
    "arp_ignore": 19,
    "arp_accept": 21,
    "arp_notify": 22,
    "accept_local": 23,
    "proxy_arp_pvlan": 25,
    "route_localnet": 26,
}
_INET6 = {  # DEVCONF_* of linux/ipv6.h, which count from 0
    "forwarding": 0,
    "accept_ra": 3,
    "accept_redirects": 4,
    "autoconf": 5,
    "dad_transmits": 6,
    "proxy_ndp": 22,
    "accept_source_route": 24,
    "disable_ipv6": 26,
    "accept_dad": 27,
    "ndisc_notify": 29,
    "keep_addr_on_down": 42,
    "addr_gen_mode": 47,
}

# Those of _INET that netlink can change as the file does. Of others the file has effects that netlink leaves out.
_SETTABLE = frozenset(["arp_notify"])


def settable(path: str) -> int:
    """Return the number that netlink knows the setting /proc/sys/`path` of a link by; 0 where only the file will do."""
    directory, _slash, name = path.rpartition("/")
    return _INET[name] if directory.startswith(_INET_CONF) and name in _SETTABLE else 0


def setting(link: LinkState, path: str) -> str | None:
    """Return what the file /proc/sys/`path` of `link` says, None where there is no such file.

    :raises LookupError: only the file can tell.
    """
    directory, _slash, name = path.rpartition("/")
    if directory.startswith(_INET_CONF):
        position, values = _INET[name] - 1, link.inet
    elif directory.startswith(_INET6_CONF):
        position, values = _INET6[name], link.inet6
    else:
        raise LookupError(path)
    if not values:
        return None
    if len(values) < 4 * position + 4:
        raise LookupError(path)
    return str(struct.unpack_from("=i", values, 4 * position)[0])
