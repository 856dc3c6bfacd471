# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# For contributors who work with nox: `nox -l` lists sessions, and antsibull-nox.toml says what they do.
# What decides is .ci/run, which the workflows run as well.

import antsibull_nox
import nox

antsibull_nox.load_antsibull_nox_toml()

nox.options.sessions = ["docs-check", "license-check", "extra-checks", "build-import-check"]


@nox.session(name="tests", default=False, venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run steps of .ci/run: nox -e tests -- lint units."""
    session.run(".ci/run", *session.posargs, external=True)


if __name__ == "__main__":
    nox.main()
