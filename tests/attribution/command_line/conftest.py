"""The command line, asked about the foreign world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from attribution.__main__ import main
from tests.conftest import Foreign

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(foreign_world: Foreign, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line on the foreign world; returns status, standard output and error."""

    def call(*arguments: object, workspace: Path | None = foreign_world.workspace) -> tuple[int, str, str]:
        given = [*map(str, arguments)]
        if workspace is not None:
            given += ["--workspace", str(workspace)]
        try:
            status = main(given)
        except SystemExit as exit:  # argparse's own
            status = int(exit.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err.strip()

    return call


@pytest.fixture
def picture(foreign_world: Foreign) -> Path:
    return foreign_world.dataset / "pictures" / "005.png"
