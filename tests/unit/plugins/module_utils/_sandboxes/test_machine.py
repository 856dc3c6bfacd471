# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of machined's files."""

from __future__ import annotations

import os

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import machine

REGISTERED = """\
# This is private data. Do not parse.
NAME=box
SCOPE=box.service
SERVICE=systemd-nspawn
ROOT="/var/lib/machines/my box"
LEADER={leader}
CLASS={kind}
"""


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Return a function that registers `box`."""
    monkeypatch.setattr(machine, "MACHINES", str(tmp_path))
    return lambda **facts: (tmp_path / "box").write_text(REGISTERED.format(**facts))


def test_settings_are_read_without_comments_and_quotes():
    settings = machine.parse(REGISTERED.format(leader=75, kind="container"))
    assert settings["LEADER"] == "75"
    assert settings["ROOT"] == "/var/lib/machines/my box"
    assert len(settings) == 6


def test_a_machine_is_its_leader(register):
    register(leader=os.getpid(), kind="container")
    box = machine.find("box", chosen=True)
    assert (box.runtime, box.name, box.pid) == ("machine", "box", os.getpid())
    assert box.path == f"/proc/{os.getpid()}/ns/net"


def test_a_machine_whose_leader_is_gone_does_not_run(register):
    register(leader=2**30, kind="container")
    assert machine.find("box", chosen=True).path is None


@pytest.mark.parametrize("facts", [{"leader": 1, "kind": "vm"}, {"leader": "", "kind": "container"}])
def test_what_is_registered_and_is_no_container_is_none(register, facts):
    register(**facts)
    assert machine.find("box", chosen=True) is None


def test_a_machine_that_is_not_registered_is_none(register):
    assert machine.find("box", chosen=True) is None


@pytest.mark.parametrize("name", ["", "unit:box.service", ".host", "-x", "a/b", "..", "x" * 65])
def test_what_is_no_name_of_a_machine_is_never_looked_up(name):
    assert not machine.accepts(name)
