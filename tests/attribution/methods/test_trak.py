"""Laws of TRAK and D-TRAK, in a foreign world whose model has a second checkpoint."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import MissingArtifactError, SettingsError
from attribution.gradients.features import TRAK, Features
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import available, method, with_options
from attribution.methods.trak import Trak
from attribution.models.base import Objective
from attribution.models.draws import Probe, probe_draws
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Box, Query, Settings
from attribution.results import Attribution
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import training_latents
from attribution.workspace.root_manifest import record
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main as precompute
from tests.conftest import Foreign
from tests.worlds import foreign

NAMES = ("trak", "d-trak")
BOX = Box(0.1, 0.2, 0.6, 0.9)


@pytest.fixture(scope="module")
def world(foreign_world: Foreign, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The foreign world, with features of the model and of a checkpoint."""
    root = tmp_path_factory.mktemp("trak") / "foreign"
    shutil.copytree(foreign_world.root, root)
    early = foreign.make_pipeline(root / "early", seed=1) / "unet"
    folder = str(root / "workspace")
    assert precompute(["init", "--workspace", folder, "--checkpoint", f"early={early}"]) == 0
    for name in NAMES:
        assert precompute([name, "--workspace", folder, "--chunk", "9", "--dimensions", "256"]) == 0
    return Workspace.open(folder)


def query_of(workspace: Workspace, box: Box | None = None) -> Query:
    return Query(workspace.training_set.image(3), workspace.training_set.captions[3], box)


def asked(workspace: Workspace, name: str, box: Box | None = None, **options: object) -> np.ndarray:
    """Scores by row."""
    query = query_of(workspace, box)
    settings = Settings(options={name: with_options(method(name), options)})
    *_, answer = attribute(workspace, query, [name], settings)
    assert isinstance(answer, Attribution)
    ranking = answer.rankings[name]
    out = np.empty(len(ranking.rows))
    out[ranking.rows] = ranking.scores
    return out


def slow_feature(
    workspace: Workspace, kind: ArtifactKind[Features], row: int, mask: torch.Tensor | None = None
) -> np.ndarray:
    """The mean of every draw's gradient by plain autograd, projected; of a query if there is a mask."""
    checkpoint, features = kind.checkpoint, workspace.load(kind)
    objective = Objective(workspace.artifact(kind).manifest["settings"]["objective"])
    model = workspace.checkpoint(checkpoint)
    assert isinstance(model, PipelineModel)
    unet, probe = copy.deepcopy(model.unet).requires_grad_(), workspace.probe
    name = workspace.training_set.ids[row]
    if mask is not None:
        name, probe = "query", Probe(probe.timesteps, 2, 0)
    latents = training_latents(workspace, [row])
    captions = model.encode_captions([workspace.training_set.captions[row]])
    count = 0
    for draws in probe_draws(probe, range(probe.noises), [name], model.latent_shape, 1):
        batch = draws.of(latents, captions)
        noisy = model.parametrisation.noisy(batch)
        output = unet(noisy, batch.times, encoder_hidden_states=batch.conditioning.tokens).sample
        errors = model.parametrisation.squared_errors(output, batch)
        elements = errors if objective is Objective.LOSS else output**2
        inside = torch.ones(1) if mask is None else mask
        ((elements * inside).sum() / inside.expand_as(elements).sum()).backward()
        count += 1
    gradients = {name: (weight.grad / count)[None] for name, weight in unet.named_parameters()}
    return features.sketch(gradients)[0].double().numpy()


@pytest.mark.parametrize("name", NAMES)
def test_stored_features_are_projected_gradients(world: Workspace, name: str) -> None:
    """Law: What is stored is the projected gradient of an image's mean loss or squared prediction."""
    each = method(name)
    assert isinstance(each, Trak)
    for kind in each.needs(world):
        features = world.load(kind)
        for row in (0, 21):
            slow = slow_feature(world, kind, row)
            stored = features.index.vectors[row] * features.lengths[row]
            assert np.linalg.norm(stored - slow) / np.linalg.norm(slow) < 0.2  # four bits
            assert features.lengths[row] == pytest.approx(np.linalg.norm(slow), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_kernel_written_out(world: Workspace, name: str) -> None:
    """Law: TRAK's scores are its formula on what is stored, in the box, over all checkpoints."""
    each = method(name)
    assert isinstance(each, Trak)
    expected = []
    mask = QueryContext(world, query_of(world, BOX), Settings()).mask
    for kind in each.needs(world):
        features = world.load(kind)
        query = slow_feature(world, kind, 3, mask)
        phi = (features.index.vectors * features.lengths[:, None]).astype(np.float64)
        second = phi.T @ phi / len(phi)
        ridge = 0.3 * np.trace(second) / len(second)
        expected.append(phi @ np.linalg.inv(second + ridge * np.eye(len(second))) @ query)
    found = asked(world, name, BOX, noises=2, damping=0.3)
    wanted = np.mean(expected, axis=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NAMES)
def test_a_training_picture_comes_from_itself(world: Workspace, name: str) -> None:
    assert int(np.argmax(asked(world, name))) == 3


@pytest.mark.slow
def test_scores_from_four_bits_are_almost_those_of_whole_numbers(world: Workspace) -> None:
    """Law: Scores from stored features are almost those of features as they were made."""
    features = world.load(TRAK)
    rows = range(len(features.lengths))
    exact = np.stack([slow_feature(world, TRAK, row) for row in rows])
    query = slow_feature(world, TRAK, 3, torch.ones(world.latent_shape[1:]))
    second = exact.T @ exact / len(exact)
    ridge = 0.1 * np.trace(second) / len(second)
    expected = exact @ np.linalg.inv(second + ridge * np.eye(len(second))) @ query
    found = features.scores(query[None], np.arange(len(exact)), 0.1)[0]
    assert np.corrcoef(found, expected)[0, 1] > 0.99


def test_a_checkpoint_has_features_of_its_own_and_scores_are_the_mean(world: Workspace) -> None:
    """Law: Features are made for each checkpoint, and a score is the mean over them."""
    assert [kind.folder for kind in method("trak").needs(world)] == ["trak", "trak@early"]
    own, early = world.artifact(TRAK), world.artifact(TRAK.of("early"))
    assert own.fingerprints["model"] == world.fingerprints["model"]
    assert early.fingerprints["model"] == world.fingerprints["model@early"]
    assert own.manifest["settings"]["sketch_seed"] == 0 != early.manifest["settings"]["sketch_seed"]


def test_the_same_question_has_the_same_answer(world: Workspace) -> None:
    fresh = Workspace.open(world.folder)
    np.testing.assert_array_equal(asked(world, "d-trak"), asked(fresh, "d-trak"))


@pytest.mark.parametrize("name", NAMES)
def test_without_its_features_a_method_is_not_there(
    tiny_world: Workspace, name: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_world.folder, tmp_path / "tiny" / "workspace")
    shutil.rmtree(folder / name, ignore_errors=True)
    record(folder, artifacts=[name])
    for other in ("model", "scenes", "encoders"):
        (tmp_path / "tiny" / other).symlink_to(tiny_world.folder.parent / other)
    workspace = Workspace.open(folder)
    assert not available(method(name), workspace)
    with pytest.raises(
        MissingArtifactError, match=f"make it with `python -m precompute {name} --workspace"
    ):
        asked(workspace, name)


@pytest.mark.parametrize("options", [{"noises": 0}, {"damping": 0.0}, {"damping": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        with_options(method("trak"), options)
