# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names, addresses and option values may look like, and the words to say when they do not."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from ansible_collections.netloom.containers.plugins.module_utils import _names as names

# --- names ---


@pytest.mark.parametrize("name", ["a", "0", "bridge2", "A.b_c-d", "a" * 64, "net--1", "a..b"])
def test_a_name_of_letters_digits_dots_dashes_and_underscores_is_a_name(name):
    assert names.identifier(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name: must not be empty"),
        (" ", "name: ' ' contains ' ' at 1; "),
        ("a b", "name: 'a b' contains ' ' at 2; allowed [A-Za-z0-9][A-Za-z0-9_.-]*, max 64"),
        ("a\tb", r"name: 'a\tb' contains '\t' at 2; "),
        ("a\nb", r"name: 'a\nb' contains '\n' at 2; "),
        ("a\n", r"name: 'a\n' contains '\n' at 2; "),
        ("a\0b", r"name: 'a\x00b' contains '\x00' at 2; "),
        ("a\x1b[31m", r"name: 'a\x1b[31m' contains '\x1b' at 2; "),
        ("a\u202eb", r"name: 'a\u202eb' contains '\u202e' at 2; "),
        ("é✓", r"name: '\xe9\u2713' contains '\xe9' at 1; "),
        ("$(id)", "name: '$(id)' contains '$' at 1; "),
        ("`id`", "name: '`id`' contains '`' at 1; "),
        ("a;b", "name: 'a;b' contains ';' at 2; "),
        ("'\"", 'contains "\'" at 1; '),
        ("-rl", "name: '-rl' contains '-' at 1; "),
        ("--help", "name: '--help' contains '-' at 1; "),
        (".hidden", "name: '.hidden' contains '.' at 1; "),
        ("..", "name: '..' contains '.' at 1; "),
        ("_a", "name: '_a' contains '_' at 1; "),
        ("container:x", "name: 'container:x' contains ':' at 10; "),
        ("netns:/run/x", "contains ':' at 6; "),
        ("../../etc", "name: '../../etc' contains '/' at 3; "),
        ("a" * 65, "has 65 characters; allowed "),
    ],
)
def test_any_other_name_is_refused_with_what_is_wrong_and_where(name, message, refused):
    code, text = refused(names.identifier, name)
    assert code == "invalid_name"
    assert message in text
    assert text.isascii() and text.isprintable()


def test_the_option_is_named_as_the_caller_calls_it(refused):
    assert refused(names.identifier, "", "network")[1] == "network: must not be empty"


@pytest.mark.parametrize("name", ["host", "none", "default"])
def test_reserved_names_cannot_be_made(name, refused):
    assert refused(names.network_name, name) == ("invalid_name", f"name: '{name}' is reserved")


@pytest.mark.parametrize("name", ["bridge", "Host", "hosts", "nonesuch"])
def test_neighbours_of_reserved_names_can_be_made(name):
    assert names.network_name(name) == name


# --- interface names ---


@pytest.mark.parametrize("name", ["br0", "a", "x" * 15, "eth0.10", "br-1c1a3bd4fa3e", "a@b", "a_b", "..."])
def test_up_to_15_plain_bytes_are_an_interface_name(name):
    assert names.interface_name(name, "o") == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "o: '' has 0 bytes; an interface name has 1 to 15"),
        ("x" * 16, "has 16 bytes; an interface name has 1 to 15"),
        ("é" * 8, "has 16 bytes; "),
        ("é", r"contains '\xe9' at 1"),
        ("br%d", "o: 'br%d' contains '%' at 3"),
        ("br*", "contains '*' at 3"),
        ("br+", "contains '+' at 3"),
        ('br"', "contains '\"' at 3"),
        ("br'", 'contains "\'" at 3'),
        ("br\\", "contains '\\\\' at 3"),
        ("a/b", "contains '/' at 2"),
        ("a:b", "contains ':' at 2"),
        ("a b", "contains ' ' at 2"),
        ("a\tb", r"contains '\t' at 2"),
        ("a\0b", r"contains '\x00' at 2"),
        ("a\x7f", r"contains '\x7f' at 2"),
        (".", "o: '.' is not an interface name"),
        ("..", "o: '..' is not an interface name"),
        ("all", "o: 'all' is not an interface name"),
        ("default", "o: 'default' is not an interface name"),
        ("-a", "o: '-a' is not an interface name"),
    ],
)
def test_a_name_that_the_kernel_or_a_tool_would_misread_is_refused(name, message, refused):
    code, text = refused(names.interface_name, name, "o")
    assert code == "invalid_ifname"
    assert message in text


