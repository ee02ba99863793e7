"""What `python -m evaluation retraining` and `report` take."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from attribution.methods.base import methods
from cli.parser import Parser, positive_count
from evaluation.retraining import commands
from evaluation.retraining.panel import Wanted
from evaluation.retraining.plans import KINDS, Choices
from evaluation.score_variants import VARIANTS

COMMITTED, WORK = Path("docs/evaluation/retraining"), Path("build/retraining")
DOCUMENT = Path("docs/EVIDENCE.md")
NICE = 15  # of at most 19: whatever else the machine does comes first


def add_retraining(top: argparse._SubParsersAction[Parser]) -> None:
    """Declare both commands; each sets `action` to what does it."""
    words = "models trained again without images that attributions name"
    verbs = top.add_parser("retraining", help=words, description=words).add_subparsers(
        required=True, metavar="|".join(commands.VERBS)
    )
    add = {"train": _train, "panel": _panel, "attribute": _attribute, "plan": _plan, "run": _run}
    add |= {"vary": _vary, "status": _status, "measure": _measure, "prove": _prove}
    for name, action in commands.VERBS.items():
        verb = verbs.add_parser(name, help=action.__doc__, description=action.__doc__)
        verb.set_defaults(action=action)
        add[name](verb)
    words = f"write {DOCUMENT} from the committed records of retrainings"
    report = top.add_parser("report", help=words, description=words)
    report.set_defaults(action=commands.report)
    _folder(report)
    report.add_argument("--out", type=Path, default=DOCUMENT, metavar="FILE")
    words = "write the figures that are quoted beside answers into this workspace too"
    report.add_argument("--quote", type=Path, metavar="WORKSPACE", help=words)
    words = "put what it says in brief into this document too, between its `evidence` marks"
    report.add_argument("--into", type=Path, metavar="FILE", help=words)


def _folder(verb: argparse.ArgumentParser) -> None:
    words = f"of panels, plans, attributions and records (default {COMMITTED})"
    verb.add_argument("--folder", type=Path, default=COMMITTED, metavar="DIR", help=words)


def _working(verb: argparse.ArgumentParser) -> None:
    _folder(verb)
    words = f"of checkpoints, models and logs (default {WORK})"
    verb.add_argument("--work", type=Path, default=WORK, metavar="DIR", help=words)
    verb.add_argument("--device", default="cpu", metavar="cpu|cuda")
    words = f"added to the priority, 0 to 19: the more, the lower (default {NICE})"
    verb.add_argument("--nice", type=int, default=NICE, metavar="N", help=words)


def _train(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    verb.add_argument("--seed", type=int, default=0, metavar="S")
    _working(verb)


def _counts(verb: argparse.ArgumentParser, words_of: Mapping[str, str], usual: object) -> None:
    """Flags that are counts, each with the default that `usual` has under its name."""
    for name, words in words_of.items():
        default = getattr(usual, name)
        words = f"{words} (default {default})"
        verb.add_argument(f"--{name}", type=positive_count, default=default, metavar="N", help=words)


def _panel(verb: argparse.ArgumentParser) -> None:
    usual = Wanted()
    words = (
        "prompts of your own, one a line, instead of some that are drawn from the training set's objects"
    )
    files = ("TARGETS.txt", "CONTROLS.txt")
    verb.add_argument("--prompts", type=Path, nargs=2, metavar=files, help=words)
    verb.add_argument(
        "--model", required=True, metavar="FOLDER", help="a pipeline, which makes the pictures"
    )
    verb.add_argument("--dataset", type=Path, required=True, metavar="DIR", help="its training set")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="named as the panel shall be")
    counts = {
        "targets": "pictures of objects that no other target shows",
        "controls": "pictures of none of their objects",
        "timesteps": "at which losses are measured; must divide the model's",
        "noises": "at each of them",
        "steps": "of making a picture",
    }
    _counts(verb, counts, usual)
    verb.add_argument("--guidance", type=float, default=usual.guidance, metavar="G")
    verb.add_argument("--seed", type=int, default=usual.seed, metavar="S", help="of prompts and noise")
    verb.add_argument("--device", default="cpu", metavar="cpu|cuda")


def _attribute(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--panel", type=Path, required=True, metavar="DIR")
    verb.add_argument("--workspace", type=Path, required=True, metavar="DIR")
    words = "what the answers are kept under: reference, or shipped for the model that is compared with it"
    verb.add_argument("--name", default="reference", metavar="NAME", help=words)
    every = list(methods())
    verb.add_argument("--methods", nargs="+", default=every, metavar="METHOD", help="default: all")
    words = (
        "of whole pictures: exhaustive scores every image, which lds needs (default); refined takes minutes"
    )
    verb.add_argument("--effort", choices=["exhaustive", "refined"], default="exhaustive", help=words)
    words = "ask about both halves of the targets too"
    verb.add_argument("--boxed", action="store_true", help=words)
    _working(verb)


def _vary(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--panel", type=Path, required=True, metavar="DIR")
    verb.add_argument("--workspace", type=Path, required=True, metavar="DIR", help="the reference's")
    names = [variant.name for variant in VARIANTS]
    words = "as `python -m evaluation score` has them (default: all)"
    verb.add_argument("--variants", nargs="+", default=names, metavar="NAME", help=words)
    words = "at which each training image is measured, one noise at each (default 4)"
    verb.add_argument("--timesteps", type=positive_count, default=4, metavar="N", help=words)
    _working(verb)


def _plan(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("kind", choices=list(KINDS), metavar="|".join(KINDS))
    verb.add_argument("--recipe", type=Path, required=True, metavar="RECIPE.toml")
    verb.add_argument("--panel", type=Path, required=True, metavar="DIR")
    words = "answers of this name (see `attribute --name`) say what is removed"
    verb.add_argument("--attributions", metavar="NAME", help=words)
    verb.add_argument("--methods", nargs="+", metavar="METHOD", help="default: all that were asked")
    usual = Choices(Path(), Path())
    words = f"images removed a picture; several may be given (default {usual.k[0]})"
    verb.add_argument("--k", nargs="+", type=positive_count, default=usual.k, metavar="K", help=words)
    counts = {
        "chance": "random removals of each size",
        "seeds": "references",
        "pictures": "targets, for `single`",
        "models": "random halves, for `lds`",
    }
    _counts(verb, counts, usual)
    words = f"of the halves, trained with a second seed too (default {usual.again})"
    verb.add_argument("--again", type=int, default=usual.again, metavar="N", help=words)
    verb.add_argument("--out", type=Path, metavar="FILE", help="default: named after the plan")
    _folder(verb)


def _prove(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--panel", type=Path, required=True, metavar="DIR")
    verb.add_argument("--workspace", type=Path, required=True, metavar="DIR")
    words = "answers of this name are tested (default reference)"
    verb.add_argument("--attributions", default="reference", metavar="NAME", help=words)
    verb.add_argument("--methods", nargs="+", metavar="METHOD", help="default: all that were asked")
    verb.add_argument(
        "--k", type=positive_count, default=50, metavar="K", help="images of a set (default 50)"
    )
    words = "random sets (default 6)"
    verb.add_argument("--controls", type=positive_count, default=6, metavar="N", help=words)
    _working(verb)


def _run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("plans", type=Path, nargs="+", metavar="PLAN.json")
    words = "jobs at once, a process of one thread each (default 1)"
    verb.add_argument("--workers", type=positive_count, default=1, metavar="N", help=words)
    words = (
        "models trained at once in one process on a GPU, by the recipe's `train_together`; workers measure"
    )
    verb.add_argument("--together", type=positive_count, default=0, metavar="N", help=words)
    words = "measure models here and not on the --device that trains them"
    verb.add_argument("--measure-on", metavar="cpu|cuda", help=words)
    verb.add_argument("--keep", action="store_true", help="keep models that are recorded")
    _working(verb)


def _status(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("plans", type=Path, nargs="+", metavar="PLAN.json")
    _working(verb)


def _measure(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("plan", type=Path, metavar="PLAN.json")
    verb.add_argument("job", type=int, metavar="NUMBER", help="its place in the plan, from 0")
    verb.add_argument("--model", required=True, metavar="FOLDER")
    verb.add_argument("--records", type=Path, required=True, metavar="DIR")
    verb.add_argument("--device", default="cpu", metavar="cpu|cuda")
    words = "where it was trained, for the record (default: --device)"
    verb.add_argument("--trained-on", metavar="cpu|cuda", help=words)
    verb.add_argument("--cpu-seconds", type=float, default=0.0, metavar="S", help="that training took")
