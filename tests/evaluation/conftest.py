"""Methods that answer at once, and what they were asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from attribution.query import Query
from attribution.results import Attribution
from evaluation import runner
from tests.worlds.scenes import attribution_of, boxed_object


@pytest.fixture
def asked_queries(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """The queries that the two methods are asked.

    "seer" ranks scenes of the boxed object first; "blind" ranks everything in the same order always.
    """
    asked: list[Query] = []

    def attribute(workspace: Any, query: Query, methods: Any, settings: Any) -> Iterator[Attribution]:
        asked.append(query)
        examples, wanted = workspace.training_set.examples, boxed_object(query)
        seen = sorted(examples, key=lambda e: (e.metadata["objects"][0]["name"] != wanted, e.row))
        ranked = {"blind": [e.id for e in examples], "seer": [e.id for e in seen]}
        yield attribution_of({method: ranked[method] for method in methods})

    monkeypatch.setattr(runner, "attribute", attribute)
    return asked
