"""The judge: an independent classifier that says what a picture shows, to measure generated ones by.

It is no part of the product. It learns from scenes of its own (no training scene is among them), half
of them passed through the autoencoder with disturbed latents, so that it is used to the softness of
generated pictures; and from pairs of objects in their natural share, the withheld ones too, since it
must not prefer the pairs the generator knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attribution.rng import gaussian, generator
from demo.augment import Views, views
from demo.autoencoder import to_model_range
from demo.scenes import Scene, scene
from demo.vocabulary import GROUNDS, OBJECTS, STYLES, WITHHELD_ONE_IN
from training.loop import Recipe

NOTHING = "nothing"
Attributes = Mapping[str, tuple[str, ...]]
# What the judge is asked, and its possible answers. A single object is asked for as the left one.
ATTRIBUTES: Attributes = {
    "left": tuple(OBJECTS),
    "right": (*OBJECTS, NOTHING),
    "ground": GROUNDS,
    "style": ("plain", *STYLES),
}
PICTURES = 8_000
DISTURBANCE = 0.3  # the largest standard deviation of the noise on their latents, whose own is 1

RECIPE = Recipe(steps=1_500, batch=96, learning_rate=3e-3, decay_from=0.3, weight_decay=0.05, ema=0.99)
VIEWS = Views(
    area=(0.85, 1.0), aspect=1.1, overhang=0.04, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1,
    blur=0.3,
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a picture shows, by attribute."""

    left: str
    right: str
    ground: str
    style: str

    @property
    def objects(self) -> tuple[str, ...]:
        return (self.left,) if self.right == NOTHING else (self.left, self.right)


def truth(item: Scene) -> Verdict:
    """What the judge should say of a scene."""
    right = item.objects[1] if len(item.objects) == 2 else NOTHING
    return Verdict(item.objects[0], right, item.ground, item.style or "plain")


class Residual(nn.Module):
    """Two convolutions around a skip; halves the sides and changes the width if asked to."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.skip = nn.Sequential()
        if stride != 1 or before != after:
            self.skip = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(before, after, 1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d _ _"]:
        return F.relu(self.path(x) + self.skip(x))


class Judge(nn.Module):
    """A residual network with one linear answer per attribute; keeps places apart till the end.

    `attributes`: what it is asked, and the possible answers of each.
    """

    def __init__(self, attributes: Attributes = ATTRIBUTES) -> None:
        super().__init__()
        self.attributes = attributes
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),  # 64 => 32 pixels
            nn.BatchNorm2d(32),
            nn.ReLU(),
            Residual(32, 32, 1),
            Residual(32, 64, 2),
            Residual(64, 128, 2),  # 8 x 8
            nn.AvgPool2d(2),
            nn.Flatten(),  # 128 x 4 x 4
        )
        answers = sum(map(len, attributes.values()))
        self.answers = nn.Linear(128 * 16, answers)

    def forward(self, pictures: Float[Tensor, "n 3 64 64"]) -> list[Float[Tensor, "n answers"]]:
        """The logits of each attribute's answers, in the order of `attributes`."""
        logits: Tensor = self.answers(self.features(pictures))
        return list(logits.split([len(answers) for answers in self.attributes.values()], dim=1))


def new_judge(attributes: Attributes = ATTRIBUTES) -> Judge:
    """Fresh weights; deterministic."""
    torch.manual_seed(0)  # torch draws initial weights from the global generator
    return Judge(attributes)


def judge_scene(index: int, seed: int) -> Scene:
    """Scene number `index` of the judge's own."""
    drawn = scene(index, seed, "judge")
    withheld = generator(seed, "judge", index).random() < 1 / WITHHELD_ONE_IN
    if len(drawn.objects) == 2 and withheld:
        return scene(index, seed + 1, "unseen")  # another seed: not the scenes it is tried on
    return drawn


