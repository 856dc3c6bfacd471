# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers macvlan and ipvlan: members on the wire of an interface of the host, beside a neighbour who is there as well."""

from __future__ import annotations

import json
import threading

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from engine import absent, attach, detach, do, drift, pool, present, refusal, sandwich

LAN = "198.51.100.0/24"
LAN6 = "2001:db8:ffff::/64"
ROUTER = pool(LAN, gateway="198.51.100.2", ip_range="198.51.100.64/26")
ROUTER6 = pool(LAN6, gateway="2001:db8:ffff::2", ip_range="2001:db8:ffff::100/120")


def on_lan(name: str = "net", *pools, driver: str = "macvlan", parent: str = "lan0", **options) -> engine.Verb:
    given = {key: options.pop(key) for key in ("force", "labels", "connected", "internal") if key in options}
    return present(name, *(pools or (ROUTER,)), driver=driver, options={"parent": parent, **options}, **given)


@pytest.fixture(autouse=True)
def wire():
    here = rig.lan()
    for name in ("c1", "c2"):
        rig.netns(name)
    return here


def links(netns: str | None = None) -> dict[str, dict]:
    """Return the links of the host or a namespace, by name, with what they are."""
    found = json.loads(rig.run("ip", "-j", "-d", "link", "show", netns=netns).stdout)
    return {link["ifname"]: {**link, **link.get("linkinfo", {})} for link in found}


def picture() -> rig.Snapshot:
    return engine.picture("c1", "c2", rig.Lan.netns)


def test_members_are_on_the_wire_of_the_parent_and_the_host_is_as_before_afterwards(wire):
    before = picture()
    assert sandwich(on_lan("net", ROUTER, ROUTER6, mode="bridge")) == ["create network net"]
    changes = sandwich(attach("net", "c1"))
    assert changes[:2] == ["create endpoint of c1 on network net", "create interface eth0 in c1 on lan0"]
    sandwich(attach("net", "c2", mac="02:00:00:00:00:77", ifname="lan1"))
    eth0 = links("c1")["eth0"]
    assert (eth0["info_kind"], eth0["info_data"]["mode"]) == ("macvlan", "bridge")
    assert (eth0["address"], eth0["mtu"]) == ("02:42:c6:33:64:40", 1500)
    assert links("c2")["lan1"]["address"] == "02:00:00:00:00:77"
    for address in ("198.51.100.65", wire.neighbour, "2001:db8:ffff::101", wire.neighbour6):
        rig.pings("c1", address)
    rig.pings(wire.netns, "198.51.100.64")
    rig.pings("c1", wire.host, expect=False)  # the host is on the parent, not on the network
    assert drift("net") == []
    sandwich(detach("net", "c1"))
    assert "eth0" not in links("c1")
    sandwich(absent("net", force=True))
    engine.same(picture(), before, "removed")


@pytest.mark.parametrize(("mode", "talk"), [("private", False), ("vepa", False), ("bridge", True)])
def test_a_mode_says_who_hears_whom_and_is_changed_in_place(mode, talk, wire):
    do(on_lan(mode="bridge"), attach("net", "c1"), attach("net", "c2"))
    rig.pings("c1", "198.51.100.65")
    index = links("c1")["eth0"]["ifindex"]
    changes = sandwich(on_lan(mode=mode))
    assert bool(changes) == (mode != "bridge")
    rig.pings("c1", wire.neighbour)
    rig.pings("c1", "198.51.100.65", expect=talk)
    assert links("c1")["eth0"]["ifindex"] == index
    assert sandwich(present("net", driver="macvlan", options={"parent": "lan0"})) or mode == "bridge"
    rig.pings("c1", "198.51.100.65")


