# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and their members as a picture: what is in it, where it is, and that nothing of it is cut off or covered."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from xml.etree import ElementTree

import pytest

errors = pytest.importorskip("ansible.errors", reason="filters run on the controller, where Ansible is")

from ansible_collections.netloom.containers.plugins.filter.topology_graph import (  # noqa: E402
    FilterModule,
    topology_graph,
)
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"title": 18, "head": 15, "name": 13, "label": 12.5, "muted": 12.5, "word": 11}
FORMATS = ("mermaid", "dot", "svg")


# --- what is drawn ---


def network(name, number=0, *, members=(), **keys):
    """Return a network as network_info does; of a member, its name and the last number of its address."""
    containers = {
        f"ep-{name}-{member}": {
            "Name": member,
            "EndpointID": f"{name}-{member}",
            "MacAddress": f"02:42:0a:00:{number:02x}:{last:02x}",
            "IPv4Address": f"10.0.{number}.{last}/24",
            "IPv6Address": "",
        }
        for member, last in members
    }
    pools = [{"Subnet": f"10.0.{number}.0/24", "Gateway": f"10.0.{number}.1"}]
    shape = {"Name": name, "Driver": "bridge", "Internal": False, "IPAM": {"Config": pools}, "Options": {}}
    return {**shape, "Containers": containers, **keys}


def endpoint(on, container, **keys):
    shape = {"Network": on, "Container": container, "EndpointID": f"{on}-{container}", "Runtime": "netns"}
    return {**shape, "InterfaceName": "eth0", "HostInterface": "veth01234567890", "Ports": {}, "Pending": False, **keys}


def crowd(count):
    return network("lan", 1, members=[(f"c{number}", number + 1) for number in range(1, count + 1)])


TIERS = [
    network("front", 1, members=[("web1", 2), ("web2", 3)]),
    network("application", 2, members=[("web1", 4), ("web2", 5), ("app1", 2), ("app2", 3)], Internal=True),
    network("data", 3, members=[("app1", 4), ("app2", 5), ("db1", 2)], Internal=True),
]
SHOP = {
    "namespaces": [{"name": "web1"}, {"name": "db1"}, {"name": "idle"}],
    "networks": [
        {"name": "front", "subnet": "10.60.0.0/24", "gateway": "10.60.0.1"},
        {"name": "back", "internal": True},
    ],
    "attachments": [
        {"network": "front", "container": "web1", "interface_name": "web0", "published_ports": ["8080:80", "53/udp"]},
        {"network": "back", "container": "web1"},
        {"network": "back", "container": "db1", "ipv4_address": "10.61.0.80"},
        {"network": "elsewhere", "container": "other"},
    ],
}
BROKEN = [
    network(
        "front",
        1,
        members=[("web1", 2), ("web10", 3)],
        Drift=["bridge br-0123456789ab: mtu is 1400, not 1500", "address 10.0.1.2/24 on eth0 in web1 is missing"],
    ),
    network("back", 2, members=[("db1", 2)], Drift=[]),
]


# --- what is in a picture ---


class Picture:
    """A SVG as it is looked at."""

    def __init__(self, source, **options):
        self.text = topology_graph(source, "svg", **options)
        self.root = ElementTree.fromstring(self.text)
        self.rects = [_box(rect) for rect in self.root.iter(f"{SVG}rect")]
        self.texts = [(item, item.get("class")) for item in self.root.iter(f"{SVG}text")]

    def of(self, kind):
        return [box for box in self.rects if kind in box[0].split()]

    def words(self, kind=None):
        """Return what is read in it, without what is shown only when it is pointed at."""
        return [_words(item) for item, classes in self.texts if kind is None or kind in classes.split()]

    @property
    def cards(self):
        groups = list(self.root.iter(f"{SVG}g"))
        return {
            _words(group.find(f"{SVG}text")): [_words(text) for text in group.iter(f"{SVG}text")] for group in groups
        }

    def card(self, name):
        (group,) = [item for item in self.root.iter(f"{SVG}g") if _words(item.find(f"{SVG}text")) == name]
        return group


