"""Laws of the import of AbU's published model, on files of its layout: what it brings is taken as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from attribution.errors import ModelError
from attribution.gradients.curvature import Diagonal
from attribution.gradients.stored import FISHER as FISHER_KIND
from attribution.models.batch import Conditioning
from attribution.models.losses import example_losses
from attribution.results import returned
from attribution.unlearning.measuring import Remeasured
from attribution.workspace.baseline import FLIPPED, LOSSES, captions_each, sides
from attribution.workspace.baseline import LATENTS as LATENTS_KIND
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.abu_files import CAPTIONS, FISHER, LATENTS, MODEL, MSCOCO
from precompute.import_abu import import_abu
from tests.worlds.abu_files import IMAGE_IDS, PUBLISHED, Layout, make_layout


@pytest.fixture(scope="module")
def layout(foreign_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_layout(foreign_pipeline, tmp_path_factory.mktemp("abu") / "mscoco")


@pytest.fixture
def changed(layout: Layout, tmp_path: Path) -> Layout:
    """A copy whose files may be changed."""
    return Layout(Path(shutil.copytree(layout.folder, tmp_path / "mscoco")), layout.base, layout.captions)


@pytest.fixture(scope="module")
def imported(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace, with losses measured. Not to be changed."""
    folder = tmp_path_factory.mktemp("imported") / "workspace"
    for _ in import_abu(layout.folder, folder, layout.base, layout.folder, published=PUBLISHED):
        pass
    assert main(["losses", "--workspace", str(folder), "--chunk", "4"]) == 0
    return Workspace.open(folder)


def test_the_published_unet_has_the_size_that_is_published() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**MSCOCO.unet)
    assert round(sum(weight.numel() for weight in unet.parameters()) / 1e6, 2) == 57.37
    projections = [
        weight
        for name, weight in unet.named_parameters()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    ]
    assert len(projections) == 32
    assert round(sum(weight.numel() for weight in projections) / 1e6, 2) == 7.08


def test_what_is_published_is_taken_as_it_is(layout: Layout, imported: Workspace) -> None:
    """Law: Published latents, captions and Fisher information are taken as they are, row by row."""
    assert imported.training_set.ids == tuple(f"train2017/{each:012d}.jpg" for each in IMAGE_IDS)
    assert imported.training_set.captions == tuple(own[0] for own in layout.captions)
    count, latents = len(IMAGE_IDS), np.load(layout.folder / LATENTS)
    np.testing.assert_array_equal(imported.load(LATENTS_KIND), latents[:count])
    np.testing.assert_array_equal(imported.load(LATENTS_KIND.of(**FLIPPED)), latents[count:])
    weights = torch.load(layout.folder / MODEL, weights_only=True)
    squares = torch.load(layout.folder / FISHER, weights_only=True)
    curvature = imported.load(FISHER_KIND)(0.0)
    assert isinstance(curvature, Diagonal)
    for name, weight in imported.model.weights.items():
        assert torch.equal(weight, weights[name])
        assert torch.equal(curvature.fisher[name], squares[name].float())
    schedule = imported.model.parametrisation.signal.square()
    expected = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    torch.testing.assert_close(schedule.float(), expected, rtol=1e-4, atol=1e-6)
    assert sides(imported) == (False, True)
    assert captions_each(imported) == 5


def plain_losses(imported: Workspace, layout: Layout, weights: Any, row: int, flipped: bool) -> np.ndarray:
    """(timesteps, noises) of one picture: the mean over captions, one at a time."""
    latents = np.load(layout.folder / LATENTS)[row + flipped * len(IMAGE_IDS)]
    told = np.load(layout.folder / CAPTIONS).astype(np.float32)[row]
    model, probe = imported.model, imported.probe
    each = [
        example_losses(
            model, weights, torch.from_numpy(latents)[None], Conditioning(torch.from_numpy(one)[None]),
            [imported.training_set.ids[row]], probe, flipped=flipped,
        )[0]
        for one in told
    ]  # fmt: skip
    return np.mean(each, axis=0, dtype=np.float64)


@pytest.fixture(scope="module")
def before(layout: Layout, imported: Workspace) -> list[list[np.ndarray]]:
    """The losses of every picture as it is, and of every flipped one, the slow way."""
    weights, rows = imported.model.weights, range(len(IMAGE_IDS))
    return [[plain_losses(imported, layout, weights, row, side) for row in rows] for side in (False, True)]


def test_a_loss_is_the_mean_over_captions_on_either_side(
    imported: Workspace, before: list[list[np.ndarray]]
) -> None:
    """Law: The loss of a picture with several captions is their mean, of each side by itself."""
    for expected, kind in zip(before, (LOSSES, LOSSES.of(**FLIPPED)), strict=True):
        found = imported.load(kind)[..., : imported.probe.noises]
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5)