def test_passthru_gives_one_member_the_parent_and_its_mac(wire):
    sandwich(on_lan(mode="passthru"))
    error = refusal(attach("net", "c1", mac="02:00:00:00:00:77"))
    assert (error.code, error.message) == (
        "option_invalid",
        "mac_address: members of network net have the MAC of lan0 (driver macvlan, mode passthru)",
    )
    sandwich(attach("net", "c1"))
    assert links("c1")["eth0"]["address"] == links()["lan0"]["address"]
    rig.pings("c1", wire.neighbour)
    error = refusal(attach("net", "c2"))
    assert (error.code, error.message) == (
        "option_invalid",
        "network: net is in mode passthru, which takes one container; that is c1",
    )
    error = refusal(on_lan("other"))
    assert (error.code, error.message) == (
        "option_invalid",
        "driver_options.parent: lan0 is the parent of network net and mode passthru needs it alone",
    )
    error = refusal(on_lan(mode="bridge"))
    assert (error.code, "driver_options.mode: passthru -> bridge" in error.message) == (
        "network_exists_different",
        True,
    )
    sandwich(on_lan(mode="bridge", force=True))
    assert links("c1")["eth0"]["address"] == "02:42:c6:33:64:40"
    rig.pings("c1", wire.neighbour)


def test_ports_that_a_member_has_from_another_driver_are_said_to_be_published_no_more(wire):
    do(present("net", "10.1.0.0/24"), attach("net", "c1", ports=port_specs(["8080:80"])))
    result = engine.result_of(on_lan(force=True))
    assert (
        "published_ports: 8080:80/tcp of c1: driver macvlan publishes none; members are reached at their own addresses"
        in result.outcome.warnings
    )
    assert drift("net") == []


def test_the_host_has_a_shim_where_it_asks_for_one(wire):
    before = picture()
    do(on_lan("net", ROUTER, ROUTER6), attach("net", "c1"))
    rig.pings("c1", wire.host, expect=False)
    changes = sandwich(on_lan("net", ROUTER, ROUTER6, host_shim="true"))
    assert any(change.startswith("create interface mv-") for change in changes)
    (config, config6) = engine.inspected("net")[0]["IPAM"]["Config"]
    assert config["AuxiliaryAddresses"] == {"host_shim": "198.51.100.65"}
    assert config6["AuxiliaryAddresses"] == {"host_shim": "2001:db8:ffff::101"}
    sandwich(attach("net", "c2"))
    rig.pings("c1", wire.host)
    rig.pings("c2", "198.51.100.65")
    rig.pings(None, "198.51.100.66")
    rig.pings(None, "2001:db8:ffff::100")
    rig.pings("c2", "2001:db8:ffff::101")
    rig.pings(None, wire.neighbour)
    assert rig.seen_by("c1", None, "198.51.100.64") == "198.51.100.65"
    assert engine.refusal(attach("net", "c1", ipv4="198.51.100.65")).code == "address_reserved"
    rig.run("ip", "route", "delete", "198.51.100.66")
    assert drift("net") == ["route 198.51.100.66/32 is missing"]
    sandwich(present("net"))
    rig.pings(None, "198.51.100.66")
    sandwich(detach("net", "c2"))
    sandwich(on_lan("net", ROUTER, ROUTER6))
    rig.pings("c1", wire.host, expect=False)
    sandwich(absent("net", force=True))
    engine.same(picture(), before, "removed")


def test_members_find_each_other_by_name_at_the_shim_where_that_is_asked_for():
    from lookup import found

    def named(**options) -> engine.Verb:
        given = tuple(sorted({"parent": "lan0", **options}.items()))
        return present("net", ROUTER, driver="macvlan", options=dict(given), dns=True)

    error = refusal(named())
    assert (error.code, "dns: true is not possible: the host has no address on network net" in error.message) == (
        "option_invalid",
        True,
    )
    sandwich(named(host_shim="true"))
    sandwich(attach("net", "c1", aliases=("db",)))
    do(attach("net", "c2"))
    assert found("c2", "db") == found("c2", "c1.net") == ["198.51.100.65"]
    assert found("c1", "c2") == ["198.51.100.66"]
    sandwich(absent("net", force=True))


