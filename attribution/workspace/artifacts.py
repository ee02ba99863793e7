"""What an artifact is: one value for each kind, defined beside the mathematics that reads it.

A workspace knows none of them by name. A method declares the kinds that it needs, a job the kind that it
makes, and `workspace.load(KIND)` reads one that was made for this very workspace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from attribution.workspace.store import Artifact

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class ArtifactKind(Generic[T]):
    """A kind of artifact, or one of several artifacts of that kind.

    Attributes:
        name: of the kind; the folder of a workspace in which it lies.
        bound_to: the keys of the workspace's fingerprints that it was made for; it is refused where one
            differs.
        read: (workspace, artifact) => what the mathematics wants of it; called once, then remembered. (Not
            typed by the workspace, which is made of these.)
        job: the command of `python -m precompute` that makes it; the kind's name if that is empty.
        checkpoint: of which checkpoint of the model it was made; empty for the workspace's own model.
        options: further choices by which artifacts of one kind stand side by side, in order.
    """

    name: str
    bound_to: tuple[str, ...]
    read: Callable[[Any, Artifact], T] = field(compare=False, repr=False)
    job: str = ""
    checkpoint: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def of(self, checkpoint: str = "", **options: object) -> ArtifactKind[T]:
        """Return the same kind for one checkpoint and some options, an artifact of its own."""
        chosen = tuple(sorted((key, str(value)) for key, value in options.items()))
        return replace(self, checkpoint=checkpoint, options=chosen)

    @property
    def folder(self) -> str:
        """The folder of this artifact in a workspace: `gradients`, `gradients@early,dimensions=512`."""
        chosen = [self.checkpoint] if self.checkpoint else []
        chosen += [f"{key}={value}" for key, value in self.options]
        return f"{self.name}@{','.join(chosen)}" if chosen else self.name

    @property
    def command(self) -> str:
        """The command of `python -m precompute` that makes it."""
        return self.job or self.name

    def fingerprint_keys(self) -> dict[str, str]:
        """What it is bound to => the workspace's fingerprint of that: a checkpoint's is the model's."""
        at = f"@{self.checkpoint}" if self.checkpoint else ""
        return {key: f"model{at}" if key == "model" else key for key in self.bound_to}
