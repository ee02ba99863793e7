"""Laws of adapters: a base and what is put into it are one model, the one that diffusers makes of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.adapters import adapted_fingerprint, named_adapters
from attribution.models.base import DiffusionModel, at_checkpoint, open_model
from attribution.models.batch import Batch
from attribution.models.pipeline_files import fingerprint_of
from tests.worlds import adapters
from tests.worlds.foreign import altered, stored

CAPTIONS = ["a red square", "blue bar <new1> on it", "one <cat> here"]


def draws_of(model: DiffusionModel) -> Batch:
    latents, noise = torch.randn(
        2, 3, *model.latent_shape, generator=torch.Generator().manual_seed(0)
    ).unbind()
    return Batch(latents, model.encode_captions(CAPTIONS), noise, torch.tensor([30, 400, 900]))


def prediction_of(model: DiffusionModel) -> Tensor:
    return model.predict(model.weights, draws_of(model))


@torch.no_grad()
def diffusers_prediction(pipeline: StableDiffusionPipeline, model: DiffusionModel) -> Tensor:
    """What diffusers' own pipeline predicts of the same noisy latents and captions."""
    batch = draws_of(model)
    times = model.parametrisation.denoiser_times(batch.times)
    tokens, _ = pipeline.encode_prompt(CAPTIONS, "cpu", 1, do_classifier_free_guidance=False)
    predicted: Tensor = pipeline.unet(
        model.parametrisation.noisy(batch), times, encoder_hidden_states=tokens
    ).sample
    return predicted


def assert_same_model(pipeline: StableDiffusionPipeline, model: DiffusionModel, base: Path) -> None:
    found = prediction_of(model)
    torch.testing.assert_close(found, diffusers_prediction(pipeline, model), rtol=1e-5, atol=1e-5)
    plain = diffusers_prediction(StableDiffusionPipeline.from_pretrained(base), model)
    assert (found - plain).abs().max() > 1e-3, "the adapter changes nothing here"


@dataclass(frozen=True)
class Made:
    """One of each; not to be changed."""

    lora: Path
    kohya: Path
    peft: Path
    custom: Path
    tokens: Path


