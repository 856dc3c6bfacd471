# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From specs to drafts: what a task asks of an endpoint is resolved against the records and the runtimes.

The host comes in as an argument. Collection-private. Floor 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import _endpoints
from ._draft import Draft, Slot, same_sandbox
from ._drivers.registry import driver
from ._errors import NetloomError
from ._model import IPAM_DRIVERS, Endpoint, EndpointSpec, Network, Sandbox, seat_of

_ENGINES = ("docker", "podman")
_IPV6_IS_OFF = "net/ipv6/conf/all/disable_ipv6"
_NOT_THERE = ("netns_not_found", "netns_invalid", "netns_is_host", "missing_dependency")


def recorded_network(draft: Draft, name: str) -> Network | None:
    """Return a network that is in the draft or recorded, which makes it part of the draft as it is."""
    if name not in draft.networks:
        entry = draft.network_entry(name)
        if entry is not None:
            draft.put_network(entry.value)
    return draft.networks.get(name)


def draft_endpoint(draft: Draft, host: Any, network: Network, spec: EndpointSpec, *, topology: str = "") -> Endpoint:
    """Decide what becomes of a container's endpoint on `network`, which is in the draft.

    A new one belongs to `topology`.

    :raises NetloomError: there is no such container, or it cannot have what is asked for.
    """
    found = host.find(spec.container, spec.runtime)
    members = endpoints_of(draft, host, spec, found)
    recorded = _meant(members, spec)
    if found is None and recorded is None:
        raise host.not_found(spec.container, spec.runtime)
    place = recorded.place if recorded else f"{found.runtime}:{found.name}"
    sandbox = _opened(host, spec, place, found, recorded)
    apart = recorded.apart if recorded else _apart(members, place, spec)
    slot = (network.name, seat_of(place, apart))
    known = driver(network.driver)
    if known.on_parent:
        from ._draft_parents import check_member

        check_member(draft, host, network, slot[1], spec.mac)
    if network.shares_addresses:
        from ._draft_claims import share

        share(draft, host, network)
    off = network.enable_ipv6 and sandbox is not None and _has_no_ipv6(draft, host, place)
    full = spec
    if network.ipam_driver not in IPAM_DRIVERS:
        from ._draft_pools import settled, with_addresses

        full = with_addresses(host, network, spec, recorded, slot[1], ipv6=not off)
    endpoint = _endpoints.endpoint(
        full,
        network,
        recorded,
        (found.runtime, found.name) if found else ("", ""),
        sandbox or (recorded.sandbox if recorded else None),
        draft.leases(network.name),
        _ifnames(draft, host, slot, place, spec, sandbox, recorded),
        topology,
        ipv6=not off,
        apart=apart,
    )
    if network.ipam_driver not in IPAM_DRIVERS:
        endpoint = settled(draft, network, spec, recorded, endpoint)
    if off:
        draft.warnings.append(
            f"container: {endpoint.container} has IPv6 switched off (net.ipv6.conf.all.disable_ipv6);"
            f" its endpoint on network {network.name} has IPv4 only"
        )
    if spec.sysctls:
        from ._draft_settings import refuse_unknown

        refuse_unknown(host, place, spec.sysctls)
    if spec.routes:
        from ._routes import check_others

        check_others(spec.routes, endpoint, draft.at(place))
    if spec.ports is not None or endpoint.ports:
        from ._draft_ports import with_ports  # few endpoints have any

        endpoint = with_ports(draft, host, network, endpoint, spec)
    known.check_endpoint(network, endpoint)
    if known.plugin:
        from ._draft_plugins import prove

        prove(host, network, ready=recorded is None)
    draft.put(endpoint)
    return endpoint


def _opened(host: Any, spec: EndpointSpec, place: str, found: Any, recorded: Endpoint | None) -> Sandbox | None:
    """Return the sandbox of a container, None if it does not run.

    :raises NetloomError: netns_invalid, a process has the number of the one that was attached.
    """
    if found is None or (found.path is None and recorded is not None):
        return None
    sandbox = host.open(place, found)
    if recorded and recorded.runtime == "pid" and not same_sandbox(recorded.sandbox, sandbox):
        raise NetloomError(
            "netns_invalid",
            f"container: process {spec.container} is another one than the one that was attached;"
            " state=absent frees what that one had",
        )
    return sandbox


def _ifnames(
    draft: Draft,
    host: Any,
    slot: Slot,
    place: str,
    spec: EndpointSpec,
    sandbox: Sandbox | None,
    recorded: Endpoint | None,
) -> set[str]:
    """Return the names that interfaces of others have in a sandbox, as far as it matters for an endpoint."""
    if sandbox is None or not (recorded is None or spec.ifname or spec.driver_opts):
        return set()
    found = set(host.interfaces(place)).difference(draft.freed_ifnames(place))
    found |= {other.ifname for other in draft.at(place) if (other.network, other.seat) != slot}
    if recorded and recorded.sandbox and recorded.sandbox.cookie == sandbox.cookie:
        found.discard(recorded.ifname)
    return found


