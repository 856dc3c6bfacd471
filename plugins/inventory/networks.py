# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: networks
short_description: Containers on networks as hosts of the inventory
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - The containers that are attached to networks of the controller become hosts, in one group for each network.
  - They are read from the records that M(netloom.containers.container_network) and the other modules keep, or from a
    file with the options of M(netloom.containers.network_topology).
  - A host is called as its container; one that is a path without its slashes, C(/srv/ns/web) as C(srv-ns-web). Where
    containers of several runtimes have one name, the first keeps it in the order netns, pid, path, docker, podman,
    machine, and the others are called C(NAME@RUNTIME).
  - "Of every host there are the variables C(netloom_container), C(netloom_runtime), C(netloom_container_id),
    C(netloom_pending), C(netloom_endpoints) and C(netloom_networks). C(netloom_endpoints) is a list, in the order in which
    endpoints give the default route, of C(network), C(interface_name), C(mac_address), C(ipv4_address), C(ipv6_address),
    C(secondary_addresses), C(aliases), C(published_ports), C(gw_priority) and C(pending). C(netloom_networks) has by
    network its C(driver), C(subnets), C(gateways), C(internal) and C(labels). What is not known is null."
  - A network's group has its name, with an underscore for every character that Ansible has not in names of groups. A
    network without containers is an empty group. Containers that are pending, that is, do not run, are in the group
    C(pending) besides.
  - The file that the inventory is configured with is called C(netloom.yml) or C(netloom.yaml), or ends with that.
