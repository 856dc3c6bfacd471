# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The large task and its peers: many attachments made, verified and removed, by us and by `ip -batch`.

One series gives the numbers of several rows, so it is measured once. The namespaces are there beforehand for both
sides; ours sets MAC addresses and sysctls, writes records and verifies besides.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network
from typing import Any

from rig import Failed, Host, Rig

SUBNET = "10.200.0.0/16"
IP_SUBNET = ip_network("10.210.0.0/16")
NETLINK_STAGES = {"apply links", "apply addresses", "apply sysctls", "apply routes"}


@dataclass
class Series:
    """Durations in seconds, one for each run; `peak` is in MB."""

    made: list[float] = field(default_factory=list)
    made_netlink: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)
    removed_netlink: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    ip_made: list[float] = field(default_factory=list)
    ip_script: list[float] = field(default_factory=list)
    ip_removed: list[float] = field(default_factory=list)


def series(rig: Rig) -> Series:
    """Return the series of this run of the benchmarks.

    :raises Skipped: there is no network_topology.
    """
    return rig.once("bulk", lambda: _series(rig))


def topology(label: str, /, **options: Any) -> dict[str, Any]:
    """Return a task."""
    return {"name": label, "netloom.containers.network_topology": {"name": "bench", **options}}


def attached(network: str, containers: list[str]) -> list[dict[str, str]]:
    return [{"network": network, "container": container} for container in containers]


def _series(rig: Rig) -> Series:
    rig.needs_module("network_topology")
    found = Series()
    with rig.hosts("bulk") as (host,):
        containers = host.namespaces(rig.size)
        networks = [{"name": "bulk", "subnet": SUBNET}]
        whole = {"networks": networks, "attachments": attached("bulk", containers)}
        ruleset = rig.work / "bulk.nft"
        tasks = [
            # The first task of a run pays for the bundle that the others share.
            {**topology("warm", networks=networks), "check_mode": True},
            topology("made", **whole),
            topology("again", **whole),
            {"name": "rules", "ansible.builtin.shell": f"nft list ruleset >{shlex.quote(str(ruleset))}"},
            topology("removed", networks=networks, attachments=[], purge=True),
            topology("clean", state="absent"),
        ]
        for _run in range(rig.runs):
            done = {task["task"]: task for task in rig.play(host, tasks)}
            if not done["made"]["changed"] or done["again"]["changed"] or not done["removed"]["changed"]:
                raise Failed("a task changed what it should not have, or did not what it should have")
            for name in ("made", "again", "removed"):
                getattr(found, name).append(done[name]["seconds"])
            found.made_netlink.append(netlink(done["made"]))
            found.removed_netlink.append(netlink(done["removed"]))
            if "observed" in done["made"]:
                found.peak.append(done["made"]["observed"]["peak_kib"] / 1024)
            script = ip_scripts(rig, containers, str(ruleset))
            host.seconds(script.bridge)
            found.ip_made.append(host.seconds(script.attach))
            found.ip_removed.append(host.seconds(script.detach))
            host.seconds(script.clean)
            found.ip_script.append(host.seconds(script.whole))
            host.seconds(f"{script.detach}\n{script.clean}")
    return found


def netlink(task: dict[str, Any]) -> float:
    """Return how long a task took for links, addresses, sysctls and routes.

    :raises Failed: it does not say.
    """
    seconds = [stage["seconds"] for stage in task.get("stages", ()) if stage["stage"] in NETLINK_STAGES]
    if not seconds:
        raise Failed(f"task {task['task']} returned none of the stages {', '.join(sorted(NETLINK_STAGES))}")
    return sum(seconds)


@dataclass(frozen=True)
class Scripts:
    """Shell scripts: `whole` makes all that `bridge` and `attach` make, forwarding and nft rules included."""

    bridge: str
    attach: str
    detach: str
    clean: str
    whole: str


def ip_scripts(rig: Rig, containers: list[str], ruleset: str) -> Scripts:
    """Return what does our work with `ip -batch`: files written beforehand, a process for each namespace.

    In a host with so many interfaces, `ip -n` for each namespace and a batch for the host is the fastest way of ip's.
    """
    folder = rig.work / "ip"
    folder.mkdir(exist_ok=True)
    gateway = IP_SUBNET[1]
    wires, ports = [], []
    for number, container in enumerate(containers):
        address = ip_interface(f"{IP_SUBNET[2 + number]}/{IP_SUBNET.prefixlen}")
        mac = "02:42:" + address.ip.packed.hex(":")
        wires.append(f"link add ip{number} type veth peer name eth0 address {mac} netns {container}\n")
        ports.append(f"link set ip{number} master ipbridge up\n")
        (folder / container).write_text(
            f"address add {address} dev eth0\nlink set eth0 up\nroute add default via {gateway}\n", encoding="ascii"
        )
    (folder / "wires").write_text("".join(wires + ports), encoding="ascii")
    (folder / "gone").write_text("".join(f"link delete ip{n}\n" for n in range(len(containers))), encoding="ascii")
    here = shlex.quote(str(folder))
    bridge = f"ip link add ipbridge type bridge; ip address add {gateway}/16 dev ipbridge; ip link set ipbridge up"
    attach = (
        f"ip -batch {here}/wires\n"
        f"n=0; while [ $n -lt {len(containers)} ]; do ip -n n$n -batch {here}/n$n; n=$((n + 1)); done"
    )
    whole = f"sysctl -qw net.ipv4.ip_forward=1\n{bridge}\n{attach}\nnft -f {shlex.quote(ruleset)}"
    return Scripts(
        bridge=bridge,
        attach=attach,
        detach=f"ip -batch {here}/gone",
        clean="ip link delete ipbridge; nft flush ruleset",
        whole=whole,
    )


def beside(rig: Rig, host: Host, networks: int) -> None:
    """Make networks in one task, as company."""
    rig.play(host, [topology("company", networks=company(networks))])


def company(count: int, first: int = 0) -> list[dict[str, str]]:
    """Return networks with a /24 each, out of 10.0.0.0/9."""
    numbers = range(first, first + count)
    return [{"name": f"net{n}", "subnet": f"10.{n // 256}.{n % 256}.0/24"} for n in numbers]
