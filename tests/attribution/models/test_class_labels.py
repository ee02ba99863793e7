"""Laws of classes as captions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from attribution.errors import CaptionError, ModelError
from attribution.models.base import KnowsCaptions, open_model
from attribution.models.class_labels import Classes
from attribution.models.pipeline_files import fingerprint_of
from precompute.__main__ import main as precompute
from tests.worlds.families import make_ddpm, make_dit, make_labelled_ddpm
from tests.worlds.foreign import OMITTED, altered, make_training_set

NAMES = {"0": "tench, Tinca tinca", "3": "tiger shark, Galeocerdo cuvieri"}


@pytest.mark.parametrize(
    ("caption", "number"),
    [("tench", 0), (" Tinca Tinca ", 0), ("tiger shark, Galeocerdo cuvieri", 3), ("3", 3), ("04", 4)],
)
def test_a_class_is_named_or_numbered(caption: str, number: int) -> None:
    classes = Classes(5, {"id2label": NAMES}, "here")
    assert classes.number(caption) == number
    told = classes.conditioning([caption, "1"])
    assert torch.equal(told.further["class_labels"], torch.tensor([number, 1]))
    assert len(told) == len(told.repeat_interleave(3)) // 3 == 2


@pytest.mark.parametrize("caption", ["tiger sharks", "5", "-1", "a cat", "²", ""])
def test_a_caption_that_is_no_class_is_refused_with_what_may_be_given(caption: str) -> None:
    """Law: A caption that names no class of a model is refused, with names and numbers that do."""
    with pytest.raises(CaptionError, match=r"is no class .* such as 't.*a number from 0 to 4") as refused:
        Classes(5, {"id2label": NAMES}, "here").number(caption)
    assert "\n" not in str(refused.value)
    with pytest.raises(CaptionError, match=r"is no class of this model: give a number from 0 to 4"):
        Classes(5, {}, "here").number(caption)


def test_a_name_for_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(ModelError, match="names class 3, and the model has 3 classes"):
        Classes(3, {"id2label": NAMES}, "here")


def test_captions_that_are_no_classes_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: Captions that are no classes of the model are refused at `init` and by the doctor."""
    model, pictures = make_labelled_ddpm(tmp_path / "model"), make_training_set(tmp_path / "set", 3)
    given = ["--model", model, "--dataset", pictures, "--clip", "none", "--dino", "none", "--timesteps", 4]
    assert precompute(["init", *map(str, given), "--workspace", str(tmp_path / "workspace")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'a " in line
    assert "is no class of this model" in line
    assert not (tmp_path / "workspace").exists()
    assert precompute(["doctor", *map(str, given)]) == 2
    assert "is no class of this model" in capsys.readouterr().err


def test_an_unconditional_model_may_be_told_anything(tmp_path: Path) -> None:
    model = open_model(make_ddpm(tmp_path / "model"))
    assert isinstance(model, KnowsCaptions)
    model.check_captions(["a cat", ""])
    assert not model.encode_captions(["a cat"]).further


def test_what_classes_are_called_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    """Law: A model's fingerprint depends on which caption is which class."""
    folder = make_dit(tmp_path / "model")
    told = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    assert told["id2label"] == NAMES
    for name, value in (("renamed", {"0": "dog"}), ("nameless", OMITTED)):
        other = altered(folder, tmp_path / name, index={"id2label": value})
        assert fingerprint_of(other) != fingerprint_of(folder)
    again = altered(folder, tmp_path / "again", index={"_diffusers_version": "0"})
    assert fingerprint_of(again) == fingerprint_of(folder)
