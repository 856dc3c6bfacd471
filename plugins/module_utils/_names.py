# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names, addresses and option values may look like, with the words to say when they do not.

Each function returns the canonical form of a value. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable

from ._errors import NetloomError
from ._model import IPAddress, IPInterface, Pairs, Subnet

NAME_MAX = 64
IFNAME_MAX_BYTES = 15  # IFNAMSIZ is 16 with the terminating NUL
LABEL_MAX_BYTES = 1 << 20
PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}  # name: driver
_RESERVED = ("host", "none", "default")
_CIDR = re.compile(r"[^/%]+/[0-9]{1,3}")  # neither a netmask nor a zone
_NEVER_POOLS = tuple(
    (ipaddress.ip_network(subnet), reason)
    for subnet, reason in (
        ("0.0.0.0/8", "'this network' (RFC 1122)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link-local (RFC 3927)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
        ("::/8", "unspecified, loopback and IPv4-mapped addresses (RFC 4291)"),
        ("fe80::/10", "link-local (RFC 4291)"),
        ("ff00::/8", "multicast (RFC 4291)"),
    )
)


def identifier(name: str, option: str = "name") -> str:
    """Return `name`, which may name a network or a namespace: what Docker allows, and a length that files do.

    :raises NetloomError: invalid_name.
    """
    allowed = f"allowed [A-Za-z0-9][A-Za-z0-9_.-]*, max {NAME_MAX}"
    if not name:
        raise NetloomError("invalid_name", f"{option}: must not be empty")
    odd = re.search(r"[^A-Za-z0-9_.-]", name) or re.match(r"[^A-Za-z0-9]", name)
    if odd:
        raise NetloomError(
            "invalid_name", f"{option}: {name!a} contains {odd.group()!a} at {odd.start() + 1}; {allowed}"
        )
    if len(name) > NAME_MAX:
        raise NetloomError("invalid_name", f"{option}: {name!a} has {len(name)} characters; {allowed}")
    return name


def network_name(name: str, option: str = "name") -> str:
    """Return `name`, which may name a network that can be made.

    :raises NetloomError: invalid_name.
    """
    if identifier(name, option) in _RESERVED:
        raise NetloomError("invalid_name", f"{option}: {name!a} is reserved")
    return name


def interface_name(name: str, option: str) -> str:
    """Return `name`, which the kernel and every tool take for an interface name.

    The kernel forbids '/', ':' and white space and expands '%d'; '*', '+', quotes and backslashes
    are wildcards or syntax to firewalls, a leading '@' is a set to nft; 'all' and 'default' are folders of net.ipv4.conf.

    :raises NetloomError: invalid_ifname.
    """
    size = len(name.encode("utf-8", "surrogateescape"))
    odd = re.search(r"[%/:*+\"'\\\s]|[^\x20-\x7e]", name)
    if not name or size > IFNAME_MAX_BYTES:
        rule = f"has {size} bytes; an interface name has 1 to {IFNAME_MAX_BYTES}"
    elif odd:
        rule = f"contains {odd.group()!a} at {odd.start() + 1}"
    elif name in (".", "..", "all", "default") or name[0] in "-@":
        rule = "is not an interface name"
    else:
        return name
    raise NetloomError("invalid_ifname", f"{option}: {name!a} {rule}")


def subnet(text: str, option: str) -> Subnet:
    """Return the subnet that `text` is, in CIDR notation without host bits.

    :raises NetloomError: invalid_subnet, noncanonical_subnet.
    """
    if not _CIDR.fullmatch(text or ""):
        raise NetloomError("invalid_subnet", f"{option}: {text!a} is not ADDRESS/PREFIX-LENGTH")
    parse = ipaddress.IPv6Network if ":" in text else ipaddress.IPv4Network  # they say why, ip_network does not
    try:
        found = parse(text, strict=False)
    except ValueError as exc:
        raise NetloomError("invalid_subnet", f"{option}: {text!a}: {exc}") from exc
    if ipaddress.ip_interface(text).ip != found.network_address:
        raise NetloomError("noncanonical_subnet", f"{option}: {text!a} has host bits set; it should be {found}")
    for never, reason in _NEVER_POOLS:
        if never.version == found.version and never.overlaps(found):
            raise NetloomError("invalid_subnet", f"{option}: {found} overlaps {never}, {reason}")
    if found.num_addresses < 2:
        raise NetloomError("invalid_subnet", f"{option}: {found} has no room for a gateway and a member")
    return found


def ip_range(text: str, within: Subnet | None, option: str) -> Subnet:
    """Return the range that `text` is, a subnet of `within` where that is known yet.

    :raises NetloomError: invalid_ip_range.
    """
    if not _CIDR.fullmatch(text or ""):
        raise NetloomError("invalid_ip_range", f"{option}: {text!a} is not ADDRESS/PREFIX-LENGTH")
    try:
        found = ipaddress.ip_network(text)
    except ValueError as exc:
        raise NetloomError("invalid_ip_range", f"{option}: {text!a}: {exc}") from exc
    if within and (found.version != within.version or not found.subnet_of(within)):  # type: ignore[arg-type]
        raise NetloomError("invalid_ip_range", f"{option}: {found} is not in {within}")
    return found


def address(text: str, option: str, code: str = "invalid_address") -> IPAddress:
    """Return the address that `text` is.

    :raises NetloomError: `code`.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError as exc:
        raise NetloomError(code, f"{option}: {text!a}: {exc}") from exc
    if getattr(found, "scope_id", None):
        raise NetloomError(code, f"{option}: {text!a} has a zone")
    return found


def address_in(text: str, within: Subnet, option: str, code: str = "invalid_address") -> IPAddress:
    """Return the address that `text` is, which is in `within`.

    :raises NetloomError: `code`.
    """
    found = address(text, option, code)
    if found not in within:
        raise NetloomError(code, f"{option}: {found} is not in {within}")
    return found


def mac_address(text: str, option: str) -> str:
    """Return a unicast Ethernet address as 02:42:0a:00:00:02.

    :raises NetloomError: option_invalid.
    """
    if not re.fullmatch(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text or ""):
        raise NetloomError(
            "option_invalid", f"{option}: {text!a} is not six pairs of hex digits like 02:42:0a:00:00:02"
        )
    mac = text.lower().replace("-", ":")
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        kind = "all zero" if mac.startswith("00") else "a multicast address"
        raise NetloomError("option_invalid", f"{option}: {mac} is {kind}; an interface needs a unicast address")
    return mac


def pairs(values: dict | None, option: str) -> Pairs:
    """Return a dict of strings as sorted pairs.

    Booleans are written as Docker writes them, true and false; the items of a list with commas between; a dict as JSON.

    :raises NetloomError: option_invalid, for a key or value that is too long or holds a NUL.
    """
    found = []
    for name, value in (values or {}).items():
        if isinstance(value, dict):
            text = json.dumps(value, separators=(",", ":"), sort_keys=True)
        else:
            text = ",".join(map(_spelt, value)) if isinstance(value, (list, tuple)) else _spelt(value)
        for part in (str(name), text):
            if len(part.encode("utf-8", "surrogateescape")) > LABEL_MAX_BYTES:
                raise NetloomError(
                    "option_invalid", f"{option}.{str(name)[:40]!a}: longer than {LABEL_MAX_BYTES} bytes"
                )
            if "\0" in part:
                raise NetloomError("option_invalid", f"{option}.{name!a}: contains a NUL")
        found.append((str(name), text))
    return tuple(sorted(found))


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return " (did you mean X?)" for the word that is nearest to `word`, or nothing."""
    import difflib  # only a message needs it

    spelt = {each.lower(): each for each in words}
    found = difflib.get_close_matches(word.lower(), list(spelt), 1)
    return f" (did you mean {spelt[found[0]]}?)" if found else ""


# --- names that we make: the same inputs give the same name, so that a run finds its own leftovers ----


def network_id(state_dir: str, name: str) -> str:
    """Return 64 hex digits for a network, different for networks in other state directories."""
    return hashlib.sha256(f"network\0{state_dir}\0{name}".encode()).hexdigest()


def endpoint_id(network: str, place: str) -> str:
    """Return 64 hex digits for an endpoint of the network with id `network`."""
    return hashlib.sha256(f"endpoint\0{network}\0{place}".encode()).hexdigest()


def local_mac(digest: str) -> str:
    """Return a locally administered unicast address made of a digest's first ten hex digits."""
    return ":".join(("02", *(digest[at : at + 2] for at in range(0, 10, 2))))


def outer_mac(name: str) -> str:
    """Return the MAC that a veth's end on the host is made with, by which one without an alias is known."""
    return local_mac(name[len("veth") :])


def mac_of(interface: IPInterface) -> str:
    """Return 02:42 followed by an IPv4 address in hex, as Docker does."""
    return ":".join(("02", "42", *(f"{byte:02x}" for byte in interface.packed)))


def network_tag(name: str, digest: str) -> str:
    """Return the ownership mark of a network's own link, kept in its alias."""
    return f"netloom:{name}/{digest[:12]}"
