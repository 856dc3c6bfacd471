# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queues and filters of one interface: what the kernel says of them as plain values, and the messages that change them.

The messages are packed here. What pyroute2 0.7.2 can encode of a token bucket is a rate of 32 bits, a burst in ticks of
a clock that it calibrates itself, and a table of 1 KB that no kernel has needed since 3.8. Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

from .wire import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Message, Wire, attribute, attributes

TBF, INGRESS, U32, MIRRED, IFB = "tbf", "ingress", "u32", "mirred", "ifb"  # kinds
_RTM_NEWLINK = 16  # linux/rtnetlink.h
_RTM_NEWQDISC, _RTM_DELQDISC, _RTM_GETQDISC, _RTM_NEWTFILTER, _RTM_GETTFILTER = 36, 37, 38, 44, 46
_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_INFO_KIND = 1, 3, 18, 20, 1  # linux/if_link.h
_TCMSG = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_TCA_KIND, _TCA_OPTIONS, _TCA_CHAIN = 1, 2, 11
_HANDLES = (1 << 16, 2 << 16)  # 1: and 2:, of what takes the place of another one
_TC_H_ROOT, _TC_H_INGRESS, _INGRESS_HANDLE = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFF0000  # linux/pkt_sched.h
# tc_tbf_qopt: two tc_ratespec of (cell_log, linklayer, overhead, cell_align, mpu, rate), then limit, buffer, mtu
_TBF = struct.Struct("=BBHhHI BBHhHI III")
_TCA_TBF_PARMS, _TCA_TBF_RATE64, _TCA_TBF_BURST = 1, 4, 6
_LINKLAYER_ETHERNET = 1  # said so that the kernel asks for no table to guess it from
_NUMBER, _LONG = struct.Struct("=I"), struct.Struct("=Q")
_NUMBER_MAX = 0xFFFFFFFF
_TICK_NANOSECONDS = 1 << 6  # PSCHED_SHIFT, net/pkt_sched.h
_PRIORITY, _ETH_P_ALL = 1, 3
_INFO = _PRIORITY << 16 | struct.unpack("=H", struct.pack("!H", _ETH_P_ALL))[0]
_TCA_U32_SEL, _TCA_U32_ACT = 5, 7  # linux/pkt_cls.h
_TCA_U32_KNOWN = {2, 5, 7, 11}  # besides those TCA_U32_HASH and TCA_U32_FLAGS; others narrow down what matches
_SELECTOR = struct.Struct("=BBBxHHhhI IIii")  # flags, offshift, nkeys, offmask, off, offoff, hoff, hmask; one key
_TERMINAL = 1  # TC_U32_TERMINAL
_EVERYTHING = _SELECTOR.pack(_TERMINAL, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # `match u32 0 0`
_TCA_ACT_KIND, _TCA_ACT_OPTIONS, _TCA_MIRRED_PARMS = 1, 2, 2
_MIRRED = struct.Struct("=IIiiiiI")  # index, capab, action, refcnt, bindcnt, eaction, ifindex
_STOLEN, _EGRESS_REDIR = 4, 1  # TC_ACT_STOLEN, TCA_EGRESS_REDIR


class Queue(NamedTuple):
    """What packets to be sent wait in: its kind, what the kernel says of its options, and its handle."""

    kind: str
    options: bytes
    handle: int


class Bucket(NamedTuple):
    """A token bucket. `per_second` and `queue` are in bytes, `ticks` is how long a burst takes, the last 32 bits of it."""

    kind: str  # says so where it has options that we set none of
    per_second: int
    queue: int
    ticks: int

    @property
    def burst(self) -> int:
        """Return about how many bytes may pass at once."""
        return round(self.ticks * _TICK_NANOSECONDS * self.per_second / 10**9)

    def lasts_as_long_as(self, burst: int) -> bool:
        """Return whether a burst of so many bytes is what the bucket has. The kernel rounds twice."""
        if not self.per_second:
            return False
        expected = burst * 10**9 // self.per_second // _TICK_NANOSECONDS
        return abs((expected & _NUMBER_MAX) - self.ticks) <= 2 + (expected >> 24)


# --- reading ---


def root(wire: Wire, index: int) -> Queue | None:
    """Return what somebody has put there for the packets that an interface sends, None for what the kernel has itself."""
    return _queue(wire, index, _TC_H_ROOT)


def bucket(queue: Queue) -> Bucket | None:
    """Return a queue as the token bucket that it is, if it is one."""
    if queue.kind != TBF:
        return None
    found = attributes(queue.options)
    values = _TBF.unpack_from(found[_TCA_TBF_PARMS])
    rate, (limit, buffer) = values[5], values[12:14]
    overhead, mpu, peak = values[2], values[4], values[11]
    if _TCA_TBF_RATE64 in found:
        rate = _LONG.unpack(found[_TCA_TBF_RATE64])[0]
    return Bucket(f"{TBF} with other options" if overhead or mpu or peak else TBF, rate, limit, buffer)


def target(wire: Wire, index: int) -> int | None:
    """Return the index of the interface that all that arrives at an interface is led to, 0 if not all of it is.

    None where nobody has told the kernel to look at what arrives.
    """
    found = _queue(wire, index, _TC_H_INGRESS)
    if found is None:
        return None
    if found.kind != INGRESS:
        return 0
    filters = wire.dump(_RTM_GETTFILTER, _TCMSG.pack(0, index, 0, _INGRESS_HANDLE, 0))
    targets = [_target(body) for body in filters]
    led = [each for each in targets if each is not None]
    return led[0] if len(led) == 1 else 0


def _queue(wire: Wire, index: int, parent: int) -> Queue | None:
    try:
        body = wire.find(_RTM_GETQDISC, _TCMSG.pack(0, index, 0, parent, 0))
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENODEV):
            return None
        raise
    if body is None or not _TCMSG.unpack_from(body)[2]:  # what has no handle is the kernel's
        return None
    found = attributes(body, _TCMSG.size)
    return Queue(_text(found[_TCA_KIND]), found.get(_TCA_OPTIONS, b""), _TCMSG.unpack_from(body)[2])


