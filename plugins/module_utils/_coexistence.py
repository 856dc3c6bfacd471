# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs that drop what we forward, and the commands with which their owner lets it through.

A verdict to drop wins over every accept, so ours cannot help; chains of others are never edited. For users:
docs/coexistence.md. Collection-private and pure. Floor 1.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ._foreign import Bridge, Chain, drops, tables

NAMED_MAX = 5  # bridges that a warning names: it is to be read
DOCKER, FIREWALLD, UFW = "Docker", "firewalld", "ufw"

Items = Collection[Mapping[str, Any]]


def warnings(items: Items, bridges: Iterable[Bridge], bridged: Collection[int]) -> list[str]:
    """Return a text for each program that drops packets of bridges of ours; it ends with the commands that cure it.

    `items` list all chains, and the tables of the forward chains; `bridged` is as for `drops`.
    """
    foreign = tables(items)
    owners = {chain: _owner(items, chain) for chain in foreign}
    found: dict[str, list[tuple[Chain, str, str]]] = {}
    for bridge in bridges:
        for chain, kinds in drops(foreign, bridge, bridged).items():
            found.setdefault(owners[chain], []).extend((chain, kind, bridge.ifname) for kind in kinds)
    return [_warning(items, owner, dropped) for owner, dropped in found.items()]


def _warning(items: Items, owner: str, dropped: list[tuple[Chain, str, str]]) -> str:
    chains = [*dict.fromkeys(chain for chain, _kind, _ifname in dropped)]
    kinds = dict.fromkeys(kind for _chain, kind, _ifname in dropped)
    ifnames = [*dict.fromkeys(ifname for _chain, _kind, ifname in dropped)]
    what = f"{' and '.join(map(str, chains))} of {owner or 'another program'}"
    more = f" and {len(ifnames) - NAMED_MAX} more" if ifnames[NAMED_MAX:] else ""
    others = f" (likewise {', '.join(ifnames[1:NAMED_MAX])}{more})" if ifnames[1:] else ""
    verb = "drops" if len(chains) == 1 else "drop"
    commands = "; ".join(cure(items, owner, chains, ifnames[0]))
    return f"{what} {verb} {', '.join(kinds)} on {ifnames[0]}{others}. To let it through: {commands}"


def cure(items: Items, owner: str, chains: Iterable[Chain], ifname: str) -> Iterator[str]:
    """Yield the commands with which the owner of `chains` lets the packets of a bridge through."""
    if owner == UFW:
        for way in ("in", "out"):
            yield f"ufw route allow {way} on {shlex.quote(ifname)}"
        return
    if owner == FIREWALLD:
        yield from _zone(items, chains, ifname)
        return
    reload = False
    for chain in chains:
        if "DOCKER-USER" not in _names(items, chain):
            yield from _inserted(chain, ifname)
            continue
        reload = _runs_firewalld(items)
        yield from (_direct if reload else _docker_user)(chain, shlex.quote(ifname))
    if reload:
        yield "firewall-cmd --reload"


def _zone(items: Items, chains: Iterable[Chain], ifname: str) -> Iterator[str]:
    """Yield what gives firewalld a zone of ours: in its zone "trusted" members would reach every service of the host."""
    if not any("FWD_netloom" in name for chain in chains for name in _names(items, chain)):
        yield "firewall-cmd --permanent --new-zone=netloom"
        yield "firewall-cmd --permanent --new-policy=netloom-out"
        for setting in ("--add-ingress-zone=netloom", "--add-egress-zone=ANY", "--set-target=ACCEPT"):
            yield f"firewall-cmd --permanent --policy=netloom-out {setting}"
    yield f"firewall-cmd --permanent --zone=netloom --add-interface={shlex.quote(ifname)}"
    yield "firewall-cmd --reload"


def _inserted(chain: Chain, ifname: str) -> Iterator[str]:
    for side in ("ibrname",) if chain.family == "bridge" else ("iifname", "oifname"):
        name = shlex.quote(f'"{ifname}"')
        yield f"nft insert rule {chain} {side} {name} counter accept"  # counted, iptables can print it as well


def _docker_user(chain: Chain, ifname: str) -> Iterator[str]:
    tool = "iptables" if chain.family == "ip" else "ip6tables"
    for side in ("-i", "-o"):
        yield f"{tool} -I DOCKER-USER {side} {ifname} -j ACCEPT"


def _direct(chain: Chain, ifname: str) -> Iterator[str]:
    """Yield what has firewalld itself fill Docker's chain: its reload empties that of everything else."""
    version = "ipv4" if chain.family == "ip" else "ipv6"
    yield f"firewall-cmd --permanent --direct --add-chain {version} filter DOCKER-USER"
    for side in ("-i", "-o"):
        yield f"firewall-cmd --permanent --direct --add-rule {version} filter DOCKER-USER 0 {side} {ifname} -j ACCEPT"


def _owner(items: Items, chain: Chain) -> str:
    """Return the program that a chain is of, empty if that is not known.

    Docker and ufw have one chain in common; ufw's rules outlive a reboot.
    """
    names = _names(items, chain)
    if names & {"ufw-user-forward", "ufw6-user-forward"}:
        return UFW
    if chain.table == "firewalld" or "FORWARD_ZONES" in names:
        return FIREWALLD
    return DOCKER if names & {"DOCKER-USER", "DOCKER-ISOLATION-STAGE-1"} else ""


def _names(items: Items, chain: Chain) -> set[str]:
    """Return the names of the chains of a chain's table."""
    chains = (item["chain"] for item in items if "chain" in item)
    return {each["name"] for each in chains if (each["family"], each["table"]) == (chain.family, chain.table)}


def _runs_firewalld(items: Items) -> bool:
    return any(item["chain"]["table"] == "firewalld" for item in items if "chain" in item)
