"""Laws of a model's fingerprint: it names what decides a loss, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)

from attribution.models.pipeline_files import fingerprint_of
from attribution.workspace.config import Config
from tests.worlds import EMBEDDED, TINY
from tests.worlds.foreign import OMITTED, altered

TRAINED = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SAMPLERS = [
    DDIMScheduler(**TRAINED, clip_sample=False, set_alpha_to_one=False),
    PNDMScheduler(**TRAINED, skip_prk_steps=True),
    EulerDiscreteScheduler(**TRAINED, use_karras_sigmas=True),
    DPMSolverMultistepScheduler(**TRAINED, timestep_spacing="trailing"),
    UniPCMultistepScheduler(**TRAINED),
]
OTHERS = [
    DDPMScheduler(),
    DDPMScheduler(**{**TRAINED, "beta_end": 0.02}),
    DDPMScheduler(**TRAINED, prediction_type="v_prediction"),
    DDPMScheduler(**TRAINED, num_train_timesteps=500),
    DDPMScheduler(**TRAINED, rescale_betas_zero_snr=True),
    DDPMScheduler(**TRAINED, trained_betas=[0.1, 0.2]),
]


@pytest.fixture
def plain(foreign_pipeline: Path, tmp_path: Path) -> Path:
    return altered(foreign_pipeline, tmp_path / "plain", DDPMScheduler(**TRAINED))


@pytest.mark.parametrize("scheduler", SAMPLERS, ids=lambda each: type(each).__name__)
def test_another_sampler_of_the_same_training_leaves_a_model_what_it_is(
    plain: Path, tmp_path: Path, scheduler: SchedulerMixin
) -> None:
    """Law: A model's fingerprint does not depend on the sampler in its folder."""
    assert fingerprint_of(altered(plain, tmp_path / "model", scheduler)) == fingerprint_of(plain)


@pytest.mark.parametrize("scheduler", OTHERS, ids=range(len(OTHERS)))
def test_another_training_schedule_is_another_model(
    plain: Path, tmp_path: Path, scheduler: SchedulerMixin
) -> None:
    """Law: A model's fingerprint depends on all of the schedule that its losses do."""
    assert fingerprint_of(altered(plain, tmp_path / "model", scheduler)) != fingerprint_of(plain)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # how the library asks NumPy for arrays
def test_what_a_file_leaves_out_is_its_own_classs_default(plain: Path, tmp_path: Path) -> None:
    silent = dict.fromkeys(("beta_start", "beta_end", "timestep_spacing"), OMITTED)
    found = altered(plain, tmp_path / "a", HeunDiscreteScheduler(beta_schedule="scaled_linear"))
    assert fingerprint_of(altered(found, tmp_path / "b", scheduler=silent)) == fingerprint_of(found)
    assert fingerprint_of(found) == fingerprint_of(plain)  # of Heun, the defaults are Stable Diffusion's


@pytest.mark.parametrize("world", [EMBEDDED, TINY], ids=["embedded", "tiny"])
def test_fingerprints_of_shipped_models_are_those_their_artifacts_were_made_for(world: Path) -> None:
    """Law: The shipped models' fingerprints are those that their workspaces were made for."""
    recorded = Config.load(world / "workspace").fingerprints["model"]
    assert fingerprint_of(world / "model") == recorded
