"""Several people on the page at once, each in a browser window of their own."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.conftest import Open, Visit, ids_of


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


def test_ten_people_at_once_each_get_their_own_right_answer(open_page: Open) -> None:
    """Law: Ten people at once each get their own right answer."""
    things = ("cat", "dog", "cow", "zebra", "panda", "penguin", "turtle", "duck", "clock", "cake")
    visits = [open_page() for _ in things]
    for visit, thing in zip(visits, things, strict=True):
        visit.page.locator("#prompt textarea").fill(f"a {thing} on a road")
        visit.choose("clip-text")
        visit.effort("instant")
    for visit in visits:
        visit.page.locator("#generate").click()
    for visit, thing in zip(visits, things, strict=True):
        expect(visit.legend).to_contain_text(thing)
        expect(visit.page.locator("#attribute")).to_be_enabled()
        visit.page.locator("#attribute").click()
    told = [ids_of_the_best(visit) for visit in visits]
    for visit, thing, best in zip(visits, things, told, strict=True):
        with visit.page.expect_download() as waiting:
            visit.page.locator("#download-json").click()
        answer = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
        assert answer["query"]["caption"] == f"a {thing} on a road"
        assert answer["methods"]["clip-text"]["ranking"][0]["id"] == best
        visit.page.context.close()


def ids_of_the_best(visit: Visit) -> str:
    expect(visit.status).to_have_attribute("data-state", "done")
    return ids_of(visit.page.locator('.strip[data-method="clip-text"]'))[0]


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
