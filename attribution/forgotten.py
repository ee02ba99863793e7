"""Where in a training image the loss rose: the loss change of AbU before it is averaged over cells.

The score of an image is the mean of its map, so the map says which part of it the picture came from.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from attribution.diffusion import Weights
from attribution.losses import probe_draws
from attribution.workspace import Workspace


def loss_rise_map(
    workspace: Workspace, unlearned: Weights, row: int, batch_size: int = 64
) -> Float64[ndarray, "h w"]:
    """The rise of one training image's loss at every latent cell, mean over draws and channels.

    The draws are those of a full measurement, so that its mean is the image's exhaustive score.
    """
    model, probe, training_set = workspace.model, workspace.probe, workspace.training_set
    latent = workspace.latents([row]).to(model.device)
    caption = model.encode_captions([training_set.captions[row]])
    total = torch.zeros(model.latent_shape[1:], dtype=torch.float64)
    count, ids = 0, [training_set.ids[row]]
    for draws in probe_draws(probe, range(probe.noises), ids, model.latent_shape, batch_size):
        n = len(draws.timesteps)
        given = (
            latent.expand(n, -1, -1, -1),
            caption.expand(n, -1, -1),
            draws.noise.to(model.device),
            draws.timesteps,
        )
        rise = model.squared_errors(unlearned, *given) - model.squared_errors(model.weights, *given)
        total += rise.double().mean(dim=1).sum(dim=0).cpu()
        count += n
    rises: Float64[ndarray, "h w"] = np.asarray(total / count)
    return rises
