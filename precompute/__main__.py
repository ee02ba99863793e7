"""Precompute what queries read, for any diffusers pipeline and any captioned image folder.

    python -m precompute all --model MODEL --dataset DIR --workspace DIR

Every job can be stopped at any moment and run again: it continues, and its result is the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from cli.environment import prepare

prepare(__name__)

from attribution.encoders.base import EncoderReader, encoder_readers
from attribution.errors import SettingsError
from attribution.models.offload import ask_to_offload
from attribution.models.quiet import quiet_libraries
from attribution.workspace.config import CONFIG
from attribution.workspace.executors.base import Asked, opened_executor
from attribution.workspace.workspace import Workspace
from cli.commands import program_name
from cli.parser import Parser, add_batch_size, add_executor_flags, add_offload, positive_count
from cli.status import OUT_OF_MEMORY, exit_status, exit_with
from precompute.bars import counting, show
from precompute.binding import bind, gone_without, open_or_bind, use_encoders
from precompute.doctor import examine
from precompute.foreign_files import FOREIGN
from precompute.jobs.base import Job, all_jobs, jobs_in, jobs_of, options_of, passes, with_options
from precompute.outlook import opening, outlook
from precompute.running import CHUNK, SUMS, Execution, run_as_one
from precompute.sealing import seal
from precompute.source_flags import add_sources, encoders_of, sources_of
from precompute.status import problems
from precompute.tables import print_examination, print_status

FIRST = {
    "doctor": "say what a model and a training set are, what is wrong with them and what they will take",
    "all": "make the workspace if there is none, then every artifact",
    "init": "make a workspace, or bind one anew to a changed model, training set or encoder",
}
LAST = {
    "status": "say what there is and what is missing",
    "verify": "hash everything again and compare",
    "seal": "take a workspace as it is: hash everything, and write its manifest anew",
}
OTHERS = {verb: each.description for verb, each in FOREIGN.items()}
VERBS = {**FIRST, **{job.kind.command: job.description for job in all_jobs()}, **OTHERS, **LAST}


SOURCED = ("doctor", "all", "init")  # they are given a model and a training set
WITHOUT_MODELS = ("status", "seal")  # the libraries of models, which take seconds to import, are not asked


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = Parser(prog=program_name("precompute"), description=__doc__.splitlines()[0])
    verbs = top.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
    for verb, words in VERBS.items():
        sub = verbs.add_parser(verb, help=words, description=f"{words[0].upper()}{words[1:]}.")
        if verb in FOREIGN:
            FOREIGN[verb].add_flags(sub)
            continue
        if verb != "doctor":
            sub.add_argument(
                "--workspace", required=True, type=Path, metavar="DIR", help="the workspace's folder"
            )
        if verb not in ("status", "seal"):
            sub.add_argument("--device", default="cpu", help="cpu (default) or cuda")
            add_offload(sub)
        if verb in SOURCED:
            add_sources(sub)
        if verb in (*SOURCED, "embeddings"):
            for name, reader in encoder_readers().items():
                if reader.checkpoint:
                    _add_encoder(sub, name, reader, new=verb != "embeddings")
        if verb not in ("init", *LAST):
            _add_options(sub, verb)
    return top


def _add_encoder(sub: argparse.ArgumentParser, name: str, reader: EncoderReader, new: bool) -> None:
    kept = f"; a new workspace takes {reader.default}" if new and reader.default else ""
    words, where = f"{name.upper()} checkpoint folder, hub id, or none{kept}", "FOLDER_OR_HUB_ID"
    if reader.of:
        words, where = f"head on {reader.of.upper()}, a folder that `heads` made, or none", "FOLDER"
    sub.add_argument(f"--{name}", dest=name, metavar=where, help=words)


def _add_options(sub: argparse.ArgumentParser, verb: str) -> None:
    sub.add_argument(
        "--chunk",
        type=positive_count,
        help=f"training images a chunk, the unit that survives an interruption (default {CHUNK}; of what "
        f"adds up, such as fisher, as many as leave at most {SUMS} chunks)",
    )
    add_batch_size(sub, Execution().batch_size)
    for name, (default, words) in _job_options(verb).items():
        sub.add_argument(f"--{name}", type=positive_count, default=default, help=words)
    if verb == "doctor":
        return
    add_executor_flags(sub, "it")
    if verb != "all":
        sub.add_argument("--remake", action="store_true", help="make it even if it is there")


def _job_options(verb: str) -> dict[str, tuple[int | None, str]]:
    """What the jobs of a command declare, one flag each; several may share one."""
    verb = "all" if verb == "doctor" else verb
    return {name: words for job in jobs_of(verb) for name, words in options_of(job).items()}


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit status: 0 done, 2 bad input, 130 interrupted."""
    options = parser().parse_args(arguments)
    if options.verb not in WITHOUT_MODELS:
        quiet_libraries()
    return exit_status(
        lambda: _done(options),
        stopped="stopped; run the same command again to continue",
        out_of_memory=OUT_OF_MEMORY,
    )


