"""Seconds and bytes: python -m benchmarks [--workspace DIR] [--queries N] [--threads N]

Page start; each stage of a refined query; first order; the same beside a plain implementation of the
published protocol (`benchmarks.published`); memory; bytes an image of every artifact.
Queries are training images at fixed rows, asked about with their own captions; the median over them
is reported. Page start is the time from `python app.py` to its first answered request.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--workspace", type=Path, default=ROOT / "assets" / "demo" / "workspace")
    parser.add_argument("--queries", type=int, default=5, help="default 5")
    parser.add_argument("--threads", type=int, help="default: all cores")
    options = parser.parse_args()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    starts = [page_start(options.workspace) for _ in range(3)]
    print(f"page start              {statistics.median(starts):8.2f} s  (median of {len(starts)})")
    stages = query_stages(options.workspace, options.queries)
    for stage, seconds in stages.items():
        print(f"{stage:<40} {statistics.median(seconds):8.3f} s  (median of {len(seconds)})")
    print_published(options.workspace, options.queries)
    return 0


def print_published(folder: Path, queries: int) -> None:
    """First order, and both sides of the comparison with the published protocol."""
    from attribution.query import Query
    from attribution.workspace import Workspace
    from benchmarks.published import compared, first_order_seconds

    workspace = Workspace.open(folder)
    training_set = workspace.training_set
    rows = [k * len(training_set) // queries + 7 for k in range(queries)]
    for _ in range(2):  # the first opens what is opened once
        times = [
            first_order_seconds(workspace, Query(training_set.image(r), training_set.captions[r]))
            for r in rows
        ]
    first, whole = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"first order, provisional {first:.2f} s, whole {whole:.2f} s (all {len(training_set):,} images)")
    found = compared(workspace, rows)
    refined = statistics.median(found.refined)
    plain, ours = 1e3 * found.plain_draw, 1e3 * found.our_draw
    print(f"exhaustive: plain {plain:.3f} ms a draw, ours {ours:.3f}, ratio {found.exhaustive_ratio:.2f}")
    print(f"their scores agree to {found.agreement:.5f} (Spearman, same noise)")
    print(
        f"plain query: gradient {found.plain_gradient:.0f} s, scan {found.plain_scan:.0f} s (both scaled)"
    )
    print(f"refined query: {refined:.2f} s, {found.refined_ratio:.0f} times faster; without the published")
    print(f"number of draws in the plain gradient {found.plain_scan / refined:.0f} times")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory of this run  {peak:8.0f} MB")
    for artifact in sorted(path for path in Path(folder).iterdir() if (path / "manifest.json").exists()):
        size = sum(file.stat().st_size for file in artifact.iterdir())
        print(f"{artifact.name:<24} {size / len(training_set):8.0f} bytes an image")


def page_start(workspace: Path) -> float:
    """Seconds from starting `app.py` until it answers its first request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, str(ROOT / "app.py"), "--workspace", str(workspace), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while True:
            if server.poll() is not None:
                assert server.stderr is not None
                raise RuntimeError(f"the page did not start: {server.stderr.read().decode()[-500:]}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
                return time.perf_counter() - began
            except OSError:
                time.sleep(0.05)
    finally:
        server.terminate()
        server.wait()


def query_stages(folder: Path, queries: int) -> dict[str, list[float]]:
    """Seconds of each stage of a refined query, method by method."""
    from attribution.engine import attribute
    from attribution.query import Query, Settings
    from attribution.registry import methods
    from attribution.results import Progress, Ranking
    from attribution.workspace import Workspace

    workspace = Workspace.open(folder)
    training_set = workspace.training_set
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(queries + 1):
        row = number * len(training_set) // (queries + 1)
        query = Query(training_set.image(row), training_set.captions[row])
        began = last = time.perf_counter()
        spent: dict[str, float] = defaultdict(float)
        stage = "before the first method"
        for event in attribute(workspace, query, list(methods()), Settings()):
            now = time.perf_counter()
            spent[stage] += now - last
            last = now
            if isinstance(event, Progress):
                stage = f"{event.method}: {event.stage}"
            elif isinstance(event, Ranking):
                spent.setdefault("all of the fast methods", now - began)
                if not methods()[event.method].slow:
                    spent["all of the fast methods"] = now - began
                stage = "between methods"
        spent["whole query, all methods"] = time.perf_counter() - began
        if number:  # the first query opens models and reads artifacts
            for name, value in spent.items():
                seconds[name].append(value)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
