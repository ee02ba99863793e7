"""Laws of the one discovery."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribution.errors import UnknownNameError
from attribution.plugins import named, plugins


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of three modules, two of which bind something."""
    folder = tmp_path / "a_room_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "second.py").write_text("THINGS = ('c',)\n", encoding="utf-8")
    (folder / "first.py").write_text("THINGS = ('b', 'a')\n", encoding="utf-8")
    (folder / "base.py").write_text("OTHER = ('d',)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder.name
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_plug_ins_are_found_by_being_there_in_one_order(room: str) -> None:
    """Law: A plug-in is found by being in its room, in the order of modules and of their tuples."""
    assert plugins(room, "THINGS") == ("b", "a", "c")
    assert plugins(room, "NOTHING") == ()


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    """Law: A plug-in that is not there is refused with the names of those that are."""
    with pytest.raises(UnknownNameError, match="there is no thing 'z': choose from x, y"):
        named("thing", {"x": 1, "y": 2}, "z")


@pytest.mark.parametrize(
    ("room", "binding"),
    [
        ("attribution.methods", "METHODS"),
        ("attribution.models", "MODELS"),
        ("attribution.encoders", "ENCODERS"),
        ("precompute.jobs", "JOBS"),
        ("evaluation.protocols", "PROTOCOLS"),
        ("evaluation.studies", "STUDIES"),
    ],
)
def test_every_room_of_plug_ins_has_some(room: str, binding: str) -> None:
    assert plugins(room, binding)
