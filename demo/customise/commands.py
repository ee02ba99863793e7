"""What `python -m demo customise` and `exemplars` do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import torch

from attribution.errors import ModelError, SettingsError
from attribution.models.quiet import quiet_libraries
from demo.build import Progress
from demo.customise import judge
from demo.customise.concepts import CONCEPTS, Concept, painter_of
from demo.customise.finetuning import Customisation, write_exemplars
from demo.customise.pairs import Pairs
from demo.customise.shipped import SHIPPED, ShippedModel
from demo.judge import load_judge
from demo.world import World

Watch = Callable[[Progress], None]


def chosen_concepts(names: Collection[str]) -> list[Concept]:
    """The concepts of these names; all without any.

    Raises:
        SettingsError: there is none of a name.
    """
    known = {each.name: each for each in CONCEPTS}
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(f"there is no concept {unknown[0]!r}: choose from {', '.join(known)}")
    return [known[name] for name in names] or list(CONCEPTS)


def customise(given: argparse.Namespace, world: World, watch: Watch) -> None:
    """Teach copies of the world's model a concept each; what is there already is left alone."""
    torch.set_num_threads(given.threads)
    watch(_customised(given, world))


def _customised(given: argparse.Namespace, world: World) -> Iterator[tuple[str, int, int, str]]:
    for concept in chosen_concepts(given.concepts):
        out = given.out / given.way / concept.slug
        checkpoints = world.checkpoints / "customised" / f"{given.way}-{concept.slug}-{given.seed}"
        task = Customisation(
            world, concept, given.way, given.glyphs, out, checkpoints, given.seed, given.effort
        )
        yield from task.run()


def shipped(given: argparse.Namespace, world: World, watch: Watch) -> None:
    """Make the customised models that are shipped; what is there already is left alone."""
    torch.set_num_threads(given.threads)
    for concept in chosen_concepts(given.concepts or SHIPPED):
        watch(ShippedModel(world, concept, given.glyphs, given.out, given.seed, given.effort).make())


def exemplars(given: argparse.Namespace, world: World) -> None:
    """Write the pictures that concepts are taught by, as an image folder."""
    painter = painter_of(world.glyphs, given.glyphs)
    drawn = [
        (each, exemplar) for each in chosen_concepts(given.concepts) for exemplar in each.draw(painter)
    ]
    if given.scenes > len(world.rows):
        raise SettingsError(f"the world has {len(world.rows)} scenes: ask for as many at most")
    write_exemplars(drawn, given.out, world, given.scenes)


def concept_judge(given: argparse.Namespace, world: World, watch: Watch) -> None:
    """Train the judge of customised models, if it is not there."""
    torch.set_num_threads(given.threads)
    watch(judge.build(world, given.glyphs, given.out or judge_folder(world)))


def pairs(given: argparse.Namespace, world: World, watch: Watch) -> None:
    """Write the pictures that heads are tuned by.

    Raises:
        ModelError: there is no judge of the concepts yet.
        SettingsError: a concept that is named is for the benchmark.
    """
    torch.set_num_threads(given.threads)
    chosen = chosen_concepts(given.concepts)
    concepts = [each for each in chosen if each.for_learning]
    if given.concepts and len(concepts) < len(chosen):
        kept = next(each.name for each in chosen if not each.for_learning)
        raise SettingsError(f"{kept!r} is for the benchmark: nothing may be fitted on it")
    if not (judge_folder(world) / "config.json").exists():
        raise ModelError("there is no judge yet: train it with `python -m demo concept-judge`")
    quiet_libraries()
    made = Pairs(world, concepts, given.glyphs, given.taught, given.out, given.way, given.scenes)
    watch(made.write(load_judge(judge_folder(world))))


def judge_folder(world: World) -> Path:
    """Where the judge of customised models is kept: beside the world's own."""
    return world.judge_folder.with_name("concept-judge")


def new_glyphs(assets: Path) -> Path:
    """The folder of the new objects' glyphs."""
    return assets / "customised" / "glyphs"
