"""Laws of `python -m attribution`, tried as a new user would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import attribution.__main__ as command_line
from attribution.__main__ import main
from attribution.data.images import read_image
from tests.conftest import Foreign
from tests.worlds import ROOT, TINY

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(foreign_world: Foreign, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line on the foreign world; returns status, standard output and error."""

    def call(*arguments: object, workspace: Path | None = foreign_world.workspace) -> tuple[int, str, str]:
        given = [*map(str, arguments)]
        if workspace is not None:
            given += ["--workspace", str(workspace)]
        try:
            status = main(given)
        except SystemExit as exit:  # argparse's own
            status = int(exit.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err.strip()

    return call


@pytest.fixture
def picture(foreign_world: Foreign) -> Path:
    return foreign_world.dataset / "pictures" / "005.png"


# --- what is answered -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_foreign_pipeline_is_attributed_with_every_method(
    run: Run, picture: Path, tmp_path: Path
) -> None:
    """Precomputed from nothing but folders, then asked: the whole way of somebody else's model."""
    names = ("abu", "clip", "clip-text", "dino", "pixel", "random")
    out = tmp_path / "answer.json"
    caption = "a purple bar"
    status, shown, errors = run(picture, "--caption", caption, "--method", *names, "--json", out)
    assert (status, errors) == (0, "")
    answer = json.loads(out.read_text())
    assert tuple(answer["methods"]) == names
    for name in names:
        ranking = answer["methods"][name]["ranking"]
        assert len(ranking) == 22
        assert [entry["rank"] for entry in ranking] == list(range(1, 23))
        assert [entry["score"] for entry in ranking] == sorted((e["score"] for e in ranking), reverse=True)
        assert all((entry["stderr"] is not None) == (name == "abu") for entry in ranking)
    assert answer["methods"]["clip"]["ranking"][0]["file_name"] == "pictures/005.png"
    assert answer["query"]["caption"] == caption
    assert answer["settings"]["seed"] == 0
    assert {"model", "training_set", "probe"} <= set(answer["fingerprints"])
    for title in ("Unlearning (AbU)", "CLIP image", "Random"):
        assert title in shown


def test_the_json_has_what_is_promised(run: Run, picture: Path) -> None:
    arguments = ("--caption", "a red bar", "--method", "pixel", "--top-k", 3, "--json", "-")
    status, out, _ = run(picture, *arguments)
    answer = json.loads(out)  # nothing else is on standard output
    assert status == 0
    assert set(answer) >= {"query", "settings", "fingerprints", "methods"}
    entries = answer["methods"]["pixel"]["ranking"]
    assert len(entries) == 3
    assert set(entries[0]) == {"rank", "id", "file_name", "caption", "score", "stderr"}
    assert answer["methods"]["pixel"]["seconds"] >= 0


def test_the_same_query_twice_gives_the_same_answer(run: Run, picture: Path) -> None:
    arguments = ("--caption", "a red bar", "--method", "clip", "random", "--seed", 5, "--json", "-")
    rankings = [
        {
            name: found["ranking"]
            for name, found in json.loads(run(picture, *arguments)[1])["methods"].items()
        }
        for _ in range(2)
    ]
    assert rankings[0] == rankings[1]


def test_a_person_sees_a_table_of_ten_or_as_many_as_asked(run: Run, picture: Path) -> None:
    def ranks(*arguments: object) -> list[str]:
        _, out, _ = run(picture, "--caption", "a red bar", "--method", "dino", *arguments)
        return [line.split()[1] for line in out.splitlines() if line.startswith("│")]

    assert ranks() == [str(rank) for rank in range(1, 11)]
    assert ranks("--top-k", 2) == ["1", "2"]


def test_a_number_of_candidates_makes_every_method_rank_the_same_random_images(
    run: Run, picture: Path
) -> None:
    def ranked(caption: str, seed: int) -> list[set[str]]:
        arguments = (
            "--candidates",
            6,
            "--method",
            "clip",
            "pixel",
            "random",
            "--seed",
            seed,
            "--json",
            "-",
        )
        methods = json.loads(run(picture, "--caption", caption, *arguments)[1])["methods"]
        return [{entry["id"] for entry in found["ranking"]} for found in methods.values()]

    one, two, three = ranked("a red bar", 0)
    assert one == two == three
    assert len(one) == 6
    assert ranked("a blue circle", 0)[0] == one  # the query is not looked at
    assert ranked("a red bar", 1)[0] != one


