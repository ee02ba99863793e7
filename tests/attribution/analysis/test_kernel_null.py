"""Laws of the nulls of projected gradients, on the features of the embedded world."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis import kernel_null as room
from attribution.analysis.significance import FEWEST, LEVEL, Null, related_captions
from attribution.gradients.features import D_TRAK, DAMPING, Features
from attribution.methods.base import Judged, method
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from tests.worlds import EMBEDDED

ASKED = 120  # training images as pictures that somebody asks about


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace.open(EMBEDDED / "workspace")


@pytest.fixture(scope="module")
def features(workspace: Workspace) -> Features:
    return workspace.load(D_TRAK)


def null_under(workspace: Workspace, name: str) -> Null:
    each = method(name)
    assert isinstance(each, Judged)
    null = each.null(workspace, Settings())
    assert null is not None
    return null


def test_training_images_as_queries_are_scored_as_queries_are(features: Features) -> None:
    rows = np.array([5, 700, 2999])
    queries = features.index.vectors[rows] * features.lengths[rows][:, None]
    every = np.arange(len(features.lengths))
    expected = features.scores(queries, every, DAMPING).T
    found = features.scores_under(rows, DAMPING)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_what_has_nothing_to_do_with_a_picture_seldom_stands_out(
    workspace: Workspace, features: Features
) -> None:
    """Law: Under D-TRAK unrelated images stand out as seldom as the level says, related ones often."""
    null = null_under(workspace, "d-trak")
    captions = workspace.training_set.captions
    rows = np.arange(7, len(captions), len(captions) // ASKED)[:ASKED]
    related = related_captions(captions, [captions[row] for row in rows])
    related[rows, np.arange(len(rows))] = True
    z = np.stack([null.z(each) for each in features.scores_under(rows, DAMPING).T.astype(float)], axis=1)
    out = z > null.threshold
    assert (out & ~related).any(axis=0).mean() < 2 * LEVEL
    itself = out[rows, np.arange(len(rows))]
    assert itself.mean() > 0.9
    out[rows, np.arange(len(rows))] = False
    assert (out & related).any(axis=0).mean() > 0.9


def test_a_null_is_the_same_whoever_asks_first(workspace: Workspace) -> None:
    first = null_under(workspace, "d-trak")
    assert null_under(workspace, "d-trak") is first  # remembered
    again = null_under(Workspace.open(EMBEDDED / "workspace"), "d-trak")
    assert (again.threshold, again.controls) == (first.threshold, first.controls)
    assert (again.mean == first.mean).all()


def test_methods_have_nulls_of_their_own(workspace: Workspace) -> None:
    nulls = {name: null_under(workspace, name) for name in ("trak", "d-trak", "das", "first-order")}
    assert len({null.threshold for null in nulls.values()}) == len(nulls)
    journey = method("journey-trak")
    assert isinstance(journey, Judged)
    assert journey.null(workspace, Settings()) is None


@pytest.mark.parametrize("most", [FEWEST, 2_999])
def test_there_is_none_of_too_few_images_or_too_many(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(room, "MOST", most)
    assert room.kernel_null(workspace, f"other {most}", lambda rows: pytest.fail("asked")) is None
