"""Laws of rankings beside each other: which strips are shown, how they overlap, by group, by chance."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from app.charts.scores import colours_of
from app.frontend.glossary import tips, tips_script
from app.panels.comparison import chance_plot, overlap, overlap_table, rank_agreement, rank_plot
from app.panels.groups import SHARE, SUM, group_plot
from app.runs.run import Part, Picture, Run
from app.runs.selection import METHODS, PARTS, Shown, Strip, strips
from app.views.guide import GUIDE
from attribution.analysis.groups import columns_of, grouped, values_of, wilson
from attribution.analysis.significance import null_of
from attribution.errors import SettingsError
from attribution.methods.base import method
from attribution.query import Box, Query, Settings
from attribution.results import Entry, Ranking
from attribution.workspace.workspace import Workspace
from tests.worlds.rankings import ranking_of

WHITE = Image.new("RGB", (64, 64), "white")


def ranking(order: list[int], name: str = "clip", stderr: float | None = None, z: bool = False) -> Ranking:
    entries = tuple(
        Entry(
            rank, f"train-{row:05}", row, f"{row}.png", "a dog", 1 / rank, stderr, 9.0 / rank if z else None
        )
        for rank, row in enumerate(order, 1)
    )
    return ranking_of(entries, name, details={"z_threshold": 4.0} if z else {})


def part(label: str, **rankings: list[int]) -> Part:
    box = Box(0, 0, 0.5, 1)
    return Part(label, Query(WHITE, "a dog", box), {n: ranking(order, n) for n, order in rankings.items()})


def run(*parts: Part) -> Run:
    return Run(Picture(WHITE, "a dog"), "a dog", ("clip", "dino"), Settings(), parts)


def strip(order: list[int], key: str = "a", **more: bool) -> Strip:
    return Strip(key, f"<b>{key}", method("clip"), ranking(order, **more), part("A"))


# Which strips


def test_methods_on_one_part_or_parts_under_one_method() -> None:
    asked = run(part("A", clip=[1, 2], dino=[2, 1]), part("B", clip=[3, 4]))
    of_b = strips(asked, Shown(METHODS, part=1))
    assert [(s.key, s.ranking is not None) for s in of_b] == [("clip", True), ("dino", False)]
    assert [s.key for s in strips(asked, Shown(METHODS, part=7))] == ["clip", "dino"]
    by_clip = strips(asked, Shown(PARTS, method="clip"))
    assert [(s.key, s.title) for s in by_clip] == [("A", "Part A"), ("B", "Part B")]
    assert [s.method.name for s in strips(asked, Shown(PARTS, method="gone"))] == ["clip", "clip"]


def test_earlier_runs_stand_beside_this_one_under_the_same_method() -> None:
    earlier = run(part("A", dino=[5, 6]))
    shown = strips(run(part("A", dino=[1])), Shown(PARTS, method="dino"), {earlier.id: earlier})
    assert [s.key for s in shown] == ["A", f"{earlier.id}-A"]
    assert len({s.key for s in shown}) == 2
    without = strips(run(part("A", clip=[1])), Shown(PARTS, method="clip"), {earlier.id: earlier})
    assert [s.key for s in without] == ["A"]


def test_strips_under_one_method_are_told_apart_by_colour() -> None:
    assert len(set(colours_of([strip([1], "a"), strip([1], "b")]))) == 2


# How they agree


def test_overlap_and_agreement_have_known_values() -> None:
    one, other = ranking(list(range(40))), ranking([*range(10, 40), *range(10)])
    assert overlap(one, one) == 20
    assert overlap(one, other) == 10
    assert rank_agreement(one, one) == pytest.approx(1)
    assert rank_agreement(one, ranking(list(range(39, -1, -1)))) == pytest.approx(-1)
    assert rank_agreement(one, ranking([1, 2])) is None


def test_the_table_has_every_pair_and_escapes_titles() -> None:
    shown = overlap_table([strip([1, 2, 3], key) for key in "abc"])
    assert shown.count("<tr>") == 1 + 3
    assert "<b>" not in shown
    assert "Ask with two methods" in overlap_table([strip([1])])


def test_every_point_knows_its_image() -> None:
    one, other = strip(list(range(50)), "a"), strip(list(range(49, -1, -1)), "b")
    figure = rank_plot(one, other)
    points = {e: (x, y) for t in figure.data for e, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    assert len(points) == 50
    assert points["train-00000"] == (1, 50)
    assert "<b>" not in figure.layout.xaxis.title.text


def test_scores_are_shown_against_chance_where_there_is_a_null() -> None:
    null = null_of(np.random.default_rng(0).normal(size=(60, 50)), np.zeros((60, 50), bool))
    assert chance_plot([strip([1, 2])], null) is None
    assert chance_plot([strip([1, 2], z=True)], None) is None
    figure = chance_plot([strip([1, 2, 3], z=True)], null)
    assert figure is not None
    assert figure.data[0].y[0] == pytest.approx(1)
    assert list(figure.data[1].x) == [3.0, 4.5, 9.0]
    assert list(figure.data[1].y) == pytest.approx([1, 2 / 3, 1 / 3])


# By group


def test_groups_add_up_and_are_counted_by_every_value_an_image_has(tiny_world: Workspace) -> None:
    training_set = tiny_world.training_set
    assert {"collection", "objects", "ground"} <= set(columns_of(training_set))
    assert "id" not in columns_of(training_set)
    whole = ranking(list(range(len(training_set))), stderr=0.01)
    by_collection = grouped(whole, training_set, "collection")
    assert sum(group.images for group in by_collection) == len(training_set)
    assert sum(g.summed for g in by_collection) == pytest.approx(sum(e.score for e in whole.entries))
    assert sum(group.first for group in by_collection) == 20
    for group in by_collection:
        assert group.summed_low <= group.summed <= group.summed_high
        assert group.share_low <= group.share <= group.share_high
    objects = grouped(whole, training_set, "objects")
    values = [value for e in training_set.examples for value in values_of(e, "objects")]
    assert {g.value: g.images for g in objects} == {v: values.count(v) for v in values}


def test_groups_are_the_same_twice_and_an_unknown_column_is_a_named_error(tiny_world: Workspace) -> None:
    some = ranking(list(range(30)), stderr=0.1)
    assert grouped(some, tiny_world.training_set, "ground") == grouped(
        some, tiny_world.training_set, "ground"
    )
    with pytest.raises(SettingsError, match="choose from"):
        grouped(some, tiny_world.training_set, "licence of nobody")


def test_larger_errors_widen_the_interval_of_a_sum(tiny_world: Workspace) -> None:
    narrow, wide = (
        grouped(ranking(list(range(60)), stderr=error), tiny_world.training_set, "collection")
        for error in (0.0, 5.0)
    )
    width = {g.value: g.summed_high - g.summed_low for g in narrow}
    assert all(g.summed_high - g.summed_low > width[g.value] for g in wide)


def test_wilsons_interval_has_known_values() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


@pytest.mark.parametrize("measure", [SHARE, SUM])
def test_bars_carry_their_intervals(tiny_world: Workspace, measure: str) -> None:
    figure = group_plot(strip(list(range(40)), stderr=0.1), tiny_world.training_set, "objects", measure)
    bars = figure.data[0]
    assert len(bars.error_x.array) == len(bars.x) == len(bars.y)
    assert min(bars.error_x.array) >= 0
    assert list(bars.x) == sorted(bars.x, reverse=True)


# Terms


def test_every_term_is_explained_in_words_that_cannot_end_the_script() -> None:
    words = tips()
    assert set(words) >= {'#methods label:has([name="abu"])', ".stderr", ".out"}
    assert all(text.endswith(".") for text in words.values())
    assert "<" not in tips_script()
    assert GUIDE.count("<li>") == 10
