"""A small vision transformer trained by self-distillation without labels: DINO (Caron et al. 2021).

A student sees large and small views of a picture and is taught by its own moving average, which sees
the large ones, to say the same of all of them. Saved as a standard `ViTModel`; how a picture is described
with it is `attribution.encoders.dino`'s affair.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from demo.augment import Views, views
from demo.autoencoder import to_model_range
from demo.scenes import SIZE
from demo.sizes import Sizes
from training.loop import Recipe

PATCH = 8  # pixels
HEAD = 32  # channels an attention head
PROTOTYPES = 512
STUDENT_TEMPERATURE = 0.1
TEACHER_TEMPERATURE = 0.04
SINKHORN_ROUNDS = 3
TEACHER_MOMENTUM = 0.99  # at first; reaches 1 at the end
LOCAL_VIEWS = 2
SPREAD = 0.3  # weight of the KoLeo term, which keeps descriptions apart (DINOv2, Oquab et al. 2023)

# Gentle views: whatever a view takes away (flips, grey, other hues) the description forgets, and objects
# of this world are told apart by little else. The haze keeps the ground from being all it sees.
RECIPE = Recipe(
    steps=480, batch=64, learning_rate=1e-3, warmup=50, decay_from=0.3, weight_decay=0.05, ema=0.0
)
GLOBAL = Views(area=(0.85, 1.0), flip=False, grey=0.0, hue=0.3, blur=0.2, haze=0.3)
LOCAL = Views(side=32, area=(0.5, 0.8), flip=False, grey=0.0, hue=0.3, blur=0.2, haze=0.3)


def new_vit(sizes: Sizes) -> ViTModel:
    """Fresh weights; deterministic."""
    torch.manual_seed(0)  # transformers draws initial weights from the global generator
    width = sizes.dino_width
    config = ViTConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=sizes.dino_layers,
        num_attention_heads=max(1, width // HEAD),
        image_size=SIZE,
        patch_size=PATCH,
    )
    model = ViTModel(config, add_pooling_layer=False)
    model.set_attn_implementation("eager")  # twice as fast to train at this size on a CPU
    return model


class Branch(nn.Module):
    """A transformer and the head that sorts its class token into prototypes."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.vit = new_vit(sizes)
        self.prototypes = nn.Linear(sizes.dino_width, PROTOTYPES, bias=False)

    def forward(
        self, pictures: Float[Tensor, "n 3 side side"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n prototypes"]]:
        """Class tokens, and scores between -1 and 1 for every prototype."""
        small = pictures.shape[-1] != SIZE
        token = self.vit(pictures, interpolate_pos_encoding=small).last_hidden_state[:, 0]
        token = token.float()
        place = F.normalize(token, dim=-1)
        with torch.autocast(place.device.type, enabled=False):  # a temperature of 0.04 needs all digits
            return token, place @ F.normalize(self.prototypes.weight, dim=-1).T


class SelfDistillation(nn.Module):
    """The student, and the teacher that follows it."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.student = Branch(sizes)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    @torch.no_grad()
    def follow(self, step: int, steps: int) -> None:
        """Move the teacher towards the student; the momentum rises to 1 along half a cosine."""
        rise = 0.5 * (1 - math.cos(math.pi * (step + 1) / steps))
        momentum = TEACHER_MOMENTUM + (1 - TEACHER_MOMENTUM) * rise
        teacher = [p.detach() for p in self.teacher.parameters()]
        student = [p.detach() for p in self.student.parameters()]
        torch._foreach_lerp_(teacher, student, 1 - momentum)


class DistillationLoss:
    """The loss of one step."""

    def __init__(self, model: SelfDistillation, pixels: UInt8[np.ndarray, "n 64 64 3"], recipe: Recipe):
        self.model, self.pixels, self.recipe = model, pixels, recipe

    def __call__(self, step: int, rows: Sequence[int]) -> Tensor:
        model, seed = self.model, self.recipe.seed
        device = model.student.prototypes.weight.device
        pictures = to_model_range(self.pixels[list(rows)])
        large = [views(pictures, rows, GLOBAL, seed, f"dino-global-{k}", step) for k in range(2)]
        small = [views(pictures, rows, LOCAL, seed, f"dino-local-{k}", step) for k in range(LOCAL_VIEWS)]
        with torch.autocast(device.type, torch.bfloat16):
            tokens, scores = model.student(torch.cat(large).to(device))
            with torch.no_grad():
                teacher_scores = model.teacher(torch.cat(large).to(device))[1]
            local_scores = model.student(torch.cat(small).to(device))[1]
        target = balanced(teacher_scores / TEACHER_TEMPERATURE).chunk(2)
        log_shares = (torch.cat([scores, local_scores]) / STUDENT_TEMPERATURE).log_softmax(-1)
        by_view = log_shares.chunk(2 + LOCAL_VIEWS)
        crossed = [
            -(target[t] * by_view[s]).sum(-1).mean()
            for t in range(2)
            for s in range(2 + LOCAL_VIEWS)
            if s != t
        ]
        spread = sum(koleo(part) for part in tokens.chunk(2))
        return torch.stack(crossed).mean() + SPREAD * spread


@torch.no_grad()
def balanced(scores: Float[Tensor, "n prototypes"]) -> Float[Tensor, "n prototypes"]:
    """Probabilities in which every prototype is used as much as any other (Sinkhorn-Knopp).

    DINOv2's way of keeping the teacher from favouring a few; it needs no running centre, and makes
    pictures of one batch differ from the first step on.
    """
    shares = (scores - scores.max()).double().exp()
    for _ in range(SINKHORN_ROUNDS):
        shares = shares / shares.sum(0, keepdim=True).clamp(min=1e-30) / shares.shape[1]
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-30)
    return shares.float()


def koleo(tokens: Float[Tensor, "n d"]) -> Tensor:
    """Kozachenko-Leonenko: minus the mean logarithm of the distance to the nearest other token."""
    unit = F.normalize(tokens, dim=-1)
    with torch.no_grad():
        nearest = (unit @ unit.T).fill_diagonal_(-2).argmax(1)
    return -((unit - unit[nearest]).square().sum(-1) + 1e-6).log().mean() / 2


@torch.no_grad()
def embed_images(
    model: ViTModel, pixels: UInt8[np.ndarray, "n 64 64 3"], batch: int = 128
) -> Float[Tensor, "n d"]:
    """Unit-length class tokens: what was trained, before any pooling and whitening."""
    starts = range(0, len(pixels), batch)
    parts = [model(to_model_range(pixels[i : i + batch])).last_hidden_state[:, 0] for i in starts]
    return F.normalize(torch.cat(parts).float(), dim=-1)


def embed_pixels(pixels: UInt8[np.ndarray, "n 64 64 3"]) -> Float[Tensor, "n d"]:
    """Unit-length raw pixels about mid-grey: what a description has to beat."""
    return F.normalize(to_model_range(pixels).flatten(1), dim=-1)


def small_pixels(pixels: UInt8[np.ndarray, "n 64 64 3"]) -> Float[np.ndarray, "n 768"]:
    """Means of four by four pixels: few enough numbers to be whitened."""
    means = pixels.reshape(len(pixels), 16, 4, 16, 4, 3).mean(axis=(2, 4), dtype=np.float32)
    small: Float[np.ndarray, "n 768"] = means.reshape(len(pixels), -1) / 255
    return small


def share_an_object(
    similarity: Float[Tensor, "queries others"],
    shown: Sequence[set[str]],
    of_others: Sequence[set[str]],
    k: int,
) -> float:
    """Share of the k nearest neighbours that show an object of their query."""
    nearest = similarity.topk(k, dim=1).indices.tolist()
    return float(np.mean([bool(shown[i] & of_others[j]) for i, js in enumerate(nearest) for j in js]))
