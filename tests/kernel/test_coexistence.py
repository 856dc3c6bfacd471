# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other firewalls on the same host: real ones, before and after what our warnings say, and over their reloads.

docs/coexistence.md has these results as a table.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import engine
import pytest
import reach
import rig
from ansible_collections.netloom.containers.plugins.module_utils._kernel import firewall
from ansible_collections.netloom.containers.plugins.module_utils._model import EndpointSpec
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from engine import attach, bridge, detach, do, drift, present, result_of, topology
from rig import run

pytestmark = pytest.mark.packets

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "coexistence.md"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROMPT = "To let it through: "


def ways(*names: str) -> frozenset[str]:
    """Return ways of both IP versions, for a name without one."""
    return frozenset(way for name in names for way in ([name] if name[-1] in "46" else [f"{name} 4", f"{name} 6"]))


NEVER = reach.ALWAYS_CLOSED
FORWARDED = ways("member to outside", "outside to published", "member to member", "member to published")
SENT = ways("member to outside", "member to member")


# --- real programs, each in a host of its own ---

START_DOCKER = """
rm -f /etc/docker/daemon.json
(exec dockerd --data-root /root/docker --storage-driver vfs --userland-proxy=false %s </dev/null >>/var/log/dockerd 2>&1) &
for _ in $(seq 300); do
    docker --host unix:///var/run/docker.sock version >/dev/null 2>&1 && exit
    sleep 0.1
done
cat /var/log/dockerd >&2
exit 1
"""
STOP_DOCKER = """
pid=$(cat /var/run/docker.pid)
kill $pid
while kill -0 $pid 2>/dev/null; do sleep 0.05; done
"""
IPV6 = "--experimental --ip6tables --ipv6 --fixed-cidr-v6 2001:db8:d::/64"
START_FIREWALLD = """
mkdir -p /run/dbus
dbus-daemon --system --fork
(exec firewalld --nofork --nopid </dev/null >/var/log/firewalld.out 2>&1) &
for _ in $(seq 300); do
    firewall-cmd --state >/dev/null 2>&1 && exit
    sleep 0.1
done
cat /var/log/firewalld.out >&2
exit 1
"""
START_UFW = "ufw --force enable"
DOCKER = START_DOCKER % ""
RESTART_DOCKER = STOP_DOCKER + DOCKER
RELOAD_FIREWALLD = "firewall-cmd --reload"
RELOAD_UFW = "ufw reload"


@dataclass(frozen=True)
class Program:
    """What else has a firewall on the host.

    `closed` are the ways that it closes at first, `kept` those that the cure does not touch. `chains` are named in
    the warnings, `cures` are parts of them.
    """

    start: tuple[str, ...]
    closed: frozenset[str]
    kept: frozenset[str] = frozenset()
    chains: tuple[str, ...] = ("ip filter FORWARD",)
    cures: tuple[str, ...] = ()
    reloads: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


