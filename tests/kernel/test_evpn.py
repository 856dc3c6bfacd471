# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network between hosts whose tables a routing daemon fills: what we make of it, and what FRR (zebra, bgpd, bfdd) does.

The first tests are about one host, the others about three with FRR as role `overlay_evpn` configures it, the first of
them a route reflector.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import engine
import jinja2
import pytest
import rig
from engine import absent, attach, detach, do, drift, present, sandwich
from test_overlay import device, facts, link
from test_overlay_hosts import BROADCAST, ETH_P_ARP, Site, _frames, _heard, _is_vxlan, peers

ROLE = Path(__file__).parents[2] / "roles" / "overlay_evpn"
ZEBRA = "/usr/lib/frr/zebra"
SWEEP = "/usr/local/sbin/evpn-sweep"  # the folder of a checkout may have a blank in its name
SWEPT = f"zebra_wrap={SWEEP}"
EVERYBODY = "00:00:00:00:00:00"
PEERS = "198.51.100.1,198.51.100.2"
MAC = "02:42:0a:01:00:02"


def evpn(*subnets: str, **options: str) -> engine.Verb:
    given = {"vni": "42", "peers": PEERS, "control_plane": "evpn", **options}
    return present("net", *(subnets or ("10.1.0.0/24",)), driver="overlay", options=given)


def port_of(ifname: str) -> dict[str, bool]:
    return link(ifname)["linkinfo"]["info_slave_data"]


def shown(*command: str) -> list[str]:
    return [line.strip() for line in rig.run(*command).stdout.splitlines()]


def veths() -> list[str]:
    return [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith("veth")]


# --- one host ---


@pytest.fixture
def machine(lan) -> None:
    rig.netns("c1")


@pytest.mark.usefixtures("machine")
def test_a_network_is_made_with_a_member_and_leaves_nothing():
    before = engine.picture("c1")
    assert sandwich(evpn("10.1.0.0/24", "fd00:1::/64"))
    assert (facts()["learning"], facts().get("proxy", False)) == (False, False)
    assert {name: port_of(device())[name] for name in ("learning", "neigh_suppress")} == {
        "learning": False,
        "neigh_suppress": True,
    }
    made = sandwich(attach("net", "c1"))
    bridge, (veth,) = engine.bridge("net"), veths()
    assert f"add {MAC} behind {veth}" in made
    assert shown("bridge", "fdb", "get", MAC, "dev", veth, "master") == [f"{MAC} dev {veth} master {bridge} static"]
    assert sorted(shown("ip", "neigh", "show", "dev", bridge, "nud", "permanent")) == [
        f"10.1.0.2 lladdr {MAC} PERMANENT",
        f"fd00:1::2 lladdr {MAC} PERMANENT",
    ]
    assert sandwich(detach("net", "c1"))
    assert shown("ip", "neigh", "show", "dev", bridge, "nud", "permanent") == []
    assert sandwich(absent("net"))
    engine.same(engine.picture("c1"), before, "made and removed")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("damage", "line"),
    [
        ("bridge fdb del {mac} dev {veth} master", "{mac} behind {veth} is missing"),
        ("bridge fdb replace {mac} dev {veth} master dynamic", "{mac} behind {veth} is missing"),
        ("ip neigh del 10.1.0.2 dev {bridge}", "neighbour 10.1.0.2 of {bridge} is missing"),
        (
            "ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:09 dev {bridge} nud permanent",
            "neighbour 10.1.0.2 of {bridge}: mac is 02:00:00:00:00:09, not {mac}",
        ),
        ("bridge link set dev {vx} neigh_suppress off", "VXLAN interface {vx}: suppressing is false, not true"),
        ("bridge link set dev {vx} learning on", "VXLAN interface {vx}: suppressing is false, not true"),
        ("ip link set {vx} nomaster", "VXLAN interface {vx}: master is none, not {bridge}"),
        ("ip link set {veth} nomaster", "{mac} behind {veth} is missing"),
        ("ip link delete {vx}", "VXLAN interface {vx} is missing"),
    ],
)
def test_what_is_damaged_is_reported_and_repaired(damage, line):
    do(evpn(), attach("net", "c1"))
    (veth,) = veths()
    names = {"vx": device(), "bridge": engine.bridge("net"), "veth": veth, "mac": MAC}
    before, flags = engine.picture("c1"), port_of(device())
    rig.run(*damage.format(**names).split())
    assert any(each.startswith(line.format(**names)) for each in drift("net")), drift("net")
    assert sandwich(present("net"))
    assert drift("net") == []
    assert shown("bridge", "fdb", "get", MAC, "dev", veth, "master")
    assert {name: port_of(device())[name] for name in ("learning", "neigh_suppress")} == {
        name: flags[name] for name in ("learning", "neigh_suppress")
    }
    engine.same(engine.picture("c1"), before, "damaged and repaired")


