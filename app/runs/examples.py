"""Questions to start from: prompts with a seed and perhaps a box, in a file beside the workspace."""

from __future__ import annotations

import base64
import hashlib
import json
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

    @property
    def run_id(self) -> str:
        """Of its kept answer: a function of what it asks, so that its link stays the same."""
        asks = [self.prompt, self.seed, None if self.box is None else self.box.as_tuple()]
        digest = hashlib.sha256(json.dumps(asks).encode()).digest()
        return base64.urlsafe_b64encode(digest[:12]).decode()


def questions_of(workspace: Path) -> Path:
    """The file of the questions to start from, beside a workspace's folder."""
    return workspace.parent / "examples.json"


def answers_of(workspace: Path) -> Path:
    """The folder of their kept answers, beside a workspace's folder: see `app.keep_examples`."""
    return workspace.parent / "examples"


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
