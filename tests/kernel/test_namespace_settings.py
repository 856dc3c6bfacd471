# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of named namespaces: set after they are made, looked up before, and told apart from those of endpoints."""

from __future__ import annotations

import os

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._verbs.topology_spec import (
    EndpointItem,
    NamespaceItem,
    NetworkItem,
    TopologySpec,
)
from engine import do, namespace, network, no_namespace, predict, present, refusal, sandwich

ROUTER = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.ip_local_port_range": "2000 3000",
}


def setting(name: str, path: str) -> str:
    return " ".join(rig.run("cat", f"/proc/sys/{path}", netns=name).stdout.split())


def test_a_namespace_is_made_with_settings_and_they_are_repaired():
    assert sandwich(namespace("c1", ROUTER)) == [
        "create record of network namespace c1",
        "create network namespace c1",
        "set sysctl net.ipv4.ip_forward in c1",
        "set sysctl net.ipv4.conf.all.accept_redirects in c1",
        "set sysctl net.ipv4.ip_local_port_range in c1",
    ]
    assert (setting("c1", "net/ipv4/ip_forward"), setting("c1", "net/ipv4/ip_local_port_range")) == ("1", "2000 3000")
    rig.run("sysctl", "-qw", "net.ipv4.ip_forward=0", netns="c1")
    assert sandwich(namespace("c1", ROUTER))[0] == "set sysctl net.ipv4.ip_forward in c1: value 0 -> 1"
    assert open("/proc/sys/net/ipv4/ip_forward").read() == "0\n"


def test_settings_that_are_not_given_any_more_stay():
    do(namespace("c1", ROUTER))
    assert sandwich(namespace("c1")) == sandwich(namespace("c1", {"net.ipv4.ip_forward": "1"})) == []
    assert setting("c1", "net/ipv4/ip_local_port_range") == "2000 3000"
    assert do(no_namespace("c1")) == ["remove network namespace c1", "remove record of network namespace c1"]
    assert os.listdir(rig.STATE_DIR) == []


def test_a_namespace_that_has_gone_comes_back_with_its_settings():
    do(namespace("c1", ROUTER))
    rig.run("ip", "netns", "delete", "c1")
    made = sandwich(namespace("c1", {"net.ipv4.conf.all.accept_redirects": 1}))
    assert {"create network namespace c1", "set sysctl net.ipv4.ip_forward in c1"} <= set(made)
    values = [setting("c1", f"net/ipv4/{path}") for path in ("ip_forward", "conf/all/accept_redirects")]
    assert values == ["1", "1"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("net.ipv4.no_such", "the kernel has no such setting there"),
        ("net.ipv4.conf.eth7.log_martians", "the kernel has no such setting there"),
        ("net.ipv4.conf", "is a folder of settings"),
        ("net.core.netdev_max_backlog", "the kernel has no such setting there"),  # that of the host alone
        ("net.ipv4.conf.all.mc_forwarding", "the kernel lets nobody set it there"),
    ],
)
def test_a_setting_that_a_namespace_has_not_is_refused_before_it_is_made(name, reason, there):
    if there:
        rig.netns("c1")
    before = rig.snapshot()
    error = refusal(namespace("c1", {"net.ipv4.ip_forward": 1, name: 1}))
    assert (error.code, error.message) == ("option_invalid", f"sysctls.{name}: {reason}")
    engine.same(rig.snapshot(), before, "refused")


def test_a_value_that_the_kernel_refuses_leaves_no_namespace():
    rig.netns("c2")
    before = rig.snapshot()
    with pytest.raises(engine.NetloomError) as caught:
        do(namespace("c1", {"net.ipv4.ip_forward": 1, "net.ipv4.ip_local_port_range": "3000 2000"}))
    assert (caught.value.code, caught.value.message) == (
        "apply_failed",
        "cannot set sysctl net.ipv4.ip_local_port_range in c1: Invalid argument",
    )
    engine.same(rig.snapshot(), before, "refused")


def test_a_setting_of_an_interface_that_is_there_has_dots_in_its_name():
    rig.netns("c1")
    rig.run("ip", "-n", "c1", "link", "add", "v0.10", "address", "02:00:00:00:00:01", "type", "bridge")
    assert sandwich(namespace("c1", {"net/ipv4/conf/v0.10/log_martians": 1})) == [
        "create record of network namespace c1",
        "set sysctl net.ipv4.conf.v0.10.log_martians in c1: value 0 -> 1",
    ]


def whole(settings: dict) -> engine.Verb:
    return engine.whole(
        TopologySpec(
            "shop",
            (NamespaceItem("c1", settings=engine.namespace_settings(settings)),),
            (NetworkItem(network("net", "10.1.0.0/24", "fd00:1::/64")),),
            (EndpointItem(engine.EndpointSpec("net", "c1")),),
        )
    )


def test_a_topology_has_namespaces_with_settings():
    done = sandwich(whole({"net.ipv4.ip_forward": 1}))
    assert done.index("create network namespace c1") < done.index("set sysctl net.ipv4.ip_forward in c1")
    assert setting("c1", "net/ipv4/ip_forward") == "1"
    error = refusal(whole({"net.ipv4.no_such": 1}))
    assert error.message == "namespaces[0].sysctls.net.ipv4.no_such: the kernel has no such setting there"


def test_a_namespace_that_is_to_have_no_ipv6_is_attached_without():
    done = sandwich(whole({"net.ipv6.conf.all.disable_ipv6": 1}))
    assert "add address 10.1.0.2/24 on eth0 in c1" in done
    assert "fd00:1::2" not in " ".join(done)
    assert predict(present("net")) == []
