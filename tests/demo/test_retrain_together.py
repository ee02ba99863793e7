"""Laws of denoisers that are trained several at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError, TrainingSetError
from demo.__main__ import main
from demo.diffusion import Denoiser
from demo.retrain import Retraining
from demo.retrain_together import Group, read_jobs
from demo.sizes import TINY as TINY_SIZES
from demo.world import World
from tests.worlds import GLYPHS, TINY
from training.together import kept_examples

IDS = frozenset({"train-00003", "train-00050", "train-00007"})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_CACHE", str(tmp_path / "cache"))


def retraining(folder: Path, steps: int = 4) -> Retraining:
    world = World("retraining", TINY, GLYPHS, sizes=TINY_SIZES)
    return Retraining(world, 0, steps, folder / "model", folder / "checkpoints")


def weights_of(folder: Path) -> dict[str, Tensor]:
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float16)
    parts = {"unet": pipeline.unet, "text_encoder": pipeline.text_encoder}
    return {
        f"{part}.{k}": v.float() for part, model in parts.items() for k, v in model.state_dict().items()
    }


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_models_trained_together_are_those_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A model trained beside others is the one trained alone, up to rounding."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    usual = retraining(tmp_path)
    questions = [(frozenset[str](), 0), (IDS, 0), (IDS, 1)]
    alone, beside = (
        [usual.leaving_out(ids, seed, tmp_path / f"{how}{k}") for k, (ids, seed) in enumerate(questions)]
        for how in ("alone", "beside")
    )
    for k, job in enumerate(alone):
        list(replace(job, checkpoints=tmp_path / f"checkpoints{k}").run())
    told = list(Group(beside, at_once=2).run())
    assert [name for name, *_ in told] == ["group 1 of 2", "group 2 of 2"]
    assert not torch.backends.cudnn.allow_tf32  # rounding is that of single precision
    weights = [weights_of(job.out) for job in alone]
    for job, expected in zip(beside, weights, strict=True):
        assert apart(weights_of(job.out), expected) < 5e-4  # half precision
    assert apart(weights[0], weights[1]) > 4e-3
    assert not list(Group(beside, at_once=2).run())  # they stand


def test_what_comes_apart_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A training that comes apart writes nothing, and the others are written."""
    usual = retraining(tmp_path)
    jobs = [usual.leaving_out((), seed, tmp_path / str(seed)) for seed in (0, 1)]
    new_model = Retraining.new_model

    def broken(self: Retraining) -> Denoiser:
        model = new_model(self)
        if self.seed == 1:
            model.unet.conv_in.bias.data[0] = float("nan")
        return model

    monkeypatch.setattr(Retraining, "new_model", broken)
    with pytest.raises(NonFiniteError, match="1 trainings came apart"):
        list(Group(jobs, at_once=2).run())
    assert [job.out.exists() for job in jobs] == [True, False]


def test_a_batch_that_would_be_empty_is_refused() -> None:
    rows = torch.tensor([[0, 1], [2, 1]])
    with pytest.raises(ValueError, match="by itself"):
        kept_examples(rows, frozenset({0, 1}))
    assert kept_examples(rows, frozenset({1})).tolist() == [[1, 0], [1, 0]]


def test_the_command_reads_a_list_of_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ids.txt").write_text("train-00001\n")
    listed = [{"left_out": str(tmp_path / "ids.txt"), "seed": 0, "model": str(tmp_path / "out")}]
    jobs = tmp_path / "jobs.json"
    jobs.write_text(json.dumps(listed))
    arguments = ["retrain", "--world", str(TINY), "--tiny", "--steps", "1", "--together", str(jobs)]
    assert main(arguments) == 0
    assert (tmp_path / "out" / "model_index.json").exists()
    for text in ("{", "[1]", '[{"seed": 0}]', '[{"left_out": "none.txt", "seed": 0, "model": "m"}]'):
        jobs.write_text(text)
        with pytest.raises(SettingsError, match="must be a JSON list"):
            read_jobs(jobs, retraining(tmp_path))
    (tmp_path / "ids.txt").write_text("nobody\n")
    jobs.write_text(json.dumps([listed[0] | {"model": str(tmp_path / "other")}]))
    with pytest.raises(TrainingSetError, match="nobody"):
        list(Group(read_jobs(jobs, retraining(tmp_path)), 1).run())
    assert main([*arguments]) == 2
    assert "nobody" in capsys.readouterr().err
