# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that share the addresses of a network by way of etcd: no address is given twice, and none is lost.

A host is a state directory here, with an interface and containers of its own.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import engine
import etcd
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel.etcd_client import Client, is_empty, put, read
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from ansible_collections.netloom.containers.plugins.module_utils._verbs import restoration
from engine import absent, attach, detach, pool, present

pytestmark = pytest.mark.packets
SUBNET = "10.1.0.0/24"
CLAIMS = "/netloom/networks/net/claims/"


class Site:
    """One of the hosts: h1 has the containers h1a, h1b and so on."""

    def __init__(self, number: int, urls: list[str]):
        self.name, self.state_dir = f"h{number}", rig.STATE_DIR if number == 1 else f"{rig.STATE_DIR}-{number}"
        self.wire = {"parent": f"up{number}"}
        self.ipam = {"endpoints": ",".join(urls), "node": self.name, "timeout": "3"}

    def container(self, letter: str) -> str:
        if not os.path.exists(f"/run/netns/{self.name}{letter}"):
            rig.netns(f"{self.name}{letter}")
        return f"{self.name}{letter}"

    def net(self, *subnets: Any, **options: Any) -> engine.Verb:
        """Return the verb that makes the network, whose addresses are shared."""
        ipam = {**self.ipam, **options.pop("ipam", {})}
        options.setdefault("ipam_options", tuple(sorted(ipam.items())))
        return self.own(*subnets, ipam_driver="etcd", **options)

    def own(self, *subnets: Any, **options: Any) -> engine.Verb:
        """Return the verb that makes the network with addresses of the host alone."""
        return present("net", *subnets, driver="macvlan", options=self.wire, **options)

    def do(self, *verbs: engine.Verb) -> list[str]:
        return engine.do(*verbs, state_dir=self.state_dir)

    def attach(self, letter: str, **options: Any) -> str:
        """Attach a container, and return its address."""
        verb = attach("net", self.container(letter), **options)
        return str(engine.result_of(verb, state_dir=self.state_dir).endpoint.ipv4.ip)

    def refusal(self, verb: engine.Verb) -> NetloomError:
        return engine.refusal(verb, state_dir=self.state_dir)

    def inspected(self) -> dict[str, Any]:
        return engine.inspected("net", state_dir=self.state_dir)[0]


@pytest.fixture(autouse=True)
def wires():
    for name in ("up1", "up2", "up3"):
        rig.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        rig.run("ip", "link", "set", name, "up")
    if not rig.kernel_has("macvlan", lower="up1"):
        pytest.skip("this kernel has no macvlan")


@pytest.fixture
def servers(tmp_path):
    with etcd.cluster(tmp_path) as found:
        yield found


@pytest.fixture
def three(tmp_path):
    with etcd.cluster(tmp_path, 3) as found:
        yield found


def picture(servers: etcd.Cluster) -> rig.Snapshot:
    seen = engine.picture("h1a", "h1b", "h1c").sections
    seen["records"] = tuple(re.sub(r'"node_id":"\w+"', "", line) for line in seen["records"])
    keys = (f"{key} {engine._STAMPS.sub('', _without_id(value))}" for key, value in servers.keys().items())
    return rig.Snapshot({**seen, "etcd": tuple(keys)})


def _without_id(text: str) -> str:
    try:
        fields = json.loads(text)
    except ValueError:
        return "ID"
    return json.dumps({**fields, "id": ""} if isinstance(fields, dict) else fields)


def sandwich(servers: etcd.Cluster, verb: engine.Verb) -> list[str]:
    """Carry out a verb in check mode, for real, and again; return its changes. Only the second writes."""
    before, written = picture(servers), servers.revision()
    predicted = engine.predict(verb)
    engine.same(picture(servers), before, "looked at in check mode")
    assert servers.revision() == written
    done = engine.do(verb)
    assert done == predicted
    after, written = picture(servers), servers.revision()
    assert engine.do(verb) == []
    engine.same(picture(servers), after, "asked for again")
    assert servers.revision() == written
    return done


