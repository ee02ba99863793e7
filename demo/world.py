"""What is built and where: the embedded world's settings, folders and scenes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image

from attribution.data.files import cache_root
from demo.sizes import DEFAULT, Sizes
from training.loop import Recipe


@dataclass(frozen=True)
class World:
    """What is built and where. `name` keeps the checkpoints of differing worlds apart."""

    name: str
    folder: Path
    glyphs: Path
    scenes: int = 3_000
    seed: int = 0
    device: str = "cpu"
    effort: float = 1.0  # share of each recipe's steps
    sizes: Sizes = DEFAULT
    left_out: frozenset[str] = field(default_factory=frozenset)

    @property
    def checkpoints(self) -> Path:
        return cache_root() / self.name

    @property
    def scene_folder(self) -> Path:
        return self.folder / "scenes"

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"

    @property
    def workspace_folder(self) -> Path:
        return self.folder / "workspace"

    @property
    def autoencoder_folder(self) -> Path:
        return self.checkpoints / "vae"

    @property
    def judge_folder(self) -> Path:
        return self.checkpoints / "judge"

    def encoder_folder(self, name: str) -> Path:
        return self.folder / "encoders" / name

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        text = (self.scene_folder / "metadata.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    @cached_property
    def pixels(self) -> np.ndarray:
        """All scenes, uint8 (n, 64, 64, 3)."""
        return np.stack([_pixels(self.scene_folder / row["file_name"]) for row in self.rows])

    @cached_property
    def left_out_rows(self) -> frozenset[int]:
        return frozenset(i for i, row in enumerate(self.rows) if row["id"] in self.left_out)

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe at this world's effort and seed."""
        steps = max(1, round(recipe.steps * self.effort))
        return replace(recipe, steps=steps, warmup=min(recipe.warmup, steps), seed=self.seed)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def load_vae(world: World) -> AutoencoderTiny:
    """The world's autoencoder: the pipeline's, or before there is one that beside the checkpoints."""
    shipped = world.model_folder / "vae"
    folder = shipped if shipped.exists() else world.autoencoder_folder
    if not folder.exists():
        raise FileNotFoundError("no autoencoder yet: run `python -m demo train --only autoencoder`")
    return AutoencoderTiny.from_pretrained(folder, dtype=torch.float32)
