# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Run tasks in the network namespace of a container on the controller
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Runs the tasks of a host on the controller, in a network namespace, so that a namespace is a host of the inventory.
    It is a named one or that of any container which M(netloom.containers.network_attachment) can name.
  - Only the network is the container's. Files, users and processes are the controller's, as with
    C(ip netns exec), and unlike P(community.docker.docker#connection), which runs in a container what the
    container has of its own. So it needs no Python in the container, and nothing else.
  - As with C(ip netns exec), C(/sys) is that of the namespace, and the files below C(/etc/netns/NAME) of a named namespace
    stand for those of C(/etc), such as C(resolv.conf). What a task mounts is gone after the task.
  - Fails when there is no such container, when it does not run, and when its namespace is the controller's own. A
    namespace is found and proved once for every task, and held until the task ends, whatever happens to its name meanwhile.
options:
  container:
    description: Name of the container. What that means depends on O(runtime).
    type: str
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: delegated_vars['ansible_host']
      - name: ansible_netns_container
      - name: delegated_vars['ansible_netns_container']
  runtime:
    description:
      - What the container is a container of.
      - With V(auto), a path is one if it starts with C(/). Otherwise, named namespaces are asked first and then processes
        (by PID), Docker, Podman and machines. A name that two of them have is refused.
    type: str
    choices: [auto, netns, pid, path, docker, podman, machine]
    default: auto
    vars:
      - name: ansible_netns_runtime
    env:
      - name: NETLOOM_NETNS_RUNTIME
    ini:
      - section: netns_connection
        key: runtime
  become_success_timeout:
    description:
      - How long becoming another user may take, in seconds.
      - With ansible-core 2.18 and earlier, the time limit for connections applies instead.
    type: int
    default: 10
    vars:
      - name: ansible_netns_become_success_timeout
  become_strip_preamble:
    description:
      - Whether to remove what becoming another user prints before the output of the task.
      - With ansible-core 2.18 and earlier, it is always removed.
    type: bool
    default: true
    vars:
      - name: ansible_netns_become_strip_preamble
extends_documentation_fragment:
  - connection_pipelining
notes:
  - Ansible has to run as root, since only root can enter a namespace. C(become) is about the task in the namespace.
  - For a namespace on another host, see P(netloom.containers.netns#become).
  - Needs no Python libraries but Ansible's.
seealso:
  - plugin: netloom.containers.netns
    plugin_type: become
  - plugin: netloom.containers.networks
    plugin_type: inventory
  - plugin: community.docker.docker
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Containers and hosts of the inventory
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Two containers on one network
      netloom.containers.network_topology:
        name: lab
        namespaces:
          - name: web
          - name: db
        networks:
          - name: app
            subnet: 10.50.0.0/24
        attachments:
          - {network: app, container: web, ipv4_address: 10.50.0.10}
          - {network: app, container: db, ipv4_address: 10.50.0.20}

    - name: They are hosts
      ansible.builtin.add_host:
        name: "{{ item }}"
        groups: containers
        ansible_connection: netloom.containers.netns
      loop: [web, db]

- name: Tasks in the containers' networks
  hosts: containers
  gather_facts: false
  tasks:
    - name: The gateway answers
      ansible.builtin.command: ping -c 1 -W 2 10.50.0.1
      changed_when: false
"""

import os
import shutil
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ensure_connect
from ansible.plugins.connection.local import Connection as LocalConnection
from ansible.utils.display import Display
from ansible.utils.path import unfrackpath
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes.inside import in_own_thread
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes.registry import (
    OpenSandbox,
    find,
    not_found,
    open_sandbox,
)

display = Display()


class Connection(LocalConnection):
    """The connection to the controller, with everything done in the network namespace of a container."""

    transport = "netloom.containers.netns"
    has_pipelining = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sandbox: OpenSandbox | None = None

    def _connect(self) -> Connection:
        """Find and open the container's namespace, which stays the same one until the connection is closed.

        :raises AnsibleConnectionFailure: it is not there, or not fit to be used.
        """
        if self._sandbox is None:
            container, runtime = self.get_option("container"), self.get_option("runtime")
            if os.geteuid() != 0:
                raise AnsibleConnectionFailure(
                    f"{self.transport}: only root can enter the network namespace of {container}; run Ansible as root"
                )
            try:
                found = find(container, runtime)
                if found is None:
                    raise not_found(container, runtime)
                self._sandbox = open_sandbox(found)
            except NetloomError as exc:
                raise AnsibleConnectionFailure(f"{self.transport}: {exc.message}") from exc
            display.vvv(f"ENTER NETWORK NAMESPACE {found.key}", host=self._play_context.remote_addr)
        super()._connect()
        return self

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Return the exit status, output and errors of a command that was run in the namespace."""
        return self._inside(super().exec_command, cmd, in_data, sudoable)

    @ensure_connect
    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the controller to a place that is looked up in the namespace."""
        source = unfrackpath(in_path, basedir=self.cwd)
        target = unfrackpath(out_path, follow=False, basedir=self.cwd)
        display.vvv(f"PUT {source} TO {target}", host=self._play_context.remote_addr)
        with _opened(source, "rb") as file:
            self._inside(_copy, file, target)

    @ensure_connect
    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file that is looked up in the namespace to a place on the controller."""
        source = unfrackpath(in_path, follow=False, basedir=self.cwd)
        target = unfrackpath(out_path, basedir=self.cwd)
        display.vvv(f"FETCH {source} TO {target}", host=self._play_context.remote_addr)
        with self._inside(_opened, source, "rb") as file:
            _copy(file, target)

    def reset(self) -> None:
        """Have the next task look the container up again."""
        self.close()

    def close(self) -> None:
        """Let go of the namespace."""
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()
        super().close()

    def _inside(self, act: Any, *args: Any) -> Any:
        """Return what `act` returns in the namespace.

        :raises AnsibleConnectionFailure: it cannot be entered.
        """
        if self._sandbox is None:
            raise AnsibleConnectionFailure(f"{self.transport}: the connection is closed")
        found = self._sandbox.found
        try:
            return in_own_thread(self._sandbox.fd, found.name if found.runtime == "netns" else "", act, *args)
        except NetloomError as exc:
            raise AnsibleConnectionFailure(f"{self.transport}: {found.name}: {exc.message}") from exc


def _opened(path: str, mode: str) -> Any:
    try:
        return open(path, mode)
    except FileNotFoundError as exc:
        raise AnsibleFileNotFound(f"file or module does not exist: {path}") from exc
    except OSError as exc:
        raise AnsibleError(f"cannot open {path}: {exc.strerror}") from exc


def _copy(source: Any, target: str) -> None:
    with _opened(target, "wb") as file:
        shutil.copyfileobj(source, file)
