# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members find each other by name: what docs/names.md promises, asked from the inside."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import engine
import lookup
import pytest
import rig
from engine import absent, attach, detach, do, drift, no_namespace, present, refusal, sandwich
from lookup import SILENCE, Answer, ask, found, reverse

pytestmark = pytest.mark.packets
GATEWAY, GATEWAY6 = "10.1.0.1", "fd00:1::1"
NET = present("net", "10.1.0.0/24", "fd00:1::/64", dns=True)
NXDOMAIN, REFUSED = Answer("NXDOMAIN"), Answer("REFUSED")
HOSTS_RESOLV_CONF = Path("/etc/resolv.conf")


@pytest.fixture(autouse=True)
def machine():
    if not shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/usr/local/sbin"):
        pytest.skip("dnsmasq is not installed (Debian: dnsmasq-base)")
    HOSTS_RESOLV_CONF.write_text("")  # nobody to ask, whatever the machine has
    for name in ("c1", "c2", "c3"):
        rig.netns(name)


def here(*values: str) -> Answer:
    """Return the answer about a member."""
    return Answer("NOERROR", values, 5)


def changed(**options) -> engine.Verb:
    """Return the verb that changes options of the network and leaves all others."""
    return present("net", dns=None, **options)


def resolv_conf(container: str) -> list[str]:
    """Return the lines of a namespace's file, the first one, which says whose it is, aside."""
    first, *lines = Path(f"/etc/netns/{container}/resolv.conf").read_text().splitlines()
    assert first.startswith("# netloom: ")
    return lines


