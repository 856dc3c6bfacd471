# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names may look like, who has which, and what is written down of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _dns
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network, Sandbox

NETWORK = Network("app", "0123456789abcdef" * 4, "bridge", ifname="br-app", dns=True)
IDENTITY = "4f" * 32
MEMBER = Endpoint(
    "app",
    "web",
    "netns",
    "fe" * 32,
    "veth1",
    "eth0",
    "02:42:0a:32:00:02",
    ipv4=ip_interface("10.50.0.2/24"),
    ipv6=ip_interface("fd00:50::2/64"),
)


@pytest.mark.parametrize(
    "name", ["a", "_", "WEB", "a-b", "a--b", "_sip._tcp", "1", "1.2.3.4", "x" * 63, "a." * 126 + "a"]
)
def test_a_dns_name_is_one(name):
    assert _dns.is_dns_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a\n", "ä", "a,b", "a#b", "a/b", "x" * 64, "a." * 127 + "a"],
)
def test_what_is_no_dns_name_is_refused_with_its_place_in_the_list(name):
    assert not _dns.is_dns_name(name)
    with pytest.raises(NetloomError) as caught:
        _dns.dns_names(["db", name], "aliases")
    assert caught.value.code == "option_invalid"
    assert caught.value.message.startswith(f"aliases[1]: {name[:254]!a} is not a DNS name; labels of 1 to 63 of")


def test_aliases_are_a_set_in_which_case_does_not_count():
    assert _dns.dns_names(["web", "DB", "Web", "db"], "aliases") == ("db", "web")
    assert _dns.dns_names([], "aliases") == ()


@pytest.mark.parametrize(
    "runtime, container, identity, expected",
    [
        ("netns", "web", "", ("web", "db", "www")),
        ("machine", "web", "", ("web", "db", "www")),
        ("docker", "web", IDENTITY, ("web", "db", "www", "4f4f4f4f4f4f")),
        ("podman", "DB", IDENTITY, ("DB", "www", "4f4f4f4f4f4f")),
        ("netns", "no name", "", ("db", "www")),
        ("pid", "17", "", ("db", "www")),
        ("path", "/run/netns/web", "", ("db", "www")),
    ],
)
def test_a_member_has_the_name_of_its_container_its_aliases_and_an_engines_short_id(
    runtime, container, identity, expected
):
    sandbox = Sandbox("/proc/17/ns/net", container_id=identity)
    member = replace(MEMBER, runtime=runtime, container=container, aliases=("db", "www"), sandbox=sandbox)
    assert _dns.names_of(member) == expected


def test_a_file_has_a_line_for_each_address_and_completes_names_with_a_dot_itself():
    names = _dns.names(NETWORK, replace(MEMBER, aliases=("db.prod",)))
    assert names.path == "/run/netloom/dns/0123456789ab/hosts/fefefefefefefefe"
    assert names.text == "10.50.0.2 web db.prod db.prod.app\nfd00:50::2 web db.prod db.prod.app\n"
    assert str(names.facts()) == (
        "{'names': ['web', 'db.prod', 'db.prod.app'], 'addresses': ['10.50.0.2', 'fd00:50::2']}"
    )


def test_a_name_server_serves_one_bridge_and_reads_nobodys_configuration():
    assert _dns.resolver(NETWORK).arguments == (
        "--conf-file=/dev/null",
        "--interface=br-app",
        "--bind-dynamic",
        "--except-interface=lo",
        "--no-hosts",
        "--hostsdir=/run/netloom/dns/0123456789ab/hosts",
        "--domain=app",
        "--expand-hosts",
        "--local=/app/",
        "--domain-needed",
        "--bogus-priv",
        "--local-ttl=5",
        "--servers-file=/run/netloom/dns/0123456789ab/servers",
        "--resolv-file=/etc/resolv.conf",
        "--pid-file=/run/netloom/dns/0123456789ab/pid",
    )


def test_a_network_whose_name_is_no_domain_has_bare_names_only():
    resolver = _dns.resolver(replace(NETWORK, name="a..b"))
    assert not [word for word in resolver.arguments if "a..b" in word or "expand" in word]
    assert _dns.names(replace(NETWORK, name="a..b"), replace(MEMBER, aliases=("x.y",))).names == ("web", "x.y")


@pytest.mark.parametrize(
    "changes, servers, hosts",
    [
        ({}, "", True),
        ({"dns_servers": ()}, "", False),
        ({"dns_servers": ("198.51.100.5", "2001:db8::5")}, "server=198.51.100.5\nserver=2001:db8::5\n", False),
        ({"dns_servers": ("198.51.100.5",), "internal": True}, "", False),
        ({"internal": True}, "", False),
    ],
)
def test_a_name_server_asks_the_hosts_servers_given_ones_or_none(changes, servers, hosts):
    resolver = _dns.resolver(replace(NETWORK, **changes))
    assert resolver.servers == servers
    assert ("--resolv-file=/etc/resolv.conf" in resolver.arguments, "--no-resolv" in resolver.arguments) == (
        hosts,
        not hosts,
    )


def test_a_process_is_understood_as_what_it_was_started_as():
    hosts = _dns.resolver(NETWORK, ["back"])
    given = _dns.resolver(replace(NETWORK, dns_servers=("198.51.100.5",)))
    assert hosts.servers == "server=/back/255.255.255.255\n"
    assert hosts.as_found(hosts.arguments, hosts.servers) == hosts
    assert hosts.as_found(given.arguments, given.servers) == given
    assert hosts.as_found(("--port=54", *hosts.arguments), hosts.servers) == replace(hosts, odd=True)


def test_a_resolv_conf_says_whose_it_is_and_is_understood_again():
    wanted = _dns.ResolvConf("c1", ("10.50.0.1", "10.51.0.1"), ("app", "back"))
    assert wanted.text == (
        "# netloom: written with the networks of this namespace, removed with them\n"
        "search app back\nnameserver 10.50.0.1\nnameserver 10.51.0.1\n"
    )
    assert _dns.ResolvConf("c1", (), ()).as_found(wanted.text) == wanted
    assert wanted.as_found("nameserver 192.0.2.1\n").foreign
