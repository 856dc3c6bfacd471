# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the table: each is a function that yields findings, and reasons for what it skips.

Ours and theirs alternate, so that both see the same noise. The first task of every playbook is not counted: it makes
the bundle that Ansible keeps for the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import bulk
from rig import Failed, Host, Rig, Skipped
from table import FLAT, Finding, Limits

COLLECTION = "netloom.containers."
DOCKER = {"docker_host": "unix:///var/run/docker.sock"}
OUR_SUBNET = "10.201.0.0/16"
# In the host that rows share, each row has its own: one that fails may leave something there.
AGAIN_SUBNETS = (OUR_SUBNET, "10.202.0.0/16")
HUNDRED_SUBNETS = ("10.204.0.0/16", "10.205.0.0/16")
CONNECTS_SUBNET, TRAFFIC_SUBNET, PODMAN_SUBNET = "10.206.0.0/16", "10.207.0.0/16", "10.203.0.0/24"
# The files of a host are an overlay, on which Podman cannot put another one.
PODMAN_SETTINGS = """
rm -rf /var/lib/containers/storage
mkdir -p /etc/containers
printf '[storage]\ndriver = "vfs"\n' >/etc/containers/storage.conf
printf 'runroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' >>/etc/containers/storage.conf
"""
Found = Iterator["Finding | Skipped"]


@dataclass(frozen=True)
class Row:
    title: str
    limits: Limits
    measure: Callable[[Rig], Found]


ROWS: dict[str, Row] = {}


def row(
    name: str, title: str, must: float | None = None, aim: float | None = None
) -> Callable[[Callable[[Rig], Found]], Callable[[Rig], Found]]:
    def kept(function: Callable[[Rig], Found]) -> Callable[[Rig], Found]:
        ROWS[name] = Row(title, Limits(must, aim), function)
        return function

    return kept


# --- tasks ---


def ours(label: str, module: str, /, **options: Any) -> dict[str, Any]:
    return {"name": label, COLLECTION + module: options}


def theirs(label: str, module: str, /, **options: Any) -> dict[str, Any]:
    return {"name": label, module: options}


def attachment(label: str, container: str, /, network: str = "bench", **options: Any) -> dict[str, Any]:
    return ours(label, "network_attachment", network=network, container=container, **options)


def nothing(label: str) -> dict[str, Any]:
    return theirs(label, "netloom_nothing")


def seconds(done: list[dict[str, Any]], name: str) -> list[float]:
    return [task["seconds"] for task in done if task["task"] == name]


def expect(done: list[dict[str, Any]], name: str, *, changed: bool) -> None:
    """:raises Failed: a task of this name did something else than what is measured."""
    if any(task["changed"] is not changed for task in done if task["task"] == name):
        raise Failed(f"task {name}: {'nothing was' if changed else 'something was'} changed")


# --- one attachment ---


@row("one", "one `network_attachment` task, to a no-op task + `import pyroute2` in the same run", 1.3, 1.1)
def one_attachment(rig: Rig) -> Found:
    links = 2 * rig.size
    with rig.hosts("empty", "crowded") as (empty, crowded):
        crowded.links(links)
        samples = {host.name: _attachments(rig, host) for host in (empty, crowded)}
    yield Finding("on an empty host", *samples["empty"], of="no-op task")
    yield Finding(f"beside {links} foreign links", *samples["crowded"], of="no-op task")


def _attachments(rig: Rig, host: Host) -> tuple[list[float], list[float]]:
    containers = host.namespaces(3 * rig.runs + 1)
    tasks = [
        ours("network", "container_network", name="bench", subnet=OUR_SUBNET),
        nothing("warm"),
        attachment("warm", containers[0]),
    ]
    for container in containers[1:]:
        tasks += [nothing("theirs"), attachment("ours", container)]
    done = rig.play(host, tasks)
    expect(done, "ours", changed=True)
    return seconds(done, "ours"), seconds(done, "theirs")