# --- subnets ---


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.50.0.0/24", "10.50.0.0/24"),
        ("10.50.0.0/31", "10.50.0.0/31"),
        ("fd00:0231:0000:0001::/64", "fd00:231:0:1::/64"),
        ("FD00::/8", "fd00::/8"),
        ("100.64.0.0/10", "100.64.0.0/10"),
    ],
)
def test_a_subnet_is_returned_in_canonical_form(text, canonical):
    assert str(names.subnet(text, "o")) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "10.300.0.0/24",
        "10.0.0.0/33",
        "999.999.999.999/24",
        "::::/64",
        "fd00::/129",
        "10.0.0.0",
        "10.0.0/8",
        "010.0.0.0/8",
        "0x0a.0.0.0/8",
        "10.0.0.0/255.255.255.0",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/24/24",
        "/24",
        " 10.0.0.0/24",
        "10.0.0.0/24\n",
        "fd00::%eth0/64",
        "abc",
        "",
    ],
)
def test_what_is_no_subnet_is_refused_with_option_and_value(text, refused):
    code, message = refused(names.subnet, text, "ipam_config[0].subnet")
    assert code == "invalid_subnet"
    assert message.startswith(f"ipam_config[0].subnet: {ascii(text)}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.300.0.0/24", "Octet 300 (> 255) not permitted"),
        ("10.0.0.0/33", "'33' is not a valid netmask"),
        ("010.0.0.0/8", "Leading zeros are not permitted"),
        ("10.0.0.0/255.255.255.0", "is not ADDRESS/PREFIX-LENGTH"),
    ],
)
def test_the_reason_is_the_parsers(text, reason, refused):
    assert reason in refused(names.subnet, text, "o")[1]


@pytest.mark.parametrize(
    ("text", "meant"), [("10.50.0.5/24", "10.50.0.0/24"), ("fd00::1/64", "fd00::/64"), ("10.0.0.0/7", None)]
)
def test_host_bits_are_refused_with_the_subnet_that_was_meant(text, meant, refused):
    if meant is None:
        assert str(names.subnet(text, "o")) == text
        return
    code, message = refused(names.subnet, text, "o")
    assert code == "noncanonical_subnet"
    assert message == f"o: '{text}' has host bits set; it should be {meant}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0.0.0/0", "this network"),
        ("::/0", "unspecified"),
        ("224.0.0.0/4", "multicast"),
        ("239.1.0.0/16", "multicast"),
        ("127.0.0.0/8", "loopback"),
        ("127.1.0.0/16", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("240.0.0.0/4", "reserved"),
        ("255.255.255.0/24", "reserved"),
        ("ff00::/8", "multicast"),
        ("fe80::/10", "link-local"),
        ("fe80::/64", "link-local"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("128.0.0.0/1", "link-local"),
    ],
)
def test_subnets_that_mean_something_else_are_refused_with_the_reason(text, reason, refused):
    code, message = refused(names.subnet, text, "o")
    assert code == "invalid_subnet"
    assert message.startswith(f"o: {text} overlaps ")
    assert reason in message


@pytest.mark.parametrize("text", ["10.0.0.1/32", "fd00::1/128"])
def test_a_subnet_of_one_address_has_no_room(text, refused):
    assert refused(names.subnet, text, "o") == (
        "invalid_subnet",
        f"o: {text} has no room for a gateway and a member",
    )


# --- ranges and addresses ---

WITHIN = ip_network("10.50.0.0/24")


def test_a_range_inside_its_subnet_is_a_range():
    assert names.ip_range("10.50.0.64/31", WITHIN, "o") == ip_network("10.50.0.64/31")
    assert names.ip_range("10.50.0.0/24", WITHIN, "o") == WITHIN


@pytest.mark.parametrize(
    "text",
    [
        "10.51.0.0/25",
        "10.50.0.0/23",
        "10.50.0.1/25",
        "fd00::/64",
        "10.50.0.0-10.50.0.9",
        "",
        "x",
        "10.50.0.64",
        "10.50.0.0/255.255.255.128",
    ],
)
def test_a_range_outside_bigger_unaligned_or_of_another_family_is_refused(text, refused):
    code, message = refused(names.ip_range, text, WITHIN, "ipam_config[0].iprange")
    assert code == "invalid_ip_range"
    assert message.startswith("ipam_config[0].iprange: ") and text in message


@pytest.mark.parametrize("text", ["10.50.0.256", "010.50.0.1", "10.50.0.1/24", "fe80::1%eth0", "", "x", "10.50.0"])
def test_what_is_no_address_is_refused(text, refused):
    code, message = refused(names.address, text, "gateway", "invalid_gateway")
    assert code == "invalid_gateway"
    assert message.startswith(f"gateway: '{text}'")


