#!/usr/bin/env bash
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu

ansible-playbook -i hosts.yml make.yml "$@"
# The containers of this host, on this host
ansible-playbook -i records.netloom.yml -i hosts.yml use.yml "$@"
ansible-inventory -i topology.netloom.yml --list --yaml >listed.yml
ansible-playbook -i hosts.yml others.yml "$@"
