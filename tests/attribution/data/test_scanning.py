"""Laws of reading a captioned image folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from attribution.data.index import load_scan, save_scan
from attribution.data.scanning import scan
from attribution.errors import TrainingSetError

Make = Callable[..., Path]


def line(number: int, **changes: object) -> dict[str, object]:
    return {"file_name": f"pictures/{number:03d}.png", "text": f"picture {number}"} | changes


def test_rows_are_the_lines_in_order(captioned_folder: Make) -> None:
    training_set = scan(captioned_folder(line(2), line(0, artist="Ann"), line(1)))
    assert len(training_set) == 3
    assert training_set.captions == ("picture 2", "picture 0", "picture 1")
    assert [example.row for example in training_set.examples] == [0, 1, 2]
    assert training_set.examples[1].metadata == {"artist": "Ann"}
    assert training_set.image(0).size == (30, 20)


def test_the_id_column_names_the_examples_else_the_file_name(captioned_folder: Make) -> None:
    training_set = scan(captioned_folder(line(0, id="first"), line(1), line(2, id=7)))
    assert training_set.ids == ("first", "pictures/001.png", "7")
    assert training_set.row_of("first") == training_set.row_of("pictures/000.png") == 0
    with pytest.raises(TrainingSetError, match="'nobody' is neither an id nor a file name"):
        training_set.row_of("nobody")


def test_progress_is_reported_for_every_picture(captioned_folder: Make) -> None:
    seen: list[tuple[int, int]] = []
    scan(captioned_folder(), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["{"],
            r"metadata\.jsonl: 1 line is not JSON or not an object \[line 1\]: mend this, or take it out",
        ),
        ([line(0), "", "nonsense"], r"not JSON .* \[line 3\]"),
        (["[1]"], "not JSON or not an object"),
        ([{"text": "a"}], r'has no "file_name" \(its columns are text\): .* --image-column'),
        ([line(0), {"text": "a"}], r"1 line has no file name \[line 2\]"),
        ([{"file_name": "pictures/000.png"}], 'has no "text" .* --caption-column'),
        ([line(0, text=None)], r"1 picture has no caption \[line 1: 'pictures/000\.png'\]"),
        ([line(0, text=7)], "1 picture has no caption"),
        ([line(0, text=" ")], r"1 caption is empty \[of 'pictures/000\.png'\]"),
        ([line(0, text="half a \ud83d")], r"1 text has half a character, .* \[of 'pictures/000\.png'\]"),
        ([line(0, id="\ud83d")], r"1 text has half a character, .* \[of 'pictures/000\.png'\]"),
        ([line(0, file_name="\ud83d.png")], r"has half a character, .* \[line 1: '\\ud83d\.png'\]"),
        ([line(0, file_name="../000.png")], "leaves the folder"),
        ([line(0, file_name="/etc/passwd")], "leaves the folder"),
        ([line(0, file_name="pictures/../../x")], "leaves the folder"),
        ([line(0, id="a\nb")], "control characters"),
        ([line(0, id="")], "empty"),
        ([line(0), line(0, text="again")], r"1 picture has several captions \(.* --captions mean\)"),
        ([line(0, text=["one", "another"])], "1 picture has several captions"),
        ([line(0, id="x"), line(0, id="y")], "1 picture has several ids"),
        ([line(0, id="x"), line(1, id="x")], "1 id is that of several pictures \\['x'\\]"),
        ([line(9)], r"1 picture does not exist \['pictures/009\.png'\]"),
        ([line(0, file_name="metadata.jsonl")], "is not a PNG, JPEG or WEBP"),
        ([""], "names no pictures"),
    ],
)
def test_what_is_wrong_with_the_metadata_is_said(
    captioned_folder: Make, lines: list[object], message: str
) -> None:
    with pytest.raises(TrainingSetError, match=message):
        scan(captioned_folder(*lines))


def test_a_folder_without_metadata_is_refused_with_the_form_it_should_have(tmp_path: Path) -> None:
    with pytest.raises(TrainingSetError, match=r"has no metadata\.jsonl: a training set is .*file_name"):
        scan(tmp_path)
    with pytest.raises(TrainingSetError, match="is not a folder"):
        scan(tmp_path / "nowhere")


def test_metadata_that_is_not_text_is_refused(captioned_folder: Make) -> None:
    folder = captioned_folder()
    (folder / "metadata.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingSetError, match="not UTF-8"):
        scan(folder)


def test_further_columns_may_have_any_name_and_any_value(captioned_folder: Make) -> None:
    further = {"name": "n", "model_extra": [1, None], "copy": {"a": 1.5}, "model_config": True, "json": "j"}
    found = scan(captioned_folder(line(0, **further))).examples[0]
    assert found.metadata == further
    assert list(found.metadata) == list(further)
    assert (found.id, found.caption) == ("pictures/000.png", "picture 0")


def test_a_caption_may_hold_any_character(captioned_folder: Make) -> None:
    caption = 'ünï "quoted" \u2028 <b>&amp;</b> \n\t 🚲'
    assert scan(captioned_folder(line(0, text=caption))).captions == (caption,)


# --- the fingerprint -----------------------------------------------------------------------------


def test_the_fingerprint_is_a_function_of_ids_captions_and_pictures(captioned_folder: Make) -> None:
    folder = captioned_folder(line(0), line(1))
    fingerprint = scan(folder).fingerprint
    assert scan(folder).fingerprint == fingerprint

    def changed(*lines: object) -> bool:
        text = "\n".join(map(json.dumps, lines))
        (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
        return scan(folder).fingerprint != fingerprint

    assert not changed(line(0, artist="new"), line(1))  # further columns do not count
    assert changed(line(1), line(0))
    assert changed(line(0, text="another"), line(1))
    assert changed(line(0, id="another"), line(1))
    assert changed(line(0))
    assert not changed(line(0), line(1))
    Image.new("RGB", (30, 20), "pink").save(folder / "pictures" / "001.png")
    assert changed(line(0), line(1))


# --- the saved index -----------------------------------------------------------------------------


def test_a_saved_scan_loads_without_hashing(captioned_folder: Make, tmp_path: Path) -> None:
    folder, index = captioned_folder(), tmp_path / "index.json"
    scanned = scan(folder)
    save_scan(scanned, index)
    for path in (folder / "pictures").iterdir():
        path.write_bytes(b"")  # not looked at
    loaded = load_scan(index, folder)
    assert loaded.examples == scanned.examples
    assert loaded.fingerprint == scanned.fingerprint


def test_metadata_changed_since_the_scan_is_refused(captioned_folder: Make, tmp_path: Path) -> None:
    folder, index = captioned_folder(), tmp_path / "index.json"
    save_scan(scan(folder), index)
    (folder / "metadata.jsonl").write_text(json.dumps(line(0)))
    with pytest.raises(TrainingSetError, match=r"has changed since .* was .*python -m precompute init"):
        load_scan(index, folder)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"sha256": "abc", "metadata_sha256": ""}'])
def test_a_damaged_index_is_refused(captioned_folder: Make, tmp_path: Path, damage: str) -> None:
    index = tmp_path / "index.json"
    index.write_text(damage)
    with pytest.raises(TrainingSetError, match="damaged"):
        load_scan(index, captioned_folder())
