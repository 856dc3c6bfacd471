#!/usr/bin/python
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Look at container networks
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Lists the networks of a host, as C(docker network ls) and C(docker network inspect) do.
  - The predefined networks C(bridge), C(host) and C(none) are always among them.
  - Takes no lock and changes nothing. What it returns is one consistent state of the records.
options:
  name:
    description: Names of the networks to return, all of them unless set. Names match exactly.
    type: list
    elements: str
  filters:
    description:
      - Filters as in C(docker network ls --filter).
      - The keys are C(driver), C(id), C(label), C(name), C(scope), C(type) (V(builtin) or V(custom)) and C(dangling).
      - C(id) and C(name) match parts. A list of values passes what any of them passes, except that every label must
        match.
    type: dict
  verify:
    description:
      - Whether to compare the kernel with the records and return the differences as C(Drift).
      - A task that is changing a network meanwhile shows up as drift.
    type: bool
    default: false
extends_documentation_fragment:
  - netloom.containers._attributes.info
  - netloom.containers._attributes.actiongroup_network
  - netloom.containers._state
seealso:
  - module: netloom.containers.container_network
  - plugin: netloom.containers.topology_graph
    plugin_type: filter
"""

EXAMPLES = r"""
- name: All networks
  netloom.containers.network_info:
  register: all_networks

- name: One network, with what is wrong with it
  netloom.containers.network_info:
    name: bridge2
    verify: true
  register: bridge2

- name: Networks with a label
  netloom.containers.network_info:
    filters:
      label: tier=application
"""

RETURN = r"""
networks:
  description:
    - The networks in the shape of C(docker network inspect), sorted by name.
    - Those of driver V(overlay) have C(Peers), the other hosts that they are on, by address.
    - With O(verify=true), each has C(Drift), a list with one line for everything that is not as it should be, empty
      when it is healthy.
  type: list
  elements: dict
  returned: success
endpoints:
  description:
    - The containers on these networks, those that do not run (C(Pending)) included, sorted by network.
    - Each has C(Network), C(Container), C(Runtime), C(EndpointID), C(InterfaceName), C(HostInterface), C(IPAddress),
      C(GlobalIPv6Address), C(Ports) and C(Pending). M(netloom.containers.network_attachment) returns all settings of one.
  type: list
  elements: dict
  returned: success
  sample:
    - Network: bridge2
      Container: web
      Runtime: netns
      EndpointID: 9156cbfe40a2d0b7f3b0b0a3b4c0cbb2d6a6be8d4f6b9e0c62b4f3a1f0d3c5e7
      InterfaceName: eth0
      HostInterface: veth9156cbfe40a
      IPAddress: 192.168.1.80
      GlobalIPv6Address: ""
      Ports: {80/tcp: [{HostIp: 0.0.0.0, HostPort: "8080"}]}
      Pending: false
exists:
  description: Whether there is a network of that name.
  type: bool
  returned: success and O(name) is one name
network:
  description: The network of that name, null if there is none.
  type: dict
  returned: success and O(name) is one name
changes:
  description: Always empty.
  type: list
  elements: str
  returned: success
error_code:
  description: What kind of failure it is, one word that does not change between versions.
  type: str
  returned: failure
  sample: state_corrupt
"""

from ansible_collections.netloom.containers.plugins.module_utils._options.info import INFO, filters
from ansible_collections.netloom.containers.plugins.module_utils._runner import NetloomModule, host_of, told
from ansible_collections.netloom.containers.plugins.module_utils._verbs.inspection import inspect_all


def main():
    module = NetloomModule(**INFO)
    names = module.params["name"]
    with told(module):
        wanted = filters(module.params)
        with host_of(module, reading=True) as host:
            networks, endpoints = inspect_all(host, names, wanted, verify=module.params["verify"])
        result = {"networks": networks, "endpoints": endpoints}
        if names is not None and len(names) == 1:
            result.update(exists=bool(networks), network=networks[0] if networks else None)
        module.exit_json(changed=False, changes=[], **result)


if __name__ == "__main__":
    main()
