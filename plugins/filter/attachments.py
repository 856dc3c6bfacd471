# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter attachments: lists of members as attachments to a network. Pure, documented in attachments.yml beside it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.netloom.containers.plugins.plugin_utils._members import WHO, member_of

ADDRESSES = ("ipv4_address", "ipv6_address", "secondary_addresses")


def attachments(
    members: list[Any],
    network: str,
    names_only: bool = False,
    within: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return what attaches `members`, names or options, to `network`; they may lack what `defaults` say.

    With `names_only`, what else is said of them is meant for another network. Addresses outside `within` are refused.

    :raises AnsibleFilterError: an entry is no member, or its address is outside.
    """
    found = []
    for index, item in enumerate(members):
        where = f"members[{index}]"
        member = member_of(item, where)
        if names_only:
            member = {key: member[key] for key in WHO if key in member}
        if within:
            _refuse_outside(member, within, where)
        found.append({"network": network, **_merged(defaults or {}, member)})
    return found


def _merged(defaults: Mapping[str, Any], member: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `member` over `defaults`, dictionaries (such as sysctls) entry by entry."""
    merged = {**defaults, **member}
    for key, value in defaults.items():
        if isinstance(value, Mapping) and isinstance(member.get(key), Mapping):
            merged[key] = {**value, **member[key]}
    return merged


def _refuse_outside(member: dict[str, Any], within: str, where: str) -> None:
    part = ipaddress.ip_network(within)
    for option in ADDRESSES:
        given = member.get(option) or []
        for address in [given] if isinstance(given, str) else given:
            try:
                asked = ipaddress.ip_address(address)
            except ValueError as exc:
                raise AnsibleFilterError(f"{where}.{option}: {exc}") from exc
            if asked.version == part.version and asked not in part:
                raise AnsibleFilterError(f"{where}.{option}: {address} is outside {within}, which is this host's part")


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file by name."""
        return {"attachments": attachments}
