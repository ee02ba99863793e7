"""Laws of collections: which images, over which questions, and what is compared when they are unlearned."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.events.collection import CollectionEvents, collection_of, sets_of
from app.events.context import PageContext
from app.runs.collection import Collection, leaning, write_collection_csv
from app.runs.run import Run
from attribution.errors import InputError, SettingsError
from attribution.query import Settings
from tests.worlds.answers import answered_run, with_captions
from tests.worlds.gradio_event import event
from tests.worlds.markup import Reader

ON_SNOW = {"filters": [["ground", "snow"]]}


@pytest.fixture(scope="module")
def asked(page: PageContext) -> Run:
    """A run that is kept, of a picture that is made again in one step."""
    run = answered_run(
        page.workspace, methods=("first-order", "pixel"), settings=Settings(effort="instant")
    )
    run = replace(run, picture=replace(run.picture, made={**run.picture.made, "steps": 1}))
    page.archive.keep(run)
    return run


def test_a_collection_is_what_was_found_or_what_was_picked(page: PageContext) -> None:
    found = collection_of(page.workspace, {**ON_SNOW, "text": "cat"}, ["train-00000"])
    assert found.name == "“cat”, ground: snow"
    assert all("cat" in page.workspace.training_set.captions[row] for row in found.rows)
    picked = collection_of(page.workspace, {}, ["train-00004", "train-00001", "train-00004"])
    assert picked.rows.tolist() == [1, 4]
    for asked, ids in (({}, []), ({}, None), ({"text": "nothingatall"}, []), ({}, ["../../etc"])):
        with pytest.raises(InputError):
            collection_of(page.workspace, asked, ids)


def test_what_is_summed_up_is_of_the_questions_that_the_browser_names(
    page: PageContext, request_of: Any, asked: Run
) -> None:
    """Law: A collection is summed up over examples and the browser's own questions, and no one else's."""
    panel, events = page.library.collection, CollectionEvents(page)
    nobody = events.collect(event(question=ON_SNOW, ids=[], at=1.0), request_of)
    assert "No question is kept" in nobody[panel.view]["html"]
    found = events.collect(
        event(question=ON_SNOW, ids=[asked.id, "A" * 16, 7, asked.id], at=2.0), request_of
    )
    html = found[panel.view]["html"]
    own = np.array([e.metadata["ground"] == "snow" for e in page.workspace.training_set.examples])
    ranking = asked.parts[0].rankings["first-order"]
    assert f"{int(own[ranking.rows[:20]].sum())} of the first 20" in html
    assert f"?run={asked.id}" in html
    assert "1 of your questions are not counted" in html
    dossier = Path(found[panel.dossier]["value"]).read_text(encoding="utf-8")
    assert asked.id in dossier
    assert "http" not in "".join(Reader(dossier).addresses)
    assert page.session(request_of).leaning is not None


def test_the_kept_answers_to_examples_count_for_everyone(
    page: PageContext, request_of: Any, asked: Run
) -> None:
    example = replace(asked, id=page.examples[0].run_id)
    page.archive.keep(example)
    try:
        found = CollectionEvents(page).collect(event(question=ON_SNOW, ids=[], at=1.0), request_of)
    finally:
        shutil.rmtree(page.archive.folder / example.id)
    html = found[page.library.collection.view]["html"]
    assert f"?run={example.id}" in html
    assert "not counted" not in html  # that the other example has no kept answer is told nobody


def test_what_is_no_collection_is_told_in_one_line(page: PageContext, request_of: Any) -> None:
    panel, events = page.library.collection, CollectionEvents(page)
    found = events.collect(event(question={"filters": [["colour", "red"]]}, at=1.0), request_of)
    assert "cannot be filtered by" in found[panel.status]
    assert found[panel.view]["html"] == ""
    (refused,) = events.unlearn(event(run="A" * 16, part="A"), request_of)
    assert "no collection to unlearn" in refused[panel.status]


def test_the_csv_has_every_question_and_no_formula(page: PageContext, asked: Run) -> None:
    """Law: No cell of a collection's CSV is a formula."""
    hostile = with_captions(asked, "=HYPERLINK(1)")
    chosen = np.zeros(len(page.workspace.training_set), bool)
    chosen[:10] = True
    found = leaning(Collection("=1+1, =2", page.workspace.training_set, chosen), [hostile])
    text = write_collection_csv(found).read_text(encoding="utf-8")
    lines = list(csv.reader(io.StringIO(text)))
    assert all(cell[:1] not in "=+-@" for line in lines for cell in line if cell)
    table = lines[[line[0] for line in lines].index("run") + 1 :]
    assert {(line[0], line[3]) for line in table} == {(asked.id, "first-order"), (asked.id, "pixel")}


def test_what_is_unlearned_beside_a_collection_is_outside_of_it(page: PageContext) -> None:
    """Law: The controls of a collection are as large as what is unlearned of it, and none of it."""
    collection = collection_of(page.workspace, ON_SNOW, None)
    sets = sets_of(page.workspace, collection)
    (_, own), *controls = sets
    assert set(own) <= set(collection.rows.tolist())
    assert [len(rows) for _, rows in controls] == [len(own)] * 3
    every = [row for _, rows in controls for row in rows]
    assert len(set(every)) == len(every)
    assert not set(every) & set(collection.rows.tolist())
    most = Collection("most", page.workspace.training_set, np.arange(96) < 70)
    with pytest.raises(SettingsError, match="choose fewer"):
        sets_of(page.workspace, most)


def test_a_collection_is_unlearned_and_its_dossier_has_the_test(
    page: PageContext, request_of: Any, asked: Run
) -> None:
    panel, events = page.library.collection, CollectionEvents(page)
    picked = ["train-00001", "train-00002"]
    events.collect(event(question={}, picked=picked, ids=[asked.id], at=1.0), request_of)
    *_, last = events.unlearn(event(run=asked.id, part="A"), request_of)
    assert 'data-final="true"' in last[panel.result]
    for words in ("2 of the collection", "2 random others", "2 with the same words"):
        assert words in last[panel.result]
    assert "Done" in last[panel.status]
    assert "Put to the test" in Path(last[panel.dossier]["value"]).read_text(encoding="utf-8")
    going = events.unlearn(event(run=asked.id, part="A"), request_of)
    assert "Waiting" in next(going)[panel.status]
    events.collect(event(question=ON_SNOW, ids=[asked.id], at=2.0), request_of)
    assert list(going) == []  # another collection is shown: nothing of the old one comes after it
    (refused,) = events.unlearn(event(run=asked.id, part="Z"), request_of)
    assert "no part" in refused[panel.status]
