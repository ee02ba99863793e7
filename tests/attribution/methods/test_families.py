"""Laws of the families of methods."""

from __future__ import annotations

from attribution.methods.base import Family, by_family, methods


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
