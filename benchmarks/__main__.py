"""How long things take and how much room, on this machine; the figures of docs/PERFORMANCE.md.

    python -m benchmarks [table]          [--queries N]      start, stages, the published protocol beside
    python -m benchmarks scaling          [--prepare]        seconds against the number of images
    python -m benchmarks published-shape  [--slice N]        the MSCOCO model's shape, on a slice
    python -m benchmarks memory                              of `python app.py`, asked in a browser
    python -m benchmarks soak             [--people 1,10,100]  crowds: right answers, memory, waiting
    python -m benchmarks opening                             first paint and first answers, in a browser
    python -m benchmarks rows             [--rows N]         a training set of a million rows
    python -m benchmarks executors    [--executor NAME]  precompute by several workers, bytes compared
    python -m benchmarks gpu-hours        [--dtype bf16]     SD 1.5 and SDXL by the published settings
    python -m benchmarks true-shapes      [--family sdxl]    SD 1.5 and SDXL from end to end, on the CPU
    python -m benchmarks bytes                               of every artifact, per training image

`--docs docs` also puts the report between its marks in docs/PERFORMANCE.md (true-shapes: docs/MODELS.md;
at the end if there are none), and its figures and drawings into docs/performance.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from cli.environment import prepare

prepare(__name__, offline=True)

import torch

from attribution.models.quiet import quiet_libraries
from attribution.plugins import plugins
from attribution.workspace.workspace import checked_device
from benchmarks.reports import publish
from cli.commands import EMBEDDED, program_name
from cli.parser import Parser
from cli.status import exit_status, exit_with

BENCHMARKS: dict[str, Any] = {each.name: each for each in plugins("benchmarks", "BENCHMARKS")}
DEFAULT = "table"


def parser() -> argparse.ArgumentParser:
    """The command line: one subcommand a benchmark."""
    main = Parser(prog=program_name("benchmarks"), description=(__doc__ or "").splitlines()[0])
    commands = main.add_subparsers(dest="benchmark", required=True, metavar="|".join(BENCHMARKS))
    for name, benchmark in BENCHMARKS.items():
        command = commands.add_parser(name, help=benchmark.description, description=benchmark.description)
        command.add_argument("--workspace", type=Path, default=EMBEDDED, metavar="DIR")
        command.add_argument("--device", default="cpu", metavar="cpu|cuda")
        command.add_argument("--threads", type=int, metavar="N", help="default: all cores")
        command.add_argument("--docs", type=Path, metavar="DIR", help="a documentation folder to update")
        benchmark.add_arguments(command)
    return main


def with_default(arguments: list[str]) -> list[str]:
    """`table` where no benchmark is named."""
    named = bool(arguments) and (not arguments[0].startswith("-") or arguments[0] in ("-h", "--help"))
    return arguments if named else [DEFAULT, *arguments]


def block_of(benchmark: str, device: str) -> str:
    """The name of a report's place in the documentation: a GPU's stand beside the CPU's."""
    return benchmark if device == "cpu" else f"{benchmark}-cuda"


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad input, 130 interrupted."""
    options = parser().parse_args(with_default(sys.argv[1:] if arguments is None else arguments))
    quiet_libraries()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of processes that are started
        torch.set_num_threads(options.threads)
    return exit_status(lambda: measure(options))


def measure(options: argparse.Namespace) -> None:
    """Run one benchmark, print its report and, if asked, put it into the documentation."""
    checked_device(options.device)
    report = BENCHMARKS[options.benchmark].run(options)
    print(report.markdown)
    if options.docs is not None and report.figures:
        publish(report, block_of(options.benchmark, options.device), options.docs)


if __name__ == "__main__":
    exit_with(main)
