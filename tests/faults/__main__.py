"""python -m tests.faults [jobs|query|runs ...] [--fault NAME ...]: exit status 1 if something was wrong."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from attribution.workspace.workspace import Workspace
from tests.faults.disk import FAULTS, Fault
from tests.faults.jobs import Jobs
from tests.faults.queries import Queries
from tests.faults.runs import Runs
from tests.faults.trial import Trial
from tests.worlds import TINY


class Tried(Protocol):
    """What a fault can befall."""

    def trials(self, fault: Fault) -> Iterator[Trial]:
        """One for each call that failed."""
        ...


OF_ALL: dict[str, Callable[[Path], Tried]] = {
    "runs": lambda room: Runs(room, Workspace.open(TINY / "workspace")),
    "query": Queries,
    "jobs": Jobs,
}


def main() -> int:
    """Try them, one after the other, and say what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="|".join(OF_ALL), help="what it befalls (all)")
    parser.add_argument("--fault", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--verbose", action="store_true", help="say what came of each")
    given = parser.parse_args()
    os.nice(max(0, 19 - os.nice(0)))
    os.environ["WHENCE_ENGINE"] = "torch"
    wrong = 0
    for what in given.what or OF_ALL:
        with tempfile.TemporaryDirectory(prefix="whence-faults-") as room:
            tried = OF_ALL[what](Path(room))
            for name in given.fault:
                wrong += report(what, name, tried, given.verbose)
    return 1 if wrong else 0


def report(what: str, name: str, tried: Tried, verbose: bool) -> int:
    """Try one fault at every call; how many went wrong."""
    began, found = time.monotonic(), Counter[str]()
    for trial in tried.trials(FAULTS[name]):
        outcome = "wrong" if trial.wrong else "said" if trial.said else "without effect"
        found[outcome] += 1
        if verbose or trial.wrong:
            print(
                f"{what}, {name}, {' '.join(map(str, trial.call))}: {trial.wrong} {trial.said}", flush=True
            )
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(found.items()))
    print(
        f"{what}, {name}: {found.total():,} calls: {counts}; {time.monotonic() - began:,.0f} s", flush=True
    )
    return found["wrong"]


if __name__ == "__main__":
    sys.exit(main())
