# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses are what those of the standard library are."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
from ansible_collections.netloom.containers.plugins.module_utils._frozen import dataclass


@dataclass(frozen=True)
class Base:
    rank: ClassVar[int] = 0


@dataclass(frozen=True)
class Thing(Base):
    name: str
    size: int = 1
    seen: str = dataclasses.field(default="", compare=False)
    parts: Any = dataclasses.field(default_factory=list)
    rank = 7


@dataclass(frozen=True)
class Other(Base):
    name: str
    size: int = 1


def test_fields_come_by_position_by_name_and_by_default():
    thing = Thing("a", size=2)
    assert (thing.name, thing.size, thing.seen, thing.parts, thing.rank) == ("a", 2, "", [], 7)
    assert Thing("a").parts is not Thing("a").parts


@pytest.mark.parametrize(
    ("args", "given"),
    [
        ((), {}),
        (("a",), {"colour": "red"}),
        (("a", 1, "", [], 5), {}),
        (("a",), {"name": "b"}),
        ((), {"size": 2, "colour": "red"}),
    ],
)
def test_a_missing_unknown_or_doubled_field_is_an_error(args, given):
    with pytest.raises(TypeError, match="Thing has the fields name, size, seen, parts, not "):
        Thing(*args, **given)


def test_values_of_one_class_are_equal_by_what_is_compared():
    assert Other("a") == Other("a", 1) != Other("a", 2)
    assert Thing("a", seen="x", parts=()) == Thing("a", seen="y", parts=())
    assert hash(Other("a")) == hash(Other("a")) and len({Other("a"), Other("a"), Other("b")}) == 2
    assert Other("a") != Thing("a") and Other("a") != ("a", 1)
    assert Base() == Base() and hash(Base()) == hash(Base())


def test_nothing_changes_but_by_replacing():
    thing = Other("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        thing.name = "b"
    assert dataclasses.replace(thing, name="b") == Other("b")
    assert dataclasses.asdict(thing) == {"name": "a", "size": 1}
    assert repr(thing) == "Other(name='a', size=1)"
