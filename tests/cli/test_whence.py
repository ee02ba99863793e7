"""Laws of the command `whence`: each part of it is the same as its `python -m`."""

from __future__ import annotations

import ast
import importlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.__main__ import main
from cli.commands import COMMANDS, program_name
from cli.version import version
from tests.worlds import ROOT


@pytest.mark.parametrize("word", COMMANDS)
def test_each_word_runs_the_main_of_its_part_with_the_rest(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """Law: Each word of the command `whence` is the same as its `python -m`."""
    given: list[list[str]] = []

    def ended(arguments: list[str]) -> int:
        given.append(arguments)
        return 7

    part = importlib.import_module(f"{COMMANDS[word].package}.__main__")
    monkeypatch.setattr(part, "main", ended)
    before = signal.getsignal(signal.SIGINT)
    rest = ["x.png", "--help", "--caption", "a b", "--version", "--", "-y"]
    assert main([word, *rest]) == 7
    assert given == [rest]
    assert signal.getsignal(signal.SIGINT) is before


def test_help_names_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word, command in COMMANDS.items():
        assert f"  {word}" in said
        assert command.description in said


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"whence {version()}\n"
    assert f'version = "{version()}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", [[], ["attribution"], ["--nonsense"]])
def test_an_unknown_part_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_help_names_the_way_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert program_name("attribution") == "python -m attribution"
    monkeypatch.setattr(sys, "argv", [str(Path("bin") / "whence"), "attribute", "--help"])
    assert program_name("attribution") == "whence attribute"
    assert program_name("benchmarks") == "python -m benchmarks"


def test_importing_it_loads_no_part() -> None:
    """Help and a wrong word are answered at once."""
    code = "import sys, cli.__main__, cli.status; print(sorted(sys.modules))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    loaded = {name.split(".")[0] for name in ast.literal_eval(told.stdout)}
    assert loaded & {"torch", "gradio", "diffusers", "app", "precompute", "evaluation", "demo"} == set()
