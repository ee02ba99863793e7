"""The parts of Whence that have a command line, and what `whence` calls them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

EMBEDDED = Path(__file__).parent.parent / "assets" / "demo" / "workspace"  # from wherever one calls it


def shipped_workspaces() -> list[Path]:
    """The embedded world's, then those of the customised models that were taught from it."""
    found = sorted((EMBEDDED.parent / "customised").glob("*/workspace/workspace.json"))
    return [EMBEDDED, *(path.parent for path in found)]


@dataclass(frozen=True)
class Command:
    """One word after `whence`.

    Attributes:
        package: the package whose `__main__.main` it is; `python -m PACKAGE` is the same.
        description: one line of `whence --help`.
    """

    package: str
    description: str


COMMANDS = {
    "app": Command("app", "open the page"),
    "attribute": Command("attribution", "say which training images a picture came from"),
    "precompute": Command("precompute", "make a workspace and what queries read of it"),
    "evaluate": Command("evaluation", "measure how far an attribution can be believed"),
    "demo": Command("demo", "remake the embedded world"),
}


def program_name(package: str) -> str:
    """How a package's command line was reached: `whence attribute` or `python -m attribution`."""
    if Path(sys.argv[0]).stem == "whence":
        for word, command in COMMANDS.items():
            if command.package == package:
                return f"whence {word}"
    return f"python -m {package}"