@pytest.fixture(scope="module")
def made(foreign_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("adapters")
    adapters.make_custom_diffusion(foreign_pipeline, root / "custom")
    return Made(
        adapters.make_lora(foreign_pipeline, root / "lora"),
        adapters.make_kohya_lora(foreign_pipeline, root / "kohya"),
        adapters.make_peft_lora(foreign_pipeline, root / "peft"),
        root / "custom",
        adapters.make_tokens(root / "tokens"),
    )


# --- the model that diffusers makes ---------------------------------------------------------------


@pytest.mark.parametrize("which", ["lora", "kohya", "peft"])
def test_a_lora_gives_the_model_that_diffusers_makes_of_it(
    foreign_pipeline: Path, made: Made, which: str
) -> None:
    """Law: A model with adapters predicts what diffusers' pipeline predicts with them loaded."""
    path: Path = getattr(made, which)
    reference = StableDiffusionPipeline.from_pretrained(foreign_pipeline)
    if which == "peft":
        reference.unet = PeftModel.from_pretrained(reference.unet, path)
    else:
        reference.load_lora_weights(path.parent, weight_name=path.name)
    for layers in ("cross-attention-kv", "lora"):
        model = open_model(foreign_pipeline, "cpu", layers, None, [path])
        assert_same_model(reference, model, foreign_pipeline)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # of the reference
def test_two_loras_are_added_together(foreign_pipeline: Path, made: Made) -> None:
    reference = StableDiffusionPipeline.from_pretrained(foreign_pipeline)
    for name in ("lora", "kohya"):
        reference.load_lora_weights(getattr(made, name), adapter_name=name)
    reference.set_adapters(["lora", "kohya"])
    for layers in ("cross-attention-kv", "lora"):
        model = open_model(foreign_pipeline, "cpu", layers, None, [made.lora, made.kohya])
        assert_same_model(reference, model, foreign_pipeline)


@pytest.mark.parametrize("queries", [False, True])
def test_custom_diffusion_takes_the_place_of_keys_and_values(
    foreign_pipeline: Path, tmp_path: Path, queries: bool
) -> None:
    trained = adapters.make_custom_diffusion(foreign_pipeline, tmp_path / "custom", queries=queries)
    model = open_model(foreign_pipeline, adapters=[tmp_path / "custom"])
    assert_same_model(trained, model, foreign_pipeline)
    stored = load_file(tmp_path / "custom" / f"{adapters.WEIGHTS}.safetensors")
    name = next(name for name in model.weights if name.endswith("attn2.to_k.weight"))
    own = name.replace("to_k", "processor.to_k_custom_diffusion")
    torch.testing.assert_close(model.weights[name], stored[own], rtol=0, atol=0)


def test_a_token_of_several_embeddings_is_told_as_diffusers_tells_it(
    foreign_pipeline: Path, made: Made, tmp_path: Path
) -> None:
    reference = StableDiffusionPipeline.from_pretrained(foreign_pipeline)
    reference.load_textual_inversion(made.tokens)
    assert_same_model(reference, open_model(foreign_pipeline, adapters=[made.tokens]), foreign_pipeline)
    reference.save_pretrained(tmp_path / "saved")  # with the token put in
    saved = open_model(tmp_path / "saved")
    torch.testing.assert_close(
        saved.encode_captions(CAPTIONS).tokens, reference.encode_prompt(CAPTIONS, "cpu", 1, False)[0]
    )


def test_what_replaces_weights_comes_before_what_is_added_to_them(
    foreign_pipeline: Path, made: Made
) -> None:
    """Law: The order in which adapters are named changes nothing."""
    named = [made.lora, made.custom]
    one, other = (open_model(foreign_pipeline, adapters=order) for order in (named, named[::-1]))
    assert one.fingerprint == other.fingerprint
    torch.testing.assert_close(prediction_of(one), prediction_of(other), rtol=0, atol=0)
    without = open_model(foreign_pipeline, adapters=named[1:])
    assert (prediction_of(one) - prediction_of(without)).abs().max() > 1e-3


# --- unlearning in an adapter's own weights ----------------------------------------------------------


def test_low_rank_matrices_can_be_what_is_unlearned_in(foreign_pipeline: Path, made: Made) -> None:
    """Law: With the layers `lora`, an adapter's matrices alone are differentiated and replaced."""
    model = open_model(foreign_pipeline, "cpu", "lora", None, [made.lora])
    assert {name.split(".lora_")[1][0] for name in model.weights} == {"A", "B"}
    batch = draws_of(model)
    losses, factors = model.loss_and_factors(model.weights, batch)
    name = next(name for name in model.weights if "attn2.to_k.lora_B" in name)
    step = 1e-3 * factors[name].mean() / factors[name].mean().norm()

    def mean_loss(sign: int) -> Tensor:
        weights = {**model.weights, name: model.weights[name] + sign * step}
        return model.squared_errors(weights, batch).double().mean()

    slope = (mean_loss(1) - mean_loss(-1)) / 2
    expected = (factors[name].mean() * step).sum().double()
    torch.testing.assert_close(slope, expected, rtol=2e-2, atol=1e-7)
    torch.testing.assert_close(losses.double().mean(), mean_loss(0), rtol=1e-5, atol=1e-6)


# --- what names the model ---------------------------------------------------------------------------


def fingerprint(*named: Path) -> str:
    return adapted_fingerprint("base", named_adapters(named))


def test_the_fingerprint_covers_base_and_adapters(made: Made, tmp_path: Path) -> None:
    """Law: The fingerprint of an adapted model covers base and adapters, not where they lie."""
    moved = Path(shutil.copy(made.lora, tmp_path / "moved.safetensors"))
    assert fingerprint(made.lora) == fingerprint(moved) == fingerprint(made.lora, made.lora)
    assert len({"base", fingerprint(), fingerprint(made.lora), fingerprint(made.kohya)}) == 3
    assert adapted_fingerprint("other", named_adapters([made.lora])) != fingerprint(made.lora)


def test_a_scale_that_peft_keeps_beside_is_part_of_the_fingerprint(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.peft, tmp_path / "peft"))
    assert fingerprint(folder) == fingerprint(made.peft)
    config = folder / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 5', '"lora_alpha": 7'))
    assert fingerprint(folder) != fingerprint(made.peft)


