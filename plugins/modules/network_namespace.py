#!/usr/bin/python
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_namespace
short_description: Manage named network namespaces
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Makes or removes a named network namespace, as C(ip netns add) and C(ip netns del) do, with its loopback interface
    up.
  - A namespace that is removed is detached from all networks first, which frees its addresses.
options:
  name:
    description: Name of the namespace, as in C(/run/netns).
    type: str
    required: true
  state:
    description:
      - V(present) makes the namespace and brings its loopback interface up.
      - V(absent) removes it, whoever made it. A namespace with processes in it is only removed with O(force=true).
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - Allows removing the name of a namespace with processes in it. They keep running, and the namespace exists as
        long as they do.
      - Causes nothing by itself.
    type: bool
    default: false
  sysctls:
    description:
      - Settings in the namespace, by names below C(net.), as C(net.ipv4.ip_forward). Names are spelt as L(sysctl(8),
        https://man7.org/linux/man-pages/man8/sysctl.8.html) spells them, with dots or slashes.
      - They are set once the namespace is there. A setting that the kernel does not have in a namespace is an error,
        before anything is made.
      - A setting that is not given stays as it is, also one that an earlier task has set.
      - Those that were given are recorded, and come back with the namespace where it has gone and a task makes it anew, or
        a reboot is restored.
    type: dict
extends_documentation_fragment:
  - netloom.containers._attributes
  - netloom.containers._attributes.actiongroup_network
  - netloom.containers._state
seealso:
  - module: netloom.containers.network_attachment
"""

EXAMPLES = r"""
- name: A namespace
  netloom.containers.network_namespace:
    name: c1

- name: A namespace that is a router
  netloom.containers.network_namespace:
    name: r1
    sysctls:
      net.ipv4.ip_forward: 1
      net.ipv6.conf.all.forwarding: 1

- name: No namespace, and nothing attached to it
  netloom.containers.network_namespace:
    name: c1
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one line each.
  type: list
  elements: str
  returned: success
  sample: [create record of network namespace c1, create network namespace c1]
error_code:
  description: What kind of failure it is, one word that does not change between versions.
  type: str
  returned: failure
  sample: network_in_use
"""

from ansible_collections.netloom.containers.plugins.module_utils._options.namespace import (
    NAMESPACE,
    namespace_name,
    namespace_settings,
)
from ansible_collections.netloom.containers.plugins.module_utils._runner import NetloomModule, finish, host_of, told
from ansible_collections.netloom.containers.plugins.module_utils._verbs.namespaces import (
    namespace_absent,
    namespace_present,
)


def main():
    module = NetloomModule(**NAMESPACE)
    with told(module):
        name, settings = namespace_name(module.params), namespace_settings(module.params)
        with host_of(module) as host:
            if module.params["state"] == "absent":
                finish(module, namespace_absent(host, name, force=module.params["force"], dry_run=module.check_mode))
            finish(module, namespace_present(host, name, settings, dry_run=module.check_mode))


if __name__ == "__main__":
    main()
