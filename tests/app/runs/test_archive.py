"""Laws of the runs that are kept on disk."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.runs import archive
from app.runs.archive import ANSWERS, PICTURE, QUESTION, RunArchive, default_folder
from app.runs.boxes import boxes_of_run
from app.runs.export import write_with_boxes
from app.runs.run import Run
from attribution.errors import RunError
from attribution.query import Settings
from attribution.results import Attribution
from attribution.serialization import to_json
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import LEFT, RIGHT, answered_run


@pytest.fixture(scope="module")
def run(tiny_world: Workspace) -> Run:
    return answered_run(tiny_world, (LEFT, RIGHT))


@pytest.fixture
def runs(tmp_path: Path, tiny_world: Workspace) -> RunArchive:
    return RunArchive(tmp_path / "runs", tiny_world)


def again(run: Run) -> Run:
    """The same under another id."""
    return Run(run.picture, run.caption, run.methods, run.settings, run.parts, begun=run.begun)


def same(one: Run, other: Run) -> bool:
    """Whether two runs are alike in all that they hold."""
    answers = [
        [json.dumps(to_json(part.attribution)) for part in each.parts if part.attribution]
        for each in (one, other)
    ]
    facts = [
        (r.id, r.begun, r.caption, r.methods, r.settings, boxes_of_run(r), dict(r.picture.made))
        for r in (one, other)
    ]
    pixels = [r.picture.image.tobytes() for r in (one, other)]
    return answers[0] == answers[1] and facts[0] == facts[1] and pixels[0] == pixels[1]


# Kept and read back


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("boxes", [(), (LEFT,), (LEFT, RIGHT)])
def test_a_run_comes_back_as_it_was(
    tiny_world: Workspace, runs: RunArchive, tmp_path: Path, boxes: Any, generated: bool
) -> None:
    """Law: A kept run comes back as it was."""
    run = answered_run(tiny_world, boxes, generated=generated)
    runs.keep(run)
    elsewhere = RunArchive(tmp_path / "runs", tiny_world)  # another server, later
    back = elsewhere.read(run.id)
    assert back.answered
    assert same(run, back)
    assert back.picture.original_size == run.picture.original_size
    assert [part.rankings["pixel"].entries for part in back.parts] == [
        part.rankings["pixel"].entries for part in run.parts
    ]


def test_settings_come_back_whatever_they_are(tiny_world: Workspace, runs: RunArchive) -> None:
    settings = Settings(seed=5, effort="instant", candidates=tiny_world.training_set.ids[:4])
    run = answered_run(tiny_world, settings=settings)
    runs.keep(run)
    assert runs.read(run.id).settings == settings


def test_a_summary_says_what_was_asked(runs: RunArchive, run: Run) -> None:
    runs.keep(run)
    found = runs.summary(run.id)
    assert (found.id, found.caption, found.boxes) == (run.id, run.caption, (LEFT, RIGHT))
    assert (found.methods, found.settings, found.begun) == (run.methods, run.settings, run.begun)
    assert runs.picture(run.id).tobytes() == run.picture.image.tobytes()


def test_nobody_else_on_the_machine_can_read_a_run(runs: RunArchive, run: Run) -> None:
    runs.keep(run)
    for path in [runs.folder, runs.folder / run.id, *(runs.folder / run.id).iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


# Whole or not at all


def test_a_server_killed_at_any_step_leaves_no_half_run(
    runs: RunArchive, run: Run, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A kept run is there whole or not at all, whenever the server is killed.

    Dies before each call that changes the disk, one after the other, until one run gets through.
    """

    class Killed(BaseException):
        pass

    for dies_at in range(100):
        steps = iter(range(1000))

        def counted(plain: Callable[..., Any], dies_at: int = dies_at, steps: Any = steps) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                if next(steps) == dies_at:
                    raise Killed
                return plain(*args, **kwargs)

            return call

        tried = again(run)
        with monkeypatch.context() as patched:
            for name in ("mkdir", "write_bytes", "rename", "chmod"):
                patched.setattr(Path, name, counted(getattr(Path, name)))
            patched.setattr(os, "fsync", counted(os.fsync))
            patched.setattr(archive, "write_with_boxes", counted(write_with_boxes))
            try:
                runs.keep(tried)
                break
            except Killed:
                pass
        with pytest.raises(RunError, match="not kept here"):
            RunArchive(runs.folder, tiny_world).read(tried.id)
    assert dies_at > 8
    assert same(tried, runs.read(tried.id))


def test_what_was_left_half_done_long_ago_is_cleared_up(
    runs: RunArchive, run: Run, tiny_world: Workspace
) -> None:
    old, new = (runs.folder / f"{again(run).id}.{age}.part" for age in ("old", "new"))
    for part in (old, new):
        part.mkdir()
    os.utime(old, (1, 1))
    RunArchive(runs.folder, tiny_world)
    assert not old.exists()
    assert new.exists()  # another server may be writing it


