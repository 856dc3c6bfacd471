# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the engine, and the codes that a playbook may test for.

Collection-private. Floor 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

CODES = frozenset(
    [
        "invalid_name",
        "invalid_ifname",
        "invalid_subnet",
        "noncanonical_subnet",
        "subnet_overlap",
        "subnet_host_conflict",
        "invalid_gateway",
        "invalid_ip_range",
        "invalid_address",
        "address_in_use",
        "address_reserved",
        "pool_exhausted",
        "network_exists_different",
        "network_not_found",
        "network_in_use",
        "endpoint_exists",
        "endpoint_not_found",
        "netns_not_found",
        "netns_invalid",
        "netns_is_host",
        "container_ambiguous",
        "port_in_use",
        "parent_not_found",
        "driver_not_found",
        "driver_timeout",
        "driver_error",
        "option_unknown",
        "option_invalid",
        "kernel_unsupported",
        "kernel_limit",
        "permission_denied",
        "state_corrupt",
        "state_locked",
        "state_newer_version",
        "missing_dependency",
        "apply_failed",
    ]
)


class NetloomError(Exception):
    """A task cannot be carried out: `code` is one of `CODES`, the text names option, value and rule.

    `details` are further keys of the module's result, for a caller who wants more than the text.
    """

    is_race = False  # another host was quicker: a fresh look may find something else
    is_refusal = False  # somebody was asked, and has said that it is not done

    def __init__(self, code: str, message: str, **details):
        if code not in CODES:
            raise ValueError(f"{code} is not an error code")
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


@contextmanager
def within(path: str) -> Iterator[None]:
    """Have the errors of the block say that they are about an item of a list, and which: networks[2]."""
    try:
        yield
    except NetloomError as exc:
        option = re.match(r"[a-z_0-9]+(\[[0-9]+\])?(\.[^ :]+)?: ", exc.message)
        message = f"{path}{'.' if option else ': '}{exc.message}"
        raise NetloomError(exc.code, message, **exc.details) from exc.__cause__
