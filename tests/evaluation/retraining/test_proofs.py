"""Laws of the page's test of answers, held against retraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.analysis.counterfactual import CounterfactualSettings
from attribution.unlearning.image_set import Ascent
from attribution.workspace.workspace import Workspace
from evaluation.retraining.attributions import ask, read_all
from evaluation.retraining.panel import CONTROL, Panel
from evaluation.retraining.proofs import Proof, Prover, Shown
from evaluation.retraining.report.effects import Trained
from evaluation.retraining.report.proof_lines import Answer, beyond_luck, held_out_line, proof_lines

QUICK = CounterfactualSettings(Ascent(draws=8, calibration_draws=8), measuring_draws=8)


def shown(moved: float, error: float = 0.01, rise: float = 0.0, named_for: str = "") -> Shown:
    return Shown("target-00", rise, 0.1, moved, error, 10 * moved, named_for)


def answer(moved: float, effect: float, depends: bool, picture: str = "target-00") -> Answer:
    own = replace(shown(moved, rise=-moved, named_for="target-00"), picture=picture)
    return Answer("abu", effect, depends, False, own, (shown(0.1), shown(0.2)))


def unrelated(moved: float) -> Answer:
    related = answer(moved, 0.0, depends=False)
    return replace(related, own=replace(related.own, picture="control-00", pixels=None))


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
        assert each.pixels is not None
        assert each.pixels > 0
    controls = [panel.pictures[row].name for row in panel.rows(CONTROL)]
    assert [(x.named_for, x.picture) for x in own.unrelated] == [
        (target.picture, control) for target in own.shown for control in controls
    ]
    assert len(chance.unrelated) == 2 * len(controls)
    assert all(each.moved > 0 and each.pixels is None for each in own.unrelated)


def test_a_verdict_is_counted_right_where_retraining_agrees() -> None:
    answers = [
        answer(0.5, 0.3, depends=True),
        answer(0.4, 0.2, depends=False),
        answer(0.05, 0.0, depends=False),
        answer(0.19, 0.1, depends=True),  # beyond 1.25 times the mean of the controls, but not clearly
    ]
    rise, moved, pixels = proof_lines(answers)
    assert (moved.answers, moved.borne_out, moved.agreed, moved.otherwise) == (4, 0.5, 0.5, 0.5)
    assert moved.always == 0.0  # of those that hold none does so from every seed
    assert (rise.borne_out, rise.agreed, rise.otherwise) == (0, None, 0.5)
    assert pixels.borne_out == 0.75  # no error is known of them
    assert moved.correlation == pytest.approx(1.0)
    assert rise.correlation == pytest.approx(-1.0)
    assert proof_lines([]) == []


def test_what_was_named_for_another_picture_is_counted_apart() -> None:
    answers = [answer(0.5, 0.3, depends=True), answer(0.15, 0.2, depends=True)]
    answers += [unrelated(0.4), unrelated(0.1), unrelated(0.2)]
    _, moved, pixels = proof_lines(answers)
    assert (moved.answers, moved.borne_out) == (2, 0.5)
    assert (moved.unrelated, moved.false) == (3, pytest.approx(1 / 3))
    assert moved.told_apart == pytest.approx(4 / 6)  # 0.5 is above all three, 0.15 above one
    assert (pixels.unrelated, pixels.told_apart) == (0, None)


@pytest.mark.parametrize("draws", [(6,), (6, 4, 4)])
def test_an_answer_that_does_no_more_than_luck_holds_as_seldom_as_said(draws: tuple[int, ...]) -> None:
    """Law: An answer that does what random images do holds one time in twenty, with any seeds trained."""
    rng = np.random.default_rng(0)
    pictures = 4_000  # each a world of its own
    found = [_trained(rng, count, pictures, effect=0.0) for count in draws]
    assert (beyond_luck(found) < 0.05).mean() == pytest.approx(0.05, abs=0.012)  # three and a half errors
    real = [_trained(rng, count, pictures, effect=1.5) for count in draws]
    assert (beyond_luck(real) < 0.05).mean() > 0.3
    alone = [replace(each, chance=each.chance[:1]) for each in real]
    assert (beyond_luck(alone) == 1).all()  # luck is not known


def test_random_sets_that_differ_make_the_test_stricter_and_not_looser() -> None:
    """Law: Where random sets differ by what is in them, an answer holds no oftener for it."""
    rng = np.random.default_rng(2)
    pictures = 4_000
    sets = 0.6 * rng.standard_normal((4, pictures))  # the same sets in each seed, as they are planned
    found = [_trained(rng, 4, pictures, effect=0.0) for _ in range(3)]
    found = [replace(each, chance=each.chance + sets - sets.mean(axis=0)) for each in found]
    assert (beyond_luck(found) < 0.05).mean() < 0.05


def test_more_seeds_make_a_true_answer_hold_oftener() -> None:
    """Law: An answer that is true holds the oftener, the more seeds were trained."""
    rng = np.random.default_rng(1)
    seeds = [_trained(rng, 4, 2_000, effect=1.5) for _ in range(3)]
    one, three = ((beyond_luck(some) < 0.05).mean() for some in (seeds[:1], seeds))
    assert three > one + 0.2


def _trained(rng: np.random.Generator, draws: int, pictures: int, effect: float) -> Trained:
    """A removal that raises the loss by so many of luck's spreads; a reference's own luck shifts all."""
    rises = rng.standard_normal() + rng.standard_normal((1 + draws, pictures))
    return Trained(rises[0] + effect, rises[1:])


def test_the_rule_is_reported_for_pictures_that_it_was_not_chosen_on() -> None:
    chosen_on = answer(0.5, 0.3, depends=True)
    other = answer(0.05, 0.3, depends=True, picture="target-01")
    other = replace(other, own=replace(other.own, named_for="target-01"))
    found = held_out_line([chosen_on, other])
    assert found is not None
    assert (found.answers, found.borne_out) == (1, 0.0)
    assert held_out_line([chosen_on]) is None
