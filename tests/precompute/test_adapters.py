"""Laws of workspaces whose model has adapters: everything opens the same model."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.errors import MismatchError
from attribution.models.base import open_model
from attribution.workspace.baseline import LATENTS, LOSSES
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from tests.conftest import Foreign
from tests.worlds import adapters


def test_a_workspace_remembers_what_is_put_into_its_model(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: A workspace is bound to its model's adapters, and whoever opens it has them."""
    lora = adapters.make_lora(foreign_copy.model, foreign_copy.root / "lora")
    tokens = adapters.make_tokens(foreign_copy.root / "tokens")
    init = ["init", "--workspace", str(foreign_copy.workspace)]
    assert main([*init, "--adapter", str(lora), "--adapter", str(tokens.parent)]) == 0
    workspace = Workspace.open(foreign_copy.workspace)
    assert workspace.config.adapters == (f"../lora/{adapters.LORA}", "../tokens")
    expected = open_model(foreign_copy.model, adapters=[lora, tokens]).fingerprint
    assert workspace.model.fingerprint == workspace.fingerprints["model"] == expected
    with pytest.raises(MismatchError, match="was made for model"):
        workspace.artifact(LOSSES)
    assert main(init) == 0
    assert Workspace.open(foreign_copy.workspace).fingerprints["model"] == expected
    assert main([*foreign_copy.arguments(), "--adapter", str(tokens)]) == 2
    assert "bound to the adapters ../lora/" in capsys.readouterr().err
    assert main([*init, "--adapter", "none"]) == 0
    assert Workspace.open(foreign_copy.workspace).artifact(LOSSES), "the base is what it was"
    assert "adapters" not in (foreign_copy.workspace / "workspace.json").read_text(encoding="utf-8")


def test_another_base_has_no_adapters_unless_they_are_named(foreign_copy: Foreign) -> None:
    tokens = str(adapters.make_tokens(foreign_copy.root / "tokens"))
    init = ["init", "--workspace", str(foreign_copy.workspace)]
    assert main([*init, "--adapter", tokens]) == 0
    assert main([*init, "--model", str(foreign_copy.model)]) == 0
    assert Workspace.open(foreign_copy.workspace).artifact(LATENTS)


def test_an_adapter_that_has_changed_is_another_model(foreign_copy: Foreign) -> None:
    tokens = adapters.make_tokens(foreign_copy.root / "tokens")
    init = ["init", "--workspace", str(foreign_copy.workspace)]
    assert main([*init, "--adapter", str(tokens)]) == 0
    adapters.make_tokens(tokens.parent, vectors=2)
    with pytest.raises(MismatchError, match=r"the model at \.\./model with \.\./tokens/learned_embeds"):
        _ = Workspace.open(foreign_copy.workspace).model


def test_the_doctor_names_adapters(
    foreign_copy: Foreign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = adapters.make_tokens(tmp_path)
    given = ["doctor", "--model", str(foreign_copy.model), "--dataset", str(foreign_copy.dataset)]
    given += ["--clip", "none", "--dino", "none", "--timesteps", "4", "--adapter", str(tokens)]
    assert main(given) == 0
    assert "learned_embeds.safetensors (a textual inversion)" in capsys.readouterr().out
