"""Which Whence this is."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path


def version() -> str:
    """The version that is installed, or else that of the checkout which is run in place."""
    try:
        return importlib.metadata.version("whence")
    except importlib.metadata.PackageNotFoundError:
        project = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text("utf-8"))
        return str(project["project"]["version"])
