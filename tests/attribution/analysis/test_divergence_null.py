"""Laws of the null of divergences: on numbers drawn for it, and on the tiny world."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attribution.analysis import divergence_null as room
from attribution.analysis.control_queries import SEED, control_query
from attribution.analysis.divergence_null import CONTROL_DIVERGENCES, divergence_null, scale_rows
from attribution.analysis.significance import LEVEL
from attribution.engine import attribute
from attribution.errors import MismatchError
from attribution.methods.base import Judged, method
from attribution.methods.divergence import DivergenceOptions
from attribution.query import Settings
from attribution.results import Attribution, Scores
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.jobs import control_divergences as job
from precompute.jobs.control_divergences import ControlDivergences
from tests.worlds import TINY
from tests.worlds.controls import noisy, picture_of
from tests.worlds.queries import query_of

IMAGES, CONTROLS = 400, 60
UNRELATED = np.zeros((IMAGES, CONTROLS), bool)


def drawn(rng: np.random.Generator, queries: int) -> np.ndarray:
    """Divergences as products: of what moves easily, of how far a picture moves all, and of chance."""
    easily = rng.lognormal(0, 1.5, (IMAGES, 1)) if queries == CONTROLS else np.ones((IMAGES, 1))
    return easily * rng.lognormal(0, 2, (1, queries)) * rng.lognormal(0, 0.4, (IMAGES, queries))


def z_of(divergences: np.ndarray, under: np.ndarray) -> tuple[np.ndarray, float]:
    null = divergence_null(divergences, UNRELATED)
    scores = Scores(np.arange(IMAGES), under)
    found = null.held_against(scores, null.scale(under[null.rows]), np.ones(IMAGES))
    assert found.z is not None
    return found.z, null.null.threshold


def test_how_far_a_picture_moves_everything_says_nothing() -> None:
    """Law: What stands out depends neither on how far a picture moves all nor on what moves easily."""
    rng = np.random.default_rng(0)
    controls, easily = drawn(rng, CONTROLS), rng.lognormal(0, 2, IMAGES)
    under = controls[:, 0] * rng.lognormal(0, 0.2, IMAGES)
    z, threshold = z_of(controls, under)
    again, same = z_of(controls * easily[:, None], under * easily * 1e-7)
    np.testing.assert_allclose(again, z, atol=1e-9)
    assert same == pytest.approx(threshold)


def test_unrelated_images_seldom_stand_out_and_related_ones_do() -> None:
    """Law: As few unrelated pictures have any image stand out of its divergences as the level says."""
    rng = np.random.default_rng(1)
    every = drawn(rng, 1_060)
    controls = np.exp(np.log(every[:, :CONTROLS]))
    outcomes = [z_of(controls, every[:, number]) for number in range(CONTROLS, 160)]
    wrong = np.mean([(z > threshold).any() for z, threshold in outcomes])
    assert wrong < 4 * LEVEL  # of 100 pictures, held against 60 controls
    under = every[:, 200].copy()
    under[7] *= 30
    z, threshold = z_of(controls, under)
    assert z[7] > threshold


def test_the_images_of_the_scale_are_always_the_same() -> None:
    assert (scale_rows(3_000) == scale_rows(3_000)).all()
    assert len(set(scale_rows(3_000).tolist())) == 32
    assert scale_rows(12).tolist() == list(range(12))


@pytest.fixture(scope="module")
def judged_world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny world with controls that nobody generated and unlearned: training images, and noise."""
    root = tmp_path_factory.mktemp("judged") / "tiny"
    shutil.copytree(TINY, root)
    folder = root / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "control_query", picture_of)
        patch.setattr(job, "unlearned", noisy)
        assert main(["control-divergences", "--workspace", str(folder), "--controls", "31"]) == 0
    return Workspace.open(folder)


def test_scores_say_how_far_they_stand_out(judged_world: Workspace) -> None:
    """Law: With control queries unlearned, divergences have a z, and both kinds of them the same."""
    names = ["divergence", "relative-divergence"]
    settings = Settings(effort="exhaustive", candidates=12)
    *_, answer = attribute(judged_world, query_of(judged_world), names, settings)
    assert isinstance(answer, Attribution)
    one, other = (answer.rankings[name] for name in names)
    assert one.z is not None
    assert other.z is not None
    assert one.details["controls"] == 31
    assert dict(zip(one.rows.tolist(), one.z.tolist(), strict=True)) == pytest.approx(
        dict(zip(other.rows.tolist(), other.z.tolist(), strict=True))
    )


def test_answers_that_were_asked_otherwise_have_no_null(judged_world: Workspace) -> None:
    each = method("divergence")
    assert isinstance(each, Judged)
    assert each.null(judged_world, Settings()) is not None
    otherwise: list[dict[str, Any]] = [{"draws": 64}, {"alpha": 1.0}, {"timesteps": 1}]
    for options in (DivergenceOptions(**each) for each in otherwise):
        assert each.null(judged_world, Settings(options={"divergence": options})) is None
    assert each.null(Workspace.open(TINY / "workspace"), Settings()) is None


def test_a_null_of_another_curvature_is_refused(
    judged_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "curvature_checksum", lambda *_: "another")
    with pytest.raises(MismatchError, match="precompute control-divergences"):
        Workspace.open(judged_world.folder).load(CONTROL_DIVERGENCES)


@pytest.mark.slow
def test_controls_are_unlearned_as_pictures_are(tiny_world: Workspace) -> None:
    """Law: A control's divergences are those of its picture, asked about as anybody's is."""
    chunk = ControlDivergences().chunk(tiny_world, range(2, 3), 64)
    row, query = control_query(tiny_world, SEED + 2)
    settings = Settings(effort="exhaustive", seed=SEED + 2)
    *_, answer = attribute(tiny_world, query, ["divergence"], settings)
    assert isinstance(answer, Attribution)
    ranking = answer.rankings["divergence"]
    assert chunk["captions"].tolist() == [row]
    found = chunk["divergences"][0, ranking.rows]
    assert np.corrcoef(np.log(found), np.log(ranking.scores))[0, 1] > 0.9  # at one noise, and at two


def test_all_does_not_make_it(tiny_world: Workspace) -> None:
    assert not tiny_world.has(CONTROL_DIVERGENCES)
    of_few = replace(ControlDivergences(), controls=31)
    assert of_few.count(tiny_world) == 31
    assert of_few.settings(tiny_world)["timesteps"] == DivergenceOptions().timesteps
