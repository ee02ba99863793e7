"""Whether two checkouts give the same answers: every example question, every effort, to the last bit.

    python -m benchmarks.answers BEFORE AFTER [--world assets/demo] [--effort instant refined exhaustive]

Asks both checkouts by their own command line, with this interpreter and one thread, and compares the JSON
answers value by value; only `seconds` may differ, and whether the engine is named, which is torch. Answers
are kept in `--keep` by checkout and asked once, so a long comparison can be stopped and gone on with. Exit
status: 0 the same, 1 not, 2 a question failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EFFORTS = ("instant", "refined", "exhaustive")
LOOKED_UP = ("first-order", "clip", "clip-text", "dino", "pixel", "random")
# Measuring every image under both curvatures would take twice as long and take the same path.
METHODS = {
    "instant": LOOKED_UP,
    "refined": ("divergence", "abu", "abu-plus", *LOOKED_UP),
    "exhaustive": ("abu", *LOOKED_UP),
}
MAY_DIFFER = ("seconds", "engine")
SHOWN = 12  # kinds of difference named


def answer_of(checkout: Path, world: Path, question: dict[str, Any], effort: str, out: Path) -> Any:
    """One checkout's answer to one question, from `out` if it was asked before.

    Raises:
        RuntimeError: its command line failed; has what it said.
    """
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(".part")
        command = [sys.executable, "-m", "attribution", "--prompt", question["prompt"]]
        command += ["--seed", str(question["seed"]), "--workspace", str(world / "workspace")]
        command += ["--effort", effort, "--method", *METHODS[effort], "--json", str(part.resolve())]
        if question.get("box"):
            command += ["--box", *map(str, question["box"])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        environment["WHENCE_ENGINE"] = "torch"
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{checkout}: {done.stderr.strip()[-500:]}")
        part.replace(out)
    return json.loads(out.read_text(encoding="utf-8"))


def differences(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Where two JSON values differ, as a path whose list positions are left out."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            if key in MAY_DIFFER:
                continue
            if key not in before or key not in after:
                yield f"{place}.{key} (only {'after' if key in after else 'before'})"
            else:
                yield from differences(before[key], after[key], f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from differences(one, other, f"{place}[]")
    elif before != after:
        yield f"{place} ({before!r} => {after!r})" if "[]" not in place else place


def compared(options: argparse.Namespace) -> bool:
    """Ask and compare all of it, a line a question; whether everything was the same."""
    questions = json.loads((options.before / options.world / "examples.json").read_text(encoding="utf-8"))
    same = True
    for effort in options.effort:
        for number, question in enumerate(questions):
            file = f"{effort}-{number}.json"
            answers = [
                answer_of(checkout, options.world, question, effort, options.keep / name / file)
                for name, checkout in (("before", options.before), ("after", options.after))
            ]
            found = Counter(differences(*answers))
            same = same and not found
            entries = sum(len(method["ranking"]) for method in answers[0]["methods"].values())
            verdict = "differs" if found else f"the same, {entries:,} ranks"
            print(f"{effort:>10}  {question['prompt']!r}: {verdict}", flush=True)
            for place, count in found.most_common(SHOWN):
                print(f"{'':>12}{count:6,} x {place}", flush=True)
    return same


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 the same, 1 not, 2 a question failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("before", type=Path, metavar="BEFORE", help="a checkout")
    parser.add_argument("after", type=Path, metavar="AFTER", help="another")
    parser.add_argument("--world", type=Path, default=Path("assets/demo"), metavar="DIR", help="in both")
    parser.add_argument("--effort", nargs="+", choices=EFFORTS, default=list(EFFORTS))
    parser.add_argument("--keep", type=Path, default=Path("build/answers"), metavar="DIR")
    try:
        return 0 if compared(parser.parse_args(arguments)) else 1
    except RuntimeError as problem:
        print(f"benchmarks.answers: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
