"""Laws of what the page shows of an answer. No browser: these are functions from results to markup."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.runs.run import Part
from app.runs.selection import MOST, SHOWN, Strip
from app.runs.truth import Truth
from app.views.results_grid import BETTER, empty_results_grid, ranks_by_id, results_grid
from app.views.training_image import fact_words, training_image_view
from attribution.data.training_set import Example
from attribution.methods.base import Family
from attribution.results import Entry, Ranking
from tests.worlds.markup import Reader
from tests.worlds.rankings import ranking_of
from tests.worlds.strips import PART, named, ranking, strips_of

HOSTILE = '<img src=x onerror="alert(1)">'


def test_strips_stand_in_the_order_of_the_methods_and_ranks_begin_at_one() -> None:
    rankings = {"b": ranking([3, 1, 2], "b"), "a": ranking([1, 2, 3], "a")}
    shown = results_grid(strips_of(rankings))
    assert re.findall(r'data-method="(\w)"', shown) == ["a", "b"]
    assert re.findall(r'class="rank">(\d+)<', shown) == ["1", "2", "3"] * 2


def test_the_truth_is_marked_only_once_it_is_asked_for() -> None:
    """Law: What is known to be the answer is told of no image until the person asks to see it."""
    rows = strips_of({"a": ranking([3, 1, 2], "a"), "b": ranking([1, 2, 3], "b")})
    truth = Truth("taught the model <v1>", frozenset({"train-00001"}))
    without, guessing = results_grid(rows), results_grid(rows, truth=truth)
    assert "show-truth" not in without
    assert 'class="show-truth" aria-pressed="false"' in guessing
    asked = re.compile(r"<button[^>]*show-truth[^<]*</button>")
    assert asked.sub("", guessing).split('class="strips"')[1] == without.split('class="strips"')[1]
    shown = results_grid(rows, truth=truth, told=True)
    assert 'class="show-truth" aria-pressed="true"' in shown
    assert re.findall(r'class="cell is-true" data-id="([^"]*)"', shown) == ["train-00001"] * 2
    assert shown.count("one of the true answer") == 2
    assert shown.count("1 of 1 among the first 10") == 2
    assert "taught the model &lt;v1&gt;" in shown


def test_no_more_than_the_first_ranks_are_shown() -> None:
    shown = results_grid(strips_of({"a": ranking(list(range(3 * SHOWN)), "a")}))
    assert shown.count('class="rank"') == SHOWN


def test_each_image_knows_its_rank_under_every_method_even_beyond_what_is_shown() -> None:
    far = [*range(1, 60), 0]
    rankings = {"a": ranking(list(range(60)), "a"), "b": ranking(far, "b")}
    assert ranks_by_id(strips_of(rankings))["train-00000"] == {"a": 1, "b": 60}
    shown = results_grid(strips_of(rankings))
    found = re.search(r'data-id="train-00000" data-ranks="([^"]*)"', shown)
    assert found is not None
    assert json.loads(html.unescape(found[1])) == {"a": 1, "b": 60}


def test_a_method_still_at_work_has_a_blank_strip_and_a_stopped_one_none() -> None:
    done = {"a": ranking([1, 2], "a")}
    assert 'data-method="b"' in results_grid(strips_of(done), waiting=True)
    assert 'data-method="b"' not in results_grid(strips_of(done))


def test_a_method_that_failed_says_why_in_its_row() -> None:
    """Law: A method that failed says why in its own row, and the others' rows are as they are."""
    shown = [
        *strips_of({"a": ranking([1, 2], "a")}, "a"),
        Strip("b", "B", named("b"), None, PART, "no step raised the <loss>"),
    ]
    for waiting in (True, False):
        row = results_grid(shown, waiting=waiting).split('data-method="b"')[1]
        assert '<p class="strip-problem">No step raised the &lt;loss&gt;</p>' in row
        assert "no answer" in row
        assert "waiting" not in row
        assert 'class="cell' not in row


@pytest.mark.parametrize("markup", [HOSTILE, '"><script>alert(1)</script>', "a & b"])
def test_captions_ids_and_warnings_are_escaped(markup: str) -> None:
    answer = {"a": ranking([1, 2], "a", caption=markup)}
    example = Example(1, markup, markup, markup, "0" * 64, {"artist": markup, "tags": [markup]})
    strip = Strip("a", markup, named("a"), answer["a"], PART)
    for shown in (results_grid([strip], warnings=[markup]), training_image_view(example, [strip])):
        assert markup not in shown
        assert markup in Reader(shown).texts


def test_warnings_are_said_once_each() -> None:
    shown = results_grid(strips_of({"a": ranking([1], "a")}), warnings=["care", "care", "doubt"])
    assert shown.count("Care") == 1
    assert "and 1 more" in shown
    assert shown.index("<p>Care</p>") < shown.index("<details>") < shown.index("<li>Doubt</li>")


def judged(name: str, family: Family, *z: float) -> Strip:
    """A strip of a method of a family; with z, of one that says what stands out beyond 4."""
    found = ranking(range(1, 4), name)
    if z:
        found = replace(found, z=np.array(z), details={"z_threshold": 4.0})
    each: Any = SimpleNamespace(**{**vars(named(name)), "family": family})
    return Strip(name, name.upper(), each, found, Part("A", PART.query, {name: found}))


def test_what_is_remembered_better_has_a_row_of_its_own_below_and_most_so_comes_first() -> None:
    """Law: What the model remembers better after unlearning stands below, apart, where it was judged."""
    found = ranking(range(1, 31), "f", stderr=0.1)
    scores, z = np.linspace(9, -20, 30), np.linspace(9, -20, 30)
    found = replace(found, scores=scores, z=z, details={"z_lowest": -5.0})
    assert "The other direction" not in results_grid(strips_of({"a": ranking(range(1, 31), "f")}))
    assert "The other direction" not in results_grid(strips_of({"a": replace(found, final=False)}))
    own = results_grid(strips_of({"a": found})).split("The other direction")[1]
    better = int((scores < -5).sum())
    assert re.findall(r'data-id="train-(\d+)"', own) == [f"{row:05}" for row in range(30, 30 - BETTER, -1)]
    assert f"the first {BETTER} of {better}" in own
    assert "✦" not in own


def test_more_of_every_row_is_shown_at_once_up_to_a_limit() -> None:
    """Law: As many ranks are shown of every row, and more are offered as long as there are some."""
    long, short = ranking(range(MOST + 50), "a"), ranking(range(SHOWN + 4), "b")
    rows = strips_of({"a": long, "b": short})
    shown = results_grid(rows)
    assert re.findall(r'class="cell-more"[^>]*>([^<]*)<', shown) == [f"{SHOWN} more", "4 more"]
    shown = results_grid(rows, most=2 * SHOWN)
    assert shown.count('class="rank"') == 2 * SHOWN + SHOWN + 4
    assert shown.count('class="cell-more"') == 1
    assert 'class="cell-more"' not in results_grid(rows, most=MOST)


def test_only_what_stands_out_is_shown_in_every_row_at_its_own_rank() -> None:
    """Law: The filter shows in every row the images that stand out by a method that can tell, alone."""
    told = judged("f", Family.INFLUENCE, 9.0, 3.0, 8.0)  # of rows 1, 2 and 3
    looks = Strip("l", "L", named("l"), ranking([7, 3, 2, 1], "l"), PART)
    without = Strip("w", "W", named("w"), ranking([8, 9], "w"), PART)
    rows = of_one_part(told, looks, without)
    assert re.search(r'class="only-out" aria-pressed="false">[^<]*<small>2<', results_grid(rows))
    shown = results_grid(rows, only_out=True)
    assert 'aria-pressed="true"' in shown
    found = re.findall(r'data-id="train-(\d+)".*?class="rank">(\d+)<', shown)
    assert found == [("00001", "1"), ("00003", "3"), ("00003", "2"), ("00001", "4")]
    assert "None of what stands out is ranked here." in shown
    assert "only-out" not in results_grid([looks])


