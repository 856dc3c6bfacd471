# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what a user gives becomes a spec, and what is said when it cannot."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.netloom.containers.plugins.module_utils._model import PoolSpec, PortSpec, StaticRoute
from ansible_collections.netloom.containers.plugins.module_utils._options import common, info, namespace
from ansible_collections.netloom.containers.plugins.module_utils._options import endpoint as endpoints
from ansible_collections.netloom.containers.plugins.module_utils._options import network as networks
from ansible_collections.netloom.containers.plugins.module_utils._options import topology as topologies


def params(module, **given):
    """Return the parameters as AnsibleModule would pass them."""
    validator = ArgumentSpecValidator(module["argument_spec"], mutually_exclusive=module.get("mutually_exclusive"))
    result = validator.validate(given)
    assert result.error_messages == []
    return result.validated_parameters


def network(**given):
    return networks.network_spec(params(networks.NETWORK, **{"name": "net", **given}))


def members(*items):
    return networks.connected(params(networks.NETWORK, name="net", connected=list(items)))


def endpoint(**given):
    return endpoints.endpoint_spec(params(endpoints.ATTACHMENT, **{"network": "net", "container": "c1", **given}))


# --- container_network ---


def test_what_is_omitted_is_none_and_what_is_emptied_is_empty():
    omitted = network()
    assert (omitted.labels, omitted.options, omitted.pools, omitted.internal) == (None, None, None, None)
    emptied = network(labels={}, driver_options={}, ipam_config=[])
    assert (emptied.labels, emptied.options, emptied.pools) == ((), (), ())


@pytest.mark.parametrize("value", [1400, "1400"])
def test_numbers_and_text_are_the_same_driver_option(value):
    assert network(driver_options={"mtu": value}).options == (("mtu", "1400"),)


@pytest.mark.parametrize("value", [True, "true"])
def test_booleans_and_text_are_the_same_driver_option(value):
    assert network(driver_options={"icc": value}).options == (("icc", "true"),)


@pytest.mark.parametrize("name", ["iprange", "ip_range"])
def test_one_subnet_is_the_same_as_plain_options_and_as_a_list(name):
    expected = (PoolSpec(ip_network("10.50.0.0/24"), ip_address("10.50.0.9"), ip_network("10.50.0.128/25")),)
    assert network(subnet="10.50.0.0/24", gateway="10.50.0.9", ip_range="10.50.0.128/25").pools == expected
    entry = {"subnet": "10.50.0.0/24", "gateway": "10.50.0.9", name: "10.50.0.128/25"}
    assert network(ipam_config=[entry]).pools == expected


def test_a_gateway_without_a_subnet_is_about_the_only_subnet():
    assert network(gateway="10.50.0.9").pools == (PoolSpec(None, ip_address("10.50.0.9")),)


def test_auxiliary_addresses_are_sorted_by_name():
    pools = network(
        ipam_config=[{"subnet": "10.50.0.0/24", "aux_addresses": {"b": "10.50.0.3", "a": "10.50.0.4"}}]
    ).pools
    assert pools[0].aux == (("a", ip_address("10.50.0.4")), ("b", ip_address("10.50.0.3")))


@pytest.mark.parametrize(
    ("given", "code", "start"),
    [
        ({"name": "host"}, "invalid_name", "name: 'host' is reserved"),
        ({"name": ""}, "invalid_name", "name: must not be empty"),
        ({"driver": ""}, "driver_not_found", "driver: must not be empty"),
        (
            {"ipam_driver": "/dhcp"},
            "driver_not_found",
            "ipam_driver: '/dhcp' is not an IPAM driver; available: default",
        ),
        ({"ipam_driver": ""}, "driver_not_found", "ipam_driver: '' is not an IPAM driver; available: default"),
        ({"subnet": "10.0.0.1/8"}, "noncanonical_subnet", "subnet: '10.0.0.1/8'"),
        ({"ipam_config": [{}]}, "invalid_subnet", "ipam_config[0].subnet: is required"),
        (
            {"ipam_config": [{"subnet": "10.50.0.0/24"}, {"subnet": "x"}]},
            "invalid_subnet",
            "ipam_config[1].subnet: 'x'",
        ),
        (
            {"subnet": "10.50.0.0/24", "gateway": "10.99.0.1"},
            "invalid_gateway",
            "gateway: 10.99.0.1 is not in 10.50.0.0/24",
        ),
        ({"gateway": "x"}, "invalid_gateway", "gateway: 'x'"),
        (
            {"subnet": "10.50.0.0/24", "ip_range": "10.51.0.0/24"},
            "invalid_ip_range",
            "ip_range: 10.51.0.0/24 is not in 10.50.0.0/24",
        ),
        (
            {"ipam_config": [{"subnet": "10.50.0.0/24", "ip_range": "10.51.0.0/24"}]},
            "invalid_ip_range",
            "ipam_config[0].iprange: 10.51.0.0/24 is not in 10.50.0.0/24",
        ),
        ({"ip_range": "10.51.0.0"}, "invalid_ip_range", "ip_range: '10.51.0.0'"),
        ({"ip_range": "10.51.0.1/24"}, "invalid_ip_range", "ip_range: '10.51.0.1/24'"),
        (
            {"ipam_config": [{"subnet": "10.50.0.0/24", "aux_addresses": {"a": "10.51.0.9"}}]},
            "invalid_address",
            "ipam_config[0].aux_addresses.a: 10.51.0.9 is not in 10.50.0.0/24",
        ),
        ({"labels": {"k": "a\0b"}}, "option_invalid", "labels.'k': contains a NUL"),
    ],
)
def test_an_invalid_network_is_refused_with_option_and_value(given, code, start, refused):
    found, message = refused(network, **given)
    assert found == code
    assert message.startswith(start)


