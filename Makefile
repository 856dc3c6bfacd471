# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names for the steps of .ci/run, which says what they are.

STEPS := system engines emulator venv tree meters peers style lint sanity sanity-quick units kernel kernel-oldest \
         kernel-newest integration molecule docs publish build vm

.PHONY: test test-quick test-vm test-matrix walk pictures benchmark clean $(STEPS)

test: ## everything
	@.ci/run

test-quick: ## what can be known in a minute
	@.ci/run quick

test-vm: ## what this machine's kernel lacks, in a virtual machine; FILES="tests/kernel/test_x.py -k word"
	@VM_TESTS='$(FILES)' .ci/run vm

test-matrix: ## each ansible-core, Python, pyroute2 and nft that is supported; the tables are the README's
	@.ci/run matrix

walk: ## see it work, in a host that is thrown away
	@tests/hosts/walk

pictures: ## draw those of the documentation anew
	@.ci/run venv tree
	@PYTHONPATH=.cache/collections PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 NETLOOM_DRAW=1 \
	    .cache/venv/bin/python -m pytest -q tests/unit/plugins/filter/test_pictures.py

benchmark: ## compare with `ip -batch`, Docker and other collections
	@benchmarks/run

$(STEPS):
	@.ci/run $@

clean:
	rm -rf .ansible .cache .mypy_cache .pytest_cache .ruff_cache tests/output tests/integration/inventory
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
