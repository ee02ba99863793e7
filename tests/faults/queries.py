"""A query on a disk that fails: it answers, or says in one line why not; what it writes is there whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attribution.__main__ import main
from tests.faults.disk import Call, Disk, Fault
from tests.faults.trial import Trial, is_one_line, outcome
from tests.worlds import TINY

METHODS = ("clip", "pixel", "bm25", "first-order")
UNMEASURED = "was not measured"  # said of the query itself, in a warning
QUICK = ("--effort", "instant", "--option", "first-order.draws=2")


class Queries:
    """One command line that asks the tiny world and writes its answer, again and again.

    Args:
        room: an empty folder.
    """

    def __init__(self, room: Path):
        self._room, self._out = room, room / "answer.json"
        shutil.copytree(TINY, room / "world")
        scene = room / "world" / "scenes" / "train-00003.png"
        self._command = [str(scene), "--caption", "a dog", "--workspace", str(room / "world" / "workspace")]
        self._command += ["--method", *METHODS, *QUICK, "--json", str(self._out)]
        assert self._asked(Disk(room, None, set()))[0] == 0
        self._whole = self._answer()

    def trials(self, fault: Fault) -> Iterator[Trial]:
        """Fail each call of the query in turn."""
        past: set[Call] = set()
        while True:
            self._out.write_text("before", encoding="utf-8")
            disk = Disk(self._room, fault, past)
            status, said = self._asked(disk)
            if disk.fired is None:
                return
            yield Trial(disk.fired, said, self._wrong(status, said))
            (self._room / ".answer.json").unlink(missing_ok=True)  # which a read-only disk holds on to

    def _asked(self, disk: Disk) -> tuple[int, str]:
        return outcome(main, self._command, disk)

    def _wrong(self, status: int, said: str) -> str:
        if status == 0:
            return self._compared(self._answer())
        if status != 2 or not is_one_line(said):
            return "an error without a name"
        if self._out.read_text("utf-8") != "before":
            return "half an answer was left"
        return ""

    def _compared(self, found: dict[str, Any]) -> str:
        """Methods that failed said so; what the others said is what was said before."""
        failed, whole = found.pop("problems", {}), {**self._whole}
        whole.pop("problems", None)
        if any("\n" in words for words in failed.values()):
            return "a method's problem is not one line"
        if failed or any(UNMEASURED in warning for warning in found["warnings"]):
            found["warnings"] = whole[
                "warnings"
            ]  # which tell of the query as far as a model could be opened
        whole["methods"] = {n: ranking for n, ranking in whole["methods"].items() if n not in failed}
        return "" if found == whole else "another answer without a word"

    def _answer(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._out.read_text("utf-8"))
        for ranking in told["methods"].values():
            ranking.pop("seconds")
        told["fingerprints"].pop("engine", None)  # of a model that could be opened
        return told
