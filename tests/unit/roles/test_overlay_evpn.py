# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a session with whom, by role overlay_evpn, and which configuration of FRR it takes for somebody else's."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

ROLE = Path(__file__).parents[3] / "roles" / "overlay_evpn"
HOSTS = [f"203.0.113.{number}" for number in range(1, 13)]
PACKAGED = "# default to using syslog. /etc/rsyslog.d/45-frr.conf places the log in\n#\nlog syslog informational\n"


def read(path: str):
    return (ROLE / path).read_text(encoding="utf-8")


def configuration(address: str, peers: list[str], **options: object) -> str:
    values = {**yaml.safe_load(read("defaults/main.yml")), "overlay_evpn_peers": peers, **options}
    reflectors = NativeEnvironment().from_string(str(values["overlay_evpn_reflectors"])).render(values)
    values |= {"overlay_evpn_address": address, "overlay_evpn_reflectors": reflectors}
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(read("templates/frr.conf.j2")).render(values)


def sessions(text: str) -> list[str]:
    return re.findall(r"^ neighbor ([\d.]+) peer-group overlay-evpn$", text, re.MULTILINE)


def clients(text: str) -> list[str]:
    return re.findall(r"^  neighbor ([\d.]+) route-reflector-client$", text, re.MULTILINE)


def test_up_to_ten_hosts_each_has_a_session_with_each_other_one():
    for address in HOSTS[:10]:
        text = configuration(address, HOSTS[:10])
        assert sessions(text) == [peer for peer in HOSTS[:10] if peer != address]
        assert clients(text) == []


def test_above_ten_hosts_the_first_two_reflect_for_all_others():
    peers = HOSTS[:11]
    assert sessions(configuration(HOSTS[0], peers)) == HOSTS[1:11]
    assert clients(configuration(HOSTS[0], peers)) == HOSTS[2:11]
    assert sessions(configuration(HOSTS[1], peers)) == [HOSTS[0], *HOSTS[2:11]]
    for address in HOSTS[2:11]:
        text = configuration(address, peers)
        assert (sessions(text), clients(text)) == (HOSTS[:2], [])


def test_reflectors_that_are_named_are_taken():
    named = {"overlay_evpn_reflectors": [HOSTS[2]]}
    assert clients(configuration(HOSTS[2], HOSTS[:3], **named)) == HOSTS[:2]
    assert sessions(configuration(HOSTS[0], HOSTS[:3], **named)) == [HOSTS[2]]


def test_bfd_and_further_lines_are_there_when_asked_for():
    text = configuration(HOSTS[0], HOSTS[:2], overlay_evpn_frr_config="router ospf\n network 203.0.113.0/24 area 0\n")
    assert "\n neighbor overlay-evpn bfd\n" in text
    assert "\n!\nrouter ospf\n network 203.0.113.0/24 area 0\n!\nrouter bgp 65000\n" in text
    assert " bfd" not in configuration(HOSTS[0], HOSTS[:2], overlay_evpn_bfd=False)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", True),
        (PACKAGED, True),
        (
            PACKAGED + "!\nfrr version 8.4.4\nfrr defaults traditional\nhostname h1\nservice integrated-vtysh-config\n",
            True,
        ),
        (PACKAGED + "router ospf\n network 203.0.113.0/24 area 0\n", False),
        (PACKAGED + "interface eth0\n ip ospf cost 10\n", False),
        (PACKAGED + "ip route 192.0.2.0/24 203.0.113.9\n", False),
        (configuration(HOSTS[0], HOSTS[:2]), True),
    ],
)
def test_a_configuration_is_replaced_when_it_is_ours_or_says_nothing(text, taken):
    (refusal,) = (task for task in yaml.safe_load(read("tasks/present.yml")) if "Refuse to replace" in task["name"])
    ours, theirs = (refusal["vars"][f"overlay_evpn_{name}"] for name in ("ours", "theirs"))
    assert (bool(re.search(ours, text)) or not re.search(theirs, text)) == taken
