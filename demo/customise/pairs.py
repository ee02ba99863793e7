"""Pictures that customised models made beside the exemplars that taught them: what heads are tuned by.

    OUT/metadata.jsonl      of each picture its `role` (`exemplar`, `made`, `other`) and its `concept`
    OUT/*.png

Of the concepts that are for learning alone. A picture that does not show its concept, as the judge says, is
left out. The others are scenes of the world, which say what is no exemplar.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from attribution.errors import MissingArtifactError
from demo.build import Progress
from demo.customise.concepts import Concept, painter_of
from demo.customise.finetuning import Way, scenes_beside
from demo.customise.judge import shows
from demo.judge import Judge, judged
from demo.quality import Generation
from demo.saving import publish
from demo.scenes import Scene
from demo.vocabulary import GROUNDS
from demo.world import World
from precompute import heads
from precompute.heads import EXEMPLAR, METADATA, OTHER

MADE = 16  # pictures of a concept


@dataclass(frozen=True)
class Pairs:
    """The folder that is to be written.

    Attributes:
        taught: where the customised models are, by way and concept.
        scenes: how many of the world's are put beside.
    """

    world: World
    concepts: Sequence[Concept]
    glyphs: Path
    taught: Path
    out: Path
    way: Way = Way.DREAMBOOTH
    scenes: int = 1000
    generation: Generation = field(default_factory=Generation)

    def write(self, judge: Judge) -> Progress:
        """Make the pictures and write the folder, whole or not at all; yields (stage, done, of, note).

        Raises:
            MissingArtifactError: a concept has no model; says how it is made.
        """
        for concept in self.concepts:
            self._model(concept)
        made = list[tuple[Concept, Image.Image, str]]()
        for number, concept in enumerate(self.concepts, 1):
            pictures = list(self._made(concept))
            pixels = np.stack([np.asarray(picture) for picture, _ in pictures])
            kept = [
                (concept, picture, caption)
                for (picture, caption), said in zip(pictures, judged(judge, pixels), strict=True)
                if shows(said, concept)
            ]
            made += kept
            note = f"{concept.name}: {len(kept)} of {len(pictures)} pictures show it"
            yield "pairs", number, len(self.concepts), note
        publish(lambda part: self._save(part, made), self.out)

    def _model(self, concept: Concept) -> Path:
        folder = self.taught / self.way / concept.slug
        if not folder.exists():
            raise MissingArtifactError(
                f"there is no {folder}: make it with `python -m demo customise {concept.name!r} "
                f"--way {self.way} --out {self.taught}`"
            )
        return folder

    def _made(self, concept: Concept) -> Iterator[tuple[Image.Image, str]]:
        """Its pictures with their captions; picture k is made with seed k."""
        pipeline = StableDiffusionPipeline.from_pretrained(self._model(concept), dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        captions = [concept.caption(shown) for shown in asked(concept)]
        pictures = pipeline(
            captions,
            num_inference_steps=self.generation.steps,
            guidance_scale=self.generation.guidance,
            generator=[torch.Generator().manual_seed(k) for k in range(len(captions))],
        ).images
        yield from zip(pictures, captions, strict=True)

    def _save(self, part: Path, made: Sequence[tuple[Concept, Image.Image, str]]) -> None:
        painter = painter_of(self.world.glyphs, self.glyphs)
        rows = list[dict[str, Any]]()

        def add(name: str, picture: Image.Image, caption: str, role: str, concept: Concept) -> None:
            picture.save(part / f"{name}.png", optimize=True)
            rows.append(
                {"file_name": f"{name}.png", "text": caption, "role": role, "concept": concept.name}
            )

        for concept in self.concepts:
            for each in concept.draw(painter):
                add(each.id, each.picture, each.caption, EXEMPLAR, concept)
        for number, (concept, picture, caption) in enumerate(made):
            add(f"{concept.slug}-made-{number}", picture, caption, heads.MADE, concept)
        for row in scenes_beside(self.world, self.scenes):
            name = Path(row["file_name"]).name
            shutil.copyfile(self.world.scene_folder / row["file_name"], part / name)
            rows.append({"file_name": name, "text": row["text"], "role": OTHER})
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (part / METADATA).write_text(text, encoding="utf-8")


def asked(concept: Concept) -> list[Scene]:
    """What pictures are made of: `MADE` scenes, on grounds and beside objects that no exemplar shows."""
    taught, others = concept.scenes[: concept.exemplars], concept.scenes[concept.exemplars :]
    grounds = [each for each in GROUNDS if each not in {scene.ground for scene in taught}]
    return [
        replace(others[k % len(others)], ground=grounds[k % len(grounds)], id=f"{concept.slug}-asked-{k}")
        for k in range(MADE)
    ]
