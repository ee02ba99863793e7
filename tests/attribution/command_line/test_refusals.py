"""Laws of what `python -m attribution` refuses: in one clear line that says how to mend it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import attribution.__main__ as command_line
from tests.attribution.command_line.conftest import Run
from tests.conftest import Foreign
from tests.worlds import ROOT, TINY

CAPTION = ("--caption", "a red bar")


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
    refused(result, "fisher is gone", f"python -m precompute fisher --workspace {foreign_copy.workspace}")
    result = run("--prompt", "a red bar", "--method", "abu", workspace=foreign_copy.workspace)
    refused(result, "fisher is gone")  # before anything is generated


def test_what_cannot_be_answered_is_refused_before_a_picture_is_generated(run: Run, tmp_path: Path) -> None:
    """Law: No picture is generated for a question that could not be answered whatever it shows."""
    prompt, kept, named = (
        ("--prompt", "a red bar", "--steps", 1),
        tmp_path / "kept.png",
        tmp_path / "ids.txt",
    )
    named.write_text("nobody\n")
    asked = (*prompt, "--save-image", kept)
    refused(run(*asked, "--method", "abu", "--effort", "instant"), "effort instant measures nothing")
    refused(run(*asked, "--method", "pixel", "--candidates", named), "'nobody' is neither an id nor")
    assert not kept.exists()


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
        (("{picture}", *CAPTION, "--candidates", "²"), ("neither a number nor a readable",)),
        (("{picture}", *CAPTION, "--candidates=--5"), ("neither a number nor a readable",)),
        (("{picture}", *CAPTION, "--candidates", "9" * 5000), ("neither a number nor a readable",)),
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


@pytest.mark.slow
def test_a_real_process_says_one_line_and_ends_with_2(tmp_path: Path, foreign_world: Foreign) -> None:
    command = [sys.executable, "-m", "attribution", str(tmp_path / "nowhere.png"), *CAPTION]
    command += ["--workspace", str(foreign_world.workspace)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    refused((done.returncode, done.stdout, done.stderr.strip()), "nowhere.png")
