"""The worlds that tests run on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from attribution.workspace.workspace import Workspace
from precompute.__main__ import main as precompute
from tests.worlds import EMBEDDED, TINY, foreign

# Models of a few layers are compiled only where a test is about that: elsewhere torch is as quick.
os.environ.setdefault("WHENCE_ENGINE", "torch")

QUICK = ["--chunk", "5", "--draws", "2", "--controls", "2", "--dimensions", "256", "--levels", "2"]


@pytest.fixture(scope="session")
def tiny_world() -> Workspace:
    """The embedded world in small: few scenes, a barely trained model, everything precomputed."""
    return Workspace.open(TINY / "workspace")


@dataclass(frozen=True)
class Foreign:
    """Folders of the foreign world."""

    root: Path
    model: Path
    dataset: Path
    clip: Path
    dino: Path
    workspace: Path

    def arguments(self, verb: str = "all", workspace: Path | None = None) -> list[str]:
        """The command line that makes a workspace of all of it."""
        arguments = [verb, "--model", self.model, "--dataset", self.dataset]
        arguments += ["--clip", self.clip, "--dino", self.dino]
        arguments += ["--workspace", workspace or self.workspace, "--timesteps", 4]
        return [*map(str, arguments), *(QUICK if verb == "all" else [])]


@pytest.fixture(scope="session")
def foreign_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A v-prediction pipeline folder with an AutoencoderKL, of other sizes than the embedded one."""
    return foreign.make_pipeline(tmp_path_factory.mktemp("pipeline") / "model")


@pytest.fixture(scope="session")
def foreign_world(tmp_path_factory: pytest.TempPathFactory, foreign_pipeline: Path) -> Foreign:
    """The foreign world with everything precomputed, in two chunks and a rest. Not to be changed."""
    root = tmp_path_factory.mktemp("foreign")
    world = Foreign(
        root,
        Path(shutil.copytree(foreign_pipeline, root / "model")),
        foreign.make_training_set(root / "pictures"),
        foreign.make_clip(root / "clip"),
        foreign.make_dino(root / "dino"),
        root / "workspace",
    )
    assert precompute(world.arguments()) == 0
    return world


@pytest.fixture
def foreign_copy(foreign_world: Foreign, tmp_path: Path) -> Foreign:
    """A copy of the foreign world that a test may change."""
    root = tmp_path / "foreign"
    shutil.copytree(foreign_world.root, root)
    names = ("model", "pictures", "clip", "dino", "workspace")
    return Foreign(root, *(root / name for name in names))


@pytest.fixture
def captioned_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes an image folder whose metadata has exactly the given lines."""

    def make(*lines: object, folder: str = "set") -> Path:
        made = foreign.make_training_set(tmp_path / folder, 3)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        if lines:
            (made / "metadata.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
        return made

    return make


@pytest.fixture(scope="session")
def embedded_world() -> Workspace:
    """The world that is shipped, with its trained model."""
    return Workspace.open(EMBEDDED / "workspace")