@pytest.mark.parametrize("text", ["10.99.0.1", "fd00::1"])
def test_an_address_outside_its_subnet_is_refused(text, refused):
    assert refused(names.address_in, text, WITHIN, "o") == ("invalid_address", f"o: {text} is not in 10.50.0.0/24")


def test_an_address_is_compared_by_value():
    assert names.address("FD00:0::0001", "o") == ip_address("fd00::1")


# --- MAC addresses ---


@pytest.mark.parametrize("text", ["02:42:0A:00:00:02", "02-42-0a-00-00-02", "02:42:0a:00:00:02"])
def test_a_mac_address_is_returned_in_lower_case_with_colons(text):
    assert names.mac_address(text, "o") == "02:42:0a:00:00:02"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("zz", "is not six pairs of hex digits"),
        ("", "is not six pairs of hex digits"),
        ("02:42:0a:00:00", "is not six pairs of hex digits"),
        ("02:42:0a:ff:fe:00:00:02", "is not six pairs of hex digits"),
        ("0242.0a00.0002", "is not six pairs of hex digits"),
        ("02:42:0a:00:00:02\n", "is not six pairs of hex digits"),
        ("01:00:5e:00:00:01", "is a multicast address"),
        ("ff:ff:ff:ff:ff:ff", "is a multicast address"),
        ("00:00:00:00:00:00", "is all zero"),
    ],
)
def test_what_no_interface_can_have_is_refused(text, reason, refused):
    code, message = refused(names.mac_address, text, "mac_address")
    assert code == "option_invalid"
    assert message.startswith("mac_address: ") and reason in message


# --- pairs ---


def test_the_items_of_a_list_are_one_text_with_commas_between():
    assert names.pairs({"peers": ["203.0.113.2", 1, True], "none": []}, "driver_options") == (
        ("none", ""),
        ("peers", "203.0.113.2,1,true"),
    )


def test_pairs_are_sorted_text_as_docker_writes_it():
    assert names.pairs({"b": True, "a": 1400, "c": None, 7: "x", "d": False}, "labels") == (
        ("7", "x"),
        ("a", "1400"),
        ("b", "true"),
        ("c", ""),
        ("d", "false"),
    )


@pytest.mark.parametrize("value", ["line\nbreak", "'\"", "🧶", "x" * (1 << 20), ""])
def test_labels_are_kept_verbatim(value):
    assert names.pairs({"k": value}, "labels") == (("k", value),)


@pytest.mark.parametrize(
    "values", [{"k": "x" * ((1 << 20) + 1)}, {"k" * ((1 << 20) + 1): ""}, {"k": "é" * (1 << 19) + "x"}]
)
def test_labels_longer_than_a_mebibyte_are_refused(values, refused):
    code, message = refused(names.pairs, values, "labels")
    assert code == "option_invalid"
    assert message.startswith("labels.'k") and message.endswith("longer than 1048576 bytes")
    assert len(message) < 120


@pytest.mark.parametrize("values", [{"k": "a\0b"}, {"k\0": "a"}])
def test_a_nul_in_a_label_is_refused(values, refused):
    code, message = refused(names.pairs, values, "labels")
    assert code == "option_invalid" and message.endswith("contains a NUL")


# --- names that we make ---


def test_ids_are_64_hex_digits_and_differ_by_name_and_state_directory():
    ids = {names.network_id(place, name) for place in ("/a", "/b") for name in ("x", "y")}
    assert len(ids) == 4
    assert {len(item) for item in ids} == {64}
    assert names.network_id("/a", "x") == names.network_id("/a", "x")


def test_parts_of_an_id_cannot_run_together():
    assert names.network_id("/a", "b") != names.network_id("/", "ab")
    assert names.endpoint_id("ab", "c") != names.endpoint_id("a", "bc")


def test_mac_addresses_that_we_make_are_local_and_unicast():
    assert names.mac_of(ip_interface("192.168.1.2/24")) == "02:42:c0:a8:01:02"
    assert names.local_mac("0123456789abcdef") == "02:01:23:45:67:89"


def test_the_nearest_word_is_suggested_where_there_is_one():
    assert names.nearest("brigde", ["bridge", "host"]) == " (did you mean bridge?)"
    assert names.nearest("net-A", ["net-b", "net-a"]) == " (did you mean net-a?)"
    assert names.nearest("xyz", ["bridge", "host"]) == ""
