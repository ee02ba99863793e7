"""Laws of what cannot be asked of each family: refused by name, from its configurations alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attribution.errors import ModelError
from attribution.models.base import open_model
from tests.worlds import families
from tests.worlds.foreign import altered, stored

Make = Callable[[Path], Path]
REFUSED: dict[str, tuple[Make, list[tuple[str, dict[str, Any], str]]]] = {
    "Stable Diffusion XL": (
        families.make_sdxl,
        [
            ("index", {"requires_aesthetics_score": True}, "is the refiner .* give the base model"),
            ("index", {"text_encoder": [None, None]}, "is the refiner"),
            ("index", {"text_encoder_2": [None, None]}, "no text_encoder_2; copy it again"),
            (
                "index",
                {"_class_name": "StableDiffusionXLControlNetPipeline"},
                "is another Stable Diffusion XL",
            ),
            ("unet", {"addition_embed_type": None}, "addition_embed_type is None, not 'text_time'"),
            ("unet", {"addition_time_embed_dim": 5}, "takes 34 numbers .* give 40"),
            ("unet", {"in_channels": 9}, r"9 channels \(inpainting\)"),
            ("unet", {"time_cond_proj_dim": 8}, "guidance embedding"),
            ("text_encoder_2", {"hidden_size": 21}, "vectors of 33 .* takes vectors of 32"),
        ],
    ),
    "DiT": (
        families.make_dit,
        [
            ("transformer", {"norm_type": "ada_norm_single"}, "is no DiT"),
            ("transformer", {"in_channels": 9}, "the transformer of .* takes 9 channels"),
            ("transformer", {"out_channels": 9}, "makes 9 channels of 3"),
            ("transformer", {"num_embeds_ada_norm": 3}, "names class 3, and the model has 3 classes"),
            ("transformer", {"sample_size": None}, "transformer/config.json does not say how large"),
            ("index", {"vae": [None, None]}, "has no vae"),
        ],
    ),
    "DDPM": (
        families.make_ddpm,
        [
            ("unet", {"in_channels": 1, "out_channels": 1}, "takes 1 channels .* only pictures in colour"),
            ("unet", {"class_embed_type": "identity"}, "is told 'identity' embeddings"),
            ("unet", {"time_embedding_type": "fourier"}, "as score-based models .* give a DDPM"),
            ("unet", {"sample_size": [8, 6]}, "only square pictures .* the side of a picture in pixels"),
            ("index", {"unet": ["diffusers", "UNet1DModel"]}, "a UNet1DModel for its unet"),
            ("index", {"_class_name": "LDMPipeline"}, "is an unconditional latent diffusion pipeline"),
        ],
    ),
    "PixArt": (
        families.make_pixart,
        [
            ("transformer", {"norm_type": "ada_norm_zero"}, "is no PixArt"),
            ("transformer", {"caption_channels": 4096}, "vectors of 10 .* takes vectors of 4096"),
            ("transformer", {"out_channels": 7}, "makes 7 channels of 3"),
            ("scheduler", {"_class_name": "LCMScheduler"}, "distilled"),
        ],
    ),
    "Stable Diffusion 3": (
        families.make_sd3,
        [
            ("transformer", {"in_channels": 33}, "takes 33 channels .* give the text-to-image model"),
            ("scheduler", {"_class_name": "FlowMatchHeunDiscreteScheduler"}, "write that one into"),
            (
                "scheduler",
                {"_class_name": "DDPMScheduler"},
                "its family's is FlowMatchEulerDiscreteScheduler",
            ),
            ("index", {"text_encoder_2": [None, None]}, "has no text_encoder_2"),
        ],
    ),
    "Flux": (
        families.make_flux,
        [
            ("transformer", {"in_channels": 384}, r"takes 384 channels .* \(Fill, Canny, Depth\)"),
            ("vae", {"sample_size": 14}, "has 7 cells a side, which is odd"),
            ("vae", {"sample_size": None}, "vae/config.json does not say .* a picture in pixels"),
            ("index", {"_class_name": "FluxFillPipeline"}, "is another Flux pipeline"),
            ("index", {"text_encoder_2": [None, None]}, "has no text_encoder_2"),
        ],
    ),
}
CASES = [(name, *case) for name, (_, cases) in REFUSED.items() for case in cases]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The configurations of a family's tiny pipeline, without a weight."""
    there: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in there:
            there[name] = REFUSED[name][0](tmp_path_factory.mktemp("refused") / "model")
            for path in there[name].rglob("*.safetensors"):
                path.unlink()
        return there[name]

    return folder


@pytest.mark.parametrize(
    ("name", "part", "values", "message"),
    CASES,
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_what_cannot_be_asked_of_a_family_is_refused_by_its_configuration(
    made: Callable[[str], Path], tmp_path: Path, name: str, part: str, values: dict[str, Any], message: str
) -> None:
    """Law: What cannot be asked of a family is refused in one line, by its configuration alone."""
    with pytest.raises(ModelError, match=message) as refused:
        open_model(altered(made(name), tmp_path / "model", **{part: values}))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "words", "name"),
    [
        (families.make_sdxl, "Stable Diffusion XL", "unet.mid_block.attn1.to_k.lora_A.weight"),
        (families.make_pixart, "PixArt", "transformer.transformer_blocks.0.attn2.to_k.lora_A.weight"),
        (
            families.make_sd3,
            "Stable Diffusion 3",
            "transformer.transformer_blocks.0.attn.to_k.lora_A.weight",
        ),
        (families.make_flux, "Flux", "transformer.transformer_blocks.0.attn.to_k.lora_A.weight"),
        (families.make_dit, "DiT", "transformer.transformer_blocks.0.attn1.to_k.lora_A.weight"),
        (families.make_ddpm, "unconditional and class-conditional DDPM", "unet.mid.to_k.lora_A.weight"),
    ],
)
def test_an_adapter_of_a_family_that_takes_none_is_refused(
    make: Make, words: str, name: str, tmp_path: Path
) -> None:
    """Law: An adapter that a family cannot be given is refused by name, with the way to fuse it."""
    lora = stored(tmp_path / "lora.safetensors", name)
    with pytest.raises(ModelError, match=rf"adapters of .*{words}.* cannot .* fuse_lora") as refused:
        open_model(make(tmp_path / "model"), adapters=[lora])
    assert str(lora) in str(refused.value)
    assert "\n" not in str(refused.value)
