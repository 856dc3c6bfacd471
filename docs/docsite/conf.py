# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the site of `make docs`; nothing is fetched while it does."""

project = "netloom.containers"
copyright = "The netloom.containers authors"
title = html_short_title = "netloom.containers"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_theme_options = {
    "documentation_home_url": "https://github.com/netloom/containers",
    "topbar_links": {"Source": "https://github.com/netloom/containers"},
    "vcs_pageview_mode": "edit",
}
myst_heading_anchors = 3
