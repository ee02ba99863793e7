"""Any Stable Diffusion pipeline folder of the diffusers library, or its hub id."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.func import functional_call

from attribution.errors import ModelError
from attribution.models.adapters import Adapter, adapted_fingerprint
from attribution.models.base import (
    Factors,
    Generation,
    GenerationStep,
    Objective,
    Weights,
    masked_mean,
    preview_steps,
)
from attribution.models.batch import Batch, Conditioning
from attribution.models.compiled import Pass
from attribution.models.engines import Denoiser, Engine
from attribution.models.layer_calls import (
    Applied,
    LayerCall,
    Projected,
    draw_factors,
    projected,
    projections,
)
from attribution.models.layers import CROSS_ATTENTION_KV, LORA, selected, selector
from attribution.models.loss_weights import recorded_loss_weight, weighted
from attribution.models.parametrisation import parametrisation_of
from attribution.models.pipeline_checks import latent_side
from attribution.models.pipeline_files import downloaded, fingerprint_of, load, load_checkpoint
from attribution.models.prompts import spelled_out
from attribution.models.sampler import sampler_of
from attribution.models.skeletons import Skeletons
from attribution.rng import gaussian

ENCODE_BATCH = 32  # pictures that are encoded at once, at most
ENCODE_PIXELS = 2**19  # of all of them together, if there is more than one


class PipelineModel:
    """A loaded pipeline. Its tensors are never written to, so threads may share it.

    Args:
        adapters: are put into it, LoRA beside its weights where these are the layers that are unlearned in.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        layers: str = CROSS_ATTENTION_KV,
        adapters: Sequence[Adapter] = (),
    ):
        pipeline = load(folder, adapters, keep_lora=layers == LORA)
        self.device = torch.device(device)
        self.tokenizer = pipeline.tokenizer
        self.scheduler = pipeline.scheduler
        self.vae, self.text_encoder = (
            m.to(self.device).eval().requires_grad_(False) for m in (pipeline.vae, pipeline.text_encoder)
        )
        self.layers = layers
        self.num_train_timesteps = int(self.scheduler.config.num_train_timesteps)
        self.parametrisation = weighted(
            parametrisation_of(self.scheduler, self.device, folder), recorded_loss_weight(self.scheduler)
        )
        self._take(pipeline.unet, folder)
        self.fingerprint = adapted_fingerprint(fingerprint_of(folder), adapters)
        self._is_adapted = bool(adapters)
        factor = 2 ** (len(_block_channels(self.vae)) - 1)
        side = latent_side(self.unet.config, folder)
        self.latent_shape = (int(self.unet.config.in_channels), side, side)
        self.resolution = side * factor

    def _take(self, unet: Any, source: Path) -> None:
        """Hold a U-Net, and what is read off its weights."""
        self.unet = unet.to(self.device).eval().requires_grad_(False)
        # Convolutions run a tenth to a fifth faster so, on CPU and CUDA alike (benchmarks, `layout`).
        self.unet.to(memory_format=torch.channels_last)
        chosen = selected(self.unet, self.layers, source)
        self.weights: Weights = {name: module.weight.detach() for name, module in chosen.items()}
        self._biases = {name: module.bias for name, module in chosen.items()}
        self._reads_captions = selector(self.layers).reads_captions
        self._skeletons = Skeletons(self.unet, self.weights)
        self.all_shapes: Mapping[str, tuple[int, ...]] = {
            name: tuple(weight.shape) for name, weight in self.unet.named_parameters()
        }
        self._whole_skeletons = Skeletons(self.unet, {})
        times = self.parametrisation.denoiser_times(
            torch.arange(self.num_train_timesteps, device=self.device)
        )
        self._engine = Engine(
            Denoiser(
                self.unet,
                self._skeletons,
                self.weights,
                self._biases,
                self._reads_captions,
                times,
                self.device,
            )
        )

    @property
    def engine(self) -> str:
        """What runs the U-Net where no gradient is wanted, and its version."""
        return self._engine.name

    def at_checkpoint(self, folder: Path) -> PipelineModel:
        """The same pipeline with the U-Net of another folder: a pipeline's, or one that lies there alone.

        Raises:
            ModelError: it has no U-Net that can be read, or adapters were put into the model's own.
        """
        if self._is_adapted:
            raise ModelError(
                f"{folder} cannot be a checkpoint of a model with adapters, which are not put into it: "
                "leave out --checkpoint, or give no --adapter"
            )
        unet, fingerprint = load_checkpoint(folder, type(self.unet))
        other = copy.copy(self)
        other._take(unet, folder)
        other.fingerprint = fingerprint
        return other

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]:
        parts = []
        size = max(1, min(ENCODE_BATCH, ENCODE_PIXELS // self.resolution**2))
        for start in range(0, len(images), size):
            batch = np.stack([np.asarray(im, np.float32) for im in images[start : start + size]])
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous() / 127.5 - 1
            encoded = self.vae.encode(pixels.to(self.device))
            # AutoencoderKL has a posterior, of which the mode is taken; AutoencoderTiny has none.
            raw = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
            parts.append(raw * self.vae.config.scaling_factor)  # raw latents => the U-Net's scale
        return torch.cat(parts)

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        ids = self.tokenizer(
            spelled_out(captions, self.tokenizer),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        embeddings: Tensor = self.text_encoder(ids.to(self.device))[0]
        return Conditioning(embeddings)

    def unread(self, caption: str) -> str:
        """What of a caption lies beyond the tokens that the text encoder gets; "" where it reads all."""
        room = self.tokenizer.model_max_length - self.tokenizer.num_special_tokens_to_add()
        ids = self.tokenizer(caption, add_special_tokens=False, verbose=False).input_ids
        beyond: str = self.tokenizer.decode(ids[room:])
        return beyond.strip()

    @torch.no_grad()
    def predict(self, weights: Weights, batch: Batch) -> Float[Tensor, "n c h w"]:
        batch = batch.to(self.device)
        predicted = self._compiled_prediction(weights, batch)
        if predicted is None:
            return self._predicted(self._calls(weights, batch.conditioning), batch)
        return predicted

    @torch.no_grad()
    def squared_errors(self, weights: Weights, batch: Batch) -> Float[Tensor, "n c h w"]:
        batch = batch.to(self.device)
        return self.parametrisation.squared_errors(self.predict(weights, batch), batch)

    def loss_and_factors(
        self, weights: Weights, batch: Batch, mask: Float[Tensor, "h w"] | None = None
    ) -> tuple[Float[Tensor, " n"], dict[str, Factors]]:
        batch = batch.to(self.device)
        with torch.enable_grad():
            calls = self._calls(weights, batch.conditioning)
            predicted = self._predicted(calls, batch)
            losses = masked_mean(self.parametrisation.squared_errors(predicted, batch), mask)
            factors = draw_factors(losses, calls)
        return losses.detach(), factors

    def whole_gradient(
        self, batch: Batch, objective: Objective, mask: Float[Tensor, "h w"] | None = None
    ) -> tuple[Float[Tensor, " n"], Mapping[str, Float[Tensor, "..."]]]:
        batch = batch.to(self.device)
        with torch.enable_grad(), self._whole_skeletons.using({}) as unet:
            # Leaves of this call's own over the loaded tensors: theirs are never written to.
            leaves = {name: weight.detach().requires_grad_() for name, weight in unet.named_parameters()}
            prediction = functional_call(unet, leaves, *self._asked(batch)).sample
            errors = self.parametrisation.squared_errors(prediction, batch)
            value = objective.of(prediction, errors, mask).mean()
            # What it does not depend on has a gradient of zero.
            gradients = torch.autograd.grad(value, list(leaves.values()), materialize_grads=True)
        losses = masked_mean(errors.detach(), mask)
        return losses, dict(zip(leaves, gradients, strict=True))

    @torch.no_grad()
    def generate(
        self, generation: Generation, weights: Weights | None = None, previews: int = 0
    ) -> Iterator[GenerationStep]:
        shown, steps = preview_steps(generation.steps, previews), generation.steps
        for done, (timestep, latents, clean) in enumerate(self._denoising([generation], weights), 1):
            image = self._decoded(latents) if done == steps else None
            preview = self._decoded(clean) if done in shown else None
            yield GenerationStep(done, steps, image, preview, clean, timestep)

    @torch.no_grad()
    def generate_together(self, generations: Sequence[Generation]) -> list[Image.Image]:
        """The pictures of several, as `generate` makes each, up to rounding: what keeps a GPU busy.

        They must agree in steps and guidance.
        """
        *_, (_, latents, _) = self._denoising(generations, None)
        return [self._decoded(each[None]) for each in latents]

    def _denoising(
        self, generations: Sequence[Generation], weights: Weights | None
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """The sampler's steps: yields (timestep, latents behind it, the clean latents it points to)."""
        sampler = sampler_of(self.scheduler)
        sampler.set_timesteps(generations[0].steps)
        noise = [gaussian(each.seed, "picture", "", 0, self.latent_shape) for each in generations]
        latents = torch.stack(noise).to(self.device)
        without = [each.negative_prompt for each in generations]
        captions = self.encode_captions([*without, *(each.prompt for each in generations)])
        calls = self._calls(self.weights if weights is None else weights, captions)
        for timestep in sampler.timesteps:
            with self._skeletons.using(calls) as unet:
                pair = unet(
                    latents.repeat(2, 1, 1, 1), timestep, encoder_hidden_states=captions.tokens
                ).sample
            unconditional, conditional = pair.chunk(2)
            guided = unconditional + generations[0].guidance * (conditional - unconditional)
            step = sampler.step(guided, timestep, latents)
            latents = step.prev_sample
            yield int(timestep), latents, step.pred_original_sample

    def _decoded(self, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
        """A picture of the latents, scaled as the U-Net sees them."""
        pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample[0]
        levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())

    def _calls(self, weights: Weights, captions: Conditioning) -> Mapping[str, LayerCall]:
        """What the selected layers do, with these weights."""
        if not self._reads_captions:
            return {name: Applied(weight, self._biases[name]) for name, weight in weights.items()}
        outputs = projected(weights, self._biases, captions.tokens)
        return {name: Projected(captions.tokens, output) for name, output in outputs.items()}

    def _predicted(self, calls: Mapping[str, LayerCall], batch: Batch) -> Tensor:
        (noisy, times), captions = self._asked(batch)
        with self._skeletons.using(calls) as unet:
            prediction: Tensor = unet(noisy, times, **captions).sample
        return prediction

    def _compiled_prediction(self, weights: Weights, batch: Batch) -> Tensor | None:
        """By another engine than torch, or None where it is torch's to predict."""
        if not self._engine.compiles:
            return None
        (noisy, times), captions = self._asked(batch)
        tokens = captions["encoder_hidden_states"]
        given = Pass(noisy, times, tokens, projections(weights, self._biases, tokens))
        return self._engine.prediction(given)

    def _asked(self, batch: Batch) -> tuple[tuple[Tensor, Tensor], dict[str, Tensor]]:
        """What the U-Net is given of a batch."""
        noisy, times = self.parametrisation.noisy(batch), self.parametrisation.denoiser_times(batch.times)
        return (noisy, times), {"encoder_hidden_states": batch.conditioning.tokens}


class PipelineReader:
    """Opens pipeline folders and hub ids."""

    def reads(self, name: str | Path) -> bool:
        folder = Path(name)
        if folder.exists():
            return (folder / "model_index.json").is_file()
        return not folder.is_absolute() and str(name).count("/") == 1

    def open(self, name: str | Path, device: str, layers: str) -> PipelineModel:
        return self.open_adapted(name, device, layers, ())

    def open_adapted(
        self, name: str | Path, device: str, layers: str, adapters: Sequence[Adapter]
    ) -> PipelineModel:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ModelError("no CUDA device was found: use --device cpu")
        folder = Path(name) if Path(name).exists() else downloaded(str(name))
        return PipelineModel(folder, device, layers, adapters)


MODELS = (PipelineReader(),)


def _block_channels(vae: Any) -> Sequence[int]:
    config = vae.config
    channels = getattr(config, "block_out_channels", None) or config.encoder_block_out_channels
    return list(channels)
