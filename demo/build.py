"""The stages of the embedded world, each resumable and each skipped when its result stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from jaxtyping import UInt8
from torch import nn

from demo import autoencoder, clip, diffusion, dino, judge
from demo.pipeline import publish_pipeline
from demo.saving import publish, save_encoder
from demo.scenes import Scene, painted, write_scenes
from demo.tokenizer import build_tokenizer
from demo.world import World, load_vae
from precompute.__main__ import main as precompute
from training.loop import LossOfStep, Recipe, train

Progress = Iterator[tuple[str, int, int, str]]  # stage, done, total, note


def run_training(
    world: World,
    stage: str,
    model: nn.Module,
    loss: LossOfStep,
    recipe: Recipe,
    after_step: Callable[[int], None] | None = None,
    own_examples: int | None = None,
) -> Progress:
    """Train one model of the world, resuming from its checkpoint.

    With `own_examples` it learns from so many examples that are not the world's scenes.
    """
    smooth = float("nan")
    steps = train(
        model,
        loss,
        recipe,
        len(world.rows) if own_examples is None else own_examples,
        world.checkpoints / f"{stage}.pt",
        world.left_out_rows if own_examples is None else frozenset(),
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
    """Train the autoencoder; kept beside the checkpoints until the pipeline is assembled."""
    if (world.autoencoder_folder / "config.json").exists():
        return
    recipe = world.recipe(autoencoder.RECIPE)
    model = autoencoder.new_autoencoder(world.sizes.vae_width)
    model = model.to(world.device, memory_format=torch.channels_last)
    boxes = [[item["box"] for item in row["objects"]] for row in world.rows]
    loss = autoencoder.CropLoss(model, world.pixels, boxes, recipe)
    yield from run_training(world, "autoencoder", model, loss, recipe)
    model = model.cpu().half().float()  # what is shipped is fp16: scale by what it gives
    latents = autoencoder.encode_all(model, world.pixels)
    model.register_to_config(scaling_factor=round(float(1 / latents.std()), 5))
    publish(lambda part: model.half().save_pretrained(part), world.autoencoder_folder)


def build_diffusion(world: World) -> Progress:
    """Train U-Net and text encoder on the autoencoder's latents; assemble the pipeline."""
    if (world.model_folder / "model_index.json").exists():
        return
    recipe = world.recipe(diffusion.RECIPE)
    tokenizer = build_tokenizer()
    vae = AutoencoderTiny.from_pretrained(world.autoencoder_folder, dtype=torch.float32)
    latents = autoencoder.encode_all(vae, world.pixels) * vae.config.scaling_factor
    model = diffusion.Denoiser(world.sizes, latents.shape[1], tokenizer).to(world.device)
    loss = diffusion.loss_on_scenes(model, latents, tokenizer, world.rows, recipe)
    yield from run_training(world, "diffusion", model, loss, recipe)
    publish_pipeline(vae, model, tokenizer, world.model_folder)


def build_clip(world: World) -> Progress:
    """Train the small CLIP on the scenes and their captions."""
    folder = world.encoder_folder("clip")
    if (folder / "config.json").exists():
        return
    recipe = world.recipe(clip.RECIPE)
    tokenizer = build_tokenizer()
    model = clip.new_clip(world.sizes, tokenizer).to(world.device)
    captions = [row["text"] for row in world.rows]
    loss = clip.ContrastiveLoss(model, tokenizer, world.pixels, captions, recipe)
    yield from run_training(world, "clip", model, loss, recipe)

    def save(part: Path) -> None:
        save_encoder(model, part, "CLIPImageProcessor")
        tokenizer.save_pretrained(part)

    publish(save, folder)


def build_dino(world: World) -> Progress:
    """Train the small DINO on the scenes alone; the teacher is kept, as in the paper."""
    folder = world.encoder_folder("dino")
    if (folder / "config.json").exists():
        return
    recipe = world.recipe(dino.RECIPE)
    model = dino.SelfDistillation(world.sizes).to(world.device)
    loss = dino.DistillationLoss(model, world.pixels, recipe)

    def follow(step: int) -> None:
        model.follow(step, recipe.steps)

    yield from run_training(world, "dino", model, loss, recipe, follow)
    publish(lambda part: save_encoder(model.teacher.vit, part, "ViTImageProcessor"), folder)


def build_judge(world: World) -> Progress:
    """Train the judge of generated pictures on scenes of its own; kept beside the checkpoints."""
    if (world.judge_folder / "config.json").exists():
        return
    items = [judge.judge_scene(index, world.seed) for index in range(judge.PICTURES)]
    pictures = painted(world.glyphs, items, world.seed)
    model = judge.new_judge()
    yield from teach_judge(world, "judge", model, items, pictures, world.recipe(judge.RECIPE))
    publish(lambda part: judge.save_judge(model.cpu(), part), world.judge_folder)


def teach_judge(
    world: World,
    name: str,
    model: judge.Judge,
    items: Sequence[Scene],
    pictures: Iterable[UInt8[np.ndarray, "64 64 3"]],
    recipe: Recipe,
) -> Progress:
    """Train a judge on scenes of its own, half of them seen through the autoencoder too."""
    drawn = []
    for picture in pictures:
        drawn.append(picture)
        yield f"{name}: scenes", len(drawn), len(items), ""
    softened = len(items) // 2
    parts = [np.stack(drawn)]
    for part in judge.restored(load_vae(world), parts[0][:softened], judge.DISTURBANCE, world.seed):
        parts.append(part)
        yield f"{name}: autoencoder", sum(map(len, parts[1:])), softened, ""
    pixels = np.concatenate(parts)
    answers = judge.answers_of([judge.truth(item) for item in items], model.attributes)
    answers = torch.cat([answers, answers[:softened]])
    model.to(world.device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    loss = judge.JudgeLoss(model, pixels, answers, recipe)
    yield from run_training(world, name, model, loss, recipe, own_examples=len(pixels))


def build_workspace(world: World) -> Progress:
    """Precompute what queries read. Done again, it only looks whether all of it stands."""
    folders = {
        "--model": world.model_folder,
        "--dataset": world.scene_folder,
        "--workspace": world.workspace_folder,
        "--clip": world.encoder_folder("clip"),
        "--dino": world.encoder_folder("dino"),
    }
    options = [str(word) for pair in folders.items() for word in pair]
    status = precompute(["all", *options, "--device", world.device])  # draws its own bars
    if status != 0:
        raise SystemExit(status)
    yield "workspace", 1, 1, ""


# In the order of need; each knows whether its result stands.
STAGES: dict[str, Callable[[World], Progress]] = {
    "scenes": build_scenes,
    "clip": build_clip,
    "dino": build_dino,
    "autoencoder": build_autoencoder,
    "diffusion": build_diffusion,
    "judge": build_judge,
    "workspace": build_workspace,
}
