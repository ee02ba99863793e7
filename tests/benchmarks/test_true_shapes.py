"""Laws of what is measured of models in their true shapes, tried on miniatures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from attribution.errors import WhenceError
from benchmarks.true_shapes import CAPTIONS, TrueShapes, _run_stage


def options(cache: Path, *flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    TrueShapes().add_arguments(parser)
    return parser.parse_args(["--tiny", "--cache", str(cache), *flags])


@pytest.mark.slow
def test_every_stage_runs_from_a_folder_to_an_answer(tmp_path: Path) -> None:
    report = TrueShapes().run(options(tmp_path, "--family", "sdxl"))
    (figures,) = report.figures["families"].values()
    names = [stage["name"] for stage in figures["stages"]]
    assert names == [
        "init",
        "latents",
        "losses",
        "allotment, of one image",
        "fisher, a draw of each",
        "a question (AbU)",
    ]
    assert all(stage["seconds"] > 0 and stage["peak"] > 2**27 for stage in figures["stages"])
    answer = json.loads((tmp_path / "SDXL in miniature at 16" / "answer.json").read_text())
    assert len(answer["methods"]["abu"]["ranking"]) == 2
    assert answer["fingerprints"]["dtype"] == "bfloat16"
    assert report.document == "MODELS.md"
    cut = json.loads((tmp_path / "sdxl.json").read_text())
    last = cut["stages"].pop()
    (tmp_path / "sdxl.json").write_text(json.dumps(cut))
    (again,) = TrueShapes().run(options(tmp_path, "--family", "sdxl")).figures["families"].values()
    assert again["stages"][:-1] == cut["stages"]  # a run that was cut goes on
    assert again["stages"][-1]["name"] == last["name"]


def test_a_stage_knows_the_most_memory_that_its_process_had() -> None:
    stage = _run_stage(
        "a stage",
        ("timeit", "-n1", "-r1", "kept = bytearray(b'x') * (400 * 2**20); import time; time.sleep(1)"),
    )
    assert 400 * 2**20 < stage.peak < 800 * 2**20
    assert stage.seconds > 1


def test_a_stage_that_fails_says_what_it_said() -> None:
    with pytest.raises(WhenceError, match=r"a stage failed with status 1: (.|\n)*ZeroDivisionError"):
        _run_stage("a stage", ("timeit", "-n1", "1 / 0"))


def test_a_report_has_the_families_of_earlier_runs_and_the_stages_that_all_have(tmp_path: Path) -> None:
    def written(name: str, model: str, stages: list[str]) -> None:
        family = {"model": model, "side": 16, "pictures": len(CAPTIONS), "precision": "bf16"}
        of_stages = [{"name": stage, "seconds": 60.2, "peak": 3 * 2**30} for stage in stages]
        figures = {"family": family, "machine": {"cores": 2, "device": "cpu"}, "stages": of_stages}
        (tmp_path / f"{name}.json").write_text(json.dumps(figures), encoding="utf-8")

    written("sd15", "SD 1.5", ["init", "latents"])
    written("sdxl", "SDXL", ["init"])  # a run that was cut
    asked = options(tmp_path)
    asked.family = []
    words = TrueShapes().run(asked).markdown
    assert "| stage | SD 1.5, 16 pixels, bf16, 4 images | SDXL, 16 pixels, bf16, 4 images |" in words
    assert "| init | 60 s, 3.0 GiB | 60 s, 3.0 GiB |" in words
    assert "latents" not in words


def test_a_run_on_a_gpu_is_a_column_of_its_own_and_says_what_the_gpu_held(tmp_path: Path) -> None:
    family = {"model": "SDXL", "side": 16, "pictures": 2, "precision": "bf16"}
    for name, device, on_gpu in (("sdxl", "cpu", 0), ("sdxl-on-gpu", "a card", 5 * 2**30)):
        stages = [{"name": "init", "seconds": 9.0, "peak": 2**30, "on_gpu": on_gpu}]
        figures = {"family": family, "machine": {"device": device}, "stages": stages}
        (tmp_path / f"{name}.json").write_text(json.dumps(figures), encoding="utf-8")
    asked = options(tmp_path)
    asked.family = []
    words = TrueShapes().run(asked).markdown
    assert "| stage | SDXL, 16 pixels, bf16, 2 images | SDXL, 16 pixels, bf16, 2 images, a card |" in words
    assert "| init | 9 s, 1.0 GiB | 9 s, 1.0 GiB, on the GPU 5.0 GiB |" in words
    assert "<sub>device cpu.</sub>" in words
    assert "<sub>device a card.</sub>" in words
