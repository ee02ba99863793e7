"""The text-to-image model: a standard Stable Diffusion pipeline, its text encoder trained with it.

v-prediction (Salimans & Ho 2022) on a cosine schedule, with min-SNR weights (Hang et al. 2023) and
captions dropped one time in ten for classifier-free guidance (Ho & Salimans 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from attribution.models.loss_weights import RECORDED
from attribution.rng import gaussian, generator
from demo.sizes import Sizes
from training.loop import Recipe

LATENT_SIDE = 16
CAPTION_DROP = 0.1
MIN_SNR_GAMMA = 5.0
RECIPE = Recipe(steps=7_500, batch=32, learning_rate=1.5e-3, decay_from=0.55, ema=0.999)


def new_scheduler() -> DDPMScheduler:
    """The noise schedule, saved with the pipeline.

    `clip_sample` is True by default and would clip *latents* to [-1, 1]: grey crystals. It also says how
    the loss was weighed, which attribution reads there.
    """
    scheduler = DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        steps_offset=1,  # unused by "trailing"; a pipeline warns of any other value
    )
    scheduler.register_to_config(**{RECORDED: f"min-snr:{MIN_SNR_GAMMA:g}"})
    return scheduler


class Denoiser(nn.Module):
    """The two networks that are trained together. `seed` decides their initial weights."""

    def __init__(self, sizes: Sizes, latent_channels: int, tokenizer: CLIPTokenizer, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)  # diffusers draws initial weights from the global generator
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=sizes.text_width,
                intermediate_size=4 * sizes.text_width,
                num_hidden_layers=sizes.text_layers,
                num_attention_heads=max(1, sizes.text_width // 32),
                max_position_embeddings=tokenizer.model_max_length,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        channels = sizes.unet_channels
        lower = len(channels) - 1  # cross-attention on every level but the first
        self.unet = UNet2DConditionModel(
            sample_size=LATENT_SIDE,
            in_channels=latent_channels,
            out_channels=latent_channels,
            layers_per_block=1,
            block_out_channels=channels,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * lower),
            up_block_types=(*["CrossAttnUpBlock2D"] * lower, "UpBlock2D"),
            cross_attention_dim=sizes.text_width,
            attention_head_dim=4,  # diffusers reads this as the number of heads
            norm_num_groups=16,
        )

    @classmethod
    def of(cls, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> Denoiser:
        """Two networks that are trained already, to be trained on."""
        denoiser = cls.__new__(cls)
        nn.Module.__init__(denoiser)
        denoiser.unet, denoiser.text_encoder = unet, text_encoder
        return denoiser

    def forward(
        self,
        noisy: Float[Tensor, "n c h w"],
        timesteps: Int[Tensor, " n"],
        tokens: Int[Tensor, "n length"],
    ) -> Float[Tensor, "n c h w"]:
        embeddings = self.text_encoder(tokens).last_hidden_state
        prediction: Tensor = self.unet(noisy, timesteps, embeddings).sample
        return prediction


class DenoisingLoss:
    """The loss of one step. Timestep, noise and dropped caption belong to (seed, step, example)."""

    def __init__(
        self,
        model: Denoiser,
        latents: Float[Tensor, "n c h w"],
        tokens: Int[Tensor, "n length"],
        empty: Int[Tensor, " length"],
        ids: Sequence[str],
        recipe: Recipe,
    ):
        self.model, self.latents, self.tokens, self.empty = model, latents, tokens, empty
        self.ids, self.recipe = ids, recipe
        self.scheduler = new_scheduler()
        signal = self.scheduler.alphas_cumprod
        snr = signal / (1 - signal)
        self.weights = snr.clamp(max=MIN_SNR_GAMMA) / (snr + 1)  # min-SNR for v-prediction

    def __call__(self, step: int, rows: Sequence[int]) -> Tensor:
        device = next(self.model.parameters()).device
        inputs = (value.to(device) for value in self.inputs(step, rows))
        return loss_of_each(self.model, *inputs).mean()

    def inputs(self, step: int, rows: Sequence[int]) -> tuple[Tensor, ...]:
        """What `loss_of_each` is given of a batch, on the CPU."""
        clean, tokens = self.latents[list(rows)], self.tokens[list(rows)].clone()
        noise = torch.stack(
            [gaussian(self.recipe.seed, "train", self.ids[r], step, clean.shape[1:]) for r in rows]
        )
        draws = [generator(self.recipe.seed, "timestep", self.ids[r], step) for r in rows]
        timesteps = torch.tensor([int(rng.integers(len(self.weights))) for rng in draws])
        dropped = torch.tensor([rng.random() < CAPTION_DROP for rng in draws])
        tokens[dropped] = self.empty
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        target = self.scheduler.get_velocity(clean, noise, timesteps)
        return noisy, timesteps, tokens, target, self.weights[timesteps]


def loss_of_each(
    model: Denoiser,
    noisy: Float[Tensor, "n c h w"],
    timesteps: Int[Tensor, " n"],
    tokens: Int[Tensor, "n length"],
    target: Float[Tensor, "n c h w"],
    weights: Float[Tensor, " n"],
) -> Float[Tensor, " n"]:
    """The weighted loss of each example of a batch."""
    errors = (model(noisy, timesteps, tokens) - target).square().mean(dim=(1, 2, 3))
    losses: Tensor = errors * weights
    return losses


def loss_on_scenes(
    model: Denoiser,
    latents: Float[Tensor, "n c h w"],
    tokenizer: CLIPTokenizer,
    rows: Sequence[Mapping[str, Any]],
    recipe: Recipe,
) -> DenoisingLoss:
    """The loss over the world's scenes. `rows` are the lines of their metadata, in order."""
    captions, empty = tokenize(tokenizer, [row["text"] for row in rows]), tokenize(tokenizer, [""])[0]
    return DenoisingLoss(model, latents, captions, empty, [row["id"] for row in rows], recipe)


def tokenize(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Int[Tensor, "n length"]:
    """Token ids, padded and cut to the tokenizer's length, as the pipeline does."""
    ids: Tensor = tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids
