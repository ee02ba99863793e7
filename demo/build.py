"""The stages of the embedded world, each resumable and each skipped when its result stands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from demo import autoencoder
from demo.scenes import write_scenes
from demo.training import LossOfStep, Recipe, train

Progress = Iterator[tuple[str, int, int, str]]  # stage, done, total, note


def cache_root() -> Path:
    """Where checkpoints live: outside the work tree, `WHENCE_CACHE` or `~/.cache/whence`."""
    return Path(os.environ.get("WHENCE_CACHE", Path.home() / ".cache" / "whence"))


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
        from dataclasses import replace

        steps = max(1, round(recipe.steps * self.effort))
        return replace(recipe, steps=steps, warmup=min(recipe.warmup, steps), seed=self.seed)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def run_training(
    world: World,
    stage: str,
    model: nn.Module,
    loss: LossOfStep,
    recipe: Recipe,
    after_step: Callable[[int], None] | None = None,
) -> Progress:
    """Train one model of the world, resuming from its checkpoint."""
    smooth = float("nan")
    steps = train(
        model,
        loss,
        recipe,
        len(world.rows),
        world.checkpoints / f"{stage}.pt",
        world.left_out_rows,
        after_step=after_step,
    )
    for done, value in steps:
        smooth = value if smooth != smooth else 0.98 * smooth + 0.02 * value
        yield stage, done, recipe.steps, f"loss {smooth:.4f}"


def build_scenes(world: World) -> Progress:
    """Draw the training scenes."""
    if (world.scene_folder / "metadata.jsonl").exists():
        return
    for done in write_scenes(world.scene_folder, world.glyphs, world.scenes, world.seed):
        yield "scenes", done, world.scenes, ""


def build_autoencoder(world: World) -> Progress:
    """Train the autoencoder and save it as the pipeline's `vae`."""
    if (world.model_folder / "vae" / "config.json").exists():
        return
    recipe = world.recipe(autoencoder.RECIPE)
    model = autoencoder.new_autoencoder().to(world.device, memory_format=torch.channels_last)
    boxes = [[item["box"] for item in row["objects"]] for row in world.rows]
    loss = autoencoder.CropLoss(model, world.pixels, boxes, recipe)
    yield from run_training(world, "autoencoder", model, loss, recipe)
    latents = autoencoder.encode_all(model.cpu(), world.pixels)
    model.register_to_config(scaling_factor=round(float(1 / latents.std()), 5))
    model.half().save_pretrained(world.model_folder / "vae")