def test_a_shim_needs_members_that_hear_one_another():
    error = refusal(on_lan(host_shim="true", mode="private"))
    assert (error.code, error.message) == (
        "option_invalid",
        "driver_options.host_shim: in mode private members do not reach one another",
    )


def test_two_networks_on_a_parent_never_give_an_address_or_a_mac_twice(wire):
    do(on_lan("net"), on_lan("other"), attach("net", "c1"))
    do(attach("other", "c2"))
    assert [each["IPv4Address"] for each in engine.inspected("other")[0]["Containers"].values()] == ["198.51.100.65/24"]
    rig.pings("c1", "198.51.100.65")
    error = refusal(attach("other", "c2", ipv4="198.51.100.64"))
    assert (error.code, error.message) == (
        "address_in_use",
        "ipv4_address: 198.51.100.64 on network other is held by c1 on network net",
    )
    error = refusal(attach("other", "c2", mac="02:42:c6:33:64:40"))
    assert (error.code, error.message) == (
        "address_in_use",
        "mac_address: 02:42:c6:33:64:40 on network other is held by c1 on network net",
    )
    error = refusal(attach("other", "c2", ipv4=wire.host))
    assert (error.code, error.message) == (
        "address_in_use",
        "ipv4_address: 198.51.100.1 on network other is held by lan0 of the host",
    )
    error = refusal(attach("other", "c2", mac="02:00:00:00:00:01"))
    assert (error.code, error.message) == (
        "address_in_use",
        "mac_address: 02:00:00:00:00:01 is that of lan0 of the host",
    )
    error = refusal(present("third", pool(LAN, gateway="198.51.100.64"), driver="macvlan", options={"parent": "lan0"}))
    assert (error.code, error.message) == (
        "address_in_use",
        "ipam_config: 198.51.100.64 cannot be the gateway: c1 on network net has it, on the same parent",
    )
    assert refusal(present("bridged", LAN)).code == "subnet_overlap"


def test_networks_in_one_topology_share_the_parent_s_addresses():
    shared = {"driver": "macvlan", "options": (("parent", "lan0"),)}
    networks = [engine.NetworkSpec(name, pools=(ROUTER,), **shared) for name in ("net", "other")]
    sandwich(engine.topology("lab", networks=networks, attachments=[("net", "c1"), ("other", "c2"), ("other", "c1")]))
    found = {each["Name"]: [*each["Containers"].values()] for each in engine.inspected(verify=False)}
    addresses = [member["IPv4Address"] for name in ("net", "other") for member in found[name]]
    assert len(set(addresses)) == 3


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"parent": ""}, "invalid_ifname", "driver_options.parent: '' has 0 bytes"),
        ({"parent": "lan9"}, "parent_not_found", "driver_options.parent: the host has no interface lan9"),
        ({"parent": "lan9.5"}, "parent_not_found", "the host has neither lan9.5 nor lan9 to make it on"),
        ({"parent": "lan0.0"}, "option_invalid", "driver_options.parent: lan0.0: a VLAN has a number from 1 to 4094"),
        ({"parent": "lan0.4095"}, "option_invalid", "a VLAN has a number from 1 to 4094"),
        ({"parent": "lo"}, "option_invalid", "driver_options.parent: lo is the loopback interface"),
        ({"parent": "p0"}, "option_invalid", "driver_options.parent: p0 is a port of b0"),
        ({"parent": "q0"}, "option_invalid", "driver_options.parent: q0 is down; bring it up first"),
        ({"mode": "brigde"}, "option_invalid", "driver_options.mode: 'brigde' is not one of bridge, private"),
        ({"mtu": "9000"}, "option_invalid", "driver_options.mtu: 9000 is more than the 1500 of lan0"),
        ({"internal": True}, "option_invalid", "internal: driver macvlan puts members on the wire of lan0"),
        ({"vni": "5"}, "option_unknown", "driver_options: 'vni' is not an option of driver macvlan"),
    ],
)
def test_a_parent_that_will_not_do_is_refused(options, code, text):
    for command in ("add b0 type bridge", "add p0 type veth peer name q0", "set p0 master b0"):
        rig.run("ip", "link", *command.split())
    before = rig.snapshot()
    error = refusal(on_lan(**options))
    assert (error.code, text in error.message) == (code, True), error.message
    engine.same(rig.snapshot(), before, "refused")


