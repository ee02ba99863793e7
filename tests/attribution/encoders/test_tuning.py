"""Laws of how heads are taught, on vectors whose truth is planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.encoders import tuning
from attribution.encoders.tuning import (
    Lessons,
    calibrated,
    divergence,
    mean_recall,
    measured,
    recall_as_it_is,
    tuned,
)

DIMENSIONS, CONCEPTS = 24, 8


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def planted(seed: int = 0) -> Lessons:
    """What is shown fills 6 of 24 dimensions, and is drowned by where it is shown in the others."""
    rng = np.random.default_rng(seed)
    shown = rng.standard_normal((CONCEPTS, 6))

    def pictures(of: np.ndarray) -> np.ndarray:
        what = np.where(of[:, None] >= 0, shown[of], rng.standard_normal((len(of), 6)))
        where = 3 * rng.standard_normal((len(of), DIMENSIONS - 6))
        return unit(np.concatenate([what, where], axis=1))

    made, exemplars = np.repeat(np.arange(CONCEPTS), 12), np.repeat(np.arange(CONCEPTS), 3)
    others = np.full(200, -1)
    return Lessons(pictures(made), pictures(exemplars), pictures(others), made, exemplars)


def test_a_head_finds_what_it_was_not_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A head finds more exemplars of concepts that it was not tuned on than its encoder alone."""
    monkeypatch.setattr(tuning, "STEPS", 200)  # what is planted lies far from where it begins
    temperature, figures = measured(planted())
    assert figures["concepts"] == CONCEPTS
    assert figures["recall"] > recall_as_it_is(planted()) + 0.1
    assert tuning.TEMPERATURES[0] < temperature < tuning.TEMPERATURES[1]


def test_concepts_that_are_left_out_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A head's figures are of concepts that it was not tuned on."""
    taught = []

    def noted(lessons: Lessons) -> torch.Tensor:
        taught.append(lessons.concepts)
        return torch.eye(DIMENSIONS)

    monkeypatch.setattr(tuning, "tuned", noted)
    measured(planted())
    assert taught == [[each for each in range(CONCEPTS) if each != out] for out in range(CONCEPTS)]


def test_the_same_lessons_teach_the_same_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "STEPS", 5)
    assert torch.equal(tuned(planted()), tuned(planted()))


def test_the_temperature_is_the_one_whose_shares_are_nearest_to_the_truth() -> None:
    rng = np.random.default_rng(0)
    belongs = np.zeros((40, 60), bool)
    belongs[:, :2] = True
    cosines = np.where(belongs, 0.5, 0.2) + 0.1 * rng.standard_normal(belongs.shape)
    best = calibrated(cosines, belongs)
    around = [divergence(cosines, belongs, best * factor) for factor in (0.7, 1.0, 1.4)]
    assert around[1] == min(around)


def test_the_divergence_is_that_of_the_definition() -> None:
    cosines, belongs = np.array([[0.3, 0.1, 0.2]]), np.array([[True, True, False]])
    shares = np.exp(cosines / 0.1) / np.exp(cosines / 0.1).sum()
    plain = sum(0.5 * np.log(0.5 / share) for share in shares[0, :2])
    assert divergence(cosines, belongs, 0.1) == pytest.approx(plain)


def test_the_recall_is_of_concepts_and_not_of_pictures() -> None:
    found, missed = np.array([[1.0, *[0.0] * 11]]), np.array([[0.0, *[1.0] * 11]] * 3)
    first = np.zeros((1, 12), bool)
    first[0, 0] = True
    assert mean_recall([found, missed], [first, first.repeat(3, axis=0)]) == 0.5
