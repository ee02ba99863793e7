"""Several people on the page at once, each in a browser window of their own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import expect

from attribution import Attribution, Query, Settings, Workspace, attribute
from tests.e2e.conftest import WORKSPACE, Open, ids_of


def test_two_people_at_once_keep_their_own_pictures(open_page: Open) -> None:
    """Law: Two people at once keep their own pictures."""
    prompts = ("a panda on the beach", "a rocket on the moon")
    visits = [open_page(), open_page()]
    for visit, prompt in zip(visits, prompts, strict=True):
        visit.page.locator("#prompt textarea").fill(prompt)
    for visit in visits:
        visit.page.locator("#generate").click()
    for visit, prompt in zip(visits, prompts, strict=True):
        expect(visit.legend).to_contain_text(prompt)
    for visit in visits:
        visit.choose("clip")
        visit.effort("instant")
        visit.page.locator("#attribute").click()
    for visit, prompt in zip(visits, prompts, strict=True):
        expect(visit.status).to_have_attribute("data-state", "done")
        with visit.page.expect_download() as waiting:
            visit.page.locator("#download-json").click()
        answer = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
        assert answer["query"]["caption"] == prompt


def test_ten_people_at_once_each_get_their_own_right_answer(server: str, open_page: Open) -> None:
    """Law: Ten people at once each get their own right answer.

    Three look at the page, seven ask by the endpoints that the page is made of.
    """
    things = ("cat", "dog", "cow", "zebra", "panda", "penguin", "turtle", "duck", "clock", "cake")
    visits = {thing: open_page() for thing in things[:3]}
    with ThreadPoolExecutor(len(things)) as others:
        answers = {thing: others.submit(asked_by_program, server, thing) for thing in things[3:]}
        for thing, visit in visits.items():
            visit.generate(sentence(thing), steps=2)
            visit.choose("clip-text")
            visit.effort("instant")
            visit.page.locator("#attribute").click()
    for thing, visit in visits.items():
        expect(visit.status).to_have_attribute("data-state", "done")
        best = ids_of(visit.page.locator('.strip[data-method="clip-text"]'))[0]
        with visit.page.expect_download() as waiting:
            visit.page.locator("#download-json").click()
        answer = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
        assert answer["methods"]["clip-text"]["ranking"][0]["id"] == best
        check(answer, thing)
    for thing, waited in answers.items():
        check(waited.result(), thing)


def sentence(thing: str) -> str:
    return f"a {thing} on a road"


def asked_by_program(server: str, thing: str) -> dict[str, Any]:
    client = Client(server, verbose=False)
    picture, _ = client.predict(prompt=sentence(thing), steps=2, api_name="/generate")
    answer: dict[str, Any] = client.predict(
        picture=handle_file(picture), methods=["clip-text"], effort="instant", api_name="/attribute"
    )
    return answer


def check(answer: dict[str, Any], thing: str) -> None:
    """It is the answer to this question, and a right one: all captions are ranked as by nobody beside."""
    assert answer["query"]["caption"] == sentence(thing)
    workspace = Workspace.open(WORKSPACE)
    query = Query(Image.new("RGB", (64, 64)), sentence(thing))
    *_, alone = attribute(workspace, query, ["clip-text"], Settings(effort="instant"))
    assert isinstance(alone, Attribution)
    expected = [entry.id for entry in alone.rankings["clip-text"].entries[:5]]
    assert [line["id"] for line in answer["methods"]["clip-text"]["ranking"][:5]] == expected


def test_who_waits_is_told_how_many_are_before_them(open_page: Open) -> None:
    first, second = open_page(), open_page()
    for visit in (first, second):
        visit.generate(steps=2)
        visit.choose("abu")
        visit.effort("exhaustive")
    first.page.locator("#attribute").click()
    expect(first.status).to_contain_text("Unlearning")
    second.page.locator("#attribute").click()
    expect(second.status).to_contain_text("1 person before you")
    first.page.locator("#stop").click()
    expect(second.status).to_contain_text("Unlearning")  # it is their turn
    second.page.locator("#stop").click()
    expect(second.status).to_contain_text("Stopped")