def test_a_network_without_a_parent_is_refused():
    error = refusal(present("net", ROUTER, driver="macvlan"))
    assert (error.code, error.message) == (
        "option_invalid",
        "driver_options.parent: driver macvlan needs an interface of the host",
    )


def test_ports_are_not_published_on_a_wire_of_others():
    from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs

    do(on_lan())
    error = refusal(attach("net", "c1", ports=port_specs(["8080:80"])))
    assert (error.code, "driver macvlan publishes none" in error.message) == ("option_invalid", True)


def test_another_parent_moves_members_only_where_that_is_asked_for(wire):
    rig.run("ip", "link", "add", "lan1", "type", "veth", "peer", "name", "eth1", "netns", wire.netns)
    rig.run("ip", "link", "set", "lan1", "up")
    rig.run("ip", "-n", wire.netns, "link", "set", "eth1", "up")
    rig.run("ip", "-n", wire.netns, "address", "add", "198.51.100.3/32", "dev", "eth1")
    do(on_lan(), attach("net", "c1"))
    rig.pings("c1", wire.neighbour)
    error = refusal(on_lan(parent="lan1"))
    assert (error.code, "driver_options.parent: lan0 -> lan1" in error.message) == ("network_exists_different", True)
    changes = sandwich(on_lan(parent="lan1", force=True))
    assert "remove interface eth0 in c1 on lan0" in changes
    assert links("c1")["eth0"]["link_index"] == links()["lan1"]["ifindex"]
    assert links("c1")["eth0"]["address"] == "02:42:c6:33:64:40"


def test_a_member_that_somebody_put_on_another_parent_is_seen_and_put_back(wire):
    do(on_lan(), attach("net", "c1"))
    rig.run("ip", "link", "add", "lan1", "type", "veth", "peer", "name", "eth1", "netns", wire.netns)
    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    # In the sandbox under the same name and mark, and on another wire.
    rig.run("ip", "link", "add", "link", "lan1", "name", "m9", "address", "02:42:c6:33:64:40", "type", "macvlan")
    tag = engine.inspected("net", verify=False)[0]["Id"]
    assert tag
    rig.run("ip", "link", "set", "m9", "netns", "c1", "name", "eth0")
    assert drift("net")
    error = refusal(present("net"))
    assert error.code == "endpoint_exists"  # it has no mark of ours
    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    sandwich(present("net"))
    rig.pings("c1", wire.neighbour)


def test_a_lost_renamed_or_altered_member_is_drift_and_comes_back(wire):
    do(on_lan(), attach("net", "c1"))
    rig.run("ip", "-n", "c1", "link", "set", "eth0", "down")
    rig.run("ip", "-n", "c1", "link", "set", "eth0", "name", "mine0")
    assert drift("net")
    sandwich(present("net"))
    assert {*links("c1")} == {"lo", "eth0"}
    rig.pings("c1", wire.neighbour)
    rig.run("ip", "-n", "c1", "link", "set", "eth0", "mtu", "1400", "alias", "mine")
    sandwich(present("net"))
    assert links("c1")["eth0"]["mtu"] == 1500
    rig.run("ip", "-n", "c1", "link", "delete", "eth0")
    assert drift("net")
    sandwich(attach("net", "c1"))
    rig.pings("c1", wire.neighbour)
    rig.run("ip", "-n", "c1", "link", "set", "eth0", "alias", "mine")
    sandwich(detach("net", "c1"))
    assert "eth0" not in links("c1")


