"""Laws of the jobs: what they make, and what they do not make again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.gradients.curvature import kronecker_chunk
from attribution.gradients.fisher import mean_of_chunks
from attribution.gradients.stored import ALLOTMENT, FISHER, KFAC
from attribution.models.losses import example_losses
from attribution.workspace.baseline import LOSSES, training_inputs, training_latents
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.jobs.base import job_of, jobs_in, jobs_of, with_options
from precompute.jobs.embeddings import Embeddings
from precompute.running import Execution, run
from tests.conftest import Foreign
from tests.worlds.folders import contents

ARTIFACTS = {
    "allotment",
    "latents",
    "losses",
    "fisher",
    "kfac",
    "ekfac",
    "gradients",
    "controls",
    "d-trak",
    "das",
    "embeddings-clip",
    "embeddings-clip-text",
    "embeddings-dino",
    "embeddings-pixel",
    "trak",
}


def test_all_makes_every_artifact_and_leaves_nothing_else(foreign_world: Foreign) -> None:
    folder = foreign_world.workspace
    assert {path.name for path in folder.iterdir() if path.is_dir()} == ARTIFACTS
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        "workspace.json",
        "training_set.json",
        "manifest.json",
    }


def test_all_is_every_artifact_and_what_others_read_comes_first(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    names = [job.kind.folder for job in jobs_of("all") if job.possible(workspace)]
    assert (set(names), names[0]) == (ARTIFACTS, "latents")
    assert [job.kind for job in jobs_of("losses")] == [LOSSES]


@pytest.mark.slow
def test_two_runs_make_the_same_bytes(foreign_world: Foreign) -> None:
    """Law: Two runs of every job make the same bytes."""
    again = foreign_world.root / "again"
    assert main(foreign_world.arguments(workspace=again)) == 0
    assert contents(again) == contents(foreign_world.workspace)


def test_what_is_stored_of_the_kronecker_factors_is_their_eigenbasis(foreign_world: Foreign) -> None:
    """Law: In the stored bases the Kronecker factors are diagonal."""
    workspace = Workspace.open(foreign_world.workspace)
    bases, spread = workspace.load(KFAC), workspace.load(ALLOTMENT)
    rows = range(len(workspace.training_set))
    factors = mean_of_chunks(
        [kronecker_chunk(workspace.model, *training_inputs(workspace, rows), 2, 0, allotment=spread)]
    )
    assert set(factors) == set(bases)
    for name, factor in factors.items():
        basis = bases[name].double()
        turned = basis.T @ factor @ basis
        off = turned - torch.diag(turned.diagonal())
        assert off.abs().max() < 1e-3 * turned.diagonal().max(), name


def test_losses_are_those_of_the_library_whatever_the_chunks(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    model, training_set = workspace.model, workspace.training_set
    whole = example_losses(
        model,
        model.weights,
        training_latents(workspace, range(len(training_set))),
        model.encode_captions(training_set.captions),
        training_set.ids,
        workspace.probe,
        noises=range(workspace.probe.pool),
    )
    np.testing.assert_allclose(workspace.load(LOSSES), whole, rtol=2e-5)


def test_fisher_does_not_depend_on_the_chunks_beyond_rounding(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    before = workspace.artifact(FISHER).tensors("fisher.safetensors")
    job = with_options(job_of(FISHER), {"draws": 2})
    for _ in run(workspace, job, Execution(chunk=7), remake=True):
        pass
    after = workspace.artifact(FISHER).tensors("fisher.safetensors")
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-4)


@pytest.mark.parametrize("captions", [False, True])
def test_no_more_are_embedded_at_once_than_the_batch_size(
    foreign_world: Foreign, monkeypatch: pytest.MonkeyPatch, captions: bool
) -> None:
    """Law: The size of batches bounds what is embedded at once, and changes no vector beyond rounding."""
    workspace, job = Workspace.open(foreign_world.workspace), Embeddings("clip", captions)
    encoder, at_once = workspace.encoder("clip"), list[int]()
    name = "captions" if captions else "images"
    embed = getattr(encoder, name)
    monkeypatch.setattr(encoder, name, lambda given: (at_once.append(len(given)), embed(given))[1])
    found, whole = (job.chunk(workspace, range(3, 14), size)["vectors"] for size in (4, 256))
    assert at_once == [4, 4, 3, 11]
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_a_verb_that_makes_nothing_says_what_is_lacking(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: A job that a workspace has not got the encoders for is refused, never passed over."""
    folder = str(foreign_copy.workspace)
    assert main(["embeddings", "--workspace", folder, "--clip", "none"]) == 0
    capsys.readouterr()
    assert main(["distilled", "--workspace", folder]) == 2
    assert (
        "has no CLIP encoder: give it one with `python -m precompute embeddings" in capsys.readouterr().err
    )


def test_what_is_there_is_not_made_again(foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]) -> None:
    manifests = sorted(foreign_copy.workspace.glob("*/manifest.json"))
    before = [path.stat().st_mtime_ns for path in manifests]
    assert main(foreign_copy.arguments()) == 0
    assert [path.stat().st_mtime_ns for path in manifests] == before
    assert capsys.readouterr().err.count("is there already") == len(ARTIFACTS)


def test_other_draws_make_the_fisher_information_again(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    before = workspace.artifact(FISHER).manifest
    assert main(["fisher", "--workspace", str(foreign_copy.workspace), "--draws", "1"]) == 0
    after = Workspace.open(foreign_copy.workspace).artifact(FISHER).manifest
    assert (before["settings"]["draws"], after["settings"]["draws"]) == (2, 1)


def test_remake_makes_it_again_with_the_same_bytes(foreign_copy: Foreign) -> None:
    before = contents(foreign_copy.workspace)
    changed = (foreign_copy.workspace / "embeddings-pixel" / "manifest.json").stat().st_mtime_ns
    folder = str(foreign_copy.workspace)
    assert main(["embeddings", "--workspace", folder, "--remake", "--chunk", "5"]) == 0
    assert contents(foreign_copy.workspace) == before
    assert (foreign_copy.workspace / "embeddings-pixel" / "manifest.json").stat().st_mtime_ns != changed


def test_lists_are_tried_of_more_images_than_are_searched_one_by_one(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    before, command = contents(foreign_copy.workspace), ["embeddings", "--workspace"]
    command += [str(foreign_copy.workspace), "--chunk", "5"]
    assert main([*command, "--exact", "8"]) == 0
    workspace = Workspace.open(foreign_copy.workspace)
    made = [workspace.artifact(job.kind) for job in jobs_in(workspace, jobs_of("embeddings"))]
    assert [artifact.manifest["settings"]["lists"] for artifact in made] == [4] * 4
    without = sum(artifact.manifest["measured"]["lists"] == 0 for artifact in made)
    assert capsys.readouterr().err.count("it looks at every one") == without > 0
    assert main(command) == 0
    assert contents(foreign_copy.workspace) == before


def test_a_damaged_artifact_is_made_again(foreign_copy: Foreign) -> None:
    before = contents(foreign_copy.workspace)
    path = foreign_copy.workspace / "latents" / "latents.npy"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\x3f")
    assert main(foreign_copy.arguments()) == 0
    assert contents(foreign_copy.workspace) == before
