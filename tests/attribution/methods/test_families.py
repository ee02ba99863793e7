"""Laws of the families of methods."""

from __future__ import annotations

from attribution.engine import attribute
from attribution.methods.base import Family, by_family, methods
from attribution.query import Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of


def test_methods_stand_family_by_family() -> None:
    """Law: Methods stand family by family, first those that say what is promising."""
    families = [each.family for each in methods().values()]
    assert families == sorted(families, key=list(Family).index)
    for group in by_family(methods().values()).values():
        shortlists = [each.shortlists for each in group]
        assert shortlists == sorted(shortlists, reverse=True)
    assert list(methods())[-1] == "random"


def test_every_family_says_in_a_sentence_what_it_does() -> None:
    assert all(family.sentence.endswith(".") and family.title for family in Family)
    assert by_family([]) == {}


def test_only_a_method_that_was_asked_about_controls_says_what_stands_out(tiny_world: Workspace) -> None:
    """Law: A verdict is a method's own: what stands out is said where that score was asked of controls."""
    asked = ["first-order", "relatif", "influence", "abu"]
    *_, answer = attribute(tiny_world, query_of(tiny_world), asked, Settings(candidates=4))
    assert isinstance(answer, Attribution)
    judged = {name: ranking.standing_out is not None for name, ranking in answer.rankings.items()}
    assert judged == {"first-order": True, "relatif": False, "influence": False, "abu": False}
