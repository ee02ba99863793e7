"""Laws of what single sections of the evidence are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.retraining.panel import Panel
from evaluation.retraining.report.effects import union_lines
from evaluation.retraining.report.evidence import Evidence, made_on
from evaluation.retraining.report.halves import chosen, held_out
from evaluation.retraining.report.lds import lds_lines
from evaluation.retraining.report.objects import named
from evaluation.retraining.report.rounding import trained_twice
from evaluation.retraining.report.singles import curves_of
from evaluation.retraining.report.varied import varied_lines


def test_what_one_half_of_the_targets_chose_is_held_against_the_other(evidence: Evidence) -> None:
    """Law: A method that is best on one half of the targets is reported by its effect on the other half."""
    effects = {"even": {"fickle": 0.9, "steady": 0.5}, "odd": {"fickle": 0.1, "steady": 0.4}}
    fickle, steady = chosen(7, effects)
    assert (fickle.method, fickle.first, fickle.effect, fickle.place) == ("fickle", 0.9, 0.1, 2)
    assert (steady.method, steady.first, steady.effect, steady.place) == ("steady", 0.4, 0.5, 2)
    assert (fickle.chosen_on, fickle.held_on, steady.chosen_on) == ("even", "odd", "odd")
    series = evidence.main
    assert series is not None
    for k in (2, 3):
        lines = held_out(series, k)
        assert [(x.method, x.chosen_on) for x in lines] == [("knowing", "even"), ("knowing", "odd")]
        (whole,) = (x.targets["loss"] for x in union_lines(series) if (x.method, x.k) == ("knowing", k))
        assert np.mean([x.effect for x in lines]) == pytest.approx(whole.value)  # two targets


def test_what_was_trained_again_is_no_further_draw_of_chance(evidence: Evidence) -> None:
    """Law: A training on another device is held against the first one, and counts nowhere else."""
    series = evidence.main
    assert series is not None
    assert len(series.chance(2)) == 4
    twice = trained_twice(evidence)
    assert [made_on(each.first) for each in twice] == ["cpu"] * len(twice)
    assert [made_on(each.second) for each in twice] == ["cuda"] * len(twice)
    assert len(twice) == 1 + 2 * (4 + 3)  # nothing; for each K four by chance, the oracle, two methods
    assert all(np.allclose(each.apart, 0) for each in twice)  # no rounding in this world


def test_an_object_that_has_changed_sides_is_not_gone(evidence: Evidence, panel: Panel) -> None:
    """Law: An object is gone from a picture made again if the judge finds it on neither side."""
    series = evidence.main
    assert series is not None
    record = series.references[0]
    pictures = len(panel.pictures)
    left, right = ([getattr(picture, side) for picture in panel.pictures] for side in ("left", "right"))
    for seen, expected in (((left, right), (1, 1)), ((right, left), (1, 1)), ((right, right), (0, 1))):
        verdicts: dict[str, list[str]] = dict(zip(("said-left", "said-right"), seen, strict=True))
        found = named(replace(record, verdicts=verdicts), panel)
        assert found is not None
        assert (found == np.tile(expected, (pictures, 1))).all()
    assert named(replace(record, verdicts={}), panel) is None


def test_a_way_of_scoring_is_chosen_on_one_half_and_held_on_the_other(evidence: Evidence) -> None:
    """Law: Ways of scoring are ordered by one half of the pictures and reported on the other."""
    series = evidence.main
    assert series is not None
    found = evidence.variants(series.panel)
    knowing, guessing = found["default"].scores, found["damping 1"].scores
    scores = np.where((np.arange(len(knowing)) % 2 == 0)[:, None], knowing, guessing)
    fickle = replace(found["default"], method="fickle", scores=scores * np.array([2.0]))
    usual, other, worst = varied_lines(series, {**found, "fickle": fickle})
    assert [usual.name, other.name] == ["default, relative divergence", "fickle"]
    assert other.chosen_on == pytest.approx(usual.chosen_on)  # a unit changes nothing
    assert usual.held_on > 0.8 > 0.5 > max(other.held_on, worst.held_on, worst.chosen_on)
    assert usual.ahead is None
    for line in (other, worst):
        assert line.ahead is not None
        assert line.ahead[0] == pytest.approx(line.held_on - usual.held_on)
        assert line.ahead[1][1] < 0
        assert line.p is not None
        assert line.p < 0.05
    lines = {line.method: line for line in lds_lines(series, evidence.scores_of_all(series.panel))}
    assert np.mean([usual.chosen_on, usual.held_on]) == pytest.approx(lines["knowing"].score)
    broken = replace(found["damping 1"], scores=np.full_like(guessing, np.nan))
    assert [x.name for x in varied_lines(series, {**found, "damping 1": broken})] == [usual.name]


def test_a_single_picture_loses_more_than_the_others_without_what_it_came_from(evidence: Evidence) -> None:
    """Law: Without the images that a picture came from its loss rises more than by luck or by chance."""
    series = evidence.main
    assert series is not None
    for picture in ("target-00", "target-01"):
        by = {curve.method: curve for curve in curves_of(series, picture)}
        beyond = {method: curve.rises[3] - curve.others[3][0] for method, curve in by.items()}
        assert beyond["knowing"] > 2 * max(abs(beyond["guessing"]), abs(beyond["chance"])), beyond
