#!/usr/bin/python
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_topology
short_description: Manage the networks of a whole host in one task
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Makes namespaces, networks and attachments in one plan, under one lock and with one commit of the records. It is all
    or nothing, a failure at any point puts everything back.
  - A thousand attachments take seconds, where a loop of single tasks takes minutes.
  - What a topology makes belongs to it. Its networks carry the label C(netloom.topology) with its name. What was there
    before can be listed as well; it is changed to what is listed, but never removed with the topology.
  - Two topologies cannot claim the same object.
  - A namespace that is listed can be attached in the same task.
options:
  name:
    description: Name of the topology, which owns what it makes. The rules are those for names of networks.
    type: str
    required: true
  state:
    description:
      - V(present) makes the host what the lists say.
      - V(absent) removes everything that the topology made, whatever the lists say. It fails if something else depends
        on that, such as a container that somebody else attached to one of its networks.
    type: str
    choices: [present, absent]
    default: present
  namespaces:
    description: Named network namespaces, with the options of M(netloom.containers.network_namespace).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the namespace, as in C(/run/netns).
        type: str
        required: true
      state:
        description: Whether it shall be there. V(absent) removes it whoever made it.
        type: str
        choices: [present, absent]
        default: present
      force:
        description: Allows removing the name of a namespace with processes in it.
        type: bool
        default: false
      sysctls:
        description: Settings in the namespace, by names below C(net.). Those that are not given stay as they are.
        type: dict
  networks:
    description:
      - Networks, with the options of M(netloom.containers.container_network), which describes them.
      - An option that is omitted keeps what is there.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
        aliases: [network_name]
      state:
        description: Whether it shall be there. V(absent) removes it whoever made it.
        type: str
        choices: [present, absent]
        default: present
      driver:
        description: Driver of the network.
        type: str
      driver_options:
        description: Options of the driver, by short name or by Docker's label.
        type: dict
      enable_ipv4:
        description: Whether members get IPv4 addresses.
        type: bool
      enable_ipv6:
        description: Whether members get IPv6 addresses.
        type: bool
      internal:
        description: Whether the network is cut off.
        type: bool
      labels:
        description: Labels of the network.
        type: dict
      ipam_driver:
        description: Address management of the network.
        type: str
      ipam_driver_options:
        description: Options of the address management.
        type: dict
      ipam_config:
        description: Subnets of the network.
        type: list
        elements: dict
        suboptions:
          subnet:
            description: Subnet in CIDR notation, without host bits.
            type: str
          iprange:
            description: Part of the subnet that addresses are handed out of.
            type: str
            aliases: [ip_range]
          gateway:
            description: Address of the host in the subnet.
            type: str
          aux_addresses:
            description: Addresses that are never handed out, by a name for each.
            type: dict
      subnet:
        description: Subnet of the network, in CIDR notation.
        type: str
      ip_range:
        description: Part of the subnet that addresses are handed out of.
        type: str
      gateway:
        description: Address of the host in the subnet.
        type: str
      dns:
        description: Whether members find each other by name and by alias.
        type: bool
      dns_servers:
        description: Addresses of the servers that are asked about all names but those of members; V(host) for the host's.
        type: list
        elements: str
      connected:
        description: Containers that are attached to the network, all of them unless O(networks[].appends=true).
        type: list
        elements: raw
        aliases: [containers]
      appends:
        description: Whether members that O(networks[].connected) does not list stay.
        type: bool
        default: false
        aliases: [incremental]
      force:
        description: Allows a change that cannot be made in place, and removing a network with members.
        type: bool
        default: false
  attachments:
    description:
      - Containers on networks, with the options of M(netloom.containers.network_attachment), which describes them.
      - The network is one of O(networks), or one that is there already.
    type: list
    elements: dict
    suboptions:
      network:
        description: Name of the network.
        type: str
        required: true
      container:
        description: Name of the container. What that means depends on O(attachments[].runtime).
        type: str
        required: true
      runtime:
        description: What the container is a container of.
        type: str
        choices: [auto, netns, pid, path, docker, podman, machine]
        default: auto
      state:
        description: Whether the container shall be attached. V(absent) detaches it whoever attached it.
        type: str
        choices: [present, absent]
        default: present
      ipv4_address:
        description: IPv4 address of the container on the network.
        type: str
      ipv6_address:
        description: IPv6 address of the container on the network.
        type: str
      mac_address:
        description: MAC address of the interface.
        type: str
      interface_name:
        description: Name of the interface in the container. Tells several of one container on one network apart.
        type: str
      aliases:
        description: Further names of the container, by which members of the network find it.
        type: list
        elements: str
      gw_priority:
        description: Of all networks of a container, the one with the highest priority gives its default route.
        type: int
      driver_opts:
        description: >-
          Options of the driver for this endpoint, as in M(netloom.containers.network_attachment): C(ifname),
          C(port_security), and the bandwidth limits C(ingress_rate), C(egress_rate) and C(burst).
        type: dict
      published_ports:
        description: Ports of the container that the host makes reachable, in Docker's syntax.
        type: list
        elements: str
        aliases: [ports]
      routes:
        description: Routes of the container over this network.
        type: list
        elements: dict
        suboptions:
          destination:
            description: Where it leads, a subnet, an address, or V(default).
            type: str
            required: true
          gateway:
            description: Neighbour that it leads through.
            type: str
          metric:
            description: Of several routes to one destination, the one with the lowest metric is taken.
            type: int
          type:
            description: What becomes of packets.
            type: str
            choices: [unicast, blackhole, unreachable, prohibit]
            default: unicast
      sysctls:
        description: Settings of the interface, by names like C(net.ipv4.conf.IFNAME.log_martians).
        type: dict
      secondary_addresses:
        description: Further addresses of the container on the network.
        type: list
        elements: str
  purge:
    description:
      - Whether to remove what this topology made earlier and its lists do not mention any more.
      - Never removes anything else.
    type: bool
    default: false
