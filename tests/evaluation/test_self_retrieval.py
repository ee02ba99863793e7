"""Laws of the self-retrieval protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.protocols import protocols
from tests.worlds import TINY
from tests.worlds.scenes import METHODS, fake_workspace


def test_self_retrieval_ranks_each_image_among_itself_and_random_others(tmp_path: Path) -> None:
    options = {"images": 5, "others": 20, "seed": 0, "methods": METHODS}
    protocol, workspace = protocols()["self-retrieval"], fake_workspace()
    tasks = protocol.tasks(workspace, options, lambda *_: pytest.fail("nothing is generated"))
    again = protocol.tasks(workspace, options, lambda *_: pytest.fail("nothing is generated"))
    assert [t.facts for t in tasks] == [t.facts for t in again]
    for task in tasks:
        candidates = task.settings.candidates
        assert isinstance(candidates, tuple)
        assert len(set(candidates)) == 21
        assert task.facts["id"] in candidates
    answers = []
    for task in tasks:
        itself = task.facts["id"]
        methods = {"seer": {"ids": [itself, "x"]}, "blind": {"ids": ["x", itself]}}
        answers.append({"facts": task.facts, "methods": methods})
    figures = protocol.report(workspace, options, answers).figures["methods"]
    assert (figures["seer"]["median"], figures["blind"]["median"]) == (1, 2)


@pytest.mark.slow
def test_self_retrieval_finds_a_training_image_by_its_own_pixels(tmp_path: Path) -> None:
    arguments = [
        "self-retrieval",
        "--workspace",
        str(TINY / "workspace"),
        "--images",
        "2",
        "--others",
        "20",
    ]
    assert main([*arguments, "--methods", "pixel", "--out", str(tmp_path / "run")]) == 0
    told = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert told["methods"]["pixel"]["ranks"] == [1, 1]
