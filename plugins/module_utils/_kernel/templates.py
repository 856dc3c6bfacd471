# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages from templates, and the one place that knows pyroute2, which encodes them.

pyroute2 takes longer over a message than the kernel does. So it encodes each shape of message once, with values that
occur nowhere else in it; the bytes are kept, and for every further message only those values are replaced.
Works with pyroute2 0.7.2 and later. Collection-private. Floor 4.
"""

from __future__ import annotations

import socket
import struct
import sys
from functools import lru_cache
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple

from .._errors import NetloomError


class Slot(NamedTuple):
    """A place in a shape for a value of `size` bytes."""

    kind: str
    size: int


class Template(NamedTuple):
    """An encoded message, and where in it the values are: (start, end) of each, in the order of the shape."""

    body: bytes
    places: tuple[tuple[int, int], ...]


_templates: dict[Any, Template] = {}


@lru_cache(maxsize=1)
def library() -> dict[str, Any]:
    """Return the classes of pyroute2 that encode messages, by name.

    :raises NetloomError: missing_dependency.
    """
    try:
        return _few_files() or _classes()
    except ImportError as exc:
        raise NetloomError(
            "missing_dependency", f"the target needs the Python library pyroute2, 0.7.2 or later ({exc})"
        ) from exc


def _few_files() -> dict[str, Any] | None:
    """Return the classes without the rest of pyroute2, all of which it imports otherwise: 0.03 s, not 0.2 s.

    None if it is imported already, or if this version's files need what their package imports.
    """
    spec = None if "pyroute2" in sys.modules else find_spec("pyroute2")
    if spec is None:
        return None
    sys.modules["pyroute2"] = module_from_spec(spec)  # not executed
    try:
        return _classes()
    except (ImportError, AttributeError):
        return None
    finally:  # whoever wants the whole of it shall get the whole of it
        for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
            del sys.modules[name]


def _classes() -> dict[str, Any]:
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    return {"ifinfmsg": ifinfmsg, "ifaddrmsg": ifaddrmsg, "rtmsg": rtmsg}


def encoded(shape: Any, *values: bytes) -> bytes:
    """Return the message of a shape with `values` in its slots.

    A shape is the name of a class of pyroute2, the fields of its header, and its attributes, which may have
    attributes of their own; each a name with a constant or a `Slot`.
    """
    template = _templates.get(shape)
    if template is None:
        template = _templates[shape] = _made(shape)
    return filled(template, values)


def filled(template: Template, values: tuple[bytes, ...]) -> bytes:
    """Return the message of a template with `values` in its places.

    :raises ValueError: a value is longer or shorter than its place, or one is missing.
    """
    message = bytearray(template.body)
    if [end - start for start, end in template.places] != [*map(len, values)]:
        raise ValueError(f"{values!r} do not fit a message with {template.places!r}")
    for (start, end), value in zip(template.places, values):
        message[start:end] = value
    return bytes(message)


def located(body: bytes, sentinels: list[bytes]) -> Template:
    """Return the template of an encoded message, given the values that stand in its slots.

    :raises ValueError: one of them is not there, or more than once.
    """
    if any(body.count(sentinel) != 1 for sentinel in sentinels):
        raise ValueError("a message's values cannot be told from the rest of it")
    starts = [body.index(sentinel) for sentinel in sentinels]
    return Template(body, tuple((start, start + len(value)) for start, value in zip(starts, sentinels)))


def _made(shape: Any) -> Template:
    kind, fields, attributes = shape
    sentinels: list[bytes] = []
    message = library()[kind]()
    for name, value in fields:
        message[name] = _standing_in(value, sentinels)
    message["attrs"] = _standing_in(attributes, sentinels)
    message.encode()
    return located(bytes(message.data)[16:], sentinels)  # struct nlmsghdr is the socket's business


def _standing_in(value: Any, sentinels: list[bytes]) -> Any:
    """Return `value` as pyroute2 takes it, with something unmistakable, kept in `sentinels`, for each slot in it."""
    if isinstance(value, Slot):
        sentinels.append(_sentinel(value, len(sentinels)))
        return _spelt(value, sentinels[-1])
    if isinstance(value, tuple):
        items = ((name, _standing_in(inner, sentinels)) for name, inner in value)
        return [(name, {"attrs": inner} if isinstance(inner, list) else inner) for name, inner in items]
    return value


def _sentinel(slot: Slot, number: int) -> bytes:
    if slot.kind == "name":
        return bytes([0x41 + number]) * (slot.size - 1) + b"\0"
    if slot.kind == "text":
        return bytes([0x61 + number]) * slot.size
    return bytes([0x5A - number, 0x21 + number] * 8)[: slot.size]  # below 0x80: some numbers have a sign


def _spelt(slot: Slot, value: bytes) -> Any:
    """Return a value as pyroute2 takes it."""
    if slot.kind in ("name", "text"):
        return value.rstrip(b"\0").decode()
    if slot.kind == "mac":
        return value.hex(":")
    if slot.kind == "number":
        return struct.unpack("=I", value)[0]
    return socket.inet_ntop(socket.AF_INET6 if slot.size == 16 else socket.AF_INET, value)
