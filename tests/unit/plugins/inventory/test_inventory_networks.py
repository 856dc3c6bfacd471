# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys

import pytest
import yaml
from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments import constructed
from ansible_collections.netloom.containers.plugins.inventory import networks

TOPOLOGY = """
namespaces: [{name: web}, {name: gone, state: absent}]
networks:
  - name: back-end
    subnet: 10.61.0.0/24
    gateway: 10.61.0.9
    labels: {tier: "{{ data }}"}
    connected: [web, {container: /srv/ns/db, ipv4_address: 10.61.0.7}]
  - {name: empty}
  - {name: old, state: absent, connected: [web]}
attachments:
  - {network: front, container: web, ipv4_address: 10.60.0.7, gw_priority: 1, published_ports: ["80"]}
  - {network: front, container: shop, runtime: docker}
  - {network: front, container: late, state: absent}
  - {network: old, container: web}
"""


@pytest.fixture(scope="module", autouse=True)
def defined():
    """Have Ansible know the options of the plugin, as it does when it finds the plugin itself."""
    options = yaml.safe_load(networks.DOCUMENTATION)["options"]
    options.update(yaml.safe_load(constructed.ModuleDocFragment.DOCUMENTATION)["options"])
    C.config.initialize_plugin_configuration_definitions("inventory", networks.InventoryModule.NAME, options)


@pytest.fixture
def read(tmp_path):
    """Return a function that returns the inventory that a file makes, with the topology file shop.yml beside it."""

    def call(text="topology: shop.yml", topology=TOPOLOGY):
        (tmp_path / "shop.yml").write_text(topology)
        path = tmp_path / "x.netloom.yml"
        path.write_text(f"plugin: netloom.containers.networks\n{text}\n")
        plugin = networks.InventoryModule()
        plugin._load_name = plugin.NAME
        plugin._redirected_names = [plugin.NAME]
        inventory = InventoryData()
        plugin.parse(inventory, DataLoader(), str(path))
        inventory.reconcile_inventory()
        return inventory

    return call


def groups(inventory):
    found = {name: [host.name for host in group.hosts] for name, group in inventory.groups.items()}
    return {name: hosts for name, hosts in found.items() if name not in ("all", "ungrouped")}


def test_containers_of_a_topology_are_grouped_by_network(read):
    assert groups(read()) == {"back_end": ["srv-ns-db", "web"], "empty": [], "front": ["shop", "web"]}


def test_hosts_can_be_reached_at_once(read):
    hosts = read().hosts
    keys = ("ansible_connection", "ansible_netns_container", "ansible_netns_runtime")
    assert {host.vars["ansible_python_interpreter"] for host in hosts.values()} == {sys.executable}
    assert {name: tuple(host.vars[key] for key in keys) for name, host in hosts.items()} == {
        "shop": ("netloom.containers.netns", "shop", "docker"),
        "srv-ns-db": ("netloom.containers.netns", "/srv/ns/db", "path"),
        "web": ("netloom.containers.netns", "web", "netns"),
    }


def test_hosts_come_in_the_order_of_their_names(read):
    assert list(read().hosts) == ["shop", "srv-ns-db", "web"]


def test_addresses_are_those_of_the_file(read):
    assert {name: host.vars.get("ansible_host") for name, host in read().hosts.items()} == {
        "shop": None,
        "srv-ns-db": "10.61.0.7",
        "web": "10.60.0.7",
    }


def test_by_address_only_the_address_is_set(read):
    found = read("topology: shop.yml\nconnection: address").hosts["web"].vars
    assert [name for name in found if name.startswith("ansible_")] == ["ansible_host"]


def test_what_the_file_says_of_a_container_is_known(read):
    found = read().hosts["web"].vars
    assert [(item["network"], item["published_ports"]) for item in found["netloom_endpoints"]] == [
        ("front", ["80/tcp"]),
        ("back-end", []),
    ]
    assert found["netloom_networks"]["back-end"]["gateways"] == ["10.61.0.9"]
    assert found["netloom_networks"]["back-end"]["labels"] == {"tier": "{{ data }}"}
    assert found["netloom_pending"] is None


def test_groups_and_variables_can_be_composed(read):
    text = """
topology: shop.yml
group_prefix: net-
compose: {subnets: netloom_networks.values() | map(attribute='subnets') | flatten}
groups: {published: netloom_endpoints | map(attribute='published_ports') | flatten | length > 0}
keyed_groups: [{key: netloom_runtime, prefix: runtime}]
"""
    inventory = read(text)
    assert groups(inventory) == {
        "net_back_end": ["srv-ns-db", "web"],
        "net_empty": [],
        "net_front": ["shop", "web"],
        "published": ["web"],
        "runtime_docker": ["shop"],
        "runtime_netns": ["web"],
        "runtime_path": ["srv-ns-db"],
    }
    assert inventory.hosts["web"].vars["subnets"] == ["10.61.0.0/24"]


def test_a_wrong_expression_is_an_error_where_it_shall_be(read):
    text = "topology: shop.yml\ncompose: {x: never.there}\nstrict: "
    assert "x" not in read(f"{text} false").hosts["web"].vars
    with pytest.raises(AnsibleError, match="Could not set x for host"):
        read(f"{text} true")


@pytest.mark.parametrize(
    ("text", "topology", "says"),
    [
        ("topologie: shop.yml", "", "topologie: is not an option (did you mean topology?)"),
        ("connection: ssh", "", "ssh"),
        ("state_dir: lib", "", "state_dir: 'lib' is not an absolute path"),
        ("topology: never.yml", "", "topology: /"),
        ("topology: shop.yml", "[]", "is not a mapping of options of network_topology"),
        ("topology: shop.yml", "net: []", "net. Supported parameters include"),
        ("topology: shop.yml", "networks: [{name: a, subnet: 10.0.0.1/24}]", "networks[0].subnet: '10.0.0.1/24'"),
        ("topology: shop.yml", "attachments: [{network: a}]", "missing required arguments: container"),
        (
            "topology: shop.yml",
            "attachments: [{network: a, container: b, ipv4_address: x}]",
            "attachments[0].ipv4_address: 'x'",
        ),
        ("topology: shop.yml", "networks: [{name: a, connected: [{containr: b}]}]", "'containr' is not an option"),
        ("topology: shop.yml", "networks: [", "shop.yml"),
    ],
)
def test_what_is_wrong_is_named(read, text, topology, says):
    with pytest.raises(AnsibleParserError) as caught:
        read(text, topology)
    assert "x.netloom.yml" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "ours"), [("netloom.yml", True), ("a.netloom.yaml", True), ("netloom.ini", False), ("hosts.yml", False)]
)
def test_files_are_known_by_their_names(tmp_path, name, ours):
    (tmp_path / name).write_text("")
    assert networks.InventoryModule().verify_file(str(tmp_path / name)) is ours


def test_no_file_is_not_ours(tmp_path):
    assert not networks.InventoryModule().verify_file(str(tmp_path / "netloom.yml"))
