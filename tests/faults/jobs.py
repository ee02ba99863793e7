"""Artifacts made on a disk that fails: the same command again goes on, and makes the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from precompute.__main__ import main
from tests.faults.disk import Call, Disk, Fault
from tests.faults.trial import Trial, is_one_line, outcome
from tests.worlds import TINY
from tests.worlds.folders import contents, few_scenes

FEW = ("--timesteps", "2", "--draws", "2", "--chunk", "2", "--controls", "2", "--dimensions", "64")
WORKSPACE, ROOT_MANIFEST = "workspace", "manifest.json"


class Jobs:
    """A world whose workspace is made by one command, again and again.

    Args:
        room: an empty folder.
        only: the artifact that is made; all if that is empty. The workspace is then bound beforehand.
    """

    def __init__(self, room: Path, only: str = ""):
        self._room, self._workspace = room, room / WORKSPACE
        for part in ("model", "encoders"):
            shutil.copytree(TINY / part, room / part)
        encoders = [f"--{name}={room / 'encoders' / name}" for name in ("clip", "dino")]
        sources = ["--model", str(room / "model"), "--dataset", str(few_scenes(room / "scenes")), *encoders]
        there = ["--workspace", str(self._workspace)]
        self._command = ["all", *sources, *FEW, *there] if not only else [only, "--chunk", "2", *there]
        if only:
            assert main(["init", *sources, *FEW[:2], *there]) == 0
            shutil.copytree(self._workspace, room / "bound")
        assert main(self._command) == 0
        self._reference = contents(self._workspace)
        self._anew()

    def trials(self, fault: Fault) -> Iterator[Trial]:
        """Fail each call in turn and go on from what it left, until a run from the start has no other."""
        past: set[Call] = set()
        self._anew()
        fresh = True
        while True:
            disk = Disk(self._room, fault, past)
            status, said = self._run(disk)
            if disk.fired is None:
                if problem := self._compared(status, said):
                    yield Trial(("the end", WORKSPACE, 0), said, problem)
                if fresh:
                    return
            else:
                yield Trial(disk.fired, said, self._wrong(status, said))
            fresh = status != 2
            if fresh:  # with a fault or without, it got to its end
                self._anew()

    def _anew(self) -> None:
        shutil.rmtree(self._workspace, ignore_errors=True)
        if (self._room / "bound").exists():
            shutil.copytree(self._room / "bound", self._workspace)

    def _run(self, disk: Disk) -> tuple[int, str]:
        with patch("precompute.__main__.outlook", return_value=""):  # timing passes was most of a run
            return outcome(main, self._command, disk)

    def _wrong(self, status: int, said: str) -> str:
        if status == 0:
            return self._compared(*self._run(Disk(self._room, None, set())))
        if status != 2 or not is_one_line(said):
            return "an error without a name"
        return self._half_done()

    def _half_done(self) -> str:
        """What is published must be whole."""
        for manifest in sorted(self._workspace.glob(f"*/{ROOT_MANIFEST}")):
            folder = manifest.parent
            if folder.suffix in (".part", ".old"):
                continue
            found = {f"{folder.name}/{name}": data for name, data in contents(folder).items()}
            whole = {k: v for k, v in self._reference.items() if k.startswith(f"{folder.name}/")}
            if found != whole:
                return f"{folder.name} is published and not whole"
        return ""

    def _compared(self, status: int, said: str) -> str:
        if status != 0:
            return f"it did not go on: {said}"
        found = contents(self._workspace)
        different = sorted(
            name
            for name in found.keys() | self._reference.keys()
            if found.get(name) != self._reference.get(name)
        )
        return f"other bytes in the end: {', '.join(different)}" if different else ""