@row("again", "the same, second run (nothing to do), to community.docker's second run", 0.9, 0.7)
def second_run(rig: Rig) -> Found:
    peers, docker = rig.peers(), rig.docker()
    container = docker.containers[0]
    (netns,) = docker.host.namespaces(1, "again")
    attach = {
        "ours": attachment("ours", netns),
        # Docker counts interfaces without looking: the name that it chooses next must be free.
        "ours, Docker": attachment("ours, Docker", container, interface_name="bench0"),
    }
    connect = theirs(
        "docker", "community.docker.docker_network", **_docker_network("again", AGAIN_SUBNETS[1], [container])
    )
    tasks = [ours("network", "container_network", name="bench", subnet=AGAIN_SUBNETS[0]), *attach.values(), connect]
    tasks += [*attach.values(), connect] * (3 * rig.runs)
    clean = [
        attachment("clean", container, state="absent"),
        ours("clean", "container_network", name="bench", state="absent", force=True),
        theirs("clean", "community.docker.docker_network", name="again", state="absent", force=True, **DOCKER),
    ]
    done = rig.play(docker.host, [*tasks, *clean], venv=peers)
    later = done[len(attach) + 2 :]
    for name in ("ours", "ours, Docker", "docker"):
        expect(later, name, changed=False)
    of = "docker_network with `connected`"
    yield Finding("a named namespace", seconds(later, "ours"), seconds(later, "docker"), of=of)
    yield Finding("a Docker container", seconds(later, "ours, Docker"), seconds(later, "docker"), of=of)
    try:
        yield from _second_run_of_podman(rig)
    except Skipped as exc:
        yield exc


def _second_run_of_podman(rig: Rig) -> Found:
    rig.needs("podman")
    peers = rig.peers()
    if "containers.podman" not in rig.versions:
        raise Skipped("containers.podman is not installed")
    with rig.hosts("podman") as (host,):
        host.run("sh", "-ec", PODMAN_SETTINGS)
        pair = [
            ours("ours", "container_network", name="bench", subnet=OUR_SUBNET),
            theirs("podman", "containers.podman.podman_network", name="again", subnet=PODMAN_SUBNET),
        ]
        later = rig.play(host, pair * (3 * rig.runs + 1), venv=peers)[len(pair) :]
    expect(later, "ours", changed=False)
    expect(later, "podman", changed=False)
    of = "podman_network, a network without members"
    yield Finding("`container_network`", seconds(later, "ours"), seconds(later, "podman"), of=of, limits=Limits())


def _docker_network(name: str, subnet: str, connected: list[str]) -> dict[str, Any]:
    return {"name": name, "connected": connected, "ipam_config": [{"subnet": subnet}], **DOCKER}


# --- many attachments ---


@row(
    "netlink",
    "1,000 attachments in one `network_topology`, netlink part, to `ip -batch` for the same work (C: 0.19)",
    0.6,
    0.3,
)
def netlink_part(rig: Rig) -> Found:
    found = bulk.series(rig)
    yield Finding("", found.made_netlink, found.ip_made, of=f"ip -batch, {rig.size} attachments")


@row("whole", "the same, whole task, to a complete `ip -batch` script", 0.7, 0.4)
def whole_task(rig: Rig) -> Found:
    found = bulk.series(rig)
    yield Finding("", found.made, found.ip_script, of=f"ip -batch and nft -f, {rig.size} attachments")


