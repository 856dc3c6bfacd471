# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every driver that there is: it is found in the registry, and made by its example.

Each of its side effects fails, and is the last before a kill, in `test_faults`.
"""

from __future__ import annotations

import engine
import pytest
import rig
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import DRIVERS, driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from engine import absent, attach, detach, do, drift, present, sandwich

pytestmark = pytest.mark.vm
ONE, OTHER = "10.1.0.2", "10.1.0.3"


@pytest.fixture(params=[name for name in DRIVERS if driver(name).attachable])
def made(request) -> engine.Verb:
    """Return the verb that makes a network of a driver, where the kernel has what it needs."""
    rig.lan()
    rig.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")  # what examples call a parent
    for name in ("eth0", "far"):
        rig.run("ip", "link", "set", name, "up")
    for name in ("c1", "c2"):
        rig.netns(name)
    verb = present("net", "10.1.0.0/24", driver=request.param, options=dict(driver(request.param).example))
    try:
        engine.predict(verb)
    except NetloomError as exc:
        if exc.code != "kernel_unsupported":
            raise
        pytest.skip(f"driver {request.param}: {exc.message}")
    return verb


def picture() -> rig.Snapshot:
    return engine.picture("c1", "c2")


def test_check_mode_predicts_a_second_run_has_nothing_to_do_and_nothing_is_left(made):
    before = picture()
    for verb in (made, attach("net", "c1"), attach("net", "c2")):
        assert sandwich(verb)
        assert drift("net") == []
    rig.pings("c1", OTHER)
    rig.pings("c2", ONE)
    assert sandwich(detach("net", "c1"))
    rig.pings("c2", ONE, expect=False)
    assert sandwich(absent("net", force=True))
    engine.same(picture(), before, "removed")


@pytest.mark.parametrize("damage", ["nft flush ruleset", "ip -n c1 link delete eth0", "ip -n c1 link set eth0 down"])
def test_damage_is_repaired_to_what_was_there_before(made, damage):
    do(made, attach("net", "c1"), attach("net", "c2"))
    before = picture()
    rig.run(*damage.split())
    do(present("net"))
    engine.same(picture(), before, "repaired")
    assert drift("net") == []
    rig.pings("c1", OTHER)


def test_members_come_back_with_what_they_had_when_their_namespaces_are_made_anew(made):
    do(made, attach("net", "c1"), attach("net", "c2", ifname="lan0"))
    before = {each["Name"]: each for each in engine.inspected("net")[0]["Containers"].values()}
    for name in ("c1", "c2"):
        rig.run("ip", "netns", "delete", name)
        rig.netns(name)
    assert drift("net")
    do(present("net"))
    assert {each["Name"]: each for each in engine.inspected("net")[0]["Containers"].values()} == before
    rig.pings("c1", OTHER)
