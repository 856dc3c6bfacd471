# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that containers are given: what may be asked for, and what fits an endpoint.

Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._errors import NetloomError
from ._model import Endpoint, StaticRoute
from ._names import address

OPTION = "routes"
TYPES = ("unicast", "blackhole", "unreachable", "prohibit")
METRIC_MAX = 0xFFFFFFFF
_IP6_RT_PRIO_USER = 1024  # linux/ipv6_route.h: the metric that a route of IPv6 has which is given none
_CIDR = re.compile(r"[^/%]+(?:/[0-9]{1,3})?")  # neither a netmask nor a zone


def static_routes(items: Iterable[Mapping[str, Any]], option: str = OPTION) -> tuple[StaticRoute, ...]:
    """Return what a list of routes asks for, in its order; each has destination, gateway, metric and type.

    :raises NetloomError: option_invalid.
    """
    found: list[StaticRoute] = []
    for index, item in enumerate(items):
        route = _route(item, f"{option}[{index}]")
        for earlier, other in enumerate(found):
            if (route.destination, route.metric) == (other.destination, other.metric):
                raise _refused(
                    f"{option}[{index}].destination",
                    f"{route.destination} with metric {route.metric} is {option}[{earlier}] already;"
                    " of the same destination and metric there is one route",
                )
        found.append(route)
    return tuple(found)


def check(routes: Sequence[StaticRoute], endpoint: Endpoint, option: str = OPTION) -> None:
    """See that an endpoint can have these routes.

    :raises NetloomError: option_invalid, a gateway is not a neighbour of it.
    """
    for index, route in enumerate(routes):
        if not route.gateway:
            continue
        gateway = ipaddress.ip_address(route.gateway)
        where = f"{option}[{index}].gateway"
        subnets = dict.fromkeys(interface.network for interface in endpoint.addresses)
        if any(gateway == interface.ip for interface in endpoint.addresses):
            raise _refused(where, f"{gateway} is the container's own address; a gateway is a neighbour")
        if not reaches(route, endpoint):
            raise _refused(
                where,
                f"{gateway} is in no subnet that {endpoint.container} has an address in on network {endpoint.network}"
                f" ({', '.join(map(str, subnets))}); a gateway is a neighbour",
            )


def check_others(
    routes: Sequence[StaticRoute], endpoint: Endpoint, others: Iterable[Endpoint], option: str = OPTION
) -> None:
    """See that none of these routes is one of another endpoint in the same sandbox.

    :raises NetloomError: option_invalid.
    """
    taken = {
        (route.destination, route.metric): other.network
        for other in others
        if (other.network, other.seat) != (endpoint.network, endpoint.seat)
        for route in other.routes
        if not route.is_default
    }
    for index, route in enumerate(routes):
        network = taken.get((route.destination, route.metric))
        if network is not None:
            raise _refused(
                f"{option}[{index}].destination",
                f"{endpoint.container} has {route.destination} with metric {route.metric} on network {network} already;"
                " of the same destination and metric there is one route",
            )


def reaches(route: StaticRoute, endpoint: Endpoint) -> bool:
    """Return whether the gateway of a route, if it has one, is in a subnet of the endpoint's."""
    return not route.gateway or any(
        ipaddress.ip_address(route.gateway) in interface.network for interface in endpoint.addresses
    )


def in_order(routes: Iterable[StaticRoute]) -> tuple[StaticRoute, ...]:
    """Return routes in the order in which they are kept: a list of them means a set."""

    def place(route: StaticRoute) -> tuple[int, int, int, int]:
        subnet = ipaddress.ip_network(route.destination)
        return subnet.version, int(subnet.network_address), subnet.prefixlen, route.metric

    return tuple(sorted(routes, key=place))


def _route(item: Mapping[str, Any], option: str) -> StaticRoute:
    kind, metric = item["type"], item["metric"]
    gateway = None
    if item["gateway"] is not None:
        gateway = address(item["gateway"], f"{option}.gateway", "option_invalid")
    if kind == "unicast" and gateway is None:
        raise _refused(f"{option}.gateway", "is required; a route of type unicast leads to one")
    if kind != "unicast" and gateway is not None:
        raise _refused(f"{option}.gateway", f"{gateway} is given; a route of type {kind} leads nowhere and has none")
    subnet = _destination(item["destination"], f"{option}.destination", gateway)
    if gateway is not None and gateway.version != subnet.version:
        raise _refused(
            f"{option}.gateway",
            f"{gateway} is an IPv{gateway.version} address; that of {subnet} is one of IPv{subnet.version}",
        )
    if metric is not None and (isinstance(metric, bool) or not 0 <= metric <= METRIC_MAX):
        raise _refused(f"{option}.metric", f"{metric} is not a whole number from 0 to {METRIC_MAX}")
    if subnet.version == 6 and metric == _IP6_RT_PRIO_USER:
        metric = 0
    return StaticRoute(str(subnet), "" if gateway is None else str(gateway), metric or 0, kind)


def _destination(text: str, option: str, gateway: Any) -> Any:
    if text == "default":
        if gateway is None:
            raise _refused(option, "'default' is of either IP version; without a gateway it is 0.0.0.0/0 or ::/0")
        return ipaddress.ip_network("::/0" if gateway.version == 6 else "0.0.0.0/0")
    if not _CIDR.fullmatch(text or ""):
        raise _refused(option, f"{text!a} is neither ADDRESS/PREFIX-LENGTH nor an address nor 'default'")
    parse = ipaddress.IPv6Interface if ":" in text else ipaddress.IPv4Interface  # they say why
    try:
        found = parse(text)
    except ValueError as exc:
        raise _refused(option, f"{text!a}: {exc}") from exc
    if found.ip != found.network.network_address:
        raise _refused(option, f"{text!a} has host bits set; it should be {found.network}")
    return found.network


def _refused(option: str, reason: str) -> NetloomError:
    return NetloomError("option_invalid", f"{option}: {reason}")