def _has_no_ipv6(draft: Draft, host: Any, place: str) -> bool:
    """Return whether a container has been told to have no IPv6. Docker and podman tell that all of theirs by default."""
    runtime, _colon, name = place.partition(":")
    told = dict(draft.settings.get(name, ())).get(_IPV6_IS_OFF) if runtime == "netns" else None
    if told is not None:
        return told != "0"
    return runtime not in _ENGINES and host.ipv6_is_off(place)


def slot_of(draft: Draft, host: Any, spec: EndpointSpec) -> Slot:
    """Return the slot that an endpoint has or, if it has none yet, will have."""
    found = host.find(spec.container, spec.runtime)
    members = endpoints_of(draft, host, spec, found)
    recorded = _meant(members, spec)
    if recorded is not None:
        return spec.network, recorded.seat
    if found is None:
        raise host.not_found(spec.container, spec.runtime)
    place = members[0].place if members else f"{found.runtime}:{found.name}"
    return spec.network, seat_of(place, _apart(members, place, spec))


def endpoints_of(draft: Draft, host: Any, spec: EndpointSpec, found: Any) -> list[Endpoint]:
    """Return a container's endpoints on a network, however the container is called in their records."""
    if found is None:
        called = [
            member
            for member in draft.members(spec.network).values()
            if spec.runtime in ("auto", member.runtime) and spec.container in _names_of(member)
        ]
        return [member for member in called if member.place == called[0].place]
    place = f"{found.runtime}:{found.name}"
    members = draft.endpoints_at(spec.network, place)
    if members or found.path is None:
        return members
    return draft.endpoints_in(spec.network, host.open(place, found))


def drop_endpoints(draft: Draft, host: Any, spec: EndpointSpec) -> list[Endpoint]:
    """Have a container's endpoints on a network be removed, or the one that is meant, and return them."""
    members = endpoints_of(draft, host, spec, host.find(spec.container, spec.runtime))
    ifname = _asked_ifname(spec)
    meant = [member for member in members if ifname in ("", member.ifname)]
    for member in meant:
        drop_member(draft, host, member)
    return meant


def _meant(members: list[Endpoint], spec: EndpointSpec) -> Endpoint | None:
    """Return the one of a container's endpoints on a network that a task is about, None for a further one.

    Their interfaces' names tell them apart. One whose name we have chosen is the one that a new name is for.

    :raises NetloomError: option_invalid, each has a name that was given, and none is asked for.
    """
    ifname = _asked_ifname(spec)
    unnamed = [member for member in members if "ifname" not in member.static]
    if ifname:
        exact = [member for member in members if member.ifname == ifname]
        return next(iter((*exact, *unnamed)), None)
    if len(members) > 1 and not unnamed:
        names = ", ".join(member.ifname for member in members)
        raise NetloomError(
            "option_invalid",
            f"interface_name: {spec.container} has {len(members)} interfaces on network {spec.network}, {names};"
            " say which one",
        )
    return next(iter((*unnamed, *members)), None)


def _apart(members: list[Endpoint], place: str, spec: EndpointSpec) -> str:
    """Return what tells a new endpoint from the others of its container on the network."""
    return _asked_ifname(spec) if any(member.seat == place for member in members) else ""


def _asked_ifname(spec: EndpointSpec) -> str:
    options = dict(spec.driver_opts or ())
    return spec.ifname or options.get("ifname") or options.get("com.docker.network.endpoint.ifname") or ""


def open_member(host: Any, member: Endpoint) -> Sandbox | None:
    """Return the sandbox of an endpoint, open, if its container is there now."""
    if member.is_lent:
        return None  # Docker's to enter
    if host.is_open(member.place):
        return host.sandbox(member.place)
    try:
        found = host.find(member.container, member.runtime)
        if found is None or found.path is None:
            return None
        sandbox = host.open(member.place, found)
    except NetloomError as exc:
        if exc.code in _NOT_THERE:
            return None  # it is not there now
        raise
    if member.runtime == "pid" and not same_sandbox(member.sandbox, sandbox):
        host.shut(member.place)  # the number means another process by now
        return None
    return sandbox


def drop_member(draft: Draft, host: Any, member: Endpoint) -> None:
    """Have an endpoint be removed, from its sandbox as well where that is there."""
    entry = draft.network_entry(member.network)
    if entry and any(version.ipam_driver not in IPAM_DRIVERS for version in entry.all):
        host.give_back(member.network)
    open_member(host, member)
    draft.drop((member.network, member.seat))


def _names_of(member: Endpoint) -> Iterable[str]:
    yield member.container
    if member.sandbox:
        yield member.sandbox.key
        yield member.sandbox.container_id
        yield member.sandbox.container_id[:12]