FORWARDED_4 = frozenset(way for way in FORWARDED if way.endswith("4"))
HOST_KEPT = ways("member to host")  # a policy for the host's own services is none of ours
PROGRAMS = {
    "nothing": Program((), frozenset(), chains=()),
    "docker": Program(
        (DOCKER,), FORWARDED_4, cures=("iptables -I DOCKER-USER -o ",), reloads=(RESTART_DOCKER,), needs=("dockerd",)
    ),
    "docker with IPv6": Program(
        (START_DOCKER % IPV6,),
        FORWARDED,
        chains=("ip filter FORWARD and ip6 filter FORWARD of Docker",),
        cures=("iptables -I DOCKER-USER -o ", "nft insert rule ip6 filter FORWARD oifname "),
        reloads=(STOP_DOCKER + START_DOCKER % IPV6,),
        needs=("dockerd",),
    ),
    "firewalld": Program(
        (START_FIREWALLD,),
        SENT,
        kept=HOST_KEPT,
        chains=("inet firewalld filter_FORWARD of firewalld",),
        cures=("firewall-cmd --permanent --zone=netloom --add-interface=",),
        reloads=(RELOAD_FIREWALLD, "firewall-cmd --complete-reload"),
        needs=("firewalld", "dbus-daemon"),
    ),
    "docker and firewalld": Program(
        (START_FIREWALLD, DOCKER),
        FORWARDED_4 | SENT,
        kept=HOST_KEPT,
        chains=("ip filter FORWARD of Docker", "inet firewalld filter_FORWARD of firewalld"),
        cures=("--direct --add-rule ipv4 filter DOCKER-USER 0 -i ", "--zone=netloom --add-interface="),
        reloads=(RELOAD_FIREWALLD, RESTART_DOCKER),
        needs=("firewalld", "dbus-daemon", "dockerd"),
    ),
    "ufw": Program(
        (START_UFW,),
        FORWARDED,
        kept=HOST_KEPT,
        chains=("ip filter FORWARD and ip6 filter FORWARD of ufw",),
        cures=("ufw route allow in on ", "ufw route allow out on "),
        reloads=(RELOAD_UFW, "ufw disable; ufw --force enable"),
        needs=("ufw",),
    ),
    "docker and ufw": Program(
        (START_UFW, DOCKER),
        FORWARDED,
        kept=HOST_KEPT,
        chains=("ip filter FORWARD and ip6 filter FORWARD of ufw",),
        cures=("ufw route allow in on ",),
        reloads=(RELOAD_UFW, RESTART_DOCKER),
        needs=("ufw", "dockerd"),
    ),
}


def drive(host: rig.Host, *asked: str) -> list[dict[str, Any]]:
    return json.loads(host.run(sys.executable, "-B", HERE / "drive.py", *asked).stdout)


def closed(host: rig.Host) -> set[str]:
    return set(json.loads(host.run(sys.executable, "-B", HERE / "reach.py").stdout))


def needs(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program, path=PATH):
            pytest.skip(f"{program} is not installed")


def cured(host: rig.Host, warnings: Iterable[str]) -> None:
    """Carry out what the warnings end with, as a reader would copy it."""
    for warning in warnings:
        host.run("sh", "-ec", warning.partition(PROMPT)[2])


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_commands_of_the_warning_let_traffic_through_for_good(host, name):
    program = PROGRAMS[name]
    needs(*program.needs)
    for command in program.start:
        host.run("sh", "-c", command)
    theirs = listing(host)
    host.run(sys.executable, "-B", HERE / "reach.py", "surround")
    network, *_members = drive(host, "dual=app", "publish=app/c1/8080:80", "attach=app/c2")
    warnings = network["warnings"]
    assert [chain for chain in program.chains if not any(chain in warning for warning in warnings)] == []
    assert len(warnings) == len(program.chains)
    assert [cure for cure in program.cures if not any(cure in warning for warning in warnings)] == []
    assert listing(host) == theirs  # we have touched nothing of theirs
    assert closed(host) == program.closed | program.kept | NEVER

    cured(host, warnings)

    assert closed(host) == program.kept | NEVER
    (again,) = drive(host, "dual=app")
    assert (again["warnings"], again["changes"], again["drift"]) == ([], [], [])
    for reload in program.reloads:
        host.run("sh", "-c", reload)
        (again,) = drive(host, "dual=app")
        assert (reload, again["warnings"], again["changes"]) == (reload, [], [])
        assert (reload, closed(host)) == (reload, program.kept | NEVER)


