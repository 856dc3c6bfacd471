# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One netlink socket, of rtnetlink unless said otherwise: a request and its answer, a dump, a change and its acknowledgement.

Knows messages as bytes, not what they mean. Errors are OSError, with the kernel's own words where it has any.
Collection-private. Floor 4.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress
from typing import NamedTuple

from .._errors import NetloomError

_NETLINK_ROUTE, _SOL_NETLINK = 0, 270  # linux/netlink.h
_OPTIONS = (10, 11, 12)  # NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK (Linux 4.20)
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 0x1, 0x2, 0x4, 0x10
NLM_F_DUMP, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x300, 0x100, 0x200, 0x400
_NLM_F_CAPPED, _NLM_F_ACK_TLVS, _NLM_F_ECHO = 0x100, 0x200, 0x8
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLMSGERR_ATTR_MSG = 1
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_ERROR = struct.Struct("=i")
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_LARGEST = 1 << 16  # the kernel puts at most 32 KB into one datagram of a dump
_DUMP_TRIES = 6
_SECONDS = 20  # the answer is there when the request has been sent, unless somebody floods the socket


class Message(NamedTuple):
    """A message but for its header; `flags` are those besides NLM_F_REQUEST."""

    kind: int
    flags: int
    body: bytes


class Wire:
    """A netlink socket of the network namespace that this thread is in when it is made."""

    def __init__(self, protocol: int = _NETLINK_ROUTE) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        for option in _OPTIONS:
            with suppress(OSError):  # an older kernel: fewer words, and filtering is left to who asks
                self.socket.setsockopt(_SOL_NETLINK, option, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SECONDS, 0))
        self._sequence = 0

    def close(self) -> None:
        self.socket.close()

    def change(self, message: Message) -> None:
        """Have the kernel carry out `message`.

        :raises OSError: it refused.
        """
        self._send(message._replace(flags=message.flags | NLM_F_ACK))
        self._answers()

    def ask(self, kind: int, body: bytes) -> bytes:
        """Return the body of the one message that answers a request.

        :raises OSError: the kernel refused, or there is no such thing.
        """
        self._send(Message(kind, 0, body))
        return self._answers()[0][0]

    def find(self, kind: int, body: bytes) -> bytes | None:
        """Return the body of the message that answers a request; None where the kernel only acknowledges it.

        :raises OSError: the kernel refused, or there is no such thing.
        """
        # NLM_F_ECHO: some subsystems answer by a notification, which otherwise whoever caused it does not get.
        self._send(Message(kind, NLM_F_ACK | _NLM_F_ECHO, body))
        found = self._answers()[0]  # an acknowledgement behind an answer is left for the next request to skip
        return found[0] if found else None

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Return the bodies of all that a request lists, asked again while the kernel says that it changed meanwhile.

        :raises NetloomError: apply_failed, when it does not come to rest.
        :raises OSError: the kernel refused.
        """
        for _attempt in range(_DUMP_TRIES):
            self._send(Message(kind, NLM_F_DUMP, body))
            found, whole = self._answers(listing=True)
            if whole:
                return found
        raise NetloomError("apply_failed", "the kernel's tables change faster than they can be read; try again")

    def _send(self, message: Message) -> None:
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        flags = message.flags | NLM_F_REQUEST
        header = _HEADER.pack(_HEADER.size + len(message.body), message.kind, flags, self._sequence, 0)
        self.socket.send(header + message.body)

    def _answers(self, *, listing: bool = False) -> tuple[list[bytes], bool]:
        """Return the bodies of what answers the last request, and whether none are missing."""
        found: list[bytes] = []
        whole = True
        while True:
            try:
                datagram = self._received()
            except OSError as exc:
                if not listing or exc.errno != errno.ENOBUFS:
                    raise
                whole = False  # a part was lost, the rest is still to come
                continue
            position = 0
            while position < len(datagram):
                length, kind, flags, sequence, _port = _HEADER.unpack_from(datagram, position)
                body = datagram[position + _HEADER.size : position + length]
                position += length + 3 & ~3
                if sequence != self._sequence:
                    continue  # of a request that was given up
                whole = whole and not flags & NLM_F_DUMP_INTR
                if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    _check(kind, flags, body)
                    return found, whole
                found.append(body)
                if not flags & NLM_F_MULTI:
                    return found, whole

    def _received(self) -> bytes:
        while True:
            datagram, _ancillary, flags, (sender, _groups) = self.socket.recvmsg(_LARGEST)
            if sender:
                continue  # not the kernel: whoever is root in a container can send to this socket
            if flags & socket.MSG_TRUNC:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            return datagram


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute, padded as the next one needs it."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes, position: int = 0) -> dict[int, bytes]:
    """Return the attributes in `data` from `position` on: type to value. Of a damaged one on, nothing."""
    found = {}
    end = len(data)
    while position + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size or position + length > end:
            break
        found[kind & _TYPE_MASK] = data[position + _ATTRIBUTE.size : position + length]
        position += length + 3 & ~3
    return found


def _check(kind: int, flags: int, body: bytes) -> None:
    """:raises OSError: an acknowledgement or the end of a dump says that the kernel refused."""
    number = -_ERROR.unpack_from(body)[0] if len(body) >= _ERROR.size else 0
    if not number:
        return
    start = _ERROR.size
    if kind == _NLMSG_ERROR:  # the request follows, whole or only its header
        request = _HEADER.unpack_from(body, start)[0]
        start += _HEADER.size if flags & _NLM_F_CAPPED else request + 3 & ~3
    told = attributes(body, start).get(_NLMSGERR_ATTR_MSG, b"") if flags & _NLM_F_ACK_TLVS else b""
    words = told.rstrip(b"\0").decode("utf-8", "replace").rstrip(".")
    raise OSError(number, os.strerror(number) + (f" ({words})" if words else ""))
