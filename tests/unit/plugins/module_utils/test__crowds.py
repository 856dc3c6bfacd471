# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network
from ansible_collections.netloom.containers.plugins.module_utils._verbs.crowds import crowded

NET = Network("net", "0" * 64, "bridge")


class Limits:
    """What a kernel says of its limits."""

    def __init__(self, queue=1000, neighbours=1024):
        self.queue, self.neighbours = queue, neighbours

    def queue_max(self):
        return self.queue

    def neighbours_max(self, version):
        return self.neighbours


def members(count):
    first = int(ip_interface("10.1.0.2/16").ip)
    return [
        Endpoint("net", f"c{n}", "netns", "1" * 64, "veth0", "eth0", "", ipv4=ip_interface((first + n, 16)))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "limits", "words"),
    [
        (256, Limits(1, 1), []),
        (512, Limits(), []),
        (513, Limits(), ["1026 neighbours when all talk to the host; the kernel keeps 1024"]),
        (1001, Limits(neighbours=8192), ["is lost for all but 1000; raise net.core.netdev_max_backlog"]),
        (1023, Limits(), ["net.core.netdev_max_backlog", "net.ipv4.neigh.default.gc_thresh3"]),
        (1023, Limits(0, 0), []),
    ],
)
def test_what_is_said_of_many_members(count, limits, words):
    said = list(crowded(limits, NET, members(count)))
    assert len(said) == len(words)
    assert [word for word, line in zip(words, said) if word not in line] == []
