"""Laws of training sets whose rows lie in a table: they are those of which it was written, only lighter."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attribution.data.caption_words import CaptionWords
from attribution.data.columnar import Texts, mapped_columns
from attribution.data.index import load_scan, save_scan
from attribution.data.pictures import Packed
from attribution.data.table_set import Table, TableSet
from attribution.data.training_set import TrainingSet, values_of
from attribution.data.words import words
from attribution.errors import TrainingSetError
from tests.worlds.tabled import IDS, check_same_facts, check_same_pairs, scanned


@pytest.fixture
def both(tmp_path: Path) -> tuple[TrainingSet, TrainingSet]:
    """A training set, and what it opens as after it was written down."""
    found = scanned(tmp_path / "set")
    save_scan(found, tmp_path / "index.json")
    return found, load_scan(tmp_path / "index.json", tmp_path / "set")


def test_a_table_has_the_rows_of_which_it_was_written(both: tuple[TrainingSet, TrainingSet]) -> None:
    """Law: A training set's table gives back ids, captions, hashes, metadata and places as they were."""
    found, opened = both
    assert isinstance(opened, TableSet)
    assert opened.examples == found.examples
    assert (opened.ids, opened.captions) == (found.ids, found.captions)
    assert [opened.captions[row] for row in range(-7, 7)] == [found.captions[row] for row in range(-7, 7)]
    assert opened.captions[2:5] == found.captions[2:5]
    assert opened.fingerprint == found.fingerprint
    assert opened.files == found.files
    assert isinstance(opened.pictures, Packed)
    assert isinstance(found.pictures, Packed)
    assert dict(opened.pictures.places) == dict(found.pictures.places)


def test_what_is_looked_up_in_a_table_is_what_is_there(both: tuple[TrainingSet, TrainingSet]) -> None:
    found, opened = both
    names = [*IDS, *(f"{each}.png" for each in IDS), "", "c", "猫猫"]
    assert [opened.row_of_id(name) for name in names] == [found.row_of_id(name) for name in names]
    assert [opened.row_of_file(name) for name in names] == [found.row_of_file(name) for name in names]
    assert opened.row_of("ä") == 1
    with pytest.raises(TrainingSetError, match="neither an id nor a file name"):
        opened.row_of("c")
    assert np.array_equal(opened.places_of_ids, found.places_of_ids)
    assert opened.word_counts == found.word_counts
    assert [opened.has_word(word) for word in ("red", "grösseres", "blue", "")] == [
        True,
        True,
        False,
        False,
    ]
    assert opened.words_in_more_than(0.3) == found.words_in_more_than(0.3) == {"a", "red"}


def test_a_table_has_the_columns_to_group_by_of_the_files_in_a_folder(
    both: tuple[TrainingSet, TrainingSet],
) -> None:
    """Law: A training set's table knows which rows have each value of a column, as its examples say."""
    found, opened = both
    assert list(opened.groupings) == list(found.groupings) == ["kind", "tags"]
    for column, values in found.groupings.items():
        for value in values.places:
            own = [e.row for e in found.examples if value in values_of(e, column)]
            assert opened.groupings[column].of(value).tolist() == values.of(value).tolist() == own
        assert sum(opened.groupings[column].counts) == sum(
            len(values_of(e, column)) for e in found.examples
        )


def test_a_table_knows_which_captions_have_a_word_without_reading_them(
    both: tuple[TrainingSet, TrainingSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A training set's table knows which captions have each word, and how often, as they say."""
    found, opened = both
    monkeypatch.delattr(Texts, "__iter__")  # what goes through all captions
    check_alike(opened.caption_words, found.caption_words)
    for word in found.word_counts:
        rows, times = opened.caption_words.having(word)
        assert dict(zip(rows.tolist(), times.tolist(), strict=True)) == {
            e.row: words(e.caption).count(word) for e in found.examples if word in words(e.caption)
        }
    assert opened.caption_words.lengths.tolist() == [len(words(e.caption)) for e in found.examples]


def check_alike(one: CaptionWords, other: CaptionWords) -> None:
    for name in ("again", "times", "lengths"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    for name in ("starts", "rows"):
        assert getattr(one.postings, name).tolist() == getattr(other.postings, name).tolist()
    assert one.postings.places == other.postings.places


def test_a_table_of_an_older_version_is_asked_by_reading_its_rows(
    both: tuple[TrainingSet, TrainingSet], tmp_path: Path
) -> None:
    """Law: A table that was written without groups, words or facts still opens, and answers alike."""
    later = (
        "word starts",
        "word rows",
        "word again",
        "word times",
        "column",
        "filter",
        "of metadata",
        "pair",
    )
    columns = {
        name: each for name, each in columns_in(tmp_path).items() if not any(part in name for part in later)
    }
    table = Table(columns, len(IDS), 1)
    check_same_facts(table.facts, both[0].facts)
    check_same_pairs(table.word_pairs, both[0].word_pairs)
    check_alike(table.caption_words, both[0].caption_words)
    assert {name: values.places for name, values in table.groupings.items()} == {
        name: values.places for name, values in both[0].groupings.items()
    }


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("rows", lambda rows: rows + 90, "lead out of the set"),
        ("starts", lambda starts: starts[:-1], "it has no rows"),
        ("starts", lambda starts: starts[::-1], "are not where they should be"),
    ],
)
def test_columns_to_group_by_that_are_damaged_are_refused(
    both: tuple[TrainingSet, TrainingSet],
    tmp_path: Path,
    name: str,
    values: Callable[[np.ndarray], np.ndarray],
    words: str,
) -> None:
    columns, key = columns_in(tmp_path), f"values of column 0 {name}"
    with pytest.raises(TrainingSetError, match=rf"{words}.*precompute init"):
        _ = Table(columns | {key: values(np.array(columns[key]))}, len(IDS), 1).groupings


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("rows", lambda rows: rows + 90, "lead out of the set"),
        ("again", lambda again: again[:-1], "how often captions have a word"),
        ("again", lambda again: again[::-1], "are not where they should be"),
        ("again", lambda again: again + 90, "are not where they should be"),
        ("times", lambda times: times - 1, "repeated less than once"),
    ],
)
def test_words_that_are_damaged_are_refused(
    both: tuple[TrainingSet, TrainingSet],
    tmp_path: Path,
    name: str,
    values: Callable[[np.ndarray], np.ndarray],
    said: str,
) -> None:
    columns, key = columns_in(tmp_path), f"word {name}"
    with pytest.raises(TrainingSetError, match=rf"{said}.*precompute init"):
        _ = Table(columns | {key: values(np.array(columns[key]))}, len(IDS), 1).caption_words


