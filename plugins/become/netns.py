# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Run tasks in a named network namespace of the target
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Runs what becomes another user with C(ip netns exec) on the target, whatever the connection to it is. So a named
    network namespace of a host that is reached over SSH is a host of the inventory.
  - Uses C(sudo) where the remote user is not root.
  - Tasks without C(become) run outside the namespace. Set C(ansible_become) for the host, as in the example.
options:
  namespace:
    description: Name of the network namespace, as in C(/run/netns).
    type: str
    required: true
    vars:
      - name: inventory_hostname
      - name: ansible_netns_container
  become_user:
    description: User that runs the task in the namespace.
    type: str
    default: root
    keyword:
      - name: become_user
    env:
      - name: ANSIBLE_BECOME_USER
    ini:
      - section: privilege_escalation
        key: become_user
    vars:
      - name: ansible_become_user
  become_exe:
    description: The C(sudo) program.
    type: str
    default: sudo
    keyword:
      - name: become_exe
    env:
      - name: ANSIBLE_BECOME_EXE
    ini:
      - section: privilege_escalation
        key: become_exe
    vars:
      - name: ansible_become_exe
  become_flags:
    description:
      - Options for C(sudo), separated by blanks.
      - C(-n) is added when there is no password.
    type: str
    default: -H -S
    keyword:
      - name: become_flags
    env:
      - name: ANSIBLE_BECOME_FLAGS
    ini:
      - section: privilege_escalation
        key: become_flags
    vars:
      - name: ansible_become_flags
  become_pass:
    description: Password for C(sudo).
    type: str
    env:
      - name: ANSIBLE_BECOME_PASS
    vars:
      - name: ansible_become_password
      - name: ansible_become_pass
notes:
  - The target needs C(ip) of iproute2, C(runuser) of util-linux if O(become_user) is not root, and C(sudo) if the remote
    user is not root.
seealso:
  - plugin: netloom.containers.netns
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Containers of another host
  hosts: localhost
  gather_facts: false
  tasks:
    - name: The namespace web of host1 is a host
      ansible.builtin.add_host:
        name: web
        ansible_host: host1
        ansible_connection: ssh
        ansible_become: true
        ansible_become_method: netloom.containers.netns

- name: Tasks in its network
  hosts: web
  gather_facts: false
  tasks:
    - name: Interfaces of the namespace
      ansible.builtin.command: ip -brief address
      changed_when: false
"""

import shlex
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.become import BecomeBase
from ansible_collections.netloom.containers.plugins.module_utils._sandboxes import netns


class OtherUser(str):
    """A user who is never the remote user: Ansible would run a task of such a user without us, on the host."""

    __hash__ = str.__hash__

    def __ne__(self, other: object) -> bool:
        return True


class BecomeModule(BecomeBase):
    """Becoming somebody in a network namespace."""

    name = "netloom.containers.netns"
    fail = ("Sorry, try again.",)
    missing = ("Sorry, a password is required to run sudo", "sudo: a password is required")

    def get_option(self, option: str, hostvars: Any = None, playcontext: Any = None) -> Any:
        """Return the value of an option."""
        value = super().get_option(option, hostvars=hostvars, playcontext=playcontext)
        return OtherUser(value) if option == "become_user" and value else value

    def build_become_command(self, cmd: str, shell: Any) -> str:
        """Return the command line that runs `cmd` in the namespace, for a POSIX shell."""
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        namespace = self.get_option("namespace")
        if not netns.accepts(namespace):
            raise AnsibleError(f"{self.name}: namespace: {namespace!r} {netns.RULE}")
        success = self._build_success_command(cmd, shell, noexe=True)
        return f"{self._as_root()} ip netns exec {shlex.quote(namespace)} {self._as_user()} -c {success}"

    def _as_root(self) -> str:
        """Return what is sudo where it is needed, and nothing for root, who may have none."""
        flags = self.get_option("become_flags") or ""
        if self.get_option("become_pass"):
            self.prompt = f"netloom-{self._id}:"
            flags = f"{flags} -p {self.prompt}"
        else:
            self.prompt = ""
            flags = f"{flags} -n"
        return f"""$(test "$(id -u)" = 0 || echo {self.get_option("become_exe")} {flags})"""

    def _as_user(self) -> str:
        """Return the shell that runs the task. Root needs no further program."""
        user = self.get_option("become_user") or "root"
        return "/bin/sh" if user == "root" else f"runuser -s /bin/sh {shlex.quote(user)}"
