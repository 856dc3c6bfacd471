# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pools that networks share with other hosts, in etcd: every change is one that only its first asker gets.

Only what is this host's is ever observed, so that nothing else can be planned away. Collection-private. Floor 4.
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from .. import _claims
from .._changes import Change
from .._claims import Claim, LostRace, Member, Share
from .._errors import NetloomError
from .._model import IPAddress, Subnet
from .._resources import Resource
from . import etcd_client as client

_BATCH = 100  # of etcd's --max-txn-ops, 128 unless set
_AT_ONCE = 16  # addresses that are asked for together
_READS_MAX = 6  # then all that there is of a network is read, which for many addresses is quicker


class SharedPool:
    """What a network has in etcd. What was read counts until something is written: all writing compares first."""

    def __init__(self, share: Share, clients: dict[Any, Any]):
        """`clients` are by options, and what has failed for one network is not waited for by the next."""
        self._share = share
        if share.options not in clients:
            clients[share.options] = client.Client(dict(share.options), zlib.crc32(os.uname().nodename.encode()))
        self._client = clients[share.options]
        self._read_anew()

    def forget(self) -> None:
        """Have everything be read again, and etcd be tried again if it has failed."""
        self._client.failure = None
        self._read_anew()

    def _read_anew(self) -> None:
        self._known: dict[str, str | None] = {}
        self._whole = False
        self._reads = 0
        self._registered: tuple[str | None, dict[str, str]] | None = None

    @property
    def failure(self) -> NetloomError | None:
        """What a request has failed for; no other is tried after that."""
        failed = self._client.failure
        return failed and NetloomError(failed.code, f"network {self._share.network}: {failed.message}")

    # --- reading ---

    def registered(self) -> tuple[str | None, dict[str, str]]:
        """Return what the pool is defined as, and the hosts that go by it: name to random number.

        :raises NetloomError: driver_timeout, driver_error.
        """
        if self._registered is None:
            read = client.read(self._key("pool")), client.read(self._key("nodes/"), self._key("nodes0"))
            keys = client.found(self._txn((), read))
            beginning = self._key("nodes/")
            nodes = {key[len(beginning) :]: value for key, value in keys.items() if key.startswith(beginning)}
            self._registered = keys.get(self._key("pool")), nodes
        return self._registered[0], {**self._registered[1]}

    def know(self, addresses: Iterable[Any]) -> None:
        """Find out who has addresses.

        :raises NetloomError: driver_timeout, driver_error.
        """
        unknown = [] if self._whole else [item for item in map(str, addresses) if item not in self._known]
        if not unknown:
            return
        self._reads += 1
        if self._reads > _READS_MAX or len(unknown) > _BATCH:
            begin, end = self._key("claims/"), self._key("claims0")
            keys = client.found(self._txn((), (client.read(begin, end),)))
            self._known = {key[len(begin) :]: value for key, value in keys.items()}
            self._whole = True
            return
        keys = client.found(self._txn((), [client.read(self._claim(item)) for item in unknown]))
        self._known.update((item, keys.get(self._claim(item))) for item in unknown)

    def holds(self, address: Any) -> str | None:
        """Return what the key of an address leads to, None if it is not there."""
        self.know([address])
        return self._known.get(str(address))

    def holder(self, address: IPAddress) -> str:
        """Return words for what has an address on another host, empty if none has, or nobody can be asked."""
        try:
            text = self.holds(address)
        except NetloomError:
            return ""  # no task gets a new address that way: that is asked for once more
        return "" if text is None or self._is_mine(text) else str(_claims.owner(text))

    def unclaimed(self, inside: Subnet, seat: str) -> Iterator[IPAddress]:
        """Yield the addresses of `inside` that no other host has, in the order of `seat`.

        :raises NetloomError: driver_timeout, driver_error.
        """
        order = _claims.tried(inside, self._share, seat)
        while True:
            candidates = [*islice(order, _AT_ONCE)]
            self.know(candidates)
            for address in candidates:
                text = self._known.get(str(address))
                if text is None or self._is_mine(text):
                    yield address
            if not candidates:
                return

    def _is_mine(self, text: str) -> bool:
        return _claims.owner(text).node_id == self._share.node_id

    # --- resources ---

    def observed(self, wanted: Sequence[Any]) -> Iterator[Resource]:
        """Yield what of `wanted` is there and this host's; all of it where it was decided to do without etcd."""
        if self.failure:
            yield from wanted
            return
        self.know(item.address for item in wanted if isinstance(item, Claim))
        for item in wanted:
            if isinstance(item, Claim):
                text = self._known.get(item.address)
                if text is not None and self._is_mine(text):
                    yield replace(item, owner=_claims.owner(text))
            else:
                pool, nodes = self.registered()
                if nodes.get(item.node) == item.node_id:
                    yield replace(item, pool=pool or "")

    def join(self, before: Member | None, after: Member) -> None:
        """Be one of the hosts that go by a pool; as the only one, say what it is.

        :raises LostRace: another host was quicker.
        """
        mine, pool, nodes = self._key(f"nodes/{after.node}"), self._key("pool"), self._key("nodes/")
        others = {name for name in self.registered()[1] if name != after.node}
        compare = [client.is_value(mine, before.node_id if before else None)]
        if others:
            compare.append(client.is_value(pool, after.pool))
        else:
            compare.append(client.is_empty(nodes, mine))
            compare.append(client.is_empty(f"{mine}\0", self._key("nodes0")))
        answer = self._txn(
            compare,
            (client.put(pool, after.pool), client.put(mine, after.node_id)),
            (client.read(pool), client.read(mine)),
        )
        # Not the first time that it is sent, maybe: then what is there is what was wanted.
        if not answer.get("succeeded") and client.found(answer) != {pool: after.pool, mine: after.node_id}:
            raise LostRace(
                "network_exists_different",
                f"network {self._share.network}: another host has changed its pool in etcd meanwhile",
            )

    def leave(self, before: Member) -> None:
        """Be none of the hosts that go by a pool; after the last one nothing is left of it."""
        mine = self._key(f"nodes/{before.node}")
        self._txn((client.is_value(mine, before.node_id),), (client.delete(mine),))
        nodes = client.is_empty(self._key("nodes/"), self._key("nodes0"))
        self._txn((nodes,), (client.delete(self._key(""), self._share.prefix[:-1] + "0"),))

    def claim(self, changes: Sequence[Change]) -> None:
        """Make changes of claims, all of them or none.

        :raises LostRace: another host has one of the addresses.
        """
        left = [*changes]
        while left:
            revisions = self._revisions([each for each in left if each.before])
            compare = [self._as_before(each, revisions) for each in left]
            if any(each.after for each in left):
                # Whoever was struck off as gone for good is no longer one of them.
                compare.append(client.is_value(self._key(f"nodes/{self._share.node}"), self._share.node_id))
            writes = [
                client.put(self._of(each), _value(each.after) or "") if each.after else client.delete(self._of(each))
                for each in left
            ]
            answer = self._txn(compare, writes, [client.read(self._of(each)) for each in left])
            if answer.get("succeeded"):
                return
            keys = client.found(answer)
            waiting = [each for each in left if not _is_made(each, keys.get(self._of(each)))]
            lost = [each for each in waiting if each.after or len(waiting) == len(left)]
            if lost:
                raise self._lost(lost, keys)
            left = waiting  # of what is released, some was gone

    def _revisions(self, changes: Sequence[Change]) -> dict[str, str]:
        """Return, by key, when what `changes` find was written, of those that find it as it should be."""
        answer = self._txn((), [client.read(self._of(each)) for each in changes]) if changes else {}
        keys, written = client.found(answer), client.revisions(answer)
        owned = (self._of(each) for each in changes if keys.get(self._of(each)) == _value(each.before))
        return {key: written[key] for key in owned}

    def _as_before(self, change: Change, revisions: dict[str, str]) -> dict[str, Any]:
        """Return the comparison that holds where an address is as a change finds it.

        What a server was asked that did not answer may be done late. By then the same owner may have claimed the
        address again, with the same value: a release is of what was written before it, and of nothing later.
        """
        key = self._of(change)
        if key in revisions:
            return client.is_written(key, revisions[key])
        return client.is_value(key, _value(change.before) if change.after else None)

    def _lost(self, changes: Sequence[Change], keys: dict[str, str]) -> LostRace:
        for change in changes:
            text = keys.get(self._of(change))
            if text is not None and text != _value(change.before):
                return LostRace(
                    "address_in_use",
                    f"network {self._share.network}: {_address(change)} is held by {_claims.owner(text)}",
                )
        return LostRace(
            "driver_error", f"network {self._share.network}: host {self._share.node} was struck off its pool in etcd"
        )

    def _of(self, change: Change) -> str:
        return self._claim(_address(change))

    def _claim(self, address: str) -> str:
        return self._key(f"claims/{address}")

    def _key(self, rest: str) -> str:
        return self._share.prefix + rest

    def _txn(self, compare: Sequence[Any], success: Sequence[Any], failure: Sequence[Any] = ()) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        try:
            return self._client.txn(compare, success, failure)
        except NetloomError as exc:
            self._client.failure = exc
            raise NetloomError(exc.code, f"network {self._share.network}: {exc.message}") from exc


