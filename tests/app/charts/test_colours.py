"""Every method has a colour of its own, the same one on the page as in its figures."""

from __future__ import annotations

import re

from app.charts.figures import COLOURS, OF_PARTS
from attribution.methods.base import methods
from tests.worlds import ROOT


def test_a_method_is_of_one_colour_on_the_page_and_in_figures() -> None:
    styles = (ROOT / "assets" / "page" / "page.css").read_text(encoding="utf-8")
    on_the_page = dict(re.findall(r"--dot-([\w-]+): (#\w+|var\(--accent\));", styles))
    assert set(COLOURS) == set(on_the_page) == set(methods()) - {"random"}
    assert len(set(COLOURS.values())) == len(COLOURS)
    used = set(re.findall(r"\[data-method=\"([\w-]+)\"\] \{ --dot: var\(--dot-\1\); \}", styles))
    assert used == set(COLOURS)
    for name, colour in COLOURS.items():
        assert on_the_page[name] in (colour, "var(--accent)"), name


def test_a_part_is_never_of_a_methods_colour() -> None:
    """Law: A colour means one thing: no part is shown in that of a method."""
    assert not set(OF_PARTS) & set(COLOURS.values())
    assert len(set(OF_PARTS)) == len(OF_PARTS)
    styles = (ROOT / "assets" / "page" / "page.css").read_text(encoding="utf-8")
    dots = re.findall(r"([^\n{}]*)\{ --dot: var\(--dot-", styles)
    assert dots
    assert all(selector.strip().startswith("[data-method=") for selector in dots)
