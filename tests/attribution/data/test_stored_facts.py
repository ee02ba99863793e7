"""Laws of what a table knows of its rows' metadata and of pairs of words, without looking at a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from attribution.data.catalogue import Catalogue, Filter
from attribution.data.columnar import Texts, mapped_columns
from attribution.data.index import load_scan, save_scan
from attribution.data.table_set import Table
from attribution.data.training_set import TrainingSet, values_of
from attribution.data.words import words
from attribution.errors import TrainingSetError
from tests.worlds.tabled import check_same_facts, check_same_pairs, scanned

ROWS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tabled")


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[TrainingSet, TrainingSet]:
    """A training set, and what it opens as after it was written down."""
    found = scanned(folder / "set", ROWS)
    save_scan(found, folder / "index.json")
    return found, load_scan(folder / "index.json", folder / "set")


def test_a_table_knows_what_metadata_says_without_reading_it(
    both: tuple[TrainingSet, TrainingSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A table's first look into the library reads no row, and finds what reading every row finds."""
    found, opened = both
    monkeypatch.delattr(Table, "each_metadata")
    check_same_facts(opened.facts, found.facts)
    assert opened.facts.columns["row"].numbers is not None
    for name, column in opened.facts.columns.items():
        for value in column.values.terms:
            own = [e.row for e in found.examples if value in values_of(e, name)]
            assert column.values.of(value).tolist() == own
        assert column.values.of("no such value").tolist() == []
        assert "no such value" not in column.values.places


def test_a_table_is_searched_as_its_rows_are(both: tuple[TrainingSet, TrainingSet]) -> None:
    of_rows, of_table = map(Catalogue.of, both)
    for asked in ("red", "r*", "re*", "ei*", "1*", "59", "z", "日*", "日本*", "*", "nothing*", "a red*"):
        assert of_table.chosen(asked).tolist() == of_rows.chosen(asked).tolist()
    assert of_table.chosen("ei*").any()
    for each in (Filter("row", "5..7"), Filter("row", "58"), Filter("tags", "x"), Filter("kind", "ä")):
        assert of_table.chosen("", [each]).tolist() == of_rows.chosen("", [each]).tolist()
        assert of_table.chosen("", [each]).any()


def test_a_table_knows_which_words_follow_each_other_without_reading_captions(
    both: tuple[TrainingSet, TrainingSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A table knows in how many captions two words follow each other, as all captions say."""
    found, opened = both
    slowly = Counter(pair for caption in found.captions for pair in set(pairwise(words(caption))))
    terms = list(opened.caption_words.postings.terms)
    monkeypatch.delattr(Texts, "__iter__")
    check_same_pairs(opened.word_pairs, found.word_pairs)
    for first, one in enumerate(terms):
        for second, other in enumerate(terms):
            assert opened.word_pairs.count(first, second) == slowly[one, other]
    left_out = np.asarray([term in ("a", "日") for term in terms])
    assert opened.word_pairs.number_without(left_out) == sum({"a", "日"}.isdisjoint(p) for p in slowly)


def _facts(table: Table) -> object:
    return table.facts


def _pairs(table: Table) -> object:
    return table.word_pairs


Change = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(
    ("name", "values", "read", "said"),
    [
        ("value to filter by 0 rows", lambda rows: rows + 90, _facts, "lead out of the set"),
        ("value to filter by 1 starts", lambda starts: starts[:-1], _facts, "it has no rows"),
        ("value to filter by 0 by character", lambda order: order[1:], _facts, "have no order"),
        ("word of metadata by character", lambda order: order - 1, _facts, "leads out of it"),
        ("numbers to filter by 0", lambda numbers: numbers[1:], _facts, "are not of 60 rows"),
        ("pairs of words", lambda pairs: pairs[::-1], _pairs, "are not where they should be"),
        ("pairs of words", lambda pairs: pairs + 10_000, _pairs, "are of other words"),
        ("captions with the pair", lambda counts: counts[1:], _pairs, "are not where they should be"),
    ],
)
def test_facts_that_are_damaged_are_refused(
    both: Iterable[TrainingSet],
    folder: Path,
    name: str,
    values: Change,
    read: Callable[[Table], object],
    said: str,
) -> None:
    (path,) = folder.glob("index.*.safetensors")
    columns = mapped_columns(path)
    with pytest.raises(TrainingSetError, match=rf"{said}.*precompute init"):
        read(Table(columns | {name: values(np.array(columns[name]))}, ROWS, 1))
