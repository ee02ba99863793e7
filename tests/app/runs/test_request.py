"""Laws of what programs may send: checked values, and files that were uploaded here alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runs.question import USUAL, measures, offered_methods
from app.runs.request import boxes_of_lists, chosen_methods, count, number, sent_bytes, text, whole
from attribution.errors import BoxError, ImageError, InputError, SettingsError
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import LEFT


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return tmp_path / "uploads"


def put(folder: Path, name: str) -> str:
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"bytes")
    return str(folder / name)


def test_an_uploaded_file_is_read(uploads: Path) -> None:
    assert sent_bytes({"path": put(uploads / ("a" * 64), "picture.png")}) == b"bytes"


@pytest.mark.parametrize(
    "folder", ["secret", "uploads/export-1", "uploads/" + "a" * 64 + "/deeper", "uploads"]
)
def test_no_other_file_is_read(uploads: Path, tmp_path: Path, folder: str) -> None:
    """Law: A program can name no file of the machine but a picture that it has uploaded."""
    with pytest.raises(ImageError):
        sent_bytes({"path": put(tmp_path / folder, "picture.png")})


def test_a_link_out_of_the_uploads_is_not_followed(uploads: Path, tmp_path: Path) -> None:
    secret = put(tmp_path / "secret", "picture.png")
    (uploads / ("a" * 64)).mkdir(parents=True)
    (uploads / ("a" * 64) / "picture.png").symlink_to(secret)
    with pytest.raises(ImageError):
        sent_bytes({"path": str(uploads / ("a" * 64) / "picture.png")})


@pytest.mark.parametrize("sent", [None, 3, "a.png", [], {}, {"path": None}, {"path": "a\0b"}, {"url": "x"}])
def test_what_is_no_file_is_refused(uploads: Path, sent: object) -> None:
    with pytest.raises(ImageError, match="handle_file"):
        sent_bytes(sent)


@pytest.mark.parametrize(
    "given", [3, "all", [3], [[0, 0, 1]], [["0", 0, 1, 1]], [[0, 0, 2, 1]], [[0, 0, 1, 1]] * 5]
)
def test_boxes_are_a_few_lists_of_four_fractions(given: object) -> None:
    with pytest.raises(BoxError):
        boxes_of_lists(given)


def test_no_boxes_are_the_whole_picture() -> None:
    assert boxes_of_lists(None) == boxes_of_lists([]) == ()
    assert boxes_of_lists([list(LEFT.as_tuple())]) == (LEFT,)


@pytest.mark.parametrize("wrong", [None, "1", 1.5, True, -1, 2**31])
def test_a_whole_number_is_one(wrong: object) -> None:
    with pytest.raises(SettingsError, match="whole number"):
        whole(wrong, "seed")


def test_texts_numbers_and_counts_are_what_they_say() -> None:
    assert (text("a", "caption"), number(2, "guidance"), count(None, "top_k"), count(3, "top_k")) == (
        "a",
        2.0,
        None,
        3,
    )
    for check, wrong in ((text, 3), (number, "2"), (number, True), (count, 0), (count, "3")):
        with pytest.raises(SettingsError):
            check(wrong, "value")


def test_the_usual_methods_that_the_effort_allows_are_chosen_if_none_is_named(
    tiny_world: Workspace,
) -> None:
    offers = offered_methods(tiny_world)
    assert set(chosen_methods(offers, None, Settings())) == set(USUAL)
    instant = chosen_methods(offers, None, Settings(effort="instant"))
    assert set(instant) == {each.name for each in offers if each.name in USUAL and not measures(each)}
    assert instant
    assert chosen_methods(offers, ["random", "clip"], Settings()) == ("clip", "random")  # in our order


@pytest.mark.parametrize("names", ["abu", [], [3], ["guess"], ["abu"]])
def test_methods_that_cannot_be_asked_are_refused(tiny_world: Workspace, names: object) -> None:
    with pytest.raises(InputError):
        chosen_methods(offered_methods(tiny_world), names, Settings(effort="instant"))
