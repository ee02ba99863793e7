"""Whether a model's weights are still what they were."""

from __future__ import annotations

import hashlib

from attribution.models.stable_diffusion import PipelineModel
from attribution.workspace.workspace import Workspace


def checksum(workspace: Workspace) -> str:
    """Over every tensor of the loaded pipeline."""
    model = workspace.model
    assert isinstance(model, PipelineModel)
    digest = hashlib.sha256()
    for module in (model.unet, model.vae, model.text_encoder):
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