def _box(rect):
    return (
        (rect.get("class"), *(float(rect.get(key)) for key in ("x", "y", "width", "height")))
        if rect.get("x")
        else (rect.get("class"), 0.0, 0.0, float(rect.get("width")), float(rect.get("height")))
    )


def _words(item):
    return (item.text or "") + "".join(child.tail or "" for child in item)


def overlap(one, other):
    _kind, x, y, wide, high = one
    _kind2, x2, y2, wide2, high2 = other
    return x < x2 + wide2 and x2 < x + wide and y < y2 + high2 and y2 < y + high


def inside(one, other):
    _kind, x, y, wide, high = one
    _kind2, x2, y2, wide2, high2 = other
    return x >= x2 and y >= y2 and x + wide <= x2 + wide2 + 0.2 and y + high <= y2 + high2 + 0.2


def most_width(text, size, *, fixed):
    """Return how wide a text is in DejaVu, the widest of usual fonts, rounded up."""
    ems = 0.0
    for char in text:
        if not char.isascii():
            ems += 0.0 if unicodedata.combining(char) else 1.0
        elif fixed:
            ems += 0.603
        else:
            ems += 1.0 if char in "mwMW@%" else 0.4 if char in " .,:;'|!ijlI[]()-" else 0.78 if char.isupper() else 0.65
    return ems * size


def assert_sound(picture):
    """Nothing covers anything else, and no text is longer than the box that it is in."""
    page, *_rest = picture.rects
    frames = [box for kind in ("net", "group", "uplink") for box in picture.of(kind)]
    cards = picture.of("card")
    for one, other in itertools.combinations(frames, 2):
        assert not overlap(one, other), (one, other)
    for one, other in itertools.combinations(cards, 2):
        assert not overlap(one, other), (one, other)
    for card in cards:
        homes = [frame for frame in frames if overlap(card, frame)]
        assert len(homes) <= 1 and all(inside(card, home) for home in homes), (card, homes)
    for box in (*frames, *cards, *picture.of("chip")):
        assert inside(box, page), box
    boxes = [*picture.of("chip"), *cards, *frames, page]
    for item, classes in picture.texts:
        x, y = float(item.get("x")), float(item.get("y"))
        kind = classes.split()[0]
        fixed = kind in ("fact", "port")
        wide = most_width(_words(item), SIZES.get(kind, 11.5), fixed=fixed)
        home = next(box for box in boxes if box[1] <= x <= box[1] + box[3] and box[2] <= y <= box[2] + box[4])
        in_card = "card" in home[0].split()
        left = x - wide / 2 if kind == "word" else x - wide if fixed and in_card else x
        assert home[1] <= left and left + wide <= home[1] + home[3] + 0.5, (_words(item), home)
        assert home[2] + 6 <= y <= home[2] + home[4] - 2, (_words(item), home)


def test_ansible_finds_it():
    assert FilterModule().filters() == {"topology_graph": topology_graph}


@pytest.mark.parametrize("count", [0, 1, 5, 20, 60])
def test_every_member_is_there_once_and_nothing_covers_anything(count):
    picture = Picture([crowd(count)])
    assert sorted(picture.words("name")) == sorted(f"c{number}" for number in range(1, count + 1))
    assert len(picture.of("card")) == count
    assert_sound(picture)


def test_members_are_in_natural_order():
    picture = Picture([crowd(12)])
    assert picture.words("name") == [f"c{number}" for number in range(1, 13)]


def test_sixty_members_are_no_wider_than_a_page():
    assert Picture([crowd(60)]).rects[0][3] <= 1200


