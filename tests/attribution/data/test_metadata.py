"""Laws of the forms in which people bring captions, and of what is said of a folder that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from attribution.data.columns import Columns
from attribution.data.files import file_sha256
from attribution.data.index import load_scan, save_scan
from attribution.data.scanning import scan
from attribution.data.training_set import TrainingSet
from attribution.errors import SettingsError, TrainingSetError
from tests.worlds import EMBEDDED, TINY, foreign

Make = Callable[..., Path]
CAPTIONS = ("a red square", "a green circle", "a blue bar")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, without a word of what they show."""
    folder = foreign.make_training_set(tmp_path / "set", 3)
    (folder / "metadata.jsonl").unlink()
    return folder


def table(*columns: str) -> str:
    rows = [f"pictures/00{row}.png,{caption}" for row, caption in enumerate(CAPTIONS)]
    return "\n".join([",".join(columns), *rows]) + "\n"


def both_ways(folder: Path, columns: Columns | None = None) -> TrainingSet:
    """A scan, which must be what a saved scan opens as."""
    scanned = scan(folder, columns=columns)
    index = folder.parent / "index.json"
    save_scan(scanned, index)
    assert load_scan(index, folder, columns).examples == scanned.examples
    return scanned


def read_parquet(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    """What pandas finds in a table, whether or not something that reads Parquet is installed."""

    def read(_: Path) -> object:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(pd, "read_parquet", read)


def test_every_form_of_the_same_captions_is_the_same_training_set(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: The same captions make the same training set, in whichever form a folder has them."""
    files = [f"pictures/00{row}.png" for row in range(3)]
    lines = [{"file_name": f, "text": t} for f, t in zip(files, CAPTIONS, strict=True)]
    read_parquet(monkeypatch, pd.DataFrame(lines))
    coco = {
        "images": [{"id": row, "file_name": f"00{row}.png"} for row in range(3)],
        "annotations": [{"image_id": row, "caption": CAPTIONS[row]} for row in range(3)],
    }
    forms = {
        "metadata.jsonl": "\n".join(map(json.dumps, lines)),
        "metadata.csv": table("file_name", "text"),
        "metadata.parquet": "",
        "captions_train2017.json": json.dumps(coco),
    }
    found = {}
    for name, text in forms.items():
        (pictures / name).write_text(text, encoding="utf-8")
        found[name] = both_ways(pictures)
        (pictures / name).unlink()
    for file, caption in zip(files, CAPTIONS, strict=True):
        (pictures / file).with_suffix(".txt").write_text(f"{caption}\n", encoding="utf-8")
    found["texts"] = both_ways(pictures)
    for name in ("metadata.jsonl", "metadata.csv"):
        named = pictures / f"some{Path(name).suffix}"
        named.write_text(forms[name], encoding="utf-8")
        found[named.name] = both_ways(named)
    assert {name: each.captions for name, each in found.items()} == dict.fromkeys(found, CAPTIONS)
    assert len({each.fingerprint for each in found.values()}) == 1


def test_what_is_shipped_is_read_as_it_was() -> None:
    """Law: A training set that was scanned before opens with the same ids and the same fingerprint."""
    for workspace in (EMBEDDED / "workspace", TINY / "workspace"):
        config = json.loads((workspace / "workspace.json").read_text())
        loaded = load_scan(workspace / "training_set.json", workspace / config["dataset"])
        assert loaded.fingerprint == config["fingerprints"]["training_set"]


def test_a_byte_order_mark_is_no_part_of_the_metadata(pictures: Path) -> None:
    (pictures / "metadata.csv").write_text(table("file_name", "text"), encoding="utf-8-sig")
    marked = both_ways(pictures)
    (pictures / "metadata.csv").unlink()
    lines = [json.dumps({"file_name": "pictures/000.png", "text": CAPTIONS[0]})]
    (pictures / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8-sig")
    assert (marked.captions, both_ways(pictures).captions) == (CAPTIONS, CAPTIONS[:1])


def test_cells_are_text_whatever_they_look_like(pictures: Path) -> None:
    rows = '\ufefffile_name,text,id,year\npictures/000.png,"a, ""b""\nc",007,NA\n'
    (pictures / "metadata.csv").write_text(rows, encoding="utf-8", newline="")
    example = both_ways(pictures).examples[0]
    assert (example.id, example.caption, example.metadata) == ("007", 'a, "b"\nc', {"year": "NA"})


def test_values_of_a_parquet_table_are_plain(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "file_name": "pictures/000.png",
        "text": np.array(["only one"], dtype=object),
        "id": np.int64(7),
        "score": float("nan"),
        "tags": np.array([1, 2]),
        "taken": pd.Timestamp("2020-01-02"),
    }
    (pictures / "metadata.parquet").touch()
    read_parquet(monkeypatch, pd.DataFrame([row]))
    example = both_ways(pictures).examples[0]
    assert (example.id, example.caption) == ("7", "only one")
    assert example.metadata == {"score": None, "tags": [1, 2], "taken": "2020-01-02 00:00:00"}
    assert json.dumps(example.metadata)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (ImportError("no engine"), r"needs pyarrow .*: install it with `pip install -e \.\[data\]`"),
        (OSError("not a\nParquet file"), "cannot be read as Parquet: not a Parquet file"),
        (pd.DataFrame([{"file_name": {"bytes": b"x"}, "text": "a"}]), "call a table that .* train.parquet"),
    ],
)
def test_a_parquet_table_that_cannot_be_read_says_what_to_do(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, found: object, message: str
) -> None:
    (pictures / "metadata.parquet").touch()
    read_parquet(monkeypatch, found)
    with pytest.raises(TrainingSetError, match=message):
        scan(pictures)


def test_a_parquet_table_is_read_where_pyarrow_is_installed(pictures: Path) -> None:
    pytest.importorskip("pyarrow")
    rows = [{"file_name": f"pictures/00{row}.png", "text": CAPTIONS[row]} for row in range(3)]
    pd.DataFrame(rows).to_parquet(pictures / "metadata.parquet")
    assert both_ways(pictures).captions == CAPTIONS


# --- columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (("file_name", "text"), Columns()),
        (("file_name", "caption"), Columns()),
        (("file_name", "prompt"), Columns()),
        (("path", "words"), Columns("path", "words")),
        (("file_name", "text"), Columns(caption="text")),
    ],
)
def test_columns_are_found_or_named(pictures: Path, header: tuple[str, str], columns: Columns) -> None:
    (pictures / "metadata.csv").write_text(table(*header), encoding="utf-8")
    assert both_ways(pictures, columns).captions == CAPTIONS


def test_a_named_column_leaves_the_usual_one_to_the_further_ones(captioned_folder: Make) -> None:
    line = {"file_name": "pictures/000.png", "text": "of a machine", "human": "a red square"}
    example = both_ways(captioned_folder(line), Columns(caption="human")).examples[0]
    assert (example.caption, example.metadata) == ("a red square", {"text": "of a machine"})


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (("image", "text"), Columns(), r'has no "file_name" \(.*image, text\).*--image-column'),
        (("file_name", "words"), Columns(), 'has no "text" .*--caption-column'),
        (("file_name", "text"), Columns(caption="title"), 'has no "title" .*--caption-column'),
        (("caption", "prompt"), Columns("caption"), "caption and prompt: say which .*--caption-column"),
    ],
)
def test_columns_that_are_not_there_or_ambiguous_are_named(
    pictures: Path, header: tuple[str, str], columns: Columns, message: str
) -> None:
    (pictures / "metadata.csv").write_text(table(*header), encoding="utf-8")
    with pytest.raises(TrainingSetError, match=message):
        scan(pictures, columns=columns)


# --- folders -------------------------------------------------------------------------------------


def test_tables_in_sub_folders_speak_of_their_own_pictures(tmp_path: Path) -> None:
    for name in ("one", "two"):
        foreign.make_training_set(tmp_path / "set" / name, 2)
    found = both_ways(tmp_path / "set")
    assert found.ids == tuple(f"{a}/pictures/00{b}.png" for a in ("one", "two") for b in range(2))
    assert found.image(3).size == foreign.PICTURE
    (tmp_path / "set" / "two" / "metadata.jsonl").write_text('{"file_name": "../one/x.png", "text": "a"}')
    with pytest.raises(TrainingSetError, match=r"leaves the folder \[two/line 1"):
        scan(tmp_path / "set")


def test_texts_beside_pictures_may_lie_in_sub_folders(pictures: Path) -> None:
    for row in range(3):
        (pictures / "pictures" / f"00{row}.txt").write_text(CAPTIONS[row], encoding="utf-8-sig")
    (pictures / "pictures" / "._000.png").write_bytes(b"of a Mac")
    Image.new("RGB", (8, 8)).save(pictures / "last.jpg")
    with pytest.raises(TrainingSetError, match=r"1 picture has no caption \[last\.jpg: 'last\.jpg'\]"):
        scan(pictures)
    (pictures / "last.txt").write_text("a black square")
    assert both_ways(pictures).captions == ("a black square", *CAPTIONS)


def test_pictures_of_coco_are_found_beside_its_annotations(pictures: Path) -> None:
    (pictures / "annotations").mkdir()
    images = [{"id": 5, "file_name": "001.png"}]
    annotations = [{"image_id": 5, "caption": words} for words in ("one", "two")]
    path = pictures / "annotations" / "captions_train2017.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}), encoding="utf-8")
    example = both_ways(pictures, Columns(captions="first")).examples[0]
    assert (example.file_name, example.caption) == ("pictures/001.png", "one")
    assert example.metadata == {"image_id": 5}
    path.with_name("captions_val2017.json").touch()
    with pytest.raises(TrainingSetError, match="leave only what the model was trained on"):
        scan(pictures)
    path.with_name("captions_val2017.json").unlink()
    path.write_text("[]")
    with pytest.raises(TrainingSetError, match="is not COCO's annotations of captions: it needs"):
        scan(pictures)


# --- several captions ----------------------------------------------------------------------------


@pytest.mark.parametrize("in_a_list", [True, False])
def test_several_captions_are_refused_until_somebody_says_what_they_are(
    captioned_folder: Make, in_a_list: bool
) -> None:
    """Law: Several captions of a picture are refused, unless it is said which of them were trained on."""
    name = "pictures/000.png"
    listed = [{"file_name": name, "text": ["one", "two"]}]
    apart = [{"file_name": name, "text": words} for words in ("one", "two")]
    folder = captioned_folder(*(listed if in_a_list else apart))
    with pytest.raises(TrainingSetError, match=r"--captions first, each .* --captions mean"):
        scan(folder)
    first = both_ways(folder, Columns(captions="first"))
    assert (first.ids, first.captions) == ((name,), ("one",))
    each = both_ways(folder, Columns(captions="each"))
    assert (each.ids, each.captions) == ((f"{name}#1", f"{name}#2"), ("one", "two"))
    assert each.row_of(name) == 0
    mean = both_ways(folder, Columns(captions="mean"))
    assert (mean.ids, mean.captions, mean.examples[0].others) == ((name,), ("one",), ("two",))
    with pytest.raises(SettingsError, match="choose first, each or mean"):
        Columns(captions="last")


# --- what is wrong -------------------------------------------------------------------------------


def test_all_that_is_wrong_is_said_at_once(captioned_folder: Make) -> None:
    """Law: Everything that is wrong with a training set is said at once, counted, the first few named."""
    lines: list[object] = [{"file_name": f"pictures/10{k}.png", "text": f"picture {k}"} for k in range(5)]
    lines += ["{", {"file_name": "pictures/000.png", "text": ""}]
    lines += [
        {"file_name": "pictures/001.png", "text": "cut"},
        {"file_name": "pictures/002.png", "text": "a"},
    ]
    folder = captioned_folder(*lines)
    cut, other = folder / "pictures" / "001.png", folder / "pictures" / "002.png"
    cut.write_bytes(cut.read_bytes()[:-40])
    other.write_bytes(b"GIF89a")
    with pytest.raises(TrainingSetError) as refused:
        scan(folder)
    said = str(refused.value)
    assert said == (
        f"{folder / 'metadata.jsonl'}: 1 line is not JSON or not an object [line 6]; 1 caption is empty "
        "[of 'pictures/000.png']; 5 pictures do not exist ['pictures/100.png', 'pictures/101.png', "
        "'pictures/102.png', ...]; 1 picture is not a PNG, JPEG or WEBP ['pictures/002.png']; 1 picture is "
        "cut short or damaged ['pictures/001.png']: mend this, or take it out of metadata.jsonl"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name,text\na.png,b,c\n", r"1 line has more cells than there are columns \[line 2\]"),
        ("file_name,text\na.png\n", "1 picture has no caption"),
        ("file_name,text\n", "names no pictures"),
        ("", "names no pictures"),
        ('file_name,text\n"a.png,b\n', "line 1 is not CSV: unexpected end of data"),
    ],
)
def test_a_table_that_is_no_table_is_refused(pictures: Path, text: str, message: str) -> None:
    (pictures / "metadata.csv").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingSetError, match=message):
        scan(pictures)


@pytest.mark.parametrize(("written", "caption"), [(" ", " "), ("\\ud83d", "\ud83d")])
def test_a_caption_that_was_once_let_in_still_opens(
    captioned_folder: Make, tmp_path: Path, written: str, caption: str
) -> None:
    folder, index = captioned_folder(), tmp_path / "index.json"
    save_scan(scan(folder), index)
    path = folder / "metadata.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("a red square", written), encoding="utf-8")
    found = json.loads(index.read_text()) | {"metadata_sha256": file_sha256(path)}
    index.write_text(json.dumps(found))
    assert load_scan(index, folder).captions[0] == caption
    with pytest.raises(TrainingSetError, match=r"1 caption is empty|1 text has half a character"):
        scan(folder)
