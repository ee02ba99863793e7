"""Laws of the network that ranks as unlearning does, on lessons made up for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from attribution.analysis import ranker as room
from attribution.analysis.ranker import (
    LIKENESSES,
    Distilled,
    Lessons,
    likenesses,
    recall,
    standardised,
    taught,
)

QUERIES, IMAGES, SIZES = 60, 300, (8, 8, 8)


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    """What moves what is a product that no likeness of the features knows, and how easily each is moved."""
    rng = np.random.default_rng(0)
    features = sum(SIZES)
    queries, images = (
        rng.standard_normal((count, features)).astype(np.float32) / features**0.5
        for count in (QUERIES, IMAGES)
    )
    turned = np.linalg.qr(rng.standard_normal((features, features)))[0]
    words = rng.standard_normal((QUERIES, IMAGES)).astype(np.float32)
    moved = np.exp(4 * queries @ turned @ images.T + np.abs(words) + 0.3 * rng.standard_normal(IMAGES))
    return Lessons(queries, images, likenesses(queries, images, words, SIZES), standardised(moved))


def test_what_no_vector_tells_is_learnt_of_likenesses(lessons: Lessons) -> None:
    """Law: A ranker reads what a likeness is worth off its teacher, where more of it does not mean more."""
    without = replace(lessons, alike=np.zeros_like(lessons.alike))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "FIRST", 30)
        found, missed = taught(lessons)[1]["recall"], taught(without)[1]["recall"]
    assert found > missed + 0.1, (found, missed)


def test_it_ranks_for_queries_that_it_was_not_taught_by(lessons: Lessons) -> None:
    """Law: A ranker finds more of what its teacher puts first than any likeness that it is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "FIRST", 30)
        _, measured = taught(lessons)
    assert (measured["taught"], measured["held_out"]) == (48, 12)
    assert measured["recall"] > 0.3  # 0.1 by chance
    assert all(measured["recall"] > measured[f"recall_of_{name}"] + 0.1 for name in LIKENESSES)
    assert measured["loss"] < measured["loss_held_out"]


def test_the_same_lessons_teach_the_same(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A ranker is a function of its lessons."""
    monkeypatch.setattr(room, "STEPS", 3)
    (one, told), (other, again) = taught(lessons), taught(lessons)
    assert told == again
    np.testing.assert_array_equal(one.known(lessons.images), other.known(lessons.images))


def test_a_score_is_a_sum_over_one_image_alone(lessons: Lessons) -> None:
    """Law: A distilled score is the same to the last bit in whatever subset it is asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "STEPS", 5)
        ranker, _ = taught(lessons)
    distilled, query = Distilled(ranker, ranker.known(lessons.images)), lessons.queries[0]
    every = distilled.scores(query, np.arange(IMAGES), lessons.alike[0])
    some = np.array([299, 4, 17])
    np.testing.assert_array_equal(distilled.scores(query, some, lessons.alike[0, some]), every[some])
    with torch.no_grad():
        np.testing.assert_allclose(lessons.scores(ranker)[0].numpy(), every, rtol=1e-4, atol=1e-5)


def test_a_teacher_is_told_on_a_scale_of_its_own() -> None:
    """Law: How far a picture moves everything teaches a ranker nothing."""
    moved = np.exp(np.random.default_rng(1).standard_normal((2, 50)))
    told = standardised(moved * np.array([[1.0], [1e-9]]))
    np.testing.assert_allclose(told, standardised(moved), atol=1e-5)
    np.testing.assert_allclose(told.std(axis=1), 1, atol=1e-5)
    assert recall(told, told) == 1
    assert np.isfinite(standardised(np.zeros((1, 4)))).all()