def test_a_file_of_candidates_names_them(run: Run, picture: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("pictures/003.png\n\npictures/011.png\n")
    arguments = ("--caption", "a", "--method", "pixel", "--json", "-", "--candidates")
    entries = json.loads(run(picture, *arguments, names)[1])["methods"]["pixel"]["ranking"]
    assert {entry["id"] for entry in entries} == {"pictures/003.png", "pictures/011.png"}
    names.write_text("pictures/003.png\nnobody\n")
    assert "'nobody' is neither an id nor a file name" in run(picture, *arguments, names)[2]


def test_a_prompt_is_generated_kept_and_attributed_and_its_png_needs_no_caption(
    run: Run, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.png"
    prompt = ("--prompt", "a red bar", "--seed", 3, "--steps", 2, "--method", "pixel", "--json", "-")
    status, out, errors = run(*prompt, "--save-image", kept)
    assert (status, errors) == (0, "")
    answer = json.loads(out)
    assert answer["query"]["caption"] == "a red bar"
    image, made_with = read_image(kept)
    assert image.size == (16, 16)
    assert (made_with["prompt"], made_with["seed"], made_with["steps"]) == ("a red bar", 3, 2)
    again = json.loads(run(kept, "--method", "pixel", "--json", "-")[1])
    assert again["query"] == answer["query"]
    assert again["methods"]["pixel"]["ranking"] == answer["methods"]["pixel"]["ranking"]
    assert json.loads(run(*prompt)[1])["query"]["image_sha256"] == answer["query"]["image_sha256"]
    other = run("--prompt", "a red bar", "--seed", 4, "--steps", 2, "--method", "pixel", "--json", "-")[1]
    assert json.loads(other)["query"]["image_sha256"] != answer["query"]["image_sha256"]


def test_words_that_no_training_caption_has_are_warned_of(run: Run, picture: Path) -> None:
    _, out, _ = run(picture, "--caption", "a zeppelin", "--method", "pixel", "--json", "-")
    assert any("zeppelin" in warning for warning in json.loads(out)["warnings"])
    _, out, _ = run(picture, "--caption", "a zeppelin", "--method", "pixel")
    assert "warning: " in out


def test_a_boxed_query_says_which_cells_were_used(run: Run, picture: Path, tmp_path: Path) -> None:
    square = tmp_path / "square.png"
    Image.new("RGB", (64, 64), "red").save(square)
    arguments = ("--caption", "a red bar", "--method", "pixel", "--json", "-", "--box", 0.1, 0.1, 0.3, 0.5)
    query = json.loads(run(square, *arguments)[1])["query"]
    assert query["box"] == [0.1, 0.1, 0.3, 0.5]
    assert query["snapped_box"] == [0, 0, 0.375, 0.5]  # of an 8 x 8 latent


def test_by_default_the_methods_are_those_the_workspace_has_encoders_for() -> None:
    assert command_line.DEFAULT_METHODS == ("abu", "first-order", "clip", "dino", "pixel", "random")
    assert command_line.parser().parse_args(["x.png"]).workspace == ROOT / "assets" / "demo" / "workspace"


# --- what is refused ------------------------------------------------------------------------------


def refused(result: tuple[int, str, str], *words: str) -> None:
    """One clear line on standard error, status 2, nothing on standard output, no traceback."""
    status, out, errors = result
    assert status == 2
    assert out == ""
    lines = errors.splitlines()
    assert len(lines) == 1, errors
    assert lines[0].startswith("error: ")
    assert "Traceback" not in lines[0]
    for word in words:
        assert word in lines[0], lines[0]


CAPTION = ("--caption", "a red bar")


def test_a_missing_file_is_refused(run: Run, tmp_path: Path) -> None:
    refused(run(tmp_path / "nowhere.png", *CAPTION), "no file", "nowhere.png")
    refused(run(tmp_path, *CAPTION), "is a folder")


def test_what_is_not_an_image_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("dear diary")
    refused(run(tmp_path / "notes.png", *CAPTION), "notes.png", "is not an image", "PNG, JPEG or WEBP")


def test_a_cut_file_is_refused(run: Run, picture: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture.read_bytes()[:200])
    refused(run(cut, *CAPTION), "cut.png", "cut short or damaged")


def test_a_missing_or_empty_caption_is_refused(run: Run, picture: Path) -> None:
    for arguments in ((), ("--caption", ""), ("--caption", "  ")):
        refused(run(picture, *arguments), "needs its caption", "--caption")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0.5, 0.1, 0.5, 0.9), ("empty or reversed", "X0 must be less than X1")),
        ((0.8, 0.1, 0.5, 0.9), ("empty or reversed",)),
        ((0.1, 0.9, 0.5, 0.1), ("empty or reversed",)),
        ((0.1, 0.1, 1.5, 0.9), ("leaves the picture", "between 0 and 1")),
        ((-0.1, 0.1, 0.5, 0.9), ("leaves the picture",)),
        (("nan", 0.1, 0.5, 0.9), ("leaves the picture",)),
        ((0, 0, 0.1, 1), ("outside the centre square",)),  # the pictures are 30 x 20
        (("left", 0, 0.1, 1), ("--box", "invalid float value")),
        ((0, 0, 1), ("--box", "expected 4 arguments")),
    ],
)
def test_a_box_that_is_empty_reversed_or_outside_is_refused(
    run: Run, picture: Path, box: tuple[Any, ...], words: tuple[str, ...]
) -> None:
    refused(run(picture, *CAPTION, "--method", "pixel", "--box", *box), *words)


def test_an_unknown_method_is_refused_and_the_known_ones_are_named(run: Run, picture: Path) -> None:
    known = ("abu", "clip", "clip-text", "dino", "pixel", "random")
    refused(run(picture, *CAPTION, "--method", "clip", "vibes"), "no method 'vibes'", *known)


