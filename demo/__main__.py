"""Remake the embedded world, step by step or whole; every stage is taken up where it stopped.

python -m demo build                    # everything: scenes, models, encoders, judge, figures
python -m demo train --only clip        # one stage
python -m demo build --tiny --out tests/worlds/tiny
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer

from demo.build import STAGES, Progress
from demo.glyphs import render_glyphs
from demo.quality import Generation, write_card
from demo.sizes import DEFAULT, TINY
from demo.world import World

ASSETS = Path("assets/demo")
TINY_SCENES = 96
TINY_EFFORT = 0.02

TRAINED = [stage for stage in STAGES if stage not in ("scenes", "workspace")]

app = typer.Typer(add_completion=False, no_args_is_help=True, help=(__doc__ or "").splitlines()[0])


class Stage(StrEnum):
    SCENES = "scenes"
    CLIP = "clip"
    DINO = "dino"
    AUTOENCODER = "autoencoder"
    DIFFUSION = "diffusion"
    JUDGE = "judge"
    WORKSPACE = "workspace"


class Measure(StrEnum):
    AUTOENCODER = "autoencoder"
    CLIP = "clip"
    DINO = "dino"
    JUDGE = "judge"
    PICTURES = "pictures"


Out = Annotated[Path, typer.Option(help="The world's folder.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; by default cuda if there is one.")]
LeaveOut = Annotated[
    Path | None,
    typer.Option(help="A file of scene ids, one a line, that no model may learn from.", exists=True),
]
Effort = Annotated[float, typer.Option(help="Share of each recipe's training steps.", min=0.0001)]
Scenes = Annotated[int, typer.Option(help="How many training scenes.", min=2)]
Only = Annotated[list[Stage] | None, typer.Option(help="Just this stage; may be given several times.")]
Tiny = Annotated[bool, typer.Option("--tiny", help="The tiny world of the tests: small, barely trained.")]


def world_of(
    out: Path = ASSETS,
    device: str | None = None,
    leave_out: Path | None = None,
    effort: float = 1.0,
    scenes: int = 3_000,
    tiny: bool = False,
) -> World:
    """The world that the options describe. Its name, so its checkpoints, follows from what matters."""
    left_out = frozenset(leave_out.read_text(encoding="utf-8").split()) if leave_out else frozenset()
    if tiny:
        effort, scenes = effort * TINY_EFFORT, min(scenes, TINY_SCENES)
    world = World(
        name="demo",
        folder=out,
        glyphs=ASSETS / "glyphs",
        scenes=scenes,
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
        effort=effort,
        sizes=TINY if tiny else DEFAULT,
        left_out=left_out,
    )
    matters = (scenes, effort, world.sizes, sorted(left_out))
    if matters == (3_000, 1.0, DEFAULT, []):
        return world
    digest = hashlib.sha256(repr(matters).encode()).hexdigest()[:8]
    return replace(world, name=f"{'tiny' if tiny else 'demo'}-{digest}")


def watch(progress: Progress) -> None:
    """Run a stage to its end, telling how far it is and how long it will take."""
    live = sys.stderr.isatty()
    every = 0.2 if live else 15.0
    stage, first, started, told = "", 0, time.monotonic(), 0.0
    for name, done, total, note in progress:
        now = time.monotonic()
        if name != stage:
            stage, first, started, told = name, done, now, 0.0
        if now - told < every and done < total:
            continue
        told = now
        rate = (done - first) / max(now - started, 1e-9)
        left = f"{(total - done) / rate / 60:.1f} min left" if rate > 0 else "..."
        line = f"{name}: {done}/{total}  {rate:.1f}/s  {left}  {note}"
        sys.stderr.write(f"\r{line:<100}" if live else f"{line}\n")
        if live and done == total:
            sys.stderr.write("\n")
        sys.stderr.flush()


def run(world: World, stages: list[str]) -> None:
    for stage in stages:
        watch(STAGES[stage](world))


@app.command("scenes")
def scenes_command(out: Out = ASSETS, scenes: Scenes = 3_000, tiny: Tiny = False) -> None:
    """Draw the training scenes."""
    run(world_of(out, scenes=scenes, tiny=tiny), ["scenes"])


@app.command()
def train(
    out: Out = ASSETS,
    device: Device = None,
    leave_out: LeaveOut = None,
    effort: Effort = 1.0,
    scenes: Scenes = 3_000,
    only: Only = None,
    tiny: Tiny = False,
) -> None:
    """Train what is not yet trained."""
    world = world_of(out, device, leave_out, effort, scenes, tiny)
    chosen = [stage.value for stage in only] if only else list(STAGES)
    run(world, ["scenes", *(stage for stage in TRAINED if stage in chosen)])


@app.command()
def build(
    out: Out = ASSETS,
    device: Device = None,
    leave_out: LeaveOut = None,
    effort: Effort = 1.0,
    scenes: Scenes = 3_000,
    only: Only = None,
    tiny: Tiny = False,
) -> None:
    """Everything: scenes, models and, but for the tiny world, the judge and the figures."""
    world = world_of(out, device, leave_out, effort, scenes, tiny)
    chosen = [stage.value for stage in only] if only else list(STAGES)
    if tiny and not only:
        chosen.remove("judge")
    run(world, [stage for stage in STAGES if stage in chosen])
    if not tiny and not only:
        watch(write_card(world, Generation()))


@app.command()
def glyphs(
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf", exists=True)],
    out: Annotated[Path, typer.Option(help="Where the glyphs go.")] = ASSETS / "glyphs",
) -> None:
    """Render the object glyphs from the font. The shipped ones make this unnecessary."""
    render_glyphs(font, out)


@app.command()
def quality(
    out: Out = ASSETS,
    device: Device = None,
    scenes: Scenes = 3_000,
    effort: Effort = 1.0,
    pictures: Annotated[int, typer.Option(help="Generated pictures of each kind.", min=1)] = 200,
    steps: Annotated[int, typer.Option(help="Steps a picture.", min=1)] = 30,
    guidance: Annotated[float, typer.Option(help="How closely pictures follow their prompt.")] = 3.0,
    only: Annotated[list[Measure] | None, typer.Option(help="Just this; may be repeated.")] = None,
) -> None:
    """Measure everything and write the model card."""
    world = world_of(out, device, None, effort, scenes)
    chosen = [measure.value for measure in only] if only else None
    watch(write_card(world, Generation(pictures, steps, guidance), chosen))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