def _target(body: bytes) -> int | None:
    """Return the index that one filter leads everything to; 0 for another filter, None for what filters nothing."""
    info = _TCMSG.unpack_from(body)[4]
    found = attributes(body, _TCMSG.size)
    options = attributes(found.get(_TCA_OPTIONS, b""))
    if info != _INFO or _text(found.get(_TCA_KIND, b"")) != U32 or any(found.get(_TCA_CHAIN, b"")):
        return 0
    if _TCA_U32_SEL not in options:
        return None  # the filters' table
    if options.keys() - _TCA_U32_KNOWN or options[_TCA_U32_SEL][: len(_EVERYTHING)] != _EVERYTHING:
        return 0
    actions = attributes(options.get(_TCA_U32_ACT, b""))
    action = attributes(actions.get(1, b""))
    if len(actions) != 1 or _text(action.get(_TCA_ACT_KIND, b"")) != MIRRED:
        return 0
    *_rest, kind, index = _MIRRED.unpack_from(attributes(action[_TCA_ACT_OPTIONS])[_TCA_MIRRED_PARMS])
    return index if kind == _EGRESS_REDIR else 0


# --- changing ---


def new_ifb(name: str, mac: str) -> Message:
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name.encode() + b"\0")
    body += attribute(_IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    body += attribute(_IFLA_LINKINFO, _kind(_IFLA_INFO_KIND, IFB))
    return Message(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)


def set_alias(index: int, alias: str) -> Message:
    return Message(_RTM_NEWLINK, 0, _IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(_IFLA_IFALIAS, alias.encode()))


def new_bucket(index: int, per_second: int, burst: int, queue: int, instead_of: int = 0) -> Message:
    """Return the message that makes what an interface sends pass a token bucket; one that is there is changed.

    Or it is thrown away with what is waiting in it, where its handle is the one of `instead_of`.
    """
    handle = next(each for each in _HANDLES if each != instead_of) if instead_of else 0
    rate = (0, _LINKLAYER_ETHERNET, 0, 0, 0, min(per_second, _NUMBER_MAX))
    options = attribute(_TCA_TBF_PARMS, _TBF.pack(*rate, *(0,) * 6, queue, 0, 0))
    if per_second >= _NUMBER_MAX:
        options += attribute(_TCA_TBF_RATE64, _LONG.pack(per_second))
    options += attribute(_TCA_TBF_BURST, _NUMBER.pack(burst))
    body = _TCMSG.pack(0, index, handle, _TC_H_ROOT, 0) + _kind(_TCA_KIND, TBF) + attribute(_TCA_OPTIONS, options)
    return Message(_RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)


def delete_root(index: int) -> Message:
    return Message(_RTM_DELQDISC, 0, _TCMSG.pack(0, index, 0, _TC_H_ROOT, 0))


def new_ingress(index: int) -> Message:
    """Return the message that has the kernel ask filters about what arrives at an interface."""
    body = _TCMSG.pack(0, index, _INGRESS_HANDLE, _TC_H_INGRESS, 0) + _kind(_TCA_KIND, INGRESS)
    return Message(_RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body)


def delete_ingress(index: int) -> Message:
    """Return the message that removes what `new_ingress` made, and all filters with it."""
    return Message(_RTM_DELQDISC, 0, _TCMSG.pack(0, index, 0, _TC_H_INGRESS, 0))


def new_redirect(index: int, to: int) -> Message:
    """Return the message that leads all that arrives at an interface to another one, as if that sent it."""
    mirred = attribute(_TCA_MIRRED_PARMS, _MIRRED.pack(0, 0, _STOLEN, 0, 0, _EGRESS_REDIR, to))
    action = _kind(_TCA_ACT_KIND, MIRRED) + attribute(_TCA_ACT_OPTIONS, mirred)
    options = attribute(_TCA_U32_SEL, _EVERYTHING) + attribute(_TCA_U32_ACT, attribute(1, action))
    body = _TCMSG.pack(0, index, 0, _INGRESS_HANDLE, _INFO) + _kind(_TCA_KIND, U32)
    return Message(_RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body + attribute(_TCA_OPTIONS, options))


def _kind(number: int, kind: str) -> bytes:
    return attribute(number, kind.encode() + b"\0")


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("ascii", "replace")