def listing(host: rig.Host) -> str:
    """Return the tables of others, without counters."""
    items = json.loads(host.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
    tables = [json.dumps(rig._lasting(item), sort_keys=True) for item in items if "metainfo" not in item]
    return "\n".join(line for line in tables if '"netloom"' not in line)


def test_ufw_can_let_members_out_and_keep_published_ports_closed(host):
    needs("ufw")
    host.run("sh", "-c", START_UFW)
    host.run(sys.executable, "-B", HERE / "reach.py", "surround")
    drive(host, "dual=app", "publish=app/c1/8080:80", "attach=app/c2")
    host.run("ufw", "route", "allow", "in", "on", bridge_of(host))
    (half,) = drive(host, "dual=app")
    host.run("ufw", "route", "deny", "out", "on", bridge_of(host))
    (decided,) = drive(host, "dual=app")
    assert "ufw drop what comes to published ports on" in half["warnings"][0]
    assert decided["warnings"] == []
    assert closed(host) == ways("outside to published", "member to host") | NEVER


def cell(program: Program, way: str) -> str:
    """Return what docs/coexistence.md says of a way."""
    if f"{way} 4" in NEVER | program.kept:
        return "no"
    versions = "".join(version for version in "46" if f"{way} {version}" in program.closed)
    return {"": "yes", "4": "cure (IPv4)", "46": "cure"}[versions]


def test_the_page_about_coexistence_has_these_results():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    start = next(number for number, row in enumerate(rows) if row[0] == "TCP from, to")
    (_corner, *names), _rule, *table = rows[start : start + 2 + len(reach.WAYS)]
    assert names == [*PROGRAMS]
    assert [row[0] for row in table] == [*reach.WAYS]
    assert table == [[way, *(cell(PROGRAMS[name], way) for name in names)] for way, *_cells in table]


RELOADING = f"""
(until [ -e /run/enough ]; do {RELOAD_FIREWALLD}; done; mv /run/reloaded /run/done) </dev/null >/run/reloaded 2>&1 &
"""


def test_a_reload_of_firewalld_meanwhile_loses_nothing_of_either(host):
    needs("firewalld", "dbus-daemon")
    host.run("sh", "-c", START_FIREWALLD)
    host.run(sys.executable, "-B", HERE / "reach.py", "surround")
    (network,) = drive(host, "dual=app")
    cured(host, network["warnings"])
    theirs = listing(host)
    host.run("sh", "-c", RELOADING)
    drive(host, "network=gone", "publish=app/c1/8080:80", "attach=app/c2", "attach=gone/c1", "detach=gone/c1")
    drive(host, "attach=gone/c2", "detach=gone/c2", "absent=gone", "detach=app/c1", "publish=app/c1/8080:80")
    host.run("touch", "/run/enough")
    rig.until(lambda: host.run("test", "-e", "/run/done", check=False).returncode == 0)
    assert set(host.run("cat", "/run/done").stdout.split()) == {"success"}
    assert listing(host) == theirs
    assert drive(host, "dual=app")[0]["drift"] == []
    assert closed(host) == PROGRAMS["firewalld"].kept | NEVER
    ours = host.run("nft", "list", "table", "inet", "netloom").stdout
    assert ours.count('"br-') == ours.count(f'"{bridge_of(host)}"')  # nothing of the network that is gone


def bridge_of(host: rig.Host) -> str:
    """Return the name of the one bridge in a host."""
    (link,) = json.loads(host.run("ip", "-j", "link", "show", "type", "bridge").stdout)
    return link["ifname"]


# --- chains that nobody knows, and an administrator's ---

SUBNETS = ("10.1.0.0/24", "fd00:1::/64")
PUBLISHED = attach("app", "c1", ports=port_specs(["8080:80"]))


@pytest.fixture
def app() -> str:
    """A network with two members and a published port, and a neighbour; return the name of its bridge."""
    reach.surround()
    do(present("app", *SUBNETS), PUBLISHED, attach("app", "c2"))
    return bridge("app")


def bridged_traffic_is_filtered(yes: int) -> None:
    for name in ("iptables", "ip6tables"):
        Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}").write_text(str(yes))