# --- connected ---


def test_members_not_listed_are_none_and_an_empty_list_is_nobody():
    assert networks.connected(params(networks.NETWORK, name="net")) is None
    assert members() == []


def test_members_are_names_or_options_of_an_attachment():
    first, second = members("c1", {"container": "c2", "ipv4_address": "10.50.0.9", "gw_priority": "5"})
    assert (first.network, first.container, first.runtime, first.ipv4) == ("net", "c1", "auto", None)
    assert (second.container, second.ipv4, second.gw_priority) == ("c2", ip_address("10.50.0.9"), 5)


@pytest.mark.parametrize(
    ("items", "code", "message"),
    [
        (
            [{"container": "c1", "ipv4_adress": "x"}],
            "option_unknown",
            "connected[0]: 'ipv4_adress' is not an option of an attachment (did you mean ipv4_address?)",
        ),
        (["c1", {}], "option_invalid", "connected[1]: missing required arguments: container"),
        (["c1", "c1"], "option_invalid", "connected[1]: container c1 is listed twice"),
        ([{"container": "c1", "ipv4_address": "x"}], "invalid_address", "connected[0].ipv4_address: 'x'"),
        ([{"container": "c1", "mac_address": "zz"}], "option_invalid", "connected[0].mac_address: 'zz'"),
        ([{"container": "c1", "interface_name": "a/b"}], "invalid_ifname", "connected[0].interface_name: 'a/b'"),
        ([{"container": "c1", "gw_priority": "high"}], "option_invalid", "connected[0]: argument 'gw_priority'"),
        (
            [{"container": "c1", "routes": [{"destination": "10.9.0.0/16"}]}],
            "option_invalid",
            "connected[0].routes[0].gateway: is required",
        ),
        (
            [{"container": "c1", "routes": [{"destination": "10.9.0.0/16", "type": "throw"}]}],
            "option_invalid",
            "connected[0]: value of type must be one of",
        ),
        ([{"container": "c1", "sysctls": {"net.x": 1}}], "option_invalid", "connected[0].sysctls.net.x: "),
        (
            [{"container": "c1", "secondary_addresses": ["x"]}],
            "invalid_address",
            "connected[0].secondary_addresses[0]: ",
        ),
        (
            ["c0", {"container": "c1", "published_ports": ["80", "80:80/foo"]}],
            "option_invalid",
            "connected[1].published_ports[1]: '80:80/foo' has the protocol 'foo'; it is one of tcp, udp, sctp",
        ),
        ([{"container": "c1", "runtime": "lxc"}], "option_invalid", "connected[0]: value of runtime must be one of"),
    ],
)
def test_an_invalid_member_is_refused_with_its_place_in_the_list(items, code, message, refused):
    found, text = refused(members, *items)
    assert found == code
    assert message in text


# --- network_attachment ---


def test_an_attachment_has_canonical_values():
    spec = endpoint(
        ipv4_address="10.50.0.9",
        ipv6_address="FD00:0::9",
        mac_address="02-42-0A-00-00-02",
        interface_name="web0",
        gw_priority=7,
        driver_opts={"ifname": "web0"},
    )
    assert (str(spec.ipv4), str(spec.ipv6), spec.mac) == ("10.50.0.9", "fd00::9", "02:42:0a:00:00:02")
    assert (spec.ifname, spec.gw_priority, spec.driver_opts) == ("web0", 7, (("ifname", "web0"),))


def test_ports_that_are_omitted_are_none_and_emptied_ones_are_empty():
    assert endpoint().ports is None
    assert endpoint(published_ports=[]).ports == ()


