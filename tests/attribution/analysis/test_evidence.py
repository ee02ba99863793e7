"""Laws of the figures that retraining has found for a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from attribution.analysis.evidence import FILE, Estimate, Evidence, MethodEvidence, evidence_of
from attribution.errors import ResultError
from attribution.workspace.workspace import Workspace

FOUND = Evidence(
    1, "of set", ("of model",), "demo-2500", 8, 50, {"abu": MethodEvidence(Estimate(0.1, 0.05, 0.2))}
)


def of(folder: Path, model: str = "of model", training_set: str = "of set") -> Evidence | None:
    workspace = create_autospec(Workspace, instance=True)
    workspace.folder, workspace.fingerprints = folder, {"model": model}
    workspace.training_set.fingerprint = training_set
    return evidence_of(workspace)


def test_evidence_is_of_the_models_and_the_training_set_that_it_names(tmp_path: Path) -> None:
    """Law: Evidence is of the models and the training set that it names, and of no other."""
    assert of(tmp_path) is None
    (tmp_path / FILE).write_text(FOUND.to_json())
    assert of(tmp_path) == FOUND
    assert of(tmp_path, model="another") is None
    assert of(tmp_path, training_set="another") is None
    assert FOUND.of("nobody") == MethodEvidence()


@pytest.mark.parametrize("text", ["", "{}", FOUND.to_json().replace("0.1", '"much"')])
def test_damaged_evidence_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ResultError, match=f"{FILE} is damaged"):
        of(tmp_path)


def test_no_figure_is_infinite() -> None:
    with pytest.raises(ValueError, match="finite"):
        replace(FOUND, methods={"abu": MethodEvidence(Estimate(float("nan"), 0, 0))})


def test_a_workspace_has_none_before_it_is_measured(tiny_world: Workspace) -> None:
    assert evidence_of(tiny_world) is None
