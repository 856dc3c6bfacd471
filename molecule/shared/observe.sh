#!/bin/sh
# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Remembers what a host is made of, as the kernel and the records of the collection tell it (`remember`), or prints what has
# become of that (`compare`).
set -eu

observe() {
    ls /sys/class/net
    ip -4 -br address | sed "s/@if[0-9]*//; s/  */ /g" # the number is that of the other end
    ip -4 route show table all
    ip rule show
    nft list ruleset
    ls /run/netns
    [ ! -e /etc/netns ] || ls /etc/netns
    sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.all.route_localnet
    pgrep -a dnsmasq || echo "no name server"
    python3 - <<'END'
import pathlib
import sqlite3

path = pathlib.Path("/var/lib/netloom/state.db")
records = sqlite3.connect(f"file:{path}?mode=ro", uri=True) if path.exists() else sqlite3.connect(":memory:")
for (table,) in records.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
    for row in records.execute(f"SELECT * FROM {table}"):
        print(table, *row)
END
}

case $1 in
    remember) observe >/var/tmp/before ;;
    compare) observe | diff -u /var/tmp/before - ;;
esac
