#!/usr/bin/python
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_network
short_description: Manage container networks without a daemon
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Makes, changes, repairs and removes networks for containers, as C(docker network create) and C(docker network rm)
    do, on any Linux host and without a daemon.
  - A network is a Linux bridge with address management, masquerading and isolation from other networks, or the wire of
    one of the host's interfaces (drivers V(macvlan) and V(ipvlan)). With the driver V(overlay), it is one bridge on each of
    several hosts, which VXLAN makes one network.
  - Changes are made in place wherever the kernel can do that. Members keep running and keep their addresses.
  - A run finds what was changed behind its back, and repairs exactly that. Members whose container runs are plugged
    in again.
  - An option that is omitted keeps what is there. A dictionary or list that is given replaces what is there as a
    whole, so an empty one removes.
options:
  name:
    description:
      - Name of the network. Upper and lower case make different names.
      - C(host), C(none) and C(default) are reserved. V(bridge) is predefined; it is made when it is first used, and
        cannot be removed.
    type: str
    required: true
    aliases: [network_name]
  state:
    description:
      - V(present) makes the network what the options say.
      - V(absent) removes it. A network with members, or one that Docker uses (C(docker network create -d netloom)), is only
        removed with O(force=true).
    type: str
    choices: [present, absent]
    default: present
  driver:
    description:
      - Driver of the network, V(bridge) for a new one unless set; also V(macvlan), V(ipvlan) and V(overlay).
      - V(overlay) makes a network on several hosts. Each host is given the same name, subnet, C(vni) and list of
        C(peers), and a part of the subnet of its own (O(ip_range)); there is no controller that would do that. It takes
        the options of V(bridge) but C(inhibit_ipv4), and those that are said to be for it.
      - "V(netavark:bridge), V(netavark:macvlan) and V(netavark:ipvlan) are podman's netavark, V(netavark:NAME) is its plugin
        of that name: a program on the host that makes the interfaces, with addresses out of O(ipam_config)."
      - V(cni) has CNI plugins make the interfaces and choose the addresses, by a network configuration list.
      - Or the name of a Docker plugin, a network driver in C(/run/docker/plugins), C(/etc/docker/plugins) or
        C(/usr/lib/docker/plugins). It is told what dockerd would tell it; the interface that it makes is moved to the
        container and configured here. What it gets wrong is a C(driver_error).
      - A different driver than the network has is a change that needs O(force=true).
    type: str
  driver_options:
    description:
      - Options of the driver, by the short names below or by Docker's labels. Unless it says so, an option is one of
        driver V(bridge).
      - "C(bridge_name) (C(com.docker.network.bridge.name)): name of the bridge, C(br-) and 12 digits of the network's
        id unless set."
      - "C(mtu) (C(com.docker.network.driver.mtu)): largest packet, in bytes; that of the interface with the default
        route unless set."
      - "C(icc) (C(com.docker.network.bridge.enable_icc)): whether members can talk to each other, true unless set."
      - "C(ip_masquerade) (C(com.docker.network.bridge.enable_ip_masquerade)): whether members reach the outside under
        the host's address, true unless set. What the outside reaches is up to the gateway mode."
      - "C(gateway_mode_ipv4), C(gateway_mode_ipv6) (C(com.docker.network.bridge.gateway_mode_ipv4) and so on):
        V(nat) unless set: members leave under the host's address, and are reached at their published ports, through the
        host; V(nat-unprotected): the same, and whoever has a route reaches members at any port; V(routed): members keep
        their addresses, and are reached at them, at published ports and by ping; V(isolated), only with
        O(internal=true): the host itself has no address on the network."
      - "C(host_binding_ipv4) (C(com.docker.network.bridge.host_binding_ipv4)): address of the host at which ports are
        published that name none; all addresses unless set."
      - "C(host_ipv4), C(host_ipv6) (C(com.docker.network.host_ipv4) and so on): address of the host under which members
        leave; that of the way out unless set."
      - "C(inhibit_ipv4) (C(com.docker.network.bridge.inhibit_ipv4)): whether the bridge has no IPv4 address, false
        unless set."
      - "C(interface_prefix) (C(com.docker.network.container_iface_prefix)), of every driver: what names of interfaces in
        containers begin with, C(eth) unless set."
      - "C(parent), of drivers V(macvlan) and V(ipvlan): the host's interface that members are on; required. C(eth0.10)
        makes the 802.1Q interface where it is missing, until the last network on it goes. Another one with members on it
        needs O(force=true). Networks with one parent may overlap, and no address is given twice."
      - "C(mode) of driver V(macvlan) (C(macvlan_mode)): V(bridge) unless set, V(private), V(vepa) or V(passthru); of driver
        V(ipvlan) (C(ipvlan_mode)): V(l2) unless set, V(l3) or V(l3s)."
      - "C(flag), of driver V(ipvlan) (C(ipvlan_flag)): V(bridge) unless set, V(private) or V(vepa)."
      - "C(host_shim), of driver V(macvlan): whether the host has an interface on the network, with an address out of the
        pool, so that it and the members reach each other; false unless set."
      - "C(mtu), of drivers V(macvlan) and V(ipvlan): that of the parent unless set."
      - "C(conflist), of driver V(cni): a network configuration list of CNI; a dict, JSON, or the absolute path of a file
        on the host. Required. Another one with members on the network needs O(force=true)."
      - "C(cni_path), of driver V(cni): folders that the plugins are in, with colons between;
        C(/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni) unless set."
      - "C(gc), of driver V(cni): whether plugins of CNI 1.1 are told to forget containers that are not in the records
        when the network is made, changed or removed; true unless set, false for a list in a file."
      - "C(plugin_timeout) (C(netloom.plugin_timeout)), of plugins: how many seconds one call of one may take, 30 unless
        set. Of a Docker plugin, all options but this, the next one and C(interface_prefix) are for the plugin."
      - "C(plugin_insecure) (C(netloom.plugin_insecure)), of a Docker plugin: whether it may be reached over TCP without
        TLS; false unless set."
      - "C(vni), driver V(overlay) only, which requires it: number of the network on the wire, from 1 to 16777215. Two
        networks of a host have different ones, or different ports, or different IP versions underneath."
      - "C(peers), driver V(overlay) only: list of the addresses of the hosts that the network is on, all of one IP
        version. The same list does for all hosts: an address of the host itself is where its packets come from. Packets
        of the network that come from elsewhere are dropped. Empty unless set."
      - "C(parent), driver V(overlay) only: interface of the host that packets to other hosts leave by. Unless set, the
        routes decide."
      - "C(port), driver V(overlay) only: UDP port that the hosts send to, 4789 unless set."
      - "C(mtu) of the driver V(overlay): that of the interface that packets leave by, less 50 (over IPv4) or 70 (over
        IPv6), unless set. More is refused. Where the interface takes less by now, there is a warning."
      - "C(learning), driver V(overlay) only: whether a host learns from what arrives which host a member is on, and
        sends copies of broadcasts and of what it has not learned to all peers. True unless set."
      - "C(endpoints), driver V(overlay) with C(learning) false only: list of the members of other hosts, each as
        C(ADDRESS@PEER) or C(ADDRESS=MAC@PEER). An IPv6 address needs a MAC address; that of an IPv4 address is the one
        that members have here, unless given. The host answers for them, and nothing is sent anywhere else."
      - "C(control_plane), driver V(overlay) only: who tells a host which members are on which other host. V(none), unless
        set, is C(learning) or C(endpoints). V(evpn) is a routing daemon of the host that speaks BGP EVPN (RFC 8365),
        such as FRR: it is told of the members here, and fills the VXLAN device's table. C(peers) are then those that are
        heard. The role P(netloom.containers.overlay_evpn#role) sets up both."
      - "C(plugin_dirs), C(plugin_timeout), of drivers V(netavark:NAME): list of folders in which the program is looked for,
        those of podman unless set; and seconds that each call of it may take, from 1 to 600, 30 unless set."
      - "C(network_interface), of drivers V(netavark:NAME): the network's interface on the host; of V(netavark:bridge) the
        bridge's name, C(nv-) and 12 digits of the network's id unless set. C(parent) of V(netavark:macvlan) and
        V(netavark:ipvlan) is the same."
      - "C(firewall_driver), of driver V(netavark:bridge): V(iptables), V(nftables), V(firewalld) or V(none); netavark chooses
        unless set. All other options are handed on to netavark or its plugin, as text."
    type: dict
  enable_ipv4:
    description: Whether members get IPv4 addresses. True for a new network unless set.
    type: bool
  enable_ipv6:
    description:
      - Whether members get IPv6 addresses. Follows from the subnets unless set.
      - V(true) without an IPv6 subnet in O(ipam_config) takes a unique local one (RFC 4193), the same each time for a
        network of this name on this host, and another one on every other host.
      - An uplink of the host over which a router advertises the default route goes on listening to it
        (C(accept_ra=2)), while the host forwards IPv6.
      - A container that has IPv6 switched off for all its interfaces gets IPv4 alone, with a warning.
      - A network without IPv6 has none at all on its interfaces.
    type: bool
  internal:
    description:
      - Whether the network is cut off. Members reach each other and the network's gateway address, and nothing else;
        nothing outside reaches them.
      - False for a new network unless set.
    type: bool
  labels:
    description: Labels of the network. Only kept in the records.
    type: dict
  ipam_driver:
    description:
      - Address management of the network, V(default) for a new network unless set.
      - "V(default): this host hands the addresses out, the lowest first."
      - "V(etcd): all hosts that have a network of this name hand them out, and none is given twice. Each address is a key
        in etcd that only its first asker gets; a host begins where a hash of the container leads. The hosts agree on
        O(ipam_config): the first one says it, the others may omit it."
      - Or the name of a Docker plugin, an IPAM driver, which then hands out subnets and addresses. In check mode it is not
        asked, and what it would choose is null.
      - A network becomes shared, and is no longer, with its members in place.
      - With V(etcd), the counters in RV(network) are those of this host.
    type: str
  ipam_driver_options:
    description:
      - Options of the address management. V(default) has none; these are of V(etcd). Those of a Docker plugin are for it,
        but for C(plugin_timeout) and C(plugin_insecure), which are as in O(driver_options).
      - "C(endpoints): list of the URLs of the servers, such as C(https://192.0.2.1:2379). Required. Whichever answers is
        asked."
      - "C(ca_cert): path on the host of the certificates that the servers' are signed with; the host's own unless set."
      - "C(cert), C(key): paths on the host of the certificate that the host shows, and its key. With a user name it has no
        CommonName, which etcd refuses."
      - "C(username), C(password): a user of etcd. The password is in the records of the host, readable for root, and in no
        output."
      - "C(prefix): what all keys begin with, C(/netloom) unless set."
      - "C(timeout): how many seconds etcd has for an answer, all servers together, 10 unless set. Then the task fails with
        C(driver_timeout)."
      - "C(node): name of this host among the others, its host name unless set. No two hosts have the same."
    type: dict
  ipam_config:
    description:
      - Subnets of the network, in any order. For one subnet, O(subnet), O(ip_range) and O(gateway) say the same.
      - Without an IPv4 subnet, the first free one of Docker's default address pools is taken.
      - An entry keeps what it omits of the subnet that the network has already.
      - A subnet that overlaps another network, or an address or route of the host, is refused.
    type: list
    elements: dict
    suboptions:
      subnet:
        description: Subnet in CIDR notation, without host bits.
        type: str
      iprange:
        description: Part of the subnet that addresses are handed out of, in CIDR notation. The whole subnet unless set.
        type: str
        aliases: [ip_range]
      gateway:
        description: Address of the host in the subnet. The first free one unless set.
        type: str
      aux_addresses:
        description: Addresses that are never handed out, by a name for each.
        type: dict
  subnet:
    description: Subnet of the network, in CIDR notation.
    type: str
  ip_range:
    description: Part of the subnet that addresses are handed out of, in CIDR notation.
    type: str
  gateway:
    description: Address of the host in the subnet.
    type: str
  dns:
    description:
      - Whether members find each other by name and by alias. The network then has a C(dnsmasq) of its own, which answers
        its members at the gateway address as long as there are any.
      - True for a new network of driver V(bridge) or V(overlay) unless set, where C(dnsmasq) is installed and the host has
        an address on the network; else false, with a warning if C(dnsmasq) is what lacks.
      - V(true) is refused on the predefined network V(bridge), where members have no names, and without an address of
        the host (gateway mode V(isolated), C(inhibit_ipv4)).
      - Named namespaces have it looked up for them. What other containers need for that is told in C(docs/names.md) of this collection.
    type: bool
  dns_servers:
    description:
      - Addresses of the servers that are asked about all names but those of members, in the order in which they are to
        be tried. An empty list asks nobody. V(host) alone asks those in C(/etc/resolv.conf) of the host, as a new
        network does unless this is set.
      - An internal network asks nobody, so none can be given.
    type: list
    elements: str
  connected:
    description:
      - Containers that are attached to the network, by name, or as dictionaries with the options of
        M(netloom.containers.network_attachment).
      - The list is exact, others are detached, unless O(appends=true). Members are left alone unless this is set.
      - A container can be listed several times, each time with another C(interface_name).
      - A container that does not exist is an error.
    type: list
    elements: raw
    aliases: [containers]
  appends:
    description: Whether members that O(connected) does not list stay.
    type: bool
    default: false
    aliases: [incremental]
  force:
    description:
      - Allows a change that cannot be made in place, such as a different driver, bridge name, or a subnet with
        members in it. The network is rebuilt, and members come back with their MAC addresses, interface names and,
        where a subnet still holds them, addresses.
      - With O(state=absent), detaches the members first.
      - Causes nothing by itself.
    type: bool
    default: false
extends_documentation_fragment:
  - netloom.containers._attributes
  - netloom.containers._attributes.actiongroup_network
  - netloom.containers._state
seealso:
  - module: netloom.containers.network_attachment
  - module: netloom.containers.network_info
"""

EXAMPLES = r"""
- name: A network with a subnet of its own
  netloom.containers.container_network:
    name: bridge2
    subnet: 192.168.1.0/24

- name: Members on the LAN of many hosts, none of which gives an address that another has given
  netloom.containers.container_network:
    name: floor
    driver: macvlan
    driver_options:
      parent: eth1
    subnet: 10.20.0.0/16
    ipam_driver: etcd
    ipam_driver_options:
      endpoints: [https://192.0.2.1:2379, https://192.0.2.2:2379, https://192.0.2.3:2379]
      ca_cert: /etc/etcd/ca.pem
      username: netloom
      password: "{{ vault_etcd_password }}"

- name: Interfaces by one Docker plugin, addresses by another
  netloom.containers.container_network:
    name: app
    driver: weave
    driver_options:
      plugin_timeout: 10
    ipam_driver: pyipam

- name: Members on the LAN of the host, and the host reaches them
  netloom.containers.container_network:
    name: lan
    driver: macvlan
    driver_options:
      parent: eth0.10
      host_shim: true
    ipam_config:
      - subnet: 192.0.2.0/24
        gateway: 192.0.2.1
        iprange: 192.0.2.64/27

- name: Members by CNI plugins, which choose the addresses and publish ports
  netloom.containers.container_network:
    name: web
    driver: cni
    driver_options:
      conflist:
        cniVersion: 1.0.0
        plugins:
          - type: bridge
            bridge: cni-web
            isGateway: true
            ipMasq: true
            ipam:
              type: host-local
              ranges: [[{subnet: 10.88.0.0/24}]]
              routes: [{dst: 0.0.0.0/0}]
          - type: portmap
            capabilities: {portMappings: true}

- name: Addresses from a part of it, two reserved, and a smaller MTU
  netloom.containers.container_network:
    name: app
    ipam_config:
      - subnet: 10.50.0.0/24
        iprange: 10.50.0.128/25
        gateway: 10.50.0.254
        aux_addresses:
          printer: 10.50.0.130
    driver_options:
      mtu: 1400
    labels:
      tier: application

- name: Two IP versions, the second with a subnet of our choice, members reachable at their own addresses there
  netloom.containers.container_network:
    name: dual
    subnet: 10.51.0.0/24
    enable_ipv6: true
    driver_options:
      gateway_mode_ipv6: routed

- name: A network on three hosts, each with a part of its addresses, by a number in the inventory
  netloom.containers.container_network:
    name: cluster
    driver: overlay
    subnet: 10.60.0.0/16
    ip_range: "10.60.{{ host_number }}.0/24"
    driver_options:
      vni: 4242
      peers: "{{ groups['cluster'] | map('extract', hostvars, 'ansible_host') }}"

- name: Names of other hosts are looked up by two servers of our own
  netloom.containers.container_network:
    name: app
    dns_servers:
      - 198.51.100.5
      - 2001:db8::5

- name: A network without a way out, with exactly these members
  netloom.containers.container_network:
    name: data
    internal: true
    connected:
      - db1
      - container: db2
        ipv4_address: 172.18.0.20

- name: The network is gone, its members are detached
  netloom.containers.container_network:
    name: app
    state: absent
    force: true
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one line each.
  type: list
  elements: str
  returned: success
  sample: [create network bridge2, create bridge br-1c1a3bd4fa3e]
network:
  description: The network in the shape of C(docker network inspect). What is not known yet in check mode is null.
  type: dict
  returned: success and O(state=present)
  sample:
    Name: bridge2
    Driver: bridge
    IPAM: {Driver: default, Options: {}, Config: [{Subnet: 192.168.1.0/24, Gateway: 192.168.1.1}]}
    Containers: {}
error_code:
  description: What kind of failure it is, one word that does not change between versions.
  type: str
  returned: failure
  sample: subnet_overlap
differences:
  description: What cannot be changed in place, one line each.
  type: list
  elements: str
  returned: failure with C(network_exists_different)
"""

from ansible_collections.netloom.containers.plugins.module_utils._options.network import (
    NETWORK,
    connected,
    network_spec,
    network_to_remove,
)
from ansible_collections.netloom.containers.plugins.module_utils._runner import (
    NetloomModule,
    finish,
    host_of,
    network_shape,
    told,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs.networks import network_absent, network_present


def main():
    module = NetloomModule(**NETWORK)
    params, dry_run = module.params, module.check_mode
    with told(module):
        if params["state"] == "absent":
            name = network_to_remove(params)
            with host_of(module) as host:
                finish(module, network_absent(host, name, force=params["force"], dry_run=dry_run))
        spec, members = network_spec(params), connected(params)
        with host_of(module) as host:
            result = network_present(host, spec, members, appends=params["appends"], dry_run=dry_run)
            finish(module, result, network=network_shape(result.network, result.members, result.live))


if __name__ == "__main__":
    main()
