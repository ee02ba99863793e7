"""Measure the embedded world, and write its model card from the figures.

Nothing is chosen by looking: held-out scenes are the first of their split, a picture's seed is its
number, and the sheet of samples shows the first of each kind.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer, ViTModel

from attribution.encoders.whitening import fit_whitening
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from demo import autoencoder, clip, dino, judge
from demo.card import model_card, sheet
from demo.judge import Verdict, truth
from demo.scenes import SIZE, Scene, painted, scene
from demo.vocabulary import OBJECTS
from demo.world import World, load_vae

HELD_OUT = 500  # scenes or captions
JUDGED = 1_000  # held-out scenes that the judge is tried on
BATCH = 16  # pictures generated at once
SHOWN = 32  # pictures of each kind on the sheet

Figures = dict[str, Any]
Step = tuple[str, int, int, str]  # stage, done, total, note
Measuring = Generator[Step, None, Figures]


@dataclass(frozen=True)
class Generation:
    """How the judged pictures are made."""

    pictures: int = 200  # of each kind
    steps: int = 30
    guidance: float = 3.0


def write_card(world: World, generation: Generation, only: Collection[str] | None = None) -> Iterator[Step]:
    """Measure, and write figures.json, samples.png and README.md beside the model.

    Figures that are not measured anew (all are, unless `only` names some) stay as they stand; the card
    is written once there are all of them.
    """
    path = world.model_folder / "figures.json"
    figures: Figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, measure in MEASURES.items():
        if only is None or name in only:
            figures[name] = yield from measure(world, generation)
            path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if figures.keys() >= MEASURES.keys():
        (world.model_folder / "README.md").write_text(model_card(world, figures), encoding="utf-8")


def drawn(world: World, items: Sequence[Scene]) -> UInt8[np.ndarray, "n 64 64 3"]:
    """The scenes' pictures."""
    return np.stack(list(painted(world.glyphs, items, world.seed)))


def held_out(world: World, count: int) -> list[Scene]:
    """The first scenes of the held-out split."""
    return [scene(index, world.seed, "heldout") for index in range(count)]


def autoencoder_figures(world: World, _: Generation) -> Measuring:
    """PSNR over whole held-out scenes."""
    values = []
    for value in autoencoder.psnr(load_vae(world), drawn(world, held_out(world, HELD_OUT))):
        values.append(value)
        yield "autoencoder", len(values), HELD_OUT, f"{np.mean(values):.2f} dB"
    return {"scenes": HELD_OUT, "psnr_mean_db": float(np.mean(values)), "psnr_lowest_db": min(values)}


def clip_figures(world: World, _: Generation) -> Measuring:
    """Image-to-caption recall among held-out scenes with distinct captions."""
    folder = world.encoder_folder("clip")
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    distinct: dict[str, Scene] = {}
    for index in itertools.count():
        item = scene(index, world.seed, "heldout")
        distinct.setdefault(item.caption, item)
        if len(distinct) == HELD_OUT:
            break
    images = clip.embed_images(model, drawn(world, list(distinct.values())))
    similarity = images @ clip.embed_captions(model, tokenizer, list(distinct)).T
    recalls = {f"recall_at_{k}": clip.recall(similarity, k) for k in (1, 5, 10)}
    backwards = {"caption_to_image_recall_at_10": clip.recall(similarity.T, 10)}
    yield "clip", HELD_OUT, HELD_OUT, f"recall@10 {recalls['recall_at_10']:.3f}"
    return {"captions": HELD_OUT, **recalls, **backwards}


