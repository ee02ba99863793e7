"""The embedded model taught one concept from its exemplars, in each of the ways that people use.

Custom Diffusion (Kumari et al. 2023: keys and values of cross-attention, and a new word), textual
inversion (Gal et al. 2023: the word alone), LoRA (Hu et al. 2022, on cross-attention, and the word) and
DreamBooth (Ruiz et al. 2023: all weights). Each with prior preservation: every step learns as many scenes
of the world's own, with their captions, as views of the exemplars.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from attribution.rng import generator
from demo import autoencoder
from demo.customise.concepts import TOKEN, Concept, Exemplar, Kind, painter_of
from demo.customise.saving import SAVE, pipeline_with
from demo.diffusion import Denoiser, DenoisingLoss, tokenize
from demo.retrain import scaled_latents
from demo.saving import publish
from demo.vocabulary import OBJECTS, STYLES
from demo.world import World
from training.loop import Recipe, train


class Way(StrEnum):
    """How a model is customised."""

    CUSTOM_DIFFUSION = "custom-diffusion"
    TEXTUAL_INVERSION = "textual-inversion"
    LORA = "lora"
    DREAMBOOTH = "dreambooth"


EXEMPLARS, PRIOR = 8, 8  # of a batch
RANK = 16  # of LoRA
LORA_LAYERS = (
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
    "conv1", "conv2",
)  # fmt: skip
_RECIPE = Recipe(
    steps=250, batch=PRIOR, learning_rate=1e-3, warmup=10, weight_decay=0.0, ema=0.98, decay_from=0.6
)
RECIPES: dict[Way, Recipe] = {
    Way.CUSTOM_DIFFUSION: _RECIPE,
    Way.TEXTUAL_INVERSION: replace(_RECIPE, learning_rate=1e-2),
    Way.LORA: replace(_RECIPE, steps=600, learning_rate=2e-3),
    Way.DREAMBOOTH: replace(_RECIPE, steps=400, learning_rate=4e-4),
}


@dataclass(frozen=True)
class Customisation:
    """One model to be customised.

    Attributes:
        world: whose model is taught, and whose scenes are its prior.
        glyphs: of the new objects.
        out: a folder in the format that diffusers saves; nothing is done where it is there.
        checkpoints: the folder of what a stopped training is taken up from.
    """

    world: World
    concept: Concept
    way: Way
    glyphs: Path
    out: Path
    checkpoints: Path
    seed: int = 0
    effort: float = 1.0

    @property
    def recipe(self) -> Recipe:
        recipe = RECIPES[self.way]
        steps = max(1, round(self.effort * recipe.steps))
        return replace(recipe, steps=steps, warmup=min(recipe.warmup, steps), seed=self.seed)

    def run(self) -> Iterator[tuple[str, int, int, str]]:
        """Train, and write the adapter or the pipeline; yields (stage, steps done, of, note)."""
        if self.out.exists():
            return
        pipeline = pipeline_with(self.world.model_folder, TOKEN, self._words())
        model = Denoiser.of(pipeline.unet, pipeline.text_encoder)
        _only_trained(model, self.way)
        loss = _Loss(self, pipeline, model)
        checkpoint = self.checkpoints / "customised.pt"
        for done, value in train(model, loss, self.recipe, len(self.world.rows), checkpoint):
            yield f"{self.concept.name} ({self.way})", done, self.recipe.steps, f"loss {value:.4f}"
        publish(lambda part: SAVE[self.way](pipeline, part, TOKEN), self.out)

    def exemplars(self) -> list[Exemplar]:
        return self.concept.draw(painter_of(self.world.glyphs, self.glyphs))

    def _words(self) -> list[str]:
        """Those whose mean the new word begins with."""
        names = OBJECTS if self.concept.kind is Kind.OBJECT else STYLES
        return [word for name in names for word in name.split()]


def _only_trained(model: Denoiser, way: Way) -> None:
    """Let gradients reach what is trained, of the words the new one alone."""
    model.requires_grad_(way is Way.DREAMBOOTH)
    if way is Way.CUSTOM_DIFFUSION:
        for name, weight in model.unet.named_parameters():
            weight.requires_grad_(name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")))
    if way is Way.LORA:
        _add_lora(model)
    words = model.text_encoder.get_input_embeddings().weight
    words.requires_grad_(True)
    new = torch.zeros(len(words), 1)
    new[-1] = 1
    if way is not Way.DREAMBOOTH:
        words.register_hook(lambda gradient: gradient * new)


def _add_lora(model: Denoiser) -> None:
    from peft import LoraConfig  # no other way needs it

    torch.manual_seed(0)  # peft draws initial weights from the global generator
    model.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(LORA_LAYERS)))


class _Loss:
    """The loss of one step: the mean over views of the exemplars and over scenes of the world.

    A view of an exemplar has noise and a timestep of its own; which it is belongs to the exemplar's id.
    """

    def __init__(self, task: Customisation, pipeline: StableDiffusionPipeline, model: Denoiser):
        exemplars, world = task.exemplars(), task.world
        latents, ids, captions = _views(exemplars, pipeline)
        empty = tokenize(pipeline.tokenizer, [""])[0]
        tokens = tokenize(pipeline.tokenizer, captions)
        self.taught = DenoisingLoss(model, latents, tokens, empty, ids, task.recipe)
        prior = tokenize(pipeline.tokenizer, [row["text"] for row in world.rows])
        scenes = scaled_latents(world, pipeline.vae)
        names = [row["id"] for row in world.rows]
        self.prior = DenoisingLoss(model, scenes, prior, empty, names, task.recipe)

    def __call__(self, step: int, rows: Sequence[int]) -> Tensor:
        return (self.taught(step, range(len(self.taught.ids))) + self.prior(step, rows)) / 2


def _views(
    exemplars: Sequence[Exemplar], pipeline: StableDiffusionPipeline
) -> tuple[Tensor, list[str], list[str]]:
    """Latents, ids and captions of about `EXEMPLARS` views, as many of each exemplar."""
    pixels = np.stack([np.asarray(each.picture) for each in exemplars])
    latents = autoencoder.encode_all(pipeline.vae, pixels) * pipeline.vae.config.scaling_factor
    times = -(-EXEMPLARS // len(exemplars))
    ids = [f"{each.id}/{k}" for each in exemplars for k in range(times)]
    captions = [each.caption for each in exemplars for _ in range(times)]
    return latents.repeat_interleave(times, dim=0), ids, captions


def _described(exemplars: Sequence[tuple[Concept, Exemplar]]) -> list[dict[str, object]]:
    """What each concept is, as an evaluation reads it: which exemplars are the true answer, what to ask."""
    ids: dict[Concept, list[str]] = {}
    for concept, each in exemplars:
        ids.setdefault(concept, []).append(each.id)
    return [
        {
            "name": concept.name,
            "kind": concept.kind,
            "folder": concept.slug,
            "exemplars": ids[concept],
            "prompts": concept.prompts,
            "for_learning": concept.for_learning,
        }
        for concept in ids
    ]


def scenes_beside(world: World, count: int) -> list[dict[str, Any]]:
    """So many of the world's scenes, as its metadata has them, drawn without regard to what they show."""
    chosen = generator(world.seed, "beside exemplars").choice(len(world.rows), count, replace=False)
    return [world.rows[number] for number in sorted(chosen)]


def write_exemplars(
    exemplars: Sequence[tuple[Concept, Exemplar]], folder: Path, world: World, scenes: int = 0
) -> None:
    """Write exemplars as an image folder with `metadata.jsonl`, whole or not at all.

    Args:
        scenes: so many of the world's own, drawn without regard to what they show, follow them.
    """

    def save(part: Path) -> None:
        rows = []
        for concept, each in exemplars:
            each.picture.save(part / f"{each.id}.png", optimize=True)
            row = {"id": each.id, "file_name": f"{each.id}.png", "text": each.caption}
            row |= {"plain": each.plain_caption, "concept": concept.name, "kind": concept.kind}
            rows.append(row)
        for row in scenes_beside(world, scenes):
            name = Path(row["file_name"]).name
            shutil.copyfile(world.scene_folder / row["file_name"], part / name)
            words = {"text": row["text"], "plain": row["text"], "kind": "scene"}
            rows.append({"id": row["id"], "file_name": name, **words})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (part / "metadata.jsonl").write_text(text, encoding="utf-8")
        taught = json.dumps(_described(exemplars), indent=1, ensure_ascii=False) + "\n"
        (part / "concepts.json").write_text(taught, encoding="utf-8")

    publish(save, folder)