def test_a_missing_artifact_is_refused_with_the_command_that_makes_it(
    run: Run, picture: Path, foreign_copy: Foreign
) -> None:
    shutil.rmtree(foreign_copy.workspace / "fisher")
    result = run(picture, *CAPTION, "--method", "abu", workspace=foreign_copy.workspace)
    refused(result, "no fisher yet", f"python -m precompute fisher --workspace {foreign_copy.workspace}")
    result = run("--prompt", "a red bar", "--method", "abu", workspace=foreign_copy.workspace)
    refused(result, "no fisher yet")  # before anything is generated


def test_a_folder_that_is_no_workspace_is_refused(run: Run, picture: Path, tmp_path: Path) -> None:
    refused(run(picture, *CAPTION, workspace=tmp_path), "is not a workspace", "python -m precompute all")
    refused(run(picture, *CAPTION, workspace=tmp_path / "nowhere"), "is not a workspace")


def test_a_workspace_of_another_model_is_refused(run: Run, picture: Path, foreign_copy: Foreign) -> None:
    config = foreign_copy.model / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.02", "0.03"))
    result = run(picture, *CAPTION, "--method", "abu", workspace=foreign_copy.workspace)
    refused(result, "the model at ../model has fingerprint", "was made for", "precompute init")


def test_artifacts_of_another_workspace_are_refused(run: Run, picture: Path, foreign_copy: Foreign) -> None:
    """Losses copied from the tiny world: another model and another training set."""
    shutil.rmtree(foreign_copy.workspace / "losses")
    shutil.copytree(TINY / "workspace" / "losses", foreign_copy.workspace / "losses")
    result = run(picture, *CAPTION, "--method", "abu", workspace=foreign_copy.workspace)
    refused(result, "losses", "was made for model", "but this workspace has model", "precompute losses")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("give either IMAGE", "--prompt")),
        (("{picture}", "--prompt", "a red bar"), ("not both",)),
        (("--prompt", ""), ("the prompt is empty",)),
        (("--prompt", "a", "--caption", "b"), ("--caption goes with IMAGE",)),
        (("--prompt", "a", "--steps", "0"), ("steps is 0",)),
        (("{picture}", *CAPTION, "--save-image", "x.png"), ("goes with --prompt",)),
        (("{picture}", *CAPTION, "--effort", "heroic"), ("--effort", "instant", "exhaustive")),
        (("{picture}", *CAPTION, "--effort", "instant", "--method", "abu"), ("instant",)),
        (("{picture}", *CAPTION, "--candidates", "0"), ("candidates is 0",)),
        (("{picture}", *CAPTION, "--candidates", "-3"), ("candidates is -3",)),
        (("{picture}", *CAPTION, "--candidates", "nowhere.txt"), ("neither a number nor a readable",)),
        (("{picture}", *CAPTION, "--top-k", "0"), ("--top-k", "0 is not at least 1")),
        (("{picture}", *CAPTION, "--alpha", "-1"), ("alpha is -1",)),
        (("{picture}", *CAPTION, "--seed", "x"), ("--seed", "invalid int")),
        (("{picture}", *CAPTION, "--json", "/no/such/folder/x.json"), ("no folder /no/such/folder",)),
        (("{picture}", *CAPTION, "--device", "tpu"), ("device 'tpu' is not known",)),
        (("{picture}", *CAPTION, "--nonsense"), ("unrecognized arguments: --nonsense",)),
    ],
)
def test_other_bad_arguments_are_refused(
    run: Run, picture: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(run(*(argument.format(picture=picture) for argument in arguments)), *words)


def test_a_place_that_cannot_be_written_is_refused(run: Run, picture: Path, tmp_path: Path) -> None:
    refused(run(picture, *CAPTION, "--method", "pixel", "--json", tmp_path), "is a folder: name the file")


def test_a_failing_disk_is_said_in_one_line(
    run: Run, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "answer.json")

    monkeypatch.setattr(command_line, "_give", full)
    refused(run(picture, *CAPTION, "--method", "pixel"), "No space left on device", "answer.json")


# --- interruptions and the real thing -------------------------------------------------------------


def test_ctrl_c_ends_with_130(run: Run, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "attribute", interrupted)
    assert run(picture, *CAPTION, "--method", "pixel") == (130, "", "stopped")


@pytest.mark.slow
def test_a_real_process_says_one_line_and_ends_with_2(tmp_path: Path, foreign_world: Foreign) -> None:
    command = [sys.executable, "-m", "attribution", str(tmp_path / "nowhere.png"), *CAPTION]
    command += ["--workspace", str(foreign_world.workspace)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    refused((done.returncode, done.stdout, done.stderr.strip()), "nowhere.png")


@pytest.mark.slow
def test_a_real_process_answers_and_keeps_the_libraries_quiet(
    foreign_world: Foreign, picture: Path
) -> None:
    command = [sys.executable, "-m", "attribution", str(picture), *CAPTION, "--method", "clip", "dino"]
    command += ["--workspace", str(foreign_world.workspace), "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)["methods"]) == {"clip", "dino"}
