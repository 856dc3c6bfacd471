# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter subnet_slice: which part of a subnet is a host's own. Pure, documented in subnet_slice.yml beside it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Union

from ansible.errors import AnsibleFilterError

Subnet = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def subnet_slice(
    subnet: str, host: str, hosts: Sequence[str], slices: int = 256, numbers: Mapping[str, int] | None = None
) -> str:
    """Return the part of `subnet` that is `host`'s, of `slices` equal ones.

    Its number is what `numbers` says, or, where that is empty, the place of the host among `hosts`, from 0.

    :raises AnsibleFilterError: there is no such part, or somebody else has it as well.
    """
    whole = _subnet(subnet)
    bits = _bits(slices)
    if whole.prefixlen + bits > whole.max_prefixlen:
        raise AnsibleFilterError(f"slices: {whole} has {whole.num_addresses} addresses, too few for {slices} slices")
    if host not in hosts:
        raise AnsibleFilterError(f"host: {host} is not among the hosts {', '.join(hosts)}")
    number = _numbers(hosts, slices, numbers or {})[host]
    width = whole.max_prefixlen - whole.prefixlen - bits
    first = whole.network_address + (number << width)
    return f"{first}/{whole.prefixlen + bits}"


def _subnet(text: str) -> Subnet:
    try:
        return ipaddress.ip_network(text)
    except (ValueError, TypeError) as exc:
        raise AnsibleFilterError(f"subnet: {exc}") from exc


def _bits(slices: Any) -> int:
    """Return how many bits of an address say which slice it is in."""
    if not isinstance(slices, int) or isinstance(slices, bool) or slices < 1 or slices & (slices - 1):
        raise AnsibleFilterError(f"slices: {slices!r} is not a power of two")
    return slices.bit_length() - 1


def _numbers(hosts: Sequence[str], slices: int, numbers: Mapping[str, int]) -> dict[str, int]:
    """Return the number of every host's slice; no two are the same, and there is a slice for each."""
    if not numbers:
        if len(set(hosts)) > slices:
            raise AnsibleFilterError(f"slices: there are {slices} for {len(set(hosts))} hosts")
        return {host: number for number, host in enumerate(dict.fromkeys(hosts))}
    holders: dict[int, str] = {}
    for host, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < slices:
            raise AnsibleFilterError(f"numbers: {host} has {number!r}, which is not a number from 0 to {slices - 1}")
        if number in holders:
            raise AnsibleFilterError(f"numbers: {holders[number]} and {host} both have {number}")
        holders[number] = host
    without = [host for host in hosts if host not in numbers]
    if without:
        raise AnsibleFilterError(
            f"numbers: {', '.join(without)} {'have' if len(without) > 1 else 'has'} none; either all hosts have one, or none"
        )
    return dict(numbers)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file by name."""
        return {"subnet_slice": subnet_slice}
