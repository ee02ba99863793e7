"""Laws of the study of the score: a variant differs in one thing, and each is what its name says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.errors import SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.models.base import DiffusionModel
from attribution.models.batch import Batch
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from evaluation import studies
from evaluation.score_variants import (
    DEFAULT,
    MEASURES,
    STATISTICS,
    VARIANTS,
    Laboratory,
    Variant,
    drawn,
    variants_named,
)
from evaluation.studies import Kept
from evaluation.studies.score import Score
from tests.attribution.methods.test_abu import final
from tests.evaluation.test_studies import finished
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

ROWS = np.array([1, 5, 8])
OPTIONS = {"seed": 11, "prompts": 1, "candidates": 24, "noises": 1, "variants": ["default", "mirrored"]}


def compared(workspace: Workspace, variant: Variant) -> np.ndarray:
    laboratory = Laboratory(workspace, ROWS, workspace.probe)
    return laboratory.answered(variant, query_of(workspace))


def rises(workspace: Workspace, variant: Variant) -> np.ndarray:
    found: np.ndarray = compared(workspace, variant)[MEASURES.index("rise of loss")]
    return found


def test_the_default_variant_is_abu_plus(tiny_world: Workspace) -> None:
    """Law: The study's default is the methods that are asked."""
    ids = tuple(tiny_world.training_set.ids[row] for row in ROWS)
    settings = quick({"draws": 256, "timesteps": 10}, effort="exhaustive", candidates=ids)
    answered = final(tiny_world, query_of(tiny_world), settings, "divergence", "abu-plus").rankings
    found = compared(tiny_world, DEFAULT).mean(axis=2)
    for method, measured in zip(("divergence", "abu-plus"), found, strict=True):
        scores = {entry.row: entry.score for entry in answered[method].entries}
        np.testing.assert_allclose(measured, [scores[row] for row in ROWS], rtol=2e-3, atol=1e-6)


def test_mirrored_rises_are_half_of_what_ascent_and_descent_differ_by(tiny_world: Workspace) -> None:
    variant = replace(DEFAULT, mirrored=True)
    laboratory, model = Laboratory(tiny_world, ROWS, tiny_world.probe), tiny_world.model
    context = QueryContext(tiny_world, query_of(tiny_world), Settings())

    def asked(model: DiffusionModel, purpose: str) -> tuple[Batch, None]:
        return drawn(model, variant, context.latent, context.conditioning, purpose), None

    up = laboratory.unlearned(variant, model, asked)
    down = {name: weight - (up[name] - weight) for name, weight in model.weights.items()}
    above, below = laboratory.measured(model, up), laboratory.measured(model, down)
    moved, risen = compared(tiny_world, variant)
    np.testing.assert_allclose(risen, (above.losses - below.losses) / 2, rtol=1e-4, atol=1e-6)
    apart = ((above.predictions - below.predictions) / 2).square().mean()
    times = torch.tensor(tiny_world.probe.timesteps)
    weight = model.parametrisation.weight.table
    assert weight is not None
    assert 0 < moved.mean() < float(apart * weight[times].max())


def test_many_steps_reach_the_same_rise(tiny_world: Workspace) -> None:
    variant = replace(DEFAULT, steps=3, draws=32)
    found = rises(tiny_world, variant)
    assert np.isfinite(found).all()
    assert not np.allclose(found, rises(tiny_world, replace(variant, steps=1)), rtol=1e-3)


def test_another_loss_has_another_curvature_and_other_rises(tiny_world: Workspace) -> None:
    weighed = rises(tiny_world, replace(DEFAULT, curvature="none"))
    plain = rises(tiny_world, replace(DEFAULT, curvature="none", weight="none"))
    assert np.abs(plain[:, -1]).mean() > 3 * np.abs(weighed[:, -1]).mean()  # t = 950 hardly counted


def test_statistics_are_of_scores_that_are_told_apart() -> None:
    found = np.zeros((2, 3, 4), np.float32)
    found[0, 1], found[1, 2] = 2.0, 3.0
    before = np.ones((1, 3, 4), np.float32)
    for name in ("mean", "ratio to the loss before", "less its null's mean"):
        assert STATISTICS[name](found, before).argmax(axis=1).tolist() == [1, 2], name


def test_a_variant_that_is_not_known_is_named() -> None:
    with pytest.raises(SettingsError, match="'magic'"):
        variants_named(["magic"])
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


def test_the_study_runs_and_is_gone_on_with(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "STEPS", 2)
    told, report = finished(Score().run(tiny_world, OPTIONS, Kept(tmp_path)))
    assert told == ["default: done", "mirrored: done"]
    for measure in MEASURES:
        assert set(report.figures[measure]) == {"default", "mirrored"}
        assert report.figures[measure]["default"]["apart"] == 0
    assert "divergence at 2 timesteps" in report.figures["statistics"]
    assert "| mirrored |" in report.markdown
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    finished(Score().run(tiny_world, OPTIONS, Kept(tmp_path)))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