def load(
    table: str, *rules: str, policy: str = "accept", priority: int = 0, name: str = "forward", more: str = ""
) -> str:
    """Make a table with a forward chain, and return how nft lists it."""
    hook = f"type filter hook forward priority {priority}; policy {policy};"
    chain = "\n".join((f"chain {name} {{", hook, *rules, "}"))
    run("nft", "-f", "-", stdin=f"table {table} {{\n{more}\n{chain}\n}}")
    return run("nft", "list", "table", *table.split()).stdout


def warnings() -> tuple[str, ...]:
    """Return what a task about the network warns of."""
    result = result_of(present("app"))
    assert [str(change) for change in result.outcome.changes] == []
    return result.outcome.warnings


REST = "chain rest {\ncounter drop\n}"
UNKNOWN = {
    "a policy": [partial(load, "inet site", policy="drop")],
    "a last rule": [partial(load, "inet site", "ct state established accept", "tcp dport 7 accept", "reject")],
    "a chain of each IP version": [
        partial(load, f"{family} filter", "jump rest", name="FORWARD", more=REST) for family in ("ip", "ip6")
    ],
}


@pytest.mark.parametrize("name, filtered", [("a policy", 0), *((name, 1) for name in UNKNOWN)])
def test_a_chain_of_an_unknown_program_is_cured_as_its_warning_says(app, name, filtered):
    bridged_traffic_is_filtered(filtered)
    assert (warnings(), reach.closed()) == ((), NEVER)
    for make in UNKNOWN[name]:
        make()
    (warning,) = warnings()
    assert "of another program drop" in warning
    assert ("what members send each other" in warning) == bool(filtered)
    assert reach.closed() == FORWARDED - {0: ways("member to member"), 1: set()}[filtered] | NEVER
    run("sh", "-ec", warning.partition(PROMPT)[2])
    assert (warnings(), reach.closed()) == ((), NEVER)


def test_a_bridge_table_that_drops_is_warned_of(app):
    load("bridge site", policy="drop")
    (warning,) = warnings()
    assert warning.startswith("bridge site forward of another program drops what members send each other on ")
    assert reach.closed() == ways("member to member", "member to published") | NEVER


def test_a_chain_that_lets_only_one_direction_through_is_warned_of(app):
    run("iptables-nft", "-P", "FORWARD", "DROP")
    run("iptables-nft", "-I", "FORWARD", "-i", app, "-j", "ACCEPT")
    (warning,) = warnings()
    assert "drops answers to them, what comes to published ports on " in warning
    assert reach.closed() == ways("member to outside 4", "outside to published 4") | NEVER
    run("sh", "-ec", warning.partition(PROMPT)[2])
    assert (warnings(), reach.closed()) == ((), NEVER)


def test_who_publishes_a_port_is_told_what_has_come_since_the_network_was_made(app):
    run("iptables-nft", "-P", "FORWARD", "DROP")
    (warning,) = result_of(attach("app", "c1", ports=port_specs(["8081:80"]))).outcome.warnings
    assert "drops what members send" in warning
    assert "what comes to published ports" in warning
    assert result_of(attach("app", "c1", ports=port_specs(["8081:80"]))).outcome.warnings == ()  # nothing was changed


def test_an_administrators_own_drop_outlives_our_updates_and_repairs_and_wins(app):
    blocked = f'oifname "lan0" ip daddr {rig.Lan.neighbour} tcp dport {reach.OUTSIDE} drop'
    site = load("inet site", f'iifname "{app}" {blocked}')
    kept = ways("member to outside 4") | NEVER
    assert reach.closed() == kept
    assert warnings() == ()  # who names the bridge knows what he does

    do(present("other", "10.2.0.0/24"), present("app", labels={"tier": "web"}), detach("app", "c1"), PUBLISHED)
    assert run("nft", "list", "table", "inet", "site").stdout == site
    run("nft", "flush", "chain", "inet", "netloom", "forward")
    assert drift("app")
    assert do(present("app"))
    assert run("nft", "list", "table", "inet", "site").stdout == site
    assert (drift("app"), reach.closed()) == ([], kept)


