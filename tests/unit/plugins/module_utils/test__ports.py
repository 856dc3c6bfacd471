# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports as they are written: every form of Docker's syntax, and what is said of everything else."""

from __future__ import annotations

import time

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._model import PortSpec, PublishedPort
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs


def specs(*texts):
    return port_specs(texts)


# --- what is accepted ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080:80", PortSpec("tcp", 80, 8080, 8080)),
        ("8080:80/tcp", PortSpec("tcp", 80, 8080, 8080)),
        ("53:53/udp", PortSpec("udp", 53, 53, 53)),
        ("53:53/UDP", PortSpec("udp", 53, 53, 53)),
        ("2905:2905/sctp", PortSpec("sctp", 2905, 2905, 2905)),
        ("127.0.0.1:53:53/udp", PortSpec("udp", 53, 53, 53, "127.0.0.1")),
        ("0.0.0.0:80:80", PortSpec("tcp", 80, 80, 80, "0.0.0.0")),
        ("[::1]:80:80", PortSpec("tcp", 80, 80, 80, "::1")),
        ("[::]:80:80", PortSpec("tcp", 80, 80, 80, "::")),
        ("[2001:DB8:0::1]:80:80/tcp", PortSpec("tcp", 80, 80, 80, "2001:db8::1")),
        ("1:65535", PortSpec("tcp", 65535, 1, 1)),
        ("65535:1", PortSpec("tcp", 1, 65535, 65535)),
        ("08080:080", PortSpec("tcp", 80, 8080, 8080)),
        (":8080:80", PortSpec("tcp", 80, 8080, 8080)),
    ],
)
def test_one_port_of_the_host_leads_to_one_of_the_container(text, expected):
    assert specs(text) == (expected,)


@pytest.mark.parametrize("text", ["80", "80/tcp", ":80", "0:80", "00000:80", "::80"])
def test_without_a_port_of_the_host_or_with_0_any_free_one_is_asked_for(text):
    assert specs(text) == (PortSpec("tcp", 80, 0, 0),)


@pytest.mark.parametrize("text", ["127.0.0.1::80", "127.0.0.1:0:80"])
def test_any_free_port_can_be_asked_for_at_one_address(text):
    assert specs(text) == (PortSpec("tcp", 80, 0, 0, "127.0.0.1"),)


def test_a_range_of_the_host_for_one_port_asks_for_the_first_free_of_it():
    assert specs("9000-9010:80") == (PortSpec("tcp", 80, 9000, 9010),)


def test_ranges_of_one_length_lead_one_to_one():
    assert specs("127.0.0.1:9000-9002:7000-7002/udp") == (
        PortSpec("udp", 7000, 9000, 9000, "127.0.0.1"),
        PortSpec("udp", 7001, 9001, 9001, "127.0.0.1"),
        PortSpec("udp", 7002, 9002, 9002, "127.0.0.1"),
    )


def test_a_range_of_one_port_is_that_port():
    assert specs("9000-9000:80-80") == (PortSpec("tcp", 80, 9000, 9000),)


@pytest.mark.parametrize("text", ["7000-7001", "0:7000-7001", "0-0:7000-7001"])
def test_a_range_of_the_container_alone_asks_for_a_free_port_for_each(text):
    assert specs(text) == (PortSpec("tcp", 7000, 0, 0), PortSpec("tcp", 7001, 0, 0))


def test_numbers_are_taken_for_ports_as_yaml_gives_them():
    assert specs(80) == (PortSpec("tcp", 80, 0, 0),)


def test_what_is_listed_twice_in_other_words_is_asked_for_once():
    assert specs("8080:80", "8080:80/tcp", "08080:80/TCP", "[::1]:1:1", "[0:0::1]:1:1") == (
        PortSpec("tcp", 80, 8080, 8080),
        PortSpec("tcp", 1, 1, 1, "::1"),
    )


