# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's verbs as tests call them: on this process's own machine, whole, failing, killed or many at once."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pyroute2  # here, once, before the tests' processes fork
import rig
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._kernel import seam
from ansible_collections.netloom.containers.plugins.module_utils._kernel.host import Host
from ansible_collections.netloom.containers.plugins.module_utils._model import EndpointSpec, NetworkSpec, PoolSpec
from ansible_collections.netloom.containers.plugins.module_utils._settings import namespace_settings
from ansible_collections.netloom.containers.plugins.module_utils._verbs import (
    endpoints,
    inspection,
    namespaces,
    networks,
)
from ansible_collections.netloom.containers.plugins.module_utils._verbs import topology as _topology
from ansible_collections.netloom.containers.plugins.module_utils._verbs.topology_spec import (
    EndpointItem,
    NamespaceItem,
    NetworkItem,
    TopologySpec,
)

LOCK_TIMEOUT_SECONDS = 60
Verb = Callable[..., Any]  # of a host and the keyword dry_run


# --- what is asked for ---


def pool(subnet: str, gateway: str | None = None, ip_range: str | None = None) -> PoolSpec:
    return PoolSpec(
        ip_network(subnet),
        gateway=ip_address(gateway) if gateway else None,
        ip_range=ip_network(ip_range) if ip_range else None,
    )


def present(name: str, *subnets: str | PoolSpec, connected: Iterable[str] | None = None, **options: Any) -> Verb:
    """Return the verb that makes a network; `options` are those of `NetworkSpec`, a dict for its `options`.

    Without `dns` it has no names: most tests are not about them, and need not have a name server each.
    """
    options.setdefault("dns", False)
    pools = tuple(pool(subnet) if isinstance(subnet, str) else subnet for subnet in subnets)
    for option in ("options", "labels"):
        if option in options:
            options[option] = tuple(sorted(options[option].items()))
    members = None if connected is None else [EndpointSpec(name, container) for container in connected]
    return partial(_call, networks.network_present, NetworkSpec(name, pools=pools or None, **options), members)


def absent(name: str, *, force: bool = False) -> Verb:
    return partial(_call, networks.network_absent, name, force=force)


def attach(network: str, container: str, **options: Any) -> Verb:
    """Return the verb that attaches a container; `options` are those of `EndpointSpec`, addresses as text."""
    for option in ("ipv4", "ipv6"):
        if option in options:
            options[option] = ip_address(options[option])
    return partial(_call, endpoints.endpoint_present, EndpointSpec(network, container, **options))


def detach(network: str, container: str, **options: Any) -> Verb:
    return partial(_call, endpoints.endpoint_absent, EndpointSpec(network, container, **options))


def listed(name: str, members: Iterable[EndpointSpec]) -> Verb:
    """Return the verb that has a network have just these members."""
    return partial(_call, networks.network_present, NetworkSpec(name), list(members))


def namespace(name: str, sysctls: dict[str, Any] | None = None) -> Verb:
    return partial(_call, namespaces.namespace_present, name, namespace_settings(sysctls or {}))


def no_namespace(name: str) -> Verb:
    return partial(_call, namespaces.namespace_absent, name)


def topology(
    name: str,
    *,
    namespaces: Iterable[str] = (),
    networks: Iterable[NetworkSpec] = (),
    attachments: Iterable[EndpointSpec | tuple[str, str]] = (),
    purge: bool = False,
) -> Verb:
    """Return the verb for a whole host; an attachment is a spec, or a network and a container."""
    asked = (item if isinstance(item, EndpointSpec) else EndpointSpec(*item) for item in attachments)
    return whole(
        TopologySpec(
            name,
            tuple(NamespaceItem(item) for item in namespaces),
            tuple(NetworkItem(item) for item in networks),
            tuple(EndpointItem(item) for item in asked),
            purge,
        )
    )


def whole(spec: TopologySpec) -> Verb:
    return partial(_call, _topology.topology_present, spec)


def no_topology(name: str) -> Verb:
    return partial(_call, _topology.topology_absent, name)


def network(name: str, *subnets: str, **options: Any) -> NetworkSpec:
    """Return what is asked of a network; without `dns` it has no names, as with `present`."""
    options.setdefault("dns", False)
    return NetworkSpec(name, pools=tuple(map(pool, subnets)) or None, **options)


def _call(verb: Callable[..., Any], *args: Any, host: Host, dry_run: bool, **options: Any) -> Any:
    return verb(host, *args, dry_run=dry_run, **options)


# --- carrying it out ---


def result_of(
    verb: Verb, *, check: bool = False, state_dir: str = rig.STATE_DIR, kind: Callable[..., Host] = Host
) -> Any:
    """Carry out a verb as a module does, and return its result."""
    with kind(state_dir, None if check else LOCK_TIMEOUT_SECONDS) as host:
        return verb(host=host, dry_run=check)


def do(*verbs: Verb, state_dir: str = rig.STATE_DIR) -> list[str]:
    """Carry out verbs, one after the other, and return the lines of all their changes."""
    return [str(change) for verb in verbs for change in result_of(verb, state_dir=state_dir).outcome.changes]