def dino_figures(world: World, _: Generation) -> Measuring:
    """Neighbours of held-out scenes that share an object with them: DINO's, pixels' and anyone's.

    Two galleries: the training scenes, and the other held-out scenes (fewer, so that a neighbour that
    is alike in everything is rarely at hand). DINO's training vectors are those of the workspace.
    """
    items = held_out(world, HELD_OUT)
    shown = [set(item.objects) for item in items]
    of_training = [{placed["name"] for placed in row["objects"]} for row in world.rows]
    figures: Figures = {"scenes": HELD_OUT}
    compared = _embedded(world, drawn(world, items))
    for done, (name, (queries, training)) in enumerate(compared.items()):
        to_training = queries @ training.T
        to_others = (queries @ queries.T).fill_diagonal_(-2)
        figures[name] = {
            "training_at_1": dino.share_an_object(to_training, shown, of_training, 1),
            "training_at_10": dino.share_an_object(to_training, shown, of_training, 10),
            "held_out_at_1": dino.share_an_object(to_others, shown, shown, 1),
            "held_out_at_10": dino.share_an_object(to_others, shown, shown, 10),
        }
        note = f"{name} {figures[name]['training_at_1']:.3f}, {figures[name]['held_out_at_1']:.3f}"
        yield "dino", done + 1, len(compared), note
    chance = float(np.mean([bool(one & other) for one in shown for other in of_training]))
    return {**figures, "chance": chance}


def _embedded(
    world: World, pixels: UInt8[np.ndarray, "n 64 64 3"]
) -> dict[str, tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]]:
    """Vectors of length 1 of some pictures and of the training scenes, for each way to compare them."""
    workspace = Workspace.open(world.workspace_folder, world.device)
    stored = workspace.load(embedding("dino"))
    described = workspace.encoder("dino").images([Image.fromarray(picture) for picture in pixels])
    model = ViTModel.from_pretrained(
        world.encoder_folder("dino"), dtype=torch.float32, add_pooling_layer=False
    ).eval()
    of_pictures, of_training = dino.small_pixels(pixels), dino.small_pixels(world.pixels)
    whitened = fit_whitening(of_training)
    return {
        "dino": (
            torch.from_numpy(stored.comparable(described)),
            torch.from_numpy(stored.neighbours.vectors),
        ),
        "class_token": (dino.embed_images(model, pixels), dino.embed_images(model, world.pixels)),
        "pixel": (dino.embed_pixels(pixels), dino.embed_pixels(world.pixels)),
        "whitened_pixel": (
            torch.from_numpy(whitened(of_pictures)),
            torch.from_numpy(whitened(of_training)),
        ),
    }


def judge_figures(world: World, _: Generation) -> Measuring:
    """How often the judge is right about held-out scenes that passed through the autoencoder."""
    model, vae = judge.load_judge(world.judge_folder), load_vae(world)
    figures: Figures = {"scenes": JUDGED}
    for split in ("heldout", "unseen"):
        items = [scene(index, world.seed, split) for index in range(JUDGED)]
        parts: list[UInt8[np.ndarray, "n 64 64 3"]] = []
        for part in judge.restored(vae, drawn(world, items), disturbance=0.0):
            parts.append(part)
            yield f"judge: {split}", sum(map(len, parts)), JUDGED, ""
        pixels = np.concatenate(parts)
        truths, verdicts = [truth(item) for item in items], judge.judged(model, pixels)
        right = {
            name: _share(
                getattr(t, name) == getattr(v, name) for t, v in zip(truths, verdicts, strict=True)
            )
            for name in judge.ATTRIBUTES
        }
        figures[split] = {**right, "hardest_object": _hardest(items, verdicts)}
    return figures


def picture_figures(world: World, generation: Generation) -> Measuring:
    """What the judge finds in generated pictures; also writes the sheet of samples."""
    model = judge.load_judge(world.judge_folder)
    figures: Figures = {"steps": generation.steps, "guidance": generation.guidance}
    samples: list[tuple[str, Image.Image]] = []
    for kind, items in prompts(world, generation.pictures).items():
        pixels = np.empty((len(items), SIZE, SIZE, 3), np.uint8)
        for done, picture in enumerate(generate(world, items, generation)):
            pixels[done] = picture
            yield f"pictures of {kind} pairs", done + 1, len(items), ""
        figures[kind] = generation_figures(items, judge.judged(model, pixels))
        shown = zip(items[:SHOWN], pixels[:SHOWN], strict=True)
        samples += [(item.caption, Image.fromarray(picture)) for item, picture in shown]
    # 256 colours: the sheet is for looking at, and the world is to stay small.
    sheet(samples).quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
        world.model_folder / "samples.png", optimize=True
    )
    return figures


