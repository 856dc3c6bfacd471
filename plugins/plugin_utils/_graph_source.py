# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture is made of, read from what modules return or from a topology's options. Collection-private and pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._options.topology import TOPOLOGY, topology_spec
from ansible_collections.netloom.containers.plugins.plugin_utils._attached import listed, listed_net
from ansible_collections.netloom.containers.plugins.plugin_utils._graph import ARROW, Graph, Member, Net, Place, graph

DEFINITION = ("namespaces", "networks", "attachments")
ADDRESSES = (("IPAddress", "IPv4Address"), ("GlobalIPv6Address", "IPv6Address"))  # of endpoints, of Containers
DOCKER = "com.docker.network.bridge."
GATEWAY_MODES = ("gateway_mode_ipv4", "gateway_mode_ipv6")


def graph_of(source: Any, title: str) -> Graph:
    """Return what `source` is: a module's result, a list of networks, one network, or a topology's options.

    :raises AnsibleFilterError: it is none of them, or not valid.
    """
    if isinstance(source, Mapping) and source.get("failed"):
        raise AnsibleFilterError(f"_input: this is the result of a task that failed: {source.get('msg', 'no message')}")
    if isinstance(source, Mapping) and "results" in source:
        raise AnsibleFilterError(
            "_input: this is the result of a loop; give one of its results, or results | map(attribute='network')"
        )
    if isinstance(source, Mapping) and "Name" in source:
        return _inspected([source], (), title)
    if isinstance(source, Mapping) and isinstance(source.get("network"), Mapping) and "networks" not in source:
        return _inspected([source["network"]], source.get("endpoints") or (), title)
    if isinstance(source, Mapping) and any(key in source for key in DEFINITION):
        networks = source.get("networks") or ()
        if _is_list(networks) and any(isinstance(item, Mapping) and "Name" in item for item in networks):
            return _inspected(networks, source.get("endpoints") or (), title)
        if "changed" in source and "networks" in source and not networks:
            return _inspected((), (), title)
        return _defined(source, title)
    if _is_list(source):
        if any(isinstance(item, Mapping) and "name" in item for item in source):
            return _defined({"networks": source}, title)
        return _inspected(source, (), title)
    raise AnsibleFilterError(
        "_input: neither what network_info returns, nor a network, nor the options of network_topology"
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


# --- from Docker's shape ---


def _inspected(shapes: Sequence[Any], endpoints: Any, title: str) -> Graph:
    for index, shape in enumerate(shapes):
        if not isinstance(shape, Mapping) or not isinstance(shape.get("Name"), str):
            raise AnsibleFilterError(f"_input: networks[{index}] is not a network as network_info returns it")
    if len(shapes) > 1:  # of all networks of a host those that are there
        shapes = [shape for shape in shapes if not _is_idle(shape)]
    nets = {shape["Name"]: _net(shape) for shape in shapes}
    found: dict[tuple[str, str], list[Place]] = {}
    more = _by_endpoint(endpoints)
    for name, shape in ((shape["Name"], shape) for shape in shapes):
        for key, item in (shape.get("Containers") or {}).items():
            if not isinstance(item, Mapping) or not isinstance(item.get("Name"), str):
                raise AnsibleFilterError(f"_input: Containers of {name}: {key} is not a container")
            known = more.pop(item.get("EndpointID") or "", {})
            found.setdefault((item["Name"], _text(known, "Runtime")), []).append(_place(name, {**item, **known}))
    for item in more.values():  # those that do not run
        if item.get("Network") in nets:
            place = _place(item["Network"], item)
            found.setdefault((_text(item, "Container"), _text(item, "Runtime")), []).append(place)
    for net in nets.values():
        _add_pending(net, found)
    return graph(nets.values(), (Member(*key, tuple(places)) for key, places in found.items()), title)


def _is_idle(shape: Mapping[str, Any]) -> bool:
    """Return whether a network is predefined, and nothing of it is in the kernel."""
    if shape.get("Driver") in ("host", "null"):
        return True
    pools = (shape.get("IPAM") or {}).get("Config")
    return shape["Name"] == "bridge" and not shape.get("Containers") and not pools


def _by_endpoint(endpoints: Any) -> dict[str, Mapping[str, Any]]:
    if not _is_list(endpoints) or not all(isinstance(item, Mapping) for item in endpoints):
        raise AnsibleFilterError("_input: endpoints is not a list of endpoints as network_info returns it")
    return {_text(item, "EndpointID") or f"{index}": item for index, item in enumerate(endpoints)}


def _net(shape: Mapping[str, Any]) -> Net:
    options = {str(name): str(value) for name, value in (shape.get("Options") or {}).items()}
    pools = [pool for pool in (shape.get("IPAM") or {}).get("Config") or () if isinstance(pool, Mapping)]
    subnets = tuple((_text(pool, "Subnet"), _text(pool, "Gateway")) for pool in pools)
    others = tuple(_text(peer, "IP") for peer in shape.get("Peers") or ())
    net = _drawn(
        shape["Name"],
        _text(shape, "Driver") or "bridge",
        subnets,
        bool(shape.get("Internal")),
        options,
        tuple(str(line) for line in shape.get("Drift") or ()),
    )
    return replace(net, peers=others) if others else net  # without this host


def _drawn(
    name: str,
    driver: str,
    subnets: tuple[tuple[str, str], ...],
    internal: bool,
    options: Mapping[str, str],
    drift: tuple[str, ...] = (),
) -> Net:
    """Return a network with options by our names or by Docker's labels."""

    def option(short: str, label: str = "") -> str:
        return options.get(short) or options.get(label or DOCKER + short) or ""

    marks = ["members isolated"] if "false" in (option("icc"), option("enable_icc")) else []
    modes = [option(mode) for mode in GATEWAY_MODES]
    marks += [f"gateway {mode}" for mode in dict.fromkeys(modes) if mode not in ("", "nat")]
    mode = option("mode", f"{driver}_mode")
    marks += [f"mode {mode}"] if mode else []
    tunnel = f"VXLAN {option('vni')}" if driver == "overlay" and option("vni") else ""
    if tunnel and option("port"):
        tunnel += f", UDP {option('port')}"
    if option("control_plane"):
        tunnel += f", {option('control_plane').upper()}"
    peers = tuple(peer.strip() for peer in option("peers").split(",") if peer.strip())
    return Net(name, driver, subnets, internal, tuple(marks), option("parent"), peers, tunnel, drift)


def _place(network: str, item: Mapping[str, Any]) -> Place:
    """Return an entry of Containers, of endpoints, or both in one."""
    known = [_text(item, ours) or _text(item, docker).partition("/")[0] for ours, docker in ADDRESSES]
    digest = _text(item, "EndpointID")
    outer = _text(item, "HostInterface") or f"veth{digest[:11]}" if digest else ""
    return Place(
        network,
        _text(item, "InterfaceName"),
        tuple(filter(None, known)),
        tuple(_published(item.get("Ports") or {})),
        bool(item.get("Pending")),
        frozenset(filter(None, (outer, _text(item, "MacAddress")))),
    )


def _published(ports: Any) -> Iterable[str]:
    """Yield ports as they are shown, those at all addresses without one, as from where it is reached to where it goes."""
    for inner, places in ports.items() if isinstance(ports, Mapping) else ():
        inner = str(inner).replace("/tcp", "")
        seen = set()
        for place in places or ():
            address = _text(place, "HostIp")
            shown = f"[{address}]" if ":" in address else address
            prefix = "" if address in ("", "0.0.0.0", "::") else f"{shown}:"
            text = f"{prefix}{_text(place, 'HostPort')} {ARROW} {inner}"
            if text not in seen:
                seen.add(text)
                yield text


def _add_pending(net: Net, found: dict[tuple[str, str], list[Place]]) -> None:
    """Add the containers of which only a line of Drift says that they are on a network, and do not run."""
    on_it = {name for (name, _runtime), places in found.items() if any(place.network == net.name for place in places)}
    ending = f" on network {net.name} is pending: its container does not run"
    for line in net.drift:
        if line.startswith("endpoint of ") and line.endswith(ending):
            name = line[len("endpoint of ") : -len(ending)]
            if name not in on_it:
                same = [key for key in found if key[0] == name]
                found.setdefault(same[0] if same else (name, ""), []).append(Place(net.name, pending=True))


def _text(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, Mapping) else None
    return "" if value is None else str(value)


# --- from a topology's options ---


def _defined(options: Mapping[str, Any], title: str) -> Graph:
    known = {key: options[key] for key in options if key in TOPOLOGY["argument_spec"]}  # type: ignore[operator]
    result = ArgumentSpecValidator(TOPOLOGY["argument_spec"]).validate({"name": "picture", **known})  # type: ignore[arg-type]
    if result.error_messages:
        raise AnsibleFilterError(f"_input: {'; '.join(result.error_messages)}")
    try:
        spec = topology_spec(result.validated_parameters)
    except NetloomError as exc:
        raise AnsibleFilterError(f"_input: {exc.message}") from exc
    nets: dict[str, Net] = {}
    for network in (item for item in spec.networks if not item.absent):
        net = listed_net(network)
        gateways = {str(pool.subnet): str(pool.gateway or "") for pool in network.spec.pools or () if pool.subnet}
        subnets = tuple((subnet, gateways[subnet]) for subnet in net.subnets)
        nets[net.name] = _drawn(net.name, net.driver, subnets, net.internal, dict(network.spec.options or ()))
    found: dict[tuple[str, str], list[Place]] = {}
    for item in listed(spec):
        nets.setdefault(item.network, Net(item.network, ""))  # made by another task
        addresses = tuple(filter(None, (item.ipv4_address, item.ipv6_address)))
        ports = tuple(_asked(port) for port in item.published_ports)
        key = (item.container, "" if item.runtime == "auto" else item.runtime)
        found.setdefault(key, []).append(Place(item.network, item.interface_name, addresses, ports))
    for namespace in (item for item in spec.namespaces if not item.absent):
        found.setdefault((namespace.name, "netns"), [])
    return graph(nets.values(), (Member(*key, tuple(places)) for key, places in found.items()), title)


def _asked(port: str) -> str:
    """Return a port in Docker's syntax as from where it is reached to where it goes."""
    outer, _colon, inner = port.rpartition(":")
    inner = inner.replace("/tcp", "")
    return f"{outer} {ARROW} {inner}" if outer else f"any {ARROW} {inner}"
