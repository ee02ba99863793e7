"""Take the pictures of the running page that README and docs/GALLERY.md show.

python -m docs.take_screenshots [--workspace DIR] [--only NAME ...]

The page is asked one real question about two parts of a picture; every other view opens the link of that
run, so that they all show the same answer.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from attribution.methods.base import DEFAULT
from benchmarks.serving import served

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
PROMPT, SEED = "a motorcycle and a stop sign on a road", 0
BOXES = ((0.03, 0.45, 0.47, 0.88), (0.52, 0.35, 0.97, 0.88))
DESK, PHONE = (1280, 860), (390, 844)
# Pictures below the fold are loaded lazily, so only those that will be on the screenshot count.
SEEN_IMAGES_ARE_THERE = """
Array.from(document.images)
    .filter(image => image.checkVisibility())
    .filter(image => image.getBoundingClientRect().top < window.innerHeight)
    .filter(image => image.getBoundingClientRect().left < window.innerWidth)
    .every(image => image.complete)
"""
Place = Mapping[str, float]
PATIENCE = 600_000  # milliseconds, for a slow machine


@dataclass(frozen=True)
class Shot:
    """One picture: what is done on the page that shows the run, and what is said of it."""

    name: str
    words: str
    do: Callable[[Page], None]
    size: tuple[int, int] = DESK
    dark: bool = False
    empty: bool = False  # no run is opened
    whole: bool = False  # beyond what the window shows


def nothing(page: Page) -> None:
    pass


def tab(name: str, *shown: str) -> Callable[[Page], None]:
    """Look at a panel until the parts of it are there."""

    def do(page: Page) -> None:
        page.locator("#answer").get_by_role("tab", name=name).click()
        for part in shown:
            expect(page.locator(part).first).to_be_visible()
        page.wait_for_timeout(800)  # plots are drawn

    return do


def methods_of(part: str) -> Callable[[Page], None]:
    def do(page: Page) -> None:
        page.locator("#beside input").first.check(force=True)
        expect(page.locator("#shown-part")).to_be_visible()
        first = page.locator(f'.strip[data-key="{DEFAULT}"] .cell').first
        expect(first).to_be_visible()
        before = str(first.get_attribute("aria-label"))
        page.locator("#shown-part label").filter(has_text=part).click()
        expect(first).not_to_have_attribute("aria-label", before)

    return do


def opened(page: Page) -> None:
    """A training image, looked at closely."""
    methods_of("Part B")(page)
    page.locator(f'.strip[data-key="{DEFAULT}"] .cell').nth(1).click()
    expect(page.locator("dialog.detail")).to_be_visible()
    expect(page.locator(".detail-map img").first).to_be_visible()
    page.wait_for_timeout(500)


def proved(page: Page) -> None:
    page.locator("#answer").get_by_role("tab", name="Prove it").click()
    page.locator("#prove").click()
    expect(page.locator("#proof-status .status")).to_have_attribute("data-state", "done")
    page.wait_for_timeout(800)


def history(page: Page) -> None:
    page.locator("#history-open").click()
    expect(page.locator("dialog.history")).to_be_visible()
    expect(page.locator(".history-list > *").first).to_be_visible()
    page.wait_for_timeout(400)


def below(page: Page) -> None:
    page.locator("#answer-box").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#answer-box').scrollIntoView()")


SHOTS = (
    Shot("empty", "The page as it opens.", nothing, empty=True),
    Shot("parts", "Two parts of one picture, asked about at once.", nothing),
    Shot("methods", "One part under several methods.", methods_of("Part B"), whole=True),
    Shot("methods-dark", "The same in the dark.", methods_of("Part B"), dark=True, whole=True),
    Shot("inspect", "A training image, looked at closely.", opened),
    Shot("inspect-dark", "The same in the dark.", opened, dark=True),
    Shot("compare", "Rankings against each other and chance.", tab("Compare", "#ranks-plot"), whole=True),
    Shot("groups", "By object, collection, or any column.", tab("Groups", "#groups-plot"), whole=True),
    Shot("prove", "The first images are unlearned, and the picture is made again.", proved, whole=True),
    Shot("history", "Every answer is kept, and comes back with one click.", history),
    Shot("guide", "How to read it, in ten lines.", tab("How to read this", ".guide")),
    Shot("phone", "On a phone.", nothing, PHONE),
    Shot("phone-answer", "The answer on a phone.", below, PHONE),
    Shot("phone-inspect-dark", "A training image on a phone, in the dark.", opened, PHONE, dark=True),
)


def standing(page: Page) -> Place:
    """Where the picture is, in the middle of the window, once nothing moves any more."""
    picture = page.locator(".stage")
    picture.evaluate("stage => stage.scrollIntoView({block: 'center', behavior: 'instant'})")
    before: Place | None = None
    while True:
        now = cast(Place | None, picture.bounding_box())
        if now is not None and now == before:
            return now
        before = now
        page.wait_for_timeout(300)


def draw(page: Page, box: tuple[float, float, float, float]) -> None:
    stage, (x0, y0, x1, y1) = standing(page), box
    page.mouse.move(stage["x"] + x0 * stage["width"], stage["y"] + y0 * stage["height"])
    page.mouse.down()
    page.mouse.move(stage["x"] + x1 * stage["width"], stage["y"] + y1 * stage["height"], steps=4)
    page.mouse.up()
    drawn = page.locator(".stage-drawn").last.bounding_box()
    assert drawn is not None
    assert abs(drawn["height"] - (y1 - y0) * stage["height"]) < 6, "the page moved under the pen"


def ask(page: Page) -> None:
    """Generate, draw the boxes, attribute, and wait for the answer; the address is then its link."""
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#seed input").fill(str(SEED))
    page.locator("#seed input").press("Tab")
    page.locator("#generate").click()
    expect(page.locator("#legend .legend")).to_contain_text(f"{PROMPT} seed {SEED} ")
    expect(page.locator("#attribute")).to_be_enabled()
    draw(page, BOXES[0])
    page.get_by_role("button", name="Add a part").click()
    expect(page.get_by_role("button", name="Now draw it")).to_be_visible()
    draw(page, BOXES[1])
    expect(page.locator(".part-chip")).to_have_count(2)
    began = time.monotonic()
    page.locator("#attribute").click()
    expect(page.locator("#status .status")).to_have_attribute("data-state", "done")
    print(f"answered after {time.monotonic() - began:.1f} s", flush=True)


def look(browser: Browser, address: str, link: str, storage: object, shot: Shot) -> Image.Image:
    context = browser.new_context(
        viewport={"width": shot.size[0], "height": shot.size[1]},
        color_scheme="dark" if shot.dark else "light",
        storage_state=storage,  # type: ignore[arg-type]  # what a browser gave
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address if shot.empty else link)
    expect(page.locator("#attribute" if shot.empty else ".strip .cell[data-id]").first).to_be_visible()
    if not shot.empty:  # a link opens on the answer, with the form folded away
        expect(page.locator("#status .status")).to_have_attribute("data-state", "done")
        expect(page.locator("#traced button").first).to_be_visible()  # its parts were traced unasked
    page.evaluate("window.scrollTo(0, 0)")
    shot.do(page)
    page.mouse.move(2, 2)
    if shot.whole:  # lazily loaded pictures below the fold are seen once
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(600)
        page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_function(SEEN_IMAGES_ARE_THERE)
    taken = page.screenshot(full_page=shot.whole)
    context.close()
    return Image.open(io.BytesIO(taken)).convert("RGB")


def gallery() -> str:
    """docs/GALLERY.md."""
    parts = [f"## {shot.words}\n\n![{shot.words}](images/{shot.name}.webp)\n" for shot in SHOTS]
    head = "# What it looks like\n\nTaken from the running page by `make screenshot`, with one answer.\n"
    return "\n".join([head, *parts])


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the page that the documents show.")
    parser.add_argument("--workspace", type=Path, default=ROOT / "assets" / "demo" / "workspace")
    parser.add_argument("--only", nargs="+", choices=[shot.name for shot in SHOTS], metavar="NAME")
    given = parser.parse_args()
    with served(given.workspace) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        expect.set_options(timeout=PATIENCE)
        context = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.address)
        ask(page)
        page.wait_for_url("**run=*")
        link, storage = page.url, context.storage_state()
        for shot in SHOTS:
            if given.only and shot.name not in given.only:
                continue
            image = look(browser, server.address, link, storage, shot)
            image.save(IMAGES / f"{shot.name}.webp", quality=82, method=6)
            print(IMAGES / f"{shot.name}.webp", flush=True)
        browser.close()
    if not given.only:
        (ROOT / "docs" / "GALLERY.md").write_text(gallery(), encoding="utf-8")


if __name__ == "__main__":
    main()
