"""What a scheduler's file says of a model's training, apart from how pictures are sampled.

A model's fingerprint covers the first and not the second: with another sampler in its folder it has the
same losses, and what was computed from them stays good.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers

from attribution.errors import ModelError
from attribution.models.pipeline_checks import read_json

TRAINED = (
    "num_train_timesteps", "prediction_type", "beta_schedule", "beta_start", "beta_end", "trained_betas",
)  # fmt: skip
# The rest of a DDPMScheduler's file, as this project wrote it when fingerprints still covered the whole
# of it: held fixed so that those of its models are what they were. They name no setting of anybody's.
FIXED = {
    "clip_sample": False, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0, "steps_offset": 1, "thresholding": False, "timestep_spacing": "trailing",
    "variance_type": "fixed_small",
}  # fmt: skip


def scheduler_in(folder: Path) -> Any:
    """The scheduler of a pipeline folder, with its class's own defaults where the file is silent.

    Raises:
        ModelError: it cannot be read.
    """
    part = folder / "scheduler"
    name = str(read_json(part / "scheduler_config.json").get("_class_name"))
    try:
        return getattr(diffusers, name).from_pretrained(part)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"the scheduler in {part} could not be read: {line}") from error


def training_schedule(folder: Path) -> dict[str, Any]:
    """What decides a loss, in the same words for every sampler."""
    scheduler = scheduler_in(folder)
    told = scheduler.config
    if not hasattr(scheduler, "alphas_cumprod"):  # of flow matching
        shift = 1.0 if told["use_dynamic_shifting"] else told["shift"]
        return {"flow": True, "num_train_timesteps": told["num_train_timesteps"], "shift": shift}
    trained = {key: told.get(key) for key in TRAINED}
    if trained["trained_betas"] is not None:
        trained["trained_betas"] = [float(beta) for beta in trained["trained_betas"]]
    return {**trained, "rescale_betas_zero_snr": bool(told.get("rescale_betas_zero_snr")), **FIXED}
