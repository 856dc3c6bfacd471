# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options about the records, and what a target needs. Collection-private."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_dir:
    description:
      - Directory with the records of networks and endpoints.
      - Made with mode C(0700) when it is missing. One that does not belong to root, or that others can read, is
        refused.
    type: path
    default: /var/lib/netloom
  lock_timeout:
    description:
      - How long to wait for another task that works with the same O(state_dir), in seconds.
      - After that the task fails with C(state_locked) and names the process that holds the lock.
    type: int
    default: 30
requirements:
  - Linux with nftables, and root on the target
  - Python 3.9 or later
  - pyroute2 0.7.2 or later (Python library)
  - netaddr (Python library; only where a subnet is chosen)
  - nft 1.0 or later
"""
