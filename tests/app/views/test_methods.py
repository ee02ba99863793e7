"""Laws of the methods to choose from."""

from __future__ import annotations

import re
from dataclasses import replace

from app.runs.question import USUAL, offered_methods
from app.views.methods import method_chooser
from attribution.methods.base import Cost, Family, method
from attribution.workspace.workspace import Workspace


def test_each_family_is_a_group_with_a_title_and_what_it_does(tiny_world: Workspace) -> None:
    """Law: Methods are offered in titled groups, one a family, each with a line that says what it does."""
    html = method_chooser(offered_methods(tiny_world), ("abu", "clip"))
    groups = html.split("<fieldset>")[1:]
    assert [re.findall("<legend>(.*?)</legend>", group) for group in groups] == [[f.title] for f in Family]
    assert all(family.sentence in group for family, group in zip(Family, groups, strict=True))
    names = [re.findall('name="(.*?)"', group) for group in groups]
    assert names[0][:2] == ["abu", "abu-plus"]
    assert names[1][0] == "first-order"
    assert names[2][0] == "clip"
    assert names[2][-1] == "random"
    assert re.findall('name="([^"]*)" checked', html) == ["abu", "clip"]


def test_a_family_without_a_method_has_no_group() -> None:
    html = method_chooser([method("clip"), method("random")], ())
    assert html.count("<fieldset>") == 1
    assert "checked" not in html


def test_a_title_is_text() -> None:
    hostile = replace(method("random"), title="<img src=x>")  # type: ignore[type-var]
    assert "<img" not in method_chooser([hostile], ())


def test_few_methods_are_chosen_at_first_and_one_of_each_family_among_them() -> None:
    chosen = [method(name) for name in USUAL]
    assert {each.family for each in chosen} == set(Family)
    assert sum(each.cost is Cost.PER_EXAMPLE for each in chosen) == 1
