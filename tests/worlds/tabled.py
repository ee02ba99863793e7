"""A training set in one shard with everything that a row may have, as it is kept in a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attribution.data.columns import Columns
from attribution.data.facts import Facts
from attribution.data.pictures import Packed
from attribution.data.shards import open_packed, seen_sha256
from attribution.data.training_set import Example, TrainingSet
from attribution.data.word_pairs import WordPairs
from tests.worlds.tar_files import write_tar

CAPTIONS = (
    "a red square",
    "",
    "日本 語",
    "a\nred\0line",
    "half a \ud83d",
    "Ein größeres Quadrat",
    "a red, red square, a red one",
)
IDS = ("b", "ä", "a", "B", "Z#2", "猫", "00")


def scanned(folder: Path, rows: int = len(IDS)) -> TrainingSet:
    """A training set in one shard, as a scan would make it."""
    write_tar(folder / "00000.tar", **{"a.png": b"x"})
    examples = [
        Example(
            row,
            id_of(row),
            f"{id_of(row)}.png",
            CAPTIONS[row % 7],
            f"{row:064x}",
            metadata_of(row),
        )
        for row in range(rows)
    ]
    places = {example.file_name: (0, (512 * example.row, 7)) for example in examples}
    shard = folder / "00000.tar"
    pictures: Packed = open_packed([shard], places, Columns())
    return TrainingSet(folder, examples, seen_sha256(folder, [shard]), pictures, {shard.name: "0" * 64})


def metadata_of(row: int) -> dict[str, object]:
    """A column of as many values as rows, one that is the same in all, and two to group by."""
    kinds: dict[str, object] = {} if row % 3 == 2 else {"kind": ("ä", "", "none")[row % 5 % 3]}
    return {"row": row, "of": ["x"], **kinds, "tags": ["none", "x"] if row % 2 else [{"name": "y"}, "z"]}


def id_of(row: int) -> str:
    return IDS[row] if row < len(IDS) else f"{row * 7919 % 100_003:06d}"


def check_same_facts(one: Facts, other: Facts) -> None:
    """Every word and value has the same rows, every number is the same, and so is the columns' order."""
    terms = list(one.words.terms)
    assert terms == list(other.words.terms) == sorted(terms)
    assert [one.words.of(term).tolist() for term in terms] == [
        other.words.of(term).tolist() for term in terms
    ]
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        own, others = column.values, other.columns[name].values
        assert dict(own.places) == dict(others.places)
        assert list(own.terms) == list(others.terms)
        assert (own.starts.tolist(), own.rows.tolist()) == (others.starts.tolist(), others.rows.tolist())
        numbers, of_other = column.numbers, other.columns[name].numbers
        assert (numbers is None) == (of_other is None)
        if numbers is not None and of_other is not None:
            assert np.array_equal(numbers, of_other, equal_nan=True)


def check_same_pairs(one: WordPairs, other: WordPairs) -> None:
    """The same pairs, of as many captions."""
    assert one.words == other.words
    assert (one.pairs.tolist(), one.captions.tolist()) == (other.pairs.tolist(), other.captions.tolist())
