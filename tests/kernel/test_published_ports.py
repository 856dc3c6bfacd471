# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports and gateway modes through the engine, as packets; and what their options make of the host."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._kernel import firewall
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from engine import Verb, absent, attach, detach, do, present, recorded, refusal, result_of

pytestmark = pytest.mark.packets

LAN = rig.Lan()
HOST = {4: LAN.host, 6: LAN.host6}
NEIGHBOUR = {4: LAN.neighbour, 6: LAN.neighbour6}
C1 = {4: "10.1.0.2", 6: "fd00:1::2"}
C2 = {4: "10.1.0.3", 6: "fd00:1::3"}
D1 = {4: "10.2.0.2", 6: "fd00:2::2"}
GATEWAY = {4: "10.1.0.1", 6: "fd00:1::1"}
KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}
NOTHING_SECONDS = 0.4  # how long nothing has to arrive

both_families = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(autouse=True)
def machine():
    """A host with a neighbour, network net with the members c1 and c2, and network other with the member d1."""
    rig.lan()
    # The kernel solicits a neighbour for a packet of somebody else from a link-local address only.
    rig.run("ip", "address", "add", "fe80::1/64", "dev", LAN.ifname, "nodad")
    for name in ("c1", "c2", "d1"):
        rig.netns(name)
    do(present("net", "10.1.0.0/24", "fd00:1::/64"), present("other", "10.2.0.0/24", "fd00:2::/64"))
    do(attach("net", "c1"), attach("net", "c2"), attach("other", "d1"))


def publish(container: str, *ports: str, network: str = "net", **options: Any) -> Verb:
    """Return the verb that has a member publish exactly these ports."""
    return attach(network, container, ports=port_specs(ports), **options)


def sysctl(name: str) -> Path:
    return Path("/proc/sys/net", name)


def bridged_frames_pass_iptables(value: int) -> None:
    for name in ("iptables", "ip6tables"):
        path = sysctl(f"bridge/bridge-nf-call-{name}")
        if path.exists():
            path.write_text(str(value))


def route_to_the_members() -> None:
    """Give the neighbour routes to both networks, through the host."""
    for number in (1, 2):
        rig.run("ip", "route", "add", f"10.{number}.0.0/24", "via", LAN.host, netns=LAN.netns)
        rig.run("ip", "-6", "route", "add", f"fd00:{number}::/64", "via", LAN.host6, netns=LAN.netns)


# --- probes ---


def made(netns: str | None, address: str, protocol: str) -> socket.socket:
    with rig.inside(netns):
        return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, *KINDS[protocol])


