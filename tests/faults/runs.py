"""Kept runs on a disk that fails: each is there whole or not at all, and what fails is one line."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

from app.runs.archive import RunArchive
from app.runs.proofs import proofs_to_json
from app.runs.run import Run
from attribution.errors import RunError
from attribution.serialization import to_json
from attribution.workspace.workspace import Workspace
from tests.faults.disk import Call, Disk, Fault
from tests.faults.trial import Trial, is_one_line
from tests.worlds.answers import answered_run
from tests.worlds.proofs import PROOF


class Runs:
    """One run that is kept, proven, read and deleted, again and again.

    Args:
        room: an empty folder.
    """

    def __init__(self, room: Path, workspace: Workspace):
        self._room, self._workspace = room, workspace
        self._run, self._other = answered_run(workspace), answered_run(workspace)
        self._whole = self._told(self._run)

    def trials(self, fault: Fault) -> Iterator[Trial]:
        """Fail each call of each of the four in turn, from the start each time."""
        for act in (self._keep, self._keep_proof, self._read, self._forget):
            past: set[Call] = set()
            while (trial := self._trial(act, fault, past)) is not None:
                yield trial

    def _trial(
        self, act: Callable[[RunArchive, str], object], fault: Fault, past: set[Call]
    ) -> Trial | None:
        """None where there is no other call that could fail."""
        rmtree(self._room / "runs", ignore_errors=True)
        archive = RunArchive(self._room / "runs", self._workspace)
        key = "" if act == self._keep else archive.keep(self._run)
        disk, said = Disk(self._room, fault, past), ""
        try:
            with disk:
                act(archive, key)
        except RunError as refused:
            said = str(refused)
        except BaseException:  # which is what is looked for
            said = traceback.format_exc()
        if disk.fired is None:
            return None
        wrong = "an error without a name" if said and not is_one_line(said) else self._half_done()
        return Trial(disk.fired, said, wrong)

    def _keep(self, archive: RunArchive, key: str) -> object:
        return archive.keep(self._run)

    def _keep_proof(self, archive: RunArchive, key: str) -> object:
        return archive.keep_proof(self._run.id, PROOF)

    def _read(self, archive: RunArchive, key: str) -> object:
        return archive.read(self._run.id)

    def _forget(self, archive: RunArchive, key: str) -> object:
        return archive.forget(self._run.id, key)

    def _half_done(self) -> str:
        """A run that is there is whole, and whatever is there another can be kept and read beside it."""
        archive = RunArchive(self._room / "runs", self._workspace)
        if (archive.folder / self._run.id).exists():
            found = archive.read(self._run.id)
            if self._told(found) != self._whole:
                return "a kept run is another"
            proofs = json.dumps(proofs_to_json(found.proofs))
            if proofs not in ("[]", json.dumps(proofs_to_json([PROOF]))):
                return "a kept proof is another"
        archive.keep(self._other)
        if self._told(archive.read(self._other.id)) != self._told(self._other):
            return "the next run is another"
        return ""

    def _told(self, run: Run) -> str:
        """Everything about a run but its proofs."""
        answers = [to_json(part.attribution) for part in run.parts if part.attribution]
        return json.dumps([run.id, run.caption, answers, run.picture.image.tobytes().hex()])
