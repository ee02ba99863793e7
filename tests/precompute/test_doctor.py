"""Laws of what is said of a model and a training set before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from attribution.workspace.workspace import Workspace
from precompute import doctor
from precompute.__main__ import main
from precompute.binding import Sources
from precompute.doctor import examine
from precompute.jobs.base import jobs_in, jobs_of, with_options
from precompute.tables import duration, size_words
from precompute.work import Pace, Work, measured_pace
from tests.conftest import QUICK, Foreign
from tests.worlds import foreign
from tests.worlds.families import make_ddpm, make_labelled_ddpm, make_sd3

Say = Callable[..., tuple[int, str, list[str]]]
OPTIONS = {"draws": 2, "controls": 2, "dimensions": 256, "levels": 2}


@pytest.fixture(autouse=True)
def at_a_known_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test but the one below waits for a measurement."""
    monkeypatch.setattr(
        doctor,
        "measured_pace",
        lambda model, encoders, caption: Pace(1, 1, 1, 1, dict.fromkeys(encoders, 1)),
    )


@pytest.fixture
def say(foreign_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs the doctor on some lines of metadata; returns status, standard output and error."""

    def call(*lines: dict[str, object], model: Path = foreign_pipeline) -> tuple[int, str, list[str]]:
        folder = foreign.make_training_set(tmp_path / "set", 6)
        if lines:
            text = "\n".join(map(json.dumps, lines))
            (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
        arguments = ["doctor", "--model", model, "--dataset", folder, "--clip", "none", "--dino", "none"]
        status = main([*map(str, arguments), "--timesteps", "4", *QUICK])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return call


def line(number: int, text: str) -> dict[str, object]:
    return {"file_name": f"pictures/{number:03d}.png", "text": text}


def test_what_there_is_and_what_it_takes_is_said(say: Say, tmp_path: Path) -> None:
    """Law: The doctor says what there is and what it will take, and writes nothing."""
    before = sorted(tmp_path.rglob("*"))
    status, shown, wrong = say()
    words = " ".join(shown.split())
    assert (status, wrong) == (0, [])
    recognised = ("StableDiffusionPipeline at", "v_prediction none", "cross-attention-kv: 8 matrices")
    for fact in (*recognised, "16 pixels", "6 in ", "6 different ones", "controls"):
        assert fact in words
    for job in ("latents", "losses", "fisher", "kfac", "ekfac", "gradients", "trak", "together"):
        assert job in shown
    assert "not reckoned" not in shown
    assert words.count("within fisher") == 1, "K-FAC is made in the pass of the Fisher information"
    assert {path.name for path in set(tmp_path.rglob("*")) - set(before)} == {
        "set", "pictures", "metadata.jsonl", *(f"{number:03d}.png" for number in range(6))
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([line(0, "a")], "error: there is one image: an answer ranks many"),
        ([line(0, "sks"), line(1, "sks")], "error: all captions are alike ('sks'): nothing is unrelated"),
        (
            [line(0, "a"), line(1, "b" * 20), line(2, "c" * 20)],
            "error: 2 of 3 captions are longer than the 16",
        ),
        ([line(0, "a"), line(1, " ")], "error: {set}/metadata.jsonl: 1 caption is empty"),
        ([line(0, "a"), line(9, "b")], "error: {set}/metadata.jsonl: 1 picture does not exist"),
    ],
)
def test_nonsense_is_refused_with_a_word(
    say: Say, tmp_path: Path, lines: list[dict[str, object]], words: str
) -> None:
    """Law: One image, captions all alike and captions mostly cut are refused, with a word each."""
    status, _, wrong = say(*lines)
    assert status == 2
    assert len(wrong) == 1
    assert wrong[0].startswith(words.format(set=tmp_path / "set"))


def test_captions_may_be_alike_where_the_model_is_told_none(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: Captions all alike are refused of models that are told captions or classes, and of no other."""
    lines = [line(0, "3"), line(1, "3")]
    unconditional = make_ddpm(tmp_path / "ddpm")
    labelled = make_labelled_ddpm(tmp_path / "labelled")
    capsys.readouterr()  # bars of saving them
    status, shown, wrong = say(*lines, model=unconditional)
    assert (status, len(wrong)) == (0, 1)
    assert wrong[0].startswith(
        "warning: all captions are alike ('3'), as they may be, for this model is told"
    )
    assert "together" in shown
    status, _, wrong = say(*lines, model=labelled)
    assert (status, len(wrong)) == (2, 1)
    assert wrong[0].startswith("error: all captions are alike ('3'): nothing is unrelated")


def test_what_is_only_odd_is_a_warning(say: Say, tmp_path: Path) -> None:
    lines = [line(0, "a"), line(1, "b" * 20), line(2, "c")]
    status, _, wrong = say(*lines)
    assert status == 0
    said = "1 of 3 captions are longer than the 16 tokens that the model reads, and are cut"
    assert wrong == [f"warning: {said} (pictures/001.png)"]


def test_a_caption_is_as_long_as_the_longest_reader_of_a_model_takes(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A T5 reads on where the CLIPs beside it stop."""
    lines = [line(0, "a"), line(1, "b" * 20), line(2, "c" * 20)]
    model = make_sd3(tmp_path / "sd3")
    capsys.readouterr()  # bars of saving it
    status, _, wrong = say(*lines, model=model)
    assert (status, wrong) == (0, [])


def test_copies_of_a_picture_are_named(foreign_copy: Foreign) -> None:
    one, other = (foreign_copy.dataset / "pictures" / name for name in ("000.png", "001.png"))
    other.write_bytes(one.read_bytes())
    sources = Sources(
        str(foreign_copy.model), str(foreign_copy.dataset), {"clip": "none", "dino": "none"}, timesteps=4
    )
    (finding,) = examine(sources, OPTIONS, "cpu").findings
    assert not finding.refused
    assert "1 picture is a copy of another (pictures/001.png is pictures/000.png)" in finding.words


def test_all_that_is_wrong_is_said_together(say: Say, tmp_path: Path) -> None:
    status, _, wrong = say(line(0, ""), model=tmp_path)
    assert (status, len(wrong)) == (2, 2)
    assert "is not a diffusers pipeline" in wrong[0]
    assert "1 caption is empty" in wrong[1]


def test_a_named_encoder_that_cannot_be_opened_is_refused(foreign_copy: Foreign) -> None:
    named = {"clip": str(foreign_copy.dataset), "dino": "none"}
    sources = Sources(str(foreign_copy.model), str(foreign_copy.dataset), named, timesteps=4)
    found = examine(sources, OPTIONS, "cpu")
    assert found.refused
    assert "as a CLIP encoder" in found.findings[0].words
    assert found.planned, "all else is said"


def test_a_probe_that_cannot_be_is_said_beside_what_is_recognised(foreign_copy: Foreign) -> None:
    sources = Sources(
        str(foreign_copy.model), str(foreign_copy.dataset), {"clip": "none", "dino": "none"}, timesteps=7
    )
    found = examine(sources, OPTIONS, "cpu")
    assert found.refused
    assert "7 timesteps do not divide" in found.findings[0].words
    assert {"model", "images"} <= found.facts.keys()


def test_a_model_and_a_dataset_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model", "somewhere"]) == 2
    assert "give --model PIPELINE_FOLDER_OR_HUB_ID and --dataset FOLDER" in capsys.readouterr().err


def test_reckoned_sizes_are_those_of_what_is_made(foreign_world: Foreign) -> None:
    """Law: Artifacts come out about as large as was reckoned before they were made."""
    workspace = Workspace.open(foreign_world.workspace)
    for job in (with_options(job, OPTIONS) for job in jobs_in(workspace, jobs_of("all"))):
        files = workspace.artifact(job.kind).manifest["files"].values()
        made, work = sum(entry["bytes"] for entry in files), job.work(workspace)
        headers = 6_000  # of files, tables of quantizers, a whitening: nothing that grows with the images
        assert 0 < work.stored < made + 100 or job.kind.name == "controls", job.kind.folder
        assert made < 1.2 * work.stored + headers, job.kind.folder


def test_a_measured_pace_is_of_everything_that_a_job_may_take(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    pace = measured_pace(workspace.model, {"clip": workspace.encoder("clip")}, "a cat")
    assert all(0 < each < 10 for each in (pace.picture, pace.one_pass, pace.gradient, pace.whole))
    assert pace.encoders["clip"] > 0


def test_reckoned_time_is_a_sum_of_what_is_done() -> None:
    pace = Pace(1.0, 10.0, 100.0, 1000.0, {"clip": 0.5})
    assert pace.seconds(Work(2, 3, 4, 5, "clip")) == 2 + 30 + 400 + 5000 + 0.5
    assert pace.seconds(Work(encoder="dino")) == 0


def test_times_and_sizes_are_in_the_units_that_people_use() -> None:
    seconds = [duration(value) for value in (0.2, 7, 119, 121, 7_300, 200_000)]
    assert seconds == ["under 1 s", "7 s", "119 s", "2 min", "2 hours", "2 days"]
    assert [size_words(value) for value in (500, 3 * 2**20, 5 * 2**30)] == ["0 kB", "3.0 MB", "5.0 GB"]
