"""How a head is taught which training images a picture came from (AbC; Wang et al., ICCV 2023).

A *lesson* is a picture that a customised model made, and the exemplars that the model was customised on.
With f(x) = W x / |W x| of an encoder's whitened vectors of length 1, W is fitted by the contrastive loss
of the paper, in both directions: a made picture shall be nearer to its own exemplars than to those of other
concepts and to training images of none, an exemplar nearer to pictures made of it than to others,

    L = (CE(softmax(f(made) f(images)' / NU), own) + CE(softmax(f(exemplars) f(made)' / NU), own)) / 2
        + REGULARISATION |W' W - I|^2 / d

where `own` is spread evenly over what belongs together, and the last term keeps W near a rotation, so that
few concepts do not bend what the encoder knows of all else. The temperature of the shares is the one whose
softmax over all images is nearest, in KL divergence, to an even share of each exemplar: of concepts that W
was not fitted on, each left out in turn, on which is measured too how well heads find exemplars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from torch import Tensor

NU = 0.05  # temperature of the contrastive loss
REGULARISATION = 1.0
STEPS, LEARNING_RATE = 30, 1e-2
FIRST = 10  # ranks whose recall is told
TEMPERATURES, TRIED = (0.005, 1.0), 200  # between which it is looked for, and how many are tried


@dataclass(frozen=True)
class Lessons:
    """What a head is taught from: vectors of length 1, and the number of the concept of each.

    Attributes:
        others: training images that are of no concept.
    """

    made: Float32[ndarray, "m d"]
    exemplars: Float32[ndarray, "e d"]
    others: Float32[ndarray, "o d"]
    made_of: Int[ndarray, " m"]
    exemplar_of: Int[ndarray, " e"]

    @property
    def concepts(self) -> list[int]:
        return sorted(set(self.made_of.tolist()) & set(self.exemplar_of.tolist()))

    @property
    def images(self) -> Float32[ndarray, "n d"]:
        """What is ranked: the exemplars, then the others."""
        return np.concatenate([self.exemplars, self.others])

    @property
    def belongs(self) -> Bool[ndarray, "m n"]:
        """Which images each made picture came from."""
        own = self.made_of[:, None] == self.exemplar_of[None]
        return np.concatenate([own, np.zeros((len(self.made), len(self.others)), bool)], axis=1)

    def of(self, concepts: Sequence[int]) -> Lessons:
        """Return those of some concepts; all others stay."""
        made, own = np.isin(self.made_of, concepts), np.isin(self.exemplar_of, concepts)
        return replace(
            self, made=self.made[made], made_of=self.made_of[made],
            exemplars=self.exemplars[own], exemplar_of=self.exemplar_of[own],
        )  # fmt: skip

    def asked(self, concept: int) -> Lessons:
        """Return those of one concept as questions: its made pictures, among everybody's exemplars."""
        made = self.made_of == concept
        return replace(self, made=self.made[made], made_of=self.made_of[made])


def tuned(lessons: Lessons) -> Float[Tensor, "d d"]:
    """Return W of the module's loss. The same lessons teach the same, up to how a machine rounds."""
    made, images = torch.from_numpy(lessons.made), torch.from_numpy(lessons.images)
    belongs = torch.from_numpy(lessons.belongs)
    own = belongs[:, : len(lessons.exemplars)]
    size = made.shape[1]
    weight, identity = torch.eye(size, requires_grad=True), torch.eye(size)
    optimizer = torch.optim.Adam([weight], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        of_made, of_images = F.normalize(made @ weight.T, dim=1), F.normalize(images @ weight.T, dim=1)
        cosines = of_made @ of_images.T / NU
        contrast = F.cross_entropy(cosines, _evenly(belongs))
        contrast = contrast + F.cross_entropy(cosines[:, : own.shape[1]].T, _evenly(own.T))
        bent = (weight.T @ weight - identity).square().sum() / size
        (contrast / 2 + REGULARISATION * bent).backward()
        optimizer.step()
        schedule.step()
    return weight.detach()


def measured(lessons: Lessons) -> tuple[float, dict[str, Any]]:
    """Return the temperature of the shares, and how well concepts that were left out in turn are found."""
    concepts = lessons.concepts
    cosines, belongs = [], []
    for concept in concepts:
        asked = lessons.asked(concept)
        weight = tuned(lessons.of([each for each in concepts if each != concept]))
        cosines.append(cosines_of(asked, weight))
        belongs.append(asked.belongs)
    of_all, truth = np.concatenate(cosines), np.concatenate(belongs)
    temperature = calibrated(of_all, truth)
    figures = {
        "concepts": len(concepts),
        "made": len(lessons.made),
        "images": len(lessons.images),
        "recall": mean_recall(cosines, belongs),
        "divergence": round(divergence(of_all, truth, temperature), 4),
    }
    return temperature, figures


def recall_as_it_is(lessons: Lessons) -> float:
    """Return the recall of the vectors as they are, without any head."""
    asked = [lessons.asked(concept) for concept in lessons.concepts]
    plain = torch.eye(lessons.made.shape[1])
    return mean_recall([cosines_of(each, plain) for each in asked], [each.belongs for each in asked])


def cosines_of(lessons: Lessons, weight: Float[Tensor, "k d"]) -> Float[ndarray, "m n"]:
    """Return how near each made picture is to each image."""
    both = [torch.from_numpy(each) @ weight.T for each in (lessons.made, lessons.images)]
    made, images = (F.normalize(each.double(), dim=1) for each in both)
    found: Float[ndarray, "m n"] = (made @ images.T).numpy()
    return found


def calibrated(cosines: Float[ndarray, "m n"], belongs: Bool[ndarray, "m n"]) -> float:
    """Return the temperature whose shares are nearest to even ones of what belongs to each picture."""
    tried = np.geomspace(*TEMPERATURES, TRIED)
    best = min(tried, key=lambda temperature: divergence(cosines, belongs, float(temperature)))
    return round(float(best), 5)


def divergence(cosines: Float[ndarray, "m n"], belongs: Bool[ndarray, "m n"], temperature: float) -> float:
    """Return the mean KL divergence of the shares at a temperature from even ones of what belongs."""
    logits = torch.from_numpy(cosines / temperature)
    wanted = _evenly(torch.from_numpy(belongs)).double()
    entropy = torch.special.entr(wanted).sum(dim=1).mean()
    return float(F.cross_entropy(logits, wanted) - entropy)


def mean_recall(cosines: Sequence[Float[ndarray, "_ n"]], belongs: Sequence[Bool[ndarray, "_ n"]]) -> float:
    """Return the share of their exemplars that pictures have among their first, the mean over concepts."""
    of_concepts = []
    for own, truth in zip(cosines, belongs, strict=True):
        first = np.argsort(-own, axis=1, kind="stable")[:, :FIRST]
        found = np.take_along_axis(truth, first, axis=1).sum(axis=1)
        of_concepts.append((found / truth.sum(axis=1)).mean())
    return round(float(np.mean(of_concepts)), 4)


def _evenly(belongs: Bool[Tensor, "a b"]) -> Float[Tensor, "a b"]:
    return F.normalize(belongs.float(), p=1, dim=1)
