# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes and options that every module of the collection has. Collection-private."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing anything.
    support: full
  diff_mode:
    description: >-
      Returns what changed, or in check mode would change, when in diff mode, as text with a line for each change.
    support: full
  idempotent:
    description: A second run with the same options changes nothing and writes nothing.
    support: full
  platform:
    description: Platform that the module works on.
    support: full
    platforms: linux
"""

    ACTIONGROUP_NETWORK = r"""
options: {}
attributes:
  action_group:
    description: >-
      Use C(group/netloom.containers.network) in C(module_defaults) to set defaults for all modules of the collection.
    support: full
    membership:
      - netloom.containers.network
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); the module never changes anything.
    support: full
  diff_mode:
    description: Has no differences to return.
    support: N/A
  idempotent:
    description: Returns the same while the host stays the same.
    support: full
  platform:
    description: Platform that the module works on.
    support: full
    platforms: linux
"""
