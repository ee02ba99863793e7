"""The resident memory of `python app.py`, read from the kernel while a browser asks it questions.

Needs Chromium and Playwright, as the tests of the page do.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from pathlib import Path
from typing import Any

from benchmarks.reports import Report, machine, small_print
from benchmarks.serving import served
from evaluation.markdown import table

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE = 600_000  # milliseconds
PROMPTS = (
    "a motorcycle and a stop sign on a road",
    "a cat and an apple on a table",
    "a sailboat and a bird on the sea",
)
WORDS = """\
Resident memory of the page's process on the embedded world, as the kernel tells it (`VmRSS`, and `VmHWM` \
for the peak), while a browser generates pictures and asks for all methods at the page's own effort.

"""


class Memory:
    name = "memory"
    description = "resident memory of the page while it answers"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--questions", type=int, default=len(PROMPTS), metavar="N")

    def run(self, options: argparse.Namespace) -> Report:
        stages = memory_of_visit(options.workspace, options.questions, options.device)
        rows = [(stage, f"{rss:,.0f} MB", f"{peak:,.0f} MB") for stage, (rss, peak) in stages.items()]
        text = WORDS + table(("after", "resident", "peak so far"), rows) + "\n"
        figures = {stage: {"resident_mb": rss, "peak_mb": peak} for stage, (rss, peak) in stages.items()}
        measured_on = machine(options.device)
        return Report({"stages": figures, "machine": measured_on}, text + small_print(measured_on))


BENCHMARKS = (Memory(),)


def memory_of_visit(workspace: Path, questions: int, device: str) -> dict[str, tuple[float, float]]:
    """(resident, peak) megabytes after each stage of a visit."""
    from playwright.sync_api import expect, sync_playwright

    stages = {}
    with served(workspace, device) as server, sync_playwright() as playwright:
        stages["the first answered request"] = resident(server.process)
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        expect.set_options(timeout=PATIENCE)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.address)
        for number in range(questions):
            began = time.perf_counter()
            _generate_and_attribute(page, PROMPTS[number % len(PROMPTS)], number, expect)
            stages[f"question {number + 1}"] = resident(server.process)
            print(f"question {number + 1} in {time.perf_counter() - began:.1f} s", flush=True)
        browser.close()
    return stages


def _generate_and_attribute(page: Any, prompt: str, seed: int, expect: Any) -> None:
    """Generate a picture, attribute it whole, wait for the answer."""
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#seed input").fill(str(seed))
    page.locator("#seed input").press("Tab")
    page.locator("#generate").click()
    expect(page.locator("#legend .legend")).to_contain_text(prompt)
    expect(page.locator("#attribute")).to_be_enabled()
    page.locator("#attribute").click()
    expect(page.locator("#status .status")).to_have_attribute("data-state", "running")
    expect(page.locator("#status .status")).to_have_attribute("data-state", "done")


def resident(process: int) -> tuple[float, float]:
    """Megabytes (of 2^20 bytes) that a process has in memory, and at most had."""
    return megabytes(Path(f"/proc/{process}/status").read_text(encoding="utf-8"))


def megabytes(status: str) -> tuple[float, float]:
    """(VmRSS, VmHWM) of a /proc/PID/status."""
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
    return int(found["VmRSS"]) / 2**10, int(found["VmHWM"]) / 2**10