def predict(verb: Verb) -> list[str]:
    """Return what check mode says that a verb would change."""
    return [str(change) for change in result_of(verb, check=True).outcome.changes]


def sandwich(verb: Verb) -> list[str]:
    """Carry out a verb in check mode, for real, and again; return its changes.

    Asserts that check mode said the same and changed nothing, and that nothing is left to do.
    """
    before = rig.snapshot()
    predicted = predict(verb)
    same(rig.snapshot(), before, "looked at in check mode")
    done = do(verb)
    assert done == predicted, f"check mode said {predicted}, and done was {done}"
    after = rig.snapshot()
    assert do(verb) == []
    if rig.snapshot() != after:
        # The kernel was not done yet: an IPv6 address becomes a route in a work queue of its own.
        after = rig.snapshot()
        assert do(verb) == []
    same(rig.snapshot(), after, "asked for again")
    return done


def refusal(verb: Verb, *, check: bool = False, state_dir: str = rig.STATE_DIR) -> NetloomError:
    """Return the error of a verb that must fail, in check mode and (unless `check`) for real, with the same code."""
    errors = []
    for mode in (True,) if check else (True, False):
        try:
            changes = result_of(verb, check=mode, state_dir=state_dir).outcome.changes
        except NetloomError as exc:
            errors.append(exc)
            continue
        raise AssertionError(f"it did not fail, check={mode}, but: {changes}")
    assert len({error.code for error in errors}) == 1
    return errors[-1]


def inspected(name: str | None = None, *, verify: bool = True, state_dir: str = rig.STATE_DIR) -> list[dict[str, Any]]:
    """Return what network_info says, of one network or of all."""
    with Host(state_dir) as host:
        return inspection.inspect(host, None if name is None else [name], {}, verify=verify)


def drift(name: str) -> list[str]:
    """Return what network_info says is wrong with a network."""
    return inspected(name)[0]["Drift"]


def bridge(network: str) -> str:
    """Return the name of a network's bridge."""
    return f"br-{inspected(network, verify=False)[0]['Id'][:12]}"


# --- failing and being killed ---


class Recording(Host):
    """A host that keeps the name of each side effect in `effects`."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.effects: list[str] = []

    def execute(self, what: str, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.effects.append(what)
        return super().execute(what, self.meddled(len(self.effects) - 1, act), *args, **kwargs)

    def meddled(self, position: int, act: Callable[..., Any]) -> Callable[..., Any]:
        """Return what is carried out in the place of `act`."""
        return act


class Failing(Recording):
    """A host whose side effects at some positions fail. `late` ones are carried out all the same, first."""

    def __init__(self, errors: dict[int, BaseException], *args: Any, late: bool = False):
        super().__init__(*args)
        self.errors, self.late = errors, late
        self.attempts = 0

    def meddled(self, position: int, act: Callable[..., Any]) -> Callable[..., Any]:
        if position not in self.errors:
            return act

        def fail(*args: Any, **kwargs: Any) -> None:
            self.attempts += 1
            # A write to the records is reported truthfully: SQLite says that it failed only when it did.
            if self.late and not is_record(act):
                act(*args, **kwargs)
            raise self.errors[position]

        return fail


class Deadly(Recording):
    """A host that kills its process when the side effect at one position is due; past the last one, never."""

    def __init__(self, position: int, *args: Any):
        super().__init__(*args)
        self.position = position

    def execute(self, what: str, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if len(self.effects) == self.position:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(what, act, *args, **kwargs)


def is_record(act: Callable[..., Any]) -> bool:
    return type(getattr(act, "__self__", None)).__name__ == "Records"


def error(number: int) -> BaseException:
    """Return the error as netlink reports it; every other one as the C library does."""
    return (
        pyroute2.NetlinkError(number, os.strerror(number))
        if number in (errno.EPERM, errno.EBUSY)
        else OSError(number, os.strerror(number))
    )


def recorded(verb: Verb) -> list[str]:
    """Carry out a verb and return the names of its side effects, in order."""
    with Recording(rig.STATE_DIR, LOCK_TIMEOUT_SECONDS) as host:
        verb(host=host, dry_run=False)
        return host.effects


def killed(verb: Verb, position: int) -> bool:
    """Carry out a verb in a process of its own that is killed before an effect; return whether there was such an effect."""
    return forked(partial(result_of, verb, kind=partial(Deadly, position))) == -signal.SIGKILL


def forked(act: Callable[[], Any]) -> int:
    """Return the exit status of a process that does something; negative is the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def without_waiting() -> None:
    """Have this process retry what is busy at once."""
    seam._BUSY_STEP_SECONDS = 0.0


