"""What outlives the page and the server: links, history, reports, pictures, and answers to programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, BrowserContext, Page, expect

from attribution.data.images import read_image
from benchmarks.serving import free_port
from tests.e2e.conftest import PATIENCE, PROMPT, Visit, serving
from tests.worlds import ROOT, TINY

SCENE = TINY / "scenes" / "train-00003.png"
LEFT, RIGHT = (0.05, 0.3, 0.45, 0.9), (0.55, 0.3, 0.95, 0.9)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[dict[str, Any]]:
    """Two parts asked about, on a server that is then stopped and started again; what was on the page."""
    expect.set_options(timeout=PATIENCE)
    folder, port = tmp_path_factory.mktemp("keeping"), free_port()
    context = new_context(browser)
    with serving(folder, port) as address:
        visit = opened(context, address)
        visit.generate()
        visit.draw(*LEFT)
        expect(visit.page.locator("#parts")).to_contain_text("This part")
        visit.page.locator(".part-add").click()
        expect(visit.page.locator(".part-add")).to_have_attribute("aria-pressed", "true")
        visit.draw(*RIGHT)
        expect(visit.page.locator(".part-chip")).to_have_count(2)
        visit.choose("pixel", "random")
        visit.effort("instant")
        visit.attribute()
        expect(visit.page.locator(".copy-link")).to_be_enabled()
        found = {"context": context, "link": visit.page.url, "board": board(visit.page)}
        for name in ("report", "json", "csv"):
            found[name] = downloaded(visit.page, f"#download-{name}")
        found["picture"] = downloaded(visit.page, "#save-picture")
        visit.page.close()
    with serving(folder, port) as address:
        yield {**found, "address": address, "runs": folder / "runs"}
    context.close()


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    return context


def opened(context: BrowserContext, address: str) -> Visit:
    visit = Visit(context.new_page(), [], [])
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.goto(address)
    expect(visit.page.locator("#status .status")).to_be_visible()
    return visit


def board(page: Page) -> list[tuple[str, str]]:
    """What is on the strips: image and score, in order."""
    cells = page.locator("#board .cell[data-id]").all()
    return [(str(cell.get_attribute("data-id")), cell.locator(".score").inner_text()) for cell in cells]


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as waiting:
        page.locator(button).click()
    return Path(waiting.value.path()).read_bytes()


def shows_the_run(visit: Visit, kept: dict[str, Any]) -> None:
    """Everything is as it was, and nothing was computed."""
    expect(visit.status).to_contain_text("nothing was computed again")
    expect(visit.legend).to_contain_text("seed 0 · 4 steps")
    expect(visit.page).to_have_title(f"{PROMPT} · Whence")
    if (unfold := visit.page.locator(".unfold")).is_visible():
        unfold.click()
    expect(visit.page.locator(".part-chip")).to_have_count(2)
    expect(visit.page.locator("#prompt textarea")).to_have_value(PROMPT)
    visit.page.get_by_role("button", name="Steps, guidance").click()
    expect(visit.page.locator("#steps input[type=number]")).to_have_value("4")
    expect(visit.page.locator("#effort input[value=instant]")).to_be_checked()
    for box in visit.page.locator("#methods input[type=checkbox]").all():
        assert box.is_checked() == (box.get_attribute("name") in ("pixel", "random"))
    assert board(visit.page) == kept["board"]
    assert visit.page.url == kept["link"]
    for name in ("json", "csv"):
        assert downloaded(visit.page, f"#download-{name}") == kept[name]
    assert visit.problems == []


# History


def test_history_brings_a_run_back_after_a_restart(kept: dict[str, Any]) -> None:
    visit = opened(kept["context"], kept["address"])
    assert "run=" not in visit.page.url
    visit.page.locator("#history-open").click()
    expect(visit.page.locator(".past-run")).to_have_count(1)
    expect(visit.page.locator(".past-open")).to_contain_text("2 parts")
    visit.page.locator(".past-open").click()
    shows_the_run(visit, kept)
    visit.page.close()


def test_another_browser_has_no_history_of_it(kept: dict[str, Any], browser: Browser) -> None:
    context = new_context(browser)
    visit = opened(context, kept["link"])  # who has the link sees the run, and does not get it into a list
    expect(visit.status).to_contain_text("nothing was computed again")
    visit.page.locator("#history-open").click()
    expect(visit.page.locator(".past-empty")).to_be_visible()
    context.close()


def test_a_forgotten_run_is_gone_for_good(kept: dict[str, Any], browser: Browser) -> None:
    context = new_context(browser)
    visit = opened(context, kept["address"])
    visit.generate()
    visit.choose("random")
    visit.effort("instant")
    visit.attribute()
    expect(visit.page.locator(".copy-link")).to_be_enabled()
    link = visit.page.url
    visit.page.locator("#history-open").click()
    visit.page.locator(".past-forget").click()
    visit.page.get_by_role("button", name="Undo").click()
    expect(visit.page.locator(".past-open")).to_be_focused()
    visit.page.wait_for_timeout(9000)  # longer than it could have been had back
    expect(visit.page.locator(".past-open")).to_be_visible()
    visit.page.locator(".past-forget").click()
    expect(visit.page.locator(".past-empty")).to_be_visible()
    assert visit.page.evaluate("localStorage.getItem('whence-runs')") == "[]"
    expect(visit.page).not_to_have_url(link)
    visit.page.goto(link)
    expect(visit.status).to_contain_text("not kept here")
    context.close()


# Links


def test_a_link_opens_the_run_in_another_browser(kept: dict[str, Any], browser: Browser) -> None:
    context = new_context(browser)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit = opened(context, kept["link"])
    shows_the_run(visit, kept)
    visit.page.locator(".copy-link").click()
    expect(visit.page.locator(".copy-link")).to_have_text("Copied")
    assert visit.page.evaluate("navigator.clipboard.readText()") == kept["link"]
    context.close()


@pytest.mark.parametrize("run", ["nonsense", "a" * 16, "..%2F..%2Fetc%2Fpasswd"])
def test_an_unknown_link_is_said_and_the_page_is_usable(
    kept: dict[str, Any], browser: Browser, run: str
) -> None:
    context = new_context(browser)
    visit = opened(context, f"{kept['address']}/?run={run}")
    expect(visit.status).to_have_attribute("data-state", "failed")
    expect(visit.status).to_contain_text("run")
    visit.generate()
    assert "run=" not in visit.page.url
    context.close()


# Files


def test_the_report_asks_for_nothing(kept: dict[str, Any], browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(kept["report"])
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    expect(page.locator("h1")).to_have_text(PROMPT)
    expect(page.locator("article:not(.groups)")).to_have_count(4)  # two parts, two methods
    expect(page.locator("article.groups")).to_have_count(2)
    assert page.evaluate("Array.from(document.images).every(image => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 718, "height": 1047})  # A4 between its margins
    page.emulate_media(media="print")
    tallest = page.evaluate(UNBROKEN)
    assert tallest < 0.4 * 1047  # so much of a page may be left blank before it
    context.close()


UNBROKEN = """() => Math.max(...[...document.querySelectorAll("main *")]
  .filter((one) => getComputedStyle(one).breakInside.startsWith("avoid"))
  .map((one) => one.getBoundingClientRect().height))"""


def test_a_saved_picture_brings_settings_and_boxes_back(kept: dict[str, Any], browser: Browser) -> None:
    assert len(read_image(kept["picture"])[1]["boxes"]) == 2
    context = new_context(browser)
    visit = opened(context, kept["address"])
    visit.page.get_by_role("tab", name="Upload").click()
    visit.page.locator(".drop input").set_input_files(
        {"name": "saved.png", "mimeType": "image/png", "buffer": kept["picture"]}
    )
    expect(visit.status).to_contain_text("Settings restored")
    expect(visit.page.locator(".part-chip")).to_have_count(2)
    visit.page.get_by_role("tab", name="Generate", exact=True).click()
    expect(visit.page.locator("#prompt textarea")).to_have_value(PROMPT)
    context.close()


# Programs


def test_the_example_asks_from_outside(kept: dict[str, Any], tmp_path: Path) -> None:
    command = [sys.executable, "examples/client.py", "--server", kept["address"], "--steps", "4"]
    command += [
        "--method",
        "pixel",
        "random",
        "--effort",
        "instant",
        "--out",
        str(tmp_path / "answer.json"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE / 1000)
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert list(answer["methods"]) == ["pixel", "random"]
    assert answer["query"]["caption"] == PROMPT
    assert answer["query"]["box"] == [0.52, 0.3, 0.97, 0.9]
    for found in answer["methods"].values():
        for line in found["ranking"][:5]:
            assert line["id"] in done.stdout
    assert f"?run={answer['run']}" in done.stdout


def test_only_the_named_endpoints_are_there_and_they_say_what_they_take(kept: dict[str, Any]) -> None:
    client = Client(kept["address"], verbose=False)
    described = client.view_api(print_info=False, return_format="dict")
    assert described is not None
    assert set(described["named_endpoints"]) == {"/generate", "/attribute", "/methods", "/run"}
    assert described["unnamed_endpoints"] == {}
    asked = {one["parameter_name"]: one for one in described["named_endpoints"]["/attribute"]["parameters"]}
    assert list(asked) == ["picture", "caption", "boxes", "methods", "effort", "seed", "top_k"]
    assert asked["picture"]["python_type"]["type"] == "filepath"
    assert "exhaustive" in asked["effort"]["python_type"]["type"]
    made = described["named_endpoints"]["/generate"]["returns"]
    assert [one["python_type"]["type"] for one in made] == ["filepath", "dict(str, Any)"]


def test_several_boxes_are_several_answers_that_the_link_shows(kept: dict[str, Any]) -> None:
    client = Client(kept["address"], verbose=False)
    answer = client.predict(
        picture=handle_file(SCENE),
        caption="a dog on the beach",
        boxes=[LEFT, RIGHT],
        methods=["random"],
        effort="instant",
        top_k=3,
        api_name="/attribute",
    )
    assert [len(part["methods"]["random"]["ranking"]) for part in answer["parts"]] == [3, 3]
    assert client.predict(run_id=answer["run"], top_k=3, api_name="/run") == answer


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"caption": ""}, "caption"),
        ({"boxes": [[0, 0, 2, 1]]}, "leaves the picture"),
        ({"boxes": [[0, 0, 1, 1]] * 9}, "too many"),
        ({"boxes": "all"}, "list of boxes"),
        ({"methods": ["guess"]}, "no method 'guess'"),
        ({"methods": ["abu"]}, "No method is left"),
        ({"effort": "none"}, "not known"),
        ({"seed": -1}, "whole number"),
        ({"top_k": 0}, "at least 1"),
        ({"picture": "somewhere.png"}, "as a file"),
    ],
)
def test_what_is_wrong_comes_back_as_one_line(
    kept: dict[str, Any], wrong: dict[str, Any], words: str
) -> None:
    client = Client(kept["address"], verbose=False)
    right = {"picture": handle_file(SCENE), "caption": "a dog", "effort": "instant", "methods": ["random"]}
    with pytest.raises(AppError, match=words) as refused:
        client.predict(**{**right, **wrong}, api_name="/attribute")
    assert "\n" not in str(refused.value)


def test_no_file_of_the_machine_can_be_named_as_an_upload(tmp_path: Path) -> None:
    """Law: The running server gives no program a file of the machine as its upload."""
    with unread_log(tmp_path), serving(tmp_path) as address:
        named = {"path": str(SCENE), "meta": {"_type": "gradio.FileData"}}
        data = [named, "a dog", None, ["random"], "instant", 0, 1]
        asked = httpx.post(f"{address}/gradio_api/call/attribute", json={"data": data}, timeout=60)
        event = asked.json()["event_id"]
        answer = httpx.get(f"{address}/gradio_api/call/attribute/{event}", timeout=PATIENCE / 1000)
    assert "event: error" in answer.text
    assert "ranking" not in answer.text


@contextmanager
def unread_log(folder: Path) -> Iterator[None]:
    """For a server to which Gradio's own refusal, a traceback in its log, is what should happen."""
    try:
        yield
    except AssertionError:
        assert "not uploaded by a user" in (folder / "log").read_text()
