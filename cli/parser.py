"""The argument parser of every command line."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Bad arguments are one clear line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see `{self.prog} --help`)\n")


def positive_count(text: str) -> int:
    """A type of arguments: a whole number that is at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def positive_share(text: str) -> float:
    """A type of arguments: a number above 0, such as 0.5 of a GPU."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{value} is not above 0")
    return value


def add_batch_size(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    """Add the flag by which a person governs memory; where no default is given, it is the library's."""
    words = "as many as are quick" if default is None else str(default)
    parser.add_argument(
        "--batch-size",
        type=positive_count,
        default=default,
        metavar="N",
        help=f"draws of one pass through the model, at most; fewer take less memory (default: {words})",
    )


def add_offload(parser: argparse.ArgumentParser) -> None:
    """Add the flags by which a GPU is spared what it does not need all the time."""
    parser.add_argument(
        "--offload",
        action="store_const",
        const="1",
        help="keep text encoders and autoencoder in the system's memory, but for while the GPU needs them",
    )
    parser.add_argument(
        "--offload-denoiser",
        dest="offload",
        action="store_const",
        const="denoiser",
        help="the denoiser's weights too, each layer's but for its call: for one larger than the GPU; slow",
    )


def add_executor_flags(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the flags by which a person says who computes.

    Args:
        what: it is that they compute.
    """
    parser.add_argument(
        "--executor",
        default="local",
        metavar="NAME",
        help=f"who computes {what}: local (this process, the default), processes (several of them) or ray "
        "(a cluster)",
    )
    parser.add_argument(
        "--workers", type=positive_count, metavar="N", help="that compute at once (default: as many as fit)"
    )
    parser.add_argument("--address", help="of a Ray cluster, or auto (default: this machine alone)")
    parser.add_argument(
        "--gpus-per-task", type=positive_share, metavar="N", help="of a Ray worker (default 1 with cuda)"
    )


positive_share.__name__ = "number"
positive_count.__name__ = "int"  # argparse says "invalid int value" for what is no number
