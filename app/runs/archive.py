"""Runs that were answered, kept on disk so that a link to one outlives the server.

<folder>/<id>/
    run.json          what was asked, fingerprints, time, the other files' sha256
    answers.json.gz   the answer of each part, as `attribution.serialization.to_json` writes it
    picture.png       the picture, with the settings that made it
    proofs.json.gz    the tests of its answers that have ended since, if any; written anew with each

A run is written beside and renamed, so that it is there whole or not at all. Its id cannot be guessed:
who has it may see the run, and no page ever lists another's. Only the browser that asked has its key,
with which it can be deleted.
"""

from __future__ import annotations

import gzip
import hmac
import json
import os
import re
import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cachetools import LRUCache
from PIL import Image

from app.runs.boxes import boxes_of_run
from app.runs.export import write_with_boxes
from app.runs.kept_files import (
    MALFORMED,
    MAX_FILE,
    REFUSED,
    checked_bytes,
    json_bytes,
    make_durable,
    sha256,
    unzipped,
    why,
    written,
)
from app.runs.proofs import Proof, proofs_of, proofs_to_json, with_proof
from app.runs.record import (
    StoredRun,
    Summary,
    answers_to_json,
    question_to_json,
    run_of,
    summary_of,
)
from app.runs.run import Run
from attribution.data.images import read_image
from attribution.errors import ResultError, RunError, TrainingSetError
from attribution.workspace.workspace import Workspace

KEPT = 1000  # runs; beyond them the oldest go
REMEMBERED = 8  # that were read last: a run never changes
ID = re.compile(r"[A-Za-z0-9_-]{16}")  # what `Run` draws: never a path
QUESTION, ANSWERS, PICTURE = "run.json", "answers.json.gz", "picture.png"
PROOFS = "proofs.json.gz"  # not among the hashes of `run.json`, which never changes: gzip has a checksum
MAX_QUESTION = 2**20  # bytes; what we write is far smaller
BOUND_TO = ("model", "training_set")  # fingerprints without which a run's images and scores mean nothing
AN_HOUR = 3600.0


def default_folder() -> Path:
    """In the user's data folder, as the XDG base directories have it."""
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    base = given if given.is_absolute() else Path.home() / ".local" / "share"
    return base / "whence" / "runs"