def test_a_mac_that_is_about_to_be_given_up_is_waited_for_and_one_that_is_not_is_an_error(wire):
    rig.netns("old")
    do(on_lan())
    mine = ("address", "02:42:c6:33:64:40", "netns", "old", "type", "macvlan", "mode", "bridge")
    rig.run("ip", "link", "add", "link", "lan0", "name", "eth0", *mine)
    rig.run("ip", "-n", "old", "link", "set", "eth0", "up")
    with pytest.raises(engine.NetloomError) as caught:
        do(attach("net", "c1"))
    assert caught.value.message == "cannot bring up eth0: Address already in use"
    assert "eth0" not in links("c1")
    leaving = threading.Timer(0.5, rig.run, ("ip", "netns", "exec", "old", "ip", "link", "delete", "eth0"))
    leaving.start()
    do(attach("net", "c1"))
    leaving.join()
    rig.pings("c1", wire.neighbour)


def test_a_parent_that_is_down_or_gone_is_said(wire):
    do(on_lan(), attach("net", "c1"))
    rig.run("ip", "link", "set", "lan0", "down")
    assert drift("net") == ["parent lan0 is down"]
    rig.run("ip", "link", "set", "lan0", "up")
    assert drift("net") == []
    rig.run("ip", "link", "delete", "lan0")
    text = "driver_options.parent: the host has no interface lan0"
    assert text in drift("net")[0]
    for verb in (present("net"), attach("net", "c1")):
        error = refusal(verb)
        assert (error.code, text in error.message) == ("parent_not_found", True)
    sandwich(absent("net", force=True))


def test_a_parent_whose_mtu_shrinks_takes_the_network_along(wire):
    do(on_lan(), attach("net", "c1"))
    rig.run("ip", "link", "set", "lan0", "mtu", "1400")
    sandwich(present("net"))
    assert links("c1")["eth0"]["mtu"] == 1400
    assert drift("net") == []


