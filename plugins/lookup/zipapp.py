# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: zipapp
short_description: The command netloom as one file
version_added: 1.0.0
author:
  - The netloom.containers authors (@netloom)
description:
  - Makes the command C(netloom) out of the code that the modules of this collection run, and returns the path of the file
    on the controller, for M(ansible.builtin.copy). It needs no Ansible where it runs, and the same libraries as the modules.
  - The file goes when the play has ended. The same version of the collection always makes the same bytes.
  - The role P(netloom.containers.host#role) installs it.
options:
  _terms:
    description: Nothing is looked up by name.
  python:
    description: Path of the Python that runs it on the target.
    type: str
    default: /usr/bin/python3
"""

EXAMPLES = r"""
- name: The command netloom
  ansible.builtin.copy:
    src: "{{ lookup('netloom.containers.zipapp') }}"
    dest: /usr/local/sbin/netloom
    mode: "0755"
"""

RETURN = r"""
_raw:
  description: Path of the file on the controller.
  type: list
  elements: path
"""

import hashlib
import os
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.netloom.containers.plugins.plugin_utils._zipapp import zipapp


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        python = self.get_option("python")
        if terms or not os.path.isabs(python):
            raise AnsibleError(f"zipapp: takes no terms, and an absolute path as python, not {python!r}")
        content = zipapp(f"{python} -I")  # isolated: neither PYTHONPATH nor what lies about where it is called
        path = os.path.join(constants.DEFAULT_LOCAL_TMP, f"netloom-{hashlib.sha256(content).hexdigest()[:16]}")
        if not os.path.exists(path):
            own = f"{path}.{os.getpid()}"  # several hosts ask at the same time
            with open(own, "wb") as file:
                file.write(content)
            os.replace(own, path)
        return [path]
