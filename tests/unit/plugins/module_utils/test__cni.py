# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNI's lists, what their plugins are told, what they answer, and which options of ours become what."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_interface

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _cni, _cni_results
from ansible_collections.netloom.containers.plugins.module_utils._drivers.options import canonical
from ansible_collections.netloom.containers.plugins.module_utils._drivers.registry import driver
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._model import Endpoint, Network, PublishedPort

CNI = driver("cni")
ONE = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge"}]}
HOST_LOCAL = {
    "type": "host-local",
    "ranges": [[{"subnet": "10.1.0.0/24", "gateway": "10.1.0.9"}], [{"subnet": "fd00::/64"}]],
}


def text(**changed) -> str:
    return json.dumps({**ONE, **changed})


def plugins(*items: dict) -> str:
    return text(plugins=[*items])


def canonical_list(given: str) -> dict:
    return json.loads(_cni.conflist(given, "net", None))


def network(*items: dict, **options: str) -> Network:
    definition = _cni.conflist(plugins(*items), "net", None)
    return Network("net", "0" * 64, "cni", options=tuple(sorted(options.items())), definition=definition)


def endpoint(**values) -> Endpoint:
    return Endpoint("net", "c1", "netns", "1" * 64, "veth1", "eth0", **{"mac": "", **values})


def request(on: Network, of: Endpoint) -> dict:
    (resource,) = CNI.endpoint_resources(on, of)
    return json.loads(resource.request)


# --- lists ---


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("[]", "is no JSON object"),
        ("{", "is no JSON: "),
        ('{"a": NaN}', "NaN is no number of JSON"),
        pytest.param("[" * 100000, "is no JSON: ", id="deep"),
        (text(name="a/b"), "name: 'a/b' does not begin"),
        (text(name=5), "name: 5 does not begin"),
        (text(cniVersion="0.2.0"), "cniVersion: '0.2.0' is not one of 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"),
        (text(cniVersion="1.0"), "cniVersion: '1.0' is not one of"),
        (text(cniVersion=1), "cniVersion: '1' is not one of"),
        (text(cniVersions="1.0.0"), "cniVersion: "),
        (json.dumps({"name": "net", "plugins": [{"type": "a"}]}), "cniVersion: 'none' is not one of"),
        (text(disableCheck="maybe"), "disableCheck: 'maybe' is not true or false"),
        (text(plugins=[]), "has no plugins"),
        (text(plugins={"type": "a"}), "plugins: is no list"),
        (plugins({"type": "a"}, {}), "plugins[1].type: is required, the name of a program"),
        (plugins({"type": "../bin/sh"}), "plugins[0].type: '../bin/sh' is a path"),
        (plugins({"type": "a", "ipam": {"type": "b/c"}}), "plugins[0].ipam.type: 'b/c' is a path"),
        (plugins({"type": "a", "capabilities": ["ips"]}), "plugins[0].capabilities: is no object of true and false"),
        (plugins({"type": "a", "prevResult": {}}), "plugins[0].prevResult: is said by who runs the plugins"),
        (plugins({"type": "a", "cni.dev/x": 1}), "plugins[0].cni.dev/x: is said by"),
    ],
)
def test_a_list_that_is_none_is_refused_with_where_and_why(given, says):
    with pytest.raises(NetloomError) as caught:
        canonical_list(given)
    assert caught.value.code == "option_invalid"
    assert caught.value.message.startswith("driver_options.conflist: ")
    assert says in caught.value.message


def test_a_list_is_what_counts_of_it_in_one_order():
    given = text(disableCheck="true", disableGC=False, comment="x", loadOnlyInlinedPlugins=True)
    assert _cni.conflist(given, "other", None) == (
        '{"cniVersion":"1.0.0","disableCheck":true,"name":"net","plugins":[{"type":"bridge"}]}'
    )
    assert _cni.conflist(given, "x", None) == _cni.conflist(json.dumps(json.loads(given), indent=3), "y", None)


def test_the_network_names_a_list_that_has_no_name():
    assert json.loads(_cni.conflist('{"cniVersion":"1.0.0","plugins":[{"type":"a"}]}', "mine", None))["name"] == "mine"


def test_a_single_configuration_is_a_list_of_one():
    assert canonical_list('{"cniVersion":"0.4.0","name":"n","type":"bridge","mtu":9000}') == {
        "cniVersion": "0.4.0",
        "name": "n",
        "plugins": [{"type": "bridge", "mtu": 9000}],
    }


def test_the_highest_known_version_of_several_counts():
    assert canonical_list(text(cniVersion="0.3.1", cniVersions=["0.4.0", "1.1.0", "2.0.0"]))["cniVersion"] == "1.1.0"


