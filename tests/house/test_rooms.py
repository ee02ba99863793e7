"""The rooms of the library: what stands in each, and what each may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.worlds import ROOT

LIBRARY = ROOT / "attribution"
CIRCLES_ARE_LOOKED_FOR_IN = (
    "attribution", "app", "cli", "precompute", "training", "demo", "evaluation", "benchmarks",
)  # fmt: skip

# Each room, and each file of the hall, with the others that it may import. A room may import itself.
VALUES = {"errors", "query", "results", "rng"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "rng": set(),
    "plugins": {"errors"},
    "query": {"errors"},
    "data": {"errors", "query"},
    "results": {"errors", "data"},
    "serialization": {"errors", "data", "results"},
    "models": {"errors", "rng", "plugins", "query", "data"},
    "encoders": {"errors", "plugins"},
    "workspace": {"errors", "rng", "plugins", "data", "models", "encoders"},
    "gradients": {*VALUES, "data", "models", "workspace"},
    "unlearning": {*VALUES, "data", "models", "workspace", "gradients"},
    "analysis": {*VALUES, "data", "models", "encoders", "workspace", "gradients", "unlearning"},
    "methods": {
        *VALUES, "plugins", "data", "models", "encoders", "workspace", "gradients", "unlearning",
        "analysis",
    },
    "candidates": {*VALUES, "workspace", "gradients", "methods"},
    "engine": {*VALUES, "workspace", "gradients", "analysis", "methods", "candidates"},
}  # fmt: skip
EVERYTHING = {"__init__", "__main__"}  # they are in front of the library


def imported(tree: ast.AST, at_import: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports, those in functions as well unless `at_import`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif not (at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from imported(node, at_import)


def module_of(path: Path) -> str:
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


def place(dotted: str) -> str | None:
    """Return the room or the file of the hall that a dotted name is of."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "attribution" and known(parts[1]) else None


def known(name: str) -> bool:
    return (LIBRARY / name).is_dir() or (LIBRARY / f"{name}.py").is_file()


def test_every_room_and_every_file_of_the_hall_says_what_it_may_import() -> None:
    """Law: Every room of the library, and every file of its hall, says what it may import."""
    there = {path.stem for path in LIBRARY.iterdir() if not path.name.startswith("__pycache__")}
    assert there == {*MAY_IMPORT, *EVERYTHING}


@pytest.mark.parametrize("here", MAY_IMPORT)
def test_a_room_imports_no_room_above_it(here: str) -> None:
    """Law: A room of the library imports no room above it."""
    paths = sorted((LIBRARY / here).rglob("*.py")) or [LIBRARY / f"{here}.py"]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if (there := place(name)) is not None and there not in {here, *MAY_IMPORT[here]}
    ]
    assert wrong == []


def test_the_order_of_the_rooms_has_no_circle() -> None:
    """Law: The rooms of the library stand one above the other."""
    assert list(TopologicalSorter(MAY_IMPORT).static_order())


@pytest.mark.parametrize("part", CIRCLES_ARE_LOOKED_FOR_IN)
def test_no_files_import_each_other_in_a_circle(part: str) -> None:
    """Law: No files import each other in a circle."""
    paths = {module_of(path): path for path in (ROOT / part).rglob("*.py")}
    arrows = {
        module: {
            name
            for name in imported(ast.parse(path.read_text(encoding="utf-8")), at_import=True)
            if name in paths and name != module and paths[name].name != "__init__.py"
        }
        for module, path in paths.items()
    }
    assert set(TopologicalSorter(arrows).static_order()) == set(paths)


FACE = """
import sys
import attribution
heavy = {"torch", "faiss", "diffusers", "transformers", "numpy", "pydantic"} & set(sys.modules)
assert not heavy, f"importing attribution alone loads {heavy}"
from attribution import attribute, Workspace, Query, Settings
assert all(hasattr(attribution, name) for name in attribution.__all__)
"""


@pytest.mark.slow
def test_the_public_face_is_imported_when_it_is_asked_for() -> None:
    """Law: Importing `attribution` alone loads nothing; every name of its public face is there."""
    subprocess.run([sys.executable, "-c", FACE], cwd=ROOT, check=True)
