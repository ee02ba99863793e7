"""Protocols on a workspace, resumable, and their reports.

    python -m evaluation locality       [--workspace DIR] [--prompts 24] [--candidates 400]
    python -m evaluation self-retrieval [--workspace DIR] [--images 10] [--others 400]
    python -m evaluation draws|sketch|agreement|verdict|orders   (studies of what the methods are made of)
    python -m evaluation retraining train|panel|attribute|plan|run|status   (models without the images)
    python -m evaluation customised                              (models taught a concept: is it found?)
    python -m evaluation report                                  (docs/EVIDENCE.md, from what was recorded)

Answers, pictures and the report go to `--out` (`build/evaluation/<protocol>`); asked again, a run goes
on where it was stopped. `--document FILE` also puts the report between its marks in that file, and
`--figures FILE` its figures as JSON.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from cli.environment import prepare

prepare(__name__, offline=True)

import torch

from attribution.methods import base as registry
from attribution.methods.base import DEFAULT
from attribution.models.batch import BATCH
from attribution.models.quiet import quiet_libraries
from attribution.workspace.workspace import Workspace
from cli.commands import EMBEDDED, program_name
from cli.parser import Parser, add_batch_size
from cli.status import OUT_OF_MEMORY, exit_status, exit_with
from evaluation.customised.arguments import add_customised
from evaluation.protocols import protocols
from evaluation.reports import Report, figures_as_json, update_block
from evaluation.retraining.arguments import add_retraining
from evaluation.runner import run_protocol, run_study
from evaluation.studies import studies

METHODS = (DEFAULT, "abu", "clip", "dino", "pixel", "random")
NOT_OPTIONS = ("protocol", "workspace", "out", "document", "figures", "device", "threads", "batch_size")


def parser() -> argparse.ArgumentParser:
    """The command line: one subcommand a protocol."""
    main = Parser(prog=program_name("evaluation"), description="How far an attribution can be believed.")
    commands = main.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    for name, protocol in protocols().items():
        command = commands.add_parser(name, help=protocol.description, description=protocol.description)
        command.add_argument("--methods", nargs="+", default=list(METHODS), metavar="METHOD")
        _add_common(command)
        protocol.add_arguments(command)
    for name, study in studies().items():
        command = commands.add_parser(name, help=study.description, description=study.description)
        _add_common(command)
        study.add_arguments(command)
    add_retraining(commands)
    add_customised(commands)
    return main


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workspace", type=Path, default=EMBEDDED, metavar="DIR")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="of every draw")
    command.add_argument("--device", default="cpu", metavar="cpu|cuda")
    command.add_argument("--threads", type=int, metavar="N")
    add_batch_size(command, BATCH)
    command.add_argument("--out", type=Path, metavar="DIR", help="answers and report")
    command.add_argument("--document", type=Path, metavar="FILE", help="a Markdown file to update")
    command.add_argument("--figures", type=Path, metavar="FILE", help="the figures as JSON")


def evaluate(given: argparse.Namespace) -> None:
    """Run the protocol or study to its end and write its report."""
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    options: Mapping[str, Any] = {k: v for k, v in vars(given).items() if k not in NOT_OPTIONS}
    folder = given.out or Path("build/evaluation") / given.protocol
    report = _followed(_begun(given, options, folder))
    if given.figures is not None:
        given.figures.parent.mkdir(parents=True, exist_ok=True)
        given.figures.write_text(figures_as_json(report.figures), encoding="utf-8")
    if given.document is not None:
        update_block(given.document, given.protocol, report.markdown)
    print(report.markdown)


def _begun(
    given: argparse.Namespace, options: Mapping[str, Any], folder: Path
) -> Generator[str, None, Report]:
    protocol = protocols().get(given.protocol)
    if protocol is None:
        workspace = Workspace.open(given.workspace, given.device, given.batch_size)
        return run_study(studies()[given.protocol], workspace, options, folder)
    for method in given.methods:
        registry.method(method)  # an unknown name is refused before hours of work
    workspace = Workspace.open(given.workspace, given.device, given.batch_size)
    return run_protocol(protocol, workspace, options, folder)


def _followed(steps: Generator[str, None, Report]) -> Report:
    """Run to the end, saying on standard error what is being done and since when; returns the report."""
    began = time.monotonic()
    while True:
        try:
            line = next(steps)
        except StopIteration as stopped:
            report: Report = stopped.value
            return report
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad input, 130 interrupted."""
    given = parser().parse_args(arguments)
    quiet_libraries()
    action = getattr(given, "action", evaluate)
    return exit_status(
        lambda: action(given),
        stopped="stopped; run the same command again to go on",
        out_of_memory=OUT_OF_MEMORY if "batch_size" in given else "out of memory",
    )


if __name__ == "__main__":
    exit_with(main)
