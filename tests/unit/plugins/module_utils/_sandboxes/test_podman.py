# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of what `podman inspect` says, and when it is asked at all."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import found, podman

ID = "00653c86fa508d28f9ffb85648937f7909cb81694bc3291ec9f3835f9e39ee8b"
STOPPED = {
    "Id": ID,
    "Name": "web",
    "State": {"Running": False, "Status": "exited", "Pid": 0},
    "NetworkSettings": {"SandboxKey": ""},
}


def described(**changes):
    return json.dumps([{**STOPPED, **changes}]).encode()


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """Podman's storage with one container, `web`."""
    folder = tmp_path / "storage"
    (folder / "vfs-containers").mkdir(parents=True)
    (folder / "vfs-containers" / "containers.json").write_text(json.dumps([{"id": ID, "names": ["web"]}]))
    settings = tmp_path / "storage.conf"
    settings.write_text(f'[storage]\ndriver = "vfs"\n# graphroot = "/elsewhere"\ngraphroot = "{folder}"\n')
    monkeypatch.delenv("CONTAINERS_STORAGE_CONF", raising=False)
    monkeypatch.setattr(podman, "PODMAN_SETTINGS", (str(tmp_path / "none"), str(settings)))
    return folder


@pytest.fixture
def program(tmp_path, monkeypatch, storage):
    """Return a function that puts a shell script in the place of podman."""

    def write(text):
        (tmp_path / "bin").mkdir()
        path = tmp_path / "bin" / "podman"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    return write


def test_a_stopped_container_is_known():
    assert podman.found_in("web", 0, described(), b"") == found.Found("podman", "web", None, "", ID)
    assert podman.found_in(ID[:12], 0, described(), b"") == found.Found("podman", "web", None, "", ID)


def test_a_paused_container_runs_though_podman_says_otherwise():
    paused = described(State={"Running": False, "Status": "paused", "Pid": os.getpid()})
    assert podman.found_in("web", 0, paused, b"").pid == os.getpid()


def test_the_container_of_another_name_that_podman_guessed_is_not_taken():
    assert podman.found_in("0065", 0, described(), b"") is None


@pytest.mark.parametrize(
    "said",
    [
        b'Error: inspecting object: no such container "web"\n',
        b"Error: no such container: web\n",
        b"Error: inspecting object: more than one result for container name or ID 0: container already exists\n",
    ],
)
def test_podman_says_in_words_that_there_is_none(said):
    assert podman.found_in("web", 125, b"[]\n", said) is None


def test_any_other_failure_is_passed_on_in_its_words():
    with pytest.raises(NetloomError) as refused:
        podman.found_in("web", 125, b"", b"Error: database is locked\n")
    assert refused.value.code == "driver_error"
    assert refused.value.message == "container: podman inspect web: Error: database is locked"


@pytest.mark.parametrize("output", [b"", b"[]", b"{}", b"null", b'[{"Id": 1}]', b"[null]", b"[" * 100000])
def test_output_that_describes_no_container_is_not_understood(output):
    with pytest.raises(NetloomError, match="Podman's answer is not understood") as refused:
        podman.found_in("web", 0, output, b"")
    assert refused.value.code == "driver_error"


@pytest.mark.parametrize("name", ["web", "we", ID, ID[:12]])
def test_a_name_in_the_storage_makes_podman_worth_asking(storage, name):
    assert podman.mentioned(name)


@pytest.mark.parametrize("name", ["eb", "web1", "nobody"])
def test_a_name_that_the_storage_does_not_have_costs_no_process(storage, program, name):
    program("touch $0.asked")
    assert podman.find(name, chosen=False) is None
    assert not list(storage.parent.glob("bin/*.asked"))


def test_podman_is_never_asked_before_it_has_a_storage(storage, program):
    program("touch $0.asked")
    (storage / "vfs-containers" / "containers.json").unlink()
    (storage / "vfs-containers").rmdir()
    storage.rmdir()
    assert podman.find("web", chosen=True) is None
    assert not list(storage.parent.glob("bin/*.asked"))


def test_a_name_is_an_argument_of_its_own_after_the_options(program, storage):
    program("""printf '%s\\n' "$@" > $0.asked; echo 'no such container' >&2; exit 125""")
    assert podman.find("web", chosen=True) is None
    assert (storage.parent / "bin" / "podman.asked").read_text() == "inspect\n--type\ncontainer\n--\nweb\n"


def test_a_podman_that_hangs_is_left_after_the_time_limit(program, monkeypatch):
    program("exec sleep 5")
    monkeypatch.setattr(podman, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(NetloomError) as refused:
        podman.find("web", chosen=True)
    assert refused.value.code == "driver_timeout"


def test_a_missing_podman_matters_only_when_it_was_chosen(storage, monkeypatch):
    monkeypatch.setenv("PATH", str(storage))
    assert podman.find("web", chosen=False) is None
    with pytest.raises(NetloomError) as refused:
        podman.find("web", chosen=True)
    assert refused.value.code == "missing_dependency"
    assert refused.value.message == "container: cannot ask Podman for 'web': podman is not installed"


@pytest.mark.parametrize("name", ["", "a b", "--latest", "a/b", "é"])
def test_what_is_no_podman_name_never_reaches_it(name):
    assert not podman.accepts(name)
