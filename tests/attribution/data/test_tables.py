"""Laws of tables that hold their pictures; they are read with pyarrow, which is not needed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attribution.data import tables
from attribution.data.columns import Columns
from attribution.data.scanning import scan
from attribution.errors import ImageError, TrainingSetError
from tests.attribution.data.test_shards import CAPTIONS, pictures, reopened

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402  only where there is pyarrow

__all__ = ["pictures"]  # the fixture
Write = Callable[[Path, Any], Path]


def write_parquet(folder: Path, table: Any) -> Path:
    """Two files as on the hub, in row groups of one."""
    (folder / "data").mkdir(parents=True)
    for number, part in enumerate((table.slice(0, 2), table.slice(2))):
        path = folder / "data" / f"train-0000{number}-of-00002.parquet"
        parquet.write_table(part, path, row_group_size=1)
    return folder


def write_datasets(folder: Path, table: Any) -> Path:
    """What `Dataset.save_to_disk` writes: its files in the order of the state, not of their names."""
    folder.mkdir(parents=True)
    names = ["b.arrow", "a.arrow"]
    for name, part in zip(names, (table.slice(0, 2), table.slice(2)), strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(part, max_chunksize=1)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def write_dictionary(folder: Path, table: Any) -> Path:
    """What `DatasetDict.save_to_disk` writes."""
    write_datasets(folder / "train", table)
    (folder / "dataset_dict.json").write_text('{"splits": ["train"]}')
    return folder


def table_of(images: list[bytes], **further: list[Any]) -> Any:
    cells = [{"bytes": data, "path": f"00{row}.png"} for row, data in enumerate(images)]
    return pa.table({"image": cells, "text": list(CAPTIONS), **further})


@pytest.mark.parametrize("write", [write_parquet, write_datasets, write_dictionary])
def test_a_training_set_in_tables_is_that_of_the_same_files_in_a_folder(
    tmp_path: Path, pictures: list[bytes], write: Write
) -> None:
    """Law: The same pictures and captions make the same training set, in a folder and in tables."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for row, data in enumerate(pictures):
        (folder / f"00{row}.png").write_bytes(data)
    lines = [
        {"file_name": f"00{row}.png", "text": text, "year": row, "mask": None}
        for row, text in enumerate(CAPTIONS)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table = table_of(pictures, year=[0, 1, 2], mask=pa.nulls(3), other=[{"bytes": b"x"}] * 3)
    source = write(tmp_path / "set", table)
    found = reopened(scan(source), source, tmp_path / "index.json")
    assert found.examples == scan(folder).examples
    assert found.fingerprint == scan(folder).fingerprint
    assert found.image(1).tobytes() == scan(folder).image(1).tobytes()


def test_pictures_without_a_name_are_called_after_their_row(tmp_path: Path, pictures: list[bytes]) -> None:
    table = pa.table({"picture": pictures, "words": list(CAPTIONS)})
    source, columns = write_parquet(tmp_path / "set", table), Columns("picture", "words")
    found = reopened(scan(source, columns=columns), source, tmp_path / "index.json", columns)
    stems = ["data/train-00000-of-00002", "data/train-00001-of-00002"]
    assert found.ids == (f"{stems[0]}/000000", f"{stems[0]}/000001", f"{stems[1]}/000000")
    assert found.captions == CAPTIONS
    assert [found.pictures.data(name) for name in found.ids] == pictures


def test_a_picture_that_is_only_named_in_its_table_is_refused(
    tmp_path: Path, pictures: list[bytes]
) -> None:
    cells = [{"bytes": None, "path": "elsewhere.png"}, {"bytes": pictures[1], "path": "1.png"}]
    source = tmp_path / "set.parquet"
    parquet.write_table(pa.table({"image": cells, "text": ["a", "b"]}), source)
    with pytest.raises(TrainingSetError, match=r"1 picture is named in .*save_to_disk.*'elsewhere\.png'"):
        scan(source)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"picture": [b"x"], "text": ["a"]}, r'has no "image" \(.*picture, text\): .*--image-column'),
        ({"image": ["a.png"], "text": ["a"]}, r"no pictures in 'image' but string: .*metadata\.parquet"),
        ({"image": [b"x"], "label": [1]}, r'has no "text" \(its columns are .*--caption-column'),
    ],
)
def test_a_table_without_pictures_or_captions_is_refused(
    tmp_path: Path, table: dict[str, list[object]], message: str
) -> None:
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    with pytest.raises(TrainingSetError, match=message):
        scan(tmp_path)


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_a_table_that_is_damaged_is_refused(tmp_path: Path, pictures: list[bytes], name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1" + bytes(range(100)))
    with pytest.raises(TrainingSetError, match=f"{name} cannot be read: "):
        scan(tmp_path / name)


def test_a_picture_of_a_table_that_was_damaged_since_is_an_error_of_its_own(
    tmp_path: Path, pictures: list[bytes]
) -> None:
    source = write_parquet(tmp_path / "set", table_of(pictures))
    found = scan(source)
    for path in source.glob("data/*"):
        data = path.read_bytes()
        path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    with pytest.raises((ImageError, TrainingSetError), match=r"000\.png'? (cannot be read|has changed)"):
        reopened(found, source, tmp_path / "index.json").image(0)


def test_without_pyarrow_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "x.parquet").touch()
    with pytest.raises(TrainingSetError, match=r"needs pyarrow to be read: .*pip install -e \.\[data\]"):
        scan(tmp_path)
    assert tables.INSTALL.endswith("[data]")
