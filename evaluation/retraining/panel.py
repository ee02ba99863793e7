"""A panel: fixed generated pictures, targets and controls, and the draws of their losses.

Targets' objects are pairwise disjoint, and no control shows any of them: what is removed for the targets
says nothing of the controls. Prompts are drawn by the seed and without looking; picture i has seed i.

Where a training set does not say what its pictures show, prompts may be given. Whether they share anything
is then the giver's to know, and there is no truth to hold methods against: no oracle and no sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from PIL import Image

from attribution.data.images import read_image, write_png
from attribution.data.training_set import Example, TrainingSet
from attribution.errors import MismatchError, SettingsError, TrainingSetError
from attribution.models.base import DiffusionModel, Generation, MakesSeveral
from attribution.models.draws import Probe, timestep_grid
from attribution.query import Box
from evaluation.files import as_text, checked, digest_of, plain, read_json, write_whole
from evaluation.prompts import Grammar, Prompt, two_object_prompts
from evaluation.protocols.locality import LEFT, RIGHT

FACTS = "panel.json"
TARGET, CONTROL = "target", "control"
REGIONS: dict[str, Box | None] = {"whole": None, "left": LEFT, "right": RIGHT}
HALVES = {"even": slice(0, None, 2), "odd": slice(1, None, 2)}  # a choice is made on one, held on the other
DRAWN = 5_000  # prompts to choose from


@dataclass(frozen=True)
class PanelPicture:
    """One picture of a panel.

    Attributes:
        left, right, ground: what it shows; empty where its prompt was given.
        seed: of the noise it was made from.
        sha256: of its pixels.
    """

    name: str
    role: str
    prompt: str
    left: str
    right: str
    ground: str
    seed: int
    sha256: str = ""


@dataclass(frozen=True)
class Facts:
    """What a panel is. Losses are measured with `noises` at each of the `timesteps`, drawn by `seed`."""

    pictures: tuple[PanelPicture, ...]
    steps: int
    guidance: float
    timesteps: tuple[int, ...]
    noises: int
    seed: int
    model: str  # its fingerprint
    training_set: str  # its fingerprint


@dataclass(frozen=True)
class Panel:
    """The facts, and the folder in which the pictures lie."""

    folder: Path
    facts: Facts

    @classmethod
    def read(cls, folder: Path) -> Panel:
        """The panel in a folder.

        Raises:
            ResultError: there is none, or it is damaged.
        """
        path = folder / FACTS
        return cls(folder, checked(Facts, read_json(path), path))

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def digest(self) -> str:
        """Of everything that decides what is measured."""
        return digest_of("panel", plain(Facts, self.facts))

    @property
    def pictures(self) -> tuple[PanelPicture, ...]:
        return self.facts.pictures

    def rows(self, role: str) -> list[int]:
        """The places of the targets or of the controls among the pictures."""
        return [row for row, picture in enumerate(self.pictures) if picture.role == role]

    @property
    def knows_objects(self) -> bool:
        """Whether it is known what the pictures show, and where."""
        return all(picture.left and picture.right for picture in self.pictures)

    @property
    def probe(self) -> Probe:
        return Probe(self.facts.timesteps, self.facts.noises, self.facts.seed)

    def generation(self, picture: PanelPicture) -> Generation:
        """What a picture was made from, and is made from again."""
        return Generation(picture.prompt, picture.seed, self.facts.steps, self.facts.guidance)

    def image(self, picture: PanelPicture) -> Image.Image:
        """The picture.

        Raises:
            MismatchError: the file is another picture than the panel's.
        """
        path = self.folder / f"{picture.name}.png"
        image = read_image(path)[0]
        if pixels_sha256(image) != picture.sha256:
            raise MismatchError(f"{path} is not the picture that {FACTS} names: make the panel anew")
        return image


def choose_prompts(
    prompts: Sequence[Prompt], targets: int, controls: int
) -> tuple[list[Prompt], list[Prompt]]:
    """The first prompts that qualify: as targets, then as controls.

    Raises:
        SettingsError: there are too few objects for so many.
    """
    taken: list[Prompt] = []
    objects: set[str] = set()
    for prompt in prompts:
        if len(taken) < targets and not objects & {prompt.left, prompt.right}:
            taken.append(prompt)
            objects |= {prompt.left, prompt.right}
    others = [prompt for prompt in prompts if not objects & {prompt.left, prompt.right}][:controls]
    if len(taken) < targets or len(others) < controls:
        raise SettingsError(
            f"the training set's objects give {len(taken)} targets without a common object and "
            f"{len(others)} controls without any of theirs, not {targets} and {controls}: ask for fewer"
        )
    return taken, others


@dataclass(frozen=True)
class Wanted:
    """How a panel is to be: see `Facts`."""

    targets: int = 8
    controls: int = 8
    timesteps: int = 10
    noises: int = 8
    steps: int = 30
    guidance: float = 2.0
    seed: int = 0


Chosen = tuple[Sequence[Prompt], Sequence[Prompt]]  # targets, controls


def drawn_prompts(examples: Sequence[Example], wanted: Wanted) -> Chosen:
    """Prompts of the training set's own grammar.

    Raises:
        SettingsError: there are too few objects.
        TrainingSetError: it does not say what its pictures show.
    """
    try:
        grammar = Grammar.of(examples)
    except TrainingSetError as problem:
        raise TrainingSetError(f"{problem}; give --prompts TARGETS.txt CONTROLS.txt") from None
    words = len(grammar.phrases)
    count = min(DRAWN, words * (words - 1) * len(grammar.grounds))
    return choose_prompts(two_object_prompts(grammar, count, wanted.seed), wanted.targets, wanted.controls)


def given_prompts(targets: Path, controls: Path) -> Chosen:
    """Prompts of two text files, one a line.

    Raises:
        SettingsError: a file cannot be read or has none.
    """
    return _given(targets), _given(controls)


def _given(path: Path) -> list[Prompt]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{path} must be a text file with a prompt a line: {problem}") from None
    if not lines:
        raise SettingsError(f"{path} has no prompt: write one a line")
    return [Prompt(line, "", "", "", seen=False) for line in lines]


def make_panel(
    folder: Path, model: DiffusionModel, training_set: TrainingSet, wanted: Wanted, chosen: Chosen
) -> Iterator[str]:
    """Generate a panel's pictures with a model; yields a line for each. A panel that is there stays.

    Raises:
        MismatchError: there is another panel in the folder.
        SettingsError: the timesteps do not divide the model's.
    """
    pictures = [
        PanelPicture(f"{role}-{k:02d}", role, each.text, each.left, each.right, each.ground, 0)
        for role, prompts in zip((TARGET, CONTROL), chosen, strict=True)
        for k, each in enumerate(prompts)
    ]
    grid = timestep_grid(model.num_train_timesteps, wanted.timesteps)
    facts = Facts(
        tuple(replace(picture, seed=k) for k, picture in enumerate(pictures)),
        wanted.steps, wanted.guidance, grid, wanted.noises, wanted.seed, model.fingerprint,
        training_set.fingerprint,
    )  # fmt: skip
    panel, made = Panel(folder, facts), []
    folder.mkdir(parents=True, exist_ok=True)
    for done, picture in enumerate(panel.pictures, 1):
        image = remade(model, panel, picture)
        made.append((replace(picture, sha256=pixels_sha256(image)), image))
        yield f"{done} of {len(panel.pictures)} pictures: {picture.prompt}"
    facts = replace(facts, pictures=tuple(picture for picture, _ in made))
    if (folder / FACTS).exists() and Panel.read(folder).facts != facts:
        raise MismatchError(f"{folder} holds another panel: give another --out, or remove it")
    for picture, image in made:
        settings = {**asdict(panel.generation(picture)), "model": model.fingerprint}
        write_png(image, folder / f"{picture.name}.png", settings)
    write_whole(folder / FACTS, as_text(plain(Facts, facts)))


def remade(model: DiffusionModel, panel: Panel, picture: PanelPicture) -> Image.Image:
    """The picture as a model makes it from the same noise and prompt."""
    *_, last = model.generate(panel.generation(picture))
    assert last.image is not None
    return last.image


def all_remade(model: DiffusionModel, panel: Panel) -> list[Image.Image]:
    """Every picture as a model makes it; on a GPU all at once, which differs by rounding."""
    if model.device.type == "cuda" and isinstance(model, MakesSeveral):
        return model.generate_together([panel.generation(picture) for picture in panel.pictures])
    return [remade(model, panel, picture) for picture in panel.pictures]


def pixels_sha256(image: Image.Image) -> str:
    """Of the pixels, whatever the file is written like."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