def test_plugins_beside_a_list_come_after_its_own_unless_it_says_no():
    asked = []

    def folder(name: str) -> str:
        asked.append(name)
        return json.dumps(['{"type": "tuning"}'])

    found = json.loads(_cni.conflist(text(), "x", folder))
    assert ([plugin["type"] for plugin in found["plugins"]], asked) == (["bridge", "tuning"], ["net"])
    alone = json.loads(_cni.conflist(text(loadOnlyInlinedPlugins=True), "x", folder))
    assert ([plugin["type"] for plugin in alone["plugins"]], asked) == (["bridge"], ["net"])


def test_what_nobody_asks_to_change_is_as_recorded_though_its_file_has_gone():
    recorded = network({"type": "bridge"}, conflist="/etc/cni/net.d/net.conflist")
    assert CNI.definition(replace(recorded, definition=""), recorded, None) == recorded.definition


def test_a_relative_path_is_no_list():
    with pytest.raises(NetloomError, match="neither a JSON object nor an absolute path"):
        CNI.definition(Network("net", "0" * 64, "cni", options=(("conflist", "net.conflist"),)), None, lambda path: "")


# --- what a plugin is told ---


def test_a_plugin_is_told_what_it_takes_and_not_that_it_takes_it():
    conflist = canonical_list(plugins({"type": "a", "capabilities": {"mac": True, "ips": False}}, {"type": "b"}))
    first, second = conflist["plugins"]
    runtime = {"mac": "02:00:00:00:00:01", "ips": ["10.1.0.5/24"]}
    common = {"cniVersion": "1.0.0", "name": "net"}
    assert _cni.told(conflist, first, runtime) == {"type": "a", **common, "runtimeConfig": {"mac": "02:00:00:00:00:01"}}
    assert _cni.told(conflist, second, runtime, {"ips": []}) == {"type": "b", **common, "prevResult": {"ips": []}}


FORMER = {"ips": ["10.1.0.5/24"], "mac": "02:00:00:00:00:01"}


@pytest.mark.parametrize(
    ("plugin", "runtime", "config", "args"),
    [
        ({"capabilities": {"ips": True, "mac": True}}, {}, FORMER, None),
        ({"capabilities": {"ips": True}}, {"ips": ["10.1.0.7"]}, {"ips": ["10.1.0.7"]}, None),
        ({"args": {"x": 1}}, {}, None, {"x": 1, "cni": {"ips": ["10.1.0.5/24"]}}),
        ({"ipam": {"type": "static"}}, {}, None, None),
    ],
    ids=["capable", "asked for others", "as a wish", "has its own"],
)
def test_former_addresses_are_asked_for_in_the_way_that_a_plugin_takes(plugin, runtime, config, args):
    conflist = canonical_list(plugins({"type": "a", **plugin}))
    told = _cni.told(conflist, conflist["plugins"][0], runtime, None, FORMER)
    assert (told.get("runtimeConfig"), told.get("args")) == (config, args)


def test_options_become_capabilities():
    takes = dict.fromkeys(("ips", "mac", "portMappings", "bandwidth", "aliases", "dns", "deviceID"), True)
    on = replace(network({"type": "a", "ipam": HOST_LOCAL, "capabilities": takes}), dns_servers=("192.0.2.53",))
    given = (("ingress_rate", "8mbit"), ("burst", "64k"), ("cni_args", "A=b"), ("runtime_config", '{"deviceID": "x"}'))
    of = endpoint(
        mac="02:00:00:00:00:01",
        ipv4=ip_interface("10.1.0.5"),
        static=("ipv4", "mac"),
        ports=(PublishedPort("udp", 53, 5353, "127.0.0.1"), PublishedPort("tcp", 80, 8080)),
        aliases=("web",),
        driver_opts=canonical(given, CNI.endpoint_options, "driver_opts", "cni"),
    )
    CNI.check_endpoint(on, of)
    assert request(on, of) == {
        "containerID": "1" * 64,
        "conflist": json.loads(on.definition),
        "args": "IgnoreUnknown=1;K8S_POD_NAME=c1;A=b",
        "runtimeConfig": {
            "ips": ["10.1.0.5/24"],
            "mac": "02:00:00:00:00:01",
            "portMappings": [
                {"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"},
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
            ],
            "aliases": {"net": ["web"]},
            "dns": {"servers": ["192.0.2.53"]},
            "bandwidth": {"ingressRate": 8000000, "ingressBurst": 524288},
            "deviceID": "x",
        },
    }
    assert request(on, replace(of, ipv4=ip_interface("10.1.0.5/24"))) == request(on, of)


