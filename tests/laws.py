"""The laws of this project, read from the tests that hold them: docs/LAWS.md.

    python -m tests.laws      (or `make laws`) write it anew

A test whose docstring begins with "Law: " is a law; the first paragraph says it in a whole sentence.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.worlds import ROOT

DOCUMENT = ROOT / "docs" / "LAWS.md"
MARK = "Law: "
HEAD = """# Laws

What holds, and the test that says so. Written by `make laws` from the docstrings of the tests: one that
begins with "Law: " is listed here, under the folder of `tests/` that it stands in.
"""


@dataclass(frozen=True)
class Law:
    """A sentence that must stay true, and the test that holds it to it."""

    sentence: str
    test: str
    path: Path  # of the test's file, from the root

    @property
    def room(self) -> str:
        return str(self.path.parent.relative_to("tests"))


def laws(root: Path = ROOT) -> list[Law]:
    """Every law, by its file, in the order in which they stand there."""
    paths = sorted(root.joinpath("tests").rglob("test_*.py"), key=lambda path: (path.parent, path.name))
    return [law for path in paths for law in laws_of(path.read_text("utf-8"), path.relative_to(root))]


def laws_of(source: str, path: Path) -> Iterator[Law]:
    """The laws in the source of one file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            docstring = ast.get_docstring(node) or ""
            if docstring.startswith(MARK):
                first = docstring.removeprefix(MARK).split("\n\n")[0]
                yield Law(" ".join(first.split()), node.name, path)


def document(found: list[Law]) -> str:
    """docs/LAWS.md."""
    parts = [HEAD]
    for room, here in groupby(found, key=lambda law: law.room):
        lines = [f"| {law.sentence} | [`{law.test}`](../{law.path.as_posix()}) |" for law in here]
        parts.append("\n".join([f"## {room}", "", "| Law | Held by |", "| --- | --- |", *lines, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(document(laws()), encoding="utf-8")
