"""Laws of several training sets that are one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from attribution.analysis.groups import columns_of
from attribution.data.index import load_scan, save_scan
from attribution.data.scanning import scan
from attribution.data.several import Source, named_sources, scan_source
from attribution.errors import TrainingSetError
from tests.worlds.foreign import make_training_set
from tests.worlds.tar_files import write_tar


def in_shards(folder: Path, of: Path) -> Path:
    """The first pictures of a set again, in a tar file and with other captions."""
    members: dict[str, bytes | str] = {}
    for number in range(3):
        members[f"{number:03d}.png"] = (of / "pictures" / f"{number:03d}.png").read_bytes()
        members[f"{number:03d}.txt"] = f"picture number {number}"
    write_tar(folder / "train.tar", **members)
    return folder


@pytest.fixture
def both(tmp_path: Path) -> dict[str, Path]:
    base = make_training_set(tmp_path / "base", 4)
    return {"base": base, "exemplars": in_shards(tmp_path / "exemplars", base)}


def test_rows_come_after_each_other_and_say_where_they_come_from(both: dict[str, Path]) -> None:
    """Law: Each row of several training sets is a row of one of them, and says of which."""
    found, parts = scan_source(both), {name: scan(each) for name, each in both.items()}
    expected = [(name, example) for name, each in parts.items() for example in each.examples]
    assert len(found) == len(expected) == 7
    for row, (name, own) in enumerate(expected):
        example = found.examples[row]
        assert (example.row, example.id) == (row, f"{name}/{own.id}")
        assert (example.caption, example.sha256) == (own.caption, own.sha256)
        assert example.metadata == {"dataset": name, **own.metadata}
        assert np.array_equal(np.asarray(found.image(row)), np.asarray(parts[name].image(own.row)))
        assert found.row_of(example.file_name) == found.row_of(example.id) == row
    assert "dataset" in columns_of(found)
    assert found.groupings["dataset"].of("exemplars").tolist() == [4, 5, 6]


def test_several_sets_are_told_apart_from_others(both: dict[str, Path]) -> None:
    """Law: The fingerprint of several training sets covers each of them, its name and the order."""
    swapped: Source = dict(reversed(both.items()))
    renamed: Source = {"base": both["base"], "others": both["exemplars"]}
    fingerprints = [scan_source(each).fingerprint for each in (both, swapped, renamed, both["base"])]
    assert len(set(fingerprints)) == 4
    metadata = both["base"] / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("a red", "the red"))
    assert scan_source(both).fingerprint not in fingerprints


def test_what_was_scanned_of_several_is_opened_again(both: dict[str, Path], tmp_path: Path) -> None:
    """Law: Several training sets are opened as they were scanned, and refused where one has changed."""
    scanned, index = scan_source(both), tmp_path / "index.json"
    save_scan(scanned, index)
    loaded = load_scan(index, both)
    assert loaded.examples == scanned.examples
    assert loaded.fingerprint == scanned.fingerprint
    assert loaded.files == scanned.files
    assert [loaded.path_of(file).is_file() for file in loaded.files] == [True] * 5
    assert loaded.image(6).size == scanned.image(6).size
    with pytest.raises(TrainingSetError, match="is of other training sets"):
        load_scan(index, both["base"])
    with pytest.raises(TrainingSetError, match="is of other training sets"):
        load_scan(index, {"base": both["base"]})
    metadata = both["base"] / "metadata.jsonl"
    metadata.write_text(metadata.read_text() + "\n")
    with pytest.raises(TrainingSetError, match=r"metadata\.jsonl has changed since it was scanned"):
        load_scan(index, both)


def test_only_the_tables_of_the_sets_that_there_are_stay(both: dict[str, Path], tmp_path: Path) -> None:
    def tables() -> int:
        return len(list(tmp_path.glob("index.*.safetensors")))

    index, captions = tmp_path / "index.json", {"000.txt": "another"}
    picture = (both["base"] / "pictures" / "003.png").read_bytes()
    write_tar(tmp_path / "more" / "train.tar", **{"000.png": picture, **captions})
    save_scan(scan_source({**both, "more": tmp_path / "more"}), index)
    assert tables() == 2
    save_scan(scan_source(both), index)
    assert tables() == 1
    save_scan(scan(both["base"]), index)
    assert tables() == 0


def test_a_column_of_that_name_is_refused(both: dict[str, Path]) -> None:
    metadata = both["base"] / "metadata.jsonl"
    lines = [json.loads(line) | {"dataset": "mine"} for line in metadata.read_text().splitlines()]
    metadata.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(scan_source(both["base"])) == 4, "of one set alone it is a column as any other"
    with pytest.raises(TrainingSetError, match=r"base has a column 'dataset'.*: rename it"):
        scan_source(both)


def test_sets_are_called_by_their_folders_or_as_they_are_named(tmp_path: Path) -> None:
    for name in ("one", "two", "a=b"):
        (tmp_path / name).mkdir()
    one, two, odd = (str(tmp_path / name) for name in ("one", "two", "a=b"))
    assert named_sources([one]) == one
    assert named_sources([f"x={one}"]) == f"x={one}", "of one set there is nothing to name"
    assert named_sources([one, two]) == {"one": one, "two": two}
    assert named_sources([f"base={two}", one]) == {"base": two, "one": one}
    assert named_sources([odd, f"{one}/"]) == {"a=b": odd, "one": f"{one}/"}
    assert named_sources([one, f"other={one}"]) == {"one": one, "other": one}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a/set", "b/set"], "a/set and b/set are both called 'set'"),
        (["x=a", "x=b"], "a and b are both called 'x'"),
        (["a/b=c", "d"], "'a/b' cannot be a training set's name"),
        (["=c", "d"], "'' cannot be a training set's name"),
    ],
)
def test_names_that_tell_nothing_apart_are_refused(given: list[str], words: str) -> None:
    with pytest.raises(TrainingSetError, match=f"^{words}: name each with --dataset NAME=FOLDER$"):
        named_sources(given)