@row("hundred", "100 attachments in one task, to community.docker's `connected` list of 100", 0.15, 0.08)
def hundred(rig: Rig) -> Found:
    peers, docker = rig.peers(), rig.docker()
    containers = docker.containers
    named = docker.host.namespaces(len(containers), "hundred")
    tasks = []
    for _run in range(rig.runs + 1):
        for name, connected in (("namespaces", named), ("containers", containers)):
            network = {"name": name, "subnet": HUNDRED_SUBNETS[0], "connected": connected}
            tasks += [
                ours(name, "container_network", **network),
                ours("clean", "container_network", name=name, state="absent", force=True),
            ]
        tasks += [
            theirs(
                "docker",
                "community.docker.docker_network",
                **_docker_network("hundred", HUNDRED_SUBNETS[1], containers),
            ),
            theirs("clean", "community.docker.docker_network", name="hundred", state="absent", force=True, **DOCKER),
        ]
    done = rig.play(docker.host, tasks, venv=peers)
    expect(done, "namespaces", changed=True)
    expect(done, "docker", changed=True)
    for name, case in (("namespaces", "named namespaces"), ("containers", "Docker containers")):
        of = f"docker_network with `connected`, {len(containers)} containers"
        yield Finding(case, seconds(done, name)[1:], seconds(done, "docker")[1:], of=of)


@row("imports", "module_utils imported by one module", 120, 80)
def imports(rig: Rig) -> Found:
    with rig.hosts("imports") as (host,):
        (container,) = host.namespaces(1)
        tasks = [
            ours("network", "container_network", name="bench", subnet=OUR_SUBNET),
            attachment("attachment", container),
            attachment("again", container),
        ]
        done = {task["task"]: task for task in rig.play(host, tasks, imports=True)}
    for name, case in (("attachment", "`network_attachment`"), ("again", "`network_attachment`, nothing to do")):
        observed = done[name].get("observed")
        if not observed or not observed["imported"]:
            raise Failed("the module did not tell what it had imported")
        imported, bundled = observed["imported"], observed["bundled"]
        of = f"{len(imported)} of {len(bundled)} files; {sum(bundled.values()) / 1024:.0f} KB are bundled"
        yield Finding(case, [sum(imported.values()) / 1024], unit="KB", of=of)


@row("docker", "the same, whole task, to Docker's API for 1,000 connects", 0.12, 0.06)
def docker_connects(rig: Rig) -> Found:
    docker = rig.docker()
    found = bulk.series(rig)
    count = len(docker.containers)
    connects = [
        sum(docker.host.inside("docker_connects", docker.containers, CONNECTS_SUBNET)) / count
        for _run in range(rig.runs)
    ]
    of = f"Docker's API, {count} connects measured and scaled to {rig.size}: in its favour, it slows down with members"
    yield Finding("", found.made, [each * rig.size for each in connects], of=of)


@row(
    "remove",
    "1,000 attachments removed in one task, netlink part, to `ip -batch` deleting one by one",
    0.1,
    0.05,
)
def removal(rig: Rig) -> Found:
    found = bulk.series(rig)
    yield Finding("", found.removed_netlink, found.ip_removed, of=f"ip -batch, {rig.size} attachments")
    whole = f"ip -batch, {rig.size} attachments"
    yield Finding("whole task", found.removed, found.ip_removed, of=whole, limits=Limits())


@row(
    "verify",
    "second run of that task (all verified against the kernel, nothing to do), to the first",
    0.5,
    0.25,
)
def verification(rig: Rig) -> Found:
    found = bulk.series(rig)
    yield Finding("", found.again, found.made, of=f"the first run, {rig.size} attachments")


# --- what is flat ---


