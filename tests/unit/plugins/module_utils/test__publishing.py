# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds which port of the host, and which is given: what is recorded, what a task is about to do, what processes have."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, PortSpec, PublishedPort
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._publishing import PortClaims, PortRules, bindings

DUAL = Endpoint(
    network="net",
    container="c1",
    runtime="netns",
    id="e" * 64,
    host_ifname="veth0123456789a",
    ifname="eth0",
    mac="02:42:0a:32:00:02",
    ipv4=ip_interface("10.50.0.2/24"),
    ipv6=ip_interface("fd00::2/64"),
)
V4, V6 = replace(DUAL, ipv6=None), replace(DUAL, ipv4=None)
WEB = PublishedPort("tcp", 80, 8080)


def named(container, *ports, network="net", of=DUAL):
    return replace(of, network=network, container=container, ports=ports)


def slot(endpoint):
    return endpoint.network, endpoint.place


def claimed(endpoint):
    for port in endpoint.ports:
        yield from ((port.protocol, port.host, version, place) for version, place in bindings(port, endpoint))


class Recorded:
    """The records of endpoints that there are; `read` are the slots whose endpoints were asked for."""

    def __init__(self, *endpoints):
        self.endpoints = endpoints
        self.read = []

    def slots(self, protocol, port):
        return [
            slot(each) for each in self.endpoints if any((p.protocol, p.host) == (protocol, port) for p in each.ports)
        ]

    def versions(self, asked):
        self.read.append(asked)
        return [each for each in self.endpoints if slot(each) == asked]


def claims(*recorded):
    known = Recorded(*recorded)
    return PortClaims(known.slots, known.versions, claimed)


def claims_of_a_task(*endpoints):
    found = claims()
    for endpoint in endpoints:
        found.put(slot(endpoint), endpoint)
    return found


class Processes:
    """Processes of a host that have ports; `asked` are the questions."""

    def __init__(self, **having):
        self.having = having
        self.asked = []

    def __call__(self, protocol, port, bound):
        self.asked.append((protocol, port, bound))
        return self.having.get(f"{protocol}{port}", "")


def rules(held=None, processes=None, endpoint=DUAL, was=None):
    """Return what is asked of the ports of `endpoint`, which had those of `was`."""

    def was_bound(port):
        return bindings(port, was) if was and port in was.ports else ()

    return PortRules(
        slot(endpoint),
        held or claims(),
        processes or Processes(),
        lambda port: bindings(port, endpoint),
        was_bound,
    )


def resolved(*texts, before=(), numbers=range(32768, 32772), **given):
    return rules(**given).resolved(port_specs(texts), before, numbers)


# --- where a port is published ---


@pytest.mark.parametrize(
    ("endpoint", "address", "default", "expected"),
    [
        (DUAL, "", "", [(4, ""), (6, "")]),
        (V4, "", "", [(4, "")]),
        (V6, "", "", [(6, "")]),
        (DUAL, "0.0.0.0", "", [(4, "")]),
        (DUAL, "::", "", [(6, "")]),
        (DUAL, "127.0.0.1", "", [(4, "127.0.0.1")]),
        (DUAL, "::1", "", [(6, "::1")]),
        (V4, "::1", "", []),
        (V6, "127.0.0.1", "", []),
        (DUAL, "", "192.0.2.1", [(4, "192.0.2.1")]),
        (DUAL, "", "0.0.0.0", [(4, "")]),
        (DUAL, "127.0.0.1", "192.0.2.1", [(4, "127.0.0.1")]),
        (DUAL, "::1", "192.0.2.1", [(6, "::1")]),
        (V6, "", "192.0.2.1", []),
    ],
)
def test_a_port_is_published_for_each_ip_version_that_address_default_and_member_have(
    endpoint, address, default, expected
):
    assert list(bindings(PublishedPort("tcp", 80, 8080, address), endpoint, default)) == expected


# --- claims ---


def test_a_port_that_nobody_has_has_no_holder():
    assert claims().holder(("net", "netns:c1"), "tcp", 8080, [(4, "")]) is None


