# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has the container: which runtimes are asked, and what is made of several answers."""

from __future__ import annotations

import types

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import registry

ID = "404db3075fe68e989bf00280b8f46d8caa67b2600eb894a08defe57218bace35"
NETNS = registry.Found("netns", "c1", "/run/netns/c1", "/run/netns/c1")
DOCKER = registry.Found("docker", "c1", "/proc/7/ns/net", "/proc/7/ns/net", ID, 7, 1)
PID = registry.Found("pid", "7", "/proc/7/ns/net", "/proc/7/ns/net", "", 7, 1)
SILENT = NetloomError("driver_timeout", "container: Docker did not answer")


@pytest.fixture
def having(monkeypatch):
    """Return a function that says which runtime has a container, or fails; the others have none."""

    def set_answers(**answers):
        def runtime(name):
            def find(container, *, chosen):
                answer = answers.get(name)
                if isinstance(answer, NetloomError):
                    raise answer
                return answer

            return types.SimpleNamespace(accepts=lambda container: True, find=find, RULE="is wrong")

        monkeypatch.setattr(registry, "_runtime", runtime)
        monkeypatch.setattr(registry, "_is_here", lambda name: True)

    return set_answers


def test_auto_finds_what_one_runtime_has(having):
    having(docker=DOCKER)
    assert registry.find("c1") == DOCKER


def test_auto_finds_nothing_where_nobody_has_it(having):
    having()
    assert registry.find("c1") is None


def test_a_name_that_two_runtimes_have_is_ambiguous_and_both_are_named(having):
    having(netns=NETNS, docker=DOCKER)
    with pytest.raises(NetloomError) as refused:
        registry.find("c1")
    assert refused.value.code == "container_ambiguous"
    assert refused.value.message == (
        "container: 'c1' is a network namespace (/run/netns/c1) and a Docker container (404db3075fe6); "
        "say runtime=netns or runtime=docker"
    )


def test_a_chosen_runtime_is_never_ambiguous(having):
    having(netns=NETNS, docker=DOCKER)
    assert registry.find("c1", "docker") == DOCKER


def test_a_number_is_the_namespace_of_that_name_before_it_is_a_process(having):
    named = registry.Found("netns", "7", "/run/netns/7", "/run/netns/7")
    having(netns=named, pid=PID)
    assert registry.find("7") == named


def test_a_number_that_is_a_process_and_a_docker_container_is_ambiguous(having):
    having(pid=PID, docker=DOCKER)
    with pytest.raises(NetloomError, match="runtime=pid or runtime=docker"):
        registry.find("7")


def test_a_runtime_that_fails_is_forgiven_if_another_one_has_the_container(having):
    having(netns=NETNS, docker=SILENT)
    assert registry.find("c1") == NETNS


def test_a_runtime_that_fails_may_be_the_one_that_has_the_container(having):
    having(docker=SILENT)
    with pytest.raises(NetloomError, match="Docker did not answer"):
        registry.find("c1")


def test_an_unknown_runtime_is_refused():
    with pytest.raises(NetloomError) as refused:
        registry.find("c1", "lxd")
    assert refused.value.code == "option_invalid"
    assert refused.value.message == "runtime: 'lxd' is none of auto, netns, pid, path, docker, podman, machine"


@pytest.mark.parametrize("runtime", registry.RUNTIMES)
@pytest.mark.parametrize("container", ["../etc", "-x", "a\x00", "", "a\nb", ".."])
def test_every_runtime_refuses_what_it_cannot_have(runtime, container):
    with pytest.raises(NetloomError) as refused:
        registry.find(container, runtime)
    assert refused.value.code == "netns_invalid"
    assert refused.value.message.startswith(f"container: {container!r} is not ")


@pytest.mark.parametrize("runtime", registry.RUNTIMES)
def test_every_runtime_is_one_file_with_the_same_face(runtime):
    picked = registry._runtime(runtime)
    assert picked.__name__.endswith(f"._sandboxes.{runtime}")
    assert callable(picked.find)
    assert callable(picked.accepts)
    assert picked.RULE


@pytest.mark.parametrize(
    ("container", "runtime", "text"),
    [
        ("c1", "auto", "no network namespace, process, Docker container, Podman container or machine is called 'c1'"),
        ("c1", "docker", "no Docker container is called 'c1'"),
        ("7", "pid", "there is no process 7"),
        ("/run/x", "path", "there is no path /run/x"),
        ("/run/x", "auto", "there is no path /run/x"),
    ],
)
def test_the_error_for_nothing_says_what_was_looked_for(container, runtime, text):
    error = registry.not_found(container, runtime)
    assert error.code == "netns_not_found"
    assert error.message == f"container: {text}"


# --- many look-ups in one task ---


def test_a_task_that_looks_up_many_containers_reads_a_runtimes_list_once(monkeypatch):
    asked, listed = [], []

    def find(container, *, chosen):
        asked.append(container)
        return registry.Found("docker", container, None, "", ID) if container in ("c1", "c9", ID[:12]) else None

    docker = types.SimpleNamespace(
        accepts=lambda container: True, find=find, names=lambda: listed.append(1) or {ID, "c1", "c9"}
    )
    nothing = types.SimpleNamespace(accepts=lambda container: False)
    monkeypatch.setattr(registry, "_runtime", lambda name: docker if name == "docker" else nothing)
    monkeypatch.setattr(registry, "_is_here", lambda name: True)
    lists = registry.Lists()
    found = [name for name in [*(f"c{n}" for n in range(12)), ID[:12]] if registry.find(name, lists=lists)]
    assert found == ["c1", "c9", ID[:12]]
    assert asked == ["c0", "c1", "c2", "c3", "c9", ID[:12]]
    assert listed == [1]