def test_an_administrators_accept_does_not_open_what_we_close(app):
    site = load("inet site", "accept", priority=-200)
    assert reach.closed() == NEVER
    assert run("nft", "list", "table", "inet", "site").stdout == site


def test_a_rule_inside_our_table_is_reported_and_does_not_stay(app):
    run("nft", "insert", "rule", "inet", "netloom", "forward", "iifname", app, "drop")
    assert reach.closed() > NEVER
    assert drift("app")
    do(present("app"))
    assert (drift("app"), reach.closed()) == ([], NEVER)


# --- what is gone comes back ---

LOST = {
    "flush": "nft flush ruleset",
    # What the service does; Debian's file begins with "flush ruleset", and makes an empty table.
    "nftables.service": "nft -f /etc/nftables.conf; nft delete table inet filter",
    "our table": "nft delete table inet netloom",
    "one set": "nft flush set inet netloom protected",
}
REPAIRS = {
    "container_network": present("app"),
    "network_topology": topology(
        "all",
        networks=[engine.network("app", *SUBNETS)],
        attachments=[EndpointSpec("app", "c1", ports=port_specs(["8080:80"])), ("app", "c2")],
    ),
}


@pytest.mark.parametrize(
    "lost, repair", [*((lost, "container_network") for lost in LOST), ("flush", "network_topology")]
)
def test_one_task_brings_back_what_somebody_removed(lost, repair):
    reach.surround()
    do(REPAIRS["network_topology"])
    assert reach.closed() == NEVER
    before = rig.snapshot(records_as_bytes=False)
    run("sh", "-c", LOST[lost])
    assert not reach.closed() & ways("outside to unpublished")  # nothing of ours holds until the repair
    assert drift("app")
    assert do(REPAIRS[repair])
    assert (drift("app"), reach.closed()) == ([], NEVER)
    assert rig.snapshot(records_as_bytes=False) == before
    assert do(REPAIRS[repair]) == []


@pytest.mark.parametrize("first", ["flush ruleset\n", "delete table inet netloom\n", ""])
def test_a_saved_ruleset_can_be_loaded_again(app, first):
    saved = run("nft", "list", "ruleset").stdout
    run("nft", "-f", "-", stdin=first + saved)  # without "flush", each rule is there twice
    do(present("app"))
    assert run("nft", "list", "ruleset").stdout == saved
    assert (drift("app"), reach.closed()) == ([], NEVER)


def test_transactions_of_others_at_the_same_time_cost_neither_side_anything(app):
    needs("iptables-nft")
    run("iptables-nft", "-N", "SITE")
    theirs = """
        for number in $(seq 40); do
            iptables-nft -w -A SITE -s 192.0.2.$number -j ACCEPT || exit
            printf 'table inet site {\\n set hosts { type ipv4_addr; elements = { 192.0.2.%d } }\\n}' $number | nft -f - || exit
        done
    """
    acts = [lambda: run("sh", "-c", theirs).returncode]
    acts += [
        lambda number=number: do(present(f"n{number}", f"10.{number}.0.0/24")) and None for number in range(10, 18)
    ]
    assert engine.together(*acts) == [0, *[None] * 8]
    assert run("iptables-nft", "-S", "SITE").stdout.count("-j ACCEPT") == 40
    assert run("nft", "list", "set", "inet", "site", "hosts").stdout.count("192.0.2.") == 40
    assert {name: drift(name) for name in ("app", *(f"n{number}" for number in range(10, 18)))} == {
        name: [] for name in ("app", *(f"n{number}" for number in range(10, 18)))
    }
    assert reach.closed() == NEVER


def test_a_table_that_vanishes_while_it_is_read_is_passed_over(app, monkeypatch):
    load("inet site", policy="drop")
    assert len(warnings()) == 1
    asked = firewall._nft
    monkeypatch.setattr(
        firewall, "_nft", lambda *words, **more: asked(*("gone" if word == "site" else word for word in words), **more)
    )
    assert warnings() == ()
