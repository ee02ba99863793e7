"""A run that survives interruption: one JSON file a query, written whole, never written twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attribution.errors import MismatchError
from attribution.results import Attribution


class RunFolder:
    """`run.json` says what was asked of which model and data; `<query>.json` holds one answer.

    Raises:
        MismatchError: the folder holds a run of other settings, model or data; both are named.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]):
        self.folder = folder
        self.run: dict[str, Any] = json.loads(json.dumps(run))
        folder.mkdir(parents=True, exist_ok=True)
        begun = self._read("run")
        if begun is None:
            self._write("run", self.run)
        elif begun != self.run:
            keys = sorted(k for k in begun | self.run if begun.get(k) != self.run.get(k))
            changes = "; ".join(f"{k} was {begun.get(k)!r} and is {self.run.get(k)!r}" for k in keys)
            raise MismatchError(f"{folder} holds another run: {changes}. Give another --out, or remove it")

    def has(self, key: str) -> bool:
        return self._path(key).exists()

    def answer(self, key: str) -> dict[str, Any]:
        """What was recorded of a query."""
        found = self._read(key)
        if found is None:
            raise KeyError(key)
        return found

    def record(self, key: str, attribution: Attribution, facts: Mapping[str, Any]) -> None:
        """Keep an answer: whole rankings, as ids and scores without the captions."""
        methods = {
            name: {
                "seconds": round(ranking.seconds, 3),
                "details": dict(ranking.details),
                "warnings": list(ranking.warnings),
                "ids": [entry.id for entry in ranking.entries],
                "scores": [entry.score for entry in ranking.entries],
                "stderr": [entry.stderr for entry in ranking.entries],
            }
            for name, ranking in attribution.rankings.items()
        }
        kept = {
            "facts": dict(facts),
            "query": dict(attribution.query),
            "settings": dict(attribution.settings),
            "warnings": list(attribution.warnings),
            "methods": methods,
        }
        self._write(key, kept)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def _write(self, key: str, value: Mapping[str, Any]) -> None:
        part = self._path(key).with_suffix(".part")
        part.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(self._path(key))
