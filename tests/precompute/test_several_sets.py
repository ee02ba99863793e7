"""Laws of a workspace of several training sets, from the flags to an answer by set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.runs.names import training_set_name
from attribution import Query, attribute
from attribution.analysis.groups import grouped
from attribution.errors import TrainingSetError
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.binding import Sources, open_or_bind
from tests.worlds.foreign import make_training_set

Asked = Callable[..., tuple[int, str]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_training_set(tmp_path / "base", 5)


@pytest.fixture
def exemplars(tmp_path: Path) -> Path:
    return make_training_set(tmp_path / "exemplars", 3)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def asked(foreign_pipeline: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Runs a command on the workspace; returns its status and what it said."""

    def call(verb: str, *given: object, new: bool = False) -> tuple[int, str]:
        first = ["--model", foreign_pipeline, "--clip", "none", "--dino", "none"] if new else []
        place = [] if verb == "doctor" else ["--workspace", workspace]
        status = main([verb, *map(str, [*place, *first, *given])])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return call


def bound(asked: Asked, *sets: object) -> None:
    flags = [word for each in sets for word in ("--dataset", each)]
    status, said = asked("init", *flags, "--timesteps", 4, new=True)
    assert status == 0, said


def test_an_answer_says_which_set_it_came_from(
    asked: Asked, workspace: Path, base: Path, exemplars: Path
) -> None:
    """Law: An answer over several training sets is grouped by them."""
    bound(asked, base, exemplars)
    opened = Workspace.open(workspace)
    query = Query(opened.training_set.image(6), opened.training_set.captions[6])
    *_, answer = attribute(opened, query, ["bm25"])
    ranking = answer.rankings["bm25"]
    assert ranking.entries[0].id.startswith(("base/", "exemplars/"))
    groups = {group.value: group for group in grouped(ranking, opened.training_set, "dataset", top=8)}
    assert {name: (group.images, group.base) for name, group in groups.items()} == {
        "base": (5, 5 / 8),
        "exemplars": (3, 3 / 8),
    }
    assert training_set_name(opened) == "base and exemplars"


def test_a_workspace_of_several_sets_stays_one_of_them(
    asked: Asked, workspace: Path, base: Path, exemplars: Path
) -> None:
    """Law: A workspace is bound to all of its training sets, wherever all of it is moved."""
    bound(asked, base, f"learnt={exemplars}")
    written = json.loads((workspace / "workspace.json").read_text())["dataset"]
    assert written == {"base": "../base", "learnt": "../exemplars"}
    fingerprint = Workspace.open(workspace).fingerprints["training_set"]
    status, said = asked("init")  # of what it is already
    assert (status, Workspace.open(workspace).fingerprints["training_set"]) == (0, fingerprint), said
    moved = workspace.parent / "elsewhere"
    moved.mkdir()
    for folder in (base, exemplars, workspace):
        folder.rename(moved / folder.name)
    assert Workspace.open(moved / "workspace").training_set.ids[5] == "learnt/pictures/000.png"


def test_other_sets_are_refused_with_the_command_that_binds_them(
    asked: Asked, workspace: Path, base: Path, exemplars: Path
) -> None:
    bound(asked, base, exemplars)
    status, said = asked("all", "--dataset", base, "--dataset", f"learnt={exemplars}", new=True)
    assert status == 2
    assert f"is bound to the dataset ../base and ../exemplars, not {base} and {exemplars}" in said
    flags = f"--dataset base={base} --dataset learnt={exemplars}"
    assert said.rstrip().endswith(f"init --workspace {workspace} {flags}`")
    status, said = asked("all", "--dataset", base, new=True)
    assert (status, said.rstrip().endswith(f"init --workspace {workspace} --dataset {base}`")) == (2, True)


def test_the_order_in_which_sets_are_named_again_does_not_matter(
    asked: Asked, workspace: Path, base: Path, exemplars: Path
) -> None:
    bound(asked, base, exemplars)
    sources = Sources(dataset={"exemplars": str(exemplars), "base": str(base)})
    assert open_or_bind(workspace, sources, "cpu").training_set.ids[0].startswith("base/")


def test_what_has_changed_in_any_set_is_found(
    asked: Asked, workspace: Path, base: Path, exemplars: Path
) -> None:
    """Law: Of several training sets a change in any is found."""
    bound(asked, base, exemplars)
    picture = exemplars / "pictures" / "001.png"
    picture.write_bytes((base / "pictures" / "004.png").read_bytes())
    status, said = asked("verify")
    assert status == 2
    assert "1 picture has changed in" in said
    assert "(exemplars/pictures/001.png)" in said
    with pytest.raises(TrainingSetError, match=r"exemplars/pictures/001\.png has changed"):
        Workspace.open(workspace).training_set.image(6)


def test_the_doctor_examines_all_of_them_together(asked: Asked, base: Path, exemplars: Path) -> None:
    """Law: The doctor says what several training sets are together, and what is wrong with any."""
    flags = ["--dataset", base, "--dataset", exemplars, "--timesteps", 4]
    status, said = asked("doctor", *flags, new=True)
    words = " ".join(said.split())
    assert status == 0
    assert "(base, 5 images)" in words
    assert "(exemplars, 3 images)" in words
    assert "3 pictures are copies of another (exemplars/pictures/000.png is base/pictures/000.png" in words
    metadata = exemplars / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("002.png", "009.png"))
    status, said = asked("doctor", *flags, new=True)
    assert status == 2
    assert "pictures/009.png" in said


@pytest.mark.slow
def test_everything_is_made_of_several_sets(
    asked: Asked, workspace: Path, base: Path, exemplars: Path
) -> None:
    few = ("--draws", 2, "--controls", 2, "--dimensions", 64, "--levels", 2, "--timesteps", 4)
    status, said = asked("all", "--dataset", base, "--dataset", exemplars, *few, new=True)
    assert status == 0, said
    opened = Workspace.open(workspace)
    query = Query(opened.training_set.image(6), opened.training_set.captions[6])
    *_, answer = attribute(opened, query, ["first-order", "d-trak", "abu"])
    assert not answer.problems
    assert all(len(ranking) == 8 for ranking in answer.rankings.values())
