"""Laws of a list that is a training set by its own name, and what is refused of its pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from attribution.data.index import load_scan, save_scan
from attribution.data.scanning import scan
from attribution.data.training_set import TrainingSet
from attribution.errors import TrainingSetError
from tests.worlds import foreign


def both_ways(source: Path, index: Path) -> TrainingSet:
    """A scan, which must be what a saved scan opens as."""
    found = scan(source)
    save_scan(found, index)
    again = load_scan(index, source)
    assert (again.ids, again.captions, again.fingerprint) == (found.ids, found.captions, found.fingerprint)
    return again


def test_a_list_is_a_training_set_of_the_pictures_that_it_names(tmp_path: Path) -> None:
    """Law: Several lists may speak of the same folder; each is a training set of what it names."""
    pictures = foreign.make_training_set(tmp_path / "set", 3)
    line = {"file_name": "pictures/001.png", "text": "a <v1>", "id": "mine"}
    (pictures / "mine.jsonl").write_text(json.dumps(line), encoding="utf-8")
    mine = both_ways(pictures / "mine.jsonl", tmp_path / "mine.json")
    assert (mine.ids, mine.captions, mine.folder) == (("mine",), ("a <v1>",), pictures)
    assert mine.image(0).tobytes() == both_ways(pictures, tmp_path / "all.json").image(1).tobytes()


def test_a_list_names_pictures_of_its_folder(tmp_path: Path) -> None:
    pictures = foreign.make_training_set(tmp_path / "set", 3)
    outside = {"file_name": "../elsewhere.png", "text": "a picture that is none of the folder's"}
    (pictures / "mine.jsonl").write_text(json.dumps(outside), encoding="utf-8")
    with pytest.raises(TrainingSetError, match=r"outside|leaves|leads"):
        scan(pictures / "mine.jsonl")
    (pictures / "mine.txt").write_text("a file that is no list", encoding="utf-8")
    with pytest.raises(TrainingSetError, match="is not a folder"):
        scan(pictures / "mine.txt")


def test_a_picture_of_too_many_pixels_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    pictures = foreign.make_training_set(tmp_path / "set", 3)
    Image.new("L", (8000, 5001)).save(pictures / "pictures" / "000.png")
    with pytest.raises(TrainingSetError, match=r"1 picture is too large \['pictures/000\.png'\]"):
        scan(pictures)