def test_an_adapter_may_lie_in_the_models_folder_if_it_is_named(
    foreign_pipeline: Path, made: Made, tmp_path: Path
) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model")
    path = Path(shutil.copy(made.lora, folder))
    with pytest.raises(ModelError, match=r"a LoRA and would not be used: name it .*--adapter"):
        open_model(folder)
    expected = adapted_fingerprint(fingerprint_of(foreign_pipeline), named_adapters([made.lora]))
    assert open_model(folder, adapters=[path]).fingerprint == expected
    stored(folder / "learned_embeds.safetensors", "<dog>")
    with pytest.raises(ModelError, match="a textual inversion and would not be used"):
        open_model(folder, adapters=[path])


# --- what cannot be put in --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tensors", "message"),
    [
        ("a.safetensors", ["unet.mid_block.lora_A.weight.hada_w1_a"], "is no plain LoRA .*: fuse it"),
        ("a.safetensors", ["lora_unet_mid_block.dora_scale"], "is no plain LoRA"),
        ("a.safetensors", ["image_proj.proj.weight"], "an IP-Adapter: pictures beside captions"),
        ("a.safetensors", ["conv_in.weight"], "is no adapter that is known"),
        ("a.safetensors", ["emb_params"], "does not say its token"),
        ("a.safetensors", ["<dog>"], r"embedding of '<dog>' is \(2, 2\).*are of 24"),
        ("a.safetensors", ["x.attn2.to_k.weight"], r"a weight x.attn2.to_k.weight of \(2, 2\).*has none"),
        (
            "a.safetensors",
            ["unet.nowhere.to_k.lora_A.weight", "unet.nowhere.to_k.lora_B.weight"],
            "not fit",
        ),
        ("a.safetensors", ["text_encoder_2.a.lora_A.weight"], "1 of its 1 tensors would not be used"),
        (
            "adapter_model.safetensors",
            ["base_model.model.no.lora_A.weight"],
            "no part of it has the layer no",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    foreign_pipeline: Path, tmp_path: Path, name: str, tensors: list[str], message: str
) -> None:
    """Law: An adapter that cannot be put in, or not whole, is refused in one line that says what to do."""
    path = stored(tmp_path / name, *tensors)
    with pytest.raises(ModelError, match=message) as refused:
        open_model(foreign_pipeline, adapters=[path])
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_pickled_adapter_is_refused_with_the_way_to_convert_it(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    adapters.make_custom_diffusion(foreign_pipeline, tmp_path / "custom", pickled=True)
    with pytest.raises(ModelError, match=r"<new1>\.bin is a textual inversion: pickles .* convert"):
        open_model(foreign_pipeline, adapters=[tmp_path / "custom"])


def test_what_is_not_there_or_there_twice_is_refused(
    foreign_pipeline: Path, made: Made, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="there is no adapter"):
        open_model(foreign_pipeline, adapters=[tmp_path / "absent"])
    with pytest.raises(ModelError, match="has no adapter in it"):
        open_model(foreign_pipeline, adapters=[tmp_path])
    save_file({adapters.TOKEN: torch.ones(24)}, tmp_path / "twice.safetensors")
    with pytest.raises(ModelError, match=f"Token {adapters.TOKEN} already in tokenizer"):
        open_model(foreign_pipeline, adapters=[made.tokens, tmp_path / "twice.safetensors"])


def test_a_checkpoint_is_of_no_model_with_adapters(foreign_pipeline: Path, made: Made) -> None:
    model = open_model(foreign_pipeline, adapters=[made.tokens])
    with pytest.raises(ModelError, match="leave out --checkpoint"):
        at_checkpoint(model, foreign_pipeline)


def test_a_lora_of_which_a_part_has_no_place_is_refused(
    foreign_pipeline: Path, made: Made, tmp_path: Path
) -> None:
    tensors = load_file(made.kohya)
    path = tmp_path / "style.safetensors"
    save_file({name.replace("down_blocks_0", "down_blocks_7"): t for name, t in tensors.items()}, path)
    with pytest.raises(ModelError, match=r"2 of its \d+ tensors would not be used; give the pipeline"):
        open_model(foreign_pipeline, adapters=[path])
