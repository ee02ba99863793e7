"""Many people at one page for a time: right answers, memory, and how long each of them waits."""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from attribution.workspace.workspace import Workspace
from benchmarks.memory import resident
from benchmarks.people import (
    Page,
    Question,
    Record,
    asked_by_program,
    client_of,
    crowd,
    live,
    question,
    settled,
    together,
)
from benchmarks.reports import Report, machine, small_print
from benchmarks.serving import served
from evaluation.markdown import table

METHODS = ["clip", "dino", "first-order"]
ROWS = (3, 17, 29, 41)  # training images that are asked about
EVERY = 2.0  # seconds between two looks at the memory
WORDS = """\
People ask one page at once, each from an address of its own, half of them by program and half as a \
browser does; some pages are closed in mid-answer, without a word. An answer is right if it is that of \
the question asked alone, to the last bit. Those who are told that the line is full come again.

"""


class Soak:
    name = "soak"
    description = "many people at one page: right answers, memory, waiting"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--people", default="1,10,100", help="how many at once, one after the other")
        parser.add_argument("--minutes", type=float, default=60.0, help="for each of them")

    def run(self, options: argparse.Namespace) -> Report:
        found = []
        for count in options.people.split(","):
            found.append(soaked(options.workspace, int(count), options.minutes, options.device))
            # Said at once: a later crowd may come to grief.
            print(" | ".join(row(found[-1])), file=sys.stderr, flush=True)
        head = (
            "people", "answers", "wrong", "line was full", "pages closed", "median wait", "longest wait",
            "fewest answers of one", "resident, first third", "last third", "most", "alone afterwards",
        )  # fmt: skip
        text = WORDS + table(head, [row(each) for each in found]) + "\n"
        wrong = "".join(f"- {words}\n" for each in found for words in each["wrong"][:5])
        measured_on = machine(options.device)
        figures = {"soaks": found, "minutes": options.minutes, "machine": measured_on}
        return Report(figures, text + (wrong and f"\n{wrong}\n") + small_print(measured_on))


BENCHMARKS = (Soak(),)


def soaked(workspace: Path, people: int, minutes: float, device: str) -> dict[str, Any]:
    """Figures of one crowd at one server."""
    opened = Workspace.open(workspace).training_set
    rows = [row % len(opened) for row in ROWS]
    questions = [question(opened.image(row), opened.captions[row]) for row in rows]
    with served(workspace, device) as server:
        asked = [(each, alone(server.address, each)) for each in questions]
        records, memory = crowd(people), list[float]()
        ended = threading.Event()
        watch = threading.Thread(target=watched, args=(server.process, memory, ended))
        watch.start()
        try:
            together(threads(server.address, records, asked, time.monotonic() + 60 * minutes))
        finally:
            ended.set()
            watch.join()
        began = time.monotonic()
        alone(server.address, questions[0])
        return figures(records, memory, time.monotonic() - began)


def alone(address: str, asked: Question) -> Any:
    """The answer where nobody else asks; the page's is the same."""
    with client_of(address, 0) as client:
        found = settled(asked_by_program(client, asked, METHODS))
        if settled(Page(client).ask(asked, METHODS)) != found:
            raise RuntimeError("the page and the program are given different answers")
        return found


def threads(
    address: str, records: list[Record], asked: list[tuple[Question, Any]], until: float
) -> list[threading.Thread]:
    """One a person."""
    return [
        threading.Thread(
            target=live,
            args=(record, client_of(address, 1 + n), asked, METHODS, until, n % 8 == 0 and n > 0, n),
        )
        for n, record in enumerate(records)
    ]


def watched(process: int, memory: list[float], ended: threading.Event) -> None:
    """Megabytes that the server has in memory, again and again."""
    while not ended.wait(EVERY):
        memory.append(resident(process)[0])


def figures(records: list[Record], memory: list[float], afterwards: float) -> dict[str, Any]:
    """What is reported of a crowd; seconds, and megabytes."""
    waits, third = [wait for each in records for wait in each.waits], max(1, len(memory) // 3)
    stayed = [each for each in records if not each.walked_off]
    return {
        "people": len(records),
        "answers": len(waits),
        "wrong": [words for each in records for words in each.wrong],
        "refused": sum(each.refused for each in records),
        "walked_off": sum(each.walked_off for each in records),
        "median_wait": statistics.median(waits) if waits else None,
        "longest_wait": max(waits, default=None),
        "fewest": min((len(each.waits) for each in stayed), default=0),
        "by_person": [(each.kind, len(each.waits), max(each.waits, default=None)) for each in records],
        "resident_first": statistics.median(memory[:third]) if memory else None,
        "resident_last": statistics.median(memory[-third:]) if memory else None,
        "resident_most": max(memory, default=None),
        "alone_afterwards": afterwards,
        "resident": memory,
    }


def row(found: dict[str, Any]) -> tuple[str, ...]:
    """Of the table."""

    def said(name: str, unit: str) -> str:
        return "-" if found[name] is None else f"{found[name]:,.1f} {unit}"

    return (
        str(found["people"]), f"{found['answers']:,}", str(len(found["wrong"])), f"{found['refused']:,}",
        str(found["walked_off"]), said("median_wait", "s"), said("longest_wait", "s"), str(found["fewest"]),
        said("resident_first", "MB"), said("resident_last", "MB"), said("resident_most", "MB"),
        said("alone_afterwards", "s"),
    )  # fmt: skip
