"""Laws of what stands side by side."""

from __future__ import annotations

from dataclasses import replace

from app.runs.run import Picture, Run, parts_of
from app.runs.selection import METHODS, PARTS, Selection, own_strips, strips
from attribution.query import Settings
from tests.worlds.rankings import ranking_of
from tests.worlds.strips import WHITE, part, run


def test_methods_on_one_part_or_parts_under_one_method() -> None:
    asked = run(part("A", clip=[1, 2], dino=[2, 1]), part("B", clip=[3, 4]))
    of_b = strips(asked, Selection(METHODS, part=1))
    assert [(s.key, s.ranking is not None) for s in of_b] == [("clip", True), ("dino", False)]
    assert [s.key for s in strips(asked, Selection(METHODS, part=7))] == ["clip", "dino"]
    by_clip = strips(asked, Selection(PARTS, method="clip"))
    assert [(s.key, s.title) for s in by_clip] == [("A", "Part A"), ("B", "Part B")]
    assert [s.method.name for s in strips(asked, Selection(PARTS, method="gone"))] == ["clip", "clip"]


def test_earlier_runs_stand_beside_this_one_under_the_same_method() -> None:
    earlier = run(part("A", dino=[5, 6]))
    shown = strips(run(part("A", dino=[1])), Selection(PARTS, method="dino"), {earlier.id: earlier})
    assert [s.key for s in shown] == ["A", f"{earlier.id}-A"]
    assert len({s.key for s in shown}) == 2
    without = strips(run(part("A", clip=[1])), Selection(PARTS, method="clip"), {earlier.id: earlier})
    assert [s.key for s in without] == ["A"]


def test_only_this_runs_own_answered_rankings_can_be_tested() -> None:
    asked = parts_of(WHITE, "a dog", ())[0]
    ranking = ranking_of(())
    this = Run(
        Picture(WHITE), "a dog", ("clip", "dino"), Settings(), (replace(asked, rankings={"clip": ranking}),)
    )
    shown = strips(this, Selection())
    assert [strip.key for strip in own_strips(this, shown)] == ["clip"]
    other = replace(this, parts=(asked,))
    assert own_strips(other, shown) == []