MEASURES: dict[str, Callable[[World, Generation], Measuring]] = {
    "autoencoder": autoencoder_figures,
    "clip": clip_figures,
    "dino": dino_figures,
    "judge": judge_figures,
    "pictures": picture_figures,
}


def prompts(world: World, count: int) -> dict[str, list[Scene]]:
    """Two-object scenes to ask for: `seen` pairs stand together in a training scene, `unseen` never.

    Both are the first of their split that qualify, styles as they come.
    """
    together = {frozenset(placed["name"] for placed in row["objects"]) for row in world.rows}

    def first(split: str, known: bool) -> list[Scene]:
        scenes = (scene(index, world.seed, split) for index in itertools.count())
        wanted = (s for s in scenes if len(s.objects) == 2 and (frozenset(s.objects) in together) == known)
        return list(itertools.islice(wanted, count))

    return {"seen": first("heldout", True), "unseen": first("unseen", False)}


def generate(
    world: World, items: Sequence[Scene], generation: Generation
) -> Iterator[UInt8[np.ndarray, "64 64 3"]]:
    """One picture per caption, made by the standard pipeline; picture k from seed k.

    Kept beside the checkpoints under the model's own name, so that measuring can be taken up again.
    """
    pipeline = StableDiffusionPipeline.from_pretrained(world.model_folder, dtype=torch.float32)
    pipeline = pipeline.to(world.device)
    pipeline.set_progress_bar_config(disable=True)
    folder = world.checkpoints / f"pictures-{_digest(world.model_folder, generation)}"
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        paths = [folder / f"{item.id}.png" for item in batch]
        if not all(path.exists() for path in paths):
            seeds = [torch.Generator().manual_seed(start + k) for k in range(len(batch))]
            pictures = pipeline(
                [item.caption for item in batch],
                num_inference_steps=generation.steps,
                guidance_scale=generation.guidance,
                generator=seeds,
            ).images
            for picture, path in zip(pictures, paths, strict=True):
                picture.save(path)
        for path in paths:
            with Image.open(path) as picture:
                yield np.asarray(picture.convert("RGB"))


def generation_figures(items: Sequence[Scene], verdicts: Sequence[Verdict]) -> Figures:
    """How often the judge finds in a picture what was asked for."""
    pairs = [(truth(item), verdict) for item, verdict in zip(items, verdicts, strict=True)]
    right = {name: [getattr(t, name) == getattr(v, name) for t, v in pairs] for name in judge.ATTRIBUTES}
    whole = [a and b and c for a, b, c in zip(right["left"], right["right"], right["ground"], strict=True)]
    plain = [ok for ok, item in zip(whole, items, strict=True) if item.style is None]
    return {
        "pictures": len(items),
        "object": _share([*right["left"], *right["right"]]),
        "object_on_either_side": _share(
            name in v.objects for item, (_, v) in zip(items, pairs, strict=True) for name in item.objects
        ),
        **{name: _share(values) for name, values in right.items()},
        "all": _share(whole),
        "all_of_plain": _share(plain),
        "all_of_styled": _share(ok for ok, i in zip(whole, items, strict=True) if i.style is not None),
        "hardest_object": _hardest(items, verdicts),
    }


def _share(values: Any) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def _hardest(items: Sequence[Scene], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The object that is recognised in its place least often."""
    hits: dict[str, list[bool]] = {name: [] for name in OBJECTS}
    for item, verdict in zip(items, verdicts, strict=True):
        for name, answer in zip(item.objects, (verdict.left, verdict.right), strict=False):
            hits[name].append(answer == name)
    name = min((n for n in hits if hits[n]), key=lambda n: _share(hits[n]))
    return {"name": name, "right": _share(hits[name]), "of": len(hits[name])}


def _digest(folder: Path, generation: Generation) -> str:
    """Short name of a pipeline's weights and the settings it is run with."""
    digest = hashlib.sha256(f"{generation.steps} {generation.guidance}".encode())
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".safetensors" or path.name == "scheduler_config.json":
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
