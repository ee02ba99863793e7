"""How long a person waits: for the page to be painted, to answer to them, and for the first answers.

Needs Chromium and Playwright, as the tests of the page do.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.memory import CHROMIUM, PATIENCE, PROMPTS
from benchmarks.reports import Report, machine, small_print
from benchmarks.serving import served
from evaluation.markdown import table

WORDS = """\
In Chromium on the same machine, which the page and the browser share; each line the median of {visits} \
visits by browsers that have nothing stored. The first visit, while the model is still being opened, is \
told apart. *Interactive* is when the prompt can be written and Generate pressed.

"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
STAGES = {"clip": "neighbours", "d-trak": "D-TRAK", "relative-divergence": "refined"}  # by method


class Opening:
    name = "opening"
    description = "seconds to the first paint, to the first answers, in a browser"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--visits", type=int, default=4, metavar="N", help="the first apart (4)")

    def run(self, options: argparse.Namespace) -> Report:
        first, *later = visited(options.workspace, options.visits, options.device)
        medians = {stage: statistics.median(visit[stage] for visit in later) for stage in first}
        rows = [(stage, f"{first[stage]:.2f} s", f"{seconds:.2f} s") for stage, seconds in medians.items()]
        measured_on = machine(options.device)
        text = WORDS.format(visits=len(later)) + table(("", "first visit", "later"), rows) + "\n"
        text += small_print(measured_on)
        return Report({"first": first, "later": later, "machine": measured_on}, text)


BENCHMARKS = (Opening(),)


def visited(workspace: Path, visits: int, device: str) -> list[dict[str, float]]:
    """The seconds of each stage of each visit."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with served(workspace, device) as server, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        found = []
        for number in range(max(2, visits)):
            page = browser.new_context().new_page()
            page.set_default_timeout(PATIENCE)
            found.append(_visit(page, server.address, PROMPTS[number % len(PROMPTS)], number, expect))
            page.context.close()
        browser.close()
        return found


def _visit(page: Any, address: str, prompt: str, seed: int, expect: Any) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("#prompt textarea").fill(prompt)
    expect(page.locator("#generate")).to_be_enabled()
    seconds["interactive"] = time.perf_counter() - began
    seconds["first paint"] = page.evaluate(PAINTED)
    page.locator("#seed input").fill(str(seed))
    page.locator("#seed input").press("Tab")
    began = time.perf_counter()
    page.locator("#generate").click()
    expect(page.locator("#legend")).to_contain_text(prompt)  # and no longer what the page opened on
    expect(page.locator("#attribute")).to_be_enabled()
    expect(page.locator(".strip .cell[data-id]")).to_have_count(0)  # the answer that the page opened on
    seconds["a picture, from Generate"] = time.perf_counter() - began
    began = time.perf_counter()
    page.locator("#attribute").click()
    for method, stage in (
        ("clip", "neighbours"),
        ("d-trak", "D-TRAK"),
        ("relative-divergence", "refined"),
    ):
        page.locator(f'.strip[data-method="{method}"] .cell[data-id]').first.wait_for()
        seconds[f"{stage}, from Attribute"] = time.perf_counter() - began
    expect(page.locator("#status .status")).to_have_attribute("data-state", "done")
    seconds["the whole answer, from Attribute"] = time.perf_counter() - began
    return dict(seconds)