@pytest.mark.usefixtures("machine")
def test_what_a_routing_daemon_has_put_there_is_not_ours():
    do(evpn(), attach("net", "c1"))
    vx, bridge = device(), engine.bridge("net")
    entry = f"02:00:00:00:00:09 dev {vx}"
    for command in (
        f"bridge fdb append {EVERYBODY} dev {vx} dst 198.51.100.2",
        f"bridge fdb add {entry} dst 198.51.100.2 self extern_learn",
        f"bridge fdb add {entry} master extern_learn",
        f"ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev {bridge} nud noarp extern_learn proto zebra",
    ):
        rig.run(*command.split())
    tables = sorted(shown("bridge", "fdb")), sorted(shown("ip", "neigh"))
    assert drift("net") == []
    assert do(evpn()) == []
    assert sandwich(evpn(icc="false"))
    assert (sorted(shown("bridge", "fdb")), sorted(shown("ip", "neigh"))) == tables

    # What a zebra that crashed has left goes, before the next one starts; what is ours stays.
    do(present("other", "10.2.0.0/24", driver="overlay", options={"vni": "43", "peers": PEERS}))
    told = rig.run("sh", ROLE / "files" / "evpn-sweep", "echo", "zebra").stdout
    assert told == "zebra\n"
    assert [line for line in shown("bridge", "fdb") if EVERYBODY in line or "extern_learn" in line] == [
        f"{EVERYBODY} dev {device('other')} dst 198.51.100.2 self permanent"
    ]
    assert not [line for line in shown("ip", "neigh") if "extern_learn" in line]
    assert drift("net") == drift("other") == []


@pytest.mark.usefixtures("machine")
def test_a_network_with_members_changes_from_one_kind_to_the_other_and_back():
    do(evpn(control_plane="none"), attach("net", "c1"))
    before = engine.picture("c1")
    changes = sandwich(evpn())
    assert f"add neighbour 10.1.0.2 of {engine.bridge('net')}" in changes
    assert f"{EVERYBODY}" not in "".join(shown("bridge", "fdb", "show", "dev", device()))
    rig.pings("c1", "10.1.0.1")
    assert sandwich(evpn(control_plane="none"))
    engine.same(engine.picture("c1"), before, "there and back")
    assert shown("ip", "neigh", "show", "nud", "permanent") == []


# --- three hosts, with FRR ---


class Speaker(Site):
    """A host that runs FRR, with the network and the member c1 on it."""

    def tables(self) -> str:
        """Return what zebra has put into the tables of the network, as long as nobody removes it."""
        return self.run("sh", "-c", "bridge fdb show; ip neigh show nud noarp")

    def knows(self, *others: Site) -> bool:
        """Return whether it knows where these hosts and their members are."""
        tables = self.tables()
        return all(
            f"{EVERYBODY} dev {self.vxlan} dst {other.underlay} " in tables and f"{other.member} dev " in tables
            for other in others
        )

    def join(self, everybody: list[str]) -> list[str]:
        """Be on the network; return the changes."""
        changes = self.make(everybody, control_plane="evpn")
        self.vxlan = self.device()
        return changes

    def route(self, everybody: list[str]) -> None:
        """Start FRR as the role has it, but for the daemon that watches the others: it waits no minute."""
        values = {
            "overlay_evpn_asn": 65000,
            "overlay_evpn_address": self.underlay,
            "overlay_evpn_peers": everybody,
            "overlay_evpn_reflectors": everybody[:1],
            "overlay_evpn_bfd": True,
            "overlay_evpn_frr_config": "",
        }
        template = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True).from_string(
            (ROLE / "templates" / "frr.conf.j2").read_text(encoding="utf-8")
        )
        self.run("cp", ROLE / "files" / "evpn-sweep", SWEEP)
        self.write("/etc/frr/frr.conf", template.render(values))
        lines = ["bgpd=yes", "bfdd=yes", "watchfrr_options='--min-restart-interval 1 --interval 1'"]
        self.write("/etc/frr/daemons", "\n".join([*lines, SWEPT, ""]))
        self.service("start")

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", f'printf %s "$1" >{path}', "sh", text)

    def service(self, verb: str) -> None:
        self.run("/etc/init.d/frr", verb)

    def told_of(self, other: Site) -> bool:
        """Return whether zebra that runs has been told of another host's member."""
        told = self.host.run("vtysh", "-c", "show evpn arp-cache vni all", check=False).stdout
        return f"{other.member} " in told

    def kill(self, *daemons: str) -> None:
        self.run("sh", "-c", 'cd /run/frr && for each; do kill -9 "$(cat $each.pid)"; done', "sh", *daemons)


