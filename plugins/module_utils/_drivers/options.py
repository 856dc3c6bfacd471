# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver options: short names, Docker's labels, and what their values may be.

Collection-private and pure. Floor 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from .._errors import NetloomError
from .._frozen import dataclass
from .._model import GATEWAY_MODES, Network, Pairs
from .._names import interface_name, nearest

ANY = "*"  # in the options of a driver: it takes others as well


@dataclass(frozen=True)
class DriverOption:
    """An option of a driver: Docker's label for it, and a function of (text, option) that returns its canonical text.

    Of an endpoint's, `fits` is a function of (options, network, option) that raises where it does not fit the others
    or the network.
    """

    label: str
    parse: Callable[[str, str], str]
    fits: Callable[[Mapping[str, str], Network, str], None] | None = None


def canonical(given: Pairs, known: Mapping[str, DriverOption], option: str, driver: str) -> Pairs:
    """Return `given` by short names and with canonical values. Where `known` has ANY, other options stay as they are.

    :raises NetloomError: option_unknown, option_invalid, invalid_ifname.
    """
    shorts = {**{name: name for name in known if name != ANY}, **{item.label: name for name, item in known.items()}}
    found: dict[str, str] = {}
    for name, text in given:
        short = shorts.get(name)
        if short is None and ANY in known:
            found[name] = text
            continue
        if short is None:
            raise NetloomError(
                "option_unknown",
                f"{option}: {name!a} is not an option of driver {driver}{nearest(name, shorts)};"
                f" it knows {', '.join(sorted(known)) or 'none'}",
            )
        value = known[short].parse(text, f"{option}.{name}")
        if found.setdefault(short, value) != value:
            raise NetloomError("option_invalid", f"{option}: {short} and {known[short].label} contradict each other")
    return tuple(sorted(found.items()))


def check_fit(options: Pairs, known: Mapping[str, DriverOption], network: Network, option: str) -> None:
    """:raises NetloomError: option_invalid, an endpoint's options contradict each other or the network."""
    for name, _value in options:
        fits = known[name].fits if name in known else None
        if fits is not None:
            fits(dict(options), network, f"{option}.{name}")


def labelled(options: Pairs, known: Mapping[str, DriverOption]) -> dict[str, str]:
    """Return options as Docker shows them: its labels, values as strings."""
    return {known[name].label if name in known else name: value for name, value in options}


def as_given(text: str, option: str) -> str:
    """Return a value that only somebody else's program understands."""
    return text


def seconds(text: str, option: str) -> str:
    """Return how long to wait for somebody else's program: 1 to 600 seconds."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 600:
        raise NetloomError("option_invalid", f"{option}: {text!a} is not a whole number of seconds from 1 to 600")
    return str(int(text))


def flag(text: str, option: str) -> str:
    """Return true or false, for what Go's strconv.ParseBool and Ansible both take for them."""
    word = text.lower()
    if word in ("true", "yes", "on", "1", "t", "y"):
        return "true"
    if word in ("false", "no", "off", "0", "f", "n"):
        return "false"
    raise NetloomError("option_invalid", f"{option}: {text!a} is not true or false")


def mtu(text: str, option: str) -> str:
    """Return an MTU in bytes; 68 is the least that IPv4 needs (RFC 791), 65535 the most that a link takes."""
    if not text.isascii() or not text.isdigit() or not 68 <= int(text) <= 65535:
        raise NetloomError("option_invalid", f"{option}: {text!a} is not a whole number from 68 to 65535")
    return str(int(text))


def prefix(text: str, option: str) -> str:
    """Return the beginning of interface names, which leaves room for a number of three digits."""
    return interface_name(interface_name(text, option) + "999", option)[:-3]


def gateway_mode(text: str, option: str) -> str:
    """Return one of Docker's gateway modes."""
    if text not in GATEWAY_MODES:
        raise NetloomError(
            "option_invalid",
            f"{option}: {text!a} is not one of {', '.join(GATEWAY_MODES)}{nearest(text, GATEWAY_MODES)}",
        )
    return text


# What several drivers have.
INTERFACE_PREFIX = DriverOption("com.docker.network.container_iface_prefix", prefix)
PLUGIN_TIMEOUT = DriverOption("netloom.plugin_timeout", seconds)
IFNAME = DriverOption("com.docker.network.endpoint.ifname", interface_name)  # of endpoints
