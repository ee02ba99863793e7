"""One resumable training loop for every model of the embedded world.

Ready for counterfactuals: which examples step `s` sees, and their noise, are functions of
(seed, step, example id) over *all* ids; leaving some out drops them from their batches and changes
nothing else. A run resumed from its checkpoint is the run that was never interrupted.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from attribution.data.files import sync
from attribution.errors import SettingsError
from attribution.rng import generator


@dataclass(frozen=True)
class Recipe:
    """What is needed to repeat a training run. `decay_from` is the share of steps at full rate."""

    steps: int
    batch: int
    learning_rate: float
    warmup: int = 100
    decay_from: float = 0.6
    weight_decay: float = 0.01
    ema: float = 0.999
    clip_norm: float = 1.0
    seed: int = 0


def learning_rate_factor(step: int, recipe: Recipe) -> float:
    """Linear warm-up, flat, then half a cosine to zero."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup))
    start = recipe.decay_from * recipe.steps
    if step <= start:
        return warm
    return warm * 0.5 * (1 + math.cos(math.pi * (step - start) / (recipe.steps - start)))


def averaging(step: int, recipe: Recipe) -> float:
    """How much of the averaged weights stays at a step: short-sighted at first."""
    return min(recipe.ema, (step + 1) / (step + 10))


def new_optimizer(model: nn.Module, recipe: Recipe, rate: float | Tensor) -> torch.optim.Optimizer:
    """The optimizer of every model. A `rate` on a GPU can be changed there, by a step that is replayed."""
    on_gpu = isinstance(rate, Tensor) and rate.is_cuda
    return torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=rate,
        betas=(0.9, 0.99),
        weight_decay=recipe.weight_decay,
        **({"capturable": True, "fused": True} if on_gpu else {}),
        foreach=False if isinstance(rate, Tensor) and not on_gpu else None,
    )


class Batches:
    """Which examples each step sees: shuffled epochs over all ids, those left out dropped."""

    def __init__(self, count: int, recipe: Recipe, left_out: frozenset[int] = frozenset()):
        self.count, self.recipe, self.left_out = count, recipe, left_out
        self._epochs: dict[int, np.ndarray] = {}

    def __getitem__(self, step: int) -> list[int]:
        first = step * self.recipe.batch
        rows = [self._row(position) for position in range(first, first + self.recipe.batch)]
        return [row for row in rows if row not in self.left_out]

    def _row(self, position: int) -> int:
        epoch, offset = divmod(position, self.count)
        if epoch not in self._epochs:
            self._epochs = {e: p for e, p in self._epochs.items() if e >= epoch - 1}
            shuffle = generator(self.recipe.seed, "batches", epoch)
            self._epochs[epoch] = shuffle.permutation(self.count)
        return int(self._epochs[epoch][offset])


LossOfStep = Callable[[int, Sequence[int]], Tensor]


def train(
    model: nn.Module,
    loss_of_step: LossOfStep,
    recipe: Recipe,
    count: int,
    checkpoint: Path,
    left_out: frozenset[int] = frozenset(),
    checkpoint_seconds: float = 60.0,
    after_step: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, float]]:
    """Train `model` in place; yields (steps done, loss). At the end it holds the averaged weights.

    `loss_of_step(step, rows)` gives the scalar loss of one batch. `after_step(step)` runs behind each
    update (the teacher of a self-distilled model follows its student there).

    Raises:
        SettingsError: the checkpoint is of a training by another recipe or on other examples.
    """
    training = _Training.resumed(model, recipe, checkpoint, _digest(recipe, count, left_out))
    batches = Batches(count, recipe, left_out)
    last_saved = time.monotonic()
    model.train()
    for step in range(training.done, recipe.steps):
        rows = batches[step]
        loss = loss_of_step(step, rows) if rows else torch.zeros(())
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss is {loss.item()} at step {step}")
        if rows:
            training.update(loss, recipe)
        else:  # all of its images are left out
            training.done += 1
        if after_step is not None:
            after_step(step)
        if time.monotonic() - last_saved > checkpoint_seconds or training.done == recipe.steps:
            training.save(checkpoint)
            last_saved = time.monotonic()
        yield training.done, loss.item()
    model.load_state_dict(training.average)
    model.eval()


@dataclass
class _Training:
    """What a checkpoint holds: weights, optimizer, averaged weights, steps done, and of which training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    digest: str
    done: int = 0

    @classmethod
    def resumed(cls, model: nn.Module, recipe: Recipe, checkpoint: Path, digest: str) -> _Training:
        """The training that the checkpoint was written in, or a new one where there is none."""
        optimizer = new_optimizer(model, recipe, recipe.learning_rate)
        average = copy.deepcopy(model.state_dict())
        if not checkpoint.exists():
            return cls(model, optimizer, average, digest)
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        if saved.get("digest", digest) != digest:  # one of older versions has none
            raise SettingsError(
                f"{checkpoint} is of a training by another recipe or on other examples: remove "
                f"{checkpoint.parent} to begin anew, or give this training a folder of its own"
            )
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        for name, value in saved["average"].items():
            average[name].copy_(value)
        return cls(model, optimizer, average, digest, saved["step"])

    def update(self, loss: Tensor, recipe: Recipe) -> None:
        """Take one step down the gradient of the loss; the averaged weights follow."""
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_factor(self.done, recipe)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        self.optimizer.step()
        _follow(self.average, self.model.state_dict(), averaging(self.done, recipe))
        self.done += 1

    def save(self, checkpoint: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = checkpoint.with_suffix(".part")
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.done,
            "digest": self.digest,
        }
        torch.save(state, part)
        sync(part)
        part.replace(checkpoint)
        sync(checkpoint.parent)


def _digest(recipe: Recipe, count: int, left_out: frozenset[int]) -> str:
    """What tells two trainings apart that may be given one checkpoint."""
    return hashlib.sha256(json.dumps([asdict(recipe), count, sorted(left_out)]).encode()).hexdigest()


@torch.no_grad()
def _follow(average: dict[str, Tensor], current: dict[str, Tensor], decay: float) -> None:
    """Move the averaged weights towards the current ones: decay * average + (1 - decay) * current."""
    floats = [name for name, value in average.items() if value.is_floating_point()]
    torch._foreach_lerp_([average[n] for n in floats], [current[n] for n in floats], 1 - decay)
    for name in average.keys() - set(floats):
        average[name].copy_(current[name])
