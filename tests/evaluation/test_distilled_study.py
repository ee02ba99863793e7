"""What is looked up, held against exhaustive answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attribution.workspace.workspace import Workspace
from benchmarks.cutting import cut
from evaluation import studies
from evaluation.studies import Kept
from evaluation.studies.distilled import CEILING, REFINED, STUDIES, compared
from tests.evaluation.test_studies import finished

FALLING = -np.arange(20.0)


def test_the_reference_itself_is_found_whole() -> None:
    assert compared(FALLING, FALLING, 5) == (1.0, 1.0, 1.0)


def test_the_reference_turned_round_is_found_last() -> None:
    recall, precision, rho = compared(-FALLING, FALLING, 5)
    places = np.arange(16, 21)
    assert (recall, rho) == (0.0, -1.0)
    assert precision == pytest.approx(np.mean(np.arange(1, 6) / places))


def test_images_that_were_not_measured_come_last() -> None:
    """Law: An answer about few images is compared by those alone, and has no correlation over all."""
    few = np.where(np.arange(20) % 2 == 0, FALLING, np.nan)
    recall, _, rho = compared(few, FALLING, 4)
    assert recall == 0.5
    assert np.isnan(rho)


@pytest.mark.slow
def test_what_is_looked_up_is_held_against_exhaustive_answers(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: What is looked up is held against what measuring every image finds; a run goes on."""
    monkeypatch.setattr(studies, "STEPS", 2)
    monkeypatch.setattr("evaluation.studies.distilled.FIRST", 5)
    few = cut(tiny_world, 30, tmp_path / "few")
    options = {"queries": 2, "seed": 0, "methods": ("clip", "random")}
    told, report = finished(STUDIES[0].run(few, options, Kept(tmp_path / "run")))
    assert told
    found = report.figures["methods"]
    assert found.keys() == {CEILING, REFINED, "clip", "random"}
    assert all(0 <= share <= 1 for each in found.values() for share in [*each["recall"], *each["map"]])
    assert np.mean(found[CEILING]["recall"]) > np.mean(found["random"]["recall"])
    assert report.markdown.index(CEILING) < report.markdown.index("`random`"), "the nearest first"
    told, again = finished(STUDIES[0].run(few, options, Kept(tmp_path / "run")))
    assert told == []
    assert again == report
