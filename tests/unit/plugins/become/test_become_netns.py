# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import shell_loader
from ansible_collections.netloom.containers.plugins.become.netns import BecomeModule

SAY = '#!/bin/sh\nfor word; do printf "<%s>" "$word"; done\n'


def become(**options):
    plugin = BecomeModule()
    defaults = {"become_user": "root", "become_exe": "sudo", "become_flags": "-H -S", "become_pass": None}
    plugin._options = {**defaults, **options}
    return plugin


def run(plugin, folder, user_id, command="echo it's"):
    """Return the words that the first program on the line gets, where sudo and ip say what they get."""
    for name, text in {"sudo": SAY, "ip": SAY, "id": f"#!/bin/sh\necho {user_id}\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    line = plugin.build_become_command(command, shell_loader.get("sh"))
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(["/bin/sh", "-c", line], env=env, capture_output=True, text=True, check=True).stdout


def test_root_enters_without_sudo(tmp_path):
    plugin = become(namespace="c1")
    expected = "<netns><exec><c1></bin/sh><-c><echo {} ; {}>".format
    assert run(plugin, tmp_path, 0) == expected(plugin.success, "echo it's")


def test_others_enter_with_sudo_that_does_not_ask(tmp_path):
    plugin = become(namespace="c1")
    assert run(plugin, tmp_path, 1000).startswith("<-H><-S><-n><ip><netns><exec><c1></bin/sh><-c><echo BECOME-SUCCESS-")
    assert not plugin.expect_prompt()


def test_with_a_password_sudo_asks_in_words_that_are_recognised(tmp_path):
    plugin = become(namespace="c1", become_pass="secret")
    said = run(plugin, tmp_path, 1000)
    assert said.startswith(f"<-H><-S><-p><{plugin.prompt}><ip>")
    assert "secret" not in said
    assert plugin.expect_prompt()
    assert plugin.check_password_prompt(plugin.prompt.encode())


def test_another_user_runs_the_task_whatever_the_login_shell_is(tmp_path):
    plugin = become(namespace="c1", become_user="nobody")
    assert run(plugin, tmp_path, 0).startswith("<netns><exec><c1><runuser><-s></bin/sh><nobody><-c><echo ")


@pytest.mark.parametrize("name", ["two words", "it's", "$(id)", "ü", "a;b"])
def test_a_name_stays_one_word(tmp_path, name):
    assert run(become(namespace=name), tmp_path, 0).startswith(f"<netns><exec><{name}></bin/sh>")


@pytest.mark.parametrize("name", ["", "-all", "/run/netns/c1", "..", "a\nb"])
def test_what_cannot_be_a_name_is_refused(name):
    with pytest.raises(AnsibleError, match="namespace: .* is not a file name, as a named network namespace has it"):
        become(namespace=name).build_become_command("id", shell_loader.get("sh"))


def test_ansible_takes_nobody_for_the_remote_user_and_so_never_leaves_the_plugin_out():
    user = become(namespace="c1").get_option("become_user")
    assert user != "root"
    assert user in ["root"]  # and knows that root is root