@pytest.mark.parametrize("given, expected", [(None, None), ([], ()), (["b", "A", "a"], ("a", "b"))])
def test_aliases_are_a_set_and_omitted_ones_are_none(given, expected):
    assert endpoint(aliases=given).aliases == expected


@pytest.mark.parametrize(
    "given, expected",
    [
        (None, None),
        ([], ()),
        (["host"], ("host",)),
        (["2001:DB8:0::5", "198.51.100.5", "2001:db8::5"], ("2001:db8::5", "198.51.100.5")),
    ],
)
def test_name_servers_are_addresses_in_order_or_those_of_the_host(given, expected):
    assert network(dns_servers=given).dns_servers == expected


@pytest.mark.parametrize(
    "given", [["198.51.100.5", "host"], ["dns.example"], ["198.51.100.5:53"], ["fe80::1%eth0"], [""]]
)
def test_what_is_no_address_of_a_name_server_is_refused_with_its_place(given, refused):
    code, message = refused(network, dns_servers=given)
    place = len(given) - 1
    assert (code, message.startswith(f"dns_servers[{place}]: {given[place]!a}")) == ("option_invalid", True)


@pytest.mark.parametrize("option", ["published_ports", "ports"])
def test_ports_are_read_in_dockers_syntax_also_where_yaml_made_numbers_of_them(option):
    assert endpoint(**{option: ["8080:80", 443, "127.0.0.1:53:53/udp"]}).ports == (
        PortSpec("tcp", 80, 8080, 8080),
        PortSpec("tcp", 443),
        PortSpec("udp", 53, 53, 53, "127.0.0.1"),
    )


def test_one_port_need_not_be_a_list():
    assert endpoint(published_ports="8080:80").ports == (PortSpec("tcp", 80, 8080, 8080),)


def test_a_member_can_publish_ports():
    assert members({"container": "c1", "published_ports": ["8080:80"]})[0].ports == (PortSpec("tcp", 80, 8080, 8080),)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"network": ""}, "invalid_name", "network: must not be empty"),
        (
            {"published_ports": ["8080:80", "70000:80"]},
            "option_invalid",
            "published_ports[1]: '70000:80' has the port 70000; the largest is 65535",
        ),
        (
            {"published_ports": ["80:80", "80:81"]},
            "option_invalid",
            "published_ports: port 80/tcp cannot lead to both 80 and 81",
        ),
        ({"ipv4_address": "fd00::1"}, "invalid_address", "ipv4_address: fd00::1 is not an IPv4 address"),
        ({"ipv6_address": "10.0.0.1"}, "invalid_address", "ipv6_address: 10.0.0.1 is not an IPv6 address"),
        ({"ipv4_address": "10.0.0.1/24"}, "invalid_address", "ipv4_address: '10.0.0.1/24'"),
        ({"mac_address": ""}, "option_invalid", "mac_address: ''"),
        ({"interface_name": ".."}, "invalid_ifname", "interface_name: '..' is not an interface name"),
        ({"interface_name": "x" * 16}, "invalid_ifname", "has 16 bytes"),
    ],
)
def test_an_invalid_attachment_is_refused_with_option_and_value(given, code, message, refused):
    found, text = refused(endpoint, **given)
    assert found == code
    assert message in text


# --- network_info, and what all modules have ---


def filters(**given):
    return info.filters(params(info.INFO, filters=given))


def test_filters_are_lists_of_text():
    assert filters(driver="bridge", dangling=True, label={"a": 1}, name=["x", "y"]) == {
        "driver": ["bridge"],
        "dangling": ["true"],
        "label": ["a=1"],
        "name": ["x", "y"],
    }
    assert info.filters(params(info.INFO)) == {}


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"drivers": "x"},
            "option_unknown",
            "filters: 'drivers' is not a filter (did you mean driver?); there are driver, id, ",
        ),
        ({"type": "own"}, "option_invalid", "filters.type: 'own' is neither builtin nor custom"),
        ({"dangling": "maybe"}, "option_invalid", "filters.dangling: 'maybe' is neither true nor false"),
    ],
)
def test_an_unknown_filter_or_value_is_refused(given, code, message, refused):
    found, text = refused(filters, **given)
    assert found == code
    assert message in text


def test_a_relative_state_directory_is_refused(refused):
    assert refused(common.state_dir, {"state_dir": "state"}) == (
        "option_invalid",
        "state_dir: 'state' is not an absolute path",
    )
    assert common.state_dir({"state_dir": "/var/lib/../lib/netloom/"}) == "/var/lib/netloom"


def test_a_negative_lock_timeout_is_refused(refused):
    assert refused(common.lock_timeout, {"lock_timeout": -1}) == ("option_invalid", "lock_timeout: -1 is negative")
    assert common.lock_timeout({"lock_timeout": 0}) == 0


