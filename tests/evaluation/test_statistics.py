"""Laws of the evaluation's statistics."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation import statistics


def test_precision_counts_only_the_first_k() -> None:
    ranked = ["a", "b", "c", "d"]
    assert statistics.precision_at(2, ranked, {"a", "d"}) == 0.5
    assert statistics.precision_at(4, ranked, {"a", "d"}) == 0.5
    assert statistics.precision_at(1, ranked, {"d"}) == 0.0


@pytest.mark.parametrize("k", [0, 5])
def test_precision_beyond_what_was_ranked_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        statistics.precision_at(k, ["a", "b", "c", "d"], {"a"})


def test_a_random_ranking_has_the_base_rate_on_average() -> None:
    names, relevant = [str(i) for i in range(100)], {str(i) for i in range(13)}
    draw = np.random.default_rng(0)
    shares = [statistics.precision_at(20, list(draw.permutation(names)), relevant) for _ in range(2_000)]
    assert statistics.share(names, relevant) == 0.13
    assert np.mean(shares) == pytest.approx(0.13, abs=0.005)


def test_the_ceiling_is_what_a_perfect_ranking_reaches() -> None:
    names, relevant = [str(i) for i in range(100)], {str(i) for i in range(13)}
    perfect = sorted(names, key=lambda name: name not in relevant)
    assert statistics.best_precision_at(20, names, relevant) == 13 / 20
    assert statistics.precision_at(20, perfect, relevant) == 13 / 20
    assert statistics.best_precision_at(10, names, relevant) == 1.0


def test_locality_of_a_method_that_ignores_the_box_is_zero() -> None:
    left, right = np.array([0.3, 0.9, 0.0]), np.array([0.1, 0.0, 0.5])
    assert statistics.locality(left, left, right, right).tolist() == [0, 0, 0]


def test_locality_of_a_method_that_sees_only_the_box_is_its_precision() -> None:
    left, right, none = np.array([0.4, 1.0]), np.array([0.2, 1.0]), np.zeros(2)
    assert statistics.locality(left, none, right, none).tolist() == pytest.approx([0.3, 1.0])


def test_locality_of_exchanged_boxes_is_the_opposite() -> None:
    p = np.random.default_rng(0).random((4, 7))
    there = statistics.locality(p[0], p[1], p[2], p[3])
    back = statistics.locality(p[1], p[0], p[3], p[2])
    np.testing.assert_allclose(there, -back)


def test_the_bootstrap_interval_of_a_mean_is_the_normal_one_for_many_prompts() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=400)
    low, high = statistics.mean_interval(values)
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - error, abs=0.002)
    assert high == pytest.approx(values.mean() + error, abs=0.002)


def test_the_bootstrap_interval_of_a_constant_is_that_constant() -> None:
    assert statistics.mean_interval(np.full(20, 0.25)) == (0.25, 0.25)
    assert statistics.ratio_interval(np.full(20, 0.6), np.full(20, 0.2)) == pytest.approx((3.0, 3.0))


def test_a_ratio_is_resampled_with_its_base() -> None:
    base = np.random.default_rng(2).random(30) + 0.1
    assert statistics.ratio_interval(2 * base, base) == pytest.approx((2.0, 2.0))


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    intervals = [
        statistics.mean_interval(draw.normal(1.0, 1.0, size=40), resamples=400, seed=i) for i in range(400)
    ]
    covered = np.mean([low <= 1.0 <= high for low, high in intervals])
    assert 0.91 <= covered <= 0.97


def test_the_bootstrap_interval_is_that_of_resampling_by_hand() -> None:
    columns = np.random.default_rng(0).random((12, 2))
    drawn = np.random.default_rng(3).integers(12, size=(statistics.RESAMPLES, 12))
    means = columns[drawn].mean(axis=1)
    slow = np.quantile(means[:, 0] / means[:, 1], [0.025, 0.975])
    assert statistics.ratio_interval(*columns.T, seed=3) == pytest.approx(slow, rel=1e-12)
    assert statistics.mean_interval(np.array([0.4])) == (0.4, 0.4)


def test_rank_correlation_is_that_of_mean_ranks_over_whole_pairs() -> None:
    one, other = np.array([3.0, 1, 1, 2, np.nan]), np.array([9.0, 4, 5, np.nan, 1])
    assert statistics.spearman(one, other) == pytest.approx(np.corrcoef([3, 1.5, 1.5], [3, 1, 2])[0, 1])
    assert np.isnan(statistics.spearman(np.ones(4), np.arange(4.0)))


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(4).random(25)
    assert statistics.mean_interval(values, seed=5) == statistics.mean_interval(values, seed=5)
    assert statistics.mean_interval(values, seed=5) != statistics.mean_interval(values, seed=6)


def test_holm_is_as_in_his_paper_and_keeps_the_order() -> None:
    """The example of many textbooks: p times what is left, never below one before it."""
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_p_value_of_resamples_counts_the_other_side_twice() -> None:
    assert statistics.two_sided(np.array([1.0] * 98 + [-1.0])) == pytest.approx(2 * 2 / 100)
    assert statistics.two_sided(np.full(99, 2.0)) == pytest.approx(0.02)  # no less can be told
    assert statistics.two_sided(np.array([-1.0, 1.0])) == 1.0


def test_values_of_one_group_are_resampled_together() -> None:
    """Law: An interval over questions about the same pictures is no narrower than one over the pictures."""
    rng = np.random.default_rng(0)
    of_picture = rng.standard_normal(12)
    twice, groups = np.repeat(of_picture, 2), np.repeat(np.arange(12), 2)
    assert statistics.grouped_interval(twice, groups) == pytest.approx(statistics.mean_interval(of_picture))
    low, high = statistics.mean_interval(twice)
    grouped = statistics.grouped_interval(twice, groups)
    assert grouped[1] - grouped[0] > 1.3 * (high - low)