def _done(options: argparse.Namespace) -> int:
    if offload := getattr(options, "offload", None):
        ask_to_offload(options.device, offload)
    actions = ACTIONS | {verb: each.action for verb, each in FOREIGN.items()}
    return actions.get(options.verb, _run_jobs)(options)


def _init(options: argparse.Namespace) -> int:
    workspace = _bound(bind, options)
    print(f"{options.workspace}: {len(workspace.training_set):,} training images", file=sys.stderr)
    return 0


def _bound(how: Callable[..., Workspace], options: argparse.Namespace) -> Workspace:
    """The workspace; of a new one, it is said once which encoders could not be had."""
    fresh, sources = not (options.workspace / CONFIG).exists(), sources_of(options)
    with counting("training set") as progress:
        workspace = how(options.workspace, sources, options.device, progress)
    if fresh and (words := gone_without(workspace, sources.encoders)):
        print(f"{options.workspace} {words}", file=sys.stderr)
    return workspace


def _run_jobs(options: argparse.Namespace) -> int:
    everything = options.verb == "all"
    if everything:
        workspace = _bound(open_or_bind, options)
    else:
        workspace = Workspace.open(options.workspace, options.device)
        use_encoders(workspace, encoders_of(options))
    how = Execution(options.chunk, options.batch_size)
    jobs = _jobs(workspace, options)
    if everything and (words := outlook(workspace, jobs, how)):
        print(words, file=sys.stderr, flush=True)
    asked = Asked(options.workers, options.address, options.gpus_per_task)
    with opened_executor(options.executor, asked, options.device) as executor:
        for one_pass in passes(jobs):
            by_name = any(job.kind.command == options.verb for job in one_pass)
            remake = by_name and getattr(options, "remake", False)
            show(run_as_one(workspace, one_pass, how, remake, executor))
    if everything:
        print(opening(options.workspace, options.device), file=sys.stderr)
    return 0


def _jobs(workspace: Workspace, options: argparse.Namespace) -> list[Job]:
    """What a verb makes in a workspace.

    Raises:
        MissingArtifactError: it makes nothing, for want of an encoder; says how to give it one.
        SettingsError: it makes nothing.
    """
    chosen = {name: getattr(options, name) for name in _job_options(options.verb)}
    jobs = [with_options(job, chosen) for job in jobs_in(workspace, jobs_of(options.verb))]
    if not jobs:
        for job in jobs_of(options.verb):
            workspace.expected(job.kind)
        raise SettingsError(
            f"`{options.verb}` makes nothing in {workspace.folder}: that lacks what it takes"
        )
    return jobs


def _doctor(options: argparse.Namespace) -> int:
    if options.model is None or options.dataset is None:
        raise SettingsError("give --model PIPELINE_FOLDER_OR_HUB_ID and --dataset FOLDER")
    chosen = {name: getattr(options, name) for name in _job_options("all")}
    with counting("training set") as progress:
        found = examine(sources_of(options), chosen, options.device, progress)
    print_examination(found, options.device)
    return 2 if found.refused else 0


def _status(options: argparse.Namespace) -> int:
    print_status(Workspace.open(options.workspace))
    return 0


def _verify(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.workspace, options.device)
    with counting("training set") as progress:
        found = list(problems(workspace, progress))
    return _told(found, f"{options.workspace} is whole")


def _seal(options: argparse.Namespace) -> int:
    with counting("training set") as progress:
        found = seal(options.workspace, progress)
    return _told(found, f"{options.workspace} is whole, and its manifest lists all of it")


def _told(problems: list[str], otherwise: str) -> int:
    """Say what is wrong, or that nothing is; returns the exit status."""
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        print(otherwise)
    return 2 if problems else 0


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "doctor": _doctor,
    "init": _init,
    "status": _status,
    "verify": _verify,
    "seal": _seal,
}

if __name__ == "__main__":
    exit_with(main)