def of_one_part(*strips: Strip) -> list[Strip]:
    rankings = {strip.key: strip.ranking for strip in strips if strip.ranking is not None}
    return [replace(strip, part=Part("A", PART.query, rankings)) for strip in strips]


def test_where_nothing_stands_out_the_page_says_so_first_and_dims_what_speaks_of_influence() -> None:
    """Law: Where nothing stands out, a banner says so before anything else, and no row looks confident."""
    asked = [judged("u", Family.UNLEARNING), judged("l", Family.LIKENESS)]
    for z, nothing in (((3.0, 2.0, 1.0), True), ((5.0, 2.0, 1.0), False)):
        shown = results_grid(of_one_part(*asked, judged("f", Family.INFLUENCE, *z)), ["unlike the rest"])
        assert ("Nothing stands out." in shown) == nothing
        assert re.findall(r'is-doubtful" data-method="(\w)"', shown) == (["u", "f"] if nothing else [])
        assert "<p>Unlike the rest</p>" in shown  # open, whatever else there is
    assert "Nothing stands out" not in results_grid(of_one_part(*asked))  # nobody has looked


def test_stars_are_spoken_of_where_some_row_can_have_them() -> None:
    """Law: The page says what a star means where chance is known of a method; elsewhere, that it is not."""
    known, plain = ranking([1, 2], "a", z=True), ranking([1, 2], "a")
    assert "✦ marks" in results_grid(strips_of({"a": known, "b": plain}))
    assert "✦ marks" in results_grid(strips_of({}, "ab")), "nothing has answered yet"
    alone = results_grid(strips_of({"a": plain}, "a"))
    assert "✦" not in alone
    assert "not known what would by chance" in alone


def test_the_invitation_is_over_training_images() -> None:
    assert 'src="thumbs/7"' in empty_results_grid([7, 8])


def test_the_detail_names_rank_and_score_under_every_method_and_says_where_it_was_not_ranked() -> None:
    answer = {"a": ranking([5, 1], "a", stderr=0.02), "b": ranking([2, 3], "b")}
    shown = training_image_view(
        Example(1, "train-00001", "1.png", "a dog", "0" * 64, {"ground": "snow"}), strips_of(answer)
    )
    assert "2 <small>of 2</small>" in shown
    assert "0.500 ± 0.020" in shown
    assert "not in all 2 training images" in shown
    assert "<dt>ground</dt><dd>snow</dd>" in shown


def test_of_several_parts_each_has_its_rank_and_what_is_not_there_yet_has_no_row() -> None:
    orders = {"Part A": [5, 1], "Part B": [1, 2]}
    parts = [Strip(title, title, named("a"), ranking(order, "a"), PART) for title, order in orders.items()]
    waiting = Strip("C", "Part C", named("a"), None, PART)
    example = Example(1, "train-00001", "1.png", "a dog", "0" * 64, {})
    shown = training_image_view(example, [*parts, waiting], of="Part")
    assert '<th scope="col">Part</th>' in shown
    assert re.findall(r'class="dot"></i>([^<]*)</th><td>(\d+)', shown) == [("Part A", "2"), ("Part B", "1")]


def test_facts_are_told_by_name() -> None:
    assert fact_words([{"name": "dog", "box": [0, 0, 1, 1]}, {"name": "cat"}]) == "dog, cat"
    assert fact_words(["a", 2]) == "a, 2"
    assert fact_words({"licence": "OFL"}) == '{"licence": "OFL"}'
    assert fact_words(3) == "3"


