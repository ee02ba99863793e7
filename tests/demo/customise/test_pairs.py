"""Laws of what heads are tuned by: pictures of customised models, beside what taught them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from attribution.errors import MissingArtifactError
from demo.__main__ import main
from demo.arguments import ASSETS
from demo.customise import pairs
from demo.customise.commands import new_glyphs
from demo.customise.concepts import CONCEPTS, Concept
from demo.customise.pairs import Pairs, asked
from demo.judge import Judge, Verdict, new_judge
from demo.quality import Generation
from demo.sizes import TINY as TINY_SIZES
from demo.world import World
from tests.worlds import GLYPHS, ROOT, TINY

LEARNING = [each for each in CONCEPTS if each.for_learning]
FOX = next(each for each in LEARNING if each.name == "fox")


def pairs_of(folder: Path, *concepts: Concept) -> Pairs:
    world = World("pairs", TINY, GLYPHS, sizes=TINY_SIZES)
    quick = Generation(steps=1)
    return Pairs(
        world,
        concepts,
        new_glyphs(ROOT / ASSETS),
        folder / "taught",
        folder / "out",
        scenes=3,
        generation=quick,
    )


def test_no_picture_is_asked_for_where_an_exemplar_stands() -> None:
    for concept in LEARNING:
        taught = {each.ground for each in concept.scenes[: concept.exemplars]}
        assert not taught & {each.ground for each in asked(concept)}


def test_pictures_that_do_not_show_their_concept_teach_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Heads are tuned by pictures alone that show their concept, as the judge says."""
    monkeypatch.setattr(pairs, "MADE", 3)
    shutil.copytree(TINY / "model", tmp_path / "taught" / "dreambooth" / "fox")

    def said(_: Judge, pixels: np.ndarray) -> list[Verdict]:
        return [Verdict("fox" if k < 2 else "dog", "nothing", "snow", "plain") for k in range(len(pixels))]

    monkeypatch.setattr(pairs, "judged", said)
    told = list(pairs_of(tmp_path, FOX).write(new_judge()))
    assert told[-1][-1] == "fox: 2 of 3 pictures show it"
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    roles = [row["role"] for row in rows]
    assert roles == ["exemplar"] * FOX.exemplars + ["made"] * 2 + ["other"] * 3
    assert {row["concept"] for row in rows if row["role"] != "other"} == {"fox"}
    assert all((tmp_path / "out" / row["file_name"]).exists() for row in rows)


def test_a_concept_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="demo customise 'fox'"):
        list(pairs_of(tmp_path, FOX).write(new_judge()))
    assert not (tmp_path / "out").exists()


def test_nothing_is_fitted_on_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Law: No head is tuned by a concept that figures are of."""
    assert main(["pairs", "fox", "owl", "--out", str(tmp_path / "out")]) == 2
    assert "'owl' is for the benchmark" in capsys.readouterr().err
