"""The arrows between the parts, read from the sources: `app.py -> app -> attribution <- the rest`."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds import ROOT

PARTS = ("cli", "attribution", "app", "precompute", "training", "demo", "evaluation", "benchmarks")

# Which other parts of ours a part may import. `demo build` ends by precomputing its world's artifacts.
ARROWS: dict[str, set[str]] = {
    "cli": set(),
    "attribution": {"cli"},
    "app": {"cli", "attribution"},
    "precompute": {"cli", "attribution"},
    "training": {"attribution"},
    "demo": {"cli", "attribution", "precompute", "training"},
    "evaluation": {"cli", "attribution", "training"},
    "benchmarks": {"cli", "attribution", "precompute", "training", "demo", "evaluation"},
    "app.py": {"app"},
}
PAGE_OR_COMMAND_LINE = {"gradio", "gradio_client", "fastapi", "argparse", "click", "tqdm", "rich", "cli"}
LIBRARY_COMMAND_LINE = ROOT / "attribution" / "__main__.py"


def sources(part: str) -> list[Path]:
    return [ROOT / part] if part.endswith(".py") else sorted((ROOT / part).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            yield node.lineno, node.module


def found(part: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources(part)
        for line, module in imports(path)
        if module.split(".")[0] in forbidden
    ]


@pytest.mark.parametrize("part", ARROWS)
def test_imports_run_one_way(part: str) -> None:
    """Law: Imports between the parts run one way."""
    assert found(part, set(PARTS) - ARROWS[part] - {part}) == []


def test_the_library_knows_no_page_and_no_command_line() -> None:
    """Law: The library imports no page and no command line."""
    at_the_edge = str(LIBRARY_COMMAND_LINE.relative_to(ROOT))
    wrong = found("attribution", PAGE_OR_COMMAND_LINE)
    assert [line for line in wrong if not line.startswith(at_the_edge)] == []


def test_the_library_never_prints() -> None:
    """Law: The library never prints."""
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("attribution")
        if path != LIBRARY_COMMAND_LINE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id == "print")
        or (
            isinstance(node, ast.Attribute)
            and ast.unparse(node) in ("sys.stdout", "sys.stderr", "sys.argv")
        )
    ]
    assert calls == []


def test_the_page_does_no_mathematics() -> None:
    """Law: The page does no mathematics: it imports no torch, FAISS, diffusers or transformers."""
    assert found("app", {"torch", "faiss", "diffusers", "transformers"}) == []


def library_modules() -> list[str]:
    import attribution

    walked = pkgutil.walk_packages(attribution.__path__, "attribution.")
    return ["attribution", *(m.name for m in walked if not m.name.endswith("__main__"))]


def test_every_exported_name_is_there() -> None:
    """Law: Every name that a module exports is there."""
    missing = []
    for name in library_modules():
        module = importlib.import_module(name)
        missing += [f"{name}.{n}" for n in getattr(module, "__all__", ()) if not hasattr(module, n)]
    assert missing == []


READS_WHILE_IMPORTING = """
import json, sys
opened = []
def watch(event, args):
    if event == "open" and isinstance(args[0], str):
        opened.append(args[0])
    if event in ("socket.connect", "socket.getaddrinfo"):
        opened.append("network: " + repr(args))
sys.addaudithook(watch)
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
from attribution.methods.base import methods
methods()
print(json.dumps(opened))
"""


@pytest.mark.slow
def test_importing_loads_no_weights_and_reaches_no_network() -> None:
    """Law: Importing loads no weights and reaches no network."""
    done = subprocess.run(
        [sys.executable, "-c", READS_WHILE_IMPORTING, *library_modules()],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    opened = json.loads(done.stdout.splitlines()[-1])
    assets = re.compile(r"network: |\.(safetensors|npy|npz|faiss|bin|pt|ckpt|jsonl|png)$")
    ours = [path for path in opened if assets.search(path) and "site-packages" not in path]
    assert ours == []


def declared(part: str) -> set[str]:
    """What a part may import; benchmarks drive the page in a browser, as the tests do."""
    further = {
        "benchmarks": ["requirements-dev.txt"],
        "attribution": ["requirements-data.txt", "requirements-scale.txt"],
    }
    files = ["requirements.txt", *further.get(part, [])]
    lines = [line for name in files for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return {line.split("==")[0].strip().lower() for line in lines if "==" in line}


DISTRIBUTION_OF = {"PIL": "pillow", "faiss": "faiss-cpu"}


def test_every_import_at_run_time_is_a_pinned_requirement() -> None:
    known = set(sys.stdlib_module_names) | set(PARTS) | {"__future__"}
    undeclared = {
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for part in ARROWS
        for path in sources(part)
        for line, module in imports(path)
        if (top := module.split(".")[0]) not in known
        and DISTRIBUTION_OF.get(top, top).lower() not in declared(part)
    }
    assert sorted(undeclared) == []
