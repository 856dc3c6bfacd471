# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between Ansible and the engine: the module object, the host it works on, and the result.

The only place that fails or exits a module. Collection-private. Floor 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._drivers.options import labelled
from ._drivers.registry import driver
from ._errors import NetloomError
from ._kernel import privileges
from ._kernel.host import Host
from ._model import Endpoint, Network
from ._options.common import lock_timeout, secrets, state_dir

_INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python")


class NetloomModule(AnsibleModule):
    """A module all of whose failures carry an error_code, those of Ansible's own checks included."""

    def _log_invocation(self) -> None:
        # The first moment at which the options are known; nothing is told or logged before.
        self.no_log_values.update(secrets(self.params))
        super()._log_invocation()

    def fail_json(self, msg: str, **kwargs: Any) -> None:  # type: ignore[override]
        unknown = msg.startswith("Unsupported parameters")
        kwargs.setdefault("error_code", "option_unknown" if unknown else "option_invalid")
        super().fail_json(msg, **kwargs)


@contextmanager
def told(module: AnsibleModule) -> Iterator[None]:
    """Run the block, and fail the module with whatever error the engine raises in it."""
    try:
        yield
        return
    except NetloomError as exc:
        error = exc
    # Out of the except block: the user gets the message, not how we came by it.
    if error.code == "missing_dependency":
        _respawn(error)
    module.fail_json(msg=error.message, error_code=error.code, **error.details)


@contextmanager
def host_of(module: AnsibleModule, *, reading: bool = False) -> Iterator[Host]:
    """Yield the host of a task: locked, unless it only reads, as every task in check mode does.

    :raises NetloomError: permission_denied, state_locked, option_invalid.
    """
    privileges.require("run the task as root (become: true)")
    timeout = lock_timeout(module.params)
    with Host(state_dir(module.params), None if reading or module.check_mode else timeout) as host:
        yield host


def finish(module: AnsibleModule, result: Any, **returned: Any) -> None:
    """Exit the module with what changed, what to know, and what it returns besides."""
    for warning in result.outcome.warnings:
        module.warn(warning)
    changes = result.outcome.changes
    answer: dict[str, Any] = {"changed": bool(changes), "changes": [str(change) for change in changes], **returned}
    if module._diff:
        from ._diff import difference  # few tasks are asked for it

        answer["diff"] = difference(changes)
    module.exit_json(**answer)


def topology_shapes(host: Host, result: Any) -> dict[str, Any]:
    """Return what network_topology returns besides: its networks and endpoints, and how long what took."""
    shapes = []
    for endpoint, network in result.endpoints:
        shape = endpoint_shape(host, endpoint, network)
        shapes.append({"Network": network.name, "Container": endpoint.container, **shape})
    live = {member.place for network, members in result.networks for member in members if host.is_live(member)}
    return {
        "networks": [network_shape(network, members, live) for network, members in result.networks],
        "endpoints": shapes,
        "stages": [
            {"stage": name, "seconds": round(stage.seconds, 4), "count": stage.things}
            for name, stage in host.stages.items()
        ],
    }


def network_shape(network: Network, members: Iterable[Endpoint], live: Iterable[str]) -> dict[str, Any]:
    """Return a network in the shape of `docker network inspect`."""
    from . import _inspect

    known = driver(network.driver)
    labels = labelled(network.options, known.options)
    return _inspect.network(known.as_seen(network), labels, members, frozenset(live), assigned=known.assigns)


def endpoint_shape(host: Host, endpoint: Endpoint, network: Network) -> dict[str, Any]:
    """Return an endpoint in the shape of Docker's endpoint settings."""
    from . import _endpoints, _inspect_endpoint

    known = driver(network.driver)
    labels = labelled(endpoint.driver_opts, known.endpoint_options)
    places = _endpoints.bound(network, endpoint)
    shape = _inspect_endpoint.endpoint(endpoint, known.as_seen(network), labels, places, live=host.is_live(endpoint))
    if known.assigns and (endpoint.network, endpoint.seat) not in host.learned:
        shape.update(_inspect_endpoint.unassigned(endpoint))
    return shape


def _respawn(exc: NetloomError) -> None:
    """Run the module again under the distribution's Python, if that has the library that is missing here."""
    from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

    library = getattr(exc.__cause__, "name", None)
    if library and not has_respawned():
        interpreter = probe_interpreters_for_module(_INTERPRETERS, library)
        if interpreter:
            respawn_module(interpreter)
