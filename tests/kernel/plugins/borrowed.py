# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker plugin on somebody else's framework, docker-plugin-api of PyPI, which has the protocol: veths on a bridge.

    borrowed.py NAME

What a request has is for the framework to say: a field that it does not know, or that is missing, is an error there.
"""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import wsgiref.simple_server
from ipaddress import ip_interface, ip_network

import flask
from docker_plugin_api import IpamDriverEntities as ipam
from docker_plugin_api import NetworkDriverEntities as driver
from docker_plugin_api import Plugin

networks: dict[str, driver.NetworkCreateEntity] = {}
endpoints: dict[str, driver.EndpointCreateEntity] = {}
pools: dict[str, set[str]] = {}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def asked(entity):
    """Return what was asked for; the framework says whether it may be."""
    return entity(**(flask.request.get_json(force=True, silent=True) or {}))


@Plugin.app.route("/NetworkDriver.GetCapabilities", methods=["POST"])
def capabilities():
    return {"Scope": "local", "ConnectivityScope": "local"}


@Plugin.app.route("/NetworkDriver.CreateNetwork", methods=["POST"])
def create_network():
    network = asked(driver.NetworkCreateEntity)
    networks[network.NetworkID] = network
    bridge = f"by{network.NetworkID[:10]}"
    ip("link", "add", bridge, "type", "bridge")
    ip("address", "add", network.IPv4[0].Gateway, "dev", bridge)
    ip("link", "set", bridge, "up")
    return {}


@Plugin.app.route("/NetworkDriver.DeleteNetwork", methods=["POST"])
def delete_network():
    network = asked(driver.NetworkDeleteEntity)
    del networks[network.NetworkID]
    ip("link", "delete", f"by{network.NetworkID[:10]}")
    return {}


@Plugin.app.route("/NetworkDriver.CreateEndpoint", methods=["POST"])
def create_endpoint():
    endpoint = asked(driver.EndpointCreateEntity)
    if endpoint.NetworkID not in networks:
        raise Plugin.InputValidationException("no such network")
    endpoints[endpoint.EndpointID] = endpoint
    return {"Interface": {}}


@Plugin.app.route("/NetworkDriver.EndpointOperInfo", methods=["POST"])
def look():
    return {"Value": {"seen": asked(driver.EndpointOperInfoEntity).EndpointID in endpoints}}


@Plugin.app.route("/NetworkDriver.DeleteEndpoint", methods=["POST"])
def delete_endpoint():
    del endpoints[asked(driver.EndpointDeleteEntity).EndpointID]
    return {}


@Plugin.app.route("/NetworkDriver.Join", methods=["POST"])
def join():
    joined = asked(driver.JoinEntity)
    outer, inner = (f"{kind}{joined.EndpointID[:8]}" for kind in ("byh", "byc"))
    ip("link", "add", outer, "type", "veth", "peer", "name", inner)
    ip("link", "set", outer, "master", f"by{joined.NetworkID[:10]}", "up")
    gateway = str(ip_interface(networks[joined.NetworkID].IPv4[0].Gateway).ip)
    return {"InterfaceName": {"SrcName": inner, "DstPrefix": "eth"}, "Gateway": gateway, "Unknown": [1]}


@Plugin.app.route("/NetworkDriver.Leave", methods=["POST"])
def leave():
    ip("link", "delete", f"byh{asked(driver.LeaveEntity).EndpointID[:8]}")
    return {}


# No ProgramExternalConnectivity: 404.


@Plugin.app.route("/IpamDriver.GetDefaultAddressSpaces", methods=["POST"])
def spaces():
    return {"LocalDefaultAddressSpace": "here", "GlobalDefaultAddressSpace": "there"}


@Plugin.app.route("/IpamDriver.RequestPool", methods=["POST"])
def request_pool():
    pool = asked(ipam.RequestPoolEntity)
    pools.setdefault(pool.Pool, set())
    return {"PoolID": pool.Pool, "Pool": pool.Pool, "Data": {}}


@Plugin.app.route("/IpamDriver.ReleasePool", methods=["POST"])
def release_pool():
    del pools[asked(ipam.ReleasePoolEntity).PoolID]
    return {}


@Plugin.app.route("/IpamDriver.RequestAddress", methods=["POST"])
def request_address():
    address = asked(ipam.RequestAddressEntity)
    subnet, used = ip_network(address.PoolID), pools[address.PoolID]
    found = address.Address or next(each for each in map(str, subnet.hosts()) if each not in used)
    used.add(found)
    return {"Address": f"{found}/{subnet.prefixlen}", "Data": {}}


@Plugin.app.route("/IpamDriver.ReleaseAddress", methods=["POST"])
def release_address():
    address = asked(ipam.ReleaseAddressEntity)
    pools[address.PoolID].remove(address.Address)
    return {}


@Plugin.app.route("/Held", methods=["POST"])
def held():
    return {"networks": len(networks), "endpoints": len(endpoints), "pools": len(pools)}


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_args) -> None:
        """Say nothing."""


class Server(socketserver.UnixStreamServer):
    """Flask's application at a unix socket, by the standard library."""

    base_environ: dict[str, str] = {"SERVER_NAME": "plugin", "SERVER_PORT": "0", "GATEWAY_INTERFACE": "CGI/1.1"}

    def get_app(self):
        return app

    def get_request(self):
        request, _address = super().get_request()
        return request, ("plugin", 0)


app = flask.Flask("borrowed")
Plugin.functions += ["NetworkDriver", "IpamDriver"]
app.register_blueprint(Plugin.app)

if __name__ == "__main__":
    os.makedirs("/run/docker/plugins", exist_ok=True)
    Server(f"/run/docker/plugins/{sys.argv[1]}.sock", Handler).serve_forever()