def test_a_subnet_of_another_interface_of_the_host_is_refused():
    rig.run("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    rig.run("ip", "address", "add", "10.7.0.1/24", "dev", "other0")
    assert refusal(on_lan("net", "10.7.0.0/24")).code == "subnet_host_conflict"


# --- ipvlan and VLAN parents: kernels that have them ---


def needs(kind: str) -> None:
    if not has(kind):
        pytest.skip(f"this kernel has no interfaces of kind {kind}")


def has(kind: str) -> bool:
    return rig.kernel_has(kind, *(["id", "9"] if kind == "vlan" else []), lower="lan0")


@pytest.mark.parametrize(
    ("driver", "parent", "kind", "module"),
    [
        ("ipvlan", "lan0", "ipvlan", "ipvlan (CONFIG_IPVLAN)"),
        ("macvlan", "lan0.5", "vlan", "8021q (CONFIG_VLAN_8021Q)"),
    ],
)
def test_a_kernel_without_a_kind_of_link_says_which_module_it_lacks(driver, parent, kind, module):
    if has(kind):
        pytest.skip(f"this kernel has interfaces of kind {kind}")
    before = rig.snapshot()
    error = refusal(on_lan("net", "10.5.0.0/24", driver=driver, parent=parent))
    text = f"this kernel knows no interfaces of kind {kind}: it lacks the module {module}"
    assert (error.code, error.message) == ("kernel_unsupported", text)
    engine.same(rig.snapshot(), before, "refused")


@pytest.mark.vm
@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_members_of_ipvlan_share_the_parent_s_mac(mode, wire):
    needs("ipvlan")
    before = picture()
    do(on_lan("net", ROUTER, ROUTER6, driver="ipvlan", mode=mode))
    assert "mac_address: members of network net have the MAC of lan0 (driver ipvlan)" in (
        refusal(attach("net", "c1", mac="02:00:00:00:00:77")).message
    )
    sandwich(attach("net", "c1"))
    do(attach("net", "c2", ifname="lan1"))
    eth0 = links("c1")["eth0"]
    assert (eth0["info_kind"], eth0["info_data"]["mode"]) == ("ipvlan", mode)
    assert eth0["address"] == links()["lan0"]["address"]
    rig.pings("c1", "198.51.100.65")
    rig.pings("c1", "2001:db8:ffff::101")
    (route,) = json.loads(rig.run("ip", "-j", "route", "show", "default", netns="c1").stdout)
    assert ("gateway" in route, route["dev"]) == (mode == "l2", "eth0")
    if mode == "l2":
        rig.pings("c1", wire.neighbour)
    else:  # a neighbour needs a route: nobody answers for members' addresses
        rig.run("ip", "route", "add", "198.51.100.64/26", "via", wire.host, netns=wire.netns)
        rig.pings("c1", wire.neighbour)
        rig.run("ip", "route", "delete", "198.51.100.64/26", netns=wire.netns)
    assert drift("net") == []
    index = eth0["ifindex"]
    assert do(on_lan("net", ROUTER, ROUTER6, driver="ipvlan", mode=mode, flag="private"))
    assert drift("net") == []
    rig.pings("c1", "198.51.100.65", expect=False)
    assert links("c1")["eth0"]["ifindex"] == index
    do(detach("net", "c1"), absent("net", force=True))
    engine.same(picture(), before, "removed")


@pytest.mark.vm
def test_a_parent_carries_one_driver_in_one_mode():
    needs("ipvlan")
    do(on_lan("net", driver="ipvlan"), on_lan("other", driver="ipvlan"), attach("net", "c1"))
    error = refusal(on_lan("third", driver="ipvlan", mode="l3"))
    assert (error.code, "network net in mode l2, and an interface has one mode for all" in error.message) == (
        "option_invalid",
        True,
    )
    error = refusal(on_lan("third"))
    assert (error.code, "network net with driver ipvlan, and an interface carries one of both" in error.message) == (
        "option_invalid",
        True,
    )


@pytest.mark.vm
@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_a_vlan_interface_is_made_for_the_first_network_and_goes_with_the_last(driver, wire):
    needs("vlan")
    needs(driver)
    before = picture()
    rig.run("ip", "link", "add", "link", "eth0", "name", "v5", "type", "vlan", "id", "5", netns=wire.netns)
    rig.run("ip", "address", "add", "10.5.0.126/25", "dev", "v5", netns=wire.netns)
    rig.run("ip", "link", "set", "v5", "up", netns=wire.netns)
    changes = sandwich(on_lan("net", "10.5.0.0/25", driver=driver, parent="lan0.5"))
    assert "create VLAN interface lan0.5" in changes
    assert links()["lan0.5"]["info_data"]["id"] == 5
    do(attach("net", "c1"))
    rig.pings("c1", "10.5.0.126")
    assert not any(
        "lan0.5" in change for change in sandwich(on_lan("other", "10.5.0.128/25", driver=driver, parent="lan0.5"))
    )
    rig.run("ip", "link", "delete", "lan0.5")
    assert "VLAN interface lan0.5 is missing" in drift("net")
    sandwich(present("net"))
    rig.pings("c1", "10.5.0.126")
    sandwich(absent("net", force=True))
    assert "lan0.5" in links()
    assert "remove VLAN interface lan0.5" in sandwich(absent("other"))
    rig.run("ip", "link", "delete", "v5", netns=wire.netns)
    engine.same(picture(), before, "removed")


@pytest.mark.vm
def test_a_vlan_interface_of_somebody_else_is_used_and_stays(wire):
    needs("vlan")
    rig.run("ip", "link", "add", "link", "lan0", "name", "lan0.6", "type", "vlan", "id", "6")
    rig.run("ip", "link", "set", "lan0.6", "up")
    assert not any("VLAN" in change for change in sandwich(on_lan("net", "10.6.0.0/24", parent="lan0.6")))
    sandwich(attach("net", "c1"))
    do(absent("net", force=True))
    assert "lan0.6" in links()
