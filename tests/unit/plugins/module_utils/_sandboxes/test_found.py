# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and ids, and what the kernel says of a process."""

from __future__ import annotations

import builtins
import io

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import found

ID = "404db3075fe68e989bf00280b8f46d8caa67b2600eb894a08defe57218bace35"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("a/b", "contains '/'; only an absolute path may"),
        ("../etc", "contains '/'; only an absolute path may"),
        ("..", "is a directory"),
        (".", "is a directory"),
        ("a\x00b", "contains a control character"),
        ("a\nb", "contains a control character"),
        ("--help", "begins with '-'"),
        ("é" * 128, "is longer than 255 bytes"),
    ],
)
def test_a_name_that_nothing_can_have_is_refused_with_option_value_and_reason(name, reason):
    with pytest.raises(NetloomError) as refused:
        found.check_name(name)
    assert refused.value.code == "netns_invalid"
    assert refused.value.message == f"container: {name!r} {reason}"


@pytest.mark.parametrize("name", ["c1", "7", "a b", "a.b", "_x", "é", "netns:c1", "x" * 255])
def test_any_other_name_is_a_name(name):
    found.check_name(name)


@pytest.mark.parametrize("asked", ["web", ID, ID[:12], ID[:40]])
def test_a_container_is_called_by_its_name_its_id_or_twelve_digits_of_it(asked):
    assert found.is_called(asked, "web", ID)


@pytest.mark.parametrize("asked", ["we", "webs", "WEB", "", ID[:11], ID[1:20], ID[:12].upper(), ID + "0"])
def test_a_container_is_not_called_by_a_part_of_either(asked):
    assert not found.is_called(asked, "web", ID)


def test_the_start_time_is_field_22_whatever_the_process_is_called(monkeypatch):
    stat = b"47 (a) S 1 (b) R 1 47 47 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 195951 2437120 189 0\n"
    monkeypatch.setattr(builtins, "open", lambda path, mode: io.BytesIO(stat))
    assert found.start_time_of(47) == 195951


@pytest.mark.parametrize("state", [b"Z", b"X"])
def test_a_process_that_waits_to_be_reaped_has_no_start_time(monkeypatch, state):
    stat = b"47 (sleep) " + state + b" 1 47 47 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 195951 2437120 189 0\n"
    monkeypatch.setattr(builtins, "open", lambda path, mode: io.BytesIO(stat))
    assert found.start_time_of(47) is None


def test_a_process_that_is_gone_is_a_container_that_does_not_run(monkeypatch):
    monkeypatch.setattr(found, "start_time_of", lambda pid: None)
    assert found.of_process("docker", "web", 47, ID) == found.Found("docker", "web", None, "/proc/47/ns/net", ID)


HERE = found.Found("docker", "web", "/proc/self/ns/net", "/proc/self/ns/net", ID, 47, 1)


def test_the_runtimes_own_path_is_shown_while_it_is_the_processs_namespace():
    assert found.with_key(HERE, "/proc/thread-self/ns/net").key == "/proc/thread-self/ns/net"
    assert found.with_key(HERE, "/proc/thread-self/ns/net").path == "/proc/self/ns/net"


@pytest.mark.parametrize("sandbox_key", ["", "/nowhere", "/proc/self/stat"])
def test_a_path_that_is_left_of_a_namespace_is_not_shown(sandbox_key):
    assert found.with_key(HERE, sandbox_key) == HERE


def test_a_number_that_means_another_process_here_is_refused():
    with pytest.raises(NetloomError, match="docker runs in another PID namespace") as refused:
        found.with_key(HERE, "/proc/self/ns/uts")
    assert refused.value.code == "netns_invalid"