def test_a_member_shows_its_interface_its_addresses_and_its_ports():
    one = endpoint(
        "lan",
        "c1",
        GlobalIPv6Address="fd00::2",
        IPAddress="10.0.1.2",
        Ports={
            "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
            "53/udp": [],
        },
    )
    other = endpoint("lan", "c2", Ports={"53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}]})
    picture = Picture({"networks": [crowd(2)], "endpoints": [one, other]})
    assert picture.cards == {
        "c1": ["c1", "eth0", "10.0.1.2", "fd00::2", "port", "8080 \u2192 80"],
        "c2": ["c2", "eth0", "10.0.1.3", "port", "127.0.0.1:53 \u2192 53/udp"],
    }
    assert_sound(picture)


def test_a_network_shows_what_it_is():
    options = {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.gateway_mode_ipv4": "routed",
    }
    picture = Picture(network("lan", 1, Internal=True, Options=options))
    assert picture.words() == [
        "1 network, 0 containers",
        "lan",
        "bridge",
        "10.0.1.0/24, gateway 10.0.1.1",
        "internal",
        "members isolated",
        "gateway routed",
    ]


def test_a_container_on_several_networks_is_one_box_with_a_line_to_each():
    picture = Picture(TIERS)
    assert sorted(picture.cards) == ["app1", "app2", "db1", "web1", "web2"]
    assert picture.cards["web1"] == ["web1", "application", "10.0.2.4", "front", "10.0.1.2"]
    assert picture.words("label") == ["on application and front", "on application and data"]
    assert len([path for path in picture.root.iter(f"{SVG}path") if "line" in path.get("class")]) == 4
    assert_sound(picture)


def test_the_network_with_a_way_out_is_at_the_top():
    picture = Picture(TIERS)
    heads = [item for item, classes in picture.texts if classes == "head"]
    assert [_words(item) for item in sorted(heads, key=lambda item: float(item.get("y")))] == [
        "front",
        "application",
        "data",
    ]


def test_a_line_leads_from_edge_to_edge():
    picture = Picture(TIERS)
    frames = [*picture.of("net"), *picture.of("group")]
    for path in (path.get("d") for path in picture.root.iter(f"{SVG}path") if "line" in path.get("class")):
        x, y, *_bends, x2, y2 = (float(number) for number in re.findall(r"[\d.]+", path))
        assert any(box[1] < x < box[1] + box[3] and abs(box[2] + box[4] - y) < 0.2 for box in frames)
        assert any(box[1] < x2 < box[1] + box[3] and abs(box[2] - y2) < 0.2 for box in frames)


def test_one_container_of_a_name_in_each_runtime_is_two():
    shapes = [network("a", 1, members=[("web", 2)]), network("b", 2, members=[("web", 2)])]
    found = [endpoint("a", "web", Runtime="docker"), endpoint("b", "web", Runtime="podman")]
    assert len(Picture({"networks": shapes, "endpoints": found}).of("card")) == 2
    assert len(Picture(shapes).of("card")) == 1


def test_what_a_network_is_on_stands_above_it():
    lan = network("lan", 1, Driver="macvlan", Options={"parent": "eth0.10", "macvlan_mode": "bridge"})
    guests = network("guests", 2, Driver="ipvlan", Options={"parent": "eth0.10"})
    options = {"vni": "4242", "peers": "203.0.113.1,203.0.113.2,203.0.113.3"}
    peers = [{"Name": address, "IP": address} for address in ("203.0.113.2", "203.0.113.3")]
    cluster = network("cluster", 3, Driver="overlay", Options=options, Peers=peers)
    picture = Picture([lan, guests, cluster])
    assert len(picture.of("uplink")) == 2
    for word in ("eth0.10", "mode bridge", "other hosts", "VXLAN 4242", "203.0.113.2", "203.0.113.3"):
        assert word in picture.words()
    assert "203.0.113.1" not in picture.words()  # is this host
    assert_sound(picture)


def test_many_networks_of_every_kind_do_not_cover_each_other():
    shapes = [
        network(f"n{number}", number, members=[(f"m{number}-{last}", last) for last in range(2, 3 + number % 5)])
        for number in range(30)
    ]
    joined = [network(f"j{number}", 50 + number, members=[("router", 2), (f"r{number % 3}", 3)]) for number in range(9)]
    picture = Picture([*shapes, *joined])
    assert len(picture.of("net")) == 39
    assert picture.words("name").count("router") == 1
    assert_sound(picture)


def test_the_predefined_networks_are_left_out_unless_they_are_used():
    idle = [
        network("bridge", IPAM={"Config": []}),
        network("host", Driver="host", IPAM={"Config": []}),
        network("none", Driver="null", IPAM={"Config": None}),
    ]
    assert Picture([*idle, crowd(1)]).words("head") == ["lan"]
    assert Picture(idle).words() == ["0 networks, 0 containers"]
    assert Picture(idle[1]).words("head") == ["host"]
    assert Picture([network("bridge", 1), crowd(1)]).words("head") == ["bridge", "lan"]


def test_a_topology_is_drawn_before_it_is_made():
    picture = Picture(SHOP)
    assert picture.cards == {
        "db1": ["db1", "10.61.0.80"],
        "idle": ["idle"],
        "other": ["other"],
        "web1": ["web1", "back", "front", "web0", "port", "8080 \u2192 80", "port", "any \u2192 53/udp"],
    }
    assert picture.words("head") == ["front", "back", "elsewhere"]
    assert "10.60.0.0/24, gateway 10.60.0.1" in picture.words("fact")
    assert_sound(picture)


@pytest.mark.parametrize(
    "source",
    [
        {"networks": [crowd(1)], "changed": False, "changes": []},
        {"network": crowd(1), "changed": True},
        {"exists": True, "network": crowd(1), "networks": [crowd(1)]},
        [crowd(1)],
        crowd(1),
    ],
)
def test_results_lists_and_single_networks_give_one_picture(source):
    assert topology_graph(source, "svg") == topology_graph([crowd(1)], "svg")


def test_what_a_topology_task_returns_has_interfaces():
    shape = {
        "Network": "lan",
        "Container": "c1",
        "EndpointID": "lan-c1",
        "InterfaceName": "web0",
        "IPAddress": "10.0.1.2",
    }
    source = {"networks": [crowd(1)], "endpoints": [shape], "changes": [], "stages": []}
    assert Picture(source).cards["c1"] == ["c1", "web0", "10.0.1.2"]


# --- what is wrong ---


def test_what_drifted_is_marked_by_colour_sign_and_words():
    picture = Picture(BROKEN)
    assert picture.words()[0] == "2 networks, 3 containers, 2 things not as recorded"
    assert [classes for classes, *_place in picture.of("net")] == ["net hue0", "net hue1 drifted"]
    assert [classes for classes, *_place in picture.of("card")].count("card drifted") == 1
    assert [path.get("class") for path in picture.card("web1").iter(f"{SVG}path")] == ["sign", "mark"]
    assert list(picture.card("web10").iter(f"{SVG}path")) == []
    assert "2 not as recorded" in picture.words("alarm")
    assert "bridge br-0123456789ab: mtu is 1400, not 1500" in picture.words("alarm")
    assert_sound(picture)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("address 10.0.1.2/24 on eth0 in c1 is missing", ["c1"]),
        ("eth0 in c1 is down", ["c1"]),
        ("interface eth0 in c1 (veth01234567890 on the host): mtu is 1400, not 1500", ["c1"]),
        ("veth01234567890 is down", ["c1"]),
        ("sysctl net.ipv6.conf.veth01234567890.disable_ipv6: value is 0, not 1", ["c1"]),
        ("route 0.0.0.0/0 in c1 is missing", ["c1"]),
        ("sysctl net.ipv4.conf.eth0.arp_notify in c1: value is 0, not 1", ["c1"]),
        ("names of c1 on network lan is missing", ["c1"]),
        ("endpoint of c1 (eth1) on network lan: a change of it was interrupted", ["c1"]),
        ("/etc/netns/c1/resolv.conf is missing", ["c1"]),
        ("port 0.0.0.0:8080/tcp is missing", ["c1"]),
        ("port 0.0.0.0:8080/udp is missing", []),
        ("port 0.0.0.0:80/tcp is missing", []),
        ("address 10.0.1.3 of network lan in etcd is missing", ["c2"]),
        ("firewall element br-0123456789ab in internal is missing", []),
        ("eth0 in c10 is down", []),
        ("bridge br-0123456789ab is missing", []),
        ("subnet 10.0.1.0/24 overlaps an address of the host", []),
    ],
)
def test_a_line_of_drift_is_at_the_member_that_it_is_about(line, names):
    ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    found = [endpoint("lan", "c1", Ports=ports), endpoint("lan", "c2", HostInterface="veth99999999999")]
    picture = Picture({"networks": [{**crowd(2), "Drift": [line]}], "endpoints": found})
    marked = [name for name in ("c1", "c2") if list(picture.card(name).iter(f"{SVG}path"))]
    assert marked == names