def without_dnsmasq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str = "") -> None:
    """Have no dnsmasq, or one that is a script, be found on the path."""
    from ansible_collections.netloom.containers.plugins.module_utils._kernel import resolvers

    for program in ("ip", "nft", "sh"):
        with contextlib.suppress(FileExistsError):
            (tmp_path / program).symlink_to(shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"))
    if script:
        (tmp_path / "dnsmasq").write_text(f"#!{tmp_path}/sh\n{script}\n")
        (tmp_path / "dnsmasq").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(resolvers, "_PATH", str(tmp_path))


# --- what is answered ---


def test_a_process_in_a_container_that_calls_itself_our_server_is_not_taken_for_it():
    do(NET, attach("net", "c1"), attach("net", "c2"))
    (pid,) = rig.run("pgrep", "-x", "dnsmasq").stdout.split()
    (_program, *arguments) = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    program = 'exec -a dnsmasq python3 -c "import time; time.sleep(60)" "$@"'
    # The arguments of the program stand where those of dnsmasq do not: its own come first.
    forged = subprocess.Popen(["ip", "netns", "exec", "c2", "bash", "-c", program, "bash", *arguments])
    try:
        rig.until(lambda: Path(f"/proc/{forged.pid}/cmdline").read_bytes().startswith(b"dnsmasq\0"))
        os.kill(int(pid), signal.SIGKILL)
        rig.until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
        assert any("name server" in line for line in drift("net"))
        do(attach("net", "c1"))
        assert found("c2", "c1") == ["10.1.0.2"]
        do(absent("net", force=True))
        assert forged.poll() is None  # it is not ours to end
    finally:
        forged.kill()
        forged.wait()


def test_members_find_each_other_by_name_and_alias():
    do(NET, attach("net", "c1", aliases=("db", "db.prod")), attach("net", "c2"))
    for name in ("c1", "db", "DB", "c1.net", "db.net", "db.prod", "db.prod.net"):
        assert found("c2", name) == ["10.1.0.2"], name
        assert found("c2", name, "ahostsv6") == ["fd00:1::2"], name
    assert found("c1", "c2") == ["10.1.0.3"]
    rig.run("ip", "netns", "exec", "c2", "ping", "-n", "-q", "-c1", "-W1", "db")
    assert found("c2", "nobody") == []


def test_forward_and_reverse_over_udp_and_tcp_with_both_ip_versions():
    do(NET, attach("net", "c1", aliases=("db",)), attach("net", "c2"))
    for server in (GATEWAY, GATEWAY6):
        for tcp in (False, True):
            assert ask("c2", server, "db", tcp=tcp) == here("10.1.0.2")
            assert ask("c2", server, "Db.NET", "AAAA", tcp=tcp) == here("fd00:1::2")
            assert reverse("c2", server, "10.1.0.2", tcp=tcp) == here("c1.net")
            assert reverse("c2", server, "fd00:1::2", tcp=tcp) == here("c1.net")
            for nobody in ("nobody", "nobody.net"):
                assert ask("c2", server, nobody, tcp=tcp) == NXDOMAIN
    assert reverse("c2", GATEWAY, "10.1.0.77") == NXDOMAIN


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_a_resolver_that_is_not_the_c_librarys_finds_them_too():
    do(NET, attach("net", "c1", aliases=("db",)), attach("net", "c2"))
    said = rig.run("busybox", "nslookup", "db", GATEWAY, netns="c2").stdout
    assert "Address: 10.1.0.2" in said


def test_a_name_without_addresses_of_one_version_exists_all_the_same():
    do(present("net", "10.1.0.0/24", dns=True), attach("net", "c1"), attach("net", "c2"))
    assert ask("c2", GATEWAY, "c1", "AAAA") == Answer("NOERROR")


def test_an_ipv6_network_has_its_name_server_at_the_ipv6_gateway():
    do(present("net", "fd00:1::/64", enable_ipv4=False, dns=True), attach("net", "c1"), attach("net", "c2"))
    assert resolv_conf("c2") == ["search net", "nameserver fd00:1::1"]
    assert found("c2", "c1", "ahostsv6") == ["fd00:1::2"]


def test_an_alias_of_two_members_leads_to_both_in_changing_order():
    do(NET, attach("net", "c1", aliases=("web",)), attach("net", "c2", aliases=("web",)), attach("net", "c3"))
    answers = {ask("c3", GATEWAY, "web").values for _try in range(8)}
    assert answers == {("10.1.0.2", "10.1.0.3"), ("10.1.0.3", "10.1.0.2")}
    do(detach("net", "c1"))
    assert ask("c3", GATEWAY, "web") == here("10.1.0.3")


@pytest.mark.parametrize("name", ["a--.._", "net.", "x" * 64, "no-"])
def test_a_network_whose_name_is_no_dns_name_has_bare_names(name):
    do(present(name, "10.1.0.0/24", dns=True), attach(name, "c1"), attach(name, "c2"))
    assert resolv_conf("c2") == ["nameserver 10.1.0.1"]
    assert found("c2", "c1") == ["10.1.0.2"]
    assert drift(name) == []


@pytest.mark.parametrize("name", ["x" * 63, "a.b-c.D_e", "0x10", "local"])
def test_any_dns_name_of_a_network_is_its_domain(name):
    do(present(name, "10.1.0.0/24", dns=True), attach(name, "c1"), attach(name, "c2"))
    assert ask("c2", GATEWAY, f"c1.{name}") == here("10.1.0.2")
    assert drift(name) == []


def test_a_process_has_its_aliases_alone(tmp_path):
    do(NET, attach("net", "c2"))
    path = tmp_path / "box"
    path.touch()
    rig.run("mount", "--bind", "/run/netns/c1", path)
    assert sandwich(attach("net", str(path)))
    assert len(list(Path("/run/netloom/dns").glob("*/hosts/*"))) == 1
    assert sandwich(attach("net", str(path), aliases=("box",)))[1:] == [f"add names of {path} on network net"]
    assert found("c2", "box") == ["10.1.0.3"]


# --- options, in place ---


def test_names_come_and_go_with_what_they_are_asked_for():
    assert not [line for line in sandwich(NET) if "name" in line.replace("netloom", "")[15:]]
    assert rig.name_servers() == {}  # nobody to serve
    added = sandwich(attach("net", "c1", aliases=("a", "b")))
    assert added[-5:-2] == [
        "add names of c1 on network net",
        "start name server of network net",
        "write /etc/netns/c1/resolv.conf",
    ]
    (server,) = rig.name_servers()
    sandwich(attach("net", "c2"))
    assert sandwich(attach("net", "c1", aliases=("b", "c"))) == [
        "change endpoint of c1 on network net: aliases [a, b] -> [b, c]",
        "change names of c1 on network net: names [c1, a, b] -> [c1, b, c]",
    ]
    assert (ask("c2", GATEWAY, "a"), ask("c2", GATEWAY, "c")) == (NXDOMAIN, here("10.1.0.2"))
    assert do(attach("net", "c1")) == []  # omitted: what is there stays
    assert sandwich(attach("net", "c1", ipv4="10.1.0.50"))
    assert ask("c2", GATEWAY, "c") == here("10.1.0.50")
    assert reverse("c2", GATEWAY, "10.1.0.2") == NXDOMAIN
    assert sandwich(attach("net", "c1", aliases=()))[-1] == (
        "change names of c1 on network net: names [c1, b, c] -> [c1]"
    )
    sandwich(detach("net", "c1"))
    assert (ask("c2", GATEWAY, "c1"), list(rig.name_servers())) == (NXDOMAIN, [server])
    sandwich(detach("net", "c2"))
    assert not Path("/run/netloom").exists()
    assert not Path("/etc/netns").exists()


def test_names_are_switched_off_and_on_in_place():
    do(NET, attach("net", "c1"), attach("net", "c2"))
    assert (
        sandwich(present("net", dns=False))
        == [
            "remove /etc/netns/c2/resolv.conf",
            "remove /etc/netns/c1/resolv.conf",
            "stop name server of network net",
            "change network net: dns true -> false",
        ]
        or not rig.name_servers()
    )
    assert (ask("c2", GATEWAY, "c1", seconds=0.3), rig.name_servers()) == (SILENCE, {})
    assert list(rig.naming()) == []
    assert do(present("net", dns=None)) == []  # omitted
    assert sandwich(present("net", dns=True))[-1].startswith("write /etc/netns/c")
    assert found("c2", "c1") == ["10.1.0.2"]


@pytest.mark.parametrize("dns", [True, None])
def test_what_is_made_and_removed_leaves_nothing(dns):
    Path(rig.STATE_DIR).mkdir(mode=0o700)
    before = rig.snapshot()
    do(present("net", "10.1.0.0/24", dns=dns), present("other", "10.2.0.0/24", internal=True, dns=dns))
    do(attach("net", "c1", aliases=("a",)), attach("other", "c1"), attach("net", "c2"), attach("other", "c3"))
    assert len(rig.name_servers()) == 2
    do(absent("net", force=True), detach("other", "c1"), detach("other", "c3"), absent("other"))
    assert rig.snapshot() == before


def test_a_namespace_that_is_removed_takes_its_names_along():
    do(engine.namespace("c9"), NET, attach("net", "c9"), attach("net", "c1"))
    assert sandwich(no_namespace("c9"))
    assert ask("c1", GATEWAY, "c9") == NXDOMAIN
    assert [path.name for path in Path("/etc/netns").iterdir()] == ["c1"]


def test_a_container_that_is_found_stopped_has_no_name_until_it_is_back():
    do(NET, attach("net", "c1", aliases=("db",)), attach("net", "c2"))
    rig.run("ip", "netns", "delete", "c1")
    rig.until(lambda: len(rig.run("ip", "-o", "link", "show", "type", "veth").stdout.splitlines()) == 1)
    result = engine.result_of(attach("net", "c1"))
    assert {"remove names of c1 on network net", "remove /etc/netns/c1/resolv.conf"} <= {
        *map(str, result.outcome.changes)
    }
    assert ask("c2", GATEWAY, "db") == NXDOMAIN
    rig.netns("c1")
    assert sandwich(attach("net", "c1"))
    assert ask("c2", GATEWAY, "db") == here("10.1.0.2")


def test_names_follow_a_network_that_is_rebuilt_and_a_gateway_that_moves():
    do(NET, attach("net", "c1"), attach("net", "c2"))
    do(changed(options={"bridge_name": "br9"}, force=True))
    assert drift("net") == []
    rig.until(lambda: found("c2", "c1") == ["10.1.0.2"])
    do(present("net", "10.9.0.0/24", dns=None, force=True))
    assert resolv_conf("c2") == ["search net", "nameserver 10.9.0.1"]
    rig.until(lambda: found("c2", "c1") == ["10.9.0.2"])
    do(present("net", engine.pool("10.9.0.0/24", gateway="10.9.0.254"), dns=None))
    assert resolv_conf("c2") == ["search net", "nameserver 10.9.0.254"]
    rig.until(lambda: found("c2", "c1") == ["10.9.0.2"])
    assert len(rig.name_servers()) == 1


def test_folders_and_files_are_readable_whatever_the_umask():
    before = os.umask(0o077)
    do(NET, attach("net", "c1"), attach("net", "c2"))
    os.umask(before)
    assert found("c2", "c1") == ["10.1.0.2"]
    modes = {oct(path.stat().st_mode & 0o777) for path in Path("/run/netloom").rglob("*") if path.name != "pid"}
    assert modes == {"0o755", "0o644"}


@pytest.mark.parametrize(
    "options",
    [
        {"internal": True, "options": {"gateway_mode_ipv4": "isolated"}},
        {"options": {"inhibit_ipv4": "true"}},
        {"options": {"bridge_name": "a,b"}},
    ],
)
def test_where_no_server_can_be_there_are_no_names_and_to_ask_for_them_is_refused(options):
    error = refusal(present("net", "10.1.0.0/24", dns=True, **dict(options)))
    assert (error.code, error.message.startswith("dns: true is not possible: ")) == ("option_invalid", True)
    result = engine.result_of(present("net", "10.1.0.0/24", dns=None, **dict(options)))
    assert (result.network.dns, result.outcome.warnings) == (False, ())
    do(attach("net", "c1"))
    assert list(rig.naming()) == []
    assert drift("net") == []


def test_a_network_that_gets_an_address_gets_names():
    do(present("net", "10.1.0.0/24", dns=None, options={"inhibit_ipv4": "true"}), attach("net", "c1"))
    assert rig.name_servers() == {}
    assert "start name server of network net" in sandwich(present("net", dns=None, options={}))
    assert "stop name server of network net" in sandwich(present("net", dns=None, options={"inhibit_ipv4": "true"}))


def test_the_predefined_network_has_no_names():
    error = refusal(present("bridge", dns=True))
    assert error.code == "option_invalid"
    assert error.message == "dns: true is not possible: on the predefined network bridge members have no names"
    do(attach("bridge", "c1"))
    assert list(rig.naming()) == []


def test_servers_cannot_be_given_to_an_internal_network():
    error = refusal(present("net", internal=True, dns_servers=("198.51.100.5",)))
    assert (error.code, error.message) == (
        "option_invalid",
        "dns_servers: 198.51.100.5: network net is internal; nothing outside is asked for names",
    )


# --- dnsmasq is not there, old, or cannot start ---


@pytest.mark.parametrize(
    "script, reason",
    [
        ("", "dnsmasq is not installed"),
        ("echo Dnsmasq version 2.86 Copyright", "dnsmasq 2.86 is too old, 2.87 is needed"),
        ("echo hello", "does not say its version"),
    ],
)
def test_without_a_dnsmasq_that_will_do_there_are_no_names_and_one_warning(script, reason, monkeypatch, tmp_path):
    without_dnsmasq(monkeypatch, tmp_path, script)
    error = refusal(present("net", "10.1.0.0/24", dns=True))
    assert (error.code, error.message.endswith(reason)) == ("missing_dependency", True)
    (warning,) = engine.result_of(present("net", "10.1.0.0/24", dns=None)).outcome.warnings
    assert warning.endswith(f"{reason}: members do not find each other by name; dns: false silences this")
    assert engine.result_of(present("net", dns=None)).outcome.warnings == ()
    assert engine.result_of(attach("net", "c1")).outcome.warnings == ()
    assert engine.result_of(present("quiet", dns=False)).outcome.warnings == ()
    many = [engine.network(f"n{number}", dns=None) for number in range(3)]
    assert engine.result_of(engine.topology("t", networks=many)).outcome.warnings == (warning,)
    assert list(rig.naming()) == []


def test_a_dnsmasq_that_is_removed_later_stops_who_needs_it_started(monkeypatch, tmp_path):
    do(NET)
    without_dnsmasq(monkeypatch, tmp_path)
    error = refusal_when_done(attach("net", "c1"))
    assert (error.code, "dnsmasq is not installed; network net needs it" in error.message) == (
        "missing_dependency",
        True,
    )
    assert list(rig.naming()) == []
    assert do(present("net", dns=False), attach("net", "c1"))


def refusal_when_done(verb):
    """Return the error of a verb that check mode cannot foresee."""
    with pytest.raises(engine.NetloomError) as caught:
        do(verb)
    return caught.value


def test_another_server_on_the_port_is_told_in_dnsmasqs_words_and_nothing_is_left():
    do(NET)
    before = engine.picture("c1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 53))
        error = refusal_when_done(attach("net", "c1"))
    assert error.code == "apply_failed"
    assert "Address already in use" in error.message
    assert "dns: false" in error.message
    engine.same(engine.picture("c1"), before, "it did not start")
    assert do(attach("net", "c1"))


def test_a_dnsmasq_that_is_not_ours_is_left_alone():
    other = "dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --port=5353 --pid-file=/run/other.pid"
    rig.run(*other.split())
    pid = int(Path("/run/other.pid").read_text())
    do(NET, attach("net", "c1"))
    (folder,) = Path("/run/netloom/dns").iterdir()
    (server,) = rig.name_servers()
    (folder / "pid").write_text(str(pid))  # as if the number had been given to somebody else meanwhile
    assert drift("net") == ["name server of network net: process is another one, not ours"]
    do(absent("net", force=True))
    assert Path(f"/proc/{pid}").exists()
    rig.until(lambda: not Path(f"/proc/{server}").exists())
    os.kill(pid, signal.SIGTERM)


# --- who is asked, and by whom ---


def test_another_networks_members_learn_nothing_and_outside_reaches_no_server(lan):
    do(NET, attach("net", "c1"), present("other", "10.2.0.0/24", dns=True), attach("other", "c2"))
    assert ask("c1", GATEWAY, "c1") == here("10.1.0.2")  # the control
    assert found("c2", "c1") == []
    for name in ("c1", "c1.net"):
        assert ask("c2", "10.2.0.1", name) in (NXDOMAIN, REFUSED)
    rig.run("ip", "route", "replace", "10.1.0.0/24", "via", lan.host, netns=lan.netns)
    for netns, server in (("c2", GATEWAY), (lan.netns, GATEWAY), (lan.netns, lan.host), (None, lan.host)):
        for tcp in (False, True):
            assert ask(netns, server, "c1", tcp=tcp, seconds=0.4) == SILENCE, (netns, server)


@pytest.fixture
def upstream(lan):
    """Return the address of a name server on the LAN that knows www.example."""
    command = "dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --pid-file"
    command += " --address=/www.example/203.0.113.7 --local=/example/ --local=/net/ --local=/other/ --log-queries --log-facility=/run/questions"
    with rig.inside(lan.netns):
        server = subprocess.Popen(command.split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    rig.until(lambda: ask(lan.netns, lan.neighbour, "www.example").code == "NOERROR")
    yield lan.neighbour
    server.kill()
    server.wait()


def questions() -> str:
    return Path("/run/questions").read_text()


def test_other_names_are_asked_of_given_servers_or_the_hosts_or_nobody(upstream):
    HOSTS_RESOLV_CONF.write_text(f"nameserver {upstream}\n")
    do(NET, attach("net", "c1"))
    assert ask("c1", GATEWAY, "www.example").values == ("203.0.113.7",)
    assert found("c1", "www.example") == ["203.0.113.7"]
    assert sandwich(changed(dns_servers=())) == [
        "change network net: dns_servers [host] -> []",
        "change name server of network net: upstream [host] -> []",
    ]
    assert ask("c1", GATEWAY, "www.example") == REFUSED
    (server,) = rig.name_servers()
    assert sandwich(changed(dns_servers=(upstream,)))
    assert list(rig.name_servers()) == [server]  # the list is read again, and nothing interrupted
    assert ask("c1", GATEWAY, "www.example").values == ("203.0.113.7",)
    HOSTS_RESOLV_CONF.write_text("")
    assert sandwich(changed(dns_servers=("host",)))
    assert ask("c1", GATEWAY, "www.example") == REFUSED
    HOSTS_RESOLV_CONF.write_text(f"nameserver {upstream}\n")
    rig.until(lambda: ask("c1", GATEWAY, "www.example").values == ("203.0.113.7",))


def test_nothing_leaves_an_internal_network_and_little_another_one(upstream):
    HOSTS_RESOLV_CONF.write_text(f"nameserver {upstream}\n")
    do(present("net", "10.1.0.0/24", internal=True, dns=True), attach("net", "c1"), attach("net", "c2"))
    assert found("c2", "c1") == ["10.1.0.2"]
    assert ask("c1", GATEWAY, "www.example") == REFUSED
    do(changed(internal=False))
    assert ask("c1", GATEWAY, "www.example").values == ("203.0.113.7",)
    for name in ("bare", "nobody.net", "c1.net"):
        ask("c1", GATEWAY, name)
    reverse("c1", GATEWAY, "10.1.0.77")
    asked = {line.split()[-3] for line in questions().splitlines() if "query[" in line}
    assert asked == {"www.example"}
    do(changed(internal=True))
    assert ask("c1", GATEWAY, "www.example") == REFUSED


# --- named namespaces, on one network and on several ---


def test_a_member_of_two_networks_finds_the_members_of_both_and_nobody_else_does(upstream):
    HOSTS_RESOLV_CONF.write_text(f"nameserver {upstream}\n")  # which says that there is no such domain
    do(NET, present("other", "10.2.0.0/24", dns=True), attach("net", "c1"), attach("other", "c3"), attach("net", "c2"))
    assert sandwich(attach("other", "c2", gw_priority=1))
    assert resolv_conf("c2") == ["search other net", "nameserver 10.2.0.1", "nameserver 10.1.0.1"]
    for name, address in (("c1", "10.1.0.2"), ("c1.net", "10.1.0.2"), ("c3", "10.2.0.2"), ("c3.other", "10.2.0.2")):
        assert found("c2", name) == [address], name
    assert (found("c1", "c3"), found("c1", "c3.other"), found("c3", "c1"), found("c3", "c1.net")) == ([], [], [], [])
    assert found("c2", "nobody") == []
    assert found("c2", "www.example") == ["203.0.113.7"]
    assert [drift(name) for name in ("net", "other")] == [[], []]
    assert sandwich(attach("other", "c2", gw_priority=-1))
    assert resolv_conf("c2") == ["search net other", "nameserver 10.1.0.1", "nameserver 10.2.0.1"]
    sandwich(detach("net", "c2"))
    assert resolv_conf("c2") == ["search other", "nameserver 10.2.0.1"]
    assert (found("c2", "c1"), found("c2", "c3")) == ([], ["10.2.0.2"])
    assert ask("c3", "10.2.0.1", "x.net") == NXDOMAIN  # asked upstream again


def test_a_network_without_names_is_not_in_a_namespaces_file():
    do(present("plain", "10.3.0.0/24"), attach("plain", "c1"))
    assert list(rig.naming()) == []
    do(NET, attach("net", "c1"), attach("net", "c2"))
    assert resolv_conf("c1") == ["search net", "nameserver 10.1.0.1"]
    assert found("c1", "c2") == ["10.1.0.3"]


@pytest.mark.parametrize("kind", ["a file", "a link"])
def test_a_file_that_is_not_ours_is_kept_with_a_warning(kind):
    path = Path("/etc/netns/c1/resolv.conf")
    path.parent.mkdir(parents=True)
    if kind == "a link":
        path.symlink_to("/etc/resolv.conf")
    else:
        path.write_text("nameserver 192.0.2.1\n")
    do(NET)
    result = engine.result_of(attach("net", "c1"))
    assert list(result.outcome.warnings) == [
        "/etc/netns/c1/resolv.conf: there is one already that is not ours; it is kept, and names are looked up as it says"
    ]
    assert do(attach("net", "c1")) == []
    do(detach("net", "c1"))
    assert path.is_symlink() == (kind == "a link")
    assert path.read_text() == ("" if kind == "a link" else "nameserver 192.0.2.1\n")


def test_other_files_of_a_namespace_stay():
    Path("/etc/netns/c1").mkdir(parents=True)
    Path("/etc/netns/c1/hosts").write_text("")
    do(NET, attach("net", "c1"), detach("net", "c1"))
    assert [path.name for path in Path("/etc/netns/c1").iterdir()] == ["hosts"]


def test_a_program_in_a_namespace_sees_the_file_change():
    do(NET, present("other", "10.2.0.0/24", dns=True), attach("net", "c1"))
    watching = subprocess.Popen(
        ["ip", "netns", "exec", "c1", "sh", "-c", "read x; cat /etc/resolv.conf"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    rig.until(lambda: "sh" in Path(f"/proc/{watching.pid}/cmdline").read_text().split("\0")[0])
    do(attach("other", "c1"))
    said, _errors = watching.communicate("\n")
    assert "nameserver 10.2.0.1" in said


# --- drift and repair ---


def kill() -> None:
    for pid in rig.name_servers():
        os.kill(pid, signal.SIGKILL)
        rig.until(lambda: not Path(f"/proc/{pid}").exists())  # noqa: B023


def other_command() -> None:
    (words,) = rig.name_servers().values()
    kill()
    rig.run(*words, "--cache-size=0")


DAMAGES = {
    "killed": (kill, ["name server of network net: running is false, not true"]),
    "names removed": (
        lambda: [path.unlink() for path in Path("/run/netloom/dns").glob("*/hosts/*")],
        ["names of c1 on network net is missing", "names of c2 on network net is missing"],
    ),
    "names changed": (
        lambda: next(Path("/run/netloom/dns").glob("*/hosts/*")).write_text("10.9.9.9 evil\n"),
        None,
    ),
    "folder of names removed": (
        lambda: [shutil.rmtree(path) for path in Path("/run/netloom/dns").glob("*/hosts")],
        None,
    ),
    "everything removed": (lambda: shutil.rmtree("/run/netloom"), None),
    "pid file removed": (
        lambda: next(Path("/run/netloom/dns").glob("*/pid")).unlink(),
        ["name server of network net: process is another one, not ours"],
    ),
    "servers file changed": (
        lambda: next(Path("/run/netloom/dns").glob("*/servers")).write_text("server=192.0.2.1\n"),
        ["name server of network net: upstream is [host, 192.0.2.1], not [host]"],
    ),
    "servers file removed": (
        lambda: next(Path("/run/netloom/dns").glob("*/servers")).unlink(),
        ["name server of network net: process is another one, not ours"],
    ),
    "another command line": (other_command, ["name server of network net: process is another one, not ours"]),
    "resolv.conf removed": (
        lambda: Path("/etc/netns/c1/resolv.conf").unlink(),
        ["/etc/netns/c1/resolv.conf is missing"],
    ),
    "bridge removed": (lambda: rig.run("ip", "link", "delete", engine.bridge("net")), None),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_was_damaged_is_told_and_repaired(name):
    damage, told = DAMAGES[name]
    do(NET, attach("net", "c1"), attach("net", "c2"))
    before = engine.picture("c1", "c2")
    damage()
    lines = drift("net")
    assert told is None or lines == told
    assert lines
    predicted = engine.predict(changed())
    assert do(changed()) == predicted != []
    assert drift("net") == []
    rig.until(lambda: found("c2", "c1") == ["10.1.0.2"])
    engine.same(engine.picture("c1", "c2"), before, "repaired")
    assert len(rig.name_servers()) == 1
    do(absent("net", force=True))
    assert list(rig.naming()) == []


def test_an_attachment_repairs_the_server_as_well():
    do(NET, attach("net", "c1"), attach("net", "c2"))
    kill()
    assert do(attach("net", "c1")) == ["change name server of network net: running false -> true"]
    assert found("c2", "c1") == ["10.1.0.2"]


def test_a_server_that_does_not_end_when_asked_is_killed():
    do(NET, attach("net", "c1"))
    (pid,) = rig.name_servers()
    os.kill(pid, signal.SIGSTOP)
    do(present("net", dns=False))
    assert rig.name_servers() == {}


# --- many, and under load ---


def test_no_question_is_lost_while_names_change():
    do(NET, attach("net", "c1"), attach("net", "c2"))
    answers, stop = [], threading.Event()
    with rig.inside("c2"):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def load() -> None:
        with client:
            client.settimeout(1)
            client.connect((GATEWAY, 53))
            while not stop.is_set():
                try:
                    answers.append(lookup.exchange(client, "c1"))
                except OSError:
                    answers.append(SILENCE)

    asking = threading.Thread(target=load)
    asking.start()
    for number in range(20):
        do(attach("net", "c3", aliases=(f"a{number}",)) if number % 4 else detach("net", "c3"))
        time.sleep(0.02)
    stop.set()
    asking.join()
    assert len(answers) > 200
    assert set(answers) == {here("10.1.0.2")}


def test_a_hundred_members_are_named_in_one_step():
    names = [f"n{number}" for number in range(100)]
    specs = [engine.EndpointSpec("net", name, aliases=("all",)) for name in names]
    net = engine.network("net", "10.1.0.0/24", dns=True)
    effects = engine.recorded(engine.topology("t", namespaces=names, networks=[net], attachments=specs))
    assert [effect for effect in effects if "names of" in effect] == ["add names of n0 on network net and 99 more"]
    assert found("n1", "n99") == ["10.1.0.101"]
    assert len(ask("n1", GATEWAY, "all", tcp=True).values) == 100
    do(engine.no_topology("t"))
    assert list(rig.naming()) == []


def test_a_task_on_a_network_without_names_imports_nothing_of_them():
    do(present("net", "10.1.0.0/24"), attach("net", "c1"), detach("net", "c1"))
    parts = ("._dns", "._goal_names", "._kernel.resolvers", "._kernel.resolvconf", "._kernel.files")
    assert [name for name in sys.modules if name.endswith(parts)] == []
