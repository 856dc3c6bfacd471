# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a throw-away host: drives the engine's verbs one after the other, and prints what came of them as JSON.

Each argument is network=NAME, dual=NAME (with IPv6, too), overlay=NAME/JSON (subnets: list of subnet and range; options; ipam: options of etcd),
plugin=NAME/DRIVER/JSON (options),
members=NETWORK/CONTAINER,..., attach=NETWORK/CONTAINER, publish=NETWORK/CONTAINER/PORTS, detach=NETWORK/CONTAINER or
absent=NAME; each answer has changes, warnings, endpoint, members (container to runtime), gateways, pending and drift.
"""

from __future__ import annotations

import json
import sys
from ipaddress import ip_network

import look  # makes the collection importable
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from ansible_collections.netloom.containers.plugins.module_utils._model import EndpointSpec, NetworkSpec, PoolSpec
from ansible_collections.netloom.containers.plugins.module_utils._names import pairs
from ansible_collections.netloom.containers.plugins.module_utils._ports import port_specs
from ansible_collections.netloom.containers.plugins.module_utils._verbs import endpoints, inspection, networks

STATE_DIR = "/var/lib/netloom"


def overlay(name, subnets, options, ipam=None):
    pools = tuple(PoolSpec(ip_network(subnet), ip_range=ip_network(part)) for subnet, part in subnets)
    shared = {"ipam_driver": "etcd", "ipam_options": pairs(ipam, "ipam_driver_options")} if ipam else {}
    return NetworkSpec(name, driver="overlay", options=pairs(options, "driver_options"), pools=pools or None, **shared)


def drive(verb, subject):
    network, _slash, container = subject.partition("/")
    with Host(STATE_DIR, 30) as host:
        if verb == "network":
            result = networks.network_present(host, NetworkSpec(network))
        elif verb == "dual":
            result = networks.network_present(host, NetworkSpec(network, enable_ipv6=True))
        elif verb == "plugin":
            kind, _slash, options = container.partition("/")
            spec = NetworkSpec(network, driver=kind, options=pairs(json.loads(options), "driver_options"))
            result = networks.network_present(host, spec)
        elif verb == "overlay":
            result = networks.network_present(host, overlay(network, **json.loads(container)))
        elif verb == "members":
            members = [EndpointSpec(network, name) for name in container.split(",")]
            result = networks.network_present(host, NetworkSpec(network), members)
        elif verb == "absent":
            result = networks.network_absent(host, network)
        elif verb == "publish":
            container, _slash, ports = container.partition("/")
            spec = EndpointSpec(network, container, ports=port_specs([ports]))
            result = endpoints.endpoint_present(host, spec)
        elif verb == "attach":
            result = endpoints.endpoint_present(host, EndpointSpec(network, container))
        else:
            result = endpoints.endpoint_absent(host, EndpointSpec(network, container))
        endpoint = result.endpoint
        return {
            "changes": [str(change) for change in result.outcome.changes],
            "warnings": list(result.outcome.warnings),
            "endpoint": endpoint
            and {
                "ipv4": str(endpoint.ipv4),
                "mac": endpoint.mac,
                "ifname": endpoint.ifname,
                "runtime": endpoint.runtime,
            },
            "members": {member.container: member.runtime for member in result.members},
            "gateways": [str(pool.gateway) for pool in result.network.pools] if result.network else [],
            "pending": bool(endpoint) and not host.is_open(endpoint.place),
            "drift": [
                line for shape in inspection.inspect(host, [network], {}, verify=True) for line in shape["Drift"]
            ],
        }


def main():
    print(json.dumps([drive(*argument.split("=", 1)) for argument in sys.argv[1:]]))


if __name__ == "__main__":
    assert look
    main()
