"""Laws of the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis.significance import BINS, FIRST, null_of, related_captions, scaled


def test_scores_of_nothing_have_z_of_mean_zero_and_deviation_one() -> None:
    rng = np.random.default_rng(0)
    means, spreads = rng.normal(0, 5, 300), rng.uniform(0.5, 3, 300)
    scores = means[:, None] + spreads[:, None] * rng.normal(size=(300, 200))
    null = null_of(scores, np.zeros((300, 200), bool))
    fresh = null.z(means + spreads * rng.normal(size=300))
    assert fresh.mean() == pytest.approx(0, abs=0.2)
    assert fresh.std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("tail", ["normal", "heavy"])
def test_few_queries_of_nothing_have_an_image_that_stands_out(tail: str) -> None:
    """Law: Few queries of nothing have an image that stands out, whatever the tails.

    Whatever the shape of the tail: the level holds for all images of a query together.
    """
    rng = np.random.default_rng(1)

    def draw(size: tuple[int, ...]) -> np.ndarray:
        return rng.normal(size=size) if tail == "normal" else rng.standard_t(4, size=size)

    null = null_of(draw((400, 200)), np.zeros((400, 200), bool), level=0.05)
    wrong = np.mean([(null.z(draw((400,))) > null.threshold).any() for _ in range(600)])
    assert 0.005 < wrong < 0.12


def test_the_other_direction_is_judged_as_the_first_would_be_of_scores_turned_round() -> None:
    """Law: What stands out below is judged by control queries' smallest z, as above by their largest."""
    rng = np.random.default_rng(6)
    scores, related = rng.standard_gamma(2, (60, 90)), rng.random((60, 90)) < 0.1
    null, turned = null_of(scores, related), null_of(-scores, related)
    assert null.lowest == pytest.approx(-turned.threshold)
    assert null.threshold == pytest.approx(-turned.lowest)
    assert -null.lowest < null.threshold, "the tails of these scores are not alike"


def test_related_controls_do_not_count_as_chance() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(50, 100))
    related = rng.random((50, 100)) < 0.2
    shifted = np.where(related & (np.arange(50) < 10)[:, None], 100.0, scores)
    a, b = null_of(scores, related), null_of(shifted, related)
    np.testing.assert_allclose(b.deviation, a.deviation, rtol=0.5)
    assert b.threshold == pytest.approx(a.threshold, rel=0.5)


def test_an_image_that_every_control_is_related_to_is_compared_with_all() -> None:
    scores = np.random.default_rng(3).normal(size=(4, 60))
    everything = np.ones((4, 60), bool)
    np.testing.assert_allclose(null_of(scores, everything).mean, scaled(scores).mean(axis=1))


def test_how_far_a_query_spreads_its_scores_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(80, 50))
    unrelated = np.zeros((80, 50), bool)
    loud = 3 + scores * rng.uniform(0.1, 10, 50)
    a, b = null_of(scores, unrelated), null_of(loud, unrelated)
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-9)
    assert a.threshold == pytest.approx(b.threshold)
    fresh = rng.normal(size=80)
    np.testing.assert_allclose(a.z(fresh), a.z(7 * fresh - 2), atol=1e-9)


def test_words_that_most_captions_have_relate_nothing() -> None:
    captions = [
        "a dog on the beach",
        "a cat on the sea",
        "a cow on the moon",
        "a car on the road",
        "a bus on snow",
    ]
    related = related_captions(captions, ["a dog on the moon", "the a on"])
    assert related[:, 0].tolist() == [True, False, True, False, False]
    assert not related[:, 1].any()


def test_the_histogram_is_of_chance_alone() -> None:
    scores = np.random.default_rng(5).normal(size=(200, 100))
    related = np.zeros((200, 100), bool)
    related[:20, :10] = True
    shifted = scores + 1000 * related
    histogram = null_of(shifted, related).histogram
    assert histogram.sum() == pytest.approx(1)
    middles = (BINS[:-1] + BINS[1:]) / 2
    assert histogram @ middles == pytest.approx(0, abs=0.1)
    assert histogram[-1] == 0


def test_how_often_an_image_is_first_is_counted_over_what_has_nothing_to_do_with_it() -> None:
    rng, images, controls = np.random.default_rng(0), 200, 80
    scores = rng.normal(size=(images, controls))
    related = np.zeros((images, controls), bool)
    related[0, :30] = True
    scores[0, :30] += 100  # first for what it is about, and for nothing else
    scores[1] += 100
    null = null_of(scores, related)
    slow = np.argsort(-scores, axis=0)[:FIRST]
    expected = [sum(i in slow[:, k] for k in range(controls) if not related[i, k]) for i in range(images)]
    assert null.first.tolist() == expected
    assert null.unrelated.tolist() == [50, *[80] * (images - 1)]
    assert null.first[1] == 80
    assert null.first[0] < 20
