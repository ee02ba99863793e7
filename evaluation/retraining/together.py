"""Many models trained by one command on a GPU, while the fleet's workers measure what is done."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.files import digest_of, write_whole
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.recipe import Recipe


@dataclass(frozen=True)
class Untrained:
    """A model that is asked for. `folder` is where its job is worked on."""

    folder: Path
    left_out: LeftOut
    seed: int

    @property
    def model(self) -> Path:
        return self.folder / "model"


@dataclass
class Together:
    """The models of one recipe that nobody else has in hand, each held until it is there.

    Attributes:
        locks: by model, the open file of its job's lock.
    """

    recipe: Recipe
    untrained: Sequence[Untrained]
    locks: dict[Path, int] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def holding(
        cls,
        recipe: Recipe,
        asked: Sequence[Untrained],
        held: Callable[[str], AbstractContextManager[int | None]],
    ) -> Iterator[Together]:
        """Take what can be taken; the rest is left to who has it.

        Args:
            held: takes the lock of a training by its key, the name of its folder; None if it is taken.

        Raises:
            SettingsError: the recipe has no command for many.
        """
        recipe.together_command(Path(), 1, "cpu")
        with ExitStack() as stack:
            locks = {}
            for each in asked:
                if each.model.exists():
                    continue  # who measures it must be able to hold it
                handle = stack.enter_context(held(each.folder.name))
                if handle is not None:
                    locks[each.model] = handle
            yield cls(recipe, [each for each in asked if each.model in locks], locks)

    @property
    def key(self) -> str:
        """Names the group by its models, which nobody else has in hand."""
        return digest_of(
            "together", self.recipe.digest, *sorted(each.folder.name for each in self.untrained)
        )

    def command(self, folder: Path, at_once: int, device: str) -> list[str]:
        """Write what is to be trained into a folder; returns the command that does it."""
        listed = []
        for each in self.untrained:
            ids = each.left_out.ids(self.recipe.training_set.ids)
            left_out = each.folder / "left_out.txt"
            write_whole(left_out, "".join(f"{name}\n" for name in ids).encode())
            listed.append({"left_out": str(left_out), "seed": each.seed, "model": str(each.model)})
        path = folder / "jobs.json"
        write_whole(path, json.dumps(listed, indent=1).encode())
        return self.recipe.together_command(path, at_once, device)

    def let_go(self, everything: bool = False) -> None:
        """Give the models that are there, or with `everything` all, to whoever goes on with them.

        The command has inherited the locks, so that closing ours would not be enough.
        """
        for model in [model for model in self.locks if everything or model.exists()]:
            fcntl.flock(self.locks.pop(model), fcntl.LOCK_UN)
