"""Laws of training sets whose pictures lie inside files: WebDataset's tar files here, tables beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attribution.data.columns import Columns
from attribution.data.index import load_scan, save_scan
from attribution.data.scanning import scan
from attribution.data.training_set import TrainingSet
from attribution.errors import ImageError, TrainingSetError
from tests.worlds import foreign
from tests.worlds.tar_files import write_tar

CAPTIONS = ("a red square", "a green circle", "a blue bar")


@pytest.fixture
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = foreign.make_training_set(tmp_path_factory.mktemp("pictures"), 3)
    return [(folder / "pictures" / f"00{row}.png").read_bytes() for row in range(3)]


def two_shards(folder: Path, pictures: list[bytes]) -> Path:
    first = {"000.png": pictures[0], "000.txt": CAPTIONS[0], "001.png": pictures[1], "001.txt": CAPTIONS[1]}
    write_tar(folder / "00000.tar", **first)
    write_tar(folder / "00001.tar", **{"002.png": pictures[2], "002.txt": f"{CAPTIONS[2]}\n"})
    return folder


def reopened(found: TrainingSet, source: Path, index: Path, columns: Columns | None = None) -> TrainingSet:
    """What a saved scan opens as, which must be what was scanned."""
    save_scan(found, index)
    loaded = load_scan(index, source, columns)
    assert loaded.examples == found.examples
    assert loaded.fingerprint == found.fingerprint
    assert loaded.files == found.files
    for row in range(len(found)):
        assert loaded.image(row).tobytes() == found.image(row).tobytes()
    return loaded


def test_a_training_set_in_tar_files_is_that_of_the_same_files_in_a_folder(
    tmp_path: Path, pictures: list[bytes]
) -> None:
    """Law: The same pictures and captions make the same training set, in a folder and in shards."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for row, data in enumerate(pictures):
        (folder / f"00{row}.png").write_bytes(data)
        (folder / f"00{row}.txt").write_text(CAPTIONS[row])
    source = two_shards(tmp_path / "set", pictures)
    loose, packed = scan(folder), scan(source)
    assert packed.fingerprint == loose.fingerprint
    assert packed.examples == loose.examples
    reopened(packed, source, tmp_path / "index.json")


def test_an_index_of_shards_opens_without_reading_them(tmp_path: Path, pictures: list[bytes]) -> None:
    """Law: Shards that were scanned are opened without being read, and refused if their sizes differ."""
    source, index = two_shards(tmp_path / "set", pictures), tmp_path / "index.json"
    scanned = scan(source)
    save_scan(scanned, index)
    shard = source / "00001.tar"
    size = shard.stat().st_size
    shard.write_bytes(bytes(size))
    loaded = load_scan(index, source)
    assert loaded.captions == CAPTIONS
    assert loaded.image(0).size == foreign.PICTURE
    with pytest.raises(TrainingSetError, match=r"00001\.tar: 002\.png has changed since it was scanned"):
        loaded.image(2)
    shard.write_bytes(bytes(size - 1))
    with pytest.raises(TrainingSetError, match="has changed since it was scanned"):
        load_scan(index, source)
    shard.unlink()
    with pytest.raises(TrainingSetError, match="has changed since it was scanned"):
        load_scan(index, source)


def test_a_picture_whose_shard_has_been_cut_since_is_an_error_of_its_own(
    tmp_path: Path, pictures: list[bytes]
) -> None:
    scanned = scan(two_shards(tmp_path / "set", pictures))
    (tmp_path / "set" / "00000.tar").write_bytes(b"")
    with pytest.raises(ImageError, match=r"00000\.tar: 000\.png' cannot be read: the file is cut"):
        scanned.image(0)
    (tmp_path / "set" / "00001.tar").unlink()
    with pytest.raises(ImageError, match="No such file"):
        scanned.image(2)


def test_what_a_json_says_are_columns(tmp_path: Path, pictures: list[bytes]) -> None:
    said = {"caption": CAPTIONS[0], "id": 7, "artist": "Ann"}
    source = write_tar(tmp_path / "set.tar", **{"a/000.jpg": pictures[0], "a/000.json": json.dumps(said)})
    found = reopened(scan(source), source, tmp_path / "index.json").examples[0]
    assert (found.id, found.file_name, found.caption) == ("7", "a/000.jpg", CAPTIONS[0])
    assert found.metadata == {"artist": "Ann"}
    both = {"000.png": pictures[0], "000.txt": "of the text", "000.json": '{"text": "of the JSON"}'}
    assert scan(write_tar(tmp_path / "both.tar", **both)).captions == ("of the text",)


def test_of_several_pictures_of_a_key_the_ending_says_which(tmp_path: Path, pictures: list[bytes]) -> None:
    members = {"0.png": pictures[0], "0.jpg": pictures[1], "0.seg.png": pictures[2], "0.txt": "a"}
    source = write_tar(tmp_path / "set.tar", **members)
    with pytest.raises(TrainingSetError, match=r"1 row has several pictures \(.*--image-column\)"):
        scan(source)
    for ending, expected in (("png", pictures[0]), ("jpg", pictures[1]), ("seg.png", pictures[2])):
        columns = Columns(image=ending)
        found = reopened(scan(source, columns=columns), source, tmp_path / "index.json", columns)
        assert found.pictures.data(found.examples[0].file_name) == expected


