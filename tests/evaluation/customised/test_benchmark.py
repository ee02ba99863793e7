"""A customised model is asked from its folder to its record, and no question is asked twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.gradients.stored import FISHER
from attribution.workspace.baseline import LOSSES
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import IMPORTED
from evaluation.__main__ import main
from evaluation.customised.asking import Benchmark
from evaluation.customised.collection import Collection
from evaluation.customised.records import ConceptRecord
from tests.worlds import TINY

SAYS = """
import json, sys
from pathlib import Path
pictures, out = map(Path, sys.argv[1:])
said = {path.name: {"left": {"owl": 0.9, "dog": 0.1}} for path in sorted(pictures.glob("*.png"))[:1]}
said |= {path.name: {"left": {"owl": 0.2, "dog": 0.8}} for path in sorted(pictures.glob("*.png"))[1:]}
out.write_text(json.dumps(said))
"""


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """One "customised" model: the tiny world's own, whose scenes are the candidates."""
    root = tmp_path / "collection"
    shutil.copytree(TINY / "scenes", root / "candidates")
    shutil.copytree(TINY / "model", root / "dreambooth" / "owl")
    lines = (root / "candidates" / "metadata.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    owl = {
        "name": "owl", "kind": "object", "folder": "owl", "exemplars": ids[:2],
        "prompts": ["a dog on snow", "a cat on the moon"],
    }  # fmt: skip
    (root / "candidates" / "concepts.json").write_text(json.dumps([owl]))
    return root


def test_a_model_is_asked_from_its_folder_to_its_record(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: What is recorded of a customised model is not asked again; further methods of it are added."""
    judge = tmp_path / "judge.py"
    judge.write_text(SAYS)
    options = [
        str(collection), "--base", str(TINY / "workspace"), "--records", str(tmp_path / "records"),
        "--document", str(tmp_path / "page.md"), "--judge", f"{{python}} {judge} {{pictures}} {{verdicts}}",
    ]  # fmt: skip
    assert main(["customised", *options, "--methods", "bm25"]) == 0
    path = tmp_path / "records" / "dreambooth" / "owl.json"
    first = ConceptRecord.read(path)
    assert [each.learnt for each in first.pictures] == [True, False]
    assert [set(each.answers) for each in first.pictures] == [{"bm25"}, set()]
    assert all(1 <= rank <= first.candidates for rank in first.pictures[0].answers["bm25"].ranks)

    calls: list[str] = []
    monkeypatch.setattr(Benchmark, "_verdicts", lambda *_: calls.append("judged"))
    assert main(["customised", *options, "--methods", "bm25", "random"]) == 0
    second = ConceptRecord.read(path)
    assert not calls
    assert second.pictures[0].answers["bm25"] == first.pictures[0].answers["bm25"]
    assert "random" in second.pictures[0].answers
    assert "1 of 2 pictures show their concept" in (tmp_path / "page.md").read_text()

    replace(second, model="another").write(path)
    assert main(["customised", *options, "--methods", "bm25", "random"]) == 0, "nothing is asked"
    assert main(["customised", *options, "--methods", "clip"]) != 0
    assert "is of another model" in capsys.readouterr().err
    assert ConceptRecord.read(path) == replace(second, model="another"), "it is left as it is"

    workspace = Workspace.open(collection / "work" / "dreambooth" / "owl")
    assert workspace.artifact(FISHER).manifest["settings"][IMPORTED]["from"]
    assert not workspace.has(LOSSES)  # which are never the base's


def test_a_workspace_is_given_what_its_base_was_given_since(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A customised model's workspace has every encoder of its base, those given later too."""
    shutil.copytree(TINY, tmp_path / "world")
    base = tmp_path / "world" / "workspace"
    dino = Workspace.open(base).config.encoders["dino"]
    Workspace.open(base).configure_encoder("dino", None)
    benchmark = Benchmark(
        Collection.read(collection),
        "dreambooth",
        base,
        tmp_path / "work",
        tmp_path / "records",
        (),
        ("dino",),
    )
    (owl,) = benchmark.collection.concepts
    before = benchmark._opened(owl)
    assert "dino" not in before.config.encoders
    Workspace.open(base).configure_encoder("dino", str((base / dino).resolve()))
    after = benchmark._opened(owl)
    assert "dino" in after.config.encoders
    assert after.has(embedding("dino"))
    monkeypatch.setattr(Benchmark, "_precompute", lambda *_: pytest.fail("it was there"))
    assert benchmark._opened(owl).config.encoders == after.config.encoders
