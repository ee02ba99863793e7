"""Laws of the training loop and of the losses that go through it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attribution.errors import SettingsError
from demo import clip, dino, judge
from demo.augment import Views, views
from demo.autoencoder import RECIPE as AUTOENCODER_RECIPE
from demo.autoencoder import CropLoss, new_autoencoder, to_model_range
from demo.scenes import painted, scene
from demo.sizes import TINY
from demo.tokenizer import build_tokenizer
from tests.worlds import GLYPHS
from training.loop import Batches, LossOfStep, Recipe, learning_rate_factor, train

COUNT = 12
RECIPE = Recipe(steps=6, batch=4, learning_rate=1e-3, warmup=2, ema=0.9)

Made = tuple[nn.Module, LossOfStep, Callable[[int], None] | None]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack(list(painted(GLYPHS, [scene(i) for i in range(COUNT)])))


def _autoencoder(pixels: np.ndarray) -> Made:
    model = new_autoencoder(TINY.vae_width)
    boxes = [[(0.2, 0.3, 0.5, 0.8)]] * COUNT
    return model, CropLoss(model, pixels, boxes, RECIPE), None


def _clip(pixels: np.ndarray) -> Made:
    tokenizer = build_tokenizer()
    model = clip.new_clip(TINY, tokenizer)
    captions = [scene(i).caption for i in range(COUNT)]
    return model, clip.ContrastiveLoss(model, tokenizer, pixels, captions, RECIPE), None


def _dino(pixels: np.ndarray) -> Made:
    model = dino.SelfDistillation(TINY)
    loss = dino.DistillationLoss(model, pixels, RECIPE)
    return model, loss, lambda step: model.follow(step, RECIPE.steps)


def _judge(pixels: np.ndarray) -> Made:
    model = judge.new_judge()
    answers = judge.answers_of([judge.truth(scene(i)) for i in range(COUNT)])
    return model, judge.JudgeLoss(model, pixels, answers, RECIPE), None


@pytest.mark.slow
@pytest.mark.parametrize("make", [_autoencoder, _clip, _dino, _judge])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    make: Callable[[np.ndarray], Made], pixels: np.ndarray, tmp_path: Path
) -> None:
    """Law: A training that is resumed is the uninterrupted one, bit for bit."""

    def run(checkpoint: Path, steps: int | None) -> dict[str, Tensor]:
        model, loss, follow = make(pixels)
        progress = train(model, loss, RECIPE, COUNT, checkpoint, checkpoint_seconds=0, after_step=follow)
        for _ in itertools.islice(progress, steps):
            pass
        return {name: value.clone() for name, value in model.state_dict().items()}

    whole = run(tmp_path / "whole.pt", None)
    for stop in (2, 3, None):  # stopped behind the second step and behind the third after that
        resumed = run(tmp_path / "parts.pt", stop)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_training_that_is_done_only_loads_its_weights(tmp_path: Path) -> None:
    def run() -> tuple[int, Tensor]:
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        steps = train(model, lambda s, r: model(torch.ones(2)).sum() ** 2, RECIPE, COUNT, tmp_path / "x.pt")
        return len(list(steps)), model.weight.detach().clone()

    first, weight = run()
    again, same = run()
    assert (first, again) == (RECIPE.steps, 0)
    assert torch.equal(weight, same)


OTHER_TRAININGS = [
    (replace(RECIPE, seed=1), COUNT, frozenset[int]()),
    (replace(RECIPE, steps=7), COUNT, frozenset[int]()),
    (RECIPE, COUNT + 1, frozenset[int]()),
    (RECIPE, COUNT, frozenset({3})),
]


@pytest.mark.parametrize(("recipe", "count", "left_out"), OTHER_TRAININGS)
def test_a_checkpoint_of_another_training_is_refused(
    recipe: Recipe, count: int, left_out: frozenset[int], tmp_path: Path
) -> None:
    """Law: No training is taken up from the checkpoint of another one."""
    checkpoint = tmp_path / "cf.checkpoints" / "x.pt"
    _linear_trained(RECIPE, COUNT, checkpoint)
    with pytest.raises(SettingsError, match=r"another recipe or on other examples: remove \S*checkpoints"):
        _linear_trained(recipe, count, checkpoint, left_out)


def test_a_checkpoint_that_does_not_say_of_which_training_is_resumed(tmp_path: Path) -> None:
    checkpoint = tmp_path / "x.pt"
    model = _linear_trained(RECIPE, COUNT, checkpoint)
    saved = torch.load(checkpoint, weights_only=True)
    del saved["digest"]
    torch.save(saved, checkpoint)
    assert torch.equal(_linear_trained(RECIPE, COUNT, checkpoint).weight, model.weight)


def _linear_trained(
    recipe: Recipe, count: int, checkpoint: Path, left_out: frozenset[int] = frozenset()
) -> nn.Linear:
    model = nn.Linear(2, 1)
    for _ in train(
        model, lambda s, r: model(torch.ones(2)).sum() ** 2, recipe, count, checkpoint, left_out
    ):
        pass
    return model


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    steps = train(
        model, lambda s, r: model(torch.full((2,), torch.nan)).sum(), RECIPE, 4, tmp_path / "x.pt"
    )
    with pytest.raises(FloatingPointError, match="step 0"):
        next(steps)


def test_a_step_whose_images_are_all_left_out_changes_nothing(tmp_path: Path) -> None:
    """Law: A training step whose images are all left out changes no weight."""
    recipe = replace(RECIPE, steps=3, batch=4)
    seen = Batches(COUNT, recipe)[1]
    model = nn.Linear(2, 1)
    weights = []

    def loss(step: int, rows: list[int]) -> Tensor:
        assert rows
        weights.append(model.weight.detach().clone())
        total: Tensor = model(torch.ones(2)).sum() ** 2
        return total

    assert len(list(train(model, loss, recipe, COUNT, tmp_path / "x.pt", frozenset(seen)))) == 3
    assert len(weights) == 2  # of the first step and of the last


def test_batches_with_some_left_out_are_the_full_ones_but_for_them() -> None:
    """Law: Leaving images out of a training changes nothing else in its batches."""
    left_out = frozenset({1, 5, 6})
    full, less = Batches(COUNT, RECIPE), Batches(COUNT, RECIPE, left_out)
    for step in range(20):
        assert less[step] == [row for row in full[step] if row not in left_out]


def test_batches_do_not_depend_on_which_were_asked_for_before() -> None:
    forwards = Batches(COUNT, RECIPE)
    in_order = [forwards[step] for step in range(30)]
    assert [Batches(COUNT, RECIPE)[step] for step in range(30)] == in_order


def test_an_epoch_sees_every_example_once() -> None:
    batches = Batches(COUNT, RECIPE)
    epoch = COUNT // RECIPE.batch
    for first in (0, epoch, 2 * epoch):
        rows = [row for step in range(first, first + epoch) for row in batches[step]]
        assert sorted(rows) == list(range(COUNT))


def test_views_belong_to_the_example_not_to_the_batch(pixels: np.ndarray) -> None:
    pictures = to_model_range(pixels)
    settings = Views(side=32, flip=True, grey=0.5, blur=0.5)
    rows = list(range(COUNT))
    whole = views(pictures, rows, settings, seed=0, purpose="test", step=3)
    some = [7, 2, 11]
    assert torch.allclose(
        views(pictures[some], some, settings, seed=0, purpose="test", step=3), whole[some], atol=1e-6
    )
    assert not torch.allclose(views(pictures, rows, settings, seed=0, purpose="test", step=4), whole)
    assert whole.shape == (COUNT, 3, 32, 32)
    assert whole.abs().max() <= 1


def test_the_gentlest_view_is_the_picture(pixels: np.ndarray) -> None:
    pictures = to_model_range(pixels)
    still = Views(area=(1, 1), aspect=1, brightness=0, contrast=0, saturation=0, hue=0)
    assert torch.allclose(views(pictures, range(COUNT), still, 0, "test", 0), pictures, atol=1e-4)


def test_the_learning_rate_warms_up_stays_and_falls_to_zero() -> None:
    recipe = replace(RECIPE, steps=1_000, warmup=100, decay_from=0.6)
    rates = [learning_rate_factor(step, recipe) for step in range(recipe.steps + 1)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99:601] == [1.0] * 502
    assert rates[:100] == sorted(rates[:100])
    assert rates[600:] == sorted(rates[600:], reverse=True)
    assert rates[800] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < 0.011


def test_shipped_recipes_end_at_a_rate_near_zero() -> None:
    for recipe in (AUTOENCODER_RECIPE, clip.RECIPE, dino.RECIPE, judge.RECIPE):
        assert 0 < learning_rate_factor(recipe.steps - 1, recipe) < 1e-3
