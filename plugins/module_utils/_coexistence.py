# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs' forward chains that drop what we let through, and what their owner can do about it.

A verdict to drop wins over every accept, so ours cannot help; chains of others are never edited.
Collection-private and pure. Floor 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._firewall import FAMILY, TABLE


def foreign_drops(listing: dict[str, Any], ifname: str = "") -> tuple[str, ...]:
    """Return the chains of other programs, as "ip filter FORWARD", that drop what they do not know on its way.

    `listing` is of chains; where it holds rules as well, tables with a rule that names the interface `ifname`
    are passed over: somebody has dealt with it there.
    """
    items = listing["nftables"]
    settled = {(FAMILY, TABLE)}
    for rule in (item["rule"] for item in items if "rule" in item):
        matches = (part["match"] for part in rule["expr"] if "match" in part)
        if any(ifname in _texts(match["right"]) for match in matches):
            settled.add((rule["family"], rule["table"]))
    return tuple(
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in (item["chain"] for item in items if "chain" in item)
        if chain.get("hook") == "forward"
        and (chain["family"], chain["table"]) not in settled
        # firewalld's chain has the policy accept, and ends with a rule that rejects.
        and (chain.get("policy") == "drop" or chain["table"] == "firewalld")
    )


def _texts(right: Any) -> tuple[Any, ...]:
    """Return what a match compares with: one value, or the members of an anonymous set."""
    return tuple(right.get("set", ())) if isinstance(right, dict) else (right,)


def warning(chain: str, ifnames: Sequence[str]) -> str:
    """Return the sentences that say which chain drops what which bridges forward, and what its owner can do."""
    more = f" So it does for {', '.join(ifnames[1:])}." if ifnames[1:] else ""
    return f"{chain}, a chain of another program, drops what {ifnames[0]} forwards. {cure(chain, ifnames[0])}{more}"


def cure(chain: str, ifname: str) -> str:
    """Return the sentence that says how the owner of `chain` lets the traffic of the bridge `ifname` through."""
    family, table, _name = chain.split(" ", 2)
    if table == "firewalld":
        zone = f"firewall-cmd --permanent --zone=trusted --add-interface={ifname}"
        return f"With firewalld: {zone}; firewall-cmd --reload"
    if family in ("ip", "ip6") and table == "filter":
        tool = "iptables" if family == "ip" else "ip6tables"
        docker = "; ".join(f"{tool} -I DOCKER-USER {side} {ifname} -j ACCEPT" for side in ("-i", "-o"))
        return f"With Docker: {docker}. With ufw: ufw route allow in on {ifname}; ufw route allow out on {ifname}"
    return f'Have it accept what the bridge sends and gets: iifname "{ifname}" accept; oifname "{ifname}" accept'
