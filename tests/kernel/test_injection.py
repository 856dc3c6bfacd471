# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a user can write reaches nft as text.

Every option takes what would be syntax to nft, to a shell, to netlink or to a terminal. It is refused, and nothing
is touched; or it is accepted, and then our tables are whole, hold none of it but names of interfaces, and a saved
ruleset loads again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import engine
import pytest
import rig
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._options import endpoint as endpoints
from ansible_collections.netloom.containers.plugins.module_utils._options import namespace as namespaces
from ansible_collections.netloom.containers.plugins.module_utils._options import network as networks
from ansible_collections.netloom.containers.plugins.module_utils._options import topology as topologies
from ansible_collections.netloom.containers.plugins.module_utils._verbs.endpoints import endpoint_present
from ansible_collections.netloom.containers.plugins.module_utils._verbs.namespaces import namespace_present
from ansible_collections.netloom.containers.plugins.module_utils._verbs.networks import network_present
from engine import Verb, do, drift, result_of
from rig import run

pytestmark = pytest.mark.packets

MARK = "zzyzx"  # in every text that is not a name; nothing of ours holds it
TEXTS = {
    "a statement": f'"; flush ruleset; # {MARK}',
    "an end of a set": f"x }}; flush ruleset; # {MARK}",
    "an end of a table": f"x }} }} flush ruleset {MARK}",
    "a line": f"x\nflush ruleset\n{MARK}",
    "a carriage return": f"x\rflush ruleset {MARK}",
    "a file": f'include "/etc/{MARK}"',
    "a quote": f"{MARK}'\"`",
    "a backslash": f"{MARK}\\",
    "a NUL": f"{MARK}\0flush ruleset",
    "a wildcard": f"{MARK}*",
    "a wildcard alone": "*",
    "a set": f"@{MARK}/bridges",
    "a set of ours": "@bridges ",
    "a command": f"$(touch /run/{MARK})",
    "a command in quotes": f"`touch /run/{MARK}`",
    "a variable": "$IFS\t",
    "a comment": f"# {MARK} /* */",
    "a range": "{1.0.0.1-9.9.9.9}",
    "all addresses": "0.0.0.0/0",
    "an escape": f"\x1b[2J{MARK}",
    "a change of direction": f"\u202e{MARK}",
    "a letter of another script": "br-\u0430",
    "a byte that is no text": f"{MARK}\udcff",
    "a template": f"{{{{ {MARK} }}}} %s %n {{0}}",
    "a path": f"../../{MARK}",
    "much": MARK * 20_000,
}
# Names to the kernel, and words, numbers or syntax to nft. A wildcard, a set, a quote or a blank is in none of them.
NAMES = (
    *("0x10", "1", "4294967296", "drop", "inet", "netloom"),
    *("$(id);{a}", "`a`,#|&<b>", "=[a?]!~^", "eth0@if3", "br.100"),
)
WORDS = ("0x10", "drop", "netloom")


SECURED = {"port_security": True}


@pytest.fixture(autouse=True)
def base() -> str:
    """Return the ruleset of a host with a network, of which one member has a port and port security."""
    for name in ("c1", "c2"):
        rig.netns(name)
    do(network(name="base", ipam_config=[{"subnet": "10.60.0.0/24"}, {"subnet": "fd00:60::/64"}]))
    do(attachment(container="c1", published_ports=["8080:80", "127.0.0.1:53:53/udp"], driver_opts=SECURED))
    return run("nft", "list", "ruleset").stdout


# --- tasks, as modules carry them out ---


