"""Laws of what the published settings cost, measured on miniatures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch

from attribution.models.latent_model import LatentModel
from attribution.models.precision import SINGLE
from benchmarks.gpu_hours import LOSS, PICTURE, GpuHours, Measured, measured, reckoned
from benchmarks.random_models import miniatures, true_shapes
from benchmarks.shapes import MSCOCO


def options(out: Path, *flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    GpuHours().add_arguments(parser)
    return parser.parse_args(["--tiny", "--seconds", "0", "--out", str(out), *flags])


@pytest.mark.slow
def test_both_models_are_measured_part_by_part_and_written_down(tmp_path: Path) -> None:
    report = GpuHours().run(options(tmp_path / "out.json", "--dtype", "bf16", "--images", "1000"))
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert written == report.figures
    assert list(written["models"]) == [each.name for each in miniatures()]
    for parts in written["models"].values():
        assert len({part["part"] for part in parts}) == len(parts) == 8
        assert all(part["seconds"] > 0 and part["at_once"] == 2 for part in parts)
    assert "**random weights**, the denoiser in bf16" in report.markdown


def test_a_run_that_is_cut_leaves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(random_model: object, given: object) -> object:
        yield Measured(PICTURE, 0.5, 2, 0)
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.gpu_hours.measured", cut)
    with pytest.raises(KeyboardInterrupt):
        GpuHours().run(options(tmp_path / "out.json"))
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert written["models"] == {
        "SD 1.5 in miniature": [{"part": PICTURE, "seconds": 0.5, "at_once": 2, "peak": 0}]
    }


def test_a_part_for_which_memory_does_not_suffice_is_measured_with_half_as_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def encode(self: object, images: list[object]) -> None:
        tried.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError

    (model, _) = miniatures()
    monkeypatch.setattr(LatentModel, "encode_images", encode)
    first = next(measured(model, options(tmp_path / "out.json", "--at-once", "8")))
    assert first.at_once == 2
    assert tried[:3] == [8, 4, 2]


def test_hours_are_as_many_passes_as_the_paper_says() -> None:
    found = {part: Measured(part, 3.6, 1, 0) for part in miniature_parts()}
    hours = reckoned(found, images=1000)
    assert hours["baseline losses"] == pytest.approx(1000 * MSCOCO.draws_each * 3.6 / 3600)
    assert hours["a query: gradient and step"] == pytest.approx(50_001 * 3.6 / 3600)
    assert hours["Fisher information"] == pytest.approx(1000 * 12 * 3.6 / 3600)
    quicker = found | {LOSS: Measured(LOSS, 1.8, 1, 0)}
    assert reckoned(quicker, 1000)["baseline losses"] == pytest.approx(hours["baseline losses"] / 2)


def miniature_parts() -> list[str]:
    from benchmarks.gpu_hours import Bench

    return list(Bench(miniatures()[0].opened("cpu", SINGLE)).parts)


def test_true_shapes_are_those_of_the_table_of_needs() -> None:
    names = [each.name for each in true_shapes()]
    assert names == ["SD 1.5", "SDXL"]
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in each.parts["unet"]().parameters()) for each in true_shapes()]
    assert sizes == [859_520_964, 2_567_463_684]  # as published
