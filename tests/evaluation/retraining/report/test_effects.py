"""Laws of the figures: effects beyond chance, the linear datamodeling score, boxed contrasts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from evaluation.retraining.report.charts import LETTER, WIDTH, Line, Mark, Scale, interval_chart, line_chart
from evaluation.retraining.report.effects import Trained, beyond_chance, interval_of, share_of
from evaluation.retraining.report.lds import lds, rank_correlations, resampled
from evaluation.retraining.report.leads import lead_of
from evaluation.statistics import ratio_interval, spearman


def test_an_effect_is_beyond_what_chance_does() -> None:
    """Law: A random removal has no effect beyond chance, on average."""
    rng = np.random.default_rng(0)
    chance = 0.2 + 0.02 * rng.standard_normal((6, 8))
    effects = [beyond_chance([Trained(chance[k], np.delete(chance, k, axis=0))]).value for k in range(6)]
    assert np.mean(effects) == pytest.approx(0, abs=1e-12)
    assert beyond_chance([Trained(chance[0] + 0.3, chance)]).value == pytest.approx(
        chance[0].mean() + 0.3 - chance.mean()
    )


def test_intervals_hold_no_effect_as_often_as_they_say() -> None:
    """Law: Intervals of effects hold the truth about as often as they say, luck of training included."""
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(40):
        low, high = beyond_chance([_no_effect(rng, 7)], seed=trial).interval or (0.0, 0.0)
        held += low <= 0 <= high
    assert held / 40 > 0.8  # six draws of chance are few


def test_trainings_from_more_seeds_narrow_an_interval() -> None:
    """Law: What is trained from several seeds is held against chance of the same seed, and is surer."""
    rng = np.random.default_rng(2)
    held, widths = 0, []
    for trial in range(40):
        seeds = [_no_effect(rng, 5, shift=shift) for shift in (0.0, 0.5, -0.3)]  # a reference's own luck
        low, high = beyond_chance(seeds, seed=trial).interval or (0.0, 0.0)
        one, other = beyond_chance(seeds[:1], seed=trial).interval or (0.0, 0.0)
        held += low <= 0 <= high
        widths.append((high - low, other - one))
    assert held / 40 > 0.8
    three, alone = np.mean(widths, axis=0)
    assert three < 0.8 * alone  # luck alone would give 0.58


def _no_effect(rng: np.random.Generator, trainings: int, shift: float = 0.0) -> Trained:
    """A removal that is no more than chance, and chance: what differs is the luck of each training."""
    luck = 0.05 * rng.standard_normal((trainings, 1)) + 0.01 * rng.standard_normal((trainings, 8))
    rises = shift + 0.1 + 0.05 * rng.standard_normal(8) + luck
    return Trained(rises[0], rises[1:])


def test_a_lead_over_an_equal_is_none_as_often_as_its_interval_says() -> None:
    """Law: A method is not called ahead of another that is as good, the luck of both trainings included."""
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(60):
        one = _no_effect(rng, 6)
        other = Trained(one.chance[0], one.chance[1:])  # trained from the same seed, and no better
        first = Trained(one.removal, other.chance)
        low, high = lead_of([first], [other], seed=trial)[1] or (1.0, 1.0)
        held += low <= 0 <= high
    assert held / 60 > 0.8  # four draws of chance are few


def test_a_lead_is_the_mean_difference_picture_by_picture() -> None:
    first, second = np.array([3.0, 5.0, 4.0, 4.0]), np.array([1.0, 3.0, 2.0, 2.0])
    none = np.zeros((3, 4))
    value, ends, p = lead_of([Trained(first, none)], [Trained(second, none)])
    assert (value, ends) == (2.0, (2.0, 2.0))
    assert p is not None
    assert p < 0.001
    assert lead_of([Trained(first, none[:1])], [Trained(second, none[:1])]) == (2.0, None, None)


def test_a_share_of_an_equal_effect_carries_the_luck_of_both_trainings() -> None:
    """Law: A removal that does as much as another has a share of 1, within what luck makes of either."""
    rng = np.random.default_rng(4)
    held = 0
    for trial in range(60):
        one, other = (_no_effect(rng, 6, shift=1.0) for _ in range(2))
        chance = other.chance - 1.0
        share = share_of([Trained(one.removal, chance)], [Trained(other.removal, chance)], seed=trial)
        assert share is not None
        low, high = share[1]
        held += low <= 1 <= high
        over_pictures = ratio_interval(one.removal, other.removal)
        assert high - low > over_pictures[1] - over_pictures[0]
    assert held / 60 > 0.8
    assert share_of([Trained(one.removal, chance[:1])], [Trained(other.removal, chance[:1])]) is None


def test_one_random_removal_gives_no_interval() -> None:
    effect = beyond_chance([Trained(np.ones(3), np.zeros((1, 3)))])
    assert (effect.value, effect.interval, effect.spreads) == (1.0, None, None)


def test_a_method_that_knows_the_losses_has_a_score_of_one() -> None:
    """Law: The linear datamodeling score of the true influences is one, and that of none about zero."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((3, 40))
    left_out = rng.random((30, 40)) < 0.5
    losses = 1 + left_out @ truth.T
    assert lds(truth, left_out, losses) == pytest.approx(np.ones(3))
    assert lds(-truth, left_out, losses) == pytest.approx(-np.ones(3))
    chance = lds(rng.standard_normal((200, 40)), left_out, np.repeat(losses[:, :1], 200, axis=1))
    assert abs(chance.mean()) < 0.05
    low, high = interval_of(resampled(truth + rng.standard_normal(truth.shape), left_out, losses))
    assert 0.2 < low < high < 1


def test_rank_correlations_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(5, size=(12, 4)), rng.integers(5, size=(12, 4))
    expected = [spearman(one[:, k], other[:, k]) for k in range(4)]
    assert rank_correlations(one, other) == pytest.approx(expected)
    assert rank_correlations(np.ones((5, 1)), np.arange(5.0)[:, None]).tolist() == [0.0]


@pytest.mark.parametrize("values", [[0.013, -0.002], [4.0, 55.0], [0.0], [-3.0, -1.0]])
def test_scales_have_zero_and_everything_and_round_ticks(values: list[float]) -> None:
    scale = Scale.over(values, 10, 100)
    assert scale.low <= min(0.0, *values)
    assert scale.high >= max(0.0, *values)
    assert 2 <= len(scale.ticks) <= 9
    assert any(tick == pytest.approx(0, abs=1e-12) for tick in scale.ticks)


def test_charts_escape_what_they_name() -> None:
    drawn = interval_chart([("a<b", [Mark(0.1, (0.0, 0.2)), Mark(0.3)])], ("targets", "controls"), "rise")
    assert "a&lt;b" in drawn
    drawn = line_chart([Line("x&y", [(10, 0.1), (50, 0.4)])], "images left out", "rise")
    assert "x&amp;y" in drawn
    assert "40%" in drawn


def test_a_long_name_at_the_end_of_a_line_is_whole() -> None:
    name = "relative-divergence"
    drawn = line_chart([Line(name, [(0, 0.0), (50, 0.4)])], "images left out", "rise")
    start = float(re.search(rf"<text x='([\d.]+)'[^>]*>{name}<", drawn)[1])  # type: ignore[index]
    assert start + LETTER * len(name) <= WIDTH
