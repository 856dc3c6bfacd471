# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible is kept from telling and logging."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.netloom.containers.plugins.module_utils._runner import NetloomModule

SECRET = "ky8-not-to-be-told"


@pytest.mark.parametrize(
    "params",
    [
        {"name": "net", "ipam_driver_options": {"username": "u", "password": SECRET}},
        {"name": "shop", "networks": [{"name": "x"}, {"name": "net", "ipam_driver_options": {"password": SECRET}}]},
    ],
)
def test_a_password_is_neither_logged_nor_told(params, monkeypatch):
    logged = []
    module = object.__new__(NetloomModule)
    module.params, module.argument_spec, module.aliases, module.no_log_values = params, {}, {}, set()
    monkeypatch.setattr(module, "log", lambda text, log_args: logged.append(f"{text} {log_args}"), raising=False)
    module._log_invocation()
    (text,) = logged
    assert "net" in text
    assert SECRET not in text
    assert SECRET not in str(remove_values({"msg": f"so it was {SECRET}", "invocation": params}, module.no_log_values))


@pytest.mark.parametrize("params", [{"name": "net", "ipam_driver_options": None}, {"networks": None}, {}])
def test_without_a_password_nothing_is_kept_back(params):
    module = object.__new__(NetloomModule)
    module.params, module.argument_spec, module.aliases, module.no_log_values = params, {}, {}, set()
    module.log = lambda text, log_args: None
    module._log_invocation()
    assert module.no_log_values == set()