def test_a_set_of_the_firewall_is_not_taken_for_a_container_of_its_name():
    shape = network(
        "lan", 1, members=[("internal", 2)], Drift=["firewall element br-0123456789ab in internal is missing"]
    )
    assert list(Picture(shape).card("internal").iter(f"{SVG}path")) == []


def test_a_container_that_does_not_run_is_shown_as_such():
    pending = endpoint("lan", "gone", EndpointID="lan-gone", IPAddress="10.0.1.9", Pending=True)
    picture = Picture({"networks": [crowd(1)], "endpoints": [pending]})
    assert picture.cards["gone"] == ["gone", "eth0", "10.0.1.9", "not running"]
    told = Picture({**crowd(1), "Drift": ["endpoint of gone on network lan is pending: its container does not run"]})
    assert told.cards["gone"] == ["gone", "not running"]


@pytest.mark.parametrize("format", ["mermaid", "dot"])
def test_what_drifted_is_marked_in_text_formats(format):
    text = topology_graph(BROKEN, format)
    (web1,) = [line for line in text.splitlines() if "\u26a0 web1<" in line.replace("<b>", "")]
    assert "dashed" in web1 or re.search(rf"class \S*\b{web1.split('[')[0].strip()}\b\S* drift", text)
    assert "\u26a0 web10" not in text.replace("<b>", "")
    assert text.count("mtu is 1400") == 1
    assert "\u26a0 front" in text and "\u26a0 back" not in text


