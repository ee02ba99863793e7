"""Which captions are read otherwise by changed weights: what is promising, without a denoiser's pass.

Where only layers that read captions are unlearned, all that changes of a prediction changes through what
they make of the caption. How much such a change moves a prediction is, on average over training images, the
output factor of the Fisher information (Martens & Grosse 2015; its basis and eigenvalues are those of
EK-FAC): for each caption the sum over layers and tokens of `y^T G y`, with `y` the change of a layer's
output. It knows the caption and not the image, and says where it is worth to look.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from torch import Tensor

from attribution.gradients.curvature import EigenKronecker
from attribution.models.base import Weights
from attribution.models.batch import Conditioning
from attribution.models.layers import selector
from attribution.results import Progress
from attribution.workspace.workspace import Workspace

CAPTIONS = 256  # of one pass
REMEMBERED = 256 * 2**20  # bytes of captions as the denoiser sees them


def reads_captions(workspace: Workspace) -> bool:
    """Whether all that is unlearned depends on captions alone."""
    return selector(workspace.model.layers).reads_captions


def caption_changes(
    method: str, workspace: Workspace, weights: Weights, curvature: EigenKronecker, rows: Int[ndarray, " n"]
) -> Generator[Progress, None, Float64[ndarray, " n"]]:
    """Yield progress; return how much some training images' captions are read otherwise.

    Args:
        weights: those after.
    """
    captions = [workspace.training_set.captions[row] for row in rows]
    distinct = {caption: place for place, caption in enumerate(dict.fromkeys(captions))}
    changes = np.empty(len(distinct))
    loaded = workspace.model.weights
    moved = {name: weight - loaded[name] for name, weight in weights.items()}
    for start, conditioning in _encoded(workspace, list(distinct)):
        yield Progress(method, "reading captions", start, len(distinct))
        part = slice(start, start + len(conditioning))
        changes[part] = _energy(conditioning.tokens, moved, curvature).cpu().numpy()
    found: Float64[ndarray, " n"] = changes[[distinct[caption] for caption in captions]]
    return found


def _energy(
    tokens: Float[Tensor, "n tokens d"], moved: Weights, curvature: EigenKronecker
) -> Float[Tensor, " n"]:
    """`y^T G y`, summed over layers and tokens."""
    total = tokens.new_zeros(len(tokens), dtype=torch.float64)
    for name, change in moved.items():
        scale = curvature.eigenvalues[name].to(tokens).mean(dim=1)
        outputs = tokens @ (change.T @ curvature.bases[name].to(tokens))
        total += (outputs.square() * scale).sum(dim=(1, 2)).double()
    return total


def _encoded(workspace: Workspace, captions: Sequence[str]) -> Iterator[tuple[int, Conditioning]]:
    """Captions as the denoiser sees them, some at a time; kept with the workspace if they are few."""
    cache = workspace.cache("captions", 1)
    kept = cache.get(key := "\n".join(captions))
    if kept is not None:
        yield from kept
        return
    parts: list[tuple[int, Conditioning]] = []
    for start in range(0, len(captions), CAPTIONS):
        conditioning = workspace.model.encode_captions(captions[start : start + CAPTIONS])
        if len(parts) * conditioning.tokens.nbytes < REMEMBERED:
            parts.append((start, conditioning))
        yield start, conditioning
    if len(parts) * CAPTIONS >= len(captions):
        cache.put(key, parts)
