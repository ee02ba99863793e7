"""Laws of whatever is read from outside, of any content: it is understood, or refused in one line."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from app.runs.archive import QUESTION, RunArchive
from app.runs.request import boxes_of_lists
from attribution.data.images import SETTINGS_KEY, read_image, write_png
from attribution.data.scanning import scan
from attribution.data.words import words
from attribution.errors import WhenceError
from attribution.models.adapters import named_adapters
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import answered_run

NUMBERS = st.integers() | st.floats() | st.booleans() | st.none()
JSON = st.recursive(
    NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)
FRACTIONS = st.floats(0, 1)
MADE = st.fixed_dictionaries(
    {"prompt": st.text()},
    optional={
        "negative_prompt": st.text(),
        "seed": st.integers(0, 2**63 - 1),
        "steps": st.integers(0, 1000),
        "guidance": st.floats(0, 100),
        "model": st.text(),
    },
)


def understood(read: Callable[..., Any], *given: Any) -> Any:
    """What was read, or None where it was refused by name; anything else is raised."""
    with suppress(WhenceError):
        return read(*given)
    return None


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """One an example: a fixture of pytest's would be shared by all of a test."""
    with tempfile.TemporaryDirectory(prefix="whence-properties-") as name:
        yield Path(name)


@given(JSON)
def test_boxes_are_any_json(sent: Any) -> None:
    """Law: Whatever is sent for boxes is a few boxes inside the picture, or is refused."""
    for box in understood(boxes_of_lists, sent) or ():
        left, top, right, bottom = box.as_tuple()
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS), max_size=5))
def test_boxes_that_are_taken_are_those_that_were_sent(sides: list[tuple[float, ...]]) -> None:
    found = understood(boxes_of_lists, [list(each) for each in sides])
    if found is not None:
        assert [box.as_tuple() for box in found] == sides


@given(st.binary(max_size=400))
def test_any_bytes_may_come_for_a_picture(data: bytes) -> None:
    found = understood(read_image, data)
    assert found is None or found[0].mode == "RGB"


@given(st.text() | JSON.map(json.dumps))
def test_any_text_may_stand_in_a_png(text: str) -> None:
    """Law: Whatever text a PNG carries, its picture is read, and its settings are plain ones or none."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(SETTINGS_KEY, text)
    out = io.BytesIO()
    Image.new("RGB", (4, 3), "teal").save(out, "PNG", pnginfo=info)
    image, settings = read_image(out.getvalue())
    assert image.size == (4, 3)
    assert not settings or isinstance(settings["prompt"], str)


@given(MADE)
def test_a_png_brings_back_what_it_was_made_with(made: dict[str, Any]) -> None:
    """Law: A picture brings back the settings that it was written with, whatever its prompt is."""
    out = io.BytesIO()
    write_png(Image.new("RGB", (4, 3)), out, made)
    assert read_image(out.getvalue())[1] == made


@given(
    st.lists(st.tuples(st.sampled_from(("a.png", "b.png", "../a.png", "")) | st.text(), JSON), max_size=4)
)
def test_metadata_may_say_anything_of_its_pictures(lines: list[tuple[str, Any]]) -> None:
    """Law: Metadata of any names and values is a training set with these captions, or is refused."""
    text = "\n".join(json.dumps({"file_name": name, "text": caption}) for name, caption in lines)
    found = scanned("metadata.jsonl", text.encode())
    if found is not None:
        assert list(found.captions) == [caption for _, caption in lines]


@given(
    st.sampled_from(("metadata.jsonl", "metadata.csv", "metadata.parquet", "a.txt")),
    st.binary(max_size=300),
)
def test_metadata_may_be_any_bytes(name: str, data: bytes) -> None:
    scanned(name, data)


def scanned(name: str, data: bytes) -> Any:
    """The training set of two pictures and a file beside them."""
    with fresh_folder() as folder:
        for picture in ("a.png", "b.png"):
            Image.new("RGB", (4, 3)).save(folder / picture)
        (folder / name).write_bytes(data)
        return understood(scan, folder)


TENSOR = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(("F32", "F16", "X")),
        "shape": st.lists(st.integers(0, 4), max_size=3),
        "data_offsets": st.lists(st.integers(0, 64), min_size=2, max_size=2),
    }
)
TENSORS = st.sampled_from(("lora_down.weight", "x.lora_A.weight", "attn2.to_k.weight", "<new>"))
HEADERS = st.dictionaries(st.text(max_size=12) | TENSORS, JSON | TENSOR, max_size=4)


@given(
    HEADERS | JSON,
    st.binary(max_size=64),
    st.sampled_from(("x.safetensors", "lora.safetensors", "x.bin", "x")),
)
def test_an_adapter_may_be_any_file(header: Any, body: bytes, name: str) -> None:
    """Law: A file of any content that is named as an adapter is one, or is refused."""
    text = json.dumps(header).encode()
    with fresh_folder() as folder:
        (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + body)
        understood(named_adapters, [folder / name])
        understood(named_adapters, [folder])


@pytest.fixture(scope="module")
def kept(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunArchive, str]:
    """A run that is kept, whose `run.json` is written anew by the tests."""
    archive, run = RunArchive(tmp_path_factory.mktemp("runs"), tiny_world), answered_run(tiny_world)
    archive.keep(run)
    (archive.folder / "run.json").write_bytes((archive.folder / run.id / QUESTION).read_bytes())
    return archive, run.id


@given(st.data())
def test_a_kept_run_may_be_damaged_in_any_value(
    tiny_world: Workspace, kept: tuple[RunArchive, str], data: st.DataObject
) -> None:
    """Law: A kept run whose question was changed in any value is shown, or is refused in one line."""
    archive, run_id = kept
    stored = json.loads((archive.folder / "run.json").read_bytes())
    place = stored
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not (isinstance(place[key], dict) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    (archive.folder / run_id / QUESTION).write_text(json.dumps(stored), encoding="utf-8")
    for read in (archive.summary, RunArchive(archive.folder, tiny_world).read):
        assert "\n" not in refused(read, run_id)


def refused(read: Callable[[str], object], run_id: str) -> str:
    """What was refused; empty where it was not."""
    try:
        read(run_id)
    except WhenceError as problem:
        return str(problem)
    return ""


@given(st.text(), st.text())
def test_words_of_captions_are_counted_alike(caption: str, more: str) -> None:
    found = words(caption)
    assert all(word and word == word.strip() for word in found)
    assert words(f"{caption} {more}") == [*found, *words(more)]
