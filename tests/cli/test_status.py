"""Laws of how a command line ends: exit statuses, and one line for what a person can mend."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest
import torch

from attribution.errors import Cancelled, CaptionError
from cli.parser import Parser, positive_count
from cli.status import exit_status


def raising(problem: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise problem

    return action


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (CaptionError("the caption is empty"), 2, "error: the caption is empty"),
        (OSError(28, "No space left on device", "x.json"), 2, "error: No space left on device: x.json"),
        (OSError("We couldn't connect\nto the hub"), 2, "error: We couldn't connect to the hub"),
        (MemoryError(), 2, "error: out of memory: make it smaller"),
        (torch.OutOfMemoryError("CUDA: 1 GiB"), 2, "error: out of memory: make it smaller"),
        (KeyboardInterrupt(), 130, "stopped; go on later"),
        (Cancelled(), 130, "stopped; go on later"),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_a_status(
    capsys: pytest.CaptureFixture[str], problem: BaseException, status: int, line: str
) -> None:
    """Law: On a command line, what a person can mend is one line and an exit status."""
    ended = exit_status(
        raising(problem), stopped="stopped; go on later", out_of_memory="out of memory: make it smaller"
    )
    said = capsys.readouterr()
    assert (ended, said.out, said.err) == (status, "", f"{line}\n")


@pytest.mark.parametrize("problem", [ValueError("ours"), RuntimeError("ours"), AssertionError("ours")])
def test_a_mistake_of_ours_is_not_hidden(problem: Exception) -> None:
    with pytest.raises(type(problem)):
        exit_status(raising(problem))


def test_an_action_that_is_done_has_status_0_or_its_own() -> None:
    assert exit_status(lambda: None) == 0
    assert exit_status(lambda: 2) == 2


@pytest.mark.parametrize("given", [["--count", "0"], ["--count", "x"], ["--unknown"], ["sub", "--wrong"]])
def test_bad_arguments_are_one_line_that_says_where_help_is(
    capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    parser = Parser(prog="python -m something")
    parser.add_argument("--count", type=positive_count)
    parser.add_subparsers().add_parser("sub")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(given)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert said.startswith("error: ")
    assert "see `python -m something" in said


def test_a_positive_count_is_at_least_one() -> None:
    assert positive_count("3") == 3
    with pytest.raises(argparse.ArgumentTypeError, match="0 is not at least 1"):
        positive_count("0")
