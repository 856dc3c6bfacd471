# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bandwidth limits of an endpoint: how they are written, and what the host has of them.

Both are at the host's end of the interface, where nobody in the container can lift them. What the container receives
waits in a token bucket there. What it sends arrives there, where the kernel has no queue: it is led through an
interface of kind ifb, which has one. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from ._errors import NetloomError
from ._frozen import dataclass
from ._model import HOST, Endpoint, Network
from ._names import local_mac, network_tag
from ._resources import Resource, Sysctl, Up

TBF = "tbf"  # the kind of queue that a token bucket is
RATE_MIN, RATE_MAX = 1000, 10**15  # bits per second; as Kubernetes has it, and well inside TCA_TBF_RATE64
BYTES_MAX = (1 << 32) - 1  # of TCA_TBF_BURST and of tc_tbf_qopt.limit
ETHERNET_HEADER = 14  # bytes; the bucket counts them
_BURST_SHARE = 20  # 1/20 s of the rate
_BURST_FRAMES = 10  # at least: what a TCP connection begins with (RFC 6928)
_QUEUE_SHARE = 40  # 1/40 s of the rate waits, besides a burst; CNI's plugin has the same
_NUMBER = r"([0-9]{1,30})(?:\.([0-9]{1,30}))?\s*"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


# --- resources ---


@dataclass(frozen=True)
class Ifb(Resource):
    """An interface that what a member sends is led through. `member` is the member's own interface on the host."""

    name: str
    tag: str
    member: str = field(default="", compare=False)
    rank = 41
    handler = "shaping"

    @property
    def key(self):
        return ("link", HOST, self.name)

    @property
    def title(self):
        return f"interface {self.name}"


class UpEarly(Up):
    """An interface that is up before others are: what is led to one that is down is lost."""

    rank = 52


@dataclass(frozen=True)
class Shaper(Resource):
    """The token bucket of an interface. `kind` is another one where somebody has put another queue in its place.

    `rate` is in bits per second, but of whole bytes; `burst` and `queue`, which is how much may wait, are in bytes.
    """

    ifname: str
    rate: int
    burst: int
    queue: int
    kind: str = TBF
    whose: str = field(default="", compare=False)  # ingress limit of c1
    rank = 55
    handler = "shaping"
    verbs = ("set", "change", "lift")

    @property
    def key(self):
        return ("shaper", self.ifname)

    @property
    def parent(self):
        return ("link", HOST, self.ifname)

    @property
    def title(self):
        return f"{self.whose} ({self.ifname})"

    def facts(self):
        return {
            "kind": self.kind,
            "rate": f"{self.rate} bit/s",
            "burst": f"{self.burst} bytes",
            "queue": f"{self.queue} bytes",
        }


@dataclass(frozen=True)
class Redirect(Resource):
    """The fact that all that arrives at `ifname` is led through the interface `to`; empty where not all of it is."""

    ifname: str
    to: str
    rank = 56  # after what it leads to, before either end of the member's interface is up
    handler = "shaping"

    @property
    def key(self):
        return ("redirect", self.ifname)

    @property
    def parent(self):
        return ("link", HOST, self.ifname)

    @property
    def title(self):
        return f"redirection of {self.ifname}"

    def facts(self):
        return {"to": self.to}


def limited(network: Network, endpoint: Endpoint, rates: Mapping[str, str], burst: str | None) -> Iterator[Resource]:
    """Yield what limits an endpoint; `rates` are those that it has of "ingress" and "egress"."""
    ifname, ifb = endpoint.host_ifname, f"ifb{endpoint.id[:12]}"
    for direction, place in (("ingress", ifname), ("egress", ifb)):
        if direction not in rates:
            continue
        if place == ifb:
            yield Ifb(ifb, network_tag(network.name, endpoint.id), ifname)
            yield Sysctl(HOST, f"net/ipv6/conf/{ifb}/disable_ipv6", "1", ifname=ifb)
            yield UpEarly(HOST, ifb)
        per_second = int(rates[direction]) // 8
        depth = int(burst) if burst else default_burst(per_second, network.mtu)
        queue = min(depth + per_second // _QUEUE_SHARE, BYTES_MAX)
        yield Shaper(place, per_second * 8, depth, queue, whose=f"{direction} limit of {endpoint.container}")
        if place == ifb:
            yield Redirect(ifname, ifb)


def ifb_mac(name: str) -> str:
    """Return the MAC that an ifb of ours is made with, by which one without an alias is known."""
    return local_mac(name[-10:])


def default_burst(per_second: int, mtu: int) -> int:
    """Return the bytes that may pass at once, for a rate in bytes per second."""
    return min(max(per_second // _BURST_SHARE, _BURST_FRAMES * (mtu + ETHERNET_HEADER)), BYTES_MAX)


# --- options ---


def rate(text: str, option: str) -> str:
    """Return a rate in bits per second: a number, or one with tc's suffixes. A bare k, m, g or t is in bits as well.

    :raises NetloomError: option_invalid.
    """
    word = text.strip().lower()
    found = re.fullmatch(_NUMBER + r"([kmgt]?)(i?)(?:bit)?", word)
    if not found or (found[4] and not found[3]):
        hint = "; tc takes bps for bytes per second, others for bits: it is not taken" if word.endswith("bps") else ""
        raise NetloomError(
            "option_invalid",
            f"{option}: {text!a} is not a number of bits per second, with a suffix such as kbit, mbit or gbit{hint}",
        )
    bits = _scaled(found, (1024 if found[4] else 1000) ** _POWERS[found[3]])
    return _between(bits, RATE_MIN, RATE_MAX, f"{option}: {text!a}", "bit/s")


def size(text: str, option: str) -> str:
    """Return a number of bytes: a number, or one with tc's suffixes b, k, m and g, whose k is 1024.

    :raises NetloomError: option_invalid.
    """
    found = re.fullmatch(_NUMBER + r"([kmg]?)b?", text.strip().lower())
    if not found:
        raise NetloomError(
            "option_invalid", f"{option}: {text!a} is not a number of bytes, with a suffix such as kb or mb"
        )
    return _between(_scaled(found, 1024 ** _POWERS[found[3]]), 1, BYTES_MAX, f"{option}: {text!a}", "bytes")


def check_burst(burst: int, network: Network, option: str) -> None:
    """:raises NetloomError: option_invalid, a burst in bytes does not hold the network's largest packet."""
    least = network.mtu + ETHERNET_HEADER
    if burst < least:
        raise NetloomError(
            "option_invalid",
            f"{option}: {burst} is less than the {least} bytes of the largest packet of network {network.name}"
            f" (MTU {network.mtu}, and {ETHERNET_HEADER} of Ethernet)",
        )


def _scaled(found: re.Match[str], factor: int) -> int:
    """Return a number, of which the first two groups are the digits, times a factor; what is left over is dropped."""
    fraction = found[2] or ""
    return int(found[1] + fraction) * factor // 10 ** len(fraction)


def _between(number: int, least: int, most: int, what: str, unit: str) -> str:
    if not least <= number <= most:
        raise NetloomError("option_invalid", f"{what} is not from {least} to {most} {unit}")
    return str(number)
