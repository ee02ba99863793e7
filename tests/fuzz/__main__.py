"""python -m tests.fuzz [--count N] [--first N] [--seed S]: exit status 1 if something was wrong."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import httpx

from tests.fuzz.requests import nonsense
from tests.fuzz.routes import routes_of
from tests.fuzz.trial import wrong
from tests.worlds import TINY


class Tracebacks(logging.Handler):
    """Counts what the log has of them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(logging.Formatter().format(record))


def main() -> int:
    """Send them, one after the other, and say what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.nice(max(0, 19 - os.nice(0)))
    with tempfile.TemporaryDirectory(prefix="whence-fuzz-") as room:
        os.environ["GRADIO_TEMP_DIR"] = f"{room}/sent"
        return fuzz(Path(room), range(given.first, given.first + given.count), given.seed)


def fuzz(room: Path, numbers: range, seed: int) -> int:
    """Exit status."""
    from attribution.workspace.workspace import Workspace
    from tests.worlds.servers import built, listening

    log, found = Tracebacks(), Counter[str]()
    logging.getLogger().addHandler(log)
    server = built(Workspace.open(TINY / "workspace"), room / "runs")
    routes = list(routes_of(server))
    with listening(server) as address, httpx.Client(base_url=address) as client:
        for number in numbers:
            request = nonsense(routes, number, seed)
            if problem := wrong(client, request):
                found[problem] += 1
                print(f"{number}: {request.words}: {problem}", flush=True)
    for words in log.found:
        print(f"the log has a traceback: {words}")
    bad = found.total() + len(log.found)
    print(f"{len(numbers):,} requests of {len(routes)} routes: {bad:,} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
