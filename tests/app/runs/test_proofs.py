"""Laws of the tests of an answer that are kept with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.runs.archive import PROOFS, RunArchive
from app.runs.proofs import ITSELF, proofs_of, proofs_to_json, with_proof
from app.runs.run import Run
from attribution.errors import InputError, RunError
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import answered_run
from tests.worlds.proofs import CHECK, PROOF


def test_a_proof_comes_back_with_every_value_and_every_pixel() -> None:
    """Law: A test that is kept comes back with all its values, and its pictures pixel by pixel."""
    begun = replace(PROOF, kind=ITSELF, check=replace(CHECK, outcome=None, controls=(), final=False))
    kept = json.loads(json.dumps(proofs_to_json([PROOF, begun]), allow_nan=False))
    assert proofs_of(kept) == (PROOF, begun)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "other"},
        {"check": {}},
        {"check": {"png": "AAAA"}},
        {"check": {"png": "not base 64"}},
        {"part": None},
    ],
)
def test_what_is_no_proof_is_refused(wrong: dict[str, object]) -> None:
    kept = json.loads(json.dumps(proofs_to_json([PROOF])))
    with pytest.raises((InputError, ValueError)):
        proofs_of([{**kept[0], **wrong}])


def test_of_two_tests_of_the_same_the_later_one_stands() -> None:
    later, other = replace(PROOF, check=replace(CHECK, warnings=())), replace(PROOF, part="B")
    assert with_proof(with_proof(with_proof((), PROOF), other), later) == (other, later)


@pytest.fixture
def run(tiny_world: Workspace) -> Run:
    return answered_run(tiny_world)


def test_a_run_brings_its_proofs_back(tiny_world: Workspace, tmp_path: Path, run: Run) -> None:
    """Law: What was proven of an answer is kept with it: whoever has its link sees it."""
    archive = RunArchive(tmp_path, tiny_world)
    archive.keep(run)
    assert archive.read(run.id).proofs == ()
    archive.keep_proof(run.id, PROOF)
    assert archive.read(run.id).proofs == (PROOF,)  # not what was remembered of it
    itself = replace(PROOF, kind=ITSELF)
    RunArchive(tmp_path, tiny_world).keep_proof(run.id, itself)  # another server's
    assert RunArchive(tmp_path, tiny_world).read(run.id).proofs == (PROOF, itself)
    assert archive.read(run.id).answered


def test_a_proof_of_no_kept_run_and_a_damaged_one_are_said(
    tiny_world: Workspace, tmp_path: Path, run: Run
) -> None:
    archive = RunArchive(tmp_path, tiny_world)
    with pytest.raises(RunError, match="not kept here"):
        archive.keep_proof(run.id, PROOF)
    key = archive.keep(run)
    archive.keep_proof(run.id, PROOF)
    path = tmp_path / run.id / PROOFS
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match="damaged"):
        RunArchive(tmp_path, tiny_world).read(run.id)
    assert archive.forget(run.id, key)
    assert not path.exists()