# --- many at once ---


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Do things at the same moment, each in a process of its own; return what they return, or "CODE: MESSAGE"."""
    go, barrier = os.pipe()
    os.set_inheritable(barrier, False)
    started = []
    for act in acts:
        answer, out = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(barrier)
            status = 1
            try:
                os.read(go, 1)  # until the last writer, the test, has closed it
                text = json.dumps(_told(act)).encode()
                while text:
                    text = text[os.write(out, text) :]
                status = 0
            finally:
                os._exit(status)
        os.close(out)
        started.append((pid, answer))
    os.close(go)
    os.close(barrier)
    return [_answer(pid, source) for pid, source in started]


def _told(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except NetloomError as exc:
        return f"{exc.code}: {exc.message}"
    except BaseException:
        return traceback.format_exc()


def _answer(pid: int, source: int) -> Any:
    with os.fdopen(source) as stream:
        text = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return json.loads(text) if text else f"ended with status {status}"


# --- a quick picture of the host ---

_BATCH = "link show\naddress show\nroute show table all\nneighbour show nud permanent\n"
_BATCH6 = "route show table all\n"
# What a link that was made anew has not in common with the one before.
_NEW_EACH_TIME = re.compile(
    r'"(ifindex|link_index|no|id|port_no|port_id|link|tso_max_size|tso_max_segs)": ("[^"]*"|\d+)(, )?'
)
_STAMPS = re.compile(r'"(created|cookie|inode|boot_id)": ?("[^"]*"|\d+)')
_COLUMNS = {
    "networks": "name, spec, previous, state",
    "endpoints": "network, seat, place, container, spec, previous, state",
    "settings": "path, original",
    "ports": "protocol, port, network, seat",
    "namespaces": "name, topology, settings, state",
    "subnets": "network, subnet, hex(first), hex(last)",
    "leases": "network, hex(address), seat",
    "free": "network, subnet, hex(first), hex(last)",
    "plugins": "key, json_remove(told, '$.former', '$.sandbox'), state",
}


def picture(*names: str) -> rig.Snapshot:
    """Return what of a host a task can change, in the host and in the namespaces `names`, as content.

    Quicker than `rig.snapshot` by an order of magnitude. A link that was removed and made anew counts as the
    same, and so does a record that was; an empty state directory counts as none.
    """
    sections = {"namespaces": tuple(sorted(os.listdir("/run/netns"))), "names": tuple(rig.naming())}
    started = [(name, *_asked(name)) for name in ("", *(each for each in names if each in sections["namespaces"]))]
    for name, processes, sysctls in started:
        text = "".join(process.communicate(batch)[0] for process, batch in zip(processes, (_BATCH, _BATCH6)))
        lines = [line for items in _arrays(text) for line in rig._lines("links", json.dumps(items))]
        sections[name or "host"] = tuple(_NEW_EACH_TIME.sub("", line) for line in lines)
        sections[f"{name or 'host'} sysctls"] = sysctls
    sections["queues"] = rig._lines("queues", rig.run("tc", "-j", "qdisc", "show").stdout)
    listing = rig._lines("nft", rig.run("nft", "-j", "list", "ruleset").stdout)
    sections["nft"] = tuple(sorted(listing, key=_table))  # the order of tables says when they were made
    sections["records"] = tuple(_records())
    return rig.Snapshot(sections)


def same(now: rig.Snapshot, before: rig.Snapshot, when: str) -> None:
    """Assert that two pictures are equal; the message says what has changed, and `when`."""
    lines = []
    for line in before.differences(now):
        try:
            lines.append((line[0], dict(_flat(json.loads(line[2:])))))
        except ValueError:
            lines.append((line, {}))
    facts = [facts for _sign, facts in lines]
    told = [
        sign if not mine else f"{sign} {mine.get('.ifname', mine.get('.dev', ''))} " + str(_rare(mine, facts))
        for sign, mine in lines
        if sign[0] != "?"
    ]
    assert now == before, "\n".join([when, *told])


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, part in value.items():
        yield from _flat(part, f"{name}.{key}")


def _rare(mine: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what of a line is not the same in a line of the same interface."""
    like = [
        each for each in others if each is not mine and each.get(".ifname") == mine.get(".ifname") and len(each) > 3
    ]
    return {name: value for name, value in mine.items() if not like or any(each.get(name) != value for each in like)}


def _asked(name: str) -> tuple[list[subprocess.Popen], tuple[str, ...]]:
    with rig.inside(name or None):
        processes = [
            subprocess.Popen([*command, "-batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for command in (["ip", "-j", "-d"], ["ip", "-6", "-j"])
        ]
        return processes, tuple(rig._sysctls())


def _table(line: str) -> tuple[str, str]:
    ((kind, item),) = json.loads(line).items()
    return item["family"], item["name" if kind == "table" else "table"]


def _arrays(text: str) -> Iterator[list]:
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text.rstrip()):
        items, end = decoder.raw_decode(text, position)
        yield items
        position = end + len(text[end:]) - len(text[end:].lstrip())


def _records() -> Iterator[str]:
    folder = Path(rig.STATE_DIR)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        yield path.name
    database = folder / "state.db"
    if database.exists():
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            for table, columns in _COLUMNS.items():
                for row in sorted(connection.execute(f"SELECT {columns} FROM {table}"), key=str):
                    yield " ".join(_STAMPS.sub("", str(field)) for field in row)
