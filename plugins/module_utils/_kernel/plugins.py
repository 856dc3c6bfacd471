# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and endpoints that plugins make, in whichever dialect each of them speaks.

A dialect is a file here with

- `find(driver, options)`: raises driver_not_found where there is no such plugin; `options` are the network's, as given;
- `make_network(host, network)`, `make(host, endpoint, before)`: tell the plugin, and return what it has answered as a
  dict; of an endpoint, `ipv4`, `ipv6` and `mac` are what it has been given. `before` is what was answered the last time;
- `remove_network(host, network)`, `remove(host, endpoint)`: the same for removal, of what may be half there or gone;
- `serve(host, service, before)`, `end(host, service)`: the same of what is done for an endpoint that is up, where the
  driver yields that;
- `sweep(host, endpoint)`: remove what is left of an endpoint here, without the plugin;
- `fault(host, resource)`: words for why something is not as it was made, empty if it is. Only reads;
- `greet(host, driver, way)` and `prove(host, told, ready)`, where the driver yields a `way` and what it `needs`;
- IS_UNSURE: of a call that has failed, nobody knows what came of it, unless it says so.

Each call of a plugin is one `Host.execute`. Collection-private. Floor 4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._changes import Change
from .._errors import NetloomError
from .._model import PRESENT
from .._plugins import INTERRUPTED, MISSING, PluginEndpoint, PluginNetwork, PluginService, compact
from .._resources import Link, Resource
from . import journal

_KINDS: dict[str, Any] = {
    "plugin network": PluginNetwork,
    "plugin endpoint": PluginEndpoint,
    "plugin service": PluginService,
}

_DEFINITION_MAX_BYTES = 1 << 20


def dialect(driver: str) -> Any:
    """Return the file of the dialect that a driver's plugin speaks."""
    if driver == "cni":
        from . import cni

        return cni
    if driver.startswith("netavark:"):
        from . import netavark

        return netavark
    from . import remote

    return remote


def definition(path: str) -> str:
    """Return the text of a file; of a folder (its path ends with a slash), JSON: the texts of its *.conf, by name.

    :raises NetloomError: option_invalid, a file cannot be read, or is no text of a bearable size.
    """
    if path.endswith("/"):
        names = sorted(os.listdir(path)) if os.path.isdir(path) else []
        return json.dumps([definition(path + name) for name in names if name.endswith(".conf")])
    try:
        with open(path, "rb") as file:
            data = file.read(_DEFINITION_MAX_BYTES + 1)
        if len(data) <= _DEFINITION_MAX_BYTES:
            return data.decode()
        reason = f"is larger than {_DEFINITION_MAX_BYTES >> 20} MiB"
    except OSError as exc:
        reason = exc.strerror or "cannot be read"
    except UnicodeDecodeError:
        reason = "is no text"
    raise NetloomError("option_invalid", f"{path}: {reason}")


def observe(host: Any, wanted: Sequence[Any]) -> Iterator[Resource]:
    """Yield what plugins have been told of, with what has become of it."""
    for item in wanted:
        found = journal.read(host.records, item.key)
        if isinstance(item, PluginEndpoint):
            yield from _in_the_way(host, item, found[0].get("sandbox", "") if found else "")
        if found is None:
            continue
        told, answer, state = found
        seen = _KINDS[item.key[0]](**{**told, "way": item.way}, answer=answer)
        fault = dialect(seen.driver).fault(host, seen) if state == PRESENT else INTERRUPTED
        if isinstance(seen, PluginEndpoint) and answer and state == PRESENT:
            _learn(host, seen, json.loads(answer))
        yield replace(seen, fault=fault)


def _learn(host: Any, endpoint: PluginEndpoint, answer: dict[str, Any]) -> None:
    host.learned[endpoint.network, endpoint.seat] = answer
    if "gateways" in answer:
        host.ways[endpoint.place, endpoint.ifname] = answer["gateways"]


def _in_the_way(host: Any, wanted: PluginEndpoint, made_in: str) -> Iterator[Resource]:
    """Yield the interface of a wanted name that no plugin has made: this namespace is not the one that it was made in."""
    if host.is_made(wanted.place) and made_in != host.identity(wanted.place):
        found = host.link(wanted.place, wanted.ifname)
        if found is not None:
            yield Link(wanted.place, wanted.ifname, found.kind)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Tell the plugins, one change after the other."""
    for change in changes:
        resource: Any = change.resource
        if change.after is None:
            _remove(host, change, resource)
        else:
            _make(host, change, resource)


def _make(host: Any, change: Change, resource: Any) -> None:
    """Tell a plugin of something new. What fails here is half there, and for the undoing to remove.

    What was not there before either, and comes back because something else has failed, is as it was without the plugin.
    """
    if resource.fault.startswith(MISSING):
        host.execute("write the records", journal.write, host.records, resource, resource.answer)
        return
    speaker = dialect(resource.driver)
    if isinstance(resource, PluginEndpoint):
        resource = replace(resource, sandbox=host.identity(resource.place))
    host.execute("write the records", journal.write, host.records, resource, "", journal.TOLD)
    if isinstance(resource, PluginNetwork):
        answer = speaker.make_network(host, resource)
    elif isinstance(resource, PluginService):
        answer = speaker.serve(host, resource, change.before)
    else:
        answer = speaker.make(host, resource, host.learned.pop((resource.network, resource.seat), {}))
        _learn(host, resource, answer)
    host.execute("write the records", journal.write, host.records, resource, compact(answer))


def _remove(host: Any, change: Change, resource: Any) -> None:
    """Have a plugin forget something.

    What it never had whole, and what is given up by force, is forgotten here whatever the plugin says. What it has
    refused to forget it still has; of what has failed otherwise that is not known.
    """
    speaker = dialect(resource.driver)
    host.execute("write the records", journal.write, host.records, resource, resource.answer, journal.TOLD)
    try:
        if isinstance(resource, PluginNetwork):
            speaker.remove_network(host, resource)
        elif isinstance(resource, PluginService):
            speaker.end(host, resource)
        else:
            speaker.remove(host, resource)
    except NetloomError as exc:
        if not exc.code.startswith("driver_") or not (host.gives_up or resource.fault == INTERRUPTED):
            if exc.is_refusal or not speaker.IS_UNSURE:
                host.execute("write the records", journal.write, host.records, resource, resource.answer)
            raise  # it is not the plugin's failure, or one that counts
        host.notes.append(f"cannot {change}: {exc.message}; it is forgotten here, and may be left there")
    if isinstance(resource, PluginEndpoint):
        speaker.sweep(host, resource)
    host.execute("write the records", journal.forget, host.records, resource)
