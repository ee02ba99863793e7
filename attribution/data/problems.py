"""Everything that is wrong with a training set, told at once: counted, and the first few named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from enum import Enum

from attribution.errors import TrainingSetError

NAMED = 3  # of each kind


class Problem(Enum):
    """What may be wrong, in the order in which it is told: a noun, what one is or has, what several do."""

    NOT_JSON = "line", "is not JSON or not an object", "are not JSON or not objects"
    CELLS = "line", "has more cells than there are columns", "have more cells than there are columns"
    NOT_TEXT = "text", "is too long or not UTF-8 or JSON", "are too long or not UTF-8 or JSON"
    HALF = (
        "text",
        "has half a character, which is not UTF-8 (as \\ud83d is in JSON)",
        "have half a character, which is not UTF-8 (as \\ud83d is in JSON)",
    )
    TWO_PICTURES = (
        "row",
        "has several pictures (name the ending of those trained on with --image-column)",
        "have several pictures (name the ending of those trained on with --image-column)",
    )
    NO_FILE = "line", "has no file name", "have no file name"
    LEAVES = "file name", "leaves the folder", "leave the folder"
    BAD_ID = (
        "id",
        "is empty or has control characters",
        "are empty or have control characters",
    )
    SAME_ID = "id", "is that of several pictures", "are those of several pictures"
    SAME_FILE = "picture", "has several ids", "have several ids"
    SEVERAL = (
        "picture",
        "has several captions (take the first with --captions first, each as a training image of its "
        "own with --captions each, or the mean of its loss over all with --captions mean)",
        "have several captions (take the first with --captions first, each as a training image of its "
        "own with --captions each, or the mean of its loss over all with --captions mean)",
    )
    NO_CAPTION = "picture", "has no caption", "have no caption"
    EMPTY = "caption", "is empty", "are empty"
    GONE = "picture", "does not exist", "do not exist"
    OUTSIDE = (
        "picture",
        "is named in its table but not held by it (write it with `save_to_disk`, which takes it in)",
        "are named in their table but not held by it (write it with `save_to_disk`, which takes them in)",
    )
    NO_PICTURE = "picture", "is not a PNG, JPEG or WEBP", "are not PNG, JPEG or WEBP"
    BROKEN = "picture", "is cut short or damaged", "are cut short or damaged"
    TOO_LARGE = "picture", "is too large", "are too large"


class Problems:
    """What is found while a training set is read."""

    def __init__(self) -> None:
        self._found: dict[Problem, dict[str, None]] = defaultdict(dict)

    def add(self, problem: Problem, where: str) -> None:
        """`where`: of what, in a few words: a line's number, a file's name."""
        self._found[problem][where] = None

    def check(self, source: object, remedy: str, but: Collection[Problem] = ()) -> None:
        """Raise `TrainingSetError` with everything that was found.

        Args:
            source: where it was found.
            remedy: what mends all of it, as a command.
            but: kinds that are passed over.
        """
        told = [
            _told(kind, list(self._found[kind]))
            for kind in Problem
            if kind in self._found and kind not in but
        ]
        if told:
            raise TrainingSetError(f"{source}: {'; '.join(told)}: {remedy}")


def _told(kind: Problem, places: list[str]) -> str:
    noun, one, several = kind.value
    count = len(places)
    named = ", ".join(places[:NAMED]) + (", ..." if count > NAMED else "")
    return f"{count:,} {noun if count == 1 else f'{noun}s'} {one if count == 1 else several} [{named}]"
