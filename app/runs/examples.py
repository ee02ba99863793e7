"""Questions to start from: prompts with a seed and perhaps a box, in a file beside the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from attribution.data.files import Place, dotted, first_problem
from attribution.errors import BoxError, WorkspaceError
from attribution.query import Box


class _Line(BaseModel):
    model_config = ConfigDict(strict=True)  # "3" is no seed; further keys are not read

    prompt: str
    seed: int
    box: tuple[float, float, float, float] | None = None
    about: str = ""


_LINES = TypeAdapter(list[_Line])


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
            ExampleQuestion(line.prompt, line.seed, Box(*line.box) if line.box else None, line.about)
            for line in _LINES.validate_json(path.read_bytes())
        )
    except (BoxError, ValidationError) as problem:
        why = first_problem(problem, _words) if isinstance(problem, ValidationError) else problem
        raise WorkspaceError(f"{path} is not a list of example questions: {why}") from None


def _words(place: Place) -> str:
    """`0.seed` as "the seed of question 1"."""
    match place:
        case (int(line),):
            return f"question {line + 1}"
        case (int(line), *rest):
            return f"the {dotted(tuple(rest))} of question {line + 1}"
    return dotted(place)