# --- one host ---


def test_each_verb_changes_etcd_as_check_mode_says_and_once(servers):
    one = Site(1, servers.urls)
    a, b, c = map(one.container, "abc")
    joins, claims = (
        "join the pool of network net in etcd as host h1",
        "claim address 10.1.0.77 of network net in etcd",
    )
    assert sandwich(servers, one.net(SUBNET))[0] == joins
    assert sandwich(servers, attach("net", a, ipv4="10.1.0.77"))[0] == claims
    assert sandwich(servers, present("net", connected=[a, b]))[0].startswith("claim address 10.1.0.")
    assert {"h1 netns:h1a", "h1 netns:h1b"} == {*servers.owners().values()}
    assert servers.owners()["10.1.0.77"] == "h1 netns:h1a"
    moved = sandwich(servers, attach("net", a, ipv4="10.1.0.78"))
    assert (moved[0], moved[-1]) == (claims.replace("77", "78"), "release address 10.1.0.77 of network net in etcd")
    assert sandwich(servers, attach("net", a, ipv4="10.1.0.78", secondary=(ip_address("10.1.0.99"),)))
    assert servers.owners()["10.1.0.99"] == "h1 netns:h1a"
    written = servers.revision()
    assert one.do(one.net(SUBNET), attach("net", a), present("net", connected=[a, b])) == []
    assert servers.revision() == written
    # What one gives up in a task another gets in the same one, without a moment in which it is anybody's.
    assert "change address 10.1.0.78 of network net in etcd: owner h1a on host h1 -> h1c on host h1" in sandwich(
        servers, engine.listed("net", [engine.EndpointSpec("net", c, ipv4=ip_address("10.1.0.78"))])
    )
    assert servers.owners() == {"10.1.0.78": "h1 netns:h1c"}
    assert sandwich(servers, detach("net", c))[-1] == "release address 10.1.0.78 of network net in etcd"
    assert sandwich(servers, absent("net"))[-1] == "leave the pool of network net in etcd as host h1"
    assert servers.keys() == {}


def test_reserved_addresses_are_not_handed_out_and_a_pool_ends(servers):
    one = Site(1, servers.urls)
    rules = pool("10.1.0.0/28", gateway="10.1.0.9", ip_range="10.1.0.8/29")
    one.do(one.net(rules))
    got = {one.attach(letter) for letter in "abcdef"}
    assert got == {f"10.1.0.{last}" for last in (8, 10, 11, 12, 13, 14)}
    assert one.refusal(attach("net", one.container("g"))).code == "pool_exhausted"
    assert one.attach("g", ipv4="10.1.0.3") == "10.1.0.3"


def test_the_hosts_own_address_on_the_wire_is_claimed_as_well(servers):
    one = Site(1, servers.urls)
    shim = {**one.wire, "host_shim": "true"}
    asked = tuple(sorted(one.ipam.items()))
    verb = present("net", SUBNET, driver="macvlan", options=shim, ipam_driver="etcd", ipam_options=asked)
    sandwich(servers, verb)
    (address,) = servers.owners()
    assert servers.owners() == {address: "h1 host:shim"}
    assert one.inspected()["IPAM"]["Config"][0]["AuxiliaryAddresses"] == {"host_shim": address}
    one.do(absent("net"))
    assert servers.keys() == {}


