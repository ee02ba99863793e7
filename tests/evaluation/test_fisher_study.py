"""Laws of the study of the Fisher information, and of the one that is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attribution.gradients.stored import EKFAC, FISHER, KFAC
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace
from evaluation.studies import Kept
from evaluation.studies.fisher import Fisher
from precompute.jobs.curvature import ENOUGH
from tests.evaluation.test_studies import finished
from tests.worlds import EMBEDDED, ROOT


@pytest.mark.parametrize("kind", [FISHER, KFAC, EKFAC], ids=lambda kind: kind.name)
def test_every_layer_of_the_embedded_curvature_rests_on_enough_draws(
    kind: ArtifactKind[Any],
) -> None:
    """Law: Each layer of the embedded world's curvature rests on 200 draws or more."""
    measured = Workspace.open(EMBEDDED / "workspace").artifact(kind).manifest["measured"]
    assert min(measured["effective_draws"].values()) >= ENOUGH
    assert max(measured["cut_shares"].values()) < 0.5


def test_the_same_seed_has_the_same_traces_and_another_others(
    tmp_path: Path, tiny_world: Workspace
) -> None:
    told, report = finished(Fisher().run(tiny_world, {"seeds": 1, "seed": 0}, Kept(tmp_path)))
    assert told == ["seed 1: 64 of 96 images", "seed 1: 96 of 96 images"]
    ratios = [ratio for (ratio,) in report.figures["ratios"].values()]
    assert all(0.5 < ratio < 2 and ratio != 1 for ratio in ratios)
    assert "| rests on |" in report.markdown


def test_two_seeds_agree_in_every_layer_of_the_shipped_world() -> None:
    """Law: On the shipped world another seed's Fisher information is within 10% in every layer.

    As the study measured it (minutes); what is shipped must be what it was measured of.
    """
    found = json.loads((ROOT / "docs" / "evaluation" / "fisher.json").read_text(encoding="utf-8"))
    manifest = Workspace.open(EMBEDDED / "workspace").artifact(FISHER).manifest
    assert found["effective_draws"] == manifest["measured"]["effective_draws"]
    assert found["cut_shares"] == manifest["measured"]["cut_shares"]
    assert set(found["ratios"]) == set(found["effective_draws"])
    for layer, ratios in found["ratios"].items():
        assert ratios, layer
        assert all(0.9 < ratio < 1.1 for ratio in ratios), layer