@row("endpoints", "one attachment beside 0 / 100 / 1,000 endpoints and 2,000 foreign links", 1.2, FLAT)
def beside_endpoints(rig: Rig) -> Found:
    links = 2 * rig.size
    # A bridge has 1,023 ports, and the measured endpoints need some.
    counts = [0, rig.size // 10, min(rig.size, 1020 - 3 * rig.runs)]
    with rig.hosts("alone", "some", "many", "crowded") as hosts:
        for host, count in zip(hosts, [*counts, counts[-1]]):
            members = host.namespaces(count, "member")
            rig.play(host, [ours("company", "container_network", name="bench", subnet=OUR_SUBNET, connected=members)])
            host.namespaces(3 * rig.runs + 1)
        hosts[-1].links(links)
        samples: dict[str, list[float]] = {host.name: [] for host in hosts}
        for number in range(rig.runs):
            for host in hosts:
                containers = [f"n{number * 3 + offset}" for offset in range(1, 4)]
                tasks = [nothing("warm"), attachment("warm", "n0", state="absent")]
                done = rig.play(host, [*tasks, *(attachment("ours", container) for container in containers)])
                expect(done, "ours", changed=True)
                samples[host.name] += seconds(done, "ours")
    cases = (f"{counts[1]} endpoints", f"{counts[2]} endpoints", f"{counts[2]} endpoints and {links} foreign links")
    for host, case in zip(hosts[1:], cases):
        yield Finding(case, samples[host.name], samples["alone"], of="no other endpoint")


@row("networks", "one network beside 0 / 100 / 500 others", 1.2, FLAT)
def beside_networks(rig: Rig) -> Found:
    counts, samples, _reading = _beside_networks(rig)
    for count in counts[1:]:
        yield Finding(f"{count} others", samples[count], samples[0], of="no other network")


@row("info", "`network_info` of one network of 500")
def reading(rig: Rig) -> Found:
    counts, _samples, samples = _beside_networks(rig)
    yield Finding(f"{counts[-1]} others", samples[counts[-1]], samples[0], of="no other network")


def _beside_networks(rig: Rig) -> tuple[list[int], dict[int, list[float]], dict[int, list[float]]]:
    """Return how many others there were, and how long it took to make a network and to read one beside so many."""
    return rig.once("networks", lambda: _beside(rig))


def _beside(rig: Rig) -> tuple[list[int], dict[int, list[float]], dict[int, list[float]]]:
    rig.needs_module("network_topology")
    counts = [0, rig.size // 10, rig.size // 2]
    made: dict[int, list[float]] = {count: [] for count in counts}
    read: dict[int, list[float]] = {count: [] for count in counts}
    with rig.hosts("none", "hundred", "hundreds") as hosts:
        for host, count in zip(hosts, counts):
            bulk.beside(rig, host, count)
        for _run in range(rig.runs):
            for host, count in zip(hosts, counts):
                tasks = [ours("warm", "container_network", name="mine0", state="absent"), ours("warm", "network_info")]
                for number in range(3):
                    name = f"mine{number}"
                    tasks += [
                        ours("made", "container_network", name=name, subnet=f"10.201.{number}.0/24"),
                        ours("read", "network_info", name=[name]),
                        ours("clean", "container_network", name=name, state="absent"),
                    ]
                done = rig.play(host, tasks)
                expect(done, "made", changed=True)
                made[count] += seconds(done, "made")
                read[count] += seconds(done, "read")
    return counts, made, read


@row("allocation", "allocation in a /16 at 99 %, to at 0 %; in a /64", 2, FLAT)
def allocation(rig: Rig) -> Found:
    fills = {"0 %": 0, "50 %": 32_000, "99 %": 64_800}
    with rig.hosts("allocation") as (host,):
        samples = {fill: host.inside("allocations", "10.200.0.0/16", held, 200) for fill, held in fills.items()}
        samples["/64"] = host.inside("allocations", "fd00::/64", 64_800, 200)
    for fill, case in (("50 %", "a /16 at 50 %"), ("99 %", "a /16 at 99 %"), ("/64", "a /64 with 64,800 taken")):
        yield Finding(case, samples[fill], samples["0 %"], of="a /16 at 0 %, in-process")


# --- Docker ---


@row("create", "500 networks made in one task, to 500 × Docker API create", 0.1, 0.03)
def networks_made(rig: Rig) -> Found:
    rig.needs_module("network_topology")
    docker = rig.docker()
    count, measured = rig.size // 2, max(6, rig.size * 60 // 1000)
    subnets = [network["subnet"] for network in bulk.company(measured)]
    made, created = [], []
    with rig.hosts("create") as (host,):
        for _run in range(rig.runs):
            tasks = [
                {**bulk.topology("warm", networks=bulk.company(1)), "check_mode": True},
                bulk.topology("made", networks=bulk.company(count)),
                bulk.topology("clean", state="absent"),
            ]
            done = rig.play(host, tasks)
            expect(done, "made", changed=True)
            made += seconds(done, "made")
            each = sum(docker.host.inside("docker_networks", subnets)) / measured
            created.append(each * count)
    of = (
        f"Docker's API, {measured} creations measured and scaled to {count}: in its favour, it slows down with networks"
    )
    yield Finding("", made, created, of=of)


@row("traffic", "throughput and round trip between two members, to Docker's bridge")
def traffic(rig: Rig) -> Found:
    rig.needs("iperf3", "ping")
    docker = rig.docker()
    theirs_pair = docker.containers[:2]
    docker.host.run("docker", "network", "create", "--subnet", TRAFFIC_SUBNET, "traffic")
    shape = "{{.State.Pid}} {{.NetworkSettings.Networks.traffic.IPAddress}}"
    try:
        for container in theirs_pair:
            docker.host.run("docker", "network", "connect", "traffic", container)
        (server, address), (client, _address) = (
            docker.host.run("docker", "inspect", "--format", shape, container).split() for container in theirs_pair
        )
        with rig.hosts("traffic") as (host,):
            named = host.namespaces(2)
            rig.play(host, [ours("made", "container_network", name="traffic", subnet=OUR_SUBNET, connected=named)])
            our_address = host.run("ip", "-n", named[0], "-o", "-4", "address", "show", "eth0").split()[3].split("/")[0]
            sides = (
                (host, [("ip", "netns", "exec", name) for name in named], our_address),
                (docker.host, [("nsenter", "--net", "--target", pid) for pid in (server, client)], address),
            )
            samples: list[list[tuple[float, float]]] = [[], []]
            for _sample in range(3 * rig.runs + 1):  # the first is not counted
                for side, (where, (to, at), target) in zip(samples, sides):
                    side.append((_throughput(where, to, at, target), _round_trip(where, at, target)))
    finally:
        for container in theirs_pair:
            docker.host.run("docker", "network", "disconnect", "--force", "traffic", container, check=False)
        docker.host.run("docker", "network", "rm", "traffic", check=False)
    (our_speed, our_delay), (their_speed, their_delay) = ([*zip(*side[1:])] for side in samples)
    of = "two containers on Docker's bridge"
    yield Finding(
        "throughput", [*our_speed], [*their_speed], unit="Gbit/s", of=of, limits=Limits(1.0, 1.1, at_least=True)
    )
    yield Finding("round trip", [*our_delay], [*their_delay], of=of, limits=Limits(1.0))


def _throughput(host: Host, server: tuple[str, ...], client: tuple[str, ...], address: str) -> float:
    """Return Gbit/s of one TCP stream of a second."""
    host.run(*server, "iperf3", "--server", "--one-off", "--daemon", "--bind", address)
    for _try in range(50):  # the daemon may not listen yet
        said = host.run(*client, "iperf3", "--client", address, "--time", "1", "--json", check=False)
        answer = json.loads(said or "{}")
        if "end" in answer and "sum_received" in answer["end"]:
            return answer["end"]["sum_received"]["bits_per_second"] / 1e9
    raise Failed(f"iperf3: {answer.get('error')}")


def _round_trip(host: Host, client: tuple[str, ...], address: str) -> float:
    """Return the mean of a few hundred round trips."""
    said = host.run(*client, "ping", "-n", "-q", "-c", "300", "-i", "0.002", address)
    return float(re.search(r"= [\d.]+/([\d.]+)/", said)[1]) / 1e3


# --- memory ---


@row("memory", "memory of a module with 1,000 attachments", 150, 100)
def memory(rig: Rig) -> Found:
    found = bulk.series(rig)
    if not found.peak:
        raise Failed("the module did not tell what memory it took")
    yield Finding("", found.peak, unit="MB", of=f"peak, {rig.size} attachments")
