"""The flags by which a person says who computes."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager

from cli.parser import positive_count, positive_share
from precompute.executors.base import Asked, Executor, executor_kinds, opened_executor
from precompute.executors.local import LocalKind


def add_executor_flags(parser: argparse.ArgumentParser) -> None:
    """Add them to a command that makes artifacts."""
    standard = LocalKind.name
    parser.add_argument(
        "--executor",
        default=standard,
        choices=tuple(executor_kinds()),
        help=f"who computes: this process, several of them, or a Ray cluster (default {standard})",
    )
    parser.add_argument(
        "--workers", type=positive_count, help="that compute at the same time (default: as many as fit)"
    )
    parser.add_argument("--address", help="of a Ray cluster, or auto (default: this machine alone)")
    parser.add_argument(
        "--gpus-per-task", type=positive_share, metavar="N", help="of a Ray worker (default 1 with cuda)"
    )


def chosen_executor(options: argparse.Namespace) -> AbstractContextManager[Executor]:
    """Return the executor that was asked for.

    Raises:
        SettingsError: a flag is of another one.
    """
    asked = Asked(options.workers, options.address, options.gpus_per_task)
    return opened_executor(options.executor, asked, options.device)
