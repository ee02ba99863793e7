"""Laws of every family from end to end: `precompute all`, and questions on the command line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.__main__ import main as attribution
from attribution.methods.base import methods
from attribution.models import flux, pixart, stable_diffusion_3
from precompute.__main__ import main as precompute
from tests.worlds import ROOT, adapters, families, foreign

IMAGES = 6
RISE = 0.003
PROBE = ["--timesteps", "10", "--noises", "2", "--pool", "2"]
FEW = ["--chunk", "6", "--draws", "2", "--controls", "2", "--dimensions", "2048", "--levels", "2"]
QUICK = [*PROBE, *FEW]
QUICKLY = {"doctor": QUICK, "init": PROBE, "all": FEW}
# Those that need encoders of their own, and one whose many small steps lead nowhere in a random model.
LEFT_OUT = {"clip", "clip-text", "clip-tuned", "dino", "dino-tuned", "distilled", "mucs"}
SHORT = 16  # tokens of a T5's captions, in place of hundreds
KV, CONTEXT_KV, ALL = "cross-attention-kv", "joint-attention-context-kv", "all-linear"
FAMILIES: dict[str, tuple[Callable[[Path], Path], str]] = {  # and the layers that it takes by default
    "Stable Diffusion XL": (families.make_sdxl, KV),
    "PixArt": (families.make_pixart, KV),
    "Stable Diffusion 3": (families.make_sd3, CONTEXT_KV),
    "Flux": (families.make_flux, CONTEXT_KV),
    "DiT": (families.make_dit, ALL),
    "DDPM": (families.make_ddpm, ALL),
    "DDPM of classes": (families.make_labelled_ddpm, ALL),
}
OF_CLASSES = ("DiT", "DDPM of classes")


def asked(capsys: pytest.CaptureFixture[str], workspace: Path, *arguments: object) -> dict[str, Any]:
    """What the command line answers."""
    given = [*map(str, arguments), "--workspace", str(workspace), "--json", "-"]
    status = attribution(given)
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    answer: dict[str, Any] = json.loads(captured.out)
    assert answer["problems"] == {}
    return answer


@pytest.fixture(autouse=True)
def short_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    for family in (flux, stable_diffusion_3):
        monkeypatch.setattr(family, "T5_TOKENS", SHORT)
    monkeypatch.setattr(pixart, "TOKENS", dict.fromkeys(pixart.TOKENS, SHORT))


def gently(chosen: Iterable[str]) -> list[str]:
    """What a random model's loss can be raised by: what it predicts has little to lose."""
    with_rise = [name for name in chosen if hasattr(methods()[name].options, "target_rise")]
    return ["--option", *(f"{name}.target_rise={RISE}" for name in with_rise)]


def scores(found: dict[str, Any]) -> dict[str, float]:
    return {entry["id"]: entry["score"] for entry in found["ranking"]}


def training_set(folder: Path, family: str) -> Path:
    """Captioned pictures; by the numbers of classes for models that are told these, alike for DDPM."""
    made = foreign.make_training_set(folder, IMAGES)
    if family in (*OF_CLASSES, "DDPM"):
        path = made / "metadata.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        classes = 4 if family in OF_CLASSES else 1
        told = [json.dumps(line | {"text": str(number % classes)}) for number, line in enumerate(lines)]
        path.write_text("\n".join(told), encoding="utf-8")
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "name", "dtype"),
    [
        ("SDXL", "Stable Diffusion XL", "float32"),
        ("Stable Diffusion 3", "Stable Diffusion 3", "bfloat16"),
        ("a LoRA", "Stable Diffusion", "float32"),
    ],
)
def test_the_documents_example_runs(
    example: str, name: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: The commands of docs/MODELS.md run as they stand there, on a tiny model and with fewer draws."""
    make, layers = {**FAMILIES, "Stable Diffusion": (foreign.make_pipeline, KV)}[name]
    model = make(tmp_path / "model")
    places = {
        "MODEL": model,
        **({"LORA": adapters.make_lora(model, tmp_path / "lora")} if example == "a LoRA" else {}),
        "PICTURES": training_set(tmp_path / "set", name),
        "WORKSPACE": tmp_path / "workspace",
    }
    document = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    section = document.split(f"## An example: {example}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.S)
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        python, flag, part, *given = (str(places.get(word, word)) for word in shlex.split(line))
        assert (python, flag) == ("python", "-m")
        main = {"precompute": precompute, "attribution": attribution}[part]
        assert main(given + QUICKLY.get(given[0], [])) == 0
    answer = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (answer["fingerprints"]["layers"], answer["fingerprints"]["dtype"]) == (layers, dtype)
    assert {name: len(each["ranking"]) for name, each in answer["methods"].items()} == {
        "first-order": IMAGES,
        "bm25": IMAGES,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_precomputed_and_asked(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: In every family all methods answer, and losses rise as the gradients said they would."""
    make, layers = FAMILIES[name]
    pictures, workspace = training_set(tmp_path / "set", name), tmp_path / "workspace"
    given = ["--model", make(tmp_path / "model"), "--dataset", pictures, "--workspace", workspace]
    assert precompute(["all", *map(str, given), "--clip", "none", "--dino", "none", *QUICK]) == 0
    capsys.readouterr()
    chosen = [each for each in methods() if each not in LEFT_OUT]
    prompt = [
        "--prompt",
        "3" if name in OF_CLASSES else "a red bar",
        "--steps",
        2,
        "--effort",
        "exhaustive",
    ]
    answer = asked(capsys, workspace, *prompt, "--method", *chosen, *gently(chosen))
    assert answer["fingerprints"]["layers"] == layers
    assert answer["methods"].keys() == {*chosen}
    for found in answer["methods"].values():
        assert len(found["ranking"]) == IMAGES
        assert np.isfinite([entry["score"] for entry in found["ranking"]]).all()
    assert answer["methods"]["abu"]["details"]["query_rise"] == pytest.approx(RISE, rel=0.2)
    said, rose = (scores(answer["methods"][method]) for method in ("first-order", "abu-plus"))
    assert np.corrcoef([said[each] for each in rose], list(rose.values()))[0, 1] > 0.8
