"""What a model shows on a panel: losses at fixed draws, pictures made again, likeness, a verdict."""

from __future__ import annotations

import io
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from attribution.encoders.base import encoder_reader
from attribution.errors import NonFiniteError
from attribution.models.base import DiffusionModel, masked_mean
from attribution.models.draws import probe_draws
from evaluation.judging import verdicts_of
from evaluation.retraining.job import Job, Plan
from evaluation.retraining.panel import REGIONS, Panel, all_remade
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import FORMAT, Record

BATCH = 64
ATTRIBUTES = ("left", "right", "ground")  # of a panel's picture that a judge may be asked for
COLUMNS, QUALITY = 8, 90  # of the sheet


def measured(
    plan: Plan, job: Job, model: DiffusionModel, cost: Mapping[str, Any]
) -> tuple[Record, bytes | None]:
    """The record of a job whose model is trained, and the sheet of its pictures.

    Args:
        cost: what training it took, for the record.

    Raises:
        NonFiniteError: the training came apart: a loss is NaN or infinite.
    """
    recipe, panel = plan.sources()
    losses = panel_losses(model, panel)
    made_with = {
        "device": str(model.device), "machine": platform.machine(), "torch": torch.__version__, **cost
    }  # fmt: skip
    pictures = all_remade(model, panel) if plan.pictures else []
    record = Record(
        FORMAT,
        plan.key(job),
        plan.described(job),
        {region: _rounded(losses[:, k], 7) for k, region in enumerate(REGIONS)},
        likeness(pictures, panel, recipe.encoders, str(model.device)) if pictures else {},
        verdicts(pictures, panel, recipe) if pictures and recipe.judge else {},
        made_with,
    )
    return record, sheet(pictures) if pictures else None


def panel_losses(model: DiffusionModel, panel: Panel) -> Float[ndarray, "pictures regions noises"]:
    """The loss of each picture by region and noise, the mean over the timesteps, as the model was trained.

    One forward pass serves all regions: they are means over parts of the same squared error.

    Raises:
        NonFiniteError: a loss is NaN or infinite.
    """
    latents = model.encode_images([panel.image(picture) for picture in panel.pictures])
    captions = model.encode_captions([picture.prompt for picture in panel.pictures])
    side = model.latent_shape[1:]
    masks = [
        None if box is None else torch.from_numpy(box.mask(*side)).float().to(model.device)
        for box in REGIONS.values()
    ]
    names = [picture.name for picture in panel.pictures]
    noises = panel.facts.noises
    shape = (len(masks), len(names), len(panel.facts.timesteps), noises)
    losses = np.full(shape, np.nan)
    flat = losses.reshape(len(masks), -1)
    for draws in probe_draws(panel.probe, range(noises), names, model.latent_shape, BATCH):
        errors = model.squared_errors(model.weights, draws.of(latents, captions)).double()
        for k, mask in enumerate(masks):
            flat[k, draws.numbers] = masked_mean(errors, mask).cpu().numpy()
    if not np.isfinite(losses).all():
        raise NonFiniteError("a loss of the retrained model is not finite: its training came apart")
    found: Float[ndarray, "pictures regions noises"] = losses.mean(axis=2).transpose(1, 0, 2)
    return found


def likeness(
    pictures: Sequence[Image.Image], panel: Panel, encoders: Mapping[str, str], device: str = "cpu"
) -> dict[str, list[float]]:
    """How like each picture is to the panel's: mean squared error of pixels, cosine by each encoder."""
    originals = [panel.image(picture) for picture in panel.pictures]
    pairs = zip(pictures, originals, strict=True)
    apart = [np.square((_pixels(one) - _pixels(other)) / 255).mean() for one, other in pairs]
    found = {"mse": _rounded(np.array(apart), 6)}
    for name, source in encoders.items():
        encoder = encoder_reader(name).open(source, device)
        cosines = (encoder.images(pictures) * encoder.images(originals)).sum(axis=1)
        found[name] = _rounded(cosines, 5)
    return found


def verdicts(
    pictures: Sequence[Image.Image], panel: Panel, recipe: Recipe
) -> dict[str, list[float] | list[str]]:
    """What the recipe's judge says: how likely is what the prompt says, and what is likeliest.

    Raises:
        ResultError: the judge's command fails, or writes no verdicts on these pictures.
    """
    with tempfile.TemporaryDirectory() as folder:
        for picture, image in zip(panel.pictures, pictures, strict=True):
            image.save(Path(folder) / f"{picture.name}.png")
        out = Path(folder) / "verdicts.json"
        command = recipe.judging_command(Path(folder), out)
        said = verdicts_of(command, out, f"the judge of {recipe.name}")
    found: dict[str, list[float] | list[str]] = {}
    for attribute in ATTRIBUTES:
        answers = [said.get(f"{picture.name}.png", {}).get(attribute) for picture in panel.pictures]
        known = [answer for answer in answers if answer]
        wanted = [getattr(picture, attribute) for picture in panel.pictures]
        if len(known) < len(answers) or not all(wanted):
            continue  # this judge says nothing of it, or the panel does not
        found[attribute] = [answer.get(name, 0.0) for answer, name in zip(known, wanted, strict=True)]
        found[f"said-{attribute}"] = [max(answer, key=answer.__getitem__) for answer in known]
    return found


def sheet(pictures: Sequence[Image.Image]) -> bytes:
    """The pictures side by side, to be looked at."""
    side = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (min(COLUMNS, len(pictures)) * side[0], rows * side[1]), "white")
    for k, picture in enumerate(pictures):
        page.paste(picture, (k % COLUMNS * side[0], k // COLUMNS * side[1]))
    data = io.BytesIO()
    page.save(data, "WEBP", quality=QUALITY)
    return data.getvalue()


def _pixels(image: Image.Image) -> ndarray:
    return np.asarray(image.convert("RGB"), np.float64)


def _rounded(values: ndarray, digits: int) -> Any:
    return np.round(values.astype(np.float64), digits).tolist()
