"""The three recipes of ARCHITECTURE.md, each done in a folder of its own, word for word."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import ROOT, TINY

PARTS = ("attribution", "precompute", "cli")
BLOCK = re.compile(r"(?:`(?P<path>[\w/]+\.py)`\n)?```(?P<kind>python|sh)\n(?P<text>.*?)```\n", re.S)


@dataclass(frozen=True)
class Recipe:
    """A recipe's files by path, and its commands."""

    files: dict[str, str]
    commands: list[str]


def recipe(title: str) -> Recipe:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split(f"## Recipe: {title}\n")[1].split("\n## ")[0]
    blocks = list(BLOCK.finditer(section))
    files = {block["path"]: block["text"] for block in blocks if block["kind"] == "python"}
    commands = [line for block in blocks if block["kind"] == "sh" for line in block["text"].splitlines()]
    assert files
    assert commands
    assert None not in files
    return Recipe(files, commands)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a recipe is done in: the sources and the tiny world."""
    folder = tmp_path / "checkout"
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TINY, folder / "assets" / "demo")
    return folder


def done(recipe: Recipe, checkout: Path, **places: Path) -> Any:
    """Write the recipe's files, run its commands, and return the answer that the last one wrote."""
    for path, text in recipe.files.items():
        assert not (checkout / path).exists()
        (checkout / path).write_text(text, encoding="utf-8")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    for line in recipe.commands:
        words = [str(places.get(word, word)) for word in shlex.split(line)]
        assert words[0] == "python"
        ran = subprocess.run(
            [sys.executable, *words[1:]], cwd=checkout, env=environment, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads((checkout / "out.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_method_is_one_file(checkout: Path) -> None:
    """Law: A method is one file: the recipe's answers on the command line, with its own option."""
    answer = done(recipe("a method"), checkout)
    found = answer["methods"]["shared-words"]["ranking"]
    asked = {"cat", "on", "table"}
    for entry in found:
        assert entry["score"] == len(asked & set(entry["caption"].lower().split())) / len(asked)
    assert found[0]["score"] > found[-1]["score"]
    assert answer["settings"]["options"]["shared-words"] == {"shortest": 2}


@pytest.mark.slow
def test_an_artifact_is_two_files(checkout: Path) -> None:
    """Law: An artifact is two files: the recipe's is made by a job and read by a method."""
    workspace = checkout / "assets" / "demo" / "workspace"
    answer = done(recipe("an artifact"), checkout, WORKSPACE=workspace)
    found = answer["methods"]["mean-colour"]["ranking"]
    assert [entry["score"] for entry in found] == sorted((e["score"] for e in found), reverse=True)
    manifest = json.loads((workspace / "colours" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["fingerprints"]) == {"training_set", "resolution"}
    assert manifest["settings"] == {"every": 2}


@pytest.mark.slow
def test_a_model_family_is_one_file(checkout: Path, tmp_path: Path) -> None:
    """Law: A model family is one file: the recipe's toy is precomputed, unlearned and differentiated."""
    model = tmp_path / "toy"
    model.mkdir()
    (model / "toy.json").write_text('{"seed": 3}', encoding="utf-8")
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    lines = (TINY / "scenes" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[:24]
    for line in lines:
        shutil.copy(TINY / "scenes" / json.loads(line)["file_name"], scenes)
    (scenes / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    places = {"MODEL": model, "SCENES": scenes, "TOY": tmp_path / "workspace"}
    answer = done(recipe("a model family"), checkout, **places)
    for name in ("abu", "first-order"):
        assert len(answer["methods"][name]["ranking"]) == len(lines)
    assert answer["methods"]["abu"]["details"]["query_rise"] == pytest.approx(0.1, abs=0.011)
    assert answer["fingerprints"]["model"] == "toy-3"