def test_a_network_with_members_becomes_shared_in_place_and_its_own_again(servers):
    one, two = Site(1, servers.urls), Site(2, servers.urls)
    a, b = one.container("a"), one.container("b")
    two.container("a")
    one.do(one.own(SUBNET, connected=[a, b]))
    before = engine.picture(a, b)
    rig.run("ip", "netns", "del", b)  # it is pending from now on
    changes = sandwich(servers, one.net(ipam={"prefix": "/elsewhere"}))
    assert [line for line in changes if "in etcd" in line] == [
        "join the pool of network net in etcd as host h1",
        "claim address 10.1.0.2 of network net in etcd",
        "claim address 10.1.0.3 of network net in etcd",
    ]
    one.do(one.net())  # and with another prefix
    assert servers.owners() == {"10.1.0.2": "h1 netns:h1a", "10.1.0.3": "h1 netns:h1b"}
    assert not [key for key in servers.keys() if key.startswith("/elsewhere")]
    two.do(two.net(SUBNET))
    assert (
        "10.1.0.2 on network net is held by h1a on host h1"
        in two.refusal(attach("net", two.container("a"), ipv4="10.1.0.2")).message
    )
    two.do(absent("net"))
    one.do(present("net", ipam_driver="default"))
    assert servers.keys() == {}
    rig.netns(b)
    one.do(present("net"))
    engine.same(engine.picture(a, b), before, "shared and not shared any more")


def test_what_another_host_has_keeps_a_network_from_becoming_shared(servers):
    one, two = Site(1, servers.urls), Site(2, servers.urls)
    two.do(two.net(SUBNET))
    two.attach("a", ipv4="10.1.0.2")
    one.do(one.own(SUBNET, connected=[one.container("a")]))
    before = picture(servers)
    error = one.refusal(one.net())
    assert (error.code, error.message) == (
        "address_in_use",
        "network net: 10.1.0.2 of h1a is held by h2a on host h2",
    )
    engine.same(picture(servers), before, "another host has an address")


# --- several hosts ---


def test_hosts_that_allocate_at_once_get_what_nobody_else_has_until_nothing_is_left(three):
    sites = [Site(number, three.urls) for number in (1, 2, 3)]
    for site in sites:
        site.do(site.net(pool("10.1.0.0/28")))
    letters = "abcde"
    for site in sites:
        for letter in letters:
            site.container(letter)

    def allocate(site: Site) -> list[str]:
        found = []
        for letter in letters:
            try:
                found.append(site.attach(letter))
            except NetloomError as exc:
                found.append(exc.code)
        return found

    answers = sum(engine.together(*(partial(allocate, site) for site in sites)), [])
    got = [answer for answer in answers if answer != "pool_exhausted"]
    assert sorted(map(ip_address, got)) == [*ip_network("10.1.0.0/28").hosts()][1:]  # the first is the gateway's
    assert answers.count("pool_exhausted") == 2
    assert {*three.owners()} == {*got}
    for site in sites:
        assert site.inspected()["Drift"] == []
        assert not [line for line in site.do(site.net()) if line]


def test_a_killed_leader_costs_no_address_and_doubles_none(three):
    sites = [Site(number, three.urls) for number in (1, 2, 3)]
    for site in sites:
        site.do(site.net(SUBNET))
        for letter in "abcdef":
            site.container(letter)
    victim = three.leader()

    def allocate(site: Site) -> list[str]:
        return [site.attach(letter) for letter in "abcdef"]

    def murder() -> list[str]:
        time.sleep(0.15)
        os.kill(three.processes[victim].pid, signal.SIGKILL)
        return []

    answers = engine.together(murder, *(partial(allocate, site) for site in sites))
    assert all(len(answer) == 6 for answer in answers[1:]), answers
    three.kill(victim)
    got = sum(answers, [])
    assert len({*got}) == len(got) == 18
    assert {*three.owners()} == {*got}
    # With one more lost there is no majority: bounded, told, and all that is there goes on.
    other = next(iter(three.processes))
    three.kill(other)
    began = time.monotonic()
    error = sites[0].refusal(attach("net", sites[0].container("g")))
    assert error.code == "driver_timeout"
    assert "etcd has not answered in 3 s" in error.message
    assert all(url in error.message for url in three.urls)
    assert time.monotonic() - began < 8  # twice, in check mode and for real
    three.start(other)
    three.ready()
    assert sites[0].attach("g") not in got


