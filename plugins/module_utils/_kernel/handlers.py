# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file drives which kind of resource. Each is imported when it is needed, statically so that it is bundled.

Collection-private. Floor 4.
"""

from __future__ import annotations

from typing import Any


def handler(name: str) -> Any:
    """Return the file that observes and changes a kind of resource."""
    if name == "links":
        from . import links

        return links
    if name == "firewall":
        from . import firewall

        return firewall
    if name == "sysctls":
        from . import sysctls

        return sysctls
    if name == "addresses":
        from . import addresses

        return addresses
    if name == "routes":
        from . import routes

        return routes
    if name == "shaping":
        from . import shaping

        return shaping
    if name == "vxlans":
        from . import vxlans

        return vxlans
    if name == "forwarding":
        from . import forwarding

        return forwarding
    if name == "resolvers":
        from . import resolvers

        return resolvers
    if name == "etcd":
        from . import etcd

        return etcd
    if name == "plugins":
        from . import plugins

        return plugins
    if name == "plugin_pools":
        from . import plugin_pools

        return plugin_pools
    if name == "resolvconf":
        from . import resolvconf

        return resolvconf
    from . import namespaces

    return namespaces
