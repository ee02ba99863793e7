"""A run that survives interruption: one JSON file a query, written whole, never written twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attribution.errors import MismatchError
from attribution.results import Attribution


class RunFolder:
    """`run.json` says what was asked of which model and data; `<query>.json` holds one answer.

    A run may be taken up with further methods, or after a further encoder was added; nothing that was
    asked before may differ.

    Raises:
        MismatchError: the folder holds a run of other settings, model or data; both are named.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]):
        self.folder = folder
        self.run: dict[str, Any] = json.loads(json.dumps(run))
        folder.mkdir(parents=True, exist_ok=True)
        begun = self._read("run") or {}
        differing = [key for key in begun if begun[key] != self.run.get(key) and key != "methods"]
        if differing:
            changes = "; ".join(f"{k} was {begun[k]!r} and is {self.run.get(k)!r}" for k in differing)
            raise MismatchError(f"{folder} holds another run: {changes}. Give another --out, or remove it")
        self._write("run", self.run)

    def missing(self, key: str, methods: Sequence[str]) -> tuple[str, ...]:
        """Those of `methods` that have not answered a query yet."""
        answered = (self._read(key) or {"methods": {}})["methods"]
        return tuple(method for method in methods if method not in answered)

    def answer(self, key: str) -> dict[str, Any]:
        """What was recorded of a query."""
        found = self._read(key)
        if found is None:
            raise KeyError(key)
        return found

    def record(self, key: str, attribution: Attribution, facts: Mapping[str, Any]) -> None:
        """Keep an answer: whole rankings, as ids and scores without the captions.

        Methods that answered this query before keep their answers.
        """
        before = self._read(key) or {"methods": {}}
        methods = {
            name: {
                "seconds": round(ranking.seconds, 3),
                "details": dict(ranking.details),
                "warnings": list(ranking.warnings),
                "ids": [ranking.training_set.ids[row] for row in ranking.rows],
                "scores": ranking.scores.tolist(),
                "stderr": [None] * len(ranking) if ranking.stderr is None else ranking.stderr.tolist(),
            }
            for name, ranking in attribution.rankings.items()
        }
        kept = {
            "facts": dict(facts),
            "query": dict(attribution.query),
            "settings": dict(attribution.settings),
            "warnings": list(attribution.warnings),
            "methods": {**before["methods"], **methods},
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
