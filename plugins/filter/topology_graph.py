# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter topology_graph: networks and their members as a picture. Pure, documented in topology_graph.yml beside it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_dot import dot
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_mermaid import mermaid
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_source import graph_of
from ansible_collections.netloom.containers.plugins.plugin_utils._graph_svg import svg

FORMATS = {"mermaid": mermaid, "dot": dot, "svg": svg}
THEMES = ("auto", "light", "dark")


def topology_graph(source: Any, format: str = "mermaid", title: str | None = None, theme: str = "auto") -> str:
    """Return what network_info returns, or the options of network_topology, as a picture.

    :raises AnsibleFilterError: `source` is neither of them, or there is no such format or theme.
    """
    if format not in FORMATS:
        raise AnsibleFilterError(f"format: {format!r} is not one of {', '.join(FORMATS)}")
    if theme not in THEMES:
        raise AnsibleFilterError(f"theme: {theme!r} is not one of {', '.join(THEMES)}")
    if title is not None and not isinstance(title, str):
        raise AnsibleFilterError(f"title: {title!r} is not a text")
    return FORMATS[format](graph_of(source, title or ""), theme)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file by name."""
        return {"topology_graph": topology_graph}