@pytest.mark.parametrize(
    ("held", "asked", "overlap"),
    [
        ("", [(4, "")], True),
        ("", [(4, "127.0.0.1")], True),
        ("", [(6, "")], True),
        ("0.0.0.0", [(4, "192.0.2.1")], True),
        ("0.0.0.0", [(6, "")], False),
        ("::", [(6, "::1")], True),
        ("::", [(4, "")], False),
        ("127.0.0.1", [(4, "")], True),
        ("127.0.0.1", [(4, ""), (6, "")], True),
        ("127.0.0.1", [(4, "127.0.0.1")], True),
        ("127.0.0.1", [(4, "127.0.0.2")], False),
        ("127.0.0.1", [(6, "::1")], False),
        ("::1", [(6, "")], True),
        ("::1", [(6, "::1")], True),
        ("::1", [(6, "fd00::9")], False),
        ("::1", [(4, "")], False),
    ],
)
@pytest.mark.parametrize("holding", [claims, claims_of_a_task])
def test_claims_overlap_by_ip_version_and_address(holding, held, asked, overlap):
    web = named("web", PublishedPort("tcp", 80, 8080, held))
    assert (holding(web).holder(("net", "netns:c1"), "tcp", 8080, asked) is web) == overlap


@pytest.mark.parametrize(("protocol", "port"), [("udp", 8080), ("sctp", 8080), ("tcp", 80), ("tcp", 8081)])
def test_other_protocols_and_other_numbers_are_other_ports(protocol, port):
    assert claims(named("web", WEB)).holder(("net", "netns:c1"), protocol, port, [(4, ""), (6, "")]) is None


def test_an_endpoint_is_not_in_its_own_way():
    web = named("web", WEB)
    assert claims(web).holder(slot(web), "tcp", 8080, [(4, "")]) is None


def test_the_endpoint_of_another_network_is_in_the_way_also_of_the_same_container():
    web = named("web", WEB)
    assert claims(web).holder(("back", web.place), "tcp", 8080, [(4, "")]) is web


def test_what_a_task_keeps_is_kept():
    web = named("web", WEB)
    held = claims(web)
    held.put(slot(web), web)
    assert held.holder(("net", "netns:c1"), "tcp", 8080, [(4, "")]) is web


@pytest.mark.parametrize("left", [None, named("web"), named("web", PublishedPort("tcp", 80, 9090))])
def test_what_a_task_frees_is_free_for_the_rest_of_it(left):
    web = named("web", WEB)
    held = claims(web)
    held.put(slot(web), left)
    assert held.holder(("net", "netns:c1"), "tcp", 8080, [(4, "")]) is None


def test_a_port_moves_from_one_endpoint_to_another_inside_one_task():
    web, new = named("web", WEB), named("new", WEB)
    held = claims(web)
    held.put(slot(web), named("web"))
    held.put(slot(new), new)
    assert held.holder(slot(web), "tcp", 8080, [(4, "")]) is new
    assert held.holder(slot(new), "tcp", 8080, [(4, "")]) is None


def test_two_endpoints_swap_their_ports_inside_one_task():
    one, two = named("one", WEB), named("two", PublishedPort("tcp", 80, 9090))
    held = claims(one, two)
    held.put(slot(one), None)
    held.put(slot(two), replace(two, ports=one.ports))
    held.put(slot(one), replace(one, ports=two.ports))
    assert held.holder(("net", "netns:c1"), "tcp", 8080, [(4, "")]).container == "two"
    assert held.holder(("net", "netns:c1"), "tcp", 9090, [(4, "")]).container == "one"


def test_a_decision_that_is_made_twice_counts_once():
    web = named("web", WEB)
    held = claims()
    held.put(slot(web), web)
    held.put(slot(web), web)
    held.put(slot(web), None)
    assert held.holder(("net", "netns:c1"), "tcp", 8080, [(4, "")]) is None


def test_of_an_unfinished_endpoint_each_version_holds_its_ports():
    before, after = named("web", WEB), named("web", PublishedPort("tcp", 80, 9090))
    held = claims(before, after)
    assert held.holder(("net", "netns:c1"), "tcp", 8080, [(4, "")]) is before
    assert held.holder(("net", "netns:c1"), "tcp", 9090, [(4, "")]) is after


# --- ports that are given ---