def test_a_lost_race_is_run_again_with_a_fresh_look(servers):
    one, two = Site(1, servers.urls), Site(2, servers.urls)
    for site in (one, two):
        site.do(site.net(SUBNET))
    stolen = []

    class Slow(Host):
        """A host to whom another one comes first, twice."""

        def execute(self, what: str, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if what.startswith("claim") and len(stolen) < 2:
                address = what.split()[2]
                two.do(attach("net", two.container("ab"[len(stolen)]), ipv4=address))
                stolen.append(address)
            return super().execute(what, act, *args, **kwargs)

    result = engine.result_of(attach("net", one.container("a")), kind=Slow)
    mine = str(result.endpoint.ipv4.ip)
    assert servers.owners() == {stolen[0]: "h2 netns:h2a", stolen[1]: "h2 netns:h2b", mine: "h1 netns:h1a"}
    assert one.inspected()["Drift"] == two.inspected()["Drift"] == []
    # One who asked for just this address hears who has it.
    stolen[:] = ["once is enough"]
    one.container("b"), two.container("b")
    two.do(detach("net", "h2b"))
    before = engine.picture("h1a", "h1b")
    with pytest.raises(NetloomError) as caught:
        engine.result_of(attach("net", "h1b", ipv4="10.1.0.200"), kind=Slow)
    assert caught.value.code == "address_in_use"
    assert caught.value.message == "ipv4_address: 10.1.0.200 on network net is held by h2b on host h2"
    two.do(detach("net", "h2b"))
    engine.same(engine.picture("h1a", "h1b"), before, "another host was quicker")


def test_the_hosts_of_a_network_agree_on_its_subnets(servers):
    one, two, three = (Site(number, servers.urls) for number in (1, 2, 3))
    rules = pool(SUBNET, gateway="10.1.0.254", ip_range="10.1.0.128/25")
    one.do(one.net(rules))
    for asked in ((), (pool(SUBNET),)):  # what it omits is as the others have it
        two.do(two.net(*asked))
        (config,) = two.inspected()["IPAM"]["Config"]
        assert config == {"Subnet": SUBNET, "Gateway": "10.1.0.254", "IPRange": "10.1.0.128/25"}
        two.do(absent("net"))
    two.do(two.net())
    for asked in (pool(SUBNET, gateway="10.1.0.1"), pool("10.9.0.0/24")):
        error = three.refusal(three.net(asked))
        assert error.code == "network_exists_different"
        assert "what is there is what h1, h2 go by" in error.message
    assert (
        "gateway of 10.1.0.0/24 is 10.1.0.254 there and 10.1.0.1 here"
        in three.refusal(three.net(pool(SUBNET, gateway="10.1.0.1"))).message
    )
    assert one.refusal(one.net(pool(SUBNET, gateway="10.1.0.254", ip_range="10.1.0.0/24"))).code == (
        "network_exists_different"
    )
    two.do(absent("net"))  # alone, it may say something else
    assert sandwich(servers, one.net(pool(SUBNET, gateway="10.1.0.254", ip_range="10.1.0.0/24")))
    assert json.loads(servers.keys()["/netloom/networks/net/pool"])[0]["ip_range"] == "10.1.0.0/24"


def test_two_hosts_with_one_name_are_told_apart(servers):
    one, two = Site(1, servers.urls), Site(2, servers.urls)
    one.do(one.net(SUBNET))
    error = two.refusal(two.net(SUBNET, ipam={"node": "h1"}))
    assert error.code == "option_invalid"
    assert error.message.startswith("ipam_driver_options.node: another host shares the addresses of network net")
    without = {name: text for name, text in one.ipam.items() if name != "node"}
    two.do(two.net(SUBNET, ipam_options=tuple(sorted(without.items()))))
    assert f"/netloom/networks/net/nodes/{os.uname().nodename}" in servers.keys()
    # A new name takes all that the host has along.
    one.attach("a", ipv4="10.1.0.5")
    assert sandwich(servers, one.net(ipam={"node": "h9"}))
    assert servers.owners() == {"10.1.0.5": "h9 netns:h1a"}
    assert "/netloom/networks/net/nodes/h1" not in servers.keys()


def test_a_host_that_is_gone_for_good_is_struck_off_and_one_that_comes_back_hears_of_it(servers):
    one, two = Site(1, servers.urls), Site(2, servers.urls)
    for site in (one, two):
        site.do(site.net(SUBNET))
    one.attach("a", ipv4="10.1.0.5"), one.attach("b", ipv4="10.1.0.6")
    servers.delete("/netloom/networks/net/nodes/h1")
    for address in ("10.1.0.5", "10.1.0.6"):
        servers.delete(CLAIMS + address)
    assert two.attach("a", ipv4="10.1.0.5") == "10.1.0.5"
    told = one.inspected()["Drift"]
    assert "network net: 10.1.0.5 of h1a is held by h2a on host h2" in told
    assert one.refusal(one.net()).code == "address_in_use"
    one.do(detach("net", "h1a"))
    assert servers.owners() == {"10.1.0.5": "h2 netns:h2a"}
    assert "claim address 10.1.0.6 of network net in etcd" in one.do(one.net())
    assert one.inspected()["Drift"] == []


# --- what fails ---


def test_without_etcd_all_goes_on_that_needs_nothing_of_it(servers):
    one = Site(1, servers.urls)
    one.do(one.net(SUBNET))
    one.attach("a", ipv4="10.1.0.5")
    servers.delete(CLAIMS + "10.1.0.5")
    assert one.inspected()["Drift"] == ["address 10.1.0.5 of network net in etcd is missing"]
    assert sandwich(servers, present("net")) == ["claim address 10.1.0.5 of network net in etcd"]
    servers.stop()
    for verb in (one.net(), present("net"), attach("net", "h1a"), attach("net", "h1a", ipv4="10.1.0.5")):
        result = engine.result_of(verb)
        assert result.outcome.changes == ()
        assert len(result.outcome.warnings) == 1
        assert "whether the addresses of network net are still its own is not known" in result.outcome.warnings[0]
    (line,) = one.inspected()["Drift"]
    assert line == f"network net: etcd cannot be reached: {servers.urls[0]}: Connection refused"
    rig.run("ip", "-n", "h1a", "link", "delete", "eth0")
    assert one.do(present("net"))  # what the host lost, a reboot say, comes back
    one.container("b")
    before = engine.picture("h1a")
    for verb in (attach("net", one.container("b")), detach("net", "h1a"), absent("net", force=True)):
        error = one.refusal(verb)
        assert (error.code, error.message) == (
            "driver_error",
            f"network net: etcd cannot be reached: {servers.urls[0]}: Connection refused",
        )
    assert one.refusal(one.net(ipam={"endpoints": "127.0.0.1:9"})).code == "driver_error"
    engine.same(engine.picture("h1a"), before, "etcd was not there")


def test_after_a_reboot_everything_comes_back_without_waiting_for_etcd(servers):
    one = Site(1, servers.urls)
    for name, subnet in (("net", SUBNET), ("two", "10.2.0.0/24"), ("three", "10.3.0.0/24")):
        options = {"ipam_driver": "etcd", "ipam_options": tuple(sorted(one.ipam.items()))}
        one.do(present(name, subnet, driver="macvlan", options=one.wire, **options))
        one.do(attach(name, one.container("a")))
    before = picture(servers)
    rig.run("ip", "netns", "delete", "h1a")
    servers.signal(1, signal.SIGSTOP)
    began = time.monotonic()
    with Host(rig.STATE_DIR, 10) as host:
        restored = restoration.restore(host)
    assert time.monotonic() - began < 2 * 3  # the time-out is 3 s, and there are three networks
    assert (restored.failures, restored.pending) == ((), ())
    assert len(restored.outcome.warnings) == 3
    servers.signal(1, signal.SIGCONT)
    engine.same(picture(servers), before, "it was switched off and on")


def test_a_server_that_says_nothing_is_passed_over(servers):
    rig.run("ip", "route", "add", "198.51.100.0/24", "dev", "up1")  # where nobody is
    ways = ",".join(("http://198.51.100.1:2379", *servers.urls))
    client = Client({"endpoints": ways, "timeout": "10"}, 0)
    began = time.monotonic()
    assert client.txn((), (put("/netloom/x", "y"),))["succeeded"]
    first = time.monotonic() - began
    assert client.txn((), (put("/netloom/x", "z"),))["succeeded"]
    assert 1 < first < 4
    assert time.monotonic() - began < first + 1  # from then on the one that has answered comes first
    client.close()


@pytest.mark.parametrize("lost", [1, 2])
def test_an_answer_that_is_lost_on_its_way_costs_nothing(servers, lost):
    way = etcd.Way(servers.urls[0], lost)
    one = Site(1, [way.url])
    assert one.do(one.net(SUBNET))
    assert way.lost == 0
    way.lost = lost
    address = one.attach("a")
    assert (way.lost, servers.owners()) == (0, {address: "h1 netns:h1a"})


@pytest.mark.parametrize("made", [True, False])
def test_a_claim_of_which_nobody_knows_whether_it_was_made_is_found_again(servers, made):
    way = etcd.Way(servers.urls[0])
    one, two = Site(1, [way.url]), Site(2, servers.urls)
    one.do(one.net(SUBNET, ipam={"timeout": "2"}))
    one.container("a")
    way.breaks = made
    with pytest.raises(NetloomError) as caught:
        one.attach("a")
    assert caught.value.code == "driver_timeout"
    assert "undoing it failed too" in caught.value.message
    way.mend()
    left = servers.owners()
    assert [*left.values()] == (["h1 netns:h1a"] if made else [])
    assert one.inspected()["Drift"]
    address = one.attach("a")
    assert servers.owners() == {address: "h1 netns:h1a"}
    assert not made or address in left
    one.do(absent("net", force=True))
    two.do(two.net(SUBNET), absent("net"))
    assert servers.keys() == {}


@pytest.mark.parametrize("verb", [detach("net", "h1a"), attach("net", "h1a", ipv4="10.1.0.50")], ids=["detach", "move"])
def test_a_release_that_is_done_late_leaves_what_was_claimed_again(servers, verb, monkeypatch):
    # A server that did not answer in time does what it was asked once it can, after another one has done it.
    one = Site(1, servers.urls)
    asked: list[Any] = []
    txn = Client.txn

    def kept(self: Client, compare: Any, success: Any, failure: Any = ()) -> Any:
        asked.append({"compare": [*compare], "success": [*success], "failure": [*failure]})
        return txn(self, compare, success, failure)

    one.do(one.net(SUBNET))
    address = one.attach("a")
    monkeypatch.setattr(Client, "txn", kept)
    one.do(verb)
    monkeypatch.undo()
    released = [body for body in asked if any("request_delete_range" in each for each in body["success"])]
    assert released
    one.do(one.net(SUBNET))
    one.attach("a", ipv4=address)
    before = servers.keys()
    for body in released:
        servers.ask("kv/txn", body)
    assert servers.keys() == before
    assert servers.owners() == {address: "h1 netns:h1a"}


VERBS = {
    "create": (lambda one: one.net(SUBNET), ()),
    "move": (lambda one: attach("net", "h1a", ipv4="10.1.0.50"), ("net", "a")),
    "remove": (lambda one: absent("net", force=True), ("net", "a", "b")),
    "share": (lambda one: one.net(), ("own",)),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_that_is_refused_or_killed_at_any_step_leaves_nothing_in_etcd_that_is_nobodys(servers, name):
    engine.without_waiting()
    one = Site(1, servers.urls)
    make, before = VERBS[name]
    for letter in "abc":
        one.container(letter)
    own = one.own(SUBNET, connected=["h1a", "h1b"])
    steps = {"net": one.net(SUBNET), "a": attach("net", "h1a"), "b": attach("net", "h1b"), "own": own}
    verb, prepare = make(one), [steps[step] for step in before]

    def prepared() -> rig.Snapshot:
        one.do(*prepare)
        return picture(servers)

    prepared()
    effects = engine.recorded(verb)
    assert any("in etcd" in effect for effect in effects)
    after = picture(servers)
    # Those that are about anything else are every verb's, and tested with it.
    about = [position for position, effect in enumerate(effects) if "in etcd" in effect or "records" in effect]
    for position in sorted({*about, *(each + 1 for each in about if each + 1 < len(effects))}):
        effect = effects[position]
        one.do(absent("net", force=True))
        untouched = prepared()
        host = engine.Failing({position: engine.error(errno.EPERM)}, rig.STATE_DIR, 10, late="in etcd" in effect)
        with pytest.raises(NetloomError), host:
            verb(host=host, dry_run=False)
        engine.same(picture(servers), untouched, f"after {effect} ({position}) failed")
        assert engine.killed(verb, position)
        engine.inspected()
        one.do(verb)
        engine.same(picture(servers), after, f"killed before {effect} ({position})")
        one.do(absent("net", force=True))
        prepared()
        assert engine.killed(verb, position)
        one.do(absent("net", force=True))
        assert servers.keys() == {}, f"killed before {effect} ({position}), then removed"


# --- secured ---


def test_with_certificates_and_a_password_and_not_without(tmp_path):
    with etcd.cluster(tmp_path, tls=True) as servers:
        ask = servers.ask
        for user, words in (("root", "toor"), ("netloom", "pass:word")):
            ask("auth/user/add", {"name": user, "password": words})
            ask("auth/role/add", {"name": user})
            ask("auth/user/grant", {"user": user, "role": user})
        kinds = {"permType": "READWRITE", "key": etcd.coded("/netloom/"), "range_end": etcd.coded("/netloom0")}
        ask("auth/role/grant", {"name": "netloom", "perm": kinds})
        ask("auth/enable", {})
        files = {"ca_cert": "ca.pem", "cert": "client.pem", "key": "client.key"}
        paths = {name: str(tmp_path / file) for name, file in files.items()}
        user = {"username": "netloom", "password": "pass:word"}
        one = Site(1, servers.urls)
        for wrong, code, words in (
            ({**paths, **user, "password": "word"}, "driver_error", "authentication failed"),
            ({**paths, **user, "prefix": "/other"}, "driver_error", "permission denied"),
            ({**paths}, "driver_error", "permission denied"),
            ({**user}, "driver_error", "certificate verify failed"),
            ({**user, "ca_cert": paths["ca_cert"]}, "driver_error", "etcd"),
            ({**paths, **user, "ca_cert": "/nowhere.pem"}, "option_invalid", "/nowhere.pem"),
        ):
            error = one.refusal(one.net(SUBNET, ipam=wrong))
            assert (error.code, words in error.message) == (code, True), error.message
            assert "pass:word" not in error.message
        secured = {**paths, **user}
        changes = one.do(one.net(SUBNET, ipam=secured))
        assert one.do(present("net"), one.net(ipam=secured)) == []
        address = one.attach("a")
        shape = one.inspected()
        assert (shape["Drift"], address[:7]) == ([], "10.1.0.")
        assert shape["IPAM"]["Options"]["username"] == "netloom"
        assert "pass:word" not in json.dumps([changes, shape])
        # A server that was started anew knows no token of before.
        client = Client({**one.ipam, **secured}, 0)
        fresh = ((is_empty("/netloom/x"),), (put("/netloom/x", "y"),), (read("/netloom/x"),))
        assert client.txn(*fresh)["succeeded"]
        servers.kill(1)
        servers.start(1)
        rig.until(lambda: _answers(servers), 10)
        assert not client.txn(*fresh).get("succeeded")
        client.close()
        one.do(absent("net", force=True))


def _answers(servers: etcd.Cluster) -> bool:
    try:
        servers.ask("auth/authenticate", {"name": "root", "password": "toor"})
    except OSError:
        return False
    return True
