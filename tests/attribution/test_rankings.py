"""Laws of rankings: arrays inside, lines outside."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from attribution.results import Entry, Ranking, Scores, ranked_rows
from tests.worlds.rankings import ranking_of, training_set_of

LINES = tuple(
    Entry(rank, f"id-{row}", row, f"{row}.png", f"caption {row}", 1.0 / rank, 0.1 * rank, 5.0 - rank)
    for rank, row in enumerate([3, 0, 4, 1], 1)
)


def of(scores: Scores, ids: list[str]) -> Ranking:
    return Ranking.of(scores, training_set_of(ids), "clip", "CLIP", 0.1, "all")


def test_the_lines_are_what_a_list_of_them_would_be() -> None:
    entries = ranking_of(LINES).entries
    assert len(entries) == 4
    assert list(entries) == list(LINES)
    assert [entries[i] for i in range(-4, 4)] == [LINES[i] for i in range(-4, 4)]
    assert list(reversed(entries)) == list(reversed(LINES))
    assert entries == LINES
    assert entries != LINES[:3]
    assert LINES[2] in entries
    assert entries.index(LINES[2]) == 2
    for wrong in (4, -5):
        with pytest.raises(IndexError):
            entries[wrong]


@pytest.mark.parametrize(
    "part", [slice(2), slice(1, 3), slice(None), slice(None, None, -2), slice(9), slice(-2, None)]
)
def test_a_part_of_the_lines_is_that_part_of_the_list(part: slice) -> None:
    found = ranking_of(LINES).entries[part]
    assert tuple(found) == LINES[part]
    assert tuple(found[1:]) == LINES[part][1:]


def test_lines_hold_plain_numbers() -> None:
    entry = ranking_of(LINES).entries[0]
    assert [type(value) for value in (entry.row, entry.score, entry.stderr, entry.z)] == [int] + 3 * [float]
    bare = replace(ranking_of(LINES), stderr=None, z=None).entries[0]
    assert (bare.stderr, bare.z) == (None, None)


def test_an_image_has_the_rank_of_its_line() -> None:
    ranking = ranking_of(LINES)
    assert [ranking.rank_of(entry.id) for entry in LINES] == [1, 2, 3, 4]
    assert ranking.rank_of("unnamed-2") is None  # of the training set, and not ranked
    assert ranking.rank_of("3.png") is None  # a file name is no id
    assert ranking.rank_of("nobody") is None
    assert ranking.ranks.tolist() == [2, 4, 0, 1, 3]


def test_all_lines_are_judged_as_each_is() -> None:
    judged = ranking_of(LINES, details={"z_threshold": 2.5})
    assert judged.standing_out is not None
    assert judged.standing_out.tolist() == [judged.stands_out(entry) for entry in LINES]
    assert ranking_of(LINES).standing_out is None


def test_only_what_surely_falls_beyond_the_null_is_remembered_better() -> None:
    """Law: An image is remembered better only if its score is surely negative and its z beyond the null."""
    lines = [
        (5.0, 1.0, -9.0),  # rises
        (-1.0, 1.0, -9.0),  # may be nothing
        (-4.0, 1.0, -3.0),  # as for unrelated queries
        (-5.0, 1.0, -9.0),
    ]
    entries = [
        Entry(rank, f"{rank}", rank, "", "", score, error, z)
        for rank, (score, error, z) in enumerate(lines, 1)
    ]
    judged = ranking_of(entries, details={"z_lowest": -4.0})
    assert judged.remembered_better.tolist() == [False, False, False, True]
    assert not ranking_of(entries, details={"z_threshold": 4.0}).remembered_better.any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_order_is_that_of_the_slow_sort_whatever_the_ties(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 50, 400):
        ids = [f"é{n}" if n % 3 else f"{n}" for n in rng.permutation(500)]
        rows = rng.permutation(500)[:size]
        values = (rng.integers(-4, 5, size) / 4).astype(dtype) * rng.choice([-0.0, 1.0], size).astype(dtype)
        slow = sorted(range(size), key=lambda i: (-float(values[i]), ids[rows[i]]))
        assert ranked_rows(Scores(rows, values), training_set_of(ids)).tolist() == slow


def test_scores_errors_and_z_are_put_in_one_order() -> None:
    values = np.array([1.0, 3.0, 2.0])
    found = of(Scores(np.array([2, 0, 1]), values, values / 10, z=-values), ["a", "b", "c"])
    assert found.rows.tolist() == [0, 1, 2]
    assert [(e.id, e.score, e.stderr, e.z) for e in found.entries] == [
        ("a", 3.0, 0.3, -3.0),
        ("b", 2.0, 0.2, -2.0),
        ("c", 1.0, 0.1, -1.0),
    ]


def test_ranking_many_images_makes_no_object_for_each() -> None:
    count = 100_000
    many = training_set_of([f"{n:07}" for n in range(count)])
    assert len(many.places_of_ids) == count  # made once for a training set
    values = np.random.default_rng(0).random(count)
    scores = Scores(np.arange(count), values, values, z=values)
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    try:
        ranking = Ranking.of(scores, many, "clip", "CLIP", 0.1, "all")
        first, last = ranking.entries[:20], ranking.entries[-1]
        shown = [*first, last, ranking.entry(1000)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ranking.entries) == count
    assert shown[0].score == values.max()
    assert last.score == values.min()
    assert len(gc.get_objects()) - objects < 1_000
    assert kept < 4.5 * 8 * count  # rows, scores, errors and z, and nothing as large beside them


def test_a_score_is_sure_from_two_of_its_errors_on_and_without_errors_always() -> None:
    values = np.array([4.0, 1.9, -2.0])
    found = of(Scores(np.arange(3), values, np.ones(3)), ["a", "b", "c"])
    assert found.sure.tolist() == [True, False, True]
    assert of(Scores(np.arange(3), values), ["a", "b", "c"]).sure.all()
