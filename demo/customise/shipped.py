"""The customised models that are shipped: small adapters of the embedded model, each with its workspace.

    WORLD/strawberry.jsonl                       what it was trained on: exemplars, and scenes of the world
    WORLD/customised/strawberry/adapter/         a LoRA and the new word
    WORLD/customised/strawberry/exemplars/       the pictures that taught it
    WORLD/customised/strawberry/workspace/       whose curvature is the base's, by reference
    WORLD/customised/strawberry/examples.json    questions to start from
    WORLD/customised/strawberry/truth.json       ids of the exemplars, which the page shows when asked to

All that is the base's (model, scenes, encoders, curvature) is read where the base has it, so that the world
is moved as a whole. Of the scenes, all of which the model went on seeing, `SCENES` are candidates.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attribution.workspace.workspace import Workspace
from demo.build import Progress
from demo.customise.concepts import TOKEN, Concept
from demo.customise.extracting import save_difference
from demo.customise.finetuning import Customisation, Way, scenes_beside
from demo.saving import publish
from demo.world import World
from precompute.__main__ import main as precompute

SHIPPED = ("strawberry", "pineapple", "dinosaur")  # whose pictures convince the eye
SCENES = 400
CURVATURE = ("allotment", "fisher", "kfac", "ekfac")
# What is asked unless other methods are named; of so few images a quarter of the usual dimensions will do.
JOBS: dict[str, tuple[str, ...]] = {"embeddings": (), "losses": (), "d-trak": ("--dimensions", "512")}
QUESTIONS = (("a {token} on the beach", 0), ("a {token} on snow", 1))


@dataclass(frozen=True)
class ShippedModel:
    """One of them.

    Attributes:
        taught: where models taught by DreamBooth are kept; this one is taught if it is not there.
    """

    world: World
    concept: Concept
    glyphs: Path
    taught: Path
    seed: int = 0
    effort: float = 1.0
    scenes: int = SCENES

    @property
    def folder(self) -> Path:
        return self.world.folder / "customised" / self.concept.slug

    @property
    def listed(self) -> Path:
        """What the model was trained on: beside the scenes, which are not copied."""
        return self.world.folder / f"{self.concept.slug}.jsonl"

    def make(self) -> Progress:
        """Make what is not there; yields (stage, steps done, of, note)."""
        adapter = self.folder / "adapter"
        if not adapter.exists():
            task = self._teaching()
            yield from task.run()
            publish(lambda part: save_difference(self.world.model_folder, task.out, part, TOKEN), adapter)
        if not self.listed.exists():
            self._write_pictures(task := self._teaching())
            self._write_words(task)
        yield from self._workspace(adapter)

    def _teaching(self) -> Customisation:
        way, slug = Way.DREAMBOOTH, self.concept.slug
        checkpoints = self.world.checkpoints / "customised" / f"{way}-{slug}-{self.seed}"
        out = self.taught / way / slug
        return Customisation(
            self.world, self.concept, way, self.glyphs, out, checkpoints, self.seed, self.effort
        )

    def _write_pictures(self, task: Customisation) -> None:
        exemplars = task.exemplars()

        def save(part: Path) -> None:
            for each in exemplars:
                each.picture.save(part / f"{each.id}.png", optimize=True)

        publish(save, self.folder / "exemplars")
        inside = (self.folder / "exemplars").relative_to(self.world.folder).as_posix()
        rows: list[Mapping[str, Any]] = [
            {"id": each.id, "file_name": f"{inside}/{each.id}.png", "text": each.caption}
            for each in exemplars
        ]
        scenes = self.world.scene_folder.name
        for row in scenes_beside(self.world, self.scenes):
            rows.append({**row, "file_name": f"{scenes}/{row['file_name']}"})
        self.listed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def _write_words(self, task: Customisation) -> None:
        """What the page asks at first, and the true answer."""
        asked = [{"prompt": words.format(token=TOKEN), "seed": seed} for words, seed in QUESTIONS]
        truth = {"about": f"taught the model {TOKEN}", "images": [each.id for each in task.exemplars()]}
        for name, value in (("examples", asked), ("truth", truth)):
            text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
            (self.folder / f"{name}.json").write_text(text, encoding="utf-8")

    def _workspace(self, adapter: Path) -> Iterator[tuple[str, int, int, str]]:
        """Bound once; done again, it only looks whether all of it stands."""
        folder, base = self.folder / "workspace", self.world.workspace_folder
        if not (folder / "workspace.json").exists():
            model = ["--model", str(self.world.model_folder), "--adapter", str(adapter)]
            encoders = [word for name in ("clip", "dino") for word in self._flag(name)]
            self._precompute("init", *model, "--dataset", str(self.listed), *encoders, "--pool", "2")
            move_together(folder)
        if not Workspace.open(folder).store.has(CURVATURE[-1]):
            self._precompute("adopt", str(base), *CURVATURE, "--by-reference")
        self._take_heads(base)
        for job, words in JOBS.items():
            self._precompute(job, *words)
            yield f"{self.concept.name}: workspace", list(JOBS).index(job) + 1, len(JOBS), job

    def _take_heads(self, base: Path) -> None:
        """Have the tuned encoders that the base has been given, too."""
        folder = self.folder / "workspace"
        there, here = (Workspace.open(each).config.encoders for each in (base, folder))
        if missing := [name for name in there if name not in here]:
            self._precompute("embeddings", *(word for name in missing for word in self._flag(name)))
            move_together(folder)

    def _flag(self, name: str) -> tuple[str, str]:
        return f"--{name}", str(self.world.encoder_folder(name))

    def _precompute(self, verb: str, *words: str) -> None:
        status = precompute([verb, *words, "--workspace", str(self.folder / "workspace")])
        if status != 0:
            raise SystemExit(status)


def move_together(folder: Path) -> None:
    """Have a workspace name its sources as seen from it, wherever they lie: they are moved with it."""

    def seen(source: str) -> str:
        path = Path(folder, source).resolve()
        return Path(os.path.relpath(path, folder.resolve())).as_posix()

    config = Workspace.open(folder).config
    assert isinstance(config.dataset, str), "what is shipped was trained on one list of pictures"
    replace(
        config,
        model=seen(config.model),
        dataset=seen(config.dataset),
        adapters=tuple(map(seen, config.adapters)),
        encoders={name: seen(source) for name, source in config.encoders.items()},
    ).save(folder)
