"""Laws of denoisers that are trained again without some scenes, and of the judge's command."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from attribution.errors import TrainingSetError
from demo import judge
from demo.__main__ import main
from demo.diffusion import Denoiser
from demo.retrain import Retraining
from demo.sizes import TINY as TINY_SIZES
from demo.tokenizer import build_tokenizer
from demo.world import World
from tests.worlds import GLYPHS, TINY


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def retraining(folder: Path, left_out: frozenset[str] = frozenset(), seed: int = 0) -> Retraining:
    world = World("retraining", TINY, GLYPHS, sizes=TINY_SIZES, left_out=left_out)
    return Retraining(world, seed, 3, folder / "model", folder / "checkpoints")


def unet_of(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = StableDiffusionPipeline.from_pretrained(folder).unet.state_dict()
    return found


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_seed_0_begins_as_the_shipped_model_did() -> None:
    """Law: A denoiser's seed decides its initial weights, and seed 0 is the shipped one's."""
    tokenizer = build_tokenizer()
    begun = Denoiser(TINY_SIZES, 4, tokenizer).state_dict()
    assert same(begun, Denoiser(TINY_SIZES, 4, tokenizer, seed=0).state_dict())
    assert not same(begun, Denoiser(TINY_SIZES, 4, tokenizer, seed=1).state_dict())


def test_a_retraining_that_is_resumed_is_the_uninterrupted_one(tmp_path: Path) -> None:
    """Law: A retraining that is stopped and taken up again is the uninterrupted one."""
    left_out = frozenset({"train-00003", "train-00050"})
    whole, parts = retraining(tmp_path / "a", left_out), retraining(tmp_path / "b", left_out)
    assert len(list(whole.run())) == 3
    assert list(itertools.islice(parts.run(), 3))  # trained, but not published
    assert not parts.out.exists()
    assert not list(parts.run())
    assert same(unet_of(whole.out), unet_of(parts.out))
    assert not list(whole.run())  # it stands
    reference, other = retraining(tmp_path / "c"), retraining(tmp_path / "d", seed=1)
    list(reference.run())
    list(other.run())
    found = [unet_of(each.out) for each in (whole, reference, other)]
    assert not any(same(a, b) for a, b in itertools.combinations(found, 2))
    vae = "vae/diffusion_pytorch_model.safetensors"
    assert (whole.out / vae).read_bytes() == (TINY / "model" / vae).read_bytes()  # the world's own


def test_scenes_that_there_are_not_cannot_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(TrainingSetError, match="such as nobody"):
        list(retraining(tmp_path, frozenset({"nobody"})).run())


def test_the_command_trains_what_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ids.txt").write_text("train-00001\n")
    arguments = ["retrain", "--world", str(TINY), "--tiny", "--steps", "1", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--leave-out", str(tmp_path / "ids.txt")]) == 0
    assert (tmp_path / "out" / "model_index.json").exists()
    (tmp_path / "ids.txt").write_text("nobody\n")
    assert main([*arguments, "--leave-out", str(tmp_path / "ids.txt")]) == 2
    assert "nobody" in capsys.readouterr().err


def test_the_recipe_is_the_shipped_one_but_for_its_length(tmp_path: Path) -> None:
    from demo.diffusion import RECIPE

    made = replace(retraining(tmp_path), steps=2_500, seed=4).recipe
    assert made == replace(RECIPE, steps=2_500, seed=4)


def test_the_judge_says_how_likely_each_answer_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    assert main(["judge", "--pictures", str(pictures)]) == 2
    assert "demo train --only judge" in capsys.readouterr().err
    judge.save_judge(judge.new_judge().eval(), tmp_path / "judge")
    arguments = ["judge", "--judge", str(tmp_path / "judge"), "--pictures", str(pictures)]
    assert main(arguments) == 2
    assert "no pictures" in capsys.readouterr().err
    for name in ("train-00000", "train-00001"):
        shutil.copy(TINY / "scenes" / f"{name}.png", pictures)
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"train-00000.png", "train-00001.png"}
    for answers in told.values():
        assert set(answers) == set(judge.ATTRIBUTES)
        assert all(0.9 < sum(likely.values()) <= 1.001 for likely in answers.values())