class RunArchive:
    """The kept runs that belong to one workspace. Several servers may share a folder.

    Args:
        examples: a folder of further runs, which came with the workspace: they are read and never changed.

    Raises:
        RunError: the folder cannot be written to.
    """

    def __init__(
        self, folder: Path, workspace: Workspace, kept: int = KEPT, examples: Path | None = None
    ) -> None:
        self.folder, self._examples = folder, examples
        self._workspace, self._kept = workspace, kept
        self._lock = threading.Lock()
        self._last: LRUCache[str, Run] = LRUCache(REMEMBERED)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._clear_up()
            probe = folder / f"{secrets.token_hex(8)}.part"
            probe.mkdir()  # better refused now than after the first answer
            probe.rmdir()
        except OSError as problem:
            why = problem.strerror or problem
            raise RunError(
                f"runs cannot be kept in {folder}: {why}; choose another folder with --runs"
            ) from None

    def keep(self, run: Run) -> str:
        """Write an answered run; returns the key that can delete it.

        Raises:
            RunError: it cannot be written (the disk is full, ...).
        """
        assert run.answered, "only whole answers are kept"
        assert ID.fullmatch(run.id), "ids are drawn by `Run`"
        key = secrets.token_urlsafe(18)
        part = self.folder / f"{run.id}.{secrets.token_hex(4)}.part"
        try:
            self._write(run, key, part)
            part.rename(self.folder / run.id)
        except REFUSED as problem:
            raise RunError(f"this run could not be kept: {why(problem)}") from problem
        finally:
            shutil.rmtree(part, ignore_errors=True)
        with suppress(*REFUSED):  # it is kept all the same, and the next one tries again
            self._let_the_oldest_go()
        return key

    def _write(self, run: Run, key: str, part: Path) -> None:
        part.mkdir(mode=0o700)
        write_with_boxes(run.picture, boxes_of_run(run), part / PICTURE)
        (part / ANSWERS).write_bytes(gzip.compress(json_bytes(answers_to_json(run)), 6, mtime=0))
        files = {name: sha256((part / name).read_bytes()) for name in (PICTURE, ANSWERS)}
        question = {**question_to_json(run), "key": sha256(key.encode()), "files": files}
        (part / QUESTION).write_bytes(json_bytes(question))
        make_durable(part)

    def keep_proof(self, run_id: str, proof: Proof) -> None:
        """Write a test of a kept run beside its answers.

        Raises:
            RunError: there is no such run, or it cannot be written to.
        """
        run_id, folder, _ = self._found(run_id)
        if folder.parent != self.folder:
            raise RunError("an example stays as it came: ask its question yourself to keep a test of it")
        part = folder / f"{PROOFS}.{secrets.token_hex(4)}.part"
        with self._lock:
            try:
                proofs = with_proof(_proofs(folder), proof)
                part.write_bytes(gzip.compress(json_bytes(proofs_to_json(proofs)), 6, mtime=0))
                make_durable(folder)
                part.replace(folder / PROOFS)
            except REFUSED as problem:
                raise RunError(f"this proof could not be kept: {why(problem)}") from problem
            except MALFORMED as problem:
                raise _unreadable(run_id, problem) from problem
            finally:
                with suppress(OSError):  # of a disk that cannot be written to
                    part.unlink(missing_ok=True)
            self._last.pop(run_id, None)

    def read(self, run_id: object) -> Run:
        """The run of an id, with every answer.

        Raises:
            RunError: there is none, it is damaged, or it is about another model or training set.
        """
        run_id, folder, question = self._found(run_id)
        with self._lock:
            if run_id in self._last:
                return self._last[run_id]
        run = self._read(run_id, folder, question)
        with self._lock:
            self._last[run_id] = run
        return run

    def _read(self, run_id: str, folder: Path, question: StoredRun) -> Run:
        try:
            image = read_image(checked_bytes(folder / PICTURE, question.files))[0]
            answers = json.loads(unzipped(checked_bytes(folder / ANSWERS, question.files)))
            run = run_of(run_id, question, answers, image, self._workspace.training_set)
            return replace(run, proofs=_proofs(folder))
        except TrainingSetError as problem:
            raise RunError(f"this run cannot be shown here: {problem}") from None
        except MALFORMED as problem:
            raise _unreadable(run_id, problem) from problem

    def summary(self, run_id: object) -> Summary:
        """What a list says of a run; its answers are not read.

        Raises:
            RunError: as `read`.
        """
        run_id, _, question = self._found(run_id)
        try:
            return summary_of(run_id, question)
        except MALFORMED as problem:
            raise _unreadable(run_id, problem) from problem

    def picture(self, run_id: object) -> Image.Image:
        """The picture that a run is about.

        Raises:
            RunError: as `read`.
        """
        run_id, folder, question = self._found(run_id)
        try:
            return read_image(checked_bytes(folder / PICTURE, question.files))[0]
        except MALFORMED as problem:
            raise _unreadable(run_id, problem) from problem

    def forget(self, run_id: object, key: object) -> bool:
        """Delete a run for good; whether it was there and the key was its own.

        Raises:
            RunError: it cannot be deleted.
        """
        try:
            run_id = _checked_id(run_id)
            question = _question(self.folder / run_id, run_id)
        except RunError:
            return False
        if not isinstance(key, str) or not hmac.compare_digest(sha256(key.encode()), question.key):
            return False
        try:
            self._remove(self.folder / run_id)
        except REFUSED as problem:
            raise RunError(f"this run could not be deleted: {why(problem)}") from problem
        self._last.pop(run_id, None)
        return True

    def _found(self, run_id: object) -> tuple[str, Path, StoredRun]:
        """The id, the folder and what was asked of a run that belongs to this workspace."""
        run_id = _checked_id(run_id)
        places = [self.folder] if self._examples is None else [self._examples, self.folder]
        folder = next((each for each in places if (each / run_id).is_dir()), self.folder) / run_id
        question = _question(folder, run_id)
        for name in BOUND_TO:
            then, now = question.fingerprints.get(name), self._workspace.fingerprints[name]
            if then != now:
                raise RunError(
                    f"this run was answered with another {name.replace('_', ' ')} ({str(then)[:12]}; here "
                    f"it is {now[:12]}): open the page on that workspace to see it"
                )
        return run_id, folder, question

    def _let_the_oldest_go(self) -> None:
        with self._lock:
            kept = [path for path in self.folder.iterdir() if ID.fullmatch(path.name)]
            kept.sort(key=written)
            for folder in kept[: max(0, len(kept) - self._kept)]:
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """Out of sight with one rename, so that nobody reads half of it."""
        gone = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
        with suppress(FileNotFoundError):  # another request or server was quicker
            folder.rename(gone)
            shutil.rmtree(gone)

    def _clear_up(self) -> None:
        """What a server that was killed has left half done; not what another is writing now."""
        for part in self.folder.glob("*.part"):
            if time.time() - written(part) > AN_HOUR:
                shutil.rmtree(part, ignore_errors=True)  # another server may be at it as well


def _checked_id(run_id: object) -> str:
    """Nothing but an id of our form ever becomes the name of a folder."""
    if not isinstance(run_id, str) or not ID.fullmatch(run_id):
        raise RunError("there is no such run: the link is not whole")
    return run_id


def _question(folder: Path, run_id: str) -> StoredRun:
    try:
        if (folder / QUESTION).stat().st_size > MAX_QUESTION:
            raise ResultError(f"{QUESTION} is larger than anything we write")
        return StoredRun.model_validate_json((folder / QUESTION).read_bytes())
    except FileNotFoundError:
        raise RunError("this run is not kept here: it was deleted, or asked of another server") from None
    except MALFORMED as problem:
        raise _unreadable(run_id, problem) from problem


def _proofs(folder: Path) -> tuple[Proof, ...]:
    """Those that are kept with a run; raises what is in `MALFORMED`."""
    path = folder / PROOFS
    if not path.exists():
        return ()
    if path.stat().st_size > MAX_FILE:
        raise ResultError(f"{PROOFS} is larger than anything we write")
    return proofs_of(json.loads(unzipped(path.read_bytes())))


def _unreadable(run_id: str, problem: Exception) -> RunError:
    if isinstance(problem, REFUSED) and not isinstance(problem, gzip.BadGzipFile | FileNotFoundError):
        return RunError(f"the run {run_id} cannot be read: {why(problem)}")
    return RunError(f"the run {run_id} is damaged and cannot be shown")
