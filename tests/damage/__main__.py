"""python -m tests.damage [--count N] [--first N] [--seed S]: exit status 1 if one was not refused."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.damage.trial import BAD, Trials
from tests.worlds import TINY


def main() -> int:
    """Run them, one after the other, and say what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.damage", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="say what came of each")
    given = parser.parse_args()
    os.nice(max(0, 19 - os.nice(0)))
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="whence-damage-") as room:
        trials = Trials(TINY, Path(room))
        for number in range(given.first, given.first + given.count):
            trial = trials.run(number, given.seed)
            found[trial.outcome.value] += 1
            if given.verbose or trial.outcome in BAD:
                print(f"{number}: {trial.words}: {trial.outcome.value}: {trial.said}", flush=True)
    for words, count in found.most_common():
        print(f"{count:6,} {words}")
    return 1 if any(found[bad.value] for bad in BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
