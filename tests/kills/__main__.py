"""python -m tests.kills [--executor NAME] [--kills N] [--seed S] [--every SECONDS].

The exit status is 1 if a byte has changed.

A reference is made in one process. Then the same command runs with workers on a fresh workspace, again and
again: at random moments a worker is killed, or the command with all its workers; it is begun anew until it
has got to its end, and its bytes are compared. So on until the kills are spent.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from tests.worlds import ROOT, TINY
from tests.worlds.folders import contents, few_scenes

IMAGES = 12
EVERY = 3.0  # seconds between two kills on average; more on a busy machine, where less is made in them


def command(workspace: Path, scenes: Path, executor: str) -> list[str]:
    """Every artifact of a few scenes, in chunks of a few images."""
    given = ["all", "--model", TINY / "model", "--dataset", scenes, "--workspace", workspace]
    given += ["--clip", TINY / "encoders" / "clip", "--dino", TINY / "encoders" / "dino"]
    given += ["--timesteps", 2, "--draws", 2, "--chunk", 2, "--controls", 2, "--dimensions", 64]
    given += ["--executor", executor, *([] if executor == "local" else ["--workers", 2])]
    return [sys.executable, "-m", "precompute", *map(str, given)]


def is_worker(process: psutil.Process, below: psutil.Process) -> bool:
    """Whether it computes chunks: an actor of Ray, or a child of the fork server."""
    try:
        parent = process.parent()
        # Not Ray's own, which take their node with them: that is what killing the command is for.
        if process.name().startswith("ray::") or parent is None:
            return process.name().startswith("ray::Worker")
        return parent.ppid() == below.pid and "forkserver" in " ".join(parent.cmdline())
    except psutil.NoSuchProcess:
        return False


def workers_of(running: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Those of its processes that compute chunks."""
    process = psutil.Process(running.pid)
    return [each for each in process.children(recursive=True) if is_worker(each, process)]


def ended(running: subprocess.Popen[bytes]) -> None:
    """Kill a process and whatever it had begun: what a machine that stops takes with it.

    It is waited for by whoever began it: were its status read by another, it would seem to have ended well.
    """
    begun = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    for each in begun:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    running.wait()
    psutil.wait_procs(begun)


def sitting(
    given: list[str], executor: str, moments: random.Random, left: int, every: float
) -> Counter[str]:
    """Run the command to its end, or until it is killed itself; return what was killed.

    It is left alone until it has workers, or else says something: while it imports it has nothing to lose.

    Args:
        left: kills, at most.
        every: so many seconds one is killed, on average.
    """
    killed: Counter[str] = Counter()
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(given, cwd=ROOT, stderr=said)
        begun = False
        while running.poll() is None and killed.total() < left:
            if not begun:
                begun = bool(
                    os.fstat(said.fileno()).st_size if executor == "local" else workers_of(running)
                )
                time.sleep(0.1)
                continue
            time.sleep(moments.expovariate(1 / every))
            if running.poll() is not None:
                break
            workers = workers_of(running)
            if workers and moments.random() < 0.6:
                moments.choice(workers).kill()
                killed["a worker"] += 1
            else:
                ended(running)
                killed["the command"] += 1
        if running.wait() not in (0, -9):
            said.seek(0)
            raise SystemExit(said.read().decode())
    if running.returncode == 0:
        killed["ends reached"] += 1
    return killed


def main() -> int:
    """Kill as often as asked, and say what was killed and whether the bytes are those of the reference."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--executor", default="processes", choices=("local", "processes", "ray"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=EVERY)
    asked = parser.parse_args()
    moments, told = random.Random(asked.seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="whence-kills-") as room:
        scenes = few_scenes(Path(room) / "scenes", IMAGES)
        reference, killed = Path(room) / "reference", Path(room) / "killed"
        subprocess.run(command(reference, scenes, "local"), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        while True:
            left = asked.kills - told["a worker"] - told["the command"]  # of none: it runs to its end
            given = command(killed, scenes, asked.executor)
            found = sitting(given, asked.executor, moments, left, asked.every)
            told += found
            print(f"{dict(found)}, {left} kills were left", flush=True)
            if found["ends reached"]:
                told["changed files"] += changed(contents(reference), contents(killed))
                shutil.rmtree(killed)
                if not left:
                    break
    print(", ".join(f"{words}: {count}" for words, count in sorted(told.items())))
    return 1 if told["changed files"] else 0


def changed(reference: dict[str, bytes], found: dict[str, bytes]) -> int:
    """How many files are not as they are to be."""
    names = reference.keys() | found.keys()
    return sum(reference.get(name) != found.get(name) for name in names)


if __name__ == "__main__":
    sys.exit(main())