def test_one_port_can_have_several_of_the_host_and_other_protocols_and_addresses_the_same_number():
    assert len(specs("8080:80", "8081:80", "8080:80/udp", "127.0.0.1:9090:80", "127.0.0.2:9090:81")) == 5


def test_no_ports_are_no_specs():
    assert port_specs([]) == ()


@pytest.mark.parametrize(
    ("port", "text"),
    [
        (PublishedPort("tcp", 80, 8080), "8080:80/tcp"),
        (PublishedPort("udp", 53, 53, "127.0.0.1"), "127.0.0.1:53:53/udp"),
        (PublishedPort("tcp", 80, 80, "::1"), "[::1]:80:80/tcp"),
    ],
)
def test_a_published_port_tells_itself_in_the_syntax_that_is_read(port, text):
    assert str(port) == text
    assert specs(text) == (PortSpec(port.protocol, port.container, port.host, port.host, port.address),)


# --- what is refused ---

SYNTAX = "is not [[ADDRESS:][PORT]:]PORT[/PROTOCOL], as 8080:80, 127.0.0.1:53:53/udp or [::1]:80:80"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("70000:80", "has the port 70000; the largest is 65535"),
        ("80:65536", "has the port 65536; the largest is 65535"),
        ("65530-65536:80", "has the port 65536; the largest is 65535"),
        ("99999-1:80", "has the port 99999; the largest is 65535"),
        ("x:0", "has the container port 0; it is from 1 to 65535"),
        ("80:0", "has the container port 0; it is from 1 to 65535"),
        ("0", "has the container port 0; it is from 1 to 65535"),
        ("80:0-5", "has the container port 0; it is from 1 to 65535"),
        ("x:80", "has the port 'x', which is neither a number nor FIRST-LAST"),
        ("-1", "has the port '-1', which is neither a number nor FIRST-LAST"),
        ("-1:80", "has the port '-1', which is neither a number nor FIRST-LAST"),
        ("80:-1", "has the port '-1', which is neither a number nor FIRST-LAST"),
        ("1-2-3:80", "has the port '1-2-3', which is neither a number nor FIRST-LAST"),
        ("1-:80", "has the port '1-', which is neither a number nor FIRST-LAST"),
        ("080000:80", "has the port '080000', which is neither a number nor FIRST-LAST"),
        ("80.5:80", "has the port '80.5', which is neither a number nor FIRST-LAST"),
        ("1e3:80", "has the port '1e3', which is neither a number nor FIRST-LAST"),
        ("0x50:80", "has the port '0x50', which is neither a number nor FIRST-LAST"),
        ("+80:80", "has the port '+80', which is neither a number nor FIRST-LAST"),
        (" 80:80", "has the port ' 80', which is neither a number nor FIRST-LAST"),
        ("80:80 ", "has the port '80 ', which is neither a number nor FIRST-LAST"),
        ("80\n:80", r"has the port '80\n', which is neither a number nor FIRST-LAST"),
        ("\u0668\u0660:80", r"has the port '\u0668\u0660', which is neither a number nor FIRST-LAST"),
        ("80:80\0", r"has the port '80\x00', which is neither a number nor FIRST-LAST"),
        ("9010-9000:80", "has the range 9010-9000, which ends before it begins"),
        ("0-10:80", "has a range of host ports that begins with 0; it is from 1 to 65535"),
        ("9000-9010:80-85", "has 11 host ports for 6 container ports; there must be as many"),
        ("9000-9001:80-85", "has 2 host ports for 6 container ports; there must be as many"),
        ("9000:80-85", "has 1 host ports for 6 container ports; there must be as many"),
        ("80:80/foo", "has the protocol 'foo'; it is one of tcp, udp, sctp"),
        ("80:80/", "has the protocol ''; it is one of tcp, udp, sctp"),
        ("80:80/tcp/udp", SYNTAX),
        ("80/tcp:80", "has the port '80/tcp', which is neither a number nor FIRST-LAST"),
        ("", SYNTAX),
        (":", SYNTAX),
        ("80:", SYNTAX),
        ("1:2:3:4", SYNTAX),
        ("::1:80:80", SYNTAX),
        ("2001:db8::1:80:80", SYNTAX),
        ("127.0.0.1,80:80", "has the port '127.0.0.1,80', which is neither a number nor FIRST-LAST"),
        ("300.1.1.1:80:80", "has a host address that is none: "),
        ("1.2.3:80:80", "has a host address that is none: "),
        ("127.0.0.01:80:80", "has a host address that is none: "),
        ("127.0.0.0/8:80:80", "has a host address that is none: "),
        ("localhost:80:80", "has a host address that is none: "),
        ("[::g]:80:80", "has a host address that is none: "),
        ("[::1%eth0]:80:80", "has the host address ::1%eth0, which is not that of an interface"),
        ("[ff02::1]:80:80", "has the host address ff02::1, which is not that of an interface"),
        ("224.0.0.1:80:80", "has the host address 224.0.0.1, which is not that of an interface"),
        ("[::ffff:10.0.0.1]:80:80", "which is not that of an interface"),
        ('80:80"; flush ruleset', "has the port '80\"; flush ruleset', which is neither a number nor FIRST-LAST"),
        ("80:80/tcp; flush ruleset", "has the protocol 'tcp; flush ruleset'; it is one of tcp, udp, sctp"),
        ("@bridges:80:80", "has a host address that is none: "),
        ("$(id):80:80", "has a host address that is none: "),
    ],
)
def test_what_is_no_port_is_refused_with_option_value_and_rule(text, rule, refused):
    code, message = refused(port_specs, ["1:1", text])
    assert code == "option_invalid"
    assert message.startswith(f"published_ports[1]: {text!a} ")
    assert rule in message


