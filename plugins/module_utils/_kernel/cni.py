# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNI plugins: executables that make a container's interface one after the other (CNI 0.3.0 to 1.1).

What libcni keeps in its cache is in our records. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from .. import _cni, _cni_results
from .._errors import NetloomError
from .._plugins import ELSEWHERE, INTERRUPTED, PluginEndpoint, PluginNetwork, compact
from . import cni_calls, cni_checks, journal, netlink
from .cni_calls import Attachment, Way

IS_UNSURE = False
_STALE = "CNI attachment"  # the kind of what was given up, and plugins may still have
_MOVING = frozenset(("host-device", "sriov"))  # they move an interface of the host's, which is nobody's to remove


def find(driver: str, options: Mapping[str, str]) -> None:
    """Every host has the dialect; which plugins it has is seen when a list names them."""


def prove(host: Any, told: dict[str, Any], *, ready: bool) -> None:
    """See that every plugin of a list is there and speaks its version; and `ready`, that it can take containers now.

    :raises NetloomError: driver_not_found, driver_error, driver_timeout.
    """
    conflist, way = told["conflist"], Way(told["cni_path"], told["timeout"])
    for kind in _cni.types(conflist):
        asked = ("VERSION", kind, conflist["cniVersion"], way.path)
        if asked not in host.asked:
            host.look(f"ask CNI plugin {kind} for its versions", cni_calls.speaks, kind, conflist["cniVersion"], way)
            host.asked.add(asked)
    if not ready or not _cni.since(conflist, _cni.COLLECTED) or ("STATUS", compact(conflist)) in host.asked:
        return
    for plugin in conflist["plugins"]:
        config = _cni.told(conflist, plugin)
        try:
            host.look(f"ask CNI plugin {plugin['type']}", cni_calls.call, "STATUS", config, Attachment(), way)
        except NetloomError as exc:
            raise NetloomError(exc.code, f"network {conflist['name']} is not ready: {exc.message}") from None
    host.asked.add(("STATUS", compact(conflist)))


def make_network(host: Any, network: PluginNetwork) -> dict[str, Any]:
    """Have plugins forget what nobody has any more: CNI knows containers alone, and what is new has none."""
    _collect(host, network)
    return {}


def remove_network(host: Any, network: PluginNetwork) -> None:
    """Have plugins forget what they still have of it."""
    _collect(host, network)


def _collect(host: Any, network: PluginNetwork) -> None:
    """DEL what is known to be left of containers that are gone; GC what may be besides. Neither fails a task."""
    told = json.loads(network.request)
    conflist = told["conflist"]
    valid = [
        _attachment_of(one)
        for one in journal.all_told(host.records, "plugin endpoint", "cni")
        if json.loads(one["request"])["conflist"]["name"] == conflist["name"]
    ]
    for key, stale in journal.apart(host.records, _STALE, network.network):
        if key in host.asked:
            continue  # it was given up a moment ago
        if _attachment_of(stale) not in valid:
            failures = _delete(host, PluginEndpoint(**stale), None, "")
            host.notes += [f"{exc.message}; what {stale['seat']} had there is forgotten here" for exc in failures]
        host.execute("write the records", journal.forget_key, host.records, key)
    if not told["gc"] or conflist.get("disableGC") or not _cni.since(conflist, _cni.COLLECTED):
        return
    way = Way(told["cni_path"], told["timeout"])
    for plugin in conflist["plugins"]:
        config = {**_cni.told(conflist, plugin), "cni.dev/valid-attachments": valid}
        failure = _tried(
            host, f"have CNI plugin {plugin['type']} forget what nobody has", "GC", config, Attachment(), way
        )
        host.notes += [failure.message] if failure else []


def _attachment_of(told: dict[str, Any]) -> dict[str, str]:
    return {"containerID": json.loads(told["request"])["containerID"], "ifname": told["ifname"]}


def make(host: Any, endpoint: PluginEndpoint, before: dict[str, Any]) -> dict[str, Any]:
    """ADD: each plugin of the list in turn, with what the one before it has answered.

    The addresses that the container had are asked for again; somebody else may have them by now.
    """
    request = json.loads(endpoint.request)
    for key, told in journal.apart(host.records, _STALE, endpoint.network):
        if (told["seat"], told["ifname"]) == (endpoint.seat, endpoint.ifname):
            _delete(host, PluginEndpoint(**told), None, "")
            host.execute("write the records", journal.forget_key, host.records, key)
    known = json.loads(endpoint.answer or "{}")  # of one that comes back because something else has failed
    ips = [ip for ip in (known.get("ipv4"), known.get("ipv6")) if ip]
    former = {"ips": ips, "mac": known["mac"]} if ips else json.loads(endpoint.former or "{}")
    try:
        return _add(host, endpoint, request, former)
    except NetloomError as exc:
        if not former or "ips" in request["runtimeConfig"] or exc.code != "driver_error":
            raise
        host.notes.append(f"{endpoint.title}: it does not get {', '.join(former['ips'])} again: {exc.message}")
    _delete(host, endpoint, None, cni_checks.netns(host, endpoint.place))
    return _add(host, endpoint, request, {})