def new_node() -> tuple[str, str]:
    """Return the name of this host, and a random number."""
    return os.uname().nodename, secrets.token_hex(8)


def observe(host: Any, wanted: Sequence[Any]) -> Iterator[Resource]:
    """Yield what of the wanted claims and memberships is there and this host's."""
    for share, items in _by_share(wanted, lambda item: item.share):
        yield from host.shared_pool(share).observed(items)


def apply(host: Any, changes: Sequence[Change]) -> None:
    """Claim and release addresses, in as few transactions as etcd takes; join pools first, and leave them last."""
    for share, batch in _by_share(changes, lambda change: change.resource.share):
        pool = host.shared_pool(share)
        try:
            for kind, run in groupby(batch, key=lambda change: type(change.resource)):
                if kind is Claim:
                    _apply_claims(host, pool, [*run])
                    continue
                for change in run:
                    if change.after is None:
                        host.execute(str(change), pool.leave, change.before)
                    else:
                        host.execute(str(change), pool.join, change.before, change.after)
        finally:
            pool.forget()


def _apply_claims(host: Any, pool: SharedPool, changes: Sequence[Change]) -> None:
    for begin in range(0, len(changes), _BATCH):
        batch = changes[begin : begin + _BATCH]
        more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
        host.execute(f"{batch[0]}{more}", pool.claim, batch)


def _by_share(items: Iterable[Any], share: Any) -> Iterator[tuple[Share, list[Any]]]:
    found: dict[Share, list[Any]] = {}
    for item in items:
        found.setdefault(share(item), []).append(item)
    return iter(found.items())


def _address(change: Change) -> str:
    claim: Any = change.resource
    return claim.address


def _value(claim: Any) -> str | None:
    return _claims.encode(claim.owner) if claim else None


def _is_made(change: Change, text: str | None) -> bool:
    """Return whether a change is made, by what the key of its address leads to."""
    wanted = _value(change.after)
    return text == wanted or (wanted is None and text != _value(change.before))
