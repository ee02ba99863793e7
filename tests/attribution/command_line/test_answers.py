"""Laws of what `python -m attribution` answers, tried as a new user would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import attribution.__main__ as command_line
from attribution.data.images import read_image
from tests.attribution.command_line.conftest import Run
from tests.conftest import Foreign
from tests.worlds import ROOT

CAPTION = ("--caption", "a red bar")


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
        arguments = ["--candidates", 6, "--seed", seed, "--json", "-"]
        arguments += ["--method", "clip", "pixel", "random"]
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
    assert command_line.DEFAULT_METHODS == (
        "relative-divergence",
        "d-trak",
        "clip",
        "dino",
        "pixel",
        "random",
    )
    assert command_line.parser().parse_args(["x.png"]).workspace == ROOT / "assets" / "demo" / "workspace"


def test_ctrl_c_ends_with_130(run: Run, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "attribute", interrupted)
    assert run(picture, *CAPTION, "--method", "pixel") == (130, "", "stopped")


@pytest.mark.slow
def test_a_real_process_answers_and_keeps_the_libraries_quiet(
    foreign_world: Foreign, picture: Path
) -> None:
    command = [sys.executable, "-m", "attribution", str(picture), *CAPTION, "--method", "clip", "dino"]
    command += ["--workspace", str(foreign_world.workspace), "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)["methods"]) == {"clip", "dino"}


def test_a_method_that_fails_is_said_beside_the_others_answers(
    run: Run, picture: Path, foreign_copy: Foreign
) -> None:
    """Law: The command line shows the answers that there are, and says why a method has none."""
    shutil.rmtree(foreign_copy.workspace / "embeddings-dino")
    arguments = (picture, *CAPTION, "--method", "pixel", "dino")
    status, shown, errors = run(*arguments, workspace=foreign_copy.workspace)
    assert (status, errors) == (0, "")
    assert "Raw pixels" in shown
    assert "DINO has no answer: " in shown
    assert "precompute embeddings" in " ".join(shown.split())
    status, out, _ = run(*arguments, "--json", "-", workspace=foreign_copy.workspace)
    answer = json.loads(out)
    assert (status, list(answer["methods"]), list(answer["problems"])) == (0, ["pixel"], ["dino"])
