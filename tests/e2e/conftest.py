"""The real server on the tiny world, and a real Chromium looking at it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    FloatRect,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from benchmarks.serving import served
from tests.worlds import TINY

WORKSPACE = TINY / "workspace"
SCENES = TINY / "scenes"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
# Milliseconds: a bound for a slow and busy machine, not a claim about speed. More by PATIENCE=SECONDS.
PATIENCE = 1000 * int(os.environ.get("PATIENCE", "120"))
PROMPT = "a motorcycle and a stop sign on a road"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


def ids_of(strip: Locator) -> list[str]:
    return [str(cell.get_attribute("data-id")) for cell in strip.locator(".cell[data-id]").all()]


@contextmanager
def serving(folder: Path, port: int | None = None, workspace: Path = WORKSPACE) -> Iterator[str]:
    """The address of the page, of the tiny world or another; its runs and its log are kept in a folder."""
    with served(workspace, folder=folder, port=port, patience=PATIENCE / 1000) as server:
        yield server.address
    log = (folder / "log").read_text()
    assert "Traceback" not in log, f"the server failed somewhere:\n{log}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. Without it these tests fail: they are never skipped."""
    assert CHROMIUM.exists(), (
        f"there is no browser at {CHROMIUM}: install it with `apt-get install chromium`, or name one in "
        "the environment variable CHROMIUM"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that a person has open, and what they do on it."""

    page: Page
    outside: list[str]  # addresses asked for that are not the server's
    problems: list[str]  # what the browser's console complained of

    def generate(self, prompt: str = PROMPT, steps: int = 4) -> None:
        if self.page.locator("#steps").count() == 0 or not self.page.locator("#steps").is_visible():
            self.page.get_by_role("button", name="Steps, guidance").click()
        self._set_steps(str(steps))
        self.page.locator("#prompt textarea").fill(prompt)
        self.page.locator("#generate").click()
        expect(self.legend).to_contain_text(prompt)
        expect(self.page.locator("#attribute")).to_be_enabled()

    def _set_steps(self, steps: str) -> None:
        """Type the number until it stays: a panel that has just been opened sets its own once more."""
        slider = self.page.locator("#steps input[type=range]")
        expect(slider).to_be_visible()
        stayed, deadline = 0, time.monotonic() + PATIENCE / 1000
        while stayed < 3 and time.monotonic() < deadline:
            if slider.input_value() == steps:
                stayed += 1
            else:
                stayed = 0
                self.page.locator("#steps input[type=number]").fill(steps)
                self.page.locator("#steps input[type=number]").press("Tab")
            self.page.wait_for_timeout(100)
        expect(slider).to_have_value(steps)

    def panel(self, name: str) -> None:
        """Look at a panel of the answer; where there is no room for all their names, by the menu."""
        tab = self.page.locator("#answer").get_by_role("tab", name=name, exact=True)
        if not tab.is_visible():
            self.page.locator("#answer .overflow-menu > button").click()
            tab = self.page.locator("#answer .overflow-dropdown").get_by_text(name, exact=True)
        tab.click()

    @property
    def legend(self) -> Locator:
        return self.page.locator("#legend .legend")

    @property
    def status(self) -> Locator:
        return self.page.locator("#status .status")

    def draw(self, x0: float, y0: float, x1: float, y1: float) -> None:
        area = self._standing()
        at = lambda x, y: (area["x"] + x * area["width"], area["y"] + y * area["height"])  # noqa: E731
        self.page.mouse.move(*at(x0, y0))
        self.page.mouse.down()
        self.page.mouse.move(*at((x0 + x1) / 2, (y0 + y1) / 2))
        self.page.mouse.move(*at(x1, y1))
        self.page.mouse.up()

    def _standing(self) -> FloatRect:
        """Where the picture is, once nothing moves any more: a box drawn meanwhile is another one."""
        self.page.locator(".stage").scroll_into_view_if_needed()
        before: FloatRect | None = None
        while True:
            now = self.page.locator(".stage").bounding_box()
            if now is not None and now == before:
                return now
            before = now
            self.page.wait_for_timeout(100)

    def all_methods(self) -> None:
        """Look at all methods, where those that are ticked stand in one line."""
        if self.page.locator(".methods-asked").get_attribute("aria-expanded") == "false":
            self.page.locator(".methods-asked").click()

    def choose(self, *methods: str) -> None:
        self.all_methods()
        for box in self.page.locator("#methods input[type=checkbox]").all():
            box.evaluate(
                "box => box.scrollIntoView({ block: 'center' })"
            )  # on a phone a button lies over it
            box.set_checked(box.get_attribute("name") in methods, force=True)

    def effort(self, name: str) -> None:
        self.page.locator(f"#effort input[value={name}]").check(force=True)

    def attribute(self) -> None:
        self.page.locator("#attribute").click()
        expect(self.status).to_have_attribute("data-state", "done")

    def strip(self, method: str) -> Locator:
        return self.page.locator(f'.strip[data-method="{method}"]')


Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def open_page(server: str, browser: Browser) -> Iterator[Open]:
    """Opens pages; at the end none of them may have asked anyone else for anything."""
    visits: list[Visit] = []
    expect.set_options(timeout=PATIENCE)

    def opened(width: int = 1280, height: int = 860, dark: bool = False) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        visit = Visit(context.new_page(), [], [])
        visits.append(visit)

        def asked(request: Request) -> None:
            if not request.url.startswith((f"{server}/", "data:", "blob:")):
                visit.outside.append(request.url)

        context.on("request", asked)
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        visit.page.goto(server)
        expect(visit.page.locator("#attribute")).to_be_visible()
        return visit

    yield opened
    for visit in visits:
        visit.page.context.close()
    assert [address for visit in visits for address in visit.outside] == []
    assert [problem for visit in visits for problem in visit.problems] == []


@pytest.fixture(scope="module")
def answered(open_page: Open) -> Visit:
    """A picture generated, a box drawn, and three methods asked: done once, looked at by many tests."""
    visit = open_page()
    visit.generate()
    visit.draw(0.52, 0.37, 0.93, 0.83)
    expect(visit.page.locator("#parts")).to_contain_text("cells")
    visit.choose("abu", "clip", "dino")
    visit.attribute()
    return visit


@pytest.fixture(scope="module")
def parted(open_page: Open) -> Visit:
    """Two parts of one picture, asked about at once: done once, looked at by many tests."""
    visit = open_page()
    visit.generate()
    visit.draw(0.05, 0.35, 0.45, 0.9)
    visit.page.get_by_role("button", name="Add a part").click()
    expect(visit.page.get_by_role("button", name="Now draw it")).to_be_visible()
    visit.draw(0.52, 0.35, 0.93, 0.85)
    expect(visit.page.locator(".part-chip")).to_have_count(2)
    visit.choose("first-order", "clip")
    visit.effort("instant")
    visit.attribute()
    return visit