def columns_in(folder: Path) -> dict[str, np.ndarray]:
    """The columns of the table that lies there."""
    (path,) = folder.glob("index.*.safetensors")
    return mapped_columns(path)


def test_two_writings_are_the_same_bytes_that_others_may_read(tmp_path: Path) -> None:
    written = []
    for name in ("one.json", "two.json"):
        save_scan(scanned(tmp_path / "set"), tmp_path / name)
        (path,) = tmp_path.glob(f"{name[:3]}.*.safetensors")
        written.append(path.read_bytes())
        assert path.stat().st_mode == (tmp_path / name).stat().st_mode
    assert written[0] == written[1]


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Law: A training set's table that is not the one that was written is refused by name."""
    save_scan(scanned(tmp_path / "set"), tmp_path / "index.json")
    (path,) = tmp_path.glob("index.*.safetensors")
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:3], whole[:90] + bytes([whole[90] ^ 1]) + whole[91:]):
        path.write_bytes(damaged)
        with pytest.raises(TrainingSetError, match=r"is missing or damaged: run .*precompute init"):
            load_scan(tmp_path / "index.json", tmp_path / "set")
    path.unlink()
    with pytest.raises(TrainingSetError, match="is missing or damaged"):
        load_scan(tmp_path / "index.json", tmp_path / "set")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 6}, "is not of 6 rows"),
        ({"table": "0" * 64}, "is missing or damaged"),
        ({"rows": -1}, "index.json is missing or damaged"),
    ],
)
def test_an_index_that_does_not_fit_its_table_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    index = tmp_path / "index.json"
    save_scan(scanned(tmp_path / "set"), index)
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    with pytest.raises(TrainingSetError, match=words):
        load_scan(index, tmp_path / "set")


def test_scanning_again_leaves_one_table(tmp_path: Path) -> None:
    for rows in (3, 7):
        save_scan(scanned(tmp_path / "set", rows), tmp_path / "index.json")
    assert len(list(tmp_path.glob("index.*"))) == 2
    assert len(load_scan(tmp_path / "index.json", tmp_path / "set")) == 7


def test_an_index_of_the_first_version_still_opens(tmp_path: Path) -> None:
    """Law: A workspace of shards that was made by 0.1.0 still opens."""
    found, index = scanned(tmp_path / "set"), tmp_path / "index.json"
    assert isinstance(found.pictures, Packed)
    kept = [
        {
            "id": each.id, "file_name": each.file_name, "caption": each.caption, "sha256": each.sha256,
            "metadata": each.metadata, "shard": 0, "place": found.pictures.places[each.file_name][1],
        }
        for each in found.examples
        if each.row != 4  # half a character, which that version refused
    ]  # fmt: skip
    head = {"format": 2, "fingerprint": "x", "metadata_sha256": found.metadata_sha256, "shards": ["0" * 64]}
    index.write_text(json.dumps({**head, "examples": kept}))
    assert load_scan(index, tmp_path / "set").ids == tuple(each for each in IDS if each != "Z#2")


def test_opening_makes_no_object_for_a_row(tmp_path: Path) -> None:
    """Law: What a table takes to be opened does not grow by an object, or a text, for each row."""
    peaks = []
    for rows in (2_000, 20_000):
        save_scan(scanned(tmp_path / str(rows), rows), tmp_path / f"{rows}.json")
        tracemalloc.start()
        opened = load_scan(tmp_path / f"{rows}.json", tmp_path / str(rows))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(opened) == rows
    assert (peaks[1] - peaks[0]) / 18_000 < 16  # bytes: an empty object takes as many
