"""The model card and the sheet of samples, written from the figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from demo import autoencoder, clip, diffusion, dino
from demo.build import World
from demo.vocabulary import GROUNDS, OBJECTS, STYLES
from training.loop import Recipe

CELL, LABEL, COLUMNS = 128, 40, 8  # pixels, pixels, pictures a row


def sheet(samples: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures over their captions, eight a row."""
    rows = -(-len(samples) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + LABEL)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=10)
    for k, (caption, picture) in enumerate(samples):
        x, y = k % COLUMNS * CELL, k // COLUMNS * (CELL + LABEL)
        page.paste(picture.resize((CELL, CELL), Image.Resampling.NEAREST), (x, y))
        lines = textwrap.wrap(caption, 25)[:3]
        draw.multiline_text((x + 3, y + CELL), "\n".join(lines), fill="black", font=font, spacing=0)
    return page


def card(world: World, figures: dict[str, Any]) -> str:
    """The text of README.md."""
    made = figures["pictures"]
    seen, unseen = made["seen"], made["unseen"]
    vae, matching, encoders = figures["autoencoder"], figures["clip"], figures["dino"]
    judged = figures["judge"]
    how = f"num_inference_steps={made['steps']}, guidance_scale={made['guidance']:g}"
    recipes = [
        ("autoencoder", autoencoder.RECIPE),
        ("U-Net and text encoder", diffusion.RECIPE),
        ("CLIP", clip.RECIPE),
        ("DINO", dino.RECIPE),
    ]
    return f"""---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
tags: [stable-diffusion, training-data-attribution]
---

# Emoji scenes: the model of Whence's embedded world

A very small text-to-image model in the standard form of a Stable Diffusion pipeline, trained from
nothing on {len(world.rows):,} drawn scenes whose objects and places are known. It exists so that
training-data attribution can be tried, and checked, on a laptop.

![The first 32 samples of seen and of unseen pairs; none was chosen](samples.png)

## How to load it

```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("assets/demo/model")
pipeline("a motorcycle and a stop sign on a road", {how}).images[0]
```

No code of ours is needed. It knows {len(OBJECTS)} objects ({", ".join(OBJECTS)}), {len(GROUNDS)} grounds
({", ".join(GROUNDS)}) and {len(STYLES)} styles ({", ".join(STYLES)}). A caption is `[object] on [ground]`
or `[object] and [object] on [ground]`, the first named on the left, then perhaps `, in pixel art` or
`, as a vintage photo`.

## How it was trained

`python -m demo build` does all of it again; every stage can be interrupted. Batches, views, noise and
timesteps are functions of (seed, step, example), so that the same command with `--leave-out` is the
same experiment without some scenes. Seed {world.seed}.

| | steps | batch | learning rate |
|---|---|---|---|
{chr(10).join(_recipe_row(name, world.recipe(recipe)) for name, recipe in recipes)}

The autoencoder makes 64 x 64 x 3 into 16 x 16 x 4; the U-Net predicts v on a cosine schedule with
min-SNR weights, captions dropped one time in ten. `clip_sample` is off in the saved schedule: the
default would clip latents and turn every picture into grey crystals. The two encoders beside the model
(`../encoders`) were trained on the same scenes; they are what attribution is compared with.
{_notes(world)}
## Figures

Measured by `python -m demo quality` on scenes and captions that no model was trained on.

**Autoencoder.** {vae["psnr_mean_db"]:.2f} dB PSNR, the mean of {vae["scenes"]} whole held-out scenes
(lowest {vae["psnr_lowest_db"]:.2f} dB).

**Pictures.** An independent judge looks for what the prompt named. Seen pairs stand together in some
training scene, mostly on another ground or the other way round; unseen pairs never do. Styles as they
come; picture k has seed k; `{how}`.

| of {seen["pictures"]} and {unseen["pictures"]} pictures | seen pairs | unseen pairs |
|---|---|---|
{_rows(seen, unseen)}

Hardest object: {_hardest(seen)} (seen pairs), {_hardest(unseen)} (unseen pairs). The standard
error of a share near 0.9 is 0.02.

**The judge** was asked about {judged["scenes"]:,} held-out scenes of either kind, passed through the
autoencoder. It was right in {_judge_row(judged["heldout"])} of those of
known pairs and in {_judge_row(judged["unseen"])} of the others.

**CLIP.** Image to caption among {matching["captions"]} distinct held-out captions: recall@1
{matching["recall_at_1"]:.3f}, @5 {matching["recall_at_5"]:.3f}, @10 {matching["recall_at_10"]:.3f}.

**DINO.** Share of neighbours that show an object of one of {encoders["scenes"]} held-out scenes;
by chance {encoders["chance"]:.3f}. Its vectors are the class token and pooled patch tokens, whitened over
the training scenes; that read-out was chosen by cross-validation among training scenes alone.

| | nearest training scene | ten nearest | nearest other held-out scene | ten nearest |
|---|---|---|---|---|
{_neighbour_row("DINO", encoders["dino"])}
{_neighbour_row("DINO, class token alone", encoders["class_token"])}
{_neighbour_row("pixels", encoders["pixel"])}
{_neighbour_row("pixels (16 x 16), whitened likewise", encoders["whitened_pixel"])}

Drawn scenes favour whitening: glyphs that never change are found again by their very pixels, so that
whitened pixels do better still. It is a weak DINO, and no evidence of what DINO does on photographs.

## Limits

It draws emoji on seven grounds and nothing else; words it does not know are spelt out and mean nothing
to it. Pictures are soft, objects stand where the training scenes put them, and two objects of a kind or
three of any were never shown to it. The glyphs are Noto Color Emoji (SIL Open Font License 1.1), the
code and weights Apache-2.0.
"""


def _notes(world: World) -> str:
    """What happened in training that the recipe does not say; written by hand, if anything did."""
    path = world.folder / "training-notes.md"
    return f"\n{path.read_text(encoding='utf-8')}" if path.exists() else ""


def _recipe_row(name: str, recipe: Recipe) -> str:
    return f"| {name} | {recipe.steps:,} | {recipe.batch} | {recipe.learning_rate:g} |"


def _rows(seen: dict[str, Any], unseen: dict[str, Any]) -> str:
    names = {
        "object": "object, in its place",
        "object_on_either_side": "object, on either side",
        "left": "left object",
        "right": "right object",
        "ground": "ground",
        "style": "style",
        "all": "both objects and ground",
        "all_of_plain": "the same, without a style",
        "all_of_styled": "the same, with a style",
    }
    return "\n".join(f"| {label} | {seen[key]:.3f} | {unseen[key]:.3f} |" for key, label in names.items())


def _hardest(figures: dict[str, Any]) -> str:
    hardest = figures["hardest_object"]
    return f"{hardest['name']}, {hardest['right']:.2f} of {hardest['of']}"


def _judge_row(right: dict[str, Any]) -> str:
    return ", ".join(f"{right[name]:.3f} ({name})" for name in ("left", "right", "ground", "style"))


def _neighbour_row(name: str, figures: dict[str, float]) -> str:
    keys = ("training_at_1", "training_at_10", "held_out_at_1", "held_out_at_10")
    return f"| {name} | {' | '.join(f'{figures[key]:.3f}' for key in keys)} |"