# --- whatever names are ---

NAMES = st.text(min_size=1, max_size=80)
HOSTILE = [
    '"]; a --> b',
    "<script>alert(1)</script>",
    "end",
    "&amp;",
    "\\N\\",
    "#quot;",
    "%%{init: {}}%%",
    "a\nb",
    "`x`",
    "--- |x|",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), NAMES, st.lists(st.text(max_size=200), max_size=8), NAMES)
def test_no_name_breaks_a_picture(members, name, drift, title):
    shape = network(name, 1, members=[(member, index + 2) for index, member in enumerate(members)], Drift=drift)
    picture = Picture(shape, title=title)
    assert len(picture.of("card")) == len(members)
    assert_sound(picture)
    for format in ("mermaid", "dot"):
        assert len(re.findall(r"^ *c\d+ ?\[", topology_graph(shape, format, title=title), re.MULTILINE)) == len(members)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_taken_for_mermaid(name):
    for line in topology_graph(network(name, 1, members=[(name, 2)]), title=name).splitlines():
        text = re.sub(r"<br/>|#\d+;", "", line)
        quoted = "".join(re.findall(r'"([^"]*)"', text))
        assert text.count('"') in (0, 2)
        assert not set(quoted) & set("<>&#`\\[]{}|%;"), line
        assert not re.search(r"(?:style|classDef).*:\S*#.*;", line)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_taken_for_dot(name):
    for line in topology_graph(network(name, 1, members=[(name, 2)]), "dot", title=name).splitlines():
        for label in re.findall(r"label=<(.*?)>(?:[,;\]])", line):
            ElementTree.fromstring(f"<label>{label}</label>")
        for quoted in re.findall(r'tooltip="((?:[^"\\]|\\.)*)"', line):
            assert "\\N" not in quoted.replace("\\\\", "")
        assert re.sub(r'"(?:[^"\\]|\\.)*"|<.*>', "", line).count('"') == 0


def test_a_long_name_is_cut_off_and_shown_when_pointed_at():
    name = "m" * 200
    picture = Picture(network("lan", 1, members=[(name, 2)]))
    (shown,) = picture.words("name")
    assert shown.endswith("\u2026") and len(shown) < 60
    (title,) = picture.card(shown).findall(f"{SVG}text/{SVG}title")
    assert title.text == name


# --- how it looks ---


