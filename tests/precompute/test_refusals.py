"""Laws of bad input: one clear line that says how to mend it, and status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from tests.conftest import Foreign


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: "),
        (["everything"], "invalid choice"),
        (["all"], "required: --workspace"),
        (["all", "--workspace", "{new}"], "give --model PIPELINE_FOLDER_OR_HUB_ID and --dataset FOLDER"),
        (["init", "--workspace", "{new}", "--model", "{model}"], "and --dataset FOLDER"),
        (["init", "--workspace", "{new}", "--model", "{set}", "--dataset", "{set}"], "pipeline"),
        (
            ["init", "--workspace", "{new}", "--model", "{model}", "--dataset", "{model}"],
            "no metadata.jsonl",
        ),
        (
            ["init", "--workspace", "{new}", "--model", "{model}", "--dataset", "{set}", "--clip", "{set}"],
            "as a CLIP encoder: pass the folder of a transformers checkpoint with --clip FOLDER, or go",
        ),
        (["init", "--workspace", "{old}", "--timesteps", "7"], "7 timesteps do not divide"),
        (["init", "--workspace", "{old}", "--timesteps", "0"], "0 is not at least 1"),
        (["init", "--workspace", "{old}", "--noises", "two"], "invalid"),
        (["init", "--workspace", "{old}", "--seed", "-1"], "the probe's seed is -1"),
        (["init", "--workspace", "{old}", "--seed", str(2**63)], "the probe's seed is 9223372036854775808"),
        (["init", "--workspace", "{old}", "--noises", "100001"], "the probe's noises is 100001"),
        (
            [
                "init",
                "--workspace",
                "{new}",
                "--model",
                "{model}",
                "--dataset",
                "{set}",
                "--pool",
                "100001",
            ],
            "the probe's pool is 100001, where less than or equal to 100000 should be",
        ),
        (["losses", "--workspace", "{new}"], "is not a workspace"),
        (["losses", "--workspace", "{old}", "--chunk", "0"], "0 is not at least 1"),
        (["losses", "--workspace", "{old}", "--device", "tpu"], "device 'tpu' is not known"),
        (["status", "--workspace", "{set}"], "is not a workspace"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(
    foreign_world: Foreign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    places = {
        "new": tmp_path / "new",
        "old": foreign_world.workspace,
        "model": foreign_world.model,
        "set": foreign_world.dataset,
    }
    given = [argument.format(**places) for argument in arguments]
    if "{new}" in arguments and "--model" in arguments and "--clip" not in arguments:
        given += ["--clip", "none", "--dino", "none"]
    try:
        status = main(given)
    except SystemExit as exit:  # argparse's own
        status = int(exit.code or 0)
    lines = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert not (tmp_path / "new").exists()


def test_a_damaged_training_picture_is_named(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = foreign_copy.dataset / "pictures" / "004.png"
    picture.write_bytes(picture.read_bytes()[:150])
    assert main(["latents", "--workspace", str(foreign_copy.workspace), "--remake"]) == 2
    said = capsys.readouterr().err
    assert "004.png has" in said
    assert "put it back, or bind the workspace to what is there now" in said
    assert main(["init", "--workspace", str(foreign_copy.workspace)]) == 2
    assert "1 picture is cut short or damaged ['pictures/004.png']" in capsys.readouterr().err


def test_an_unreachable_hub_is_one_line_that_says_what_to_do(
    foreign_copy: Foreign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_a_hub(monkeypatch)
    arguments = ["init", "--model", foreign_copy.model, "--dataset", foreign_copy.dataset]
    given = [*map(str, arguments), "--workspace", str(tmp_path / "new")]
    assert main([*given, "--clip", "openai/clip-vit-base-patch32"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    for word in ("openai/clip-vit-base-patch32", "--clip FOLDER", "--clip none"):
        assert word in lines[0]
    assert not (tmp_path / "new").exists()


def test_default_encoders_that_cannot_be_had_are_gone_without(
    foreign_copy: Foreign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Law: Encoders that nobody named and no hub gives are gone without, which is said once."""
    without_a_hub(monkeypatch)
    folder = tmp_path / "new"
    given = ["init", "--model", str(foreign_copy.model), "--dataset", str(foreign_copy.dataset)]
    assert main([*given, "--workspace", str(folder)]) == 0
    said, count = capsys.readouterr().err.splitlines()
    assert "22 training images" in count
    assert said.startswith(
        f"{folder} goes on without CLIP (openai/clip-vit-base-patch32) and DINO (facebook/"
    )
    assert f"precompute embeddings --clip FOLDER --dino FOLDER --workspace {folder}" in said
    workspace = Workspace.open(folder)
    assert not workspace.config.encoders
    assert main(["embeddings", "--workspace", str(folder)]) == 0
    assert (folder / "embeddings-pixel").is_dir()
    capsys.readouterr()
    assert main(["init", "--workspace", str(folder)]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1, "it is said once"


def without_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoConfig, CLIPModel

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect\nto the hub\n\nat all")

    for kind in (AutoConfig, CLIPModel):
        monkeypatch.setattr(kind, "from_pretrained", unreachable)