def test_an_address_that_was_given_and_not_asked_for_is_no_part_of_the_request():
    on = network({"type": "a", "ipam": HOST_LOCAL})
    of = endpoint(ipv4=ip_interface("10.1.0.5/24"), mac="02:00:00:00:00:01")
    assert request(on, of) == request(on, endpoint())
    (resource,) = CNI.endpoint_resources(on, of)
    assert json.loads(resource.former) == {"ips": ["10.1.0.5/24"], "mac": "02:00:00:00:00:01"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cni_args": "A"}, "driver_opts.cni_args: 'A' is not KEY=VALUE"),
        ({"cni_args": "IgnoreUnknown=0"}, "is not KEY=VALUE"),
        ({"runtime_config": "[]"}, "driver_opts.runtime_config: is no dict"),
        ({"burst": "64k"}, "needs ingress_rate or egress_rate"),
    ],
)
def test_an_option_of_an_endpoint_that_is_none_is_refused(options, says):
    from ansible_collections.netloom.containers.plugins.module_utils._drivers.options import check_fit

    with pytest.raises(NetloomError) as caught:
        found = canonical(tuple(options.items()), CNI.endpoint_options, "driver_opts", "cni")
        check_fit(found, CNI.endpoint_options, network({"type": "a"}), "driver_opts")
    assert (caught.value.code, says in caught.value.message) == ("option_invalid", True)


def test_two_ways_to_say_one_thing_are_refused():
    of = endpoint(aliases=("web",), driver_opts=(("runtime_config", '{"aliases":{}}'),))
    with pytest.raises(NetloomError, match="driver_opts.runtime_config.aliases: aliases says it already"):
        CNI.check_endpoint(network({"type": "a", "capabilities": {"aliases": True}}), of)


@pytest.mark.parametrize(
    ("given", "path"), [("/a/bin:/b/", "/a/bin:/b"), ("/a,/b", "/a:/b"), ("a:/b", None), (":", None)]
)
def test_cni_path_is_a_list_of_absolute_folders(given, path):
    if path is None:
        with pytest.raises(NetloomError, match="is not a list of absolute paths"):
            canonical((("cni_path", given),), CNI.options, "driver_options", "cni")
    else:
        assert canonical((("cni_path", given),), CNI.options, "driver_options", "cni") == (("cni_path", path),)


def test_a_list_in_a_file_may_be_others_too_and_is_not_collected_unless_asked():
    assert CNI.needs(network({"type": "a"}, conflist="{}"))["gc"] is True
    assert CNI.needs(network({"type": "a"}, conflist="/etc/a"))["gc"] is False
    assert CNI.needs(network({"type": "a"}, conflist="/etc/a", gc="true"))["gc"] is True


def test_a_network_is_shown_with_the_subnets_of_its_list():
    shown = CNI.as_seen(network({"type": "a", "ipam": HOST_LOCAL}, conflist="{}"))
    assert [(str(pool.subnet), str(pool.gateway)) for pool in shown.pools] == [
        ("10.1.0.0/24", "10.1.0.9"),
        ("fd00::/64", "fd00::1"),
    ]
    assert shown.enable_ipv6
    assert CNI.as_seen(network({"type": "a", "ipam": {"type": "host-local", "subnet": "banana"}})).pools == ()


@pytest.mark.parametrize(
    ("of", "address", "places"),
    [
        (endpoint(), "", [(4, ""), (6, "")]),
        (endpoint(ipv4=ip_interface("10.1.0.5/24")), "", [(4, "")]),
        (endpoint(), "192.0.2.1", [(4, "192.0.2.1")]),
        (endpoint(), "::", [(6, "")]),
    ],
)
def test_a_port_is_taken_of_those_versions_that_the_container_can_have(of, address, places):
    port = PublishedPort("tcp", 80, 8080, address)
    assert [*CNI.bound(network({"type": "a"}), of, port)] == places


# --- what a plugin answers ---

NETNS = "/run/netns/c1"
RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "br0"}, {"name": "eth0", "mac": "02:00:00:00:00:0A", "sandbox": NETNS}],
    "ips": [
        {"address": "10.1.0.1/24", "interface": 0},
        {"address": "10.1.0.5/24", "interface": 1, "gateway": "10.1.0.1"},
        {"address": "10.1.0.6/24", "interface": 1},
        {"address": "fd00::5/64", "interface": 1},
    ],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {},
}


