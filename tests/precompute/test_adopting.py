"""Laws of what a workspace takes over from another: of its model's base, say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from attribution.errors import CorruptArtifactError, MismatchError, SettingsError
from attribution.gradients.stored import EKFAC, FISHER, KFAC
from attribution.workspace.baseline import LOSSES
from attribution.workspace.root_manifest import MANIFEST, record
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.adopting import adopt
from tests.conftest import Foreign
from tests.worlds import adapters
from tests.worlds.folders import contents

CURVATURE = (FISHER, KFAC, EKFAC)


@pytest.fixture
def taught(foreign_copy: Foreign) -> Path:
    """A workspace of the foreign world's model with one word more: nothing is precomputed for it."""
    tokens = adapters.make_tokens(foreign_copy.root / "tokens")
    folder = foreign_copy.root / "taught"
    assert main([*foreign_copy.arguments("init", folder), "--adapter", str(tokens.parent)]) == 0
    return folder


def take(taught: Path, base: Path, *words: str) -> int:
    return main(["adopt", str(base), *words, "--workspace", str(taught)])


@pytest.mark.parametrize("flags", [(), ("--by-reference",)], ids=["copied", "by reference"])
def test_the_curvature_of_a_base_is_taken_over(
    foreign_copy: Foreign, taught: Path, flags: tuple[str, ...]
) -> None:
    """Law: What is taken over is the other's, byte for byte, and says whose it was."""
    names = [kind.name for kind in CURVATURE]
    assert take(taught, foreign_copy.workspace, *names, *flags) == 0
    ours, base = Workspace.open(taught), Workspace.open(foreign_copy.workspace)
    for kind in CURVATURE:
        artifact = ours.artifact(kind)
        assert artifact.checksum == base.artifact(kind).checksum
        assert artifact.manifest["settings"]["imported"]["from"]["model"] == base.fingerprints["model"]
        assert list(ours.store.verify(kind.name, ours.expected(kind))) == list(artifact.files)
        ours.load(kind)  # its parts belong together
        there = {path.name for path in artifact.folder.iterdir()}
        assert there == ({MANIFEST} if flags else {MANIFEST, *artifact.files})


def test_what_is_referred_to_is_read_where_it_lies(foreign_copy: Foreign, taught: Path) -> None:
    """Law: An artifact by reference is its source's as it was taken: moved together it is there, changed or
    gone it is refused.
    """
    assert take(taught, foreign_copy.workspace, "fisher", "--by-reference") == 0
    moved = foreign_copy.root.with_name("moved")
    shutil.copytree(foreign_copy.root, moved)
    shutil.rmtree(foreign_copy.root)
    Workspace.open(moved / "taught").load(FISHER)
    file = moved / "workspace" / "fisher" / "fisher.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptArtifactError, match="its manifest says"):
        Workspace.open(moved / "taught").load(FISHER)
    file.unlink()
    with pytest.raises(CorruptArtifactError, match=r"fisher\.safetensors is gone.*precompute fisher"):
        Workspace.open(moved / "taught").load(FISHER)


def test_a_place_on_one_machine_is_no_reference(foreign_copy: Foreign, taught: Path) -> None:
    assert take(taught, foreign_copy.workspace, "fisher", "--by-reference") == 0
    path = taught / "fisher" / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert manifest["kept_in"] == "../../workspace/fisher"
    path.write_text(json.dumps({**manifest, "kept_in": str(foreign_copy.workspace / "fisher")}))
    record(taught, artifacts=["fisher"])
    with pytest.raises(CorruptArtifactError, match="damaged or of another version"):
        Workspace.open(taught).load(FISHER)


def test_what_is_made_again_leaves_the_source_alone(foreign_copy: Foreign, taught: Path) -> None:
    """Law: Remaking an artifact by reference gives the workspace files of its own; the source's stay."""
    before = (foreign_copy.workspace / "fisher" / "fisher.safetensors").read_bytes()
    assert take(taught, foreign_copy.workspace, "allotment", "fisher", "--by-reference") == 0
    again = ["fisher", "--workspace", str(taught), "--chunk", "5", "--draws", "2", "--remake"]
    assert main(again) == 0
    assert Workspace.open(taught).artifact(FISHER).manifest["kept_in"] == "."
    assert (taught / "fisher" / "fisher.safetensors").is_file()
    assert (foreign_copy.workspace / "fisher" / "fisher.safetensors").read_bytes() == before


def test_what_does_not_hold_here_is_not_taken(foreign_copy: Foreign, taught: Path) -> None:
    ours, base = Workspace.open(taught), Workspace.open(foreign_copy.workspace)
    with pytest.raises(SettingsError, match="'losses' cannot be taken over: choose from latents"):
        list(adopt(ours, base, [LOSSES.name]))
    other = foreign_copy.root / "other"
    assert main([*foreign_copy.arguments("init", other), "--layers", "cross-attention"]) == 0
    with pytest.raises(MismatchError, match=r"fisher in .* is of another layers"):
        list(adopt(Workspace.open(other), base, ["fisher"], by_reference=True))


def test_what_does_not_fit_costs_nothing_that_is_there(foreign_copy: Foreign) -> None:
    """Law: An artifact stays as it is where what was to be taken over in its place does not fit."""
    own = foreign_copy.root / "own"
    assert main(foreign_copy.arguments("init", own)) == 0
    for verb, *draws in (("allotment",), ("kfac", "--draws", "4"), ("ekfac", "--draws", "4")):
        assert main([verb, "--workspace", str(own), "--chunk", "5", *draws]) == 0
    before = contents(own)
    assert take(own, foreign_copy.workspace, "ekfac") == 2
    damaged = foreign_copy.workspace / "kfac" / "bases.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert take(own, foreign_copy.workspace, "kfac", "--by-reference") == 2
    assert contents(own) == before
    Workspace.open(own).load(EKFAC)


def test_eigenvalues_whose_bases_were_made_anew_are_made_anew(foreign_copy: Foreign, taught: Path) -> None:
    """Law: The command that an error advises mends it, of what was taken over too."""
    names = ("allotment", "kfac", "ekfac")
    assert take(taught, foreign_copy.workspace, *names) == 0
    quick = ["--workspace", str(taught), "--chunk", "5", "--draws", "4"]
    assert main(["kfac", *quick, "--remake"]) == 0
    with pytest.raises(MismatchError, match="make it again with `python -m precompute ekfac"):
        Workspace.open(taught).load(EKFAC)
    assert main(["ekfac", *quick]) == 0
    Workspace.open(taught).load(EKFAC)
