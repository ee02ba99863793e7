"""The options of `python -m demo`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from cli.commands import program_name
from cli.parser import Parser, positive_count
from demo import diffusion
from demo.customise.commands import new_glyphs
from demo.customise.finetuning import Way
from demo.customise.shipped import SHIPPED
from demo.quality import Generation

ASSETS, TAUGHT = Path("assets/demo"), Path("build/customised")


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


def parser(
    description: str, commands_of: Mapping[str, Callable[[argparse.Namespace], None]]
) -> argparse.ArgumentParser:
    """The command line: one subcommand a step, each described by what it does."""
    top = Parser(prog=program_name("demo"), description=description)
    commands = top.add_subparsers(dest="command", required=True, metavar="|".join(commands_of))
    for name, action in commands_of.items():
        sub = commands.add_parser(name, help=action.__doc__, description=action.__doc__)
        if name == "glyphs":
            sub.add_argument(
                "--font", type=existing_file, required=True, metavar="FILE", help="NotoColorEmoji.ttf"
            )
            sub.add_argument("--out", type=Path, metavar="DIR", help=f"default: {ASSETS / 'glyphs'}")
            continue
        if name in OWN_OPTIONS:
            OWN_OPTIONS[name](sub)
            continue
        sub.add_argument(
            "--out", type=Path, default=ASSETS, metavar="DIR", help=f"the world's folder (default {ASSETS})"
        )
        sub.add_argument(
            "--scenes", type=at_least_two, default=3_000, metavar="N", help="how many (default %(default)s)"
        )
        if name in ("scenes", "train", "build"):
            sub.add_argument(
                "--tiny", action="store_true", help="the tiny world of the tests: small, barely trained"
            )
        if name in ("train", "build", "quality"):
            _add_training(sub)
        if name in ("train", "build"):
            _add_stages(sub)
        if name == "quality":
            _add_quality(sub)
    return top


def _add_training(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", metavar="cpu|cuda", help="default: cuda if there is one")
    sub.add_argument(
        "--effort",
        type=positive_share,
        default=1.0,
        help="share of each recipe's training steps (default 1)",
    )


def _add_stages(sub: argparse.ArgumentParser) -> None:
    words = "a file of scene ids, one a line, that no model may learn from"
    sub.add_argument("--leave-out", type=existing_file, metavar="FILE", help=words)
    stages = [stage.value for stage in Stage]
    words = f"just this stage, of {', '.join(stages)}; may be given several times"
    sub.add_argument("--only", action="append", choices=stages, metavar="STAGE", help=words)


def _add_retraining(sub: argparse.ArgumentParser) -> None:
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR", help="the new pipeline's folder")
    words = "several on one GPU, listed as [{left_out: FILE, seed: S, model: DIR}, ...]"
    what.add_argument("--together", type=existing_file, metavar="JOBS.json", help=words)
    words = "how many of them at the same time (default 24)"
    sub.add_argument("--at-once", type=positive_count, default=24, metavar="N", help=words)
    words = "a file of scene ids, one a line, that the denoiser may not learn from"
    sub.add_argument("--leave-out", type=existing_file, metavar="FILE", help=words)
    words = "of initial weights, batches and noise (default 0, the shipped model's)"
    sub.add_argument("--seed", type=int, default=0, metavar="S", help=words)
    steps = diffusion.RECIPE.steps
    words = f"the shipped recipe, stretched or shrunk to so many (default {steps})"
    sub.add_argument("--steps", type=positive_count, default=steps, metavar="N", help=words)
    words = "what a stopped training goes on from (default: beside --out)"
    sub.add_argument("--checkpoints", type=Path, metavar="DIR", help=words)
    words = f"the world whose scenes, autoencoder and tokenizer are used (default {ASSETS})"
    sub.add_argument("--world", type=Path, default=ASSETS, metavar="DIR", help=words)
    sub.add_argument("--tiny", action="store_true", help="a denoiser of the tiny world's size")
    sub.add_argument("--device", default="cpu", metavar="cpu|cuda")
    sub.add_argument("--threads", type=positive_count, default=1, metavar="N", help="(default 1)")


def _add_judging(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="a folder of PNG files")
    sub.add_argument("--out", type=Path, metavar="FILE", help="default: print it")
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--judge", type=Path, metavar="DIR", help="default: beside the checkpoints")
    words = "ask the judge that knows the new concepts too"
    which.add_argument("--concepts", action="store_true", help=words)


def _add_exemplars(sub: argparse.ArgumentParser) -> None:
    _add_concepts(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    words = "so many of the world's own beside them, at random (default 0)"
    sub.add_argument("--scenes", type=int, default=0, metavar="N", help=words)


def _add_concepts(sub: argparse.ArgumentParser, default: str = "all") -> None:
    sub.add_argument("concepts", nargs="*", metavar="CONCEPT", help=f"such as dinosaur; default: {default}")
    words = f"of the new objects (default {new_glyphs(ASSETS)})"
    sub.add_argument("--glyphs", type=Path, default=new_glyphs(ASSETS), metavar="DIR", help=words)


def _add_customising(sub: argparse.ArgumentParser) -> None:
    _add_concepts(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    ways = [way.value for way in Way]
    words = f"of {', '.join(ways)} (default %(default)s)"
    sub.add_argument("--way", type=Way, choices=ways, default=Way.DREAMBOOTH, metavar="WAY", help=words)
    _add_teaching(sub)


def _add_pairs(sub: argparse.ArgumentParser) -> None:
    _add_concepts(sub, "those that are for learning alone")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    words = f"customised models, by way and concept (default {TAUGHT})"
    sub.add_argument("--taught", type=Path, default=TAUGHT, metavar="DIR", help=words)
    sub.add_argument("--way", type=Way, choices=list(Way), default=Way.DREAMBOOTH, metavar="WAY")
    words = "of the world's own beside them, at random (default %(default)s)"
    sub.add_argument("--scenes", type=int, default=1000, metavar="N", help=words)
    sub.add_argument("--world", type=Path, default=ASSETS, metavar="DIR")
    sub.add_argument("--threads", type=positive_count, default=1, metavar="N", help="(default 1)")


def _add_shipping(sub: argparse.ArgumentParser) -> None:
    _add_concepts(sub, ", ".join(SHIPPED))
    words = f"of models taught by DreamBooth, which are taught if they are not there (default {TAUGHT})"
    sub.add_argument("--out", type=Path, default=TAUGHT, metavar="DIR", help=words)
    _add_teaching(sub)


def _add_teaching(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=int, default=0, metavar="S", help="of noise and order (default 0)")
    words = "share of the recipe's steps (default 1)"
    sub.add_argument("--effort", type=positive_share, default=1.0, metavar="X", help=words)
    words = f"the world whose model is taught, and whose scenes it goes on seeing (default {ASSETS})"
    sub.add_argument("--world", type=Path, default=ASSETS, metavar="DIR", help=words)
    sub.add_argument("--threads", type=positive_count, default=1, metavar="N", help="(default 1)")


def _add_concept_judge(sub: argparse.ArgumentParser) -> None:
    words = f"of the new objects (default {new_glyphs(ASSETS)})"
    sub.add_argument("--glyphs", type=Path, default=new_glyphs(ASSETS), metavar="DIR", help=words)
    sub.add_argument("--out", type=Path, metavar="DIR", help="default: beside the world's own judge")
    words = "share of the recipe's steps (default 1)"
    sub.add_argument("--effort", type=positive_share, default=1.0, metavar="X", help=words)
    sub.add_argument("--threads", type=positive_count, default=1, metavar="N", help="(default 1)")


OWN_OPTIONS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "retrain": _add_retraining,
    "judge": _add_judging,
    "exemplars": _add_exemplars,
    "customise": _add_customising,
    "pairs": _add_pairs,
    "ship-customised": _add_shipping,
    "concept-judge": _add_concept_judge,
}


def _add_quality(sub: argparse.ArgumentParser) -> None:
    standard = Generation()
    count, steps, guidance = standard.pictures, standard.steps, standard.guidance
    words = f"generated pictures of each kind (default {count})"
    sub.add_argument("--pictures", type=positive_count, default=count, metavar="N", help=words)
    words = f"steps a picture (default {steps})"
    sub.add_argument("--steps", type=positive_count, default=steps, metavar="N", help=words)
    words = f"how closely pictures follow their prompt (default {guidance:g})"
    sub.add_argument("--guidance", type=float, default=guidance, help=words)
    measures = [measure.value for measure in Measure]
    words = f"just this, of {', '.join(measures)}; may be given several times"
    sub.add_argument("--only", action="append", choices=measures, metavar="MEASURE", help=words)


def existing_file(text: str) -> Path:
    """A type of arguments: a file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def at_least_two(text: str) -> int:
    """A type of arguments: so many scenes that there is a batch of them."""
    if int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} is not at least 2")
    return int(text)


def positive_share(text: str) -> float:
    """A type of arguments: a number above zero."""
    if float(text) < 0.0001:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0.0001")
    return float(text)