notes:
  - A long task tells in the system log of the target which stage it has come to, and returns how long each took as
    C(stages). On a host with systemd, C(journalctl -f -t ansible-netloom.containers.network_topology) follows it.
extends_documentation_fragment:
  - netloom.containers._attributes
  - netloom.containers._attributes.actiongroup_network
  - netloom.containers._state
seealso:
  - module: netloom.containers.container_network
  - module: netloom.containers.network_attachment
  - module: netloom.containers.network_namespace
"""

EXAMPLES = r"""
- name: Two networks and three containers
  netloom.containers.network_topology:
    name: shop
    purge: true
    namespaces:
      - name: web1
      - name: web2
      - name: db1
    networks:
      - name: front
        subnet: 10.60.0.0/24
      - name: back
        subnet: 10.61.0.0/24
        internal: true
    attachments:
      - {network: front, container: web1}
      - {network: front, container: web2}
      - {network: back, container: web1}
      - {network: back, container: web2}
      - {network: back, container: db1, ipv4_address: 10.61.0.80}

- name: A thousand containers, made from a range
  netloom.containers.network_topology:
    name: load
    networks:
      - name: load
        subnet: 10.70.0.0/16
    namespaces: "{{ containers | map('regex_replace', '^(.*)$', as_namespace) | map('from_json') | list }}"
    attachments: "{{ containers | map('regex_replace', '^(.*)$', as_attachment) | map('from_json') | list }}"
  vars:
    containers: "{{ range(1, 1001) | map('regex_replace', '^', 'c') | list }}"
    as_namespace: '{"name": "\1"}'
    as_attachment: '{"network": "load", "container": "\1"}'

- name: Everything that this topology made is gone
  netloom.containers.network_topology:
    name: shop
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one line each.
  type: list
  elements: str
  returned: success
  sample: [create network front, create network namespace web1, create endpoint of web1 on network front]
networks:
  description: The networks of O(networks) in the shape of C(docker network inspect), sorted by name.
  type: list
  elements: dict
  returned: success
endpoints:
  description:
    - The endpoints of O(networks[].connected) and O(attachments), in their order, in the shape that
      M(netloom.containers.network_attachment) returns.
    - Besides, C(Network) and C(Container) say whose they are.
  type: list
  elements: dict
  returned: success
stages:
  description: What the task spent its time on, in the order in which the stages began.
  type: list
  elements: dict
  returned: success
  contains:
    stage:
      description: What was done, such as C(resolve), C(observe), C(plan), C(apply links) or C(verify).
      type: str
    seconds:
      description: How long it took, all in all.
      type: float
    count:
      description: How many things it was about, 0 where that says nothing.
      type: int
  sample:
    - {stage: resolve, seconds: 0.0411, count: 8}
    - {stage: apply links, seconds: 0.0042, count: 17}
error_code:
  description: What kind of failure it is, one word that does not change between versions.
  type: str
  returned: failure
  sample: network_in_use
"""

from ansible_collections.netloom.containers.plugins.module_utils._options.topology import TOPOLOGY, topology_spec
from ansible_collections.netloom.containers.plugins.module_utils._runner import (
    NetloomModule,
    finish,
    host_of,
    told,
    topology_shapes,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs.topology import (
    topology_absent,
    topology_present,
)


def main():
    module = NetloomModule(**TOPOLOGY)
    with told(module):
        spec = topology_spec(module.params)
        with host_of(module) as host:
            host.progress = module.log
            if module.params["state"] == "absent":
                result = topology_absent(host, spec.name, dry_run=module.check_mode)
            else:
                result = topology_present(host, spec, dry_run=module.check_mode)
            finish(module, result, **topology_shapes(host, result))


if __name__ == "__main__":
    main()