def test_the_gauge_shows_the_error_and_a_score_that_may_be_nothing_is_marked() -> None:
    shown = results_grid(strips_of({"a": ranking([1, 2, 3], "a", stderr=0.3)}))
    assert shown.count('class="gauge"') == 1
    assert "left:53.8%;right:calc(100% - 100.0%)" in shown  # 1.0 and 0.3 of 1.3
    assert shown.count('class="score unsure"') == 2  # 0.5 and 0.33 are less than twice 0.3
    assert "standard errors from nothing" in shown


LOUD = 4  # the image whose score is largest, and the error larger still


def unsure_first() -> Ranking:
    """Three scores: the largest is nothing but noise."""
    scores = [(LOUD, 31.75, 19.57), (1, 10.0, 1.0), (2, 5.0, 0.5)]
    entries = [
        Entry(rank, f"train-{row:05}", row, f"{row}.png", "a dog", score, error)
        for rank, (row, score, error) in enumerate(scores, 1)
    ]
    return ranking_of(entries, "a", candidates="all 3 training images")


def test_what_is_unsure_stands_below_and_neither_leads_nor_sets_the_scale() -> None:
    """Law: A score that may be nothing is in no order: it stands apart, below, and sets no bar's scale."""
    order, apart = results_grid(strips_of({"a": unsure_first()}, "a")).split('class="unsure-strips"')
    assert re.findall(r'data-id="([^"]*)"', order) == ["train-00001", "train-00002"]
    assert re.findall(r'class="rank">(\d+)<', order) == ["2", "3"]
    assert "width:90.9%" in order  # 10.0 of 11.0: the first that is sure is the scale
    assert "1 unsure, below" in order
    assert re.findall(r'data-id="([^"]*)"', apart) == [f"train-{LOUD:05}"]
    assert "± 19.57" in apart
    assert 'class="gauge"' not in apart
    assert 'class="out"' not in apart


def test_what_is_surely_less_than_nothing_never_takes_the_place_of_what_is_unsure() -> None:
    scores = [*([1.0] * SHOWN), 0.9, 0.2, -0.9]
    entries = [
        Entry(rank, f"train-{rank:05}", rank, f"{rank}.png", "a dog", score, 0.8 if rank == 2 else 0.1)
        for rank, score in enumerate(scores, 1)
    ]
    order, apart = results_grid(strips_of({"a": ranking_of(entries, "a")}, "a")).split(
        'class="unsure-strips"'
    )
    ranks = [1, *range(3, SHOWN + 2)]  # one of those behind comes in for the second
    assert re.findall(r'class="rank">(\d+)<', order) == [str(rank) for rank in ranks]
    assert re.findall(r'class="rank">(\d+)<', apart) == ["2"]
    few = ranking_of([*entries[:2], replace(entries[2], score=-0.9)], "a")
    order = results_grid(strips_of({"a": few}, "a")).split('class="unsure-strips"')[0]
    assert re.findall(r'class="rank">(\d+)<', order) == ["1", "3"]  # of the first ranks, all are shown


def test_where_nothing_is_sure_no_image_is_in_the_order() -> None:
    order, apart = results_grid(strips_of({"a": ranking([1, 2], "a", stderr=9.0)}, "a")).split(
        'class="unsure-strips"'
    )
    assert "data-id" not in order
    assert "No score is sure" in order
    assert apart.count("data-id") == 2


def test_all_of_a_method_without_errors_is_in_the_order() -> None:
    assert "unsure-strips" not in results_grid(strips_of({"a": ranking([1, 2], "a")}, "a"))


def test_parts_under_one_method_show_what_was_asked_about() -> None:
    one = ranking([1, 2], "a")
    shown = results_grid([Strip(label, f"Part {label}", named("a"), one, PART) for label in "AB"])
    assert shown.count('<span class="strip-by">A</span>') == 2  # the method's name stands beside the part's
    assert shown.count('class="strip-crop"') == 2
    assert json.loads(html.unescape(re.findall(r'data-ranks="([^"]*)"', shown)[0])) == {"A": 1, "B": 1}
