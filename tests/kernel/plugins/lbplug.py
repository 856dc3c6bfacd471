# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker plugin, network driver and address management, that logs what it is told, one line of JSON for each call.

    lbplug.py NAME LOG MISCHIEF [CAPABILITIES]

listens at /run/docker/plugins/NAME.sock. MISCHIEF is a file of JSON that is read at each call: method to what is wrong with
its answer; CAPABILITIES is JSON, a role to what it answers to GetCapabilities. The recorded conversation in
fixtures/dockerd-trace.jsonl is that of a dockerd with this plugin.
"""

from __future__ import annotations

import http.server
import ipaddress
import json
import os
import socket
import socketserver
import subprocess
import sys
import time
from typing import Any

FOLDER = "/run/docker/plugins"
ROUTE = {"Destination": "10.123.0.0/16", "RouteType": 0}
NOTHING_TO_DO = (
    *("ProgramExternalConnectivity", "RevokeExternalConnectivity", "DiscoverNew", "DiscoverDelete"),
    *("AllocateNetwork", "FreeNetwork"),
)


class Refused(Exception):
    """Something that the plugin says no to, in a proper answer."""


class Plugin:
    """What it has been told of, in memory."""

    def __init__(self, capabilities: dict[str, Any]):
        self.capabilities = {"NetworkDriver": {"Scope": "local", "ConnectivityScope": "local"}, **capabilities}
        self.capabilities.setdefault("IpamDriver", {"RequiresMACAddress": False, "RequiresRequestReplay": False})
        self.pools: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, tuple[str, str]] = {}  # bridge and gateway
        self.endpoints: dict[str, Any] = {}

    def answer(self, method: str, body: Any) -> dict[str, Any]:
        role, _dot, name = method.partition(".")
        if method == "Lbplug.Held":
            return {"networks": len(self.networks), "endpoints": len(self.endpoints), "addresses": self._used()}
        if method == "Plugin.Activate":
            return {"Implements": ["NetworkDriver", "IpamDriver"]}
        if name == "GetCapabilities":
            return self.capabilities[role]
        act = getattr(self, f"{role.lower()}_{name}", None)
        if act is not None:
            return act(body) or {}
        if name in NOTHING_TO_DO:
            return {}
        raise Refused(f"unknown {method}")

    def _used(self) -> dict[str, list[str]]:
        return {name: sorted(pool["used"]) for name, pool in sorted(self.pools.items())}

    # --- addresses ---

    def ipamdriver_GetDefaultAddressSpaces(self, _body: Any) -> Any:
        return {"LocalDefaultAddressSpace": "lblocal", "GlobalDefaultAddressSpace": "lbglobal"}

    def ipamdriver_RequestPool(self, body: Any) -> Any:
        number = len(self.pools)
        subnet = body["Pool"] or (f"fd77:{number}::/64" if body["V6"] else f"10.77.{number}.0/24")
        name = f"{body['AddressSpace']}/{subnet}"
        self.pools.setdefault(name, {"used": set(), "subnet": ipaddress.ip_network(subnet)})
        return {"PoolID": name, "Pool": subnet, "Data": {}}

    def ipamdriver_ReleasePool(self, body: Any) -> None:
        self.pools.pop(body["PoolID"])

    def ipamdriver_RequestAddress(self, body: Any) -> Any:
        pool = self.pools[body["PoolID"]]
        free = (str(each) for each in pool["subnet"].hosts() if str(each) not in pool["used"])
        address = body["Address"] or next(free)
        if address in pool["used"]:
            raise Refused(f"address {address} in use")
        pool["used"].add(address)
        return {"Address": f"{address}/{pool['subnet'].prefixlen}", "Data": {}}

    def ipamdriver_ReleaseAddress(self, body: Any) -> None:
        self.pools[body["PoolID"]]["used"].remove(body["Address"])

    # --- networks ---

    def networkdriver_CreateNetwork(self, body: Any) -> None:
        bridge = f"lb{body['NetworkID'][:10]}"
        ip("link", "add", bridge, "address", "02:1b:00:00:00:01", "type", "bridge")
        ip("link", "set", bridge, "up")
        for datum in (*body["IPv4Data"], *body["IPv6Data"]):
            ip("address", "add", datum["Gateway"], "dev", bridge)
        gateways = [datum["Gateway"].split("/")[0] for datum in (*body["IPv4Data"], *body["IPv6Data"])]
        self.networks[body["NetworkID"]] = bridge, gateways[0]

    def networkdriver_DeleteNetwork(self, body: Any) -> None:
        ip("link", "delete", self.networks.pop(body["NetworkID"])[0])

    def networkdriver_CreateEndpoint(self, body: Any) -> Any:
        asked = self.endpoints[body["EndpointID"]] = body["Interface"]
        if asked["MacAddress"]:
            return {"Interface": {}}
        packed = ipaddress.ip_interface(asked["Address"] or asked["AddressIPv6"]).ip.packed[-4:]
        return {"Interface": {"MacAddress": f"02:42:{packed.hex(':')}"}}

    def networkdriver_EndpointOperInfo(self, _body: Any) -> Any:
        return {"Value": {}}

    def networkdriver_DeleteEndpoint(self, body: Any) -> None:
        self.endpoints.pop(body["EndpointID"], None)

    def networkdriver_Join(self, body: Any) -> Any:
        outer, inner = (f"{kind}{body['EndpointID'][:8]}" for kind in ("lbh", "lbc"))
        bridge, gateway = self.networks[body["NetworkID"]]
        ip("link", "add", outer, "address", "02:1b:00:00:00:02", "type", "veth", "peer", "name", inner)
        ip("link", "set", outer, "master", bridge, "up")
        routes = [{**ROUTE, "NextHop": gateway}] if gateway.startswith("10.77.1.") else []
        named = "GatewayIPv6" if ":" in gateway else "Gateway"
        return {"InterfaceName": {"SrcName": inner, "DstPrefix": "eth"}, named: gateway, "StaticRoutes": routes}

    def networkdriver_Leave(self, body: Any) -> None:
        subprocess.run(["ip", "link", "delete", f"lbh{body['EndpointID'][:8]}"], check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stderr=subprocess.PIPE)


class Handler(http.server.BaseHTTPRequestHandler):
    """Each request is one call."""

    protocol_version = "HTTP/1.1"
    plugin: Plugin
    log = mischief = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method = self.path.strip("/")
        asked = json.loads(body) if body.strip() else {}
        wrong = self._wrong().get(method, {})
        if "before" in wrong:
            self._do(wrong["before"])
        status, answer = 200, {}
        if wrong.get("instead") is None:
            try:
                answer = self.plugin.answer(method, asked)
            except Exception as exc:
                status = 200 if isinstance(exc, Refused) else 500
                answer = {"Error" if method.startswith("Ipam") else "Err": repr(exc)}
        self._note(method, asked, answer, status)
        if "after" in wrong:
            self._do(wrong["after"])
        instead = wrong.get("instead") or {}
        status = instead.get("status", status)
        data = json.dumps({**answer, **instead.get("json", {}), **wrong.get("more", {})}).encode()
        if "text" in instead:
            data = instead["text"].encode() * instead.get("times", 1)
        self._send(status, data, instead.get("slowly", 0))

    def _wrong(self) -> dict[str, Any]:
        try:
            with open(self.mischief, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def _do(self, what: Any) -> None:
        """Wait for some seconds, or be gone."""
        if what == "die":
            os._exit(1)
        if what == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            time.sleep(what)

    def _note(self, method: str, asked: Any, answer: Any, status: int) -> None:
        if method == "Lbplug.Held":
            return
        line = {"m": method, "req": asked, "hdr": dict(self.headers.items()), "res": answer, "code": status}
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def _send(self, status: int, data: bytes, slowly: float) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.2+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for number in range(len(data)) if slowly else ():
            self.wfile.write(data[number : number + 1])
            self.wfile.flush()
            time.sleep(slowly)
        if not slowly:
            self.wfile.write(data)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_args: Any) -> None:
        """Say nothing: the log is another one."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_args: Any) -> None:
        """Whoever has asked did not wait for the answer."""


def main(name: str, log: str, mischief: str, capabilities: str = "{}") -> None:
    """Serve, at a socket that is there at once."""
    Handler.plugin, Handler.log, Handler.mischief = Plugin(json.loads(capabilities)), log, mischief
    os.makedirs(FOLDER, exist_ok=True)
    path = f"{FOLDER}/{name}.sock"
    if os.path.exists(path):
        os.unlink(path)
    Server(path, Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
