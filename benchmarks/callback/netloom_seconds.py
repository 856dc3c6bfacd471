# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints one line of JSON for each task that has ended: its name, its duration, and what a benchmark reads of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: netloom_seconds
type: stdout
short_description: Prints how long each task took
description: One line of JSON for each task.
author: The netloom.containers authors (@netloom)
"""

import json
import time

from ansible.plugins.callback import CallbackBase

KEPT = ("changed", "msg", "stages", "module_stderr", "stderr")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "netloom_seconds"

    def __init__(self):
        super().__init__()
        self._started = 0.0

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._started = time.perf_counter()

    def v2_runner_on_ok(self, result):
        self._tell(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._tell(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        self._tell(result, failed=True)

    def _tell(self, result, *, failed):
        seconds = time.perf_counter() - self._started
        kept = {name: result._result[name] for name in KEPT if name in result._result}
        line = {"task": result._task.get_name().strip(), "seconds": seconds, "failed": failed, **kept}
        print(json.dumps(line, default=str), flush=True)
