"""The denoiser trained again from scratch, with some scenes left out: what counterfactuals are made of.

The U-Net and its text encoder learn anew. The autoencoder and the tokenizer are the world's own: they have
seen all scenes, those left out too, so that latents mean the same under every model and losses can be
compared. What is measured is thus the denoiser's debt to the images, not the autoencoder's.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTokenizer

from attribution.errors import TrainingSetError
from demo import autoencoder
from demo.diffusion import RECIPE, Denoiser, DenoisingLoss, loss_on_scenes
from demo.pipeline import publish_pipeline
from demo.world import World, load_vae
from training.loop import Recipe, train


@dataclass(frozen=True)
class Retraining:
    """One denoiser to be trained.

    Attributes:
        world: whose scenes, autoencoder and tokenizer are used; its `left_out` are not learnt from.
        seed: of initial weights, batches, timesteps and noise. Two trainings of one seed differ only in the
            scenes that are left out; seed 0 is that of the shipped model.
        steps: of the shipped recipe, stretched or shrunk to so many; all else of it stays.
        out: the pipeline's folder; nothing is done where it is there.
        checkpoints: the folder of what a stopped training is taken up from.
    """

    world: World
    seed: int
    steps: int
    out: Path
    checkpoints: Path

    @property
    def recipe(self) -> Recipe:
        return replace(RECIPE, steps=self.steps, warmup=min(RECIPE.warmup, self.steps), seed=self.seed)

    def leaving_out(self, ids: Collection[str], seed: int, out: Path) -> Retraining:
        """The same without other scenes, from another seed, for another folder."""
        world = replace(self.world, left_out=frozenset(ids))
        return replace(self, world=world, seed=seed, out=out)

    @property
    def finished(self) -> bool:
        return (self.out / "model_index.json").exists()

    @property
    def vae(self) -> AutoencoderTiny:
        """The world's own, read once: not to be changed."""
        return _vae(replace(self.world, left_out=frozenset()))

    @property
    def tokenizer(self) -> CLIPTokenizer:
        return _tokenizer(self.world.model_folder / "tokenizer")

    def new_model(self) -> Denoiser:
        """The denoiser before its first step, on the CPU."""
        return Denoiser(self.world.sizes, self.vae.config.latent_channels, self.tokenizer, self.seed)

    def check(self) -> None:
        """Raises TrainingSetError where a scene is to be left out that the world does not have."""
        world = self.world
        if unknown := world.left_out - {row["id"] for row in world.rows}:
            raise TrainingSetError(
                f"{len(unknown)} ids to be left out are no scenes of {world.scene_folder}, such as "
                f"{min(unknown)}: give ids of its metadata.jsonl, one a line"
            )

    def loss(self, model: Denoiser) -> DenoisingLoss:
        """The loss over all scenes; those left out are dropped from its batches."""
        world = self.world
        latents = scaled_latents(world, self.vae)
        return loss_on_scenes(model, latents, self.tokenizer, world.rows, self.recipe)

    def run(self) -> Iterator[tuple[str, int, int, str]]:
        """Train, and write the pipeline; yields (stage, steps done, of, note).

        Raises:
            TrainingSetError: a scene is to be left out that the world does not have.
        """
        self.check()
        if self.finished:
            return
        model = self.new_model().to(self.world.device)
        loss, checkpoint = self.loss(model), self.checkpoints / "denoiser.pt"
        steps = train(model, loss, self.recipe, len(self.world.rows), checkpoint, self.world.left_out_rows)
        for done, value in steps:
            yield "retraining", done, self.steps, f"loss {value:.4f}"
        self.publish(model)

    def publish(self, model: Denoiser) -> None:
        """Write the pipeline with a trained denoiser, which is no longer of use then."""
        publish_pipeline(copy.deepcopy(self.vae), model, self.tokenizer, self.out)


@lru_cache
def _vae(world: World) -> AutoencoderTiny:
    return load_vae(world)


@lru_cache
def _tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder)


def scaled_latents(world: World, vae: AutoencoderTiny) -> Float[Tensor, "n c h w"]:
    """All scenes as the U-Net sees them; kept beside the checkpoints, since every retraining asks."""
    digest = hashlib.sha256(world.pixels.tobytes())
    for name, value in sorted(vae.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    path = world.checkpoints / f"latents-{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        latents = autoencoder.encode_all(vae, world.pixels) * vae.config.scaling_factor
        part = path.with_suffix(f".{os.getpid()}.part")  # several retrainings may begin at once
        with part.open("wb") as handle:
            np.save(handle, latents.numpy())
        part.replace(path)
    return torch.from_numpy(np.load(path))