def bound(netns: str | None, address: str, port: int, protocol: str = "tcp") -> socket.socket:
    """Return a socket that waits in a namespace for whatever comes."""
    found = made(netns, address, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((address, port))
    if protocol != "udp":
        found.listen(64)
    return found


def came(waiting: socket.socket, seconds: float) -> str:
    """Return the address that something came from, empty if nothing came."""
    waiting.settimeout(seconds)
    with contextlib.suppress(socket.timeout):
        if waiting.type == socket.SOCK_DGRAM:
            return waiting.recvfrom(16)[1][0]
        connection, peer = waiting.accept()
        connection.close()
        return peer[0]
    return ""


def send(sender: socket.socket, to: str, port: int, *, expect: bool = True) -> None:
    """Have something sent, a connection opened; whether it is, is for the other side to say."""
    sender.settimeout(3 if expect else NOTHING_SECONDS)
    if sender.type == socket.SOCK_DGRAM:
        with contextlib.suppress(ConnectionError):  # what an earlier datagram met
            sender.sendto(b"x", (to, port))
    else:
        sender.connect_ex((to, port))


def arrives(source: str | None, to: str, port: int, at: socket.socket, expect: bool = True) -> str:
    """Assert that what is sent to an address and port comes out at the socket `at`, or that it does not.

    Return the address that it came from.
    """
    protocol = next(name for name, (_kind, number) in KINDS.items() if number == at.proto)
    patience = 3 if expect else 0.05 if protocol == "tcp" else NOTHING_SECONDS
    with made(source, to, protocol) as sender:
        send(sender, to, port, expect=expect)
        came_from = came(at, patience)
    assert bool(came_from) == expect, f"{to} {port}/{protocol} from {source or 'the host'}: came from {came_from!r}"
    return came_from


def refused(source: str | None, to: str, port: int) -> bool:
    """Return whether a connection is refused, rather than lost."""
    with made(source, to, "tcp") as probe:
        probe.settimeout(3)
        return probe.connect_ex((to, port)) == errno.ECONNREFUSED


def exchanges(client: socket.socket, server: socket.socket) -> bool:
    """Return whether both ends of a connection hear each other."""
    for one, other in ((client, server), (server, client)):
        other.settimeout(3)
        one.sendall(b"x")
        if other.recv(1) != b"x":
            return False
    return True


@contextlib.contextmanager
def connection(
    source: str | None, to: str, port: int, at: socket.socket
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Hold a TCP connection open: yield both of its ends."""
    with made(source, to, "tcp") as client:
        client.settimeout(3)
        client.connect((to, port))
        at.settimeout(3)
        server, _peer = at.accept()
        with server:
            yield client, server


def needs(protocol: str) -> None:
    try:
        made(None, "127.0.0.1", protocol).close()
    except OSError as error:
        if error.errno != errno.EPROTONOSUPPORT:
            raise
        pytest.skip(f"this kernel has no {protocol}")


# --- who reaches a published port ---


@both_families
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
@pytest.mark.parametrize("bridged", [0, 1], ids=["alone", "bridge-nf-call-iptables"])
def test_a_published_port_leads_to_the_member_from_everywhere(version, protocol, bridged):
    needs(protocol)
    bridged_frames_pass_iptables(bridged)
    do(publish("c1", f"8080:80/{protocol}"))
    host = HOST[version]
    with bound("c1", C1[version], 80, protocol) as at:
        assert arrives(LAN.netns, host, 8080, at) == NEIGHBOUR[version]
        assert arrives(None, host, 8080, at) == host
        assert arrives("d1", host, 8080, at) == D1[version]
        assert arrives("d1", {4: "10.2.0.1", 6: "fd00:2::1"}[version], 8080, at) == D1[version]
        assert arrives("c2", host, 8080, at) == GATEWAY[version]
        assert arrives("c2", GATEWAY[version], 8080, at) == GATEWAY[version]
        assert arrives("c1", host, 8080, at) == GATEWAY[version]
        assert arrives("c1", GATEWAY[version], 8080, at) == GATEWAY[version]
        arrives(LAN.netns, host, 80, at, expect=False)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
@pytest.mark.parametrize("port", ["8080:80", "127.0.0.1:8080:80"])
def test_a_port_at_the_hosts_loopback_leads_to_the_member(protocol, port):
    needs(protocol)
    do(publish("c1", f"{port}/{protocol}"))
    with bound("c1", C1[4], 80, protocol) as at:
        assert arrives(None, "127.0.0.1", 8080, at) == GATEWAY[4]


@both_families
def test_a_connection_of_another_protocol_does_not_arrive(version):
    do(publish("c1", "8080:80/udp"))
    with bound("c1", C1[version], 80, "tcp") as tcp, bound("c1", C1[version], 80, "udp") as udp:
        arrives(LAN.netns, HOST[version], 8080, udp)
        arrives(LAN.netns, HOST[version], 8080, tcp, expect=False)


@pytest.mark.parametrize("port", ["8080:80", "[::]:8080:80", "[::1]:8080:80"])
def test_the_hosts_ipv6_loopback_refuses_at_once(port):
    do(publish("c1", port))
    with bound("c1", "::", 80):
        assert refused(None, "::1", 8080)


def test_who_publishes_at_the_hosts_ipv6_loopback_alone_is_told_that_nothing_reaches_it():
    result = engine.result_of(publish("c1", "[::1]:8080:80"))
    assert result.outcome.warnings == (
        "published_ports: [::1]:8080:80/tcp: the kernel routes nothing from [::1] to a container; use 127.0.0.1",
    )


def test_localhost_leads_to_the_member_all_the_same():
    do(publish("c1", "8080:80"))
    with bound("c1", C1[4], 80) as at:
        socket.create_connection(("localhost", 8080), timeout=3).close()
        assert came(at, 1) == GATEWAY[4]


@both_families
def test_a_port_of_a_new_network_leads_to_the_member_at_once(version):
    rig.netns("c4")
    do(present("new", "10.4.0.0/24", "fd00:4::/64"), publish("c4", "8080:80", network="new"))
    with bound("c4", "::", 80) as at, made(LAN.netns, HOST[version], "tcp") as client:
        client.settimeout(0.5)
        client.connect((HOST[version], 8080))
        assert came(at, 0.5)


@both_families
def test_each_port_of_a_range_leads_to_its_own(version):
    do(publish("c1", "9000-9002:80-82"))
    for offset in range(3):
        with bound("c1", C1[version], 80 + offset) as at:
            arrives(LAN.netns, HOST[version], 9000 + offset, at)
            arrives(LAN.netns, HOST[version], 9000 + (offset + 1) % 3, at, expect=False)


@both_families
def test_a_port_at_one_address_of_the_host_is_at_no_other(version):
    more = {4: "198.51.100.9", 6: "2001:db8:ffff::9"}
    for each, length in ((4, 24), (6, 64)):
        rig.run("ip", "address", "add", f"{more[each]}/{length}", "dev", LAN.ifname, *{6: ["nodad"]}.get(each, []))
    do(publish("c1", {4: f"{more[4]}:8080:80", 6: f"[{more[6]}]:8080:80"}[version]))
    with bound("c1", "::", 80) as at:
        for source in (LAN.netns, None, "c1", "c2", "d1"):
            arrives(source, more[version], 8080, at)
            arrives(source, HOST[version], 8080, at, expect=False)
        for other in (more[10 - version], HOST[10 - version], "127.0.0.1", GATEWAY[version]):
            arrives(None, other, 8080, at, expect=False)


@both_families
def test_a_port_at_all_addresses_of_one_version_is_at_none_of_the_other(version):
    do(publish("c1", {4: "0.0.0.0:8080:80", 6: "[::]:8080:80"}[version]))
    with bound("c1", "::", 80) as at:
        arrives(LAN.netns, HOST[version], 8080, at)
        arrives(LAN.netns, HOST[10 - version], 8080, at, expect=False)


def test_the_same_port_of_two_addresses_leads_to_two_members():
    do(
        publish("c1", f"{LAN.host}:8080:80"),
        publish("c2", "127.0.0.1:8080:80"),
        publish("d1", "[::]:8080:80", network="other"),
    )
    with bound("c1", C1[4], 80) as one, bound("c2", C2[4], 80) as two, bound("d1", D1[6], 80) as three:
        arrives(LAN.netns, LAN.host, 8080, one)
        arrives(None, "127.0.0.1", 8080, two)
        arrives(LAN.netns, LAN.host6, 8080, three)


def test_a_port_at_the_hosts_loopback_is_not_on_the_lan():
    do(publish("c1", "127.0.0.1:8080:80", "8081:81"))
    rig.run("ip", "address", "flush", "dev", "lo", netns=LAN.netns)
    rig.run("ip", "route", "add", "127.0.0.0/8", "via", LAN.host, netns=LAN.netns)
    with rig.inside(LAN.netns):
        sysctl("ipv4/conf/all/route_localnet").write_text("1")
    with bound("c1", C1[4], 80) as at, bound("c1", C1[4], 81) as other:
        arrives(LAN.netns, LAN.host, 8081, other)
        arrives(LAN.netns, LAN.host, 8080, at, expect=False)
        arrives(LAN.netns, "127.0.0.1", 8080, at, expect=False)
        rig.run("nft", "flush", "chain", "inet", "netloom", "prerouting")
        arrives(LAN.netns, "127.0.0.1", 8080, at)


@both_families
def test_members_of_a_closed_network_reach_what_each_other_publishes_and_nothing_else(version):
    bridged_frames_pass_iptables(0)
    do(present("net", options={"icc": "false"}), publish("c1", "8080:80"))
    with bound("c1", C1[version], 80) as at:
        arrives("c2", HOST[version], 8080, at)
        arrives("c1", HOST[version], 8080, at)
        arrives("c2", C1[version], 80, at, expect=False)


@both_families
def test_on_a_closed_network_whose_frames_pass_iptables_members_reach_no_port_of_their_network(version):
    bridged_frames_pass_iptables(1)
    do(present("net", options={"icc": "false"}), publish("c1", "8080:80"))
    with bound("c1", C1[version], 80) as at:
        for source in ("c1", "c2"):
            arrives(source, HOST[version], 8080, at, expect=False)
        for source in ("d1", LAN.netns, None):
            arrives(source, HOST[version], 8080, at)
        do(present("net", options={}))
        for source in ("c1", "c2"):
            arrives(source, HOST[version], 8080, at)


@both_families
def test_what_another_program_has_published_stays_its_own(version):
    family, target = {4: ("ip", C2[4]), 6: ("ip6", f"[{C2[6]}]")}[version]
    rule = f"fib daddr type local tcp dport 8080 dnat to {target}:80;"
    chain = f"chain c {{ type nat hook prerouting priority dstnat; {rule} }}"
    do(publish("c1", "8080:80", "8081:80"))
    with bound("c1", C1[version], 80) as mine, bound("c2", C2[version], 80) as theirs:
        arrives(LAN.netns, HOST[version], 8080, mine)
        rig.run("nft", "-f", "-", stdin=f"table {family} somebody {{ {chain}\n}}\n")
        arrives(LAN.netns, HOST[version], 8080, theirs)
        arrives(LAN.netns, HOST[version], 8081, mine)


@both_families
def test_a_process_that_binds_a_published_port_later_gets_no_connections(version):
    do(publish("c1", "8080:80"))
    with bound("c1", C1[version], 80) as member, bound(None, "::", 8080) as process:
        arrives(LAN.netns, HOST[version], 8080, member)
        arrives(None, HOST[version], 8080, member)
        arrives(LAN.netns, HOST[version], 8080, process, expect=False)
        arrives(None, "::1", 8080, process)
        (warning,) = engine.result_of(attach("net", "c1")).outcome.warnings
        assert warning.startswith(f"published_ports: process {os.getpid()} (")
        assert warning.endswith(") has taken port 8080/tcp since; connections to it still lead to c1")
        do(publish("c1"))
        arrives(LAN.netns, HOST[version], 8080, process)


@both_families
def test_a_member_whose_default_route_is_on_another_network_answers_only_who_is_on_its_own(version):
    do(publish("c1", "8080:80"), attach("other", "c1", gw_priority=1))
    with bound("c1", C1[version], 80) as at:
        arrives("c2", HOST[version], 8080, at)
        arrives(LAN.netns, HOST[version], 8080, at, expect=False)
        do(attach("other", "c1", gw_priority=-1))
        arrives(LAN.netns, HOST[version], 8080, at)


def test_the_hosts_loopback_reaches_a_member_whose_default_route_is_on_another_network():
    do(publish("c1", "8080:80"), attach("other", "c1", gw_priority=1))
    with bound("c1", C1[4], 80) as at:
        arrives(None, "127.0.0.1", 8080, at)
        arrives(None, LAN.host, 8080, at, expect=False)


# --- changed while members run ---


def test_other_ports_come_and_go_while_a_connection_stays_and_no_link_changes():
    do(publish("c1", "8080:80"))
    with bound("c1", C1[4], 80) as at, connection(LAN.netns, LAN.host, 8080, at) as ends, watched() as events:
        for ports in (["8080:80", "8081:81"], ["8080:80"], ["8080:80", "8080:80/udp", f"{LAN.host}:9090:90"]):
            do(publish("c1", *ports))
            assert exchanges(*ends)
        assert events() == ""
        with bound("c1", C1[4], 90) as other:
            arrives(LAN.netns, LAN.host, 9090, other)


@contextlib.contextmanager
def watched() -> Iterator[Any]:
    """Yield a function that returns what the kernel has told of links, addresses and routes meanwhile."""
    command = ["ip", "monitor", "link", "address", "route", "rule", "netconf"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor:
        time.sleep(0.2)  # until it listens; what comes too early makes no test fail

        def events() -> str:
            time.sleep(0.1)
            monitor.terminate()
            return monitor.communicate()[0]

        yield events
        monitor.terminate()


@both_families
def test_a_flow_follows_its_port_to_another_member(version):
    do(publish("c1", "5353:53/udp"))
    with (
        bound("c1", C1[version], 53, "udp") as first,
        bound("c2", C2[version], 53, "udp") as second,
        made(LAN.netns, HOST[version], "udp") as client,
    ):
        send(client, HOST[version], 5353)
        assert came(first, 1)
        do(publish("c1"), publish("c2", "5353:53/udp"))
        send(client, HOST[version], 5353)
        assert came(second, 1)
        assert not came(first, NOTHING_SECONDS)


@both_families
@pytest.mark.parametrize(
    "verb", [publish("c1"), publish("c1", "5353:54/udp"), detach("net", "c1")], ids=["no port", "moved", "detached"]
)
def test_a_flow_ends_with_its_port(version, verb):
    do(publish("c1", "5353:53/udp"))
    with bound("c1", C1[version], 53, "udp") as at, made(LAN.netns, HOST[version], "udp") as client:
        send(client, HOST[version], 5353)
        assert came(at, 1)
        send(client, HOST[version], 5353)
        assert came(at, 1)
        do(verb)
        send(client, HOST[version], 5353, expect=False)
        assert not came(at, NOTHING_SECONDS)


@both_families
def test_who_was_sending_before_a_port_was_published_is_heard_once_it_is(version):
    with bound("c1", C1[version], 53, "udp") as at, made(LAN.netns, HOST[version], "udp") as client:
        for _attempt in range(2):
            send(client, HOST[version], 5353, expect=False)
        assert not came(at, NOTHING_SECONDS)
        do(publish("c1", "5353:53/udp"))
        send(client, HOST[version], 5353)
        assert came(at, 1)


@both_families
def test_a_connection_ends_with_its_port(version):
    do(publish("c1", "8080:80", "8081:81"))
    with bound("c1", C1[version], 80) as at, connection(LAN.netns, HOST[version], 8080, at) as (client, server):
        assert exchanges(client, server)
        do(publish("c1", "8081:81"))
        server.settimeout(NOTHING_SECONDS)
        client.sendall(b"x")
        with pytest.raises(socket.timeout):
            server.recv(1)
        do(publish("c1", "8080:80", "8081:81"))
        arrives(LAN.netns, HOST[version], 8080, at)


@both_families
def test_a_freed_address_inherits_no_flow(version):
    option = {4: "ipv4", 6: "ipv6"}[version]
    rig.netns("c3")
    do(publish("c1", "5353:53/udp"))
    with bound("c1", C1[version], 53, "udp") as at, made(LAN.netns, HOST[version], "udp") as client:
        send(client, HOST[version], 5353)
        assert came(at, 1)
        with (
            made("c1", NEIGHBOUR[version], "udp") as member,
            bound(LAN.netns, NEIGHBOUR[version], 7777, "udp") as outside,
        ):
            member.bind((C1[version], 40000))
            send(member, NEIGHBOUR[version], 7777, expect=True)
            _data, asked = outside.recvfrom(1)
            do(detach("net", "c1"), attach("net", "c3", **{option: C1[version]}))
            with bound("c3", C1[version], 53, "udp") as heir, bound("c3", C1[version], 40000, "udp") as heir_of_member:
                send(client, HOST[version], 5353, expect=False)
                outside.sendto(b"x", asked)
                assert not came(heir, NOTHING_SECONDS)
                assert not came(heir_of_member, 0.1)
                do(publish("c3", "5353:53/udp"))
                send(client, HOST[version], 5353, expect=True)
                assert came(heir, 1)


@both_families
def test_a_connection_that_is_silent_between_flush_and_repair_goes_on(version):
    do(publish("c1", "8080:80"))
    with bound("c1", C1[version], 80) as at:
        with connection(LAN.netns, HOST[version], 8080, at) as ends:
            assert exchanges(*ends)
            rig.run("nft", "flush", "ruleset")
            do(present("net"))
            assert exchanges(*ends)
        with connection(LAN.netns, HOST[version], 8080, at) as (client, _server):
            rig.run("nft", "flush", "ruleset")
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                client.recv(1)


# --- what publishing makes of the host ---


def test_the_loopback_is_routed_while_something_is_published_there():
    def routed(name: str = "net") -> str:
        return sysctl(f"ipv4/conf/{engine.bridge(name)}/route_localnet").read_text().strip()

    assert routed() == "0"
    seen = []
    for verb in (
        publish("c1", f"{LAN.host}:8080:80"),
        publish("c1", "[::]:8080:80"),
        publish("c1", "127.0.0.1:8080:80"),
        publish("c2", "8081:80"),
        detach("net", "c1"),
        publish("c2", f"{LAN.host}:8081:80"),
        publish("c2", "0.0.0.0:8081:80"),
        detach("net", "c2"),
    ):
        do(verb)
        seen.append(routed())
        assert routed("other") == "0"
    assert seen == ["0", "0", "1", "1", "1", "0", "1", "0"]
    assert sysctl("ipv4/conf/all/route_localnet").read_text().strip() == "0"


def test_a_port_that_an_endpoint_has_is_refused_by_the_name_of_the_endpoint():
    do(publish("c1", "8080:80", "127.0.0.1:8081:81"))
    for ports in ("8080:90", f"{LAN.host}:8080:80", "[::]:8080:80", "8081:81"):
        error = refusal(publish("d1", ports, network="other"))
        assert error.code == "port_in_use"
        assert "c1 on network net" in error.message
    assert do(publish("d1", "8080:80/udp", f"{LAN.host}:8081:80", network="other"))


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("address", "port"), [("0.0.0.0", "8080:80"), ("::", "8080:80"), ("127.0.0.1", "8080:80"), ("::", "[::]:8080:80")]
)
def test_a_port_that_a_process_has_is_refused_by_the_name_of_the_process(protocol, address, port):
    code = (
        "import socket, sys, time\n"
        "family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\n"
        "kind = {'tcp': socket.SOCK_STREAM, 'udp': socket.SOCK_DGRAM}[sys.argv[2]]\n"
        "made = socket.socket(family, kind)\n"
        "made.bind((sys.argv[1], 8080))\n"
        "kind == socket.SOCK_STREAM and made.listen()\n"
        "print(flush=True)\n"
        "time.sleep(60)\n"
    )
    script = Path("/run/listener")
    script.write_text(code)
    with subprocess.Popen([sys.executable, script, address, protocol], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        error = refusal(publish("c1", f"{port}/{protocol}"))
        assert error.code == "port_in_use"
        assert f"process {process.pid} (" in error.message
        assert f"/run/listener {address} {protocol})" in error.message
        assert do(publish("c1", f"8081:80/{protocol}"))
        process.terminate()
    assert do(publish("c1", f"{port}/{protocol}"))


@pytest.mark.parametrize("port", ["80", "0:80", "127.0.0.1::80"])
def test_a_port_that_is_left_open_is_chosen_and_kept(port):
    sysctl("ipv4/ip_local_port_range").write_text("40000 40009")
    (chosen,) = result_of(publish("c1", port)).endpoint.ports
    assert 40000 <= chosen.host <= 40009
    assert do(publish("c1", port), attach("net", "c1"), present("net")) == []
    sysctl("ipv4/ip_local_port_range").write_text("50000 50009")
    reboot()
    do(attach("net", "c1"))
    assert result_of(publish("c1", port)).endpoint.ports == (chosen,)
    with bound("c1", C1[4], 80) as at:
        arrives(None, "127.0.0.1", chosen.host, at)


def test_a_port_that_is_left_open_is_none_that_somebody_has():
    sysctl("ipv4/ip_local_port_range").write_text("40000 40003")
    do(publish("d1", "40001:80", network="other"))
    with bound(None, "0.0.0.0", 40000), bound(None, "::", 40002):
        (chosen,) = result_of(publish("c1", "80")).endpoint.ports
        assert chosen.host == 40003
        assert refusal(publish("c2", "80")).code == "port_in_use"
    (first_free,) = result_of(publish("c2", "40000-40002:80")).endpoint.ports
    assert first_free.host == 40000


def reboot() -> None:
    """Have the kernel forget all that ours is made of; the containers are there again, empty."""
    bridges = [engine.bridge(name) for name in ("net", "other")]
    for name in ("c1", "c2", "d1"):
        rig.run("ip", "netns", "delete", name)
    for name in bridges:
        rig.run("ip", "link", "delete", name)
    rig.run("nft", "flush", "ruleset")
    rig.until(lambda: "veth" not in rig.run("ip", "link", "show", "type", "veth").stdout.replace(LAN.ifname, ""))
    for name in ("c1", "c2", "d1"):
        rig.netns(name)


def test_published_ports_are_back_after_a_reboot():
    do(publish("c1", "8080:80", "127.0.0.1:8081:81"))
    reboot()
    do(present("net"))
    with bound("c1", C1[4], 80) as at, bound("c1", C1[4], 81) as other:
        arrives(LAN.netns, LAN.host, 8080, at)
        arrives(None, "127.0.0.1", 8081, other)
    assert engine.drift("net") == []


def test_ports_without_an_address_are_where_the_network_says():
    do(present("net", options={"host_binding_ipv4": LAN.host}), publish("c1", "8080:80", "0.0.0.0:8081:80"))
    with bound("c1", "::", 80) as at:
        arrives(LAN.netns, LAN.host, 8080, at)
        arrives(None, "127.0.0.1", 8080, at, expect=False)
        arrives(None, "127.0.0.1", 8081, at)
        do(present("net", options={"host_binding_ipv4": "127.0.0.1"}))
        arrives(None, "127.0.0.1", 8080, at)
        arrives(LAN.netns, LAN.host, 8080, at, expect=False)
        do(present("net", options={}))
        arrives(LAN.netns, LAN.host, 8080, at)
        arrives(LAN.netns, LAN.host6, 8080, at)


@both_families
def test_members_leave_under_the_address_that_the_network_says(version):
    more = {4: "198.51.100.9", 6: "2001:db8:ffff::9"}
    for each, length in ((4, 24), (6, 64)):
        rig.run("ip", "address", "add", f"{more[each]}/{length}", "dev", LAN.ifname, *{6: ["nodad"]}.get(each, []))
    rig.until(lambda: rig.seen_by(LAN.netns, "c1", NEIGHBOUR[version]) in (HOST[version], more[version]))
    do(present("net", options={f"host_ipv{version}": more[version]}))
    assert rig.seen_by(LAN.netns, "c1", NEIGHBOUR[version]) == more[version]
    rig.pings("c1", NEIGHBOUR[10 - version])
    assert rig.seen_by("c2", "c1", C2[version]) == C1[version]
    with bound(None, "::", 7070) as at:
        assert arrives("c1", HOST[version], 7070, at).removeprefix("::ffff:") == C1[version]


# --- scale ---


def test_five_thousand_ports_are_one_transaction_and_come_and_go_in_a_moment():
    ports = publish("c1", "10000-14999:10000-14999")
    assert "publish port 0.0.0.0:10000/tcp and 9999 more" in quickly(ports)
    with bound("c1", C1[4], 14999) as at:
        arrives(LAN.netns, LAN.host, 14999, at)
    assert quickly(ports) == []
    assert "withdraw port [::]:14999/tcp and 9999 more" in quickly(publish("c1"))
    assert [item for item in firewall.table() if getattr(item, "data", ())] == []


def quickly(verb: Verb) -> list[str]:
    """Carry out a verb in a few seconds of work, and return its side effects on published ports."""
    started = sum(os.times()[:4])  # other tests run beside this one
    effects = recorded(verb)
    assert sum(os.times()[:4]) - started < 6
    found = [effect for effect in effects if "port [" in effect or "port 0" in effect]
    assert len(found) < 2
    return found


# --- networks that change ---


def test_an_internal_network_has_no_ports():
    do(present("inner", "10.3.0.0/24", internal=True))
    assert refusal(publish("c1", "8080:80", network="inner")).code == "option_invalid"


@both_families
def test_a_network_that_becomes_internal_withdraws_its_ports_and_brings_them_back(version):
    do(publish("c1", "8080:80"))
    with bound("c1", C1[version], 80) as at:
        arrives(LAN.netns, HOST[version], 8080, at)
        do(present("net", internal=True))
        arrives(LAN.netns, HOST[version], 8080, at, expect=False)
        arrives(None, HOST[version], 8080, at, expect=False)
        arrives("c2", C1[version], 80, at)
        assert do(present("net"), attach("net", "c1")) == []
        do(present("net", internal=False))
        arrives(LAN.netns, HOST[version], 8080, at)


def test_ports_of_a_network_that_is_internal_for_now_are_still_taken_or_not():
    do(publish("c1", "8080:80"), present("net", internal=True))
    do(publish("d1", "8080:80", network="other"))
    assert refusal(present("net", internal=False)).code == "port_in_use"
    do(publish("d1", network="other"))
    do(present("net", internal=False))


@both_families
def test_gateway_modes_change_in_place_and_back(version):
    route_to_the_members()
    option = f"gateway_mode_ipv{version}"
    do(publish("c1", "8080:80"))
    seen = {}
    with bound("c1", C1[version], 80) as web, bound("c1", C1[version], 7777) as private, watched() as events:
        for mode in ("nat", "routed", "nat-unprotected", "nat", "nat-unprotected", "routed", "nat"):
            do(present("net", options={option: mode}))
            at_host, at_member, unpublished = {
                "nat": (True, False, False),
                "routed": (False, True, False),
                "nat-unprotected": (True, True, True),
            }[mode]
            arrives(LAN.netns, HOST[version], 8080, web, expect=at_host)
            arrives(LAN.netns, C1[version], 80, web, expect=at_member)
            arrives(LAN.netns, C1[version], 7777, private, expect=unpublished)
            rig.pings(LAN.netns, C1[version], expect=at_member)
            seen[mode] = rig.seen_by(LAN.netns, "c1", NEIGHBOUR[version])
        assert "link/ether" not in events()
    assert seen == {"nat": HOST[version], "routed": C1[version], "nat-unprotected": HOST[version]}


def test_a_network_becomes_isolated_and_is_a_network_of_the_host_again():
    isolated = {"gateway_mode_ipv4": "isolated", "gateway_mode_ipv6": "isolated"}
    with bound("c1", "::", 80) as at:
        for _time in range(2):
            do(present("net", internal=True, options=isolated))
            for version in (4, 6):
                arrives(None, C1[version], 80, at, expect=False)
                arrives("c2", C1[version], 80, at)
            assert bridge_addresses() == []
            do(present("net", internal=False, options={}))
            for version in (4, 6):
                arrives(None, C1[version], 80, at)
            assert bridge_addresses() == ["10.1.0.1/24", "fd00:1::1/64"]


def bridge_addresses() -> list[str]:
    text = rig.run("ip", "address", "show", "dev", engine.bridge("net")).stdout
    return [address for address in re.findall(r"inet6? (\S+)", text) if not address.startswith("fe80:")]


def test_isolated_needs_an_internal_network():
    assert refusal(present("net", options={"gateway_mode_ipv4": "isolated"})).code == "option_invalid"


@both_families
def test_the_mode_of_one_ip_version_is_not_that_of_the_other(version):
    route_to_the_members()
    do(present("net", options={f"gateway_mode_ipv{version}": "routed"}), publish("c1", "8080:80"))
    other = 10 - version
    with bound("c1", "::", 80) as at:
        arrives(LAN.netns, C1[version], 80, at)
        arrives(LAN.netns, HOST[version], 8080, at, expect=False)
        arrives(LAN.netns, HOST[other], 8080, at)
        arrives(LAN.netns, C1[other], 80, at, expect=False)


def test_what_is_removed_leaves_no_port():
    do(publish("c1", "8080:80"), publish("d1", "127.0.0.1:8081:81", network="other"))
    do(absent("net", force=True), detach("other", "d1"), absent("other"))
    assert "netloom" not in rig.run("nft", "list", "ruleset").stdout
    with bound(None, "0.0.0.0", 8080) as at:
        arrives(LAN.netns, LAN.host, 8080, at)
