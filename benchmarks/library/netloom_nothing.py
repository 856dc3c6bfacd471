# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that does nothing, but imports the netlink library: what a task costs whatever it is for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: netloom_nothing
short_description: Does nothing
description: Imports pyroute2, and is content.
author: The netloom.containers authors (@netloom)
"""

import pyroute2
from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, pyroute2=pyroute2.__name__)


if __name__ == "__main__":
    main()