def answers_of(
    verdicts: Sequence[Verdict], attributes: Attributes = ATTRIBUTES
) -> Int[Tensor, "n attributes"]:
    """The index of each attribute's true answer."""
    return torch.tensor(
        [[answers.index(getattr(v, name)) for name, answers in attributes.items()] for v in verdicts]
    )


@torch.no_grad()
def restored(
    vae: AutoencoderTiny,
    pixels: UInt8[np.ndarray, "n 64 64 3"],
    disturbance: float,
    seed: int = 0,
    batch: int = 32,
) -> Iterator[UInt8[np.ndarray, "m 64 64 3"]]:
    """The pictures through the autoencoder, batch by batch, with noise of up to `disturbance` inside."""
    scale = vae.config.scaling_factor
    for start in range(0, len(pixels), batch):
        pictures = to_model_range(pixels[start : start + batch]).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=disturbance > 0):
            latents = vae.encoder(pictures) * scale
            for k in range(len(latents)):
                level = disturbance * generator(seed, "disturbance", start + k).random()
                noise = gaussian(seed, "disturbed", str(start + k), 0, latents.shape[1:])
                latents[k] += level * noise
            out = vae.decoder(latents / scale).float().clamp(-1, 1)
        yield ((out + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


class JudgeLoss:
    """Cross entropy of all answers, on random views. Row r beyond the pictures is one of them restored."""

    def __init__(
        self,
        model: Judge,
        pixels: UInt8[np.ndarray, "n 64 64 3"],
        answers: Int[Tensor, "n attributes"],
        recipe: Recipe,
    ):
        self.model, self.pixels, self.answers, self.recipe = model, pixels, answers, recipe

    def __call__(self, step: int, rows: Sequence[int]) -> Tensor:
        pictures = to_model_range(self.pixels[list(rows)])
        pictures = views(pictures, rows, VIEWS, self.recipe.seed, "judge", step)
        device = next(self.model.parameters()).device
        pictures = pictures.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = self.model(pictures)
        answers = self.answers[list(rows)].to(device)
        losses = [
            F.cross_entropy(predicted.float(), true, label_smoothing=0.05)
            for predicted, true in zip(logits, answers.unbind(1), strict=True)
        ]
        return torch.stack(losses).sum()


@torch.no_grad()
def judged(model: Judge, pixels: UInt8[np.ndarray, "n 64 64 3"], batch: int = 128) -> list[Verdict]:
    """What each picture shows."""
    verdicts = []
    for start in range(0, len(pixels), batch):
        logits = model(to_model_range(pixels[start : start + batch]))
        for chosen in zip(*(part.argmax(1).tolist() for part in logits), strict=True):
            attributes = zip(model.attributes.items(), chosen, strict=True)
            verdicts.append(Verdict(**{name: answers[k] for (name, answers), k in attributes}))
    return verdicts


@torch.no_grad()
def likely_answers(
    model: Judge, pixels: UInt8[np.ndarray, "n 64 64 3"], least: float = 0.001
) -> list[dict[str, dict[str, float]]]:
    """Of each picture, how likely each answer is by attribute; answers below `least` are left out."""
    logits = model(to_model_range(pixels))
    found: list[dict[str, dict[str, float]]] = [{} for _ in pixels]
    for (attribute, answers), part in zip(model.attributes.items(), logits, strict=True):
        for picture, shares in zip(found, part.softmax(1).tolist(), strict=True):
            likely = {a: round(p, 4) for a, p in zip(answers, shares, strict=True) if p >= least}
            picture[attribute] = likely
    return found


def save_judge(model: Judge, folder: Path) -> None:
    """Half-precision weights, and the answers they stand for."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    state = {name: value.contiguous() for name, value in state.items()}  # not channels last
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"attributes": model.attributes}, indent=2) + "\n")


def load_judge(folder: Path) -> Judge:
    """The judge, ready to be asked."""
    asked = json.loads((folder / "config.json").read_text(encoding="utf-8"))["attributes"]
    model = Judge({name: tuple(answers) for name, answers in asked.items()})
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
