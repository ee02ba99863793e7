"""Remake the embedded world, step by step or whole; every stage is taken up where it stopped.

python -m demo build                    # everything: scenes, models, encoders, judge, figures
python -m demo train --only clip        # one stage
python -m demo build --tiny --out tests/worlds/tiny
python -m demo retrain --leave-out ids.txt --seed 0 --steps 2500 --out build/counterfactual
python -m demo judge --pictures FOLDER  # what pictures show, as JSON
python -m demo customise dinosaur --way lora --out build/customised
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cli.environment import prepare

prepare(__name__, offline=True)

import numpy as np
import torch

from attribution.data.images import read_image
from attribution.errors import ImageError, ModelError
from cli.status import exit_status, exit_with
from demo.arguments import ASSETS, parser
from demo.build import STAGES, Progress
from demo.customise import commands as customising
from demo.customise.commands import new_glyphs
from demo.customise.concepts import NEW_OBJECTS
from demo.glyphs import render_glyphs
from demo.judge import likely_answers, load_judge
from demo.quality import Generation, write_card
from demo.retrain import Retraining
from demo.retrain_together import Group, read_jobs
from demo.scenes import SIZE
from demo.sizes import DEFAULT, TINY
from demo.world import World

TINY_SCENES = 96
TINY_EFFORT = 0.02

TRAINED = [stage for stage in STAGES if stage not in ("scenes", "workspace")]


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


def scenes(given: argparse.Namespace) -> None:
    """Draw the training scenes."""
    run(world_of(given.out, scenes=given.scenes, tiny=given.tiny), ["scenes"])


def train(given: argparse.Namespace) -> None:
    """Train what is not yet trained."""
    chosen = given.only or list(STAGES)
    run(_world(given), ["scenes", *(stage for stage in TRAINED if stage in chosen)])


def build(given: argparse.Namespace) -> None:
    """Make everything: scenes, models and, but for the tiny world, the judge and the figures."""
    world = _world(given)
    chosen = given.only or [stage for stage in STAGES if not (given.tiny and stage == "judge")]
    run(world, [stage for stage in STAGES if stage in chosen])
    if not given.tiny and not given.only:
        watch(write_card(world, Generation()))


def glyphs(given: argparse.Namespace) -> None:
    """Render the object glyphs from the font. The shipped ones make this unnecessary."""
    render_glyphs(given.font, given.out or ASSETS / "glyphs")
    render_glyphs(given.font, new_glyphs(given.out or ASSETS), NEW_OBJECTS)


def quality(given: argparse.Namespace) -> None:
    """Measure everything and write the model card."""
    world = world_of(given.out, given.device, None, given.effort, given.scenes)
    watch(write_card(world, Generation(given.pictures, given.steps, given.guidance), given.only))


def retrain(given: argparse.Namespace) -> None:
    """Train just the denoiser from scratch without some scenes, on the world's own autoencoder."""
    torch.set_num_threads(given.threads)
    world = world_of(given.world, given.device, given.leave_out)
    world = replace(world, name="retraining", sizes=TINY if given.tiny else DEFAULT)
    out = given.out or given.together.with_suffix("")
    checkpoints = given.checkpoints or out.with_name(f"{out.name}.checkpoints")
    alone = Retraining(world, given.seed, given.steps, out, checkpoints)
    if given.together is None:
        watch(alone.run())
    else:
        watch(Group(read_jobs(given.together, alone), given.at_once).run())


def judge(given: argparse.Namespace) -> None:
    """Say what the pictures in a folder show: how likely each answer is, as JSON."""
    torch.set_num_threads(1)
    world = world_of()
    usual = customising.judge_folder(world) if given.concepts else world.judge_folder
    folder = given.judge or usual
    if not (folder / "config.json").exists():
        command = "concept-judge" if given.concepts else "train --only judge"
        raise ModelError(f"there is no judge yet: train it with `python -m demo {command}`")
    paths = sorted(given.pictures.glob("*.png"))
    if not paths:
        raise ImageError(f"{given.pictures} has no pictures: give a folder of PNG files")
    pixels = np.stack([np.asarray(read_image(path)[0].resize((SIZE, SIZE))) for path in paths])
    answers = likely_answers(load_judge(folder), pixels)
    text = json.dumps(dict(zip([path.name for path in paths], answers, strict=True)), indent=1) + "\n"
    if given.out is None:
        print(text, end="")
    else:
        given.out.write_text(text, encoding="utf-8")


def exemplars(given: argparse.Namespace) -> None:
    """Write the pictures that new concepts are taught by, as an image folder."""
    customising.exemplars(given, world_of())


def customise(given: argparse.Namespace) -> None:
    """Teach copies of the world's model a new concept each, from one to five exemplars."""
    customising.customise(given, world_of(given.world), watch)


def pairs(given: argparse.Namespace) -> None:
    """Make pictures with models that were taught a concept: what `precompute heads` tunes by."""
    customising.pairs(given, world_of(given.world), watch)


def ship_customised(given: argparse.Namespace) -> None:
    """Make the customised models that are shipped, each an adapter with a workspace of its own."""
    customising.shipped(given, world_of(given.world), watch)


def concept_judge(given: argparse.Namespace) -> None:
    """Train what says whether a picture shows a new concept, for `judge --judge`."""
    customising.concept_judge(given, world_of(effort=given.effort), watch)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "scenes": scenes,
    "train": train,
    "build": build,
    "glyphs": glyphs,
    "quality": quality,
    "retrain": retrain,
    "judge": judge,
    "exemplars": exemplars,
    "customise": customise,
    "pairs": pairs,
    "ship-customised": ship_customised,
    "concept-judge": concept_judge,
}


def _world(given: argparse.Namespace) -> World:
    return world_of(given.out, given.device, given.leave_out, given.effort, given.scenes, given.tiny)


def main(arguments: list[str] | None = None) -> int:
    """Run one step; returns the exit status."""
    given = parser((__doc__ or "").splitlines()[0], COMMANDS).parse_args(arguments)
    return exit_status(
        lambda: COMMANDS[given.command](given), stopped="stopped; run the same command again to continue"
    )


if __name__ == "__main__":
    exit_with(main)