# --- network_topology ---


def topology(**given):
    return topologies.topology_spec(params(topologies.TOPOLOGY, **{"name": "shop", **given}))


def test_the_items_of_a_topology_are_specs_of_their_own():
    spec = topology(
        namespaces=[{"name": "c1"}, {"name": "c2", "state": "absent", "force": True}],
        networks=[{"name": "net", "subnet": "10.1.0.0/24", "connected": ["c1"]}, {"name": "old", "state": "absent"}],
        attachments=[{"network": "net", "container": "c1", "ipv4_address": "10.1.0.9"}],
    )
    assert [(item.name, item.absent, item.force) for item in spec.namespaces] == [
        ("c1", False, False),
        ("c2", True, True),
    ]
    assert [(item.spec.name, item.absent) for item in spec.networks] == [("net", False), ("old", True)]
    assert [member.container for member in spec.networks[0].connected] == ["c1"]
    assert str(spec.attachments[0].spec.ipv4) == "10.1.0.9"
    assert spec.purge is False


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"name": "a/b"}, "invalid_name", "name: 'a/b' contains '/' at 2; allowed [A-Za-z0-9][A-Za-z0-9_.-]*, max 64"),
        ({"namespaces": [{"name": "c"}, {"name": ""}]}, "invalid_name", "namespaces[1].name: must not be empty"),
        ({"networks": [{"name": "n", "driver": ""}]}, "driver_not_found", "networks[0].driver: must not be empty"),
        (
            {"networks": [{"name": "n"}, {"name": "m", "ipam_config": [{"subnet": "10.0.0.5/24"}]}]},
            "noncanonical_subnet",
            "networks[1].ipam_config[0].subnet: '10.0.0.5/24' has host bits set; it should be 10.0.0.0/24",
        ),
        (
            {"networks": [{"name": "n", "labels": {"netloom.topology": "x"}}]},
            "option_invalid",
            "networks[0].labels.netloom.topology: says which topology made a network; it is not given",
        ),
        (
            {"attachments": [{"network": "n", "container": "c", "published_ports": ["80:0"]}]},
            "option_invalid",
            "attachments[0].published_ports[0]: '80:0' has the container port 0; it is from 1 to 65535",
        ),
        (
            {"attachments": [{"network": "n", "container": "c", "mac_address": "01:00:00:00:00:00"}]},
            "option_invalid",
            "attachments[0].mac_address: 01:00:00:00:00:00 is a multicast address",
        ),
    ],
)
def test_an_error_says_in_which_item_of_a_topology_it_is(given, code, message, refused):
    found = refused(topology, **given)
    assert (found[0], found[1][: len(message)]) == (code, message)


@pytest.mark.parametrize(
    "module", [networks.NETWORK, endpoints.ATTACHMENT, namespace.NAMESPACE, info.INFO, topologies.TOPOLOGY]
)
def test_every_module_has_check_mode_and_the_common_options(module):
    assert module["supports_check_mode"] is True
    assert module["argument_spec"]["state_dir"] == {"type": "path", "default": "/var/lib/netloom"}
    assert module["argument_spec"]["lock_timeout"] == {"type": "int", "default": 30}


# --- routes, settings and further addresses ---


def test_what_is_omitted_stays_and_what_is_emptied_goes():
    omitted, emptied = endpoint(), endpoint(routes=[], sysctls={}, secondary_addresses=[])
    assert (omitted.routes, omitted.sysctls, omitted.secondary) == (None, None, None)
    assert (emptied.routes, emptied.sysctls, emptied.secondary) == ((), (), ())


def test_routes_settings_and_addresses_are_values():
    found = endpoint(
        routes=[{"destination": "10.9.0.0/16", "gateway": "10.50.0.9"}, {"destination": "::/0", "type": "prohibit"}],
        sysctls={"net/ipv4/conf/IFNAME/log_martians": 1},
        secondary_addresses=["10.50.0.20", "FD00::20"],
    )
    assert found.routes == (StaticRoute("10.9.0.0/16", "10.50.0.9"), StaticRoute("::/0", type="prohibit"))
    assert found.sysctls == (("net.ipv4.conf.IFNAME.log_martians", "1"),)
    assert found.secondary == (ip_address("10.50.0.20"), ip_address("fd00::20"))


def test_a_namespace_has_settings_by_their_paths():
    given = params(namespace.NAMESPACE, name="c1", sysctls={"net.ipv4.ip_forward": 1})
    assert namespace.namespace_settings(given) == (("net/ipv4/ip_forward", "1"),)
    assert namespace.namespace_settings(params(namespace.NAMESPACE, name="c1")) == ()