def test_it_says_what_it_is_to_those_who_do_not_see_it():
    picture = Picture(TIERS, title="The shop")
    assert picture.root.get("role") == "img"
    named = picture.root.get("aria-labelledby").split()
    title, description = (next(item for item in picture.root if item.get("id") == name) for name in named)
    assert (title.tag, title.text) == (f"{SVG}title", "The shop")
    assert description.tag == f"{SVG}desc"
    assert "Network data (bridge, 10.0.3.0/24, gateway 10.0.3.1, internal): app1, app2, db1." in description.text


def test_it_needs_nothing_from_elsewhere():
    text = topology_graph(TIERS, "svg", title="x").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"http|url\(|@import|<script|<image|<use|var\(", text)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_input_gives_the_same_picture_in_any_order(format):
    backwards = [
        {**shape, "Containers": dict(reversed(list(shape["Containers"].items())))} for shape in reversed(TIERS)
    ]
    assert topology_graph(TIERS, format) == topology_graph(json.loads(json.dumps(backwards)), format)


def colours(text):
    return {tuple(found) for found in re.findall(r"\.netloom ([^{]+) \{ (?:[^}]*; )?fill: (#\w+)", text)}


def test_themes():
    auto, light, dark = (topology_graph(TIERS, "svg", theme=theme) for theme in ("auto", "light", "dark"))
    head, media, rest = auto.partition("@media (prefers-color-scheme: dark) {")
    assert media and colours(head) == colours(light) and colours(rest) == colours(dark)
    assert colours(light).isdisjoint(colours(dark))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(theme):
    from ansible_collections.netloom.containers.plugins.plugin_utils import _graph_style

    palette = getattr(_graph_style, theme.upper())
    pairs = [
        (text, back) for text in (palette.text, palette.muted) for back in (palette.page, palette.net, palette.card)
    ]
    pairs += [(palette.port, palette.card), (palette.alarm, palette.alarm_fill), (palette.alarm, palette.net)]
    pairs += [(text, palette.alarm_fill) for text in (palette.text, palette.muted, palette.port)]
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []
    assert [hue for hue in palette.hues if contrast(hue, palette.page) < 3 or contrast(hue, palette.net) < 3] == []


def contrast(one, other):
    """Return the contrast of two colours as WCAG 2 defines it."""
    lights = sorted(luminance(one) + 0.05 if one else 0 for one in (one, other))
    return lights[1] / lights[0]


def luminance(colour):
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], "png"), "format: 'png' is not one of mermaid, dot, svg"),
        (([], "svg", None, "sepia"), "theme: 'sepia' is not one of auto, light, dark"),
        (([], "svg", 3), "title: 3 is not a text"),
        ((3,), "_input: neither what network_info returns, nor a network, nor the options of network_topology"),
        (("lan",), "_input: neither what network_info returns, nor a network, nor the options of network_topology"),
        (({},), "_input: neither what network_info returns, nor a network, nor the options of network_topology"),
        (([3],), "_input: networks[0] is not a network as network_info returns it"),
        (([crowd(1), None],), "_input: networks[1] is not a network as network_info returns it"),
        (([{"Name": "lan", "Containers": {"x": 3}}],), "_input: Containers of lan: x is not a container"),
        (
            ({"networks": [crowd(1)], "endpoints": 3},),
            "_input: endpoints is not a list of endpoints as network_info returns it",
        ),
        (({"failed": True, "msg": "no"},), "_input: this is the result of a task that failed: no"),
        (
            ({"results": [], "changed": False},),
            "_input: this is the result of a loop; give one of its results, or results | map(attribute='network')",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(errors.AnsibleFilterError) as caught:
        topology_graph(*arguments)
    assert str(caught.value) == message


def test_an_option_of_a_topology_that_is_not_valid_is_named():
    with pytest.raises(errors.AnsibleFilterError, match=r"^_input: networks\[0\]\.subnet: "):
        topology_graph({"networks": [{"name": "lan", "subnet": "10.0.0.0/33"}]})
    with pytest.raises(errors.AnsibleFilterError, match=r"^_input: .*nmae"):
        topology_graph({"networks": [{"nmae": "lan"}]})
