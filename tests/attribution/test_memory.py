"""Laws of memory: a person says how many draws one pass takes, and nothing depends on it but rounding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.__main__ import arguments as page_arguments
from app.events.context import PageContext
from attribution.__main__ import main as attribution_main
from attribution.analysis.control_queries import control
from attribution.analysis.counterfactual import CounterfactualSettings
from attribution.analysis.counterfactual_check import check_picture, check_ranking
from attribution.engine import attribute
from attribution.gradients.draw_gradient import BLOCK, gradient_over_draws
from attribution.models import autoencoder
from attribution.models.base import Generation
from attribution.models.batch import Conditioning
from attribution.models.draws import stratified_draws
from attribution.models.stable_diffusion import PipelineModel
from attribution.models.throughput import draws_per_second
from attribution.query import Query, Settings
from attribution.results import Attribution
from attribution.unlearning.image_set import Ascent
from attribution.workspace.workspace import Workspace
from tests.worlds import TINY
from tests.worlds.linear_model import LinearModel
from tests.worlds.settings import quick

AT_ONCE = 6
METHODS = (
    "first-order", "relatif", "abu", "abu-plus", "divergence", "mucs", "influence", "trak", "d-trak", "das",
    "journey-trak",
)  # fmt: skip
QUICK = {"draws": 16, "calibration_draws": 8, "held_out": 8, "steps": 3, "noises": 2}
SETTINGS = quick(QUICK, effort="exhaustive", candidates=8)


class Watch:
    """The draws of every pass that was taken through a model's denoiser."""

    def __init__(self, model: PipelineModel, patch: pytest.MonkeyPatch) -> None:
        self.passes: list[int] = []
        for name in ("predict", "loss_and_factors", "whole_gradient"):
            patch.setattr(model, name, self._counted(getattr(model, name)))

    def _counted(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            self.passes += [len(each) for each in given if hasattr(each, "times")]
            return work(*given, **named)

        return counted


@pytest.fixture
def query(tiny_world: Workspace) -> Query:
    made = Generation("a red bus on a street", 3, steps=3)
    *_, last = tiny_world.model.generate(made)
    assert last.image is not None
    return Query(last.image, made.prompt, generation=made)


def watched(patch: pytest.MonkeyPatch, batch_size: int = 256) -> tuple[Workspace, Watch]:
    """The tiny world with nothing remembered, on a machine with memory for passes of that size."""
    workspace = Workspace.open(TINY / "workspace", batch_size=batch_size)
    assert isinstance(workspace.model, PipelineModel)
    return workspace, Watch(workspace.model, patch)


def scores_of(workspace: Workspace, query: Query, settings: Settings, name: str) -> np.ndarray:
    """By row of the training set."""
    *_, last = attribute(workspace, query, [name], settings)
    assert isinstance(last, Attribution)
    ranking = last.rankings[name]
    return ranking.scores[np.argsort(ranking.rows)]


@pytest.mark.parametrize("name", METHODS)
def test_no_method_takes_more_draws_at_once_than_was_asked_for(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch, query: Query, name: str
) -> None:
    """Law: No pass of any method takes more draws than was asked for, and scores differ by rounding."""
    expected = scores_of(tiny_world, query, SETTINGS, name)
    for machine, asked in ((AT_ONCE, 256), (256, AT_ONCE)):
        workspace, watch = watched(monkeypatch, machine)
        found = scores_of(workspace, query, replace(SETTINGS, batch_size=asked), name)
        assert max(watch.passes) <= AT_ONCE
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max())


def test_neither_does_a_test_of_an_answer(monkeypatch: pytest.MonkeyPatch, query: Query) -> None:
    """Law: No pass of a test of an answer, or of a control query, takes more draws than was asked for."""
    workspace, watch = watched(monkeypatch, AT_ONCE)
    settings = CounterfactualSettings(
        Ascent(target_rise=0.1, draws=8, calibration_draws=8),
        picture_rise=0.1, controls=1, measuring_draws=8, survivors=1,
    )  # fmt: skip
    for check in (
        check_ranking(workspace, query, (0, 7), settings),
        check_picture(workspace, query, settings),
    ):
        *_, last = check
        assert last.outcome is not None
    assert max(watch.passes) <= AT_ONCE
    watch.passes.clear()
    control(workspace, 7, batch_size=5)
    draws_per_second(workspace.model, batch_size=5)
    assert max(watch.passes) == 5


def test_halves_of_a_gradient_do_not_depend_on_the_batch_size() -> None:
    model = LinearModel()
    caption = Conditioning(torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1)))
    draws = stratified_draws(model, 2 * BLOCK + 10, seed=0, purpose="unlearning")
    batch = draws.of(torch.zeros(1, *model.latent_shape), caption)
    *_, whole = gradient_over_draws(model, batch)
    assert whole.halves is not None
    for batch_size in (1, 7, 300):
        *_, part = gradient_over_draws(model, batch, batch_size=batch_size)
        assert part.halves is not None
        for found, expected in zip(part.halves, whole.halves, strict=True):
            torch.testing.assert_close(found["w"], expected["w"])
    assert [step.draws for step in gradient_over_draws(model, batch, batch_size=300)] == [64, 128, 138]
    assert [step.draws for step in gradient_over_draws(model, batch, batch_size=50)][:3] == [50, 64, 114]


def test_large_pictures_are_encoded_one_by_one(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = tiny_world.model, []
    assert isinstance(model, PipelineModel)
    encode = model.vae.encode

    def counted(pixels: Tensor) -> Any:
        seen.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(model.vae, "encode", counted)
    images = [tiny_world.training_set.image(row).resize((64, 64)) for row in range(3)]
    together = model.encode_images(images)
    monkeypatch.setattr(autoencoder, "ENCODE_PIXELS", 64 * 64)
    torch.testing.assert_close(model.encode_images(images), together)
    assert seen == [3, 1, 1, 1]


def test_every_command_line_that_asks_takes_a_batch_size(tiny_world: Workspace, tmp_path: Path) -> None:
    out, picture = tmp_path / "answer.json", tmp_path / "picture.png"
    tiny_world.training_set.image(0).save(picture)
    given = [picture, "--caption", "a bus", "--workspace", tiny_world.folder, "--method", "random"]
    assert attribution_main([*map(str, given), "--batch-size", "3", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["settings"]["batch_size"] == 3
    assert page_arguments(["--batch-size", "3"]).batch_size == 3
    assert page_arguments([]).batch_size is None  # as many as are quick


@pytest.mark.parametrize("problem", [MemoryError(), torch.OutOfMemoryError("CUDA: 1 GiB")])
def test_the_page_says_what_mends_it_when_memory_runs_out(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PageContext, "at_rest", lambda _, words: words)
    told = PageContext.failed(object.__new__(PageContext), problem)
    assert "with a smaller --batch-size" in str(told)