def test_a_score_is_the_larger_of_both_sides(
    layout: Layout, imported: Workspace, before: list[list[np.ndarray]]
) -> None:
    """Law: Where training flipped pictures, a score of unlearning is the larger one of both sides."""
    moved = {name: weight + 0.1 * torch.sign(weight) for name, weight in imported.model.weights.items()}
    images = Remeasured("test", imported, moved, 16)
    rows = np.arange(len(IMAGE_IDS))
    found = returned(images.rises(rows, range(1), "")).mean(axis=(1, 2))
    both = [
        [
            (plain_losses(imported, layout, moved, row, bool(side)) - before[side][row]).mean()
            for row in rows
        ]
        for side in (0, 1)
    ]
    np.testing.assert_allclose(found, np.max(both, axis=0), rtol=1e-3, atol=1e-6)
    assert (np.argmax(both, axis=0) == 1).any(), "no picture's other side is the larger one"
    assert (np.argmax(both, axis=0) == 0).any()
    assert images.draws_of(range(1)) == 2 * 5 * len(imported.probe.timesteps)


def test_jobs_leave_what_was_imported_alone(
    imported: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(imported.folder, tmp_path / "workspace"))
    config = (folder / "workspace.json").read_text()
    dataset = (imported.folder / imported.config.dataset).resolve()
    (folder / "workspace.json").write_text(config.replace(imported.config.dataset, str(dataset)))
    before = (folder / "fisher" / "manifest.json").read_bytes()
    assert main(["fisher", "--workspace", str(folder), "--draws", "1"]) == 0
    assert (folder / "fisher" / "manifest.json").read_bytes() == before
    capsys.readouterr()
    assert main(["verify", "--workspace", str(folder)]) == 2  # the artifacts that were never made
    assert "fisher" not in capsys.readouterr().err
    with (folder / "captions" / "captions.npy").open("r+b") as handle:
        handle.seek(-1, 2)
        handle.write(b"\x7f")
    assert main(["verify", "--workspace", str(folder)]) == 2
    assert "captions.npy has sha256" in capsys.readouterr().err


# --- what is not what it should be ------------------------------------------------------------------


def shuffled(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 1, axis=0)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (LATENTS, shuffled, "is not of these pictures.*order, crop or scale"),
        (LATENTS, lambda latents: latents / 6, "is not of these pictures"),
        (LATENTS, lambda latents: latents[:6], r"holds float32 of \(6, 3, 8, 8\), where \(12, 3, 8, 8\)"),
        (LATENTS, lambda latents: latents.astype(np.float64), "holds float64"),
        (CAPTIONS, shuffled, "is not of these pictures.*order or encoder"),
        (CAPTIONS, lambda told: told[:, 0], "where .* was expected"),
    ],
)
def test_arrays_of_other_pictures_are_refused(
    changed: Layout, tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    """Law: Published files of other pictures, or in another order or scale, are refused."""
    changed.replace(name, change(np.load(changed.folder / name)))
    assert_refused(changed, tmp_path, message)


def assert_refused(layout: Layout, tmp_path: Path, message: str) -> None:
    folder = tmp_path / "workspace"
    with pytest.raises(ModelError, match=message) as refused:
        list(import_abu(layout.folder, folder, layout.base, layout.folder, published=PUBLISHED))
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("workspace*"))


def test_weights_of_another_model_are_refused(changed: Layout, tmp_path: Path) -> None:
    weights = torch.load(changed.folder / MODEL, weights_only=True)
    squares = torch.load(changed.folder / FISHER, weights_only=True)
    key = next(name for name in squares if "attn2.to_k" in name)
    for name, value, message in (
        (FISHER, squares | {key: -squares[key]}, "holds no mean squared gradients"),
        (FISHER, squares | {key: squares[key][1:]}, f"is of another model: of {key}"),
        (FISHER, {n: v for n, v in squares.items() if n != key}, "it has none"),
        (MODEL, weights | {"conv_in.bias": torch.ones(3)}, "conv_in.bias is missing or of another shape"),
        (MODEL, {n: v for n, v in weights.items() if n != key}, "is not the published U-Net"),
        (MODEL, weights | {"more": torch.ones(1)}, "more is missing or of another shape"),
        (MODEL, {"a": Path("x")}, "could run code: it is not read"),
    ):
        before = (changed.folder / name).read_bytes()
        changed.replace(name, value)
        assert_refused(changed, tmp_path, message)
        (changed.folder / name).write_bytes(before)
    (changed.folder / FISHER).unlink()
    assert_refused(changed, tmp_path, "has no fisher_info.pt: unpack the published archives")


def test_the_command_makes_the_workspace_and_writes_over_none(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["import-abu", layout.folder, "--workspace", tmp_path / "new", "--base", layout.base]
    assert main([*map(str, given)]) == 2  # the true sizes are not those of the tiny files
    assert "is not the published U-Net" in capsys.readouterr().err
    (tmp_path / "new").mkdir()
    assert main([*map(str, given)]) == 2
    assert "is there already: name a new folder" in capsys.readouterr().err
