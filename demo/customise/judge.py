"""The judge of customised models: whether a picture shows a concept, and not another or the world's own.

The world's own judge with further answers, taught by scenes with new objects and in new styles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from attribution.rng import generator
from demo import judge
from demo.build import Progress, teach_judge
from demo.customise.concepts import NEW_OBJECTS, Concept, Kind, painter_of
from demo.customise.styles import STYLES as NEW_STYLES
from demo.judge import ATTRIBUTES, Verdict, judge_scene
from demo.saving import publish
from demo.scenes import Scene
from demo.vocabulary import GROUNDS
from demo.world import World

ASKED: judge.Attributes = {
    "left": (*ATTRIBUTES["left"], *NEW_OBJECTS),
    "right": (*ATTRIBUTES["right"], *NEW_OBJECTS),
    "ground": GROUNDS,
    "style": (*ATTRIBUTES["style"], *NEW_STYLES),
}
RECIPE = replace(judge.RECIPE, steps=2_000)


def scene_with_concepts(index: int, seed: int) -> Scene:
    """Scene number `index` of those that it learns from: half of the objects and of the styles are new."""
    drawn, rng = judge_scene(index, seed), generator(seed, "concepts", index)
    objects = [str(rng.choice(list(NEW_OBJECTS))) if rng.random() < 0.5 else x for x in drawn.objects]
    style = str(rng.choice(list(NEW_STYLES))) if rng.random() < 0.5 else drawn.style
    return replace(drawn, id=f"{drawn.id}-concepts", objects=tuple(objects), style=style)


def paint(
    scenes: Sequence[Scene], glyphs: Path, new_glyphs: Path
) -> Iterator[UInt8[np.ndarray, "64 64 3"]]:
    """Their pictures, one by one."""
    painter = painter_of(glyphs, new_glyphs)
    for each in scenes:
        new = NEW_STYLES.get(each.style or "")
        picture, _ = painter.paint(replace(each, style=None) if new else each)
        yield np.asarray(new(picture) if new else picture)


def build(world: World, glyphs: Path, folder: Path) -> Progress:
    """Train the judge, if it is not there."""
    if (folder / "config.json").exists():
        return
    scenes = [scene_with_concepts(index, world.seed) for index in range(judge.PICTURES)]
    model, recipe = judge.new_judge(ASKED), world.recipe(RECIPE)
    yield from teach_judge(
        world, "concept-judge", model, scenes, paint(scenes, world.glyphs, glyphs), recipe
    )
    publish(lambda part: judge.save_judge(model.cpu(), part), folder)


def shows(said: Verdict, concept: Concept) -> bool:
    """Whether a picture was said to show a concept."""
    return concept.name == said.style if concept.kind is Kind.STYLE else concept.name in said.objects
