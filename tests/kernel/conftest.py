# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel tier's surroundings: every test runs in namespaces of its own, or has throw-away hosts.

A test that asks for the fixture `host` or `new_host`, or is marked `hosts` (where a fixture gets them by
`getfixturevalue`), runs in pytest's own process and reaches its hosts by commands. Every other test, fixtures
included, runs in a forked process with a network, a mount, an IPC and a PID namespace of its own: it may do to "the
machine" whatever it likes, in-process. What it does to Python objects is gone as well.
"""

from __future__ import annotations

import itertools
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOST_FIXTURES = {"host", "new_host"}

# Makes the collection importable from a checkout in a folder of any name.
for package, paths in (
    ("ansible_collections", []),
    ("ansible_collections.netloom", []),
    ("ansible_collections.netloom.containers", [str(ROOT)]),
):
    if package not in sys.modules:
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = paths
    parent, dot, name = package.rpartition(".")
    if dot:
        setattr(sys.modules[parent], name, sys.modules[package])

sys.path.insert(0, str(Path(__file__).parent))

pytest.register_assert_rewrite("rig")

import private
import rig


def pytest_configure(config: pytest.Config) -> None:
    # Hosts of one folder share an underlay, and two workers give the same addresses to theirs.
    os.environ["NETLOOM_HOSTS"] = f"/var/tmp/netloom-hosts-{os.getpid()}"
    config.addinivalue_line("markers", "hosts: runs in pytest's own process, and works on throw-away hosts")
    config.addinivalue_line(
        "markers", "packets: is about the firewall or programs, and the same with each version of the libraries"
    )
    config.addinivalue_line("markers", "vm: runs in the virtual machine too, where the kernel has what it needs")
    config.addinivalue_line("markers", "slow: takes seconds, for want of a smaller way to reach a limit")
    config.addinivalue_line(
        "markers", "vm: runs in the virtual machine (tests/vm) as well, whose kernel has what it needs"
    )
    config.addinivalue_line("markers", "private: runs in namespaces of its own; set here on all other tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        if HOST_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())) and not item.get_closest_marker("hosts"):
            item.add_marker("private")
        if os.geteuid():
            item.add_marker(pytest.mark.skip(reason="needs root"))


def pytest_sessionstart(session: pytest.Session) -> None:
    # One folder for all tests: made by each forked process, it would be one folder per test.
    session.config._tmp_path_factory.getbasetemp()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker("private") is None or os.geteuid():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in private.reports_of(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    # Fixtures of wider scope that the next test does not need; the forked process had copies of them.
    item.session._setupstate.teardown_exact(nextitem)
    return True


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    if op == "==" and isinstance(left, rig.Snapshot) and isinstance(right, rig.Snapshot):
        return ["the host is not as it was:", *left.differences(right)]
    return None


@pytest.fixture(scope="module")
def new_host() -> Iterator[Callable[..., rig.Host]]:
    """Return a function that makes a throw-away host: `new_host("198.51.100.1/24")`; all go with the module."""
    made: list[rig.Host] = []
    numbers = itertools.count(1)

    def make(address: str | None = None) -> rig.Host:
        made.append(rig.Host(f"t{os.getpid()}-{next(numbers)}", address))
        return made[-1]

    yield make
    for host in made:
        host.remove()


@pytest.fixture
def host() -> Iterator[rig.Host]:
    """Return a throw-away host of this test's own, with `lo` and nothing else."""
    name = f"t{os.getpid()}"
    host = rig.Host(name, None)
    yield host
    host.remove()


@pytest.fixture
def lan() -> rig.Lan:
    """Return a neighbour of the host on an Ethernet of its own, through which the default route goes."""
    return rig.lan()