def parsed(module: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as AnsibleModule would pass them.

    :raises NetloomError: Ansible itself refuses them.
    """
    validator = ArgumentSpecValidator(module["argument_spec"], mutually_exclusive=module.get("mutually_exclusive"))
    result = validator.validate({**given})
    if result.error_messages:
        raise NetloomError("option_invalid", ascii(result.error_messages))
    return result.validated_parameters


def network(**given: Any) -> Verb:
    def verb(*, host: Any, dry_run: bool) -> Any:
        params = parsed(networks.NETWORK, {"name": "net", **given})
        return network_present(host, networks.network_spec(params), networks.connected(params), dry_run=dry_run)

    return verb


def attachment(**given: Any) -> Verb:
    def verb(*, host: Any, dry_run: bool) -> Any:
        params = parsed(endpoints.ATTACHMENT, {"network": "base", "container": "c2", **given})
        return endpoint_present(host, endpoints.endpoint_spec(params), dry_run=dry_run)

    return verb


def namespace(**given: Any) -> Verb:
    def verb(*, host: Any, dry_run: bool) -> Any:
        name = namespaces.namespace_name(parsed(namespaces.NAMESPACE, given))
        return namespace_present(host, name, dry_run=dry_run)

    return verb


def topology(**given: Any) -> Verb:
    def verb(*, host: Any, dry_run: bool) -> Any:
        spec = topologies.topology_spec(parsed(topologies.TOPOLOGY, {"name": "shop", **given}))
        return engine.whole(spec)(host=host, dry_run=dry_run)

    return verb


# --- what must hold afterwards ---


def items() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (kind, body) of all that nft lists."""
    for item in json.loads(run("nft", "-j", "list", "ruleset").stdout)["nftables"]:
        yield from item.items()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(part)


def interfaces(netns: str | None = None) -> set[str]:
    return {link["ifname"] for link in json.loads(run("ip", "-j", "link", "show", netns=netns).stdout)}


def rules(listing: str) -> list[str]:
    """Return the rules of a ruleset, and where they begin its chains, as nft prints them."""
    return [line for line in listing.splitlines() if " comment " in line or "chain " in line or " hook " in line]


def assert_sound(base: str, *names: str) -> None:
    """Assert that nothing is amiss: our tables are whole, hold nothing odd, and can be saved and loaded.

    `base` is a ruleset with the same rules; `names` are the interface names that a user gave.
    """
    assert [line for each in engine.inspected() for line in each["Drift"]] == []
    assert rules(run("nft", "list", "ruleset").stdout) == rules(base)
    found = [body.get("elem", ()) for _kind, body in items()]
    assert {text for text in strings(found) if not re.fullmatch(r"[0-9a-z.:-]+", text)} <= {*names}
    assert_loads_again()


def assert_loads_again() -> None:
    listing = run("nft", "list", "ruleset").stdout
    run("nft", "-f", "-", stdin="flush ruleset\n" + listing)
    assert run("nft", "list", "ruleset").stdout == listing
    run("nft", "flush", "ruleset")
    run("nft", "-f", "-", stdin=listing)
    assert run("nft", "list", "ruleset").stdout == listing
    assert [line for each in engine.inspected() for line in each["Drift"]] == []


def outcome(verb: Verb, *, check: bool) -> str:
    """Return the code of the error with which a task is refused. Its message can be shown on a terminal."""
    try:
        changes = result_of(verb, check=check).outcome.changes
    except NetloomError as error:
        assert error.message.isprintable()
        assert error.message.encode()
        return error.code
    return f"accepted: {[str(change) for change in changes]}"


# --- what is refused ---

Task = Callable[[str], Verb]


def pool(**given: Any) -> Verb:
    return network(ipam_config=[{"subnet": "10.70.0.0/24", **given}])


def driver_option(name: str) -> Task:
    return lambda text: network(driver_options={name: text}, internal=True)


REFUSED: dict[str, tuple[Task, str]] = {
    "name": (lambda text: network(name=text), "invalid_name"),
    "driver": (lambda text: network(driver=text), "driver_not_found"),
    "driver_options, a name": (lambda text: network(driver_options={text: "x"}), "option_unknown option_invalid"),
    **{
        f"driver_options.{name}": (driver_option(name), "option_invalid")
        for name in (
            *("mtu", "icc", "ip_masquerade", "host_binding_ipv4", "gateway_mode_ipv4", "gateway_mode_ipv6"),
            *("inhibit_ipv4", "host_ipv4", "host_ipv6", "com.docker.network.bridge.gateway_mode_ipv4"),
        )
    },
    **{
        f"driver_options.{name}": (driver_option(name), "invalid_ifname option_invalid")
        for name in ("bridge_name", "com.docker.network.bridge.name", "interface_prefix")
    },
    "ipam_driver": (lambda text: network(ipam_driver=text), "driver_not_found"),
    "ipam_driver_options, a name": (
        lambda text: network(ipam_driver_options={text: "x"}),
        "option_unknown option_invalid",
    ),
    "ipam_driver_options": (lambda text: network(ipam_driver_options={"x": text}), "option_unknown option_invalid"),
    "ipam_config[].subnet": (lambda text: network(ipam_config=[{"subnet": text}]), "invalid_subnet"),
    "ipam_config[].iprange": (lambda text: pool(iprange=text), "invalid_ip_range"),
    "ipam_config[].gateway": (lambda text: pool(gateway=text), "invalid_gateway"),
    "ipam_config[].aux_addresses": (lambda text: pool(aux_addresses={"x": text}), "invalid_address"),
    "subnet": (lambda text: network(subnet=text), "invalid_subnet"),
    "ip_range": (lambda text: network(subnet="10.70.0.0/24", ip_range=text), "invalid_ip_range"),
    "gateway": (lambda text: network(subnet="10.70.0.0/24", gateway=text), "invalid_gateway"),
    "connected": (lambda text: network(connected=[text]), "netns_not_found netns_invalid"),
    "connected[].interface_name": (
        lambda text: network(connected=[{"container": "c2", "interface_name": text}]),
        "invalid_ifname",
    ),
    "attachment.network": (lambda text: attachment(network=text), "invalid_name"),
    "attachment.container": (lambda text: attachment(container=text), "netns_not_found netns_invalid"),
    "attachment.runtime": (lambda text: attachment(runtime=text), "option_invalid"),
    "attachment.ipv4_address": (lambda text: attachment(ipv4_address=text), "invalid_address"),
    "attachment.ipv6_address": (lambda text: attachment(ipv6_address=text), "invalid_address"),
    "attachment.mac_address": (lambda text: attachment(mac_address=text), "option_invalid"),
    "attachment.interface_name": (lambda text: attachment(interface_name=text), "invalid_ifname"),
    "attachment.driver_opts, a name": (
        lambda text: attachment(driver_opts={text: "x"}),
        "option_unknown option_invalid",
    ),
    "attachment.driver_opts.ifname": (
        lambda text: attachment(driver_opts={"ifname": text}),
        "invalid_ifname option_invalid",
    ),
    "attachment.driver_opts.port_security": (
        lambda text: attachment(driver_opts={"port_security": text}),
        "option_invalid",
    ),
    "published_ports": (lambda text: attachment(published_ports=[text]), "option_invalid"),
    "published_ports, an address": (lambda text: attachment(published_ports=[f"{text}:80:80"]), "option_invalid"),
    "published_ports, an IPv6 address": (
        lambda text: attachment(published_ports=[f"[{text}]:80:80"]),
        "option_invalid",
    ),
    "published_ports, a protocol": (lambda text: attachment(published_ports=[f"80:80/{text}"]), "option_invalid"),
    "published_ports, a port of the host": (lambda text: attachment(published_ports=[f"{text}:80"]), "option_invalid"),
    "published_ports, a port": (lambda text: attachment(published_ports=[f"80:{text}"]), "option_invalid"),
    "namespace.name": (lambda text: namespace(name=text), "invalid_name"),
    "topology.name": (lambda text: topology(name=text), "invalid_name"),
    "topology.networks[].name": (lambda text: topology(networks=[{"name": text}]), "invalid_name"),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_no_option_can_be_is_refused_and_nothing_is_touched(option, base):
    task, codes = REFUSED[option]
    before = engine.picture("c1", "c2")
    found = {name: {outcome(task(text), check=check) for check in (True, False)} for name, text in TEXTS.items()}
    assert {name: code for name, code in found.items() if len(code) != 1 or not code <= {*codes.split()}} == {}
    engine.same(engine.picture("c1", "c2"), before, "refused")
    assert run("nft", "list", "ruleset").stdout == base
    assert not Path("/run", MARK).exists()


def test_a_word_of_nft_is_no_value_either(base):
    found = {
        (option, word): (outcome(task(word), check=False), codes)
        for option, (task, codes) in REFUSED.items()
        # What these can be called is below.
        if "ifname" not in codes and "invalid_name" not in codes
        for word in WORDS
    }
    assert {key: code for key, (code, codes) in found.items() if code not in codes.split()} == {}
    assert run("nft", "list", "ruleset").stdout == base


# --- what is accepted ---


@pytest.mark.parametrize("name", NAMES)
def test_a_bridges_name_is_the_only_text_of_a_user_in_the_table(name, base):
    options = {"bridge_name": name, "host_ipv4": "198.51.100.7", "gateway_mode_ipv6": "routed"}
    pools = [{"subnet": "10.70.0.0/24"}, {"subnet": "fd00:70::/64"}]
    do(network(driver_options=options, ipam_config=pools))
    do(attachment(network="net", published_ports=["9090:80", "[::]:9090:80"], driver_opts=SECURED))
    assert name in interfaces()
    assert_sound(base, name)
    do(network(internal=True, driver_options={"bridge_name": name, "icc": False}))
    assert_sound(base, name)
    do(engine.absent("net", force=True))
    assert run("nft", "list", "ruleset").stdout == base


@pytest.mark.parametrize("option", ["interface_name", "driver_opts"])
def test_an_interfaces_name_in_a_container_is_not_in_nft(option, base):
    do(attachment(published_ports=["9090:80"], driver_opts=SECURED))
    listing = run("nft", "list", "ruleset").stdout
    for name in NAMES:
        given = {"interface_name": name, "driver_opts": {**SECURED, "ifname": name}}
        do(engine.detach("base", "c2"))  # a further name would make a further endpoint
        do(attachment(**{"published_ports": ["9090:80"], "driver_opts": SECURED, option: given[option]}))
        assert name in interfaces("c2")
        assert run("nft", "list", "ruleset").stdout == listing
        assert drift("base") == []
    assert_sound(base)


def test_a_prefix_of_interface_names_is_not_in_nft(base):
    for number, prefix in enumerate(["drop", "$(id);{a}", "`,#|&<>"]):
        do(network(name=f"n{number}", driver_options={"interface_prefix": prefix}, subnet=f"10.7{number}.0.0/24"))
        do(attachment(network=f"n{number}", published_ports=[f"909{number}:80"], driver_opts=SECURED))
        assert f"{prefix}0" in interfaces("c2")
    assert_sound(base)


@pytest.mark.parametrize("name", ["0x10", "drop", "inet", "netloom", "4294967296", "a--.._"])
def test_the_names_of_networks_namespaces_and_topologies_are_not_in_nft(name, base):
    container = {"published_ports": ["9090:80"], "driver_opts": SECURED}
    do(
        topology(
            name=name,
            namespaces=[{"name": name}],
            networks=[{"name": name, "subnet": "10.70.0.0/24"}],
            attachments=[{"network": name, "container": name, **container}],
        )
    )
    assert_sound(base)


CONTAINERS = [
    '"; flush ruleset; # zzyzx',
    "zzyzx } }; flush ruleset",
    "zzyzx'\"`",
    "zzyzx\\",
    "zzyzx*",
    "@zzyzx",
    "$(touch zzyzx)",
    "\u202ezzyzx",
    "{{ zzyzx }}%s%n",
    "zzyzx " * 40,
]


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_name_of_a_container_is_in_titles_only(name, base):
    rig.netns(name)
    asked: dict[str, Any] = {"container": name, "published_ports": ["9090:80"], "driver_opts": SECURED}
    predicted = engine.predict(attachment(**asked))
    done = do(attachment(**asked))
    assert done == predicted
    assert f"create endpoint of {name} on network base" in done
    assert f"create port security of {name} " in "\n".join(done)
    assert "zzyzx" not in json.dumps(list(items()))
    assert_sound(base)
    assert do(attachment(**asked)) == []
    assert engine.refusal(attachment(published_ports=["9090:80"])).code == "port_in_use"
    do(engine.detach("base", name))
    assert run("nft", "list", "ruleset").stdout == base


def test_a_container_whose_name_is_no_text_is_refused():
    rig.netns("zzyzx\udcff")
    assert outcome(attachment(container="zzyzx\udcff"), check=True) == "netns_invalid"


@pytest.mark.parametrize("name", ['zzyzx"; flush ruleset', "zzyzx*", "zzyzx'`$(id)", "\u202ezzyzx"])
def test_the_path_of_a_container_is_in_titles_only(name, base):
    folder = Path("/run/other")
    folder.mkdir()
    path = folder / name
    path.touch()
    run("mount", "--bind", "/run/netns/c2", path)
    do(attachment(container=str(path), published_ports=["9090:80"], driver_opts=SECURED))
    assert "zzyzx" not in json.dumps(list(items()))
    assert_sound(base)
    do(engine.detach("base", str(path)))
    assert run("nft", "list", "ruleset").stdout == base


KEPT = {name: text for name, text in TEXTS.items() if "\0" not in text}


def test_labels_are_kept_as_they_are_and_are_not_in_nft(base):
    labels = {**dict.fromkeys(KEPT.values(), "x"), **KEPT, "": ""}
    do(network(labels=labels, subnet="10.70.0.0/24"))
    listing = run("nft", "list", "ruleset").stdout
    assert engine.inspected("net")[0]["Labels"] == labels
    assert_sound(base)
    assert do(network(labels=labels)) == []
    do(network(labels={}))
    assert run("nft", "list", "ruleset").stdout == listing


def test_names_of_auxiliary_addresses_are_kept_as_they_are_and_are_not_in_nft(base):
    names = {name: f"10.70.0.{number}" for number, name in enumerate(KEPT.values(), 100)}
    do(pool(aux_addresses=names))
    (config,) = engine.inspected("net")[0]["IPAM"]["Config"]
    assert config["AuxiliaryAddresses"] == names
    assert_sound(base)


@pytest.mark.parametrize("labels", [{"k": "zzyzx\0"}, {"zzyzx\0": "v"}, {"k": "x" * 1_048_577}, {"x" * 1_048_577: "v"}])
def test_a_label_with_a_nul_or_beyond_a_megabyte_is_refused(labels, base):
    assert outcome(network(labels=labels, subnet="10.70.0.0/24"), check=False) == "option_invalid"
    assert run("nft", "list", "ruleset").stdout == base


def elements() -> set[tuple[str, str]]:
    """Return (set or map, element) of all that our tables hold."""
    return {(body["name"], json.dumps(each)) for _kind, body in items() for each in body.get("elem", ())}


@pytest.mark.parametrize(
    "port, expected",
    [
        (
            "09090:080/TCP",
            {
                ("hosts4", '[{"concat": ["tcp", 9090]}, "10.60.0.3"]'),
                ("ports4", '[{"concat": ["tcp", 9090]}, 80]'),
                ("hosts6", '[{"concat": ["tcp", 9090]}, "fd00:60::3"]'),
                ("ports6", '[{"concat": ["tcp", 9090]}, 80]'),
            },
        ),
        (
            "[0:0:0:0:0:0:0:1]:9090:80",
            {
                ("hosts6_at", '[{"concat": ["::1", "tcp", 9090]}, "fd00:60::3"]'),
                ("ports6_at", '[{"concat": ["::1", "tcp", 9090]}, 80]'),
            },
        ),
        (
            "[FD00:60::1]:9090:80/Sctp",
            {
                ("hosts6_at", '[{"concat": ["fd00:60::1", "sctp", 9090]}, "fd00:60::3"]'),
                ("ports6_at", '[{"concat": ["fd00:60::1", "sctp", 9090]}, 80]'),
            },
        ),
    ],
)
def test_a_port_reaches_nft_in_its_canonical_form_only(port, expected, base):
    before = elements()
    do(attachment(published_ports=[port]))
    assert elements() - before == expected
    assert_sound(base)


def test_a_saved_ruleset_loads_again_with_all_that_networks_can_have(base, tmp_path):
    modes = ("nat", "routed", "nat-unprotected")
    for number, mode in enumerate(modes):
        rig.netns(f"m{number}")
        do(
            network(
                name=f"n{number}",
                driver_options={
                    "gateway_mode_ipv4": mode,
                    "gateway_mode_ipv6": mode,
                    "bridge_name": NAMES[6 + number],
                },
                ipam_config=[{"subnet": f"10.8{number}.0.0/24"}, {"subnet": f"fd00:8{number}::/64"}],
            ),
            attachment(
                network=f"n{number}",
                container=f"m{number}",
                published_ports=[f"900{number}:80", f"127.0.0.1:910{number}:53/udp", f"[::1]:920{number}:22/sctp"],
                driver_opts=SECURED,
            ),
        )
    do(network(name="inner", internal=True, subnet="10.90.0.0/24", driver_options={"gateway_mode_ipv4": "isolated"}))
    do(network(name="leaves", subnet="10.91.0.0/24", driver_options={"host_ipv4": "198.51.100.7", "icc": False}))
    assert_sound(base, *NAMES[6:9])
    saved = tmp_path / "nftables.conf"
    saved.write_text("flush ruleset\n" + run("nft", "list", "ruleset").stdout)
    run("nft", "flush", "ruleset")
    run("nft", "-f", saved)
    assert "flush ruleset\n" + run("nft", "list", "ruleset").stdout == saved.read_text()
    for name in ("n0", "n1", "n2", "inner", "leaves", "base"):
        assert drift(name) == []
        do(engine.absent(name, force=True))
    assert run("nft", "list", "ruleset").stdout == ""