def test_ports_that_are_asked_for_are_given_in_the_order_of_the_container():
    assert resolved("53:53/udp", "9001:81", "[::1]:9000:80", "8080:80") == (
        PublishedPort("udp", 53, 53),
        PublishedPort("tcp", 80, 8080),
        PublishedPort("tcp", 80, 9000, "::1"),
        PublishedPort("tcp", 81, 9001),
    )


def test_no_ports_withdraw_all():
    assert resolved(before=[WEB]) == ()


def test_a_free_port_is_the_first_that_neither_endpoint_nor_process_has():
    held = claims(named("web", PublishedPort("tcp", 1, 32768)))
    processes = Processes(tcp32769="process 7 (nginx)")
    assert resolved("80", held=held, processes=processes) == (PublishedPort("tcp", 80, 32770, chosen=True),)


def test_each_free_port_is_another_one():
    assert resolved("80", "81", "32769:82") == (
        PublishedPort("tcp", 80, 32768, chosen=True),
        PublishedPort("tcp", 81, 32770, chosen=True),
        PublishedPort("tcp", 82, 32769),
    )


def test_protocols_have_numbers_of_their_own():
    assert resolved("80", "80/udp") == (
        PublishedPort("tcp", 80, 32768, chosen=True),
        PublishedPort("udp", 80, 32768, chosen=True),
    )


def test_the_first_free_of_a_range_is_taken():
    held = claims(named("web", PublishedPort("tcp", 1, 9000)))
    assert resolved("9000-9003:80", "9001:81", held=held) == (
        PublishedPort("tcp", 80, 9002, chosen=True),
        PublishedPort("tcp", 81, 9001),
    )


def test_a_chosen_port_stays():
    before = [PublishedPort("tcp", 80, 40000, chosen=True)]
    assert resolved("80", before=before) == tuple(before)


def test_a_chosen_port_stays_while_others_come_and_go():
    before = [PublishedPort("tcp", 80, 32769, chosen=True), PublishedPort("tcp", 81, 32768, chosen=True)]
    assert resolved("80", "82", before=before) == (
        PublishedPort("tcp", 80, 32769, chosen=True),
        PublishedPort("tcp", 82, 32768, chosen=True),
    )


def test_a_port_that_was_asked_for_by_number_stays_when_any_will_do():
    assert resolved("80", before=[WEB]) == (replace(WEB, chosen=True),)


def test_a_chosen_port_outside_of_the_range_that_is_asked_for_now_is_given_up():
    before = [PublishedPort("tcp", 80, 40000, chosen=True)]
    assert resolved("9000-9003:80", before=before) == (PublishedPort("tcp", 80, 9000, chosen=True),)


@pytest.mark.parametrize("text", ["80/udp", "81", "127.0.0.1::80"])
def test_a_chosen_port_is_that_of_one_protocol_port_and_address(text):
    (found,) = resolved(text, before=[PublishedPort("tcp", 80, 40000, chosen=True)])
    assert found.host == 32768


def test_a_chosen_port_gives_way_to_the_same_endpoints_wish_for_it():
    before = [PublishedPort("tcp", 80, 40000, chosen=True)]
    assert resolved("80", "40000:81", before=before) == (
        PublishedPort("tcp", 80, 32768, chosen=True),
        PublishedPort("tcp", 81, 40000),
    )


def test_what_is_given_does_not_depend_on_the_order_that_it_is_asked_for_in():
    assert resolved("80", "32768:81", "82/udp") == resolved("82/udp", "32768:81", "80")


# --- ports that are taken ---


def test_a_port_of_another_endpoint_is_refused_naming_it(refused):
    held = claims(named("web", WEB, network="front"))
    assert refused(resolved, "8080:80", held=held) == (
        "port_in_use",
        "published_ports: port 8080/tcp is held by web on network front",
    )


def test_a_port_of_a_process_is_refused_naming_it(refused):
    assert refused(resolved, "127.0.0.1:8080:80", processes=Processes(tcp8080="process 7 (nginx -g)")) == (
        "port_in_use",
        "published_ports: port 127.0.0.1:8080/tcp is held by process 7 (nginx -g)",
    )


