"""Laws of the page's test of answers, held against retraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attribution.analysis.counterfactual import CounterfactualSettings
from attribution.unlearning.image_set import Ascent
from attribution.workspace.workspace import Workspace
from evaluation.retraining.attributions import ask, read_all
from evaluation.retraining.panel import Panel
from evaluation.retraining.proof_lines import Answer, proof_lines
from evaluation.retraining.proofs import Proof, Prover, Shown

QUICK = CounterfactualSettings(Ascent(draws=8, calibration_draws=8), measuring_draws=8)


def shown(moved: float, error: float = 0.01, rise: float = 0.0) -> Shown:
    return Shown("target-00", rise, 0.1, moved, error, 10 * moved)


def answer(moved: float, effect: float, depends: bool, picture: str = "target-00") -> Answer:
    own = replace(shown(moved, rise=-moved), picture=picture)
    return Answer("abu", effect, depends, own, (shown(0.1), shown(0.2)))


def test_answers_are_unlearned_as_the_page_does_it(
    tiny_world: Workspace, panel: Panel, tmp_path: Path
) -> None:
    for _ in ask(tiny_world, panel, "pixel", tmp_path / "said", tmp_path / "work", boxed=False):
        pass
    prover = Prover(tiny_world, panel, k=3, controls=2, settings=QUICK)
    folder = tmp_path / "proofs"
    assert len(list(prover.prove_chance(folder))) == 2
    (found,) = read_all(tmp_path / "said", panel).values()
    assert len(list(prover.prove(found, folder))) == 2
    assert list(prover.prove(found, folder)) == []  # it is there
    chance, own = (Proof.read(folder / f"{name}.json") for name in ("chance", "pixel"))
    assert [each.picture for each in own.shown] == ["target-00", "target-01"]
    assert len(chance.shown) == 4
    for each in (*own.shown, *chance.shown):
        assert each.moved > 0
        assert each.moved_stderr > 0
        assert each.pixels > 0


def test_a_verdict_is_counted_right_where_retraining_agrees() -> None:
    answers = [
        answer(0.5, 0.3, depends=True),
        answer(0.4, 0.2, depends=False),
        answer(0.05, 0.0, depends=False),
        answer(0.21, 0.1, depends=True),  # not told apart from the larger control
    ]
    rise, moved, pixels = proof_lines(answers)
    assert (moved.borne_out, moved.right_yes, moved.refuted, moved.right_no) == (2, 1, 1, 1)
    assert (rise.borne_out, rise.refuted) == (0, 2)
    assert pixels.borne_out == 3
    assert moved.correlation == pytest.approx(1.0)
    assert rise.correlation == pytest.approx(-1.0)
    assert proof_lines([]) == []
