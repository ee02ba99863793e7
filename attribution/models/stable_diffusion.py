"""Any Stable Diffusion pipeline folder of the diffusers library, or its hub id."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from attribution.errors import ModelError
from attribution.models.base import (
    Factors,
    Generation,
    GenerationStep,
    Weights,
    masked_mean,
    preview_steps,
)
from attribution.rng import gaussian

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
ADAPTED = re.compile(r"attn2\.to_[kv]$")  # the cross-attention key and value projections
ENCODE_BATCH = 32


class PipelineModel:
    """A loaded pipeline. Its tensors are never written to, so threads may share it."""

    def __init__(self, folder: Path, device: str):
        pipeline = _load(folder)
        self.device = torch.device(device)
        self.tokenizer = pipeline.tokenizer
        self.scheduler = pipeline.scheduler
        modules = (pipeline.unet, pipeline.vae, pipeline.text_encoder)
        self.unet, self.vae, self.text_encoder = (
            m.to(self.device).eval().requires_grad_(False) for m in modules
        )
        # Convolutions run a tenth to a fifth faster so, on CPU and CUDA alike (benchmarks, `layout`).
        self.unet.to(memory_format=torch.channels_last)
        self.fingerprint = fingerprint_of(folder)
        self.num_train_timesteps = int(self.scheduler.config.num_train_timesteps)
        self.prediction_type = str(self.scheduler.config.prediction_type)
        if self.prediction_type not in ("epsilon", "v_prediction"):
            raise ModelError(
                f"{folder} predicts {self.prediction_type!r}: only epsilon and v_prediction are read"
            )
        factor = 2 ** (len(_block_channels(self.vae)) - 1)
        side = int(self.unet.config.sample_size)
        self.latent_shape = (int(self.unet.config.in_channels), side, side)
        self.resolution = side * factor
        adapted = {
            f"{name}.weight": module for name, module in self.unet.named_modules() if ADAPTED.search(name)
        }
        self.weights: Weights = {name: module.weight.detach() for name, module in adapted.items()}
        self._biases = {name: module.bias for name, module in adapted.items()}
        if not self.weights:
            raise ModelError(f"{folder} has no cross-attention to unlearn in: it is not text-to-image")
        signal = self.scheduler.alphas_cumprod.double()
        self._signal_rate = signal.sqrt().float().to(self.device)
        self._noise_rate = (1 - signal).sqrt().float().to(self.device)
        self._idle: list[Skeleton] = []

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]:
        parts = []
        for start in range(0, len(images), ENCODE_BATCH):
            batch = np.stack([np.asarray(im, np.float32) for im in images[start : start + ENCODE_BATCH]])
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous() / 127.5 - 1
            encoded = self.vae.encode(pixels.to(self.device))
            # AutoencoderKL has a posterior, of which the mode is taken; AutoencoderTiny has none.
            raw = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
            parts.append(raw * self.vae.config.scaling_factor)  # raw latents => the U-Net's scale
        return torch.cat(parts)

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Float[Tensor, "n tokens d"]:
        ids = self.tokenizer(
            list(captions),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        embeddings: Tensor = self.text_encoder(ids.to(self.device))[0]
        return embeddings

    def squared_errors(
        self,
        weights: Weights,
        latents: Float[Tensor, "n c h w"],
        captions: Float[Tensor, "n tokens d"],
        noise: Float[Tensor, "n c h w"],
        timesteps: Int[Tensor, " n"],
    ) -> Float[Tensor, "n c h w"]:
        with torch.no_grad():
            projected = self._projected(weights, captions)
            return self._errors(projected, latents, captions, noise, timesteps)

    def loss_and_factors(
        self,
        weights: Weights,
        latents: Float[Tensor, "n c h w"],
        captions: Float[Tensor, "n tokens d"],
        noise: Float[Tensor, "n c h w"],
        timesteps: Int[Tensor, " n"],
        mask: Float[Tensor, "h w"] | None = None,
    ) -> tuple[Float[Tensor, " n"], dict[str, Factors]]:
        with torch.enable_grad():
            # Keys and values depend on nothing but caption and weight, so they are leaves.
            projected = {
                name: keys_or_values.detach().requires_grad_()
                for name, keys_or_values in self._projected(weights, captions).items()
            }
            losses = masked_mean(self._errors(projected, latents, captions, noise, timesteps), mask)
            # One draw's loss depends on its own keys and values alone: the sum's gradient
            # with respect to them is each draw's own.
            outputs = torch.autograd.grad(losses.sum(), list(projected.values()))
        tokens = captions.detach()
        return losses.detach(), {
            name: Factors(out, tokens) for name, out in zip(projected, outputs, strict=True)
        }

    @torch.no_grad()
    def generate(
        self, generation: Generation, weights: Weights | None = None, previews: int = 0
    ) -> Iterator[GenerationStep]:
        scheduler = DDIMScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(generation.steps)
        latents = gaussian(generation.seed, "picture", "", 0, self.latent_shape)[None].to(self.device)
        captions = self.encode_captions([generation.negative_prompt, generation.prompt])
        projected = self._projected(self.weights if weights is None else weights, captions)
        shown = preview_steps(generation.steps, previews)
        for done, timestep in enumerate(scheduler.timesteps, 1):
            with self._skeleton(projected) as unet:
                pair = unet(latents.repeat(2, 1, 1, 1), timestep, encoder_hidden_states=captions).sample
            without, conditional = pair.chunk(2)
            guided = without + generation.guidance * (conditional - without)
            step = scheduler.step(guided, timestep, latents)
            latents = step.prev_sample
            if done < generation.steps:
                preview = self._decoded(step.pred_original_sample) if done in shown else None
                yield GenerationStep(done, generation.steps, preview=preview)
        yield GenerationStep(generation.steps, generation.steps, self._decoded(latents))

    def _decoded(self, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
        """A picture of the latents, scaled as the U-Net sees them."""
        pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample[0]
        levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())

    def _projected(
        self, weights: Weights, captions: Float[Tensor, "n tokens d"]
    ) -> dict[str, Float[Tensor, "n tokens out"]]:
        """Keys and values of each draw's caption, layer by layer: computed once for each run of alike."""
        differs = (captions[1:] != captions[:-1]).flatten(1).any(dim=1)
        run = torch.cat([differs.new_zeros(1), differs]).cumsum(0)  # which run a draw belongs to
        first = torch.cat([differs.new_ones(1), differs])
        distinct = captions[first]
        return {
            name: functional.linear(distinct, weight, self._biases[name])[run]
            for name, weight in weights.items()
        }

    def _errors(
        self,
        projected: Mapping[str, Tensor],
        latents: Tensor,
        captions: Tensor,
        noise: Tensor,
        timesteps: Tensor,
    ) -> Tensor:
        timesteps = timesteps.to(self.device)
        signal = self._signal_rate[timesteps][:, None, None, None]
        rate = self._noise_rate[timesteps][:, None, None, None]
        noisy = signal * latents + rate * noise
        target = noise if self.prediction_type == "epsilon" else signal * noise - rate * latents
        with self._skeleton(projected) as unet:
            prediction: Tensor = unet(noisy, timesteps, encoder_hidden_states=captions).sample
        return (prediction - target).square()

    @contextmanager
    def _skeleton(self, projected: Mapping[str, Tensor]) -> Iterator[nn.Module]:
        """A U-Net of this caller's own over the shared tensors, that uses these keys and values.

        Modules hold what they are given while they run, so no two callers may use one at once. List
        operations are atomic: no lock is needed.
        """
        try:
            skeleton = self._idle.pop()
        except IndexError:
            skeleton = self._new_skeleton()
        unet, places = skeleton
        try:
            for name, place in places.items():
                place.projected = projected[name]
            yield unet
        finally:
            for place in places.values():
                place.projected = None
            self._idle.append(skeleton)

    def _new_skeleton(self) -> Skeleton:
        shared = {id(t): t for t in chain(self.unet.parameters(), self.unet.buffers())}
        unet = copy.deepcopy(self.unet, shared)
        places = {name: Given() for name in self.weights}
        for name, place in places.items():
            unet.set_submodule(name.removesuffix(".weight"), place)
        return unet, places


