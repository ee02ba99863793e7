"""Laws of a training set that is looked through by words and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.data.catalogue import Catalogue, Filter
from attribution.data.training_set import Example, TrainingSet, values_of
from attribution.data.words import words
from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace


def training_set(*lines: tuple[str, dict[str, Any]]) -> TrainingSet:
    examples = [
        Example(k, f"i{k}", f"{k}.png", said, "0" * 64, facts) for k, (said, facts) in enumerate(lines)
    ]
    return TrainingSet(Path(), examples, "0")


PAINTED = training_set(
    ("a red rocket", {"artist": "Ann Lee", "year": 1990, "tags": ["sky", "metal"], "same": 1}),
    ("a rock on the moon", {"artist": "Bo", "year": 2005, "tags": ["sky"], "same": 1}),
    ("a cat", {"artist": "", "year": None, "tags": [], "same": 1}),
    ("Ann's garden", {"artist": "Bo", "year": 2010, "tags": ["metal", "sky", "sky"], "same": 1}),
)


def rows(asked: str = "", *filters: tuple[str, str]) -> list[int]:
    chosen = Catalogue.of(PAINTED).chosen(asked, [Filter(*each) for each in filters])
    return [int(row) for row in np.flatnonzero(chosen)]


def test_all_words_must_be_there_in_caption_or_metadata() -> None:
    assert rows("a") == [0, 1, 2]
    assert rows("A  Rocket") == [0]
    assert rows("ann") == [0, 3]  # an artist's name, and a caption
    assert rows("ann garden") == [3]
    assert rows("zebra") == []
    assert rows("") == [0, 1, 2, 3]


def test_a_star_asks_for_the_beginning_of_a_word() -> None:
    assert rows("rock") == [1]
    assert rows("rock*") == [0, 1]
    assert rows("*") == [0, 1, 2, 3]


def test_values_of_a_column_add_up_and_columns_narrow() -> None:
    assert rows("", ("artist", "Bo")) == [1, 3]
    assert rows("", ("artist", "Bo"), ("artist", "Ann Lee")) == [0, 1, 3]
    assert rows("", ("artist", "Bo"), ("tags", "metal")) == [3]
    assert rows("", ("artist", "none")) == [2]
    assert rows("moon", ("artist", "Bo")) == [1]


def test_numbers_are_asked_for_by_a_range() -> None:
    assert rows("", ("year", "2005")) == [1]
    assert rows("", ("year", "1990..2005")) == [0, 1]
    assert rows("", ("year", "2005..")) == [1, 3]
    assert rows("", ("year", " .. 1999 ")) == [0]


UNKNOWN = [("size", "1"), ("same", "1"), ("artist", "Cy"), ("artist", "1..2"), ("year", "e..2")]


@pytest.mark.parametrize(("column", "value"), UNKNOWN)
def test_what_there_is_not_is_refused_by_name(column: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{column}|{value}"):
        rows("", (column, value))


def test_the_catalogue_finds_what_reading_every_line_finds(tiny_world: Workspace) -> None:
    """Law: Searching the catalogue finds exactly what reading every line of the metadata would."""
    examples, found = tiny_world.training_set.examples, Catalogue.of(tiny_world.training_set)
    for word in ("rocket", "a", "prints", "beach", "nothing"):
        told = [
            word in words(e.caption) or any(word in words(v) for c in e.metadata for v in values_of(e, c))
            for e in examples
        ]
        assert found.chosen(word).tolist() == told
    for name, column in found.columns.items():
        for value in column.values.places:
            own = [value in values_of(example, name) for example in examples]
            assert found.chosen("", [Filter(name, value)]).tolist() == own


def test_counts_among_the_chosen_are_counted_one_by_one(tiny_world: Workspace) -> None:
    found = Catalogue.of(tiny_world.training_set)
    chosen = found.chosen("rocket")
    values = found.column("ground").values
    counts = values.counts_among(chosen)
    for value, place in values.places.items():
        assert counts[place] == np.count_nonzero(chosen & found.chosen("", [Filter("ground", value)]))
    assert values.counts_among(np.ones(len(chosen), bool)).tolist() == values.counts.tolist()