def test_pictures_of_one_name_in_two_shards_are_called_after_their_shards(
    tmp_path: Path, pictures: list[bytes]
) -> None:
    """Law: Every picture of a shard has a name of its own, so that none takes another's captions."""
    for shard, row in (("one", 0), ("two", 1)):
        write_tar(tmp_path / "set" / f"{shard}.tar", **{"0.png": pictures[row], "0.txt": CAPTIONS[row]})
    found = reopened(scan(tmp_path / "set"), tmp_path / "set", tmp_path / "index.json")
    assert found.ids == ("one/0.png", "two/0.png")
    assert found.image(0).tobytes() != found.image(1).tobytes()
    outside = {"../0.png": pictures[0], "../0.txt": "a"}
    assert scan(write_tar(tmp_path / "out" / "x.tar", **outside)).ids == ("x/000000",)


def test_several_captions_in_a_shard_are_as_in_a_folder(tmp_path: Path, pictures: list[bytes]) -> None:
    source = write_tar(tmp_path / "x.tar", **{"0.png": pictures[0], "0.json": '{"text": ["one", "two"]}'})
    with pytest.raises(TrainingSetError, match="1 picture has several captions"):
        scan(source)
    columns = Columns(captions="each")
    found = reopened(scan(source, columns=columns), source, tmp_path / "index.json", columns)
    assert found.ids == ("0.png#1", "0.png#2")
    assert found.examples[0].sha256 == found.examples[1].sha256
    columns = Columns(captions="mean")
    found = reopened(scan(source, columns=columns), source, tmp_path / "index.json", columns)
    assert (found.captions, found.examples[0].others, found.most_captions) == (("one",), ("two",), 2)


def test_all_that_is_wrong_with_shards_is_said_at_once(tmp_path: Path, pictures: list[bytes]) -> None:
    members: dict[str, bytes | str] = {
        "0.png": pictures[0],
        "0.txt": b"\xff",
        "1.png": pictures[1][:-40],
        "1.txt": "cut",
        "2.png": pictures[2],
        "2.json": "[]",
        "3.txt": "no picture, so no row",
        "._4.png": b"of a Mac",
    }
    source = write_tar(tmp_path / "x.tar", **members)
    with pytest.raises(TrainingSetError) as refused:
        scan(source)
    assert str(refused.value) == (
        f"{tmp_path}: 2 texts are too long or not UTF-8 or JSON [x.tar: 0.txt, x.tar: 2.json]; 2 pictures "
        "have no caption [x.tar: 0: '0.png', x.tar: 2: '2.png']; 1 picture is cut short or damaged "
        "['1.png']: mend this, or take it out of its shard"
    )


def test_a_tar_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"\x1f\x8b compressed", bytes(range(256)) * 4):
        (tmp_path / "x.tar").write_bytes(data)
        with pytest.raises(TrainingSetError, match=r"x\.tar cannot be read as an uncompressed tar"):
            scan(tmp_path)
    write_tar(tmp_path / "x.tar", **{"0.txt": "no picture"})
    with pytest.raises(TrainingSetError, match="names no pictures"):
        scan(tmp_path)


def test_a_tar_file_that_is_cut_short_is_refused(tmp_path: Path, pictures: list[bytes]) -> None:
    path = write_tar(tmp_path / "x.tar", **{"0.txt": "a", "0.png": pictures[0]})
    path.write_bytes(path.read_bytes()[:1600])
    with pytest.raises(TrainingSetError, match="cannot be read as an uncompressed tar"):
        scan(tmp_path)


def test_shards_of_several_splits_are_refused(tmp_path: Path, pictures: list[bytes]) -> None:
    for split in ("train", "test"):
        members = {f"{split}.png": pictures[0], f"{split}.txt": "a"}
        write_tar(tmp_path / "data" / f"{split}-000.tar", **members)
    with pytest.raises(TrainingSetError, match=r"has shards of test and train: put those .* only one"):
        scan(tmp_path)
    assert scan(tmp_path / "data" / "train-000.tar").ids == ("train.png",)


def test_a_datasets_folder_of_several_splits_names_the_one_to_take(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(TrainingSetError, match=rf"the splits train and test: .*--dataset {tmp_path}/train"):
        scan(tmp_path)
    for damaged in ("", "{}", '{"splits": "train"}'):
        (tmp_path / "dataset_dict.json").write_text(damaged)
        with pytest.raises(TrainingSetError, match="is damaged: save the set again with `save_to_disk`"):
            scan(tmp_path)


@pytest.mark.parametrize("state", ['{"_data_files": []}', '{"_data_files": [{"filename": "../a.arrow"}]}'])
def test_a_datasets_folder_without_its_own_files_is_refused(tmp_path: Path, state: str) -> None:
    (tmp_path / "state.json").write_text(state)
    with pytest.raises(TrainingSetError, match="names no Arrow files"):
        scan(tmp_path)
