"""Laws of answers over so many training images that a search does not look at all of them."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from attribution.candidates import shortlist
from attribution.engine import attribute
from attribution.gradients.query_context import QueryContext
from attribution.methods import likeness
from attribution.query import Settings
from attribution.results import Attribution, Ranking, returned
from attribution.serialization import from_json, to_json
from attribution.workspace import inverted_lists
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main as precompute
from tests.worlds import TINY
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

BY_LIKENESS = ("clip", "clip-text", "dino", "pixel")
FEW = 6  # are found for an answer here
REFINED = quick({"draws": 8, "calibration_draws": 4}, shortlist=FEW, batch_size=32)


@pytest.fixture(scope="module")
def listed_world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny world, whose embeddings have lists. Not to be changed."""
    root = tmp_path_factory.mktemp("listed") / "world"
    shutil.copytree(TINY, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inverted_lists, "WORTH", 1.0)  # of so few images most lists are looked at
        assert precompute(["embeddings", "--workspace", str(root / "workspace"), "--exact", "8"]) == 0
    return Workspace.open(root / "workspace")


@pytest.fixture(autouse=True)
def few_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "FOUND", FEW)


def answer(workspace: Workspace, methods: tuple[str, ...], settings: Settings) -> Attribution:
    *_, last = attribute(workspace, query_of(workspace, 5), methods, settings)
    assert isinstance(last, Attribution)
    return last


def scores(ranking: Ranking) -> dict[str, float]:
    return {entry.id: entry.score for entry in ranking.entries}


def test_an_answer_by_an_approximate_index_says_so_and_with_what_recall(listed_world: Workspace) -> None:
    """Law: An answer says when an approximate index found it, and what share of the true first it finds."""
    total = len(listed_world.training_set)
    found = answer(listed_world, BY_LIKENESS, dataclasses.replace(REFINED, effort="instant"))
    back = from_json(to_json(found, 3), listed_world.training_set)
    for name in BY_LIKENESS:
        lists = listed_world.load(embedding(name.split("-")[0], name.endswith("-text"))).neighbours.lists
        assert lists is not None
        words = f"the {FEW} nearest of {total:,} training images by an approximate index, which finds "
        words += f"{lists.recall.first:.1%} of the true first 20"
        assert found.rankings[name].candidates == back.rankings[name].candidates == words
        assert back.rankings[name].details["approximate"] == lists.recall.model_dump()


def test_a_score_is_the_same_by_an_approximate_index_and_by_looking_at_every_image(
    listed_world: Workspace,
) -> None:
    """Law: A likeness that an approximate index found is to the last bit what exact search gives."""
    found = answer(listed_world, BY_LIKENESS, dataclasses.replace(REFINED, effort="instant"))
    whole = answer(listed_world, BY_LIKENESS, dataclasses.replace(REFINED, effort="exhaustive"))
    for name in BY_LIKENESS:
        exact = scores(whole.rankings[name])
        assert len(exact) == len(listed_world.training_set)
        assert all(exact[id_] == score for id_, score in scores(found.rankings[name]).items())


def test_every_image_is_looked_at_where_that_is_asked_for(listed_world: Workspace) -> None:
    total = len(listed_world.training_set)
    exhaustive = answer(listed_world, ("clip",), dataclasses.replace(REFINED, effort="exhaustive"))
    assert exhaustive.rankings["clip"].candidates == f"all {total} training images"
    named = listed_world.training_set.ids[-3:]
    asked = dataclasses.replace(REFINED, effort="instant", candidates=tuple(named))
    assert set(scores(answer(listed_world, ("clip",), asked).rankings["clip"])) == set(named)


def test_what_measures_takes_its_candidates_from_the_index_and_scores_them_as_ever(
    listed_world: Workspace, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A shortlist of what approximate indexes find gives what exact ones give where they find all."""
    monkeypatch.setattr(likeness, "FOUND", len(tiny_world.training_set))
    by_index, exact = (answer(world, ("abu",), REFINED) for world in (listed_world, tiny_world))
    found, expected = scores(by_index.rankings["abu"]), scores(exact.rankings["abu"])
    assert found.keys() == expected.keys()
    assert [found[name] for name in expected] == pytest.approx(
        [*expected.values()], rel=1e-4
    )  # batches differ


def test_a_shortlist_does_not_depend_on_what_is_shown_beside(listed_world: Workspace) -> None:
    shown = (("abu",), ("clip", "abu"), (*BY_LIKENESS, "random", "abu"))
    ids = [tuple(scores(answer(listed_world, names, REFINED).rankings["abu"])) for names in shown]
    assert ids[0] == ids[1] == ids[2]


def test_a_shortlist_is_dealt_from_what_the_indexes_found(listed_world: Workspace) -> None:
    context = QueryContext(listed_world, query_of(listed_world, 5), REFINED)
    rows = returned(shortlist(context))
    for name in ("clip", "dino", "clip-text"):
        method = next(each for each in likeness.METHODS if each.name == name)
        neighbours = listed_world.load(method.artifact).neighbours
        assert neighbours.found(method.query_vector(context), 1)[0] in rows
    assert len(np.unique(rows)) == FEW