class Given(nn.Module):
    """Stands where a key or value projection stood, and gives what was projected beforehand."""

    projected: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        assert self.projected is not None, "outside of a call"
        return self.projected


Skeleton = tuple[nn.Module, dict[str, Given]]


class PipelineReader:
    """Opens pipeline folders and hub ids."""

    def reads(self, name: str | Path) -> bool:
        folder = Path(name)
        if folder.exists():
            return (folder / "model_index.json").is_file()
        return not folder.is_absolute() and str(name).count("/") == 1

    def open(self, name: str | Path, device: str) -> PipelineModel:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ModelError("no CUDA device was found: use --device cpu")
        folder = Path(name) if Path(name).exists() else _download(str(name))
        return PipelineModel(folder, device)


MODELS = (PipelineReader(),)


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over the names and contents of everything that decides what the pipeline computes.

    What a configuration says of its own history (`_name_or_path`, `_diffusers_version`) does not.
    """
    digest = hashlib.sha256()
    for part in PARTS:
        for path in sorted((folder / part).rglob("*")):
            if path.suffix in (".json", ".safetensors", ".txt", ".bin"):
                digest.update(path.relative_to(folder).as_posix().encode())
                config = path.name.endswith("config.json")
                digest.update(_config_digest(path) if config else bytes.fromhex(_file_digest(path)))
    return digest.hexdigest()


def _config_digest(path: Path) -> bytes:
    config = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if not key.startswith("_")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest()


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(folder: Path) -> Any:
    index = json.loads((folder / "model_index.json").read_text())
    absent: dict[str, None] = {
        name: None for name in ("safety_checker", "feature_extractor", "image_encoder") if name in index
    }
    if "requires_safety_checker" in index or "safety_checker" in index:
        absent |= {"requires_safety_checker": False}  # type: ignore[dict-item]
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **absent
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder} could not be read as a diffusers pipeline: {first_line}") from error
    missing = [part for part in PARTS if getattr(pipeline, part, None) is None]
    if missing:
        raise ModelError(f"{folder} is not a Stable Diffusion pipeline: it has no {', '.join(missing)}")
    return pipeline


def _download(name: str) -> Path:
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise ModelError(f"there is no folder {name}, and HF_HUB_OFFLINE=1 forbids asking the hub for it")
    try:
        return Path(DiffusionPipeline.download(name, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise ModelError(f"there is no folder {name}, and the hub did not give it: {error}") from error


def _block_channels(vae: Any) -> Sequence[int]:
    config = vae.config
    channels = getattr(config, "block_out_channels", None) or config.encoder_block_out_channels
    return list(channels)