def until(true: Callable[[], object], seconds: float = 180) -> None:
    """Wait until hosts have told each other. To look is a process each time, so not as often as `rig.until` does.

    A bgpd that has tried three times to reach a zebra that was down tries again a minute later (FRR's lib/zclient.c).
    """
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it has not come about in {seconds} s"
        time.sleep(0.2)


def all_know_all(speakers: list[Speaker]) -> bool:
    return all(one.knows(*(two for two in speakers if two is not one)) for one in speakers)


@pytest.mark.packets
def test_hosts_tell_each_other_of_members_and_forget_those_that_are_gone(new_host):
    # One test, as the hosts with FRR take longer to make than it does.
    if not Path(ZEBRA).exists():
        pytest.skip("FRR is not installed (Debian: frr)")
    speakers = [Speaker(new_host(f"203.0.113.{number}/24"), number) for number in (1, 2, 3)]
    for site in speakers:
        site.join(peers(*speakers))
        site.route(peers(*speakers))
    until(lambda: all_know_all(speakers))
    silent_members_are_asked_for_on_their_own_host_only(speakers)
    a_member_that_is_detached_is_withdrawn_at_once(speakers)
    a_zebra_that_is_killed_is_started_again_and_learns_everything(speakers)
    what_zebra_leaves_after_a_crash_is_swept_before_it_starts(speakers)


def silent_members_are_asked_for_on_their_own_host_only(speakers: list[Speaker]) -> None:
    one, two, three = speakers
    assert two.join(peers(*speakers)) == []  # as if zebra's entries were not there
    # Two has heard of three from the reflector alone.
    assert "Total number of neighbors 1\n" in two.run("vtysh", "-c", "show bgp l2vpn evpn summary")
    with _heard(three, "eth0") as wire:
        two.pings(three.member)
        two.pings(three.member6)
        two.pings("10.1.3.77", expect=False)
        inner = [frame[50:] for frame in _frames(wire, 0.3) if _is_vxlan(frame, two.underlay)]
    # To one MAC only goes what a neighbour that is known is asked from time to time.
    asked = {frame[38:42] for frame in inner if frame[:14] == BROADCAST + frame[6:12] + ETH_P_ARP.to_bytes(2, "big")}
    assert asked == {bytes([10, 1, 3, 77])}  # nobody has told of it, so it was asked for everywhere
    assert [frame for frame in inner if frame[12:14] == b"\x08\0"]  # the echo request
    one.pings(two.member)


def a_member_that_is_detached_is_withdrawn_at_once(speakers: list[Speaker]) -> None:
    one, two, three = speakers
    two.drive("detach=net/c1")
    until(lambda: two.member not in one.tables() + three.tables())
    assert f"{EVERYBODY} dev {one.vxlan} dst {two.underlay} " in one.tables()
    assert two.drive("attach=net/c1")[0]["drift"] == []
    until(lambda: one.knows(two) and three.knows(two))
    three.pings(two.member)


def a_zebra_that_is_killed_is_started_again_and_learns_everything(speakers: list[Speaker]) -> None:
    one, two, three = speakers
    before = two.run("cat", "/run/frr/zebra.pid")
    two.kill("zebra")
    until(lambda: two.run("cat", "/run/frr/zebra.pid") != before)
    until(lambda: two.knows(one, three))
    two.pings(three.member)


def what_zebra_leaves_after_a_crash_is_swept_before_it_starts(speakers: list[Speaker]) -> None:
    one, two, three = speakers
    two.kill("watchfrr", "zebra")
    three.host.stop()
    until(lambda: three.underlay not in one.tables())
    # By BFD; the hold timer would have needed nine seconds.
    session = json.loads(one.run("vtysh", "-c", f"show bgp neighbors {three.underlay} json"))[three.underlay]
    assert session["lastNotificationReason"] == "Cease/BFD Down"
    two.pings(one.member)  # what was known still is
    assert two.knows(three)
    assert two.drive("network=net")[0]["drift"] == []

    # The positive control: without the sweep it stays.
    two.run("sed", "-i", "s/^zebra_wrap/#&/", "/etc/frr/daemons")
    two.service("start")
    until(lambda: two.told_of(one))
    assert two.knows(three)
    two.kill("watchfrr", "zebra")

    two.run("sed", "-i", "s/^#zebra_wrap/zebra_wrap/", "/etc/frr/daemons")
    two.service("start")
    until(lambda: two.knows(one) and three.underlay not in two.tables())
    two.pings(one.member)
    assert two.drive("network=net")[0]["drift"] == []

    three.host.start()
    three.switched_on()
    three.join(peers(*speakers))
    three.service("start")
    until(lambda: all_know_all(speakers))
    three.pings(two.member)
