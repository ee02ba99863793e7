"""Laws of what the page shows of an answer. No browser: these are functions from results to markup."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from app.charts.scores import PLOTTED, score_plot
from app.runs.run import Part
from app.runs.selection import Strip
from app.views.results_grid import SHOWN, board, empty_board, ranks_by_id
from app.views.training_image import detail, fact_words
from attribution.data.training_set import Example
from attribution.methods.base import Method
from attribution.query import Query
from attribution.results import Entry, Ranking
from tests.worlds.rankings import ranking_of

PART = Part("A", Query(Image.new("RGB", (64, 64)), "a dog"))
HOSTILE = '<img src=x onerror="alert(1)">'


def method(name: str, title: str = "") -> Method:
    found: Any = SimpleNamespace(
        name=name, title=title or name.upper(), description="what it is", slow=False
    )
    return found  # type: ignore[no-any-return]


def ranking(
    name: str, order: list[int], stderr: float | None = None, caption: str = "a dog", scale: float = 1.0
) -> Ranking:
    entries = tuple(
        Entry(rank, f"train-{row:03}", row, f"{row}.png", caption, scale / rank, stderr)
        for rank, row in enumerate(order, 1)
    )
    return ranking_of(entries, name, seconds=0.5, candidates=f"all {len(order)} training images")


def strips(rankings: Mapping[str, Ranking], names: Sequence[str] = "ab", part: Part = PART) -> list[Strip]:
    return [Strip(name, name.upper(), method(name), rankings.get(name), part) for name in names]


def test_strips_stand_in_the_order_of_the_methods_and_ranks_begin_at_one() -> None:
    rankings = {"b": ranking("b", [3, 1, 2]), "a": ranking("a", [1, 2, 3])}
    shown = board(strips(rankings))
    assert re.findall(r'data-method="(\w)"', shown) == ["a", "b"]
    assert re.findall(r'class="rank">(\d+)<', shown) == ["1", "2", "3"] * 2


def test_no_more_than_the_first_ranks_are_shown() -> None:
    shown = board(strips({"a": ranking("a", list(range(3 * SHOWN)))}))
    assert shown.count('class="rank"') == SHOWN


def test_each_image_knows_its_rank_under_every_method_even_beyond_what_is_shown() -> None:
    far = [*range(1, 60), 0]
    rankings = {"a": ranking("a", list(range(60))), "b": ranking("b", far)}
    assert ranks_by_id(strips(rankings))["train-000"] == {"a": 1, "b": 60}
    shown = board(strips(rankings))
    found = re.search(r'data-id="train-000" data-ranks="([^"]*)"', shown)
    assert found is not None
    assert json.loads(html.unescape(found[1])) == {"a": 1, "b": 60}


def test_a_method_still_at_work_has_a_blank_strip_and_a_stopped_one_none() -> None:
    done = {"a": ranking("a", [1, 2])}
    assert 'data-method="b"' in board(strips(done), waiting=True)
    assert 'data-method="b"' not in board(strips(done))


@pytest.mark.parametrize("markup", [HOSTILE, '"><script>alert(1)</script>', "a & b"])
def test_captions_ids_and_warnings_are_escaped(markup: str) -> None:
    answer = {"a": ranking("a", [1, 2], caption=markup)}
    example = Example(1, markup, markup, markup, "0" * 64, {"artist": markup, "tags": [markup]})
    strip = Strip("a", markup, method("a"), answer["a"], PART)
    for shown in (board([strip], warnings=[markup]), detail(example, [strip])):
        assert markup not in shown
        assert html.escape(markup) in shown


def test_warnings_are_said_once_each() -> None:
    shown = board(strips({"a": ranking("a", [1])}), warnings=["care", "care", "doubt"])
    assert shown.count("<li>care</li>") == 1
    assert "and 1 more" in shown
    assert "doubt" in shown


def test_the_invitation_is_over_training_images() -> None:
    assert 'src="thumbs/7"' in empty_board([7, 8])


def test_the_detail_names_rank_and_score_under_every_method_and_says_where_it_was_not_ranked() -> None:
    answer = {"a": ranking("a", [5, 1], stderr=0.02), "b": ranking("b", [2, 3])}
    shown = detail(Example(1, "train-001", "1.png", "a dog", "0" * 64, {"ground": "snow"}), strips(answer))
    assert "2 <small>of 2</small>" in shown
    assert "0.500 ± 0.020" in shown
    assert "not in all 2 training images" in shown
    assert "<dt>ground</dt><dd>snow</dd>" in shown


def test_of_several_parts_each_has_its_rank_and_what_is_not_there_yet_has_no_row() -> None:
    orders = {"Part A": [5, 1], "Part B": [1, 2]}
    parts = [Strip(title, title, method("a"), ranking("a", order), PART) for title, order in orders.items()]
    waiting = Strip("C", "Part C", method("a"), None, PART)
    example = Example(1, "train-001", "1.png", "a dog", "0" * 64, {})
    shown = detail(example, [*parts, waiting], of="Part")
    assert '<th scope="col">Part</th>' in shown
    assert re.findall(r'class="dot"></i>([^<]*)</th><td>(\d+)', shown) == [("Part A", "2"), ("Part B", "1")]


def test_facts_are_told_by_name() -> None:
    assert fact_words([{"name": "dog", "box": [0, 0, 1, 1]}, {"name": "cat"}]) == "dog, cat"
    assert fact_words(["a", 2]) == "a, 2"
    assert fact_words({"licence": "OFL"}) == '{"licence": "OFL"}'
    assert fact_words(3) == "3"


def test_the_plot_gives_each_method_its_own_axis_and_errors_only_to_those_that_have_them() -> None:
    answer = {"abu": ranking("abu", list(range(300)), stderr=0.1), "clip": ranking("clip", [1, 2])}
    figure = score_plot(strips(answer, ("abu", "clip")))
    assert figure is not None
    abu, clip = figure.data
    assert (abu.yaxis, clip.yaxis) == ("y", "y2")
    assert len(abu.x) == PLOTTED
    assert list(abu.error_y.array) == [0.1] * PLOTTED
    assert clip.error_y.array is None


def test_the_plot_has_no_ground_of_its_own_so_that_it_is_legible_in_the_dark() -> None:
    figure = score_plot(strips({"a": ranking("a", [1])}))
    assert figure is not None
    layout = figure.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_a_plot_of_nothing_is_empty() -> None:
    assert score_plot(strips({})) is None


def test_the_gauge_shows_the_error_and_a_score_that_may_be_nothing_is_marked() -> None:
    shown = board(strips({"a": ranking("a", [1, 2, 3], stderr=0.3)}))
    assert shown.count('class="gauge"') == 3
    assert "left:53.8%;right:calc(100% - 100.0%)" in shown  # 1.0 and 0.3 of 1.3
    assert shown.count("unsure") == 2  # 0.5 and 0.33 are less than twice 0.3
    assert "standard errors from nothing" in shown


def test_parts_under_one_method_show_what_was_asked_about() -> None:
    one = ranking("a", [1, 2])
    shown = board([Strip(label, f"Part {label}", method("a"), one, PART) for label in "AB"])
    assert 'class="board by-part"' in shown
    assert shown.count('class="strip-crop"') == 2
    assert json.loads(html.unescape(re.findall(r'data-ranks="([^"]*)"', shown)[0])) == {"A": 1, "B": 1}
