"""Several training sets as one: their rows after each other, each of which says where it comes from.

A set is called by its folder's name, or as it is named. Ids and file names begin with that name and a
slash, whether or not two would be alike: an id must not change when another set comes to have the same one.
A further column, `dataset`, has the name, so that images are grouped and searched by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from attribution.data.columns import Columns
from attribution.data.files import is_plain
from attribution.data.pictures import Pictures
from attribution.data.scanning import scan
from attribution.data.training_set import Example, TrainingSet
from attribution.errors import TrainingSetError

COLUMN = "dataset"
SLASH = "/"  # between a set's name and what is its own

Source = Path | str | Mapping[str, Path | str]  # one training set, or several by their names


@dataclass(frozen=True)
class PicturesOfSets:
    """The pictures of several sets, each under its set's name."""

    sets: Mapping[str, Pictures]

    def data(self, name: str) -> bytes:
        pictures, own = self._of(name)
        return pictures.data(own)

    def read(self, name: str) -> bytes:
        pictures, own = self._of(name)
        return pictures.read(own)

    def called(self, name: str) -> str:
        pictures, own = self._of(name)
        return pictures.called(own)

    def _of(self, name: str) -> tuple[Pictures, str]:
        whose, _, own = name.partition(SLASH)
        return self.sets[whose], own


class JoinedSet(TrainingSet):
    """Several training sets. There is an object for each row, also of sets in shards.

    Args:
        sets: by name, in their order.

    Raises:
        TrainingSetError: one of them has a column `dataset` of its own.
    """

    def __init__(self, sets: Mapping[str, TrainingSet]):
        self.sets = dict(sets)
        pictures = PicturesOfSets({name: each.pictures for name, each in sets.items()})
        examples = chain.from_iterable(_named(name, each) for name, each in sets.items())
        numbered = [replace(example, row=row) for row, example in enumerate(examples)]
        super().__init__(Path(), numbered, "", pictures)

    @property
    def files(self) -> dict[str, str]:
        return {
            f"{name}{SLASH}{file}": sha256
            for name, each in self.sets.items()
            for file, sha256 in each.files.items()
        }

    def path_of(self, file: str) -> Path:
        name, _, own = file.partition(SLASH)
        return self.sets[name].path_of(own)

    @property
    def where(self) -> str:
        return " and ".join(
            f"{each.where} ({name}, {len(each):,} images)" for name, each in self.sets.items()
        )


def _named(name: str, own: TrainingSet) -> Iterable[Example]:
    for example in own.examples:
        if COLUMN in example.metadata:
            raise TrainingSetError(
                f"{own.where} has a column {COLUMN!r}, which says of several training sets where a picture "
                "comes from: rename it"
            )
        yield replace(
            example,
            id=f"{name}{SLASH}{example.id}",
            file_name=f"{name}{SLASH}{example.file_name}",
            metadata={COLUMN: name, **example.metadata},
        )


def scan_source(
    source: Source, progress: Callable[[int, int], None] | None = None, columns: Columns | None = None
) -> TrainingSet:
    """Scan one training set, or several one after the other as one; see `scan`.

    Args:
        columns: of all of them.

    Raises:
        TrainingSetError: one is no captioned training set, or they cannot be told apart.
    """
    if not isinstance(source, Mapping):
        return scan(source, progress, columns)
    return JoinedSet({name: scan(each, progress, columns) for name, each in source.items()})


def named_sources(given: Sequence[str]) -> str | dict[str, str]:
    """The training sets that somebody gave: one as it is; several by name, `NAME=FOLDER` or a folder's own.

    Raises:
        TrainingSetError: a name cannot begin an id, or two have the same.
    """
    if len(given) == 1:
        return given[0]
    named: dict[str, str] = {}
    for words in given:
        name, is_named, folder = words.partition("=")
        if not is_named or Path(words).exists():
            name, folder = Path(words).resolve().name, words
        if not name or SLASH in name or not is_plain(name):
            raise TrainingSetError(f"{name!r} cannot be a training set's name: {_NAMING}")
        if name in named:
            raise TrainingSetError(f"{named[name]} and {folder} are both called {name!r}: {_NAMING}")
        named[name] = folder
    return named


_NAMING = "name each with --dataset NAME=FOLDER"
