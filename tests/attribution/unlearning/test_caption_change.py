"""Laws of what is promising to unlearning that changes what captions mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.gradients.curvature import EigenKronecker
from attribution.gradients.stored import damped_curvature
from attribution.results import returned
from attribution.unlearning import caption_change
from attribution.unlearning.caption_change import caption_changes, reads_captions
from attribution.workspace.workspace import Workspace
from tests.attribution.methods.test_divergence import changes, unlearned

ROWS = np.arange(24)


@pytest.fixture(scope="module")
def curvature(tiny_world: Workspace) -> EigenKronecker:
    found = damped_curvature(tiny_world, "ekfac", 0.0)
    assert isinstance(found, EigenKronecker)
    return found


def read_otherwise(workspace: Workspace, curvature: EigenKronecker) -> np.ndarray:
    weights = unlearned(workspace).weights
    return returned(caption_changes("divergence", workspace, weights, curvature, ROWS))


def test_a_caption_is_read_otherwise_as_far_as_layers_say_other_things(
    tiny_world: Workspace, curvature: EigenKronecker
) -> None:
    """Law: What is promising is the sum of `y^T G y` over layers and tokens of a caption."""
    model, weights = tiny_world.model, unlearned(tiny_world).weights
    found = read_otherwise(tiny_world, curvature)
    for row in (0, 7):
        (tokens,) = model.encode_captions([tiny_world.training_set.captions[row]]).tokens.double()
        total = 0.0
        for name, weight in weights.items():
            basis = curvature.bases[name].double()
            factor = basis @ torch.diag(curvature.eigenvalues[name].double().mean(dim=1)) @ basis.T
            for token in tokens:
                change = (weight - model.weights[name]).double() @ token
                total += float(change @ factor @ change)
        assert found[row] == pytest.approx(total, rel=1e-4)


def test_images_of_one_caption_are_as_promising(tiny_world: Workspace, curvature: EigenKronecker) -> None:
    found, captions = read_otherwise(tiny_world, curvature), tiny_world.training_set.captions[: len(ROWS)]
    for caption in set(captions):
        alike = {found[row] for row in ROWS if captions[row] == caption}
        assert len(alike) == 1


def test_captions_are_encoded_once(
    tiny_world: Workspace, curvature: EigenKronecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reads_captions(tiny_world)
    weights = unlearned(tiny_world).weights
    monkeypatch.setattr(caption_change, "CAPTIONS", 5)
    first = returned(caption_changes("divergence", tiny_world, weights, curvature, ROWS))
    monkeypatch.setattr(type(tiny_world.model), "encode_captions", lambda *_: pytest.fail("they are kept"))
    again = returned(caption_changes("divergence", tiny_world, weights, curvature, ROWS))
    np.testing.assert_array_equal(again, first)


def test_what_is_promising_is_what_moves(tiny_world: Workspace, curvature: EigenKronecker) -> None:
    promising = read_otherwise(tiny_world, curvature)
    moved = changes(tiny_world, unlearned(tiny_world).weights, ROWS.tolist()).mean(axis=(1, 2))
    best = np.argsort(-moved)[:4]
    assert np.isin(best, np.argsort(-promising)[:12]).all()
