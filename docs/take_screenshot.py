"""Take the picture of the page that the README shows: the running page, asked a real question.

python docs/take_screenshot.py [--workspace DIR] [--prompt ...] [--seed S] [--box X0 Y0 X1 Y1] [--out PNG]
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent
# Pictures below the fold are loaded lazily, so only those that will be on the screenshot count.
SEEN_IMAGES_ARE_THERE = """
Array.from(document.images)
    .filter(image => image.checkVisibility())
    .filter(image => image.getBoundingClientRect().top < window.innerHeight)
    .filter(image => image.getBoundingClientRect().left < window.innerWidth)
    .every(image => image.complete)
"""
PATIENCE = 300_000  # milliseconds, for a slow machine


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Take the README's picture of the page.")
    parser.add_argument("--workspace", type=Path, default=ROOT / "assets" / "demo" / "workspace")
    parser.add_argument("--prompt", default="a motorcycle and a stop sign on a road")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--box", type=float, nargs=4, default=(0.52, 0.3, 0.97, 0.9))
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=860)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--open", type=int, metavar="RANK", help="open the image of that rank")
    parser.add_argument("--whole-page", action="store_true", help="beyond what the window shows")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "page.png")
    return parser.parse_args()


def answering(address: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the page can be opened."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
    sys.exit("the page did not start")


def ask(page: Page, given: argparse.Namespace) -> None:
    """Generate, draw the box, attribute, and wait for the answer."""
    page.locator("#prompt textarea").fill(given.prompt)
    page.locator("#seed input").fill(str(given.seed))
    page.locator("#seed input").press("Tab")
    page.locator("#generate").click()
    expect(page.locator("#legend .legend")).to_contain_text(given.prompt)
    expect(page.locator("#attribute")).to_be_enabled()
    page.locator(".stage").scroll_into_view_if_needed()
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    x0, y0, x1, y1 = given.box
    page.mouse.move(stage["x"] + x0 * stage["width"], stage["y"] + y0 * stage["height"])
    page.mouse.down()
    page.mouse.move(stage["x"] + x1 * stage["width"], stage["y"] + y1 * stage["height"], steps=4)
    page.mouse.up()
    expect(page.locator("#crop")).to_contain_text("cells")
    began = time.monotonic()
    page.locator("#attribute").click()
    expect(page.locator("#status .status")).to_have_attribute("data-state", "done")
    print(f"answered after {time.monotonic() - began:.1f} s")
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.move(2, 2)
    page.wait_for_function(SEEN_IMAGES_ARE_THERE)


def main() -> None:
    given = arguments()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "app.py", "--workspace", str(given.workspace.resolve()), "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        answering(address, server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
            )
            expect.set_options(timeout=PATIENCE)
            page = browser.new_page(
                viewport={"width": given.width, "height": given.height},
                color_scheme="dark" if given.dark else "light",
            )
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            ask(page, given)
            if given.open:
                page.locator(".cell[data-id]").nth(given.open - 1).click()
                expect(page.locator(".detail-map img").first).to_be_visible()
            page.screenshot(path=given.out, full_page=given.whole_page)
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
    print(given.out)


if __name__ == "__main__":
    main()
