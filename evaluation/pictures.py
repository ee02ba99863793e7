"""Generated pictures to ask about, kept as files: a run that is resumed asks about the same ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from attribution.data.images import read_image, write_png
from attribution.models.base import Generation
from attribution.query import Query
from attribution.workspace.workspace import Workspace


def generated_query(workspace: Workspace, generation: Generation, path: Path) -> Query:
    """The picture as that file holds it, with its prompt; generated now if there is no such file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        model = workspace.model
        *_, last = model.generate(generation)
        assert last.image is not None
        part = path.with_suffix(".part")
        write_png(last.image, part, {**asdict(generation), "model": model.fingerprint})
        part.replace(path)
    return Query(read_image(path)[0], generation.prompt, generation=generation)
