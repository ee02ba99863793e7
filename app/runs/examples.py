"""Questions to start from: prompts with a seed and perhaps a box, in a file beside the workspace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from attribution.errors import BoxError, WorkspaceError
from attribution.query import Box


@dataclass(frozen=True)
class ExampleQuestion:
    """A prompt with its seed, and perhaps a box on the picture that they make."""

    prompt: str
    seed: int
    box: Box | None = None
    about: str = ""  # what the box holds, in words


def read_examples(path: Path) -> tuple[ExampleQuestion, ...]:
    """The file's questions; none if there is no such file.

    Raises:
        WorkspaceError: the file is there and is not a list of questions.
    """
    if not path.is_file():
        return ()
    try:
        return tuple(
            ExampleQuestion(
                str(line["prompt"]),
                int(line["seed"]),
                Box(*map(float, line["box"])) if line.get("box") else None,
                str(line.get("about", "")),
            )
            for line in json.loads(path.read_text(encoding="utf-8"))
        )
    except (BoxError, ValueError, KeyError, TypeError) as problem:
        raise WorkspaceError(f"{path} is not a list of example questions: {problem}") from None
