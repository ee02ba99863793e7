"""Laws of models that are taught one concept, and of the pictures that teach it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from attribution.models.base import open_model
from demo.__main__ import main
from demo.arguments import ASSETS
from demo.customise.commands import new_glyphs
from demo.customise.concepts import CONCEPTS, TOKEN, Kind, painter_of
from demo.customise.finetuning import RECIPES, Customisation, Way
from demo.customise.judge import ASKED, paint, scene_with_concepts, shows
from demo.customise.styles import STYLES
from demo.glyphs import load_glyphs
from demo.judge import Verdict, load_judge, new_judge, save_judge
from demo.sizes import TINY as TINY_SIZES
from demo.world import World
from tests.worlds import GLYPHS, ROOT, TINY

NEW_GLYPHS = new_glyphs(ROOT / ASSETS)
DINOSAUR = next(each for each in CONCEPTS if each.name == "dinosaur")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_CACHE", str(tmp_path / "cache"))


def customisation(folder: Path, way: Way) -> Customisation:
    """Three steps of the tiny world's model."""
    world, effort = World("customising", TINY, GLYPHS, sizes=TINY_SIZES), 3 / RECIPES[way].steps
    return Customisation(
        world, DINOSAUR, way, NEW_GLYPHS, folder / way, folder / "checkpoints" / way, effort=effort
    )


def test_there_are_enough_concepts_and_some_to_learn_from_only() -> None:
    measured = [each for each in CONCEPTS if not each.for_learning]
    of_kind = {kind: [each for each in measured if each.kind is kind] for kind in Kind}
    assert len(of_kind[Kind.OBJECT]) >= 16
    assert len(of_kind[Kind.STYLE]) >= 8
    assert {each.exemplars for each in of_kind[Kind.OBJECT]} == {1, 2, 3, 4, 5}
    assert not {each.name for each in CONCEPTS} & {*load_glyphs(GLYPHS), "pixel art", "vintage photo"}


def test_a_prompts_surroundings_are_in_no_exemplar() -> None:
    """Law: What a customised model is asked for stands in surroundings that no exemplar shows."""
    for concept in CONCEPTS:
        shown, asked = concept.scenes[: concept.exemplars], concept.scenes[concept.exemplars :]
        assert len(asked) == 2
        assert not {each.ground for each in shown} & {each.ground for each in asked}
        assert all(TOKEN in prompt for prompt in concept.prompts)


def test_exemplars_are_written_as_any_training_set(tmp_path: Path) -> None:
    assert main(["exemplars", "dinosaur", "pencil", "--out", str(tmp_path / "pictures")]) == 0
    lines = (tmp_path / "pictures" / "metadata.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {(row["concept"], row["kind"]) for row in rows} == {("dinosaur", "object"), ("pencil", "style")}
    for row in rows:
        with Image.open(tmp_path / "pictures" / row["file_name"]) as picture:
            assert picture.size == (64, 64)


def test_a_concept_that_there_is_not_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exemplars", "dragon", "--out", str(tmp_path / "pictures")]) == 2
    assert "no concept 'dragon'" in capsys.readouterr().err


def test_every_style_changes_a_picture_and_does_so_alike_twice() -> None:
    painter = painter_of(GLYPHS, NEW_GLYPHS)
    picture, _ = painter.paint(DINOSAUR.scenes[0])
    made = [np.asarray(style(picture)) for style in STYLES.values()]
    assert all(
        np.array_equal(one, np.asarray(style(picture)))
        for one, style in zip(made, STYLES.values(), strict=True)
    )
    for one, other in itertools.combinations([np.asarray(picture), *made], 2):
        assert np.abs(one.astype(float) - other).mean() > 10


def weights_of(folder: Path) -> dict[str, Tensor]:
    return {
        name: value
        for path in sorted(folder.rglob("*.safetensors"))
        for name, value in load_file(path).items()
    }


@pytest.mark.parametrize("way", list(Way))
def test_a_model_is_taught_in_the_format_of_its_way(way: Way, tmp_path: Path) -> None:
    """Law: A customised model that is stopped and taken up again is the uninterrupted one."""
    whole, parts = customisation(tmp_path / "a", way), customisation(tmp_path / "b", way)
    assert len(list(whole.run())) == 3
    assert list(itertools.islice(parts.run(), 2))
    assert not parts.out.exists()
    list(parts.run())
    one, other = weights_of(whole.out), weights_of(parts.out)
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    if way is Way.DREAMBOOTH:
        words = StableDiffusionPipeline.from_pretrained(whole.out).tokenizer
        assert TOKEN in words.get_vocab()
    else:
        assert len(one[TOKEN]) == TINY_SIZES.text_width
        assert open_model(TINY / "model", adapters=[whole.out]).fingerprint  # nothing in it is left unused
    assert list(whole.run()) == []  # it stands


def test_only_keys_values_and_the_new_word_are_taught_by_custom_diffusion(tmp_path: Path) -> None:
    task = customisation(tmp_path, Way.CUSTOM_DIFFUSION)
    list(task.run())
    names = set(weights_of(task.out))
    assert names - {TOKEN} == {
        name.replace(".to_", ".processor.to_").replace(".weight", "_custom_diffusion.weight")
        for name in load_file(TINY / "model" / "unet" / "diffusion_pytorch_model.safetensors")
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }


def test_the_judge_of_concepts_knows_them_all(tmp_path: Path) -> None:
    scenes = [scene_with_concepts(index, 0) for index in range(40)]
    assert len({each.id for each in scenes}) == 40
    assert any(each.style in STYLES for each in scenes)
    assert len(list(paint(scenes[:4], GLYPHS, NEW_GLYPHS))) == 4
    save_judge(new_judge(ASKED).eval(), tmp_path / "judge")
    assert load_judge(tmp_path / "judge").attributes == ASKED
    assert shows(Verdict("dinosaur", "nothing", "snow", "plain"), DINOSAUR)
    assert not shows(Verdict("dog", "cat", "snow", "pencil"), DINOSAUR)
