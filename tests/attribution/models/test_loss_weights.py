"""Laws of the weight of each draw's loss: what the papers state, for whatever is predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from attribution.errors import ModelError, SettingsError
from attribution.models.loss_weights import (
    RECORDED,
    canonical,
    recorded_loss_weight,
    table_bytes,
    weighted,
)
from attribution.models.parametrisation import Epsilon, Flow, Parametrisation, Velocity
from attribution.workspace.workspace import Workspace
from demo.diffusion import MIN_SNR_GAMMA, new_scheduler
from tests.worlds import EMBEDDED

VARIANCE = DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
SNR = VARIANCE / (1 - VARIANCE)


def of(kind: type[Parametrisation]) -> Parametrisation:
    if kind is Flow:
        return Flow(1 - torch.linspace(0.001, 1, 1000).double(), torch.linspace(0.001, 1, 1000).double())
    return kind(VARIANCE.sqrt(), (1 - VARIANCE).sqrt())


def table(parametrisation: Parametrisation, named: str) -> Tensor:
    found = weighted(parametrisation, named).weight.table
    assert found is not None
    return found


def test_min_snr_is_what_its_paper_says_for_noise_and_for_velocity() -> None:
    """Hang et al. 2023: min(snr, gamma) / snr where noise is predicted, / (snr + 1) where velocity is."""
    clamped = SNR.clamp(max=5.0)
    torch.testing.assert_close(table(of(Epsilon), "min-snr:5"), clamped / SNR)
    torch.testing.assert_close(table(of(Velocity), "min-snr:5"), clamped / (SNR + 1))


def test_p2_is_what_its_paper_says_for_noise() -> None:
    torch.testing.assert_close(table(of(Epsilon), "p2:0.5"), (1 + SNR) ** -0.5)


@pytest.mark.parametrize("scheme", ["epsilon", "min-snr:5", "p2:1"])
@pytest.mark.parametrize("kind", [Velocity, Flow])
def test_a_weight_says_the_same_of_one_error_whatever_is_predicted(
    scheme: str, kind: type[Parametrisation]
) -> None:
    """Law: A loss weight says the same of one error, whatever the denoiser predicts."""
    parametrisation = of(kind)
    as_noise = Epsilon(parametrisation.signal, parametrisation.noise)
    in_noise = table(as_noise, scheme) * parametrisation.signal**2  # of the error of velocity or flow
    torch.testing.assert_close(table(parametrisation, scheme), in_noise)


@pytest.mark.parametrize("scheme", ["epsilon", "min-snr:5", "p2:1"])
def test_a_schedule_that_ends_in_pure_noise_has_finite_weights(scheme: str) -> None:
    signal = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    for kind in (Epsilon, Velocity):
        found = table(kind(signal, (1 - signal**2).sqrt()), scheme)
        assert torch.isfinite(found).all()
        assert (found >= 0).all()


def test_the_embedded_models_loss_is_the_one_it_was_trained_with() -> None:
    """Law: The embedded model's losses are weighed as in its training."""
    model = Workspace.open(EMBEDDED / "workspace").model
    signal = new_scheduler().alphas_cumprod
    snr = signal / (1 - signal)
    trained = snr.clamp(max=MIN_SNR_GAMMA) / (snr + 1)
    assert model.parametrisation.fingerprint == "v_prediction min-snr:5"
    assert model.parametrisation.weight.table is not None
    torch.testing.assert_close(model.parametrisation.weight.table, trained)


def test_a_pipeline_that_is_silent_has_no_weight_and_one_that_speaks_names_no_file() -> None:
    scheduler = DDPMScheduler()
    assert recorded_loss_weight(scheduler) == "none"
    scheduler.register_to_config(**{RECORDED: "table:/etc/passwd"})
    with pytest.raises(ModelError, match="cannot name a file"):
        recorded_loss_weight(scheduler)


@pytest.mark.parametrize(
    ("given", "named"),
    [("min-snr", "min-snr:5"), ("min-snr:5.0", "min-snr:5"), ("p2", "p2:1"), ("epsilon", "epsilon")],
)
def test_a_weight_has_one_name(given: str, named: str) -> None:
    assert canonical(given) == named


@pytest.mark.parametrize("named", ["", "snr", "min-snr:x", "min-snr:-1", "epsilon:3", "table:", "none:1"])
def test_a_weight_that_is_not_known_is_refused(named: str) -> None:
    with pytest.raises(SettingsError, match="loss weight"):
        weighted(of(Velocity), named)


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    given, again = tmp_path / "given.txt", tmp_path / "again.txt"
    np.savetxt(given, np.random.default_rng(0).random(1000))
    one = weighted(of(Velocity), f"table:{given}")
    again.write_bytes(table_bytes(one.weight))
    other = weighted(of(Velocity), f"table:{again}")
    assert one.weight.name == other.weight.name
    assert one.weight.name.startswith("table:")


@pytest.mark.parametrize(
    ("text", "words"),
    [("1\n2\n", "2 weights"), ("one\n", "one number a line"), ("-1\n" * 1000, "holds no weights")],
)
def test_a_table_that_does_not_fit_is_refused_and_told_why(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "weights.txt"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words):
        weighted(of(Velocity), f"table:{path}")
