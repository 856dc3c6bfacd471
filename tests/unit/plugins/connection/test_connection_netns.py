# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible_collections.netloom.containers.plugins.connection.netns import Connection
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes.inside import outermost


def connection(container, runtime="auto"):
    made = Connection(PlayContext(), "/dev/null")
    made._options = {"container": container, "runtime": runtime}
    return made


def refusal(container, runtime="auto"):
    with pytest.raises(AnsibleConnectionFailure) as caught:
        connection(container, runtime).exec_command("id")
    return str(caught.value)


def said_by_another_user(container):
    """Return why a process of the user nobody is refused."""
    with pytest.raises(AnsibleConnectionFailure):
        connection("a/b").exec_command("id")  # imports what that user may not be able to read
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 65534)
        try:
            os.write(writing, refusal(container).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


def test_a_user_who_is_not_root_is_told_so():
    assert "only root can enter the network namespace of c1; run Ansible as root" in said_by_another_user("c1")


@pytest.mark.skipif(os.geteuid() != 0, reason="not root, who alone gets as far")
@pytest.mark.parametrize(
    ("container", "runtime", "says"),
    [
        ("netloom-never", "netns", "no network namespace is called 'netloom-never'"),
        ("/proc/self/ns/net", "auto", "this is the host's own network namespace"),
        ("/etc/passwd", "path", "/etc/passwd is a regular file, not a network namespace"),
        ("a/b", "auto", "contains '/'; only an absolute path may"),
    ],
)
def test_what_is_not_a_containers_namespace_is_refused(container, runtime, says):
    assert says in refusal(container, runtime)


def test_what_is_mounted_below_sys_is_kept_once():
    points = ["/", "/sys", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup", "/sys/fs/cgroup2", "/system", "/sys/fs/cgroup"]
    assert outermost(points) == ["/sys/fs/cgroup", "/sys/fs/cgroup2"]
