"""One file a protocol, registered by being there: each binds `PROTOCOLS`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, runtime_checkable
from typing import Protocol as Structural

from attribution.plugins import plugins
from attribution.query import Query, Settings
from attribution.workspace.workspace import Workspace
from evaluation.reports import Report


@dataclass(frozen=True)
class Task:
    """One query of a protocol.

    Attributes:
        key: names its file in the run's folder.
        query: makes the picture to be asked about; called only if the answer is not there yet.
        facts: what the report must know of it, plain JSON values.
    """

    key: str
    query: Callable[[], Query]
    settings: Settings
    methods: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Protocol(Structural):
    """What a file in `evaluation/protocols/` provides."""

    name: str
    description: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare this protocol's own flags; their values become `options`."""
        ...

    def tasks(self, workspace: Workspace, options: Mapping[str, Any], pictures: Pictures) -> Sequence[Task]:
        """The queries, the same for the same workspace and options."""
        ...

    def report(
        self, workspace: Workspace, options: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]
    ) -> Report:
        """What the recorded answers say, in the order of the tasks."""
        ...


Pictures = Callable[[str, str, int], Query]
"""(name, prompt, seed) -> the generated picture as a query, from the run's folder if it is there."""


def protocols() -> dict[str, Protocol]:
    """All protocols by name."""
    found = plugins("evaluation.protocols", "PROTOCOLS")
    return {protocol.name: protocol for protocol in found}