def test_the_option_can_be_one_of_a_member_of_a_list(refused):
    assert refused(port_specs, ["80:80", "x"], "connected[3].published_ports") == (
        "option_invalid",
        "connected[3].published_ports[1]: 'x' has the port 'x', which is neither a number nor FIRST-LAST",
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["80:80", "80:81"], "published_ports: port 80/tcp cannot lead to both 80 and 81"),
        (
            ["9000-9001:1-2/udp", "9001:5/udp"],
            "published_ports: port 9001/udp cannot lead to both 2 and 5",
        ),
        (["127.0.0.1:80:80", "127.0.0.1:80:81"], "published_ports: port 80/tcp cannot lead to both 80 and 81"),
    ],
)
def test_one_port_of_the_host_cannot_lead_to_two(texts, message, refused):
    assert refused(port_specs, texts) == ("option_invalid", message)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            ["1-10000:1-10000"],
            "published_ports[0]: '1-10000:1-10000' has 10000 ports; an endpoint has at most 8192",
        ),
        (["1-65535"], "published_ports[0]: '1-65535' has 65535 ports; an endpoint has at most 8192"),
        (
            [f"{number}:{number}" for number in range(1, 10_001)],
            "published_ports[8192]: more than 8192 ports of one endpoint",
        ),
        (["1-8192:1-8192", "9000:9000"], "published_ports[1]: more than 8192 ports of one endpoint"),
    ],
)
def test_ten_thousand_ports_are_refused_at_once(texts, message, refused):
    began = time.monotonic()
    assert refused(port_specs, texts) == ("option_invalid", message)
    assert time.monotonic() - began < 2


def test_as_many_ports_as_an_endpoint_can_have_are_accepted_at_once():
    began = time.monotonic()
    assert len(specs("1-8192:1-8192")) == 8192
    assert time.monotonic() - began < 2


def test_a_very_long_text_is_refused_at_once(refused):
    began = time.monotonic()
    assert refused(port_specs, [":" * 100_000])[0] == "option_invalid"
    assert refused(port_specs, ["[" * 100_000 + "]:80:80"])[0] == "option_invalid"
    assert time.monotonic() - began < 2