options:
  plugin:
    description: Has to be V(netloom.containers.networks).
    type: str
    required: true
    choices: [netloom.containers.networks]
  state_dir:
    description:
      - Directory with the records, which only root can read. None are no containers.
      - Reading takes no lock and changes nothing.
    type: str
    default: /var/lib/netloom
  topology:
    description:
      - File to read instead of the records, relative to the inventory's file. Its keys are the options of
        M(netloom.containers.network_topology), of which C(name) may be missing. It has no templates.
      - Addresses and whatever else the file does not give are not known. It does not tell either which containers run,
        so that none is pending.
    type: str
  connection:
    description:
      - How tasks reach the hosts.
      - V(netns) has them run on the controller in the container's network namespace, with
        P(netloom.containers.netns#connection), and so works for every container. The Python that runs Ansible runs them,
        as for C(localhost), unless O(compose) gives another C(ansible_python_interpreter).
      - V(address) sets nothing but C(ansible_host), so that tasks reach hosts by their addresses, over SSH unless told
        otherwise.
    type: str
    choices: [netns, address]
    default: netns
  address_families:
    description: Which address becomes C(ansible_host), the first that there is.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  address_networks:
    description:
      - Networks whose address is preferred for C(ansible_host), the best one first.
      - Unless set, it is that of the endpoint with the highest C(gw_priority), and of several that of the first network
        by name.
    type: list
    elements: str
    default: []
  group_prefix:
    description: What the names of the groups begin with, that of V(pending) included.
    type: str
    default: ""
extends_documentation_fragment:
  - ansible.builtin.constructed
notes:
  - The records of another host cannot be read. For these use M(netloom.containers.network_info) there, and
    M(ansible.builtin.add_host), as docs/inventory.md shows.
seealso:
  - plugin: netloom.containers.netns
    plugin_type: connection
"""

EXAMPLES = r"""
# Everything that is attached on this machine is one line, in a file called netloom.yml:
#   plugin: netloom.containers.networks
# and then
#   ansible -i netloom.yml all -m ping

# What a topology file lists, reached over SSH; groups by a label and by being published.
plugin: netloom.containers.networks
topology: shop.yml
connection: address
address_networks: [management]
keyed_groups:
  - key: netloom_networks.values() | map(attribute='labels.tier', default='') | select | list
    prefix: tier
groups:
  published: netloom_endpoints | map(attribute='published_ports') | flatten | length > 0
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from ansible_collections.netloom.containers.plugins.module_utils._names import nearest
from ansible_collections.netloom.containers.plugins.module_utils._options.common import state_dir
from ansible_collections.netloom.containers.plugins.module_utils._options.topology import TOPOLOGY, topology_spec
from ansible_collections.netloom.containers.plugins.plugin_utils._attached import (
    Attachment,
    Net,
    connection_variables,
    listed,
    listed_net,
    members,
    recorded,
    recorded_net,
)


class InventoryModule(BaseInventoryPlugin, Constructable):
    """Containers on networks, from the records or from a topology file."""

    NAME = "netloom.containers.networks"

    def verify_file(self, path: str) -> bool:
        """Return whether a file is ours by its name."""
        return super().verify_file(path) and path.endswith(("netloom.yml", "netloom.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Put the containers into the inventory.

        :raises AnsibleParserError: the file, the records or the topology cannot be used.
        """
        super().parse(inventory, loader, path, cache)
        try:
            config = self._read_config_data(path)
        except AnsibleParserError:
            raise
        except AnsibleError as exc:  # a value that is not one of an option's
            raise AnsibleParserError(f"{path}: {exc}") from exc
        for key in config:
            if key not in self._options:
                raise AnsibleParserError(f"{path}: {key}: is not an option{nearest(str(key), self._options)}")
        try:
            topology = self.get_option("topology")
            networks, attachments = self._from_file(path, topology) if topology else self._from_records()
        except NetloomError as exc:
            raise AnsibleParserError(f"{path}: {exc.message}") from exc
        self._add(networks, attachments)

    def _from_records(self) -> tuple[list[Net], list[Attachment]]:
        folder = state_dir({"state_dir": self.get_option("state_dir")})
        if os.geteuid() != 0:
            raise NetloomError("permission_denied", f"state_dir: only root can read {folder}; run Ansible as root")
        with Host(folder) as host, host.records.snapshot():
            networks = [entry.value for entry in host.records.networks()]
            endpoints = [entry.value for network in networks for entry in host.records.endpoints(network.name)]
            attachments = [
                recorded(endpoint, live=host.lives(endpoint.sandbox)) for endpoint in endpoints if not endpoint.is_lent
            ]
        return [recorded_net(network) for network in networks], attachments

    def _from_file(self, path: str, topology: str) -> tuple[list[Net], list[Attachment]]:
        file = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(topology))
        try:
            text = self.loader.load_from_file(file, cache="none")
        except AnsibleError as exc:
            raise NetloomError("option_invalid", f"topology: {file}: {exc.message}") from exc
        if not isinstance(text, Mapping):
            raise NetloomError("option_invalid", f"topology: {file} is not a mapping of options of network_topology")
        result = ArgumentSpecValidator(TOPOLOGY["argument_spec"]).validate({"name": "inventory", **text})
        if result.error_messages:
            raise NetloomError("option_invalid", f"topology: {file}: {'; '.join(result.error_messages)}")
        try:
            spec = topology_spec(result.validated_parameters)
        except NetloomError as exc:
            raise NetloomError(exc.code, f"topology: {file}: {exc.message}") from exc
        return [listed_net(item) for item in spec.networks if not item.absent], listed(spec)

    def _add(self, networks: Iterable[Net], attachments: Iterable[Attachment]) -> None:
        """Add hosts, groups and variables, always in one order."""
        known = {network.name: network for network in networks}
        strict, prefix = self.get_option("strict"), self.get_option("group_prefix")
        families, preferred = self.get_option("address_families"), self.get_option("address_networks")
        for name in sorted(known):
            self.inventory.add_group(self._sanitize_group_name(prefix + name))
        for member in sorted(members(attachments), key=lambda member: member.name):
            variables = member.variables(known, families, preferred)
            if self.get_option("connection") == "netns":
                variables.update(connection_variables(member), ansible_python_interpreter=sys.executable)
            variables = wrap_var(variables)  # a label is text, whatever is in it
            self.inventory.add_host(member.name)
            groups = sorted({item.network for item in member.attachments}) + ["pending"] * member.pending
            for name in groups:
                group = self.inventory.add_group(self._sanitize_group_name(prefix + name))
                self.inventory.add_child(group, member.name)
            for name, value in variables.items():
                self.inventory.set_variable(member.name, name, value)
            self._set_composite_vars(self.get_option("compose"), variables, member.name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, member.name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, member.name, strict=strict)
