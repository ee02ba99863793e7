"""Laws of the library as it is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.runs.collection import Collection, leaning
from app.runs.library import LibraryQuestion
from app.views.collection import collection_view, headline
from app.views.dossier import dossier
from app.views.library import LikeWhat, columns_view, shelf_view
from app.views.work import work_verdict, work_view
from attribution.analysis.library import Page
from attribution.analysis.work import NearImage, Nearness, WorkCheck
from attribution.data.catalogue import Catalogue
from attribution.data.training_set import Example, TrainingSet
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from tests.app.views.test_hostile_text import HOSTILE
from tests.worlds.answers import answered_run, solid, with_captions
from tests.worlds.markup import Reader

WHITE = solid("white", 16)


def told(words: str) -> TrainingSet:
    """Three images of which everything that can be said is said in these words."""
    examples = [
        Example(k, f"{words}{k}", words, words, "0" * 64, {words: [words, f"{words}{k}"], "n": k})
        for k in range(3)
    ]
    return TrainingSet(Path(), examples, "0")


def shelf(words: str) -> str:
    training_set = told(words)
    rows, cosines = np.arange(2), np.array([1.0, -0.5])
    page = Page(rows, cosines, 2, 2, np.array([True, True, False]))
    question = LibraryQuestion(text=words, filters=[[words, words]])
    like = LikeWhat("thumbs/0", words, "clip", (("clip", words), ("dino", words)))
    columns = columns_view(Catalogue.of(training_set), page, question)
    return shelf_view(page, training_set, question, like) + columns


def work(words: str, **copies: tuple[NearImage, ...]) -> WorkCheck:
    near = NearImage(1, 0.5, 40.0, mirrored=True)
    space = Nearness("clip", (near,), np.linspace(0.1, 0.9, 9))
    return WorkCheck(copies.get("exact", ()), copies.get("near", ()), (space,))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_text_in_the_library(hostile: str) -> None:
    """Law: Text of a training set or an address never adds a tag to the library, and is read as written."""
    assert Reader(shelf(hostile)).tags == Reader(shelf("words")).tags
    assert any(hostile in text for text in Reader(shelf(hostile)).texts)
    copy = (NearImage(0, 1.0, 0.0),)
    harmless, attacked = (
        Reader(work_view(work(words, exact=copy), WHITE, told(words), {"clip": words}))
        for words in ("words", hostile)
    )
    assert harmless.tags == attacked.tags


def test_hostile_text_is_text_in_a_collection_and_its_dossier(tiny_world: Workspace) -> None:
    run = answered_run(tiny_world, settings=Settings(effort="instant"))
    chosen = np.arange(len(tiny_world.training_set)) < 5

    def both(words: str) -> list[Reader]:
        found = leaning(
            Collection(words, tiny_world.training_set, chosen), [with_captions(run, words)], [words]
        )
        return [Reader(collection_view(found)), Reader(dossier(found, tiny_world))]

    for harmless, attacked in zip(both("words"), both(HOSTILE[0]), strict=True):
        assert harmless.tags == attacked.tags
        assert attacked.open == []
        assert any(HOSTILE[0] in text for text in attacked.texts)


def test_a_headline_claims_more_than_its_share_only_beyond_the_interval(tiny_world: Workspace) -> None:
    """Law: A collection is said to have more than its share only where the whole interval is above it."""
    runs = [
        answered_run(tiny_world, methods=("pixel",), settings=Settings(effort="instant")) for _ in range(5)
    ]
    ranking = runs[0].parts[0].rankings["pixel"]
    for rows, words in (
        (ranking.rows[:10], "more than its share"),
        (ranking.rows[-10:], "less than its share"),
    ):
        chosen = np.zeros(len(tiny_world.training_set), bool)
        chosen[rows] = True
        collection = Collection("some", tiny_world.training_set, chosen)
        assert words in headline(leaning(collection, runs))
        assert "share" not in headline(leaning(collection, runs[:4]))  # too few pictures for an interval
    assert headline(leaning(collection, [])) == ""


def test_a_verdict_names_a_copy_first_and_never_rules_one_out() -> None:
    training_set = told("x")
    exact, near = (NearImage(2, 1.0, 0.5, mirrored=True),), (NearImage(1, 0.9, 6.0),)
    assert "row 3 (x2, mirrored)" in work_verdict(work("x", exact=exact, near=near), training_set)[0]
    head, words = work_verdict(work("x", near=near), training_set)
    assert "Nearly the same" in head
    assert "look for yourself" in words
    assert "does not show that it was not trained on" in work_verdict(work("x"), training_set)[1]
