# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts, each with a server of etcd, on one network with one pool of addresses; one host is switched off and on."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import rig

pytestmark = [pytest.mark.hosts, pytest.mark.packets]
HERE = Path(__file__).parent
NUMBERS = (1, 2, 3)
ADDRESSES = {number: f"203.0.113.{number}" for number in NUMBERS}
ASKED = {
    "subnets": [("10.1.0.0/24", "10.1.0.0/24")],
    "options": {"vni": 42, "peers": [*ADDRESSES.values()]},
    "ipam": {"endpoints": [f"http://{address}:2379" for address in ADDRESSES.values()]},
}
NET = f"overlay=net/{json.dumps(ASKED)}"


class Site:
    """A host with its server."""

    def __init__(self, host: rig.Host, number: int):
        self.host, self.number, self.address = host, number, ADDRESSES[number]

    def switched_on(self) -> None:
        members = ",".join(f"{number}=http://{address}:2380" for number, address in ADDRESSES.items())
        here, peer = f"http://{self.address}:2379", f"http://{self.address}:2380"
        self.host.run(
            "sh",
            "-c",
            f"setsid etcd --name {self.number} --data-dir /var/lib/etcd-test --listen-client-urls {here}"
            f" --advertise-client-urls {here} --listen-peer-urls {peer} --initial-advertise-peer-urls {peer}"
            f" --initial-cluster {members} --heartbeat-interval 50 --election-timeout 500"
            " </dev/null >/var/log/etcd-test 2>&1 &",
        )

    def drive(self, *asked: str) -> list[dict[str, Any]]:
        return json.loads(self.host.run(sys.executable, "-B", HERE / "drive.py", *asked).stdout)

    def attach(self, *letters: str) -> list[str]:
        """Attach containers of the host, and return their addresses."""
        for letter in letters:
            self.host.run("ip", "netns", "add", f"c{self.number}{letter}")
        made = self.drive(*(f"attach=net/c{self.number}{letter}" for letter in letters))
        return [item["endpoint"]["ipv4"].partition("/")[0] for item in made]

    def pings(self, letter: str, address: str) -> None:
        ping = ("ip", "netns", "exec", f"c{self.number}{letter}", "ping", "-n", "-q", "-c1", "-W1", address)
        assert any(not self.host.run(*ping, check=False).returncode for _attempt in range(4)), address


def test_a_host_that_dies_with_its_server_costs_no_address_and_none_is_given_twice(new_host):
    sites = [Site(new_host(f"{ADDRESSES[number]}/24"), number) for number in NUMBERS]
    for site in sites:
        site.switched_on()
    with ThreadPoolExecutor() as threads:
        # The first asks until there is a majority; the others are there at the same time.
        made = [*threads.map(lambda site: site.drive(NET), sites)]
        assert all("as host" in str(item) for item in made)
        got = [*threads.map(lambda site: site.attach("a", "b"), sites)]
        assert len({*sum(got, [])}) == 6
        for site, addresses in zip(sites, (*got[1:], got[0])):
            site.pings("a", addresses[1])
        one, two, three = sites
        three.host.stop()
        more = [*threads.map(lambda site: site.attach("d", "e"), (one, two))]
        assert len({*sum(got + more, [])}) == 10
        three.host.start()
        three.switched_on()
        for letter in "ab":
            three.host.run("ip", "netns", "add", f"c3{letter}")
        back, *again = three.drive("network=net", "attach=net/c3a", "attach=net/c3b")
        assert back["drift"] == []
        assert [item["endpoint"]["ipv4"].partition("/")[0] for item in again] == got[2]
        assert [item["changes"] for item in again] == [[], []]
        three.pings("a", more[0][0])
        assert len({*sum([*got, *more, three.attach("d")], [])}) == 11
        assert [item["drift"] for site in (one, two) for item in site.drive("network=net")] == [[], []]
