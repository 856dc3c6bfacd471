# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One netlink socket, against answers that were recorded or made up."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel import wire

KERNEL, SOMEBODY = 0, 4711
# RTM_NEWADDR for an interface that does not exist, as Linux 6.18 answered it.
NO_SUCH_DEVICE = bytes.fromhex(
    "edffffff200000001400050002000000000000001b000100697076343a20446576696365206e6f7420666f756e640000"
)
CAPPED_WITH_WORDS = 0x300  # NLM_F_CAPPED | NLM_F_ACK_TLVS


class Answering:
    """A socket on which each request gets the next of some answers: lists of datagrams, or of errors to raise."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.sent = []
        self.waiting = []

    def setsockopt(self, *_option):
        pass

    def send(self, data):
        self.sent.append(data)
        self.waiting = list(self.answers.pop(0))

    def recvmsg(self, _size):
        data, flags, sender = self.waiting.pop(0)
        if isinstance(data, int):
            raise OSError(data, os.strerror(data))
        return data, [], flags, (sender, 0)


def message(kind, body=b"", flags=0, sequence=1):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


def ack(number=0, sequence=1):
    return message(2, struct.pack("=i", -number) + bytes(16), 0x100, sequence)


def done(sequence=1, flags=0):
    return message(3, bytes(4), 2 | flags, sequence)


@pytest.fixture
def opened(monkeypatch):
    """Return a function that makes a wire on which requests get `answers`."""

    def make(*answers):
        fake = Answering([[(*part, 0, KERNEL)[:3] for part in answer] for answer in answers])
        monkeypatch.setattr(wire.socket, "socket", lambda *_kind: fake)
        return wire.Wire(), fake

    return make


def test_a_change_is_numbered_and_asks_to_be_acknowledged(opened):
    nl, fake = opened([(ack(),)], [(ack(sequence=2),)])
    nl.change(wire.Message(16, 0x600, b"body"))
    nl.change(wire.Message(17, 0, b""))
    assert fake.sent == [
        struct.pack("=IHHII", 20, 16, 0x605, 1, 0) + b"body",
        struct.pack("=IHHII", 16, 17, 0x5, 2, 0),
    ]


def test_a_refused_change_says_what_the_kernel_says(opened):
    nl, _fake = opened([(message(2, NO_SUCH_DEVICE, CAPPED_WITH_WORDS),)])
    with pytest.raises(OSError, match="No such device") as caught:
        nl.change(wire.Message(20, 0, b""))
    assert (caught.value.errno, caught.value.strerror) == (19, "No such device (ipv4: Device not found)")


def test_the_words_are_found_behind_a_request_that_is_repeated_whole(opened):
    whole = struct.pack("=i", -errno.EINVAL) + message(16, b"request") + wire.attribute(1, b"Wrong colour.\0")
    nl, _fake = opened([(message(2, whole, 0x200),)])
    with pytest.raises(OSError, match=r"Invalid argument \(Wrong colour\)"):
        nl.change(wire.Message(16, 0, b"request"))


def test_a_kernel_without_words_is_told_by_its_number(opened):
    nl, _fake = opened([(ack(errno.EEXIST),)])
    with pytest.raises(FileExistsError, match=r"\[Errno 17\] File exists$"):
        nl.change(wire.Message(16, 0, b""))


def test_what_another_program_sends_is_not_an_answer(opened):
    nl, _fake = opened([(ack(errno.EPERM), 0, SOMEBODY), (ack(),)])
    nl.change(wire.Message(16, 0, b""))


def test_an_answer_to_an_earlier_request_is_passed_over(opened):
    nl, _fake = opened([(ack(errno.EPERM, sequence=9) + ack(),)])
    nl.change(wire.Message(16, 0, b""))


def test_an_answer_that_was_cut_off_is_an_error(opened):
    nl, _fake = opened([(ack(), socket.MSG_TRUNC)])
    with pytest.raises(OSError, match="Message too long"):
        nl.change(wire.Message(16, 0, b""))


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EAGAIN])
def test_a_change_whose_answer_is_lost_has_failed(opened, number):
    nl, _fake = opened([(number,)])
    with pytest.raises(OSError, match=os.strerror(number)):
        nl.change(wire.Message(16, 0, b""))


def test_a_dump_is_the_bodies_of_all_its_parts(opened):
    nl, _fake = opened([(message(16, b"one", 2) + message(16, b"two2", 2),), (message(16, b"three", 2),), (done(),)])
    assert nl.dump(18, b"") == [b"one", b"two2", b"three"]


@pytest.mark.parametrize(
    "disturbed",
    [
        [(message(16, b"half", 2 | 0x10) + done(),)],
        [(message(16, b"half", 2) + done(flags=0x10),)],
        [(message(16, b"half", 2),), (errno.ENOBUFS,), (done(),)],
    ],
    ids=["marked", "marked at the end", "lost"],
)
def test_a_dump_that_something_came_between_is_asked_for_again(opened, disturbed):
    nl, fake = opened(disturbed, [(message(16, b"all", 2, 2) + done(2),)])
    assert nl.dump(18, b"") == [b"all"]
    assert len(fake.sent) == 2


def test_a_dump_that_does_not_come_to_rest_is_given_up_after_six_times(opened):
    nl, fake = opened(*([(done(number, 0x10),)] for number in range(1, 7)))
    with pytest.raises(NetloomError, match="the kernel's tables change faster than they can be read; try again"):
        nl.dump(18, b"")
    assert len(fake.sent) == 6


def test_a_dump_can_fail_at_its_end(opened):
    failed = struct.pack("=i", -errno.ENOENT) + wire.attribute(1, b"ipv4: FIB table does not exist\0")
    nl, _fake = opened([(message(3, failed, 0x202),)])
    with pytest.raises(OSError, match=r"No such file or directory \(ipv4: FIB table does not exist\)"):
        nl.dump(26, b"")


def test_attributes_are_found_by_their_type_without_its_flags():
    data = b"head" + wire.attribute(3, b"eth0\0") + wire.attribute(0x8012, wire.attribute(1, b"veth\0"))
    found = wire.attributes(data, 4)
    assert found[3] == b"eth0\0"
    assert wire.attributes(found[18]) == {1: b"veth\0"}


@pytest.mark.parametrize("damage", [b"\3\0\1\0", b"\x20\0\1\0abcd", b"\4\0"])
def test_attributes_end_where_they_are_damaged(damage):
    assert wire.attributes(wire.attribute(7, b"good") + damage) == {7: b"good"}