def test_processes_are_asked_at_each_address_that_a_port_is_published_at():
    processes = Processes()
    resolved("8080:80", "[::1]:53:53/udp", processes=processes)
    assert processes.asked == [("tcp", 8080, (4, "")), ("tcp", 8080, (6, "")), ("udp", 53, (6, "::1"))]


def test_processes_are_not_asked_for_what_is_published_already():
    processes = Processes(tcp8080="process 7 (nginx)")
    assert resolved("8080:80", processes=processes, was=named("c1", WEB)) == (WEB,)
    assert processes.asked == []


def test_processes_are_asked_for_the_ip_version_that_a_published_port_gets_anew(refused):
    processes = Processes(tcp8080="process 7 (nginx)")
    assert refused(resolved, "8080:80", processes=processes, was=named("c1", WEB, of=V4))[0] == "port_in_use"
    assert processes.asked == [("tcp", 8080, (6, ""))]


def test_a_chosen_port_that_somebody_else_has_by_now_is_refused(refused):
    held = claims(named("web", PublishedPort("tcp", 1, 40000)))
    before = [PublishedPort("tcp", 80, 40000, chosen=True)]
    assert refused(resolved, "80", held=held, before=before) == (
        "port_in_use",
        "published_ports: port 40000/tcp is held by web on network net",
    )


@pytest.mark.parametrize("other", ["0.0.0.0:80:81", "[::]:80:81", "127.0.0.1:80:81"])
def test_one_port_of_the_host_cannot_lead_to_two_in_whatever_words(other, refused):
    assert refused(resolved, "80:80", other)[0] == "option_invalid"


def test_a_range_without_a_free_port_is_refused_naming_who_has_the_last(refused):
    held = claims(named("web", PublishedPort("tcp", 1, 9000), PublishedPort("tcp", 1, 9001)))
    assert refused(resolved, "9000-9001:80", held=held) == (
        "port_in_use",
        "published_ports: no port of the host is free for 80/tcp; the last is held by web on network net",
    )


def test_a_range_that_the_endpoint_itself_has_used_up_is_refused(refused):
    assert refused(resolved, "9000-9000:80", "9000-9001:81", "9001-9001:82", "9000-9001:83") == (
        "port_in_use",
        "published_ports: no port of the host is free for 81/tcp; the last is held by other ports of this endpoint",
    )


@pytest.mark.parametrize(
    "taken, free",
    [
        (PublishedPort("tcp", 1, 8080, "127.0.0.1"), "127.0.0.2:8080:80"),
        (PublishedPort("tcp", 1, 8080, "0.0.0.0"), "[::]:8080:80"),
        (PublishedPort("udp", 1, 8080), "8080:80"),
    ],
)
def test_a_port_that_is_taken_elsewhere_is_free(taken, free):
    (found,) = resolved(free, held=claims(named("web", taken)))
    assert (found.host, found.container) == (8080, 80)


def test_many_ports_are_resolved_without_comparing_each_with_each():
    asked = [PortSpec("tcp", number, number, number) for number in range(1, 4097)]
    held = claims(*(named(f"c{number}", PublishedPort("tcp", 80, 10_000 + number)) for number in range(50)))
    processes = Processes()
    assert len(rules(held, processes).resolved(asked, (), ())) == 4096
    assert len(processes.asked) == 2 * 4096


def test_an_endpoint_with_many_ports_is_read_once_whoever_asks_for_how_many():
    many = tuple(PublishedPort("tcp", 80, port, "192.0.2.1") for port in range(1000, 2000))
    known = Recorded(named("web", *many), named("db", network="back"))
    held = PortClaims(known.slots, known.versions, claimed)
    found = [held.holder(("net", "netns:c9"), "tcp", port, [(4, "192.0.2.2")]) for port in range(1000, 2000)]
    assert found == [None] * 1000
    assert held.holder(("net", "netns:c9"), "tcp", 1500, [(4, "192.0.2.1")]).container == "web"
    assert known.read == [("net", "netns:web")]


def test_an_endpoint_does_not_read_itself():
    known = Recorded(named("web", PublishedPort("tcp", 80, 8080)))
    held = PortClaims(known.slots, known.versions, claimed)
    assert held.holder(("net", "netns:web"), "tcp", 8080, [(4, "")]) is None
    assert known.read == []
