# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error codes are a closed list, and an error says all it knows."""

from __future__ import annotations

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import CODES, NetloomError


def test_an_error_carries_code_text_and_details():
    error = NetloomError("network_exists_different", "it differs", differences=["driver"])
    assert (error.code, error.message, str(error)) == ("network_exists_different", "it differs", "it differs")
    assert error.details == {"differences": ["driver"]}


def test_a_code_that_is_not_documented_cannot_be_raised():
    with pytest.raises(ValueError, match="oops is not an error code"):
        raise NetloomError("oops", "text")


def test_codes_are_lower_case_words():
    assert len(CODES) == 36
    assert all(code.replace("_", "a").isalnum() and code == code.lower() for code in CODES)