def _add(host: Any, endpoint: PluginEndpoint, request: dict[str, Any], former: dict[str, Any]) -> dict[str, Any]:
    conflist, netns = request["conflist"], cni_checks.netns(host, endpoint.place)
    way, attachment = cni_checks.way(host, endpoint.network), cni_checks.attachment(endpoint, netns)
    result = None
    for index, plugin in enumerate(conflist["plugins"]):
        if index:
            # What is made so far can be removed by those who know what it is.
            answer = compact({"result": result})
            host.execute("write the records", journal.write, host.records, endpoint, answer, journal.TOLD)
        config = _cni.told(conflist, plugin, request["runtimeConfig"], result, former)
        what = f"{endpoint.ifname} by CNI plugin {plugin['type']}"
        forget = partial(_tried, host, f"remove {what}", "DEL", config, attachment, way)
        result = host.execute(f"add {what}", cni_calls.call, "ADD", config, attachment, way, clear=forget)
    name = conflist["plugins"][-1]["type"]
    try:
        found = _cni_results.answer(result or {}, endpoint.ifname, netns)
        wrong = cni_checks.missing(host, endpoint.place, found) or _cni_results.ungranted(
            found, [ip for ip in request["runtimeConfig"].get("ips", []) if isinstance(ip, str)]
        )
    except NetloomError as exc:
        wrong, found = exc.message, {}
    if wrong:
        raise NetloomError("driver_error", f"CNI plugin {name}: ADD: what it answered is not so: {wrong}")
    found["former"] = former
    return {**found, "unchecked": _unchecked(host, endpoint, found, way)}


def _unchecked(host: Any, endpoint: PluginEndpoint, answer: dict[str, Any], way: Way) -> list[str]:
    """Return the plugins that find fault with what was made this moment: they are not asked again.

    Of the plugins that many hosts have, portmap 1.1.1 does without IPv6, and sbr always.
    """
    found = []
    for kind, words in cni_checks.checks(host, endpoint, answer, way):
        note = f"CNI plugin {kind} finds fault with what it has just made, and is not asked again: {words}"
        if ("CHECK", kind) not in host.asked:
            host.asked.add(("CHECK", kind))
            host.notes.append(note)
        found.append(kind)
    host.asked.add(("CHECK", endpoint.key))
    return found


def remove(host: Any, endpoint: PluginEndpoint) -> None:
    """DEL, from the last plugin of the list to the first; the container's namespace may have gone.

    :raises NetloomError: plugins have failed, each of them called all the same. Not where it is not as it was made: some
        of them fail at what is half there.
    """
    answer = json.loads(endpoint.answer or "{}")
    netns = cni_checks.netns(host, endpoint.place) if cni_checks.is_there(host, endpoint) else ""
    failures = _delete(host, endpoint, answer.get("result"), netns)
    if not failures:
        return
    words = "; ".join(failure.message for failure in failures)
    if host.gives_up:
        key = (_STALE, *endpoint.key[1:], endpoint.ifname)
        host.execute("write the records", journal.put_apart, host.records, endpoint, key)
        host.asked.add(json.dumps(key))
    elif endpoint.fault not in ("", INTERRUPTED) and all(failure.code == "driver_error" for failure in failures):
        host.notes.append(words)
        return
    raise NetloomError(failures[0].code, words)


def _delete(host: Any, endpoint: PluginEndpoint, result: Any, netns: str) -> list[NetloomError]:
    """DEL, and return the failures."""
    request = json.loads(endpoint.request)
    conflist, way = request["conflist"], cni_checks.way(host, endpoint.network)
    previous = result if _cni.since(conflist, _cni.CHECKED) else None
    failures = []
    for plugin in reversed(conflist["plugins"]):
        config = _cni.told(conflist, plugin, request["runtimeConfig"], previous)
        what = f"remove {endpoint.ifname} by CNI plugin {plugin['type']}"
        attachment = cni_checks.attachment(endpoint, netns)
        failures.append(_tried(host, what, "DEL", config, attachment, way))
        ipam = _cni.ipam_type(plugin)
        if ipam and not netns:
            # Some plugins, host-device among them, do not have their addresses given back for a container that is gone.
            _tried(host, what, "DEL", config, attachment, way, ipam)
    return [failure for failure in failures if failure is not None]


def _tried(host: Any, what: str, *call: Any) -> NetloomError | None:
    """Call a plugin, and return its failure."""
    try:
        host.execute(what, cni_calls.call, *call)
    except NetloomError as exc:
        if not exc.code.startswith("driver_"):
            raise
        return exc
    return None


def sweep(host: Any, endpoint: PluginEndpoint) -> None:
    """Remove the interface that plugins have left in the container: the one that they made, in the namespace it was in."""
    if not cni_checks.is_there(host, endpoint):
        return
    wire = host.netlink(endpoint.place)
    found = netlink.link(wire, endpoint.ifname)
    answer = json.loads(endpoint.answer or "{}")
    kinds = _cni.types(json.loads(endpoint.request)["conflist"])
    if found is None or not found.kind or not _MOVING.isdisjoint(kinds):
        return
    if answer.get("mac") in (None, "", found.mac) and endpoint.ifname in answer.get("interfaces", [endpoint.ifname]):
        from . import messages

        message = messages.delete_link(found.ifindex)
        host.execute(f"remove {endpoint.ifname}", host.gone, wire.change, message)


def fault(host: Any, resource: Any) -> str:
    """Return why something is not as it was made: by its interfaces and addresses, and by CHECK."""
    if isinstance(resource, PluginNetwork) or not host.is_open(resource.place):
        return ""
    if not host.is_made(resource.place) or not cni_checks.is_there(host, resource):
        return ELSEWHERE
    answer = json.loads(resource.answer or "{}")
    wrong = cni_checks.missing(host, resource.place, answer)
    if wrong or ("CHECK", resource.key) in host.asked:
        return wrong
    found = cni_checks.checks(host, resource, answer, cni_checks.way(host, resource.network))
    return next((words for kind, words in found if kind not in answer.get("unchecked", ())), "")