def test_the_first_addresses_of_the_container_are_its_own():
    found = _cni_results.answer(_cni_results.result(json.dumps(RESULT).encode(), "x"), "eth0", NETNS)
    assert (found["ipv4"], found["ipv6"], found["mac"]) == ("10.1.0.5/24", "fd00::5/64", "02:00:00:00:00:0a")
    assert found["interfaces"] == {"eth0": ["10.1.0.5/24", "10.1.0.6/24", "fd00::5/64"]}
    assert found["result"] == RESULT


def test_an_old_result_that_does_not_say_whose_an_address_is_means_the_container():
    old = {"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.1.0.5/24", "gateway": "10.1.0.1"}]}
    found = _cni_results.answer(_cni_results.result(json.dumps(old).encode(), "x"), "eth0", NETNS)
    assert (found["interfaces"], found["ipv4"], found["mac"]) == ({"eth0": ["10.1.0.5/24"]}, "10.1.0.5/24", "")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "is no JSON: nothing"),
        (b"hello\n", "is no JSON: hello"),
        pytest.param(b"[" * 100000, "is no JSON: ", id="deep"),
        (b"[]", "is no result of CNI: no JSON object"),
        (json.dumps({"interfaces": [{"mac": "x"}]}).encode(), "is no result of CNI: 'name'"),
        (json.dumps({"interfaces": [{"name": ""}]}).encode(), "an interface has no name"),
        (json.dumps({"interfaces": "eth0"}).encode(), "is no result of CNI"),
        (json.dumps({"ips": [{"address": "10.1.0.999/24"}]}).encode(), "'10.1.0.999/24' does not appear to be"),
        (json.dumps({"ips": [{"address": 5}]}).encode(), "5 is no text"),
        (
            json.dumps({"ips": [{"address": "10.1.0.5/24", "interface": 1}]}).encode(),
            "is of interface 1, and there are 0",
        ),
        (json.dumps({"ips": [{"address": "10.1.0.5/24", "gateway": "x"}]}).encode(), "'x' does not appear to be"),
        (json.dumps({"routes": [{"dst": "everywhere"}]}).encode(), "'everywhere' does not appear to be"),
        (json.dumps({"dns": []}).encode()[:-1] + b', "ips": {"a": 1}}', "is no result of CNI"),
    ],
)
def test_an_answer_that_is_no_result_is_refused_in_its_own_words(answer, says):
    with pytest.raises(NetloomError) as caught:
        _cni_results.result(answer, "CNI plugin x: ADD")
    assert caught.value.code == "driver_error"
    assert caught.value.message.startswith("CNI plugin x: ADD: what it answered is no ")
    assert says in caught.value.message
    assert len(caught.value.message) < 1000


def test_an_interface_in_somebody_elses_namespace_is_refused():
    with pytest.raises(
        NetloomError, match="interface 'eth0' is in '/run/netns/c1', and the container is /run/netns/c2"
    ):
        _cni_results.answer(RESULT, "eth0", "/run/netns/c2")


def test_an_address_that_was_not_granted_is_told():
    found = _cni_results.answer(RESULT, "eth0", NETNS)
    assert _cni_results.ungranted(found, ["10.1.0.6"]) == ""
    assert _cni_results.ungranted(found, ["10.1.0.7/24"]) == (
        "was asked for 10.1.0.7/24, and has given 10.1.0.5, 10.1.0.6, fd00::5"
    )


@pytest.mark.parametrize(
    ("status", "stdout", "stderr", "told"),
    [
        (1, b'{"code":7,"msg":"no","details":"why"}', b"", (7, "no: why (code 7)")),
        (1, b'{"code":11,"msg":"later"}', b"log\nline\n", (11, "later (code 11); stderr: log line")),
        (1, b"", b"boom", (0, "has ended with status 1; stderr: boom")),
        (2, b"oops", b"", (0, "has ended with status 2: oops")),
        (-9, b"", b"", (0, "was killed by signal 9")),
        (1, b'{"msg":"no code"}', b"", (0, 'has ended with status 1: {"msg":"no code"}')),
        (1, b"[1]", b"x" * 5000, (0, "has ended with status 1: [1]; stderr: " + "x" * 500)),
    ],
)
def test_a_failure_is_told_in_the_plugins_words(status, stdout, stderr, told):
    assert _cni_results.failure(status, stdout, stderr) == told


def test_versions_are_those_that_a_plugin_says():
    assert _cni_results.versions(b'{"supportedVersions":["0.4.0"]}', "x") == ["0.4.0"]
    for answer in (b"", b"{}", b'{"supportedVersions":"0.4.0"}', b"[]"):
        with pytest.raises(NetloomError, match="no versions of CNI"):
            _cni_results.versions(answer, "x")
