# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of address management: what is taken, in which form, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._errors import NetloomError
from ansible_collections.netloom.containers.plugins.module_utils._ipam_options import resolved

URLS = "https://192.0.2.1:2379"


def options(**given):
    return dict(resolved("etcd", tuple(sorted({"endpoints": URLS, **given}.items()))))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.2:2379, http://192.0.2.1:2379/", "http://192.0.2.1:2379,http://192.0.2.2:2379"),
        ("https://[2001:DB8::1]:2379", "https://[2001:db8::1]:2379"),
        ("http://etcd-1.example:2379,http://etcd-1.example:2379", "http://etcd-1.example:2379"),
    ],
)
def test_endpoints_are_a_set_of_urls(text, found):
    assert options(endpoints=text)["endpoints"] == found


def test_the_default_address_management_has_no_options():
    assert resolved("default", ()) == ()
    with pytest.raises(NetloomError) as caught:
        resolved("default", (("endpoints", URLS),))
    assert caught.value.code == "option_unknown"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"endpoints": ""}, "option_invalid", "ipam_driver_options.endpoints: must not be empty"),
        ({"endpoints": "192.0.2.1"}, "option_invalid", "'192.0.2.1' is not like http://ADDRESS:PORT"),
        ({"endpoints": "http://192.0.2.1:99999"}, "option_invalid", "is not like http://ADDRESS:PORT"),
        ({"endpoints": "http://192.0.2.1:2379/v3"}, "option_invalid", "is not like http://ADDRESS:PORT"),
        ({"endpoints": "http://user:word@192.0.2.1:2379"}, "option_invalid", "is not like http://ADDRESS:PORT"),
        ({"endpoints": "ftp://192.0.2.1:2379"}, "option_invalid", "neither http nor https"),
        ({"endpoint": "x"}, "option_unknown", "(did you mean endpoints?)"),
        ({"prefix": "netloom"}, "option_invalid", "ipam_driver_options.prefix: 'netloom' is not like /netloom"),
        ({"prefix": "/"}, "option_invalid", "is not like /netloom"),
        ({"prefix": "/a//b"}, "option_invalid", "is not like /netloom"),
        ({"ca_cert": "ca.pem"}, "option_invalid", "ipam_driver_options.ca_cert: 'ca.pem' is not an absolute path"),
        ({"cert": "/c.pem"}, "option_invalid", "ipam_driver_options.cert: needs key as well"),
        ({"key": "/c.key"}, "option_invalid", "ipam_driver_options.key: needs cert as well"),
        ({"username": "u"}, "option_invalid", "ipam_driver_options.username: needs password as well"),
        ({"password": "secret"}, "option_invalid", "ipam_driver_options.password: needs username as well"),
        ({"endpoints": "http://192.0.2.1:2379", "ca_cert": "/ca.pem"}, "option_invalid", "has no TLS"),
        ({"timeout": "0"}, "option_invalid", "'0' is not a whole number from 1 to 120"),
        ({"timeout": "1.5"}, "option_invalid", "'1.5' is not a whole number from 1 to 120"),
        ({"node": "a b"}, "invalid_name", "ipam_driver_options.node"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(given, code, words):
    with pytest.raises(NetloomError) as caught:
        options(**given)
    assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message
    assert "secret" not in caught.value.message


def test_endpoints_are_required():
    with pytest.raises(NetloomError, match=r"ipam_driver_options.endpoints: is required by ipam_driver etcd"):
        resolved("etcd", ())