def test_a_disk_that_takes_no_more_is_said_and_leaves_nothing(
    runs: RunArchive, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match="No space left"):
        runs.keep(run)
    assert list(runs.folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(
    tmp_path: Path, tiny_world: Workspace
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="--runs"):
        RunArchive(tmp_path / "file" / "runs", tiny_world)


# Damaged, foreign, hostile


@pytest.mark.parametrize("name", [QUESTION, ANSWERS, PICTURE])
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"[" * 100_000, b"\xff\xfe", gzip.compress(b"[]", mtime=0), None]
)
def test_a_damaged_run_is_refused_in_words(
    runs: RunArchive, run: Run, name: str, data: bytes | None
) -> None:
    runs.keep(run)
    path = runs.folder / run.id / name
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    with pytest.raises(RunError) as refused:
        runs.read(run.id)
    assert str(runs.folder) not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"boxes": [[0, 0, 2, 2]]},
        {"boxes": [[0, 0, 1, 1]]},
        {"methods": ["nothing"]},
        {"settings": {"effort": "none", "options": {}}},
        {"settings": {"colour": 1, "options": {}}},
        {"settings": {"options": ["seed"]}},
        {"begun": "yesterday"},
        {"begun": float("nan")},
        {"caption": 3},
        {"boxes": [["0", 0, 0.5, 1], [0.5, 0, 1, 1]]},
        {"picture": {}},
        {"picture": {"caption": "", "made": {}, "original_size": [300]}},
        {"fingerprints": ["model", "training_set"]},
        {"files": {}},
        {"key": None},
        {"key": "\N{KEY}"},
    ],
)
def test_a_record_that_is_not_ours_is_refused(runs: RunArchive, run: Run, change: dict[str, Any]) -> None:
    runs.keep(run)
    path = runs.folder / run.id / QUESTION
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match="damaged"):
        runs.read(run.id)
    assert not runs.forget(run.id, "key")


def test_what_a_later_version_may_add_to_a_record_is_not_read(runs: RunArchive, run: Run) -> None:
    runs.keep(run)
    path = runs.folder / run.id / QUESTION
    path.write_text(json.dumps({**json.loads(path.read_text()), "title": "a dog"}))
    assert same(run, runs.read(run.id))


@pytest.mark.parametrize("name", ["model", "training_set"])
def test_a_run_of_another_world_is_refused_and_both_are_named(
    runs: RunArchive, run: Run, name: str
) -> None:
    """Law: A run of another model or training set is refused, and both are named."""
    parts = []
    for part in run.parts:
        assert part.attribution is not None
        fingerprints = {**part.attribution.fingerprints, name: "f" * 32}
        answer = Attribution(part.attribution.query, {}, fingerprints, part.rankings)
        parts.append(replace(part, attribution=answer))
    foreign = replace(again(run), parts=tuple(parts))
    runs.keep(foreign)
    for look in (runs.read, runs.summary, runs.picture):
        with pytest.raises(RunError, match=r"another (model|training set) .ffffffffffff"):
            look(foreign.id)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../secret", "a" * 15, "a" * 17, "aaaa/aaaaaaaaaaa", "a" * 15 + "\n", None, 3, ["x"]],
)
def test_nothing_but_an_id_is_looked_for(runs: RunArchive, name: object) -> None:
    """Law: Nothing but a well-formed id is ever looked for among the kept runs."""
    with pytest.raises(RunError, match="not whole"):
        runs.read(name)
    assert not runs.forget(name, "key")


def test_an_unknown_id_is_said_in_words(runs: RunArchive) -> None:
    with pytest.raises(RunError, match="not kept here"):
        runs.read("a" * 16)


# Forgotten


def test_only_the_key_deletes_a_run(runs: RunArchive, run: Run) -> None:
    """Law: Only its own key deletes a kept run."""
    key = runs.keep(run)
    for wrong in ("", "guess", None, run.id, key[:-1]):
        assert not runs.forget(run.id, wrong)
    assert runs.read(run.id).id == run.id
    assert runs.forget(run.id, key)
    assert list(runs.folder.iterdir()) == []
    assert not runs.forget(run.id, key)


def test_the_key_is_not_in_what_is_kept(runs: RunArchive, run: Run) -> None:
    key = runs.keep(run)
    assert all(key.encode() not in path.read_bytes() for path in (runs.folder / run.id).iterdir())


def test_beyond_the_limit_the_oldest_go(tmp_path: Path, run: Run, tiny_world: Workspace) -> None:
    runs = RunArchive(tmp_path, tiny_world, kept=2)
    (tmp_path / "somebody's notes").mkdir()  # not ours: left alone
    three = [again(run) for _ in range(3)]
    for age, each in enumerate(three):
        runs.keep(each)
        os.utime(runs.folder / each.id, (1000 + age, 1000 + age))
    assert {path.name for path in tmp_path.iterdir()} == {three[1].id, three[2].id, "somebody's notes"}


def test_the_folder_is_where_the_desktop_keeps_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "whence" / "runs"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local" / "share" / "whence" / "runs"


def test_a_run_removed_while_it_is_read_is_an_error_in_words(
    runs: RunArchive, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.keep(run)
    found = runs._found

    def then_removed(run_id: object) -> Any:
        answer = found(run_id)
        shutil.rmtree(runs.folder / run.id)
        return answer

    monkeypatch.setattr(runs, "_found", then_removed)
    with pytest.raises(RunError):
        runs.read(run.id)
