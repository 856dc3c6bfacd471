# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gratuitous ARP and unsolicited neighbour advertisements, for addresses that are new in a sandbox.

Without them a neighbour keeps sending to where the address was until its entry times out. For the IPv4 addresses of
an interface that comes up the kernel does it (arp_notify); this is for the others. Closing a packet socket takes the
kernel 10 ms, so one is opened only where it is needed. Collection-private. Floor 4.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Sequence
from typing import Any

from .._model import IPInterface
from .._resources import Address

_ETH_P_ARP = 0x0806
_BROADCAST_MAC = b"\xff" * 6
_ND_NEIGHBOR_ADVERT, _ND_NA_FLAG_OVERRIDE = 136, 0x20000000  # netinet/icmp6.h
_SIOCGIFHWADDR = 0x8927  # linux/sockios.h
_IFF_NOARP = 0x80  # linux/if.h
_HOPS = 255  # RFC 4861, section 7.1.2: others are discarded


def announce(host: Any, addresses: Sequence[Address]) -> None:
    """Send one packet for each address, from the sandbox that it is in, unless its interface has no neighbours (ipvlan l3)."""
    for new in addresses:
        link = host.link(new.place, new.ifname)
        if link is None or link.flags & _IFF_NOARP:
            continue
        send = _advertise if new.address.version == 6 else _send_arp
        host.execute(f"announce {new.address.ip}", host.inside, new.place, send, new.ifname, new.address)


def _send_arp(ifname: str, address: IPInterface) -> None:
    """Send an ARP announcement (RFC 5227, section 3): a request for the sender's own address."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as packets:
        packets.bind((ifname, 0))
        mac, ip = packets.getsockname()[4], address.ip.packed
        header = _BROADCAST_MAC + mac + struct.pack("!HHHBBH", _ETH_P_ARP, 1, 0x0800, 6, 4, 1)
        packets.send(header + mac + ip + bytes(6) + ip)


def _advertise(ifname: str, address: IPInterface) -> None:
    """Send an unsolicited neighbour advertisement (RFC 4861, section 7.2.6); the kernel fills in the checksum."""
    index = socket.if_nametoindex(ifname)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6) as packets:
        request = fcntl.ioctl(packets, _SIOCGIFHWADDR, struct.pack("16s24x", ifname.encode()))
        mac = request[18:24]
        packets.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        packets.bind((str(address.ip), 0, 0, index))
        target_mac = struct.pack("!BB", 2, 1) + mac
        advertisement = struct.pack("!BBHI", _ND_NEIGHBOR_ADVERT, 0, 0, _ND_NA_FLAG_OVERRIDE) + address.ip.packed
        packets.sendto(advertisement + target_mac, ("ff02::1", 0, 0, index))
