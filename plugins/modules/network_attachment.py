#!/usr/bin/python
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_attachment
short_description: Attach containers to networks
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Attaches a container to a network of M(netloom.containers.container_network), changes how it is attached, or
    detaches it, as C(docker network connect) and C(docker network disconnect) do.
  - A container is anything that has a network namespace, such as a named namespace, a process, a Docker or Podman
    container, or a machine of systemd-nspawn.
  - A container that restarts gets its endpoint back on the next run, with the same address, MAC address and interface
    name. Until then the endpoint is pending and keeps its addresses.
  - Changes are made in place. A changed address moves the endpoint and keeps the rest.
options:
  network:
    description: Name of the network.
    type: str
    required: true
  container:
    description:
      - Name of the container. What that means depends on O(runtime).
      - A container that is already attached under another name (its id, its process, the path of its namespace) is
        recognised by its namespace.
    type: str
    required: true
  runtime:
    description:
      - What the container is a container of.
      - V(auto) takes a path if it begins with C(/), else asks for a named namespace, a process if it is a number, a
        Docker container, a Podman container and a machine. A name that two of them have is an error.
      - V(netns) is a name as C(ip netns) knows it.
      - V(pid) is the number of a process.
      - V(path) is the path of a network namespace.
      - V(docker) is a name or id that the Docker daemon knows.
      - V(podman) is a name or id that Podman knows.
      - V(machine) is a name as C(machinectl) knows it.
    type: str
    choices: [auto, netns, pid, path, docker, podman, machine]
    default: auto
  state:
    description:
      - V(present) attaches the container, or makes its endpoint what the options say.
      - V(absent) detaches it and frees its addresses. It does not matter whether the container or the network still
        exist.
    type: str
    choices: [present, absent]
    default: present
  ipv4_address:
    description: IPv4 address of the container on the network. The lowest free one for a new endpoint unless set.
    type: str
  ipv6_address:
    description: IPv6 address of the container on the network. The lowest free one for a new endpoint unless set.
    type: str
  mac_address:
    description: >-
      MAC address of the interface. C(02:42) and the IPv4 address in hexadecimal for a new endpoint unless set.
    type: str
  interface_name:
    description:
      - Name of the interface in the container. The next free C(eth) and number for a new endpoint unless set.
      - A container can have several interfaces on one network, which their names tell apart. Where each one that it has was
        given a name, another name makes a further one; one whose name was chosen is renamed.
      - With O(state=absent), only the interface of that name goes; without, all that the container has on the network.
    type: str
  aliases:
    description:
      - Further names of the container, by which members of the network find it. The container's own name is one anyway
        where it can be, and so is the short id of a container of Docker or Podman.
      - DNS names. Upper and lower case are the same, and they are kept in lower case.
      - The list is a set, and exact; an empty one removes all. Several members may have one alias; who asks for it gets
        the addresses of all of them.
      - They are kept where the network has no names (O(netloom.containers.container_network#module:dns)), and lead
        nowhere.
    type: list
    elements: str
  gw_priority:
    description:
      - Of all networks that a container is attached to, the one with the highest priority gives its default route.
        Among equals, the one whose name comes first.
      - V(0) for a new endpoint unless set.
    type: int
  driver_opts:
    description:
      - Options of the driver for this endpoint, by the short name below or by Docker's label.
      - "C(ifname) (C(com.docker.network.endpoint.ifname)): the same as O(interface_name)."
      - "C(port_security): whether the container can only send from its own MAC address and its own addresses, and only
        answer for them (ARP and neighbour discovery); false unless set. What comes from outside the subnet is dropped
        in any case. While an endpoint has it, the kernel shows the frames of all bridges of the host to a firewall
        table."
      - "C(ingress_rate): how much the container receives at most, in bits per second; no limit unless set. A whole or
        decimal number, by itself or with one of tc's suffixes C(bit), C(kbit), C(mbit), C(gbit), C(tbit), of which the
        C(bit) can be left out (C(20m)), or C(kibit), C(mibit) and so on for powers of 1024; upper or lower case; from
        C(1kbit) to C(1000tbit). tc's C(bps), which is bytes, is not taken. The kernel counts whole bytes, with the
        Ethernet header."
      - "C(egress_rate): how much the container sends at most; else as C(ingress_rate)."
      - "C(burst): how many bytes may pass at once in each direction that has a rate, after a pause; a number, by itself
        or with one of tc's suffixes C(b), C(k), C(kb), C(m), C(mb), C(g), C(gb), which are powers of 1024. At least the
        network's MTU and 14, at most 4294967295. Unless set, what the rate gives in 50 ms, and at least ten packets."
      - Limits are kept on the host's side, where nothing in the container can lift them, and are changed while
        connections go on. What the container sends is led through an interface C(ifb) and twelve hexadecimal digits.
        The kernel needs C(sch_tbf), for C(egress_rate) also C(ifb), C(sch_ingress), C(cls_u32) and C(act_mirred).
      - "C(cni_args), on a network of driver V(cni): what is added to CNI_ARGS, C(KEY=VALUE) with semicolons between."
      - "C(runtime_config), on a network of driver V(cni): a dict of capabilities of its plugins, and what they are told."
    type: dict
  published_ports:
    description:
      - Ports of the container that the host makes reachable, in Docker's syntax C([[ADDRESS:][PORT]:]PORT[/PROTOCOL]).
        The first port is the host's, the second the container's; the protocol is C(tcp), C(udp) or C(sctp).
      - Each port can be a range. Several ports of the container need as many of the host; for one, the first free port
        of the range is taken.
      - Without a port of the host, or with C(0), a free one is taken from those that the kernel hands out
        (C(ip_local_port_range)), and kept.
      - Without an address, a port is reachable at all addresses of the host of the IP versions that the container has
        on the network. An IPv6 address stands in brackets.
      - The list is a set, and exact; an empty one withdraws all ports. What changes is changed on the running
        container, and nothing else of it is touched.
      - A port that another endpoint or a process of the host has is an error that names it.
      - On a network whose gateway mode is V(routed), what is published is reached at the container's own address, and
        ports and addresses of the host mean nothing.
      - They are published to O(ipv4_address) and O(ipv6_address), not to O(secondary_addresses).
      - On a network of V(netavark:bridge) or of a netavark plugin, that is who publishes them.
    type: list
    elements: str
    aliases: [ports]
  routes:
    description:
      - Routes of the container over this network, besides the default route that the network gives.
      - The list is a set, and exact; an empty one removes all of them. They are changed on the running container, go
        with the endpoint and come back with it.
      - A default route without a metric replaces the gateway of the network as what this endpoint offers; of all
        endpoints of the container, O(gw_priority) decides as ever. So a member of an internal network can have a way
        out through another member.
      - Of one destination and metric, a container has one route. One that somebody else has made is kept, with a
        warning.
      - Where the host has C(net.bridge.bridge-nf-call-iptables) switched on, as Docker has it, what one member forwards
        to another one is dropped if neither its source nor its destination is in a subnet of the network. A network
        between routers only should be one on which the host has no address (driver option C(gateway_mode_ipv4)
        V(isolated)); there it passes.
    type: list
    elements: dict
    suboptions:
      destination:
        description: >-
          Where it leads, a subnet without host bits, an address, or V(default), which is C(0.0.0.0/0) or C(::/0) after
          the gateway's IP version.
        type: str
        required: true
      gateway:
        description: >-
          Neighbour that it leads through, in a subnet that the container has an address in on this network. Required
          for a route of type V(unicast); the others have none.
        type: str
      metric:
        description: >-
          Of several routes to one destination, the one with the lowest metric is taken. From 0 to 4294967295; V(0)
          unless set, which of IPv6 is the same as V(1024).
        type: int
      type:
        description: >-
          What becomes of packets. V(blackhole) drops them, V(unreachable) and V(prohibit) tell the sender as well.
        type: str
        choices: [unicast, blackhole, unreachable, prohibit]
        default: unicast
  sysctls:
    description:
      - Settings of the interface in the container, by names like C(net.ipv4.conf.IFNAME.log_martians), in which
        C(IFNAME) is literally that and stands for the interface. Below C(net.ipv4.conf), C(net.ipv4.neigh),
        C(net.ipv6.conf) and C(net.ipv6.neigh), with dots or slashes. Values are whole numbers.
      - They win over what is set for every interface. C(disable_ipv6) and C(mtu) follow from the network and cannot be
        given. A setting that the kernel does not have is an error.
      - The dictionary is exact; what is dropped goes back to what a new interface of the container gets
        (C(conf/default), and for C(neigh) that of C(lo)).
    type: dict
  secondary_addresses:
    description:
      - Further IPv4 and IPv6 addresses of the container on the network, each in a subnet of it. They are held like
        O(ipv4_address), and nobody else gets them.
      - What the container sends has O(ipv4_address) or O(ipv6_address) as its source, unless a program chooses. For
        this the further ones of IPv6 are marked as deprecated.
      - The list is a set, and exact; an empty one removes all of them.
    type: list
    elements: str
extends_documentation_fragment:
  - netloom.containers._attributes
  - netloom.containers._attributes.actiongroup_network
  - netloom.containers._state
seealso:
  - module: netloom.containers.container_network
  - module: netloom.containers.network_namespace
"""

EXAMPLES = r"""
- name: Attach a named namespace
  netloom.containers.network_attachment:
    network: bridge2
    container: c1

- name: Attach a Docker container with an address of its own
  netloom.containers.network_attachment:
    network: bridge2
    container: web
    runtime: docker
    ipv4_address: 192.168.1.80

- name: No more than 50 Mbit/s to the container, and 10 Mbit/s from it
  netloom.containers.network_attachment:
    network: bridge2
    container: c1
    driver_opts:
      ingress_rate: 50mbit
      egress_rate: 10mbit

- name: Other members find it as db as well
  netloom.containers.network_attachment:
    network: bridge2
    container: c1
    aliases: [db]

- name: Two interfaces on one network
  netloom.containers.network_attachment:
    network: bridge2
    container: c1
    interface_name: "{{ item }}"
  loop: [wan0, wan1]

- name: A second network, which gives the default route
  netloom.containers.network_attachment:
    network: uplink
    container: c1
    interface_name: up0
    gw_priority: 10

- name: Publish a web server to everybody, and its statistics to the host alone
  netloom.containers.network_attachment:
    network: bridge2
    container: web
    published_ports:
      - 8080:80
      - 127.0.0.1:9000:9000

- name: What is behind another member, and what is not to be reached
  netloom.containers.network_attachment:
    network: bridge2
    container: c1
    routes:
      - destination: 10.20.0.0/16
        gateway: 192.168.1.254
      - destination: 10.20.9.0/24
        type: unreachable

- name: Further addresses, and a setting of the interface
  netloom.containers.network_attachment:
    network: bridge2
    container: web
    secondary_addresses: [192.168.1.81, 192.168.1.82]
    sysctls:
      net.ipv4.conf.IFNAME.log_martians: 1

- name: Detach it
  netloom.containers.network_attachment:
    network: bridge2
    container: c1
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one line each.
  type: list
  elements: str
  returned: success
  sample: [create endpoint of c1 on network bridge2]
endpoint:
  description:
    - The endpoint in the shape of C(NetworkSettings.Networks) of C(docker inspect).
    - C(DNSNames) are the names that the network's name server knows it by.
    - Besides, C(InterfaceName) and C(HostInterface) name both ends of the link, C(SandboxKey) is a path to the
      container's namespace, C(Ports) is what C(NetworkSettings.Ports) is for Docker's own containers, and C(Pending)
      says that the container does not run. C(Routes) and C(Sysctls) are those options, a metric of 0 being the
      kernel's own; C(SecondaryIPAddresses) and C(SecondaryIPv6Addresses) are null where there are none.
  type: dict
  returned: success and O(state=present)
  sample:
    IPAddress: 192.168.1.2
    IPPrefixLen: 24
    Gateway: 192.168.1.1
    MacAddress: 02:42:c0:a8:01:02
    InterfaceName: eth0
    Ports: {80/tcp: [{HostIp: 0.0.0.0, HostPort: "8080"}]}
    Pending: false
error_code:
  description: What kind of failure it is, one word that does not change between versions.
  type: str
  returned: failure
  sample: address_in_use
"""

from ansible_collections.netloom.containers.plugins.module_utils._options.endpoint import ATTACHMENT, endpoint_spec
from ansible_collections.netloom.containers.plugins.module_utils._runner import (
    NetloomModule,
    endpoint_shape,
    finish,
    host_of,
    told,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs.endpoints import (
    endpoint_absent,
    endpoint_present,
)


def main():
    module = NetloomModule(**ATTACHMENT)
    with told(module):
        spec = endpoint_spec(module.params)
        with host_of(module) as host:
            if module.params["state"] == "absent":
                finish(module, endpoint_absent(host, spec, dry_run=module.check_mode))
            result = endpoint_present(host, spec, dry_run=module.check_mode)
            finish(module, result, endpoint=endpoint_shape(host, result.endpoint, result.network))


if __name__ == "__main__":
    main()
