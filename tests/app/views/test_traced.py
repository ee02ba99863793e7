"""Laws of what is shown of a picture that was traced unasked."""

from __future__ import annotations

import json

from app.runs.trace import LIT, TracedPart
from app.views.traced import PALEST, tint, traced_problem, traced_soon, traced_view
from attribution.analysis.picture_parts import PicturePart
from attribution.query import Box
from attribution.results import Entry
from tests.worlds.markup import Reader
from tests.worlds.rankings import ranking_of

BOX = Box(0.25, 0.25, 0.5, 0.75)


def ranked(z: list[float], threshold: float | None = 3.0) -> TracedPart:
    lines = [Entry(k + 1, f"i{k}", k, f"i{k}.png", "<b>a cat</b>", z[k], None, z[k]) for k in range(len(z))]
    details = {} if threshold is None else {"z_threshold": threshold}
    return TracedPart(PicturePart("cat", BOX)).answered(ranking_of(lines, "d-trak", details=details))


def test_only_what_stands_out_tints_a_part_and_the_clearest_most() -> None:
    """Law: A part is tinted only if an image stands out for it, and most the one where they do most."""
    clear, faint, chance = ranked([9.0] * 20), ranked([4.0] * 20), ranked([1.0] * 20)
    assert tint(chance, 3.0) == 0.0
    assert tint(clear, clear.clarity) == 1.0
    assert PALEST < tint(faint, clear.clarity) < 1.0
    assert tint(ranked([9.0] * 20, None), 3.0) == 0.0


def test_a_part_is_lit_by_the_images_that_stand_out_for_it() -> None:
    assert set(ranked([9.0, 8.0, 1.0]).ranks) == {"i0", "i1"}
    assert len(ranked([9.0] * (LIT + 20)).ranks) == LIT
    assert ranked([1.0] * 20).ranks == {}


def test_captions_are_text_and_what_is_not_there_is_said() -> None:
    shown = traced_view([ranked([9.0] * 20), TracedPart(PicturePart("rocket", BOX))])
    assert "<b>a cat</b>" not in shown
    assert "20 training images stand out" in shown
    assert "Looking up" in shown
    reader = Reader(shown)
    assert reader is not None
    assert json.dumps(BOX.as_tuple()) in shown.replace("&#34;", '"')
    assert "it may be chance" in traced_view([ranked([1.0] * 20)])
    assert "no" in traced_view([]).lower()
    assert traced_soon(True) != traced_soon(True)  # each picture is asked about
    assert "not traced" in traced_problem("The model is away.")
