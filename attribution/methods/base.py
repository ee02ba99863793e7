"""What a method is. A method is registered by being in this room: see `attribution.plugins`.

Each module binds `METHODS`, one method a row of the page. `random.py` is the worked example.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import Enum, IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from attribution.errors import SettingsError
from attribution.plugins import named, plugins
from attribution.query import Candidates, MethodOptions, Query, Settings
from attribution.results import Progress, Scores

if TYPE_CHECKING:
    from attribution.analysis.loss_map import LossMap
    from attribution.analysis.significance import Null
    from attribution.gradients.query_context import QueryContext
    from attribution.workspace.artifacts import ArtifactKind
    from attribution.workspace.workspace import Workspace


class Cost(IntEnum):
    """What a method computes for a query, the cheapest first."""

    LOOKUP = 0  # something of the query alone, looked up among what was precomputed; no diffusion model
    GRADIENT = 1  # one gradient of the query on the diffusion model
    PER_EXAMPLE = 2  # something for every training image: by default only the most promising are scored


class Family(Enum):
    """What methods have in common, in the order in which they are shown: a title, and what they do."""

    UNLEARNING = ("Unlearning", "Which images are forgotten when the model forgets the picture.")
    INFLUENCE = ("Influence functions", "What the gradients say, without changing the model.")
    LIKENESS = ("Likeness", "What looks or reads alike, and chance: to compare with.")

    def __init__(self, title: str, sentence: str) -> None:
        self.title = title
        self.sentence = sentence


@runtime_checkable
class Method(Protocol):
    """What a file of `attribution/methods/` provides."""

    name: str  # on the command line
    title: str  # on the page
    description: str  # one sentence: what the score is
    family: Family  # beside which others it is shown
    cost: Cost
    shortlists: bool  # whether its ranking says which training images are promising to those that measure
    options: MethodOptions  # its own settings, with their defaults

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        """Return the artifacts that must have been precomputed."""
        ...

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        """Yield progress between steps, and last the scores of `candidates.rows`."""
        ...


@runtime_checkable
class Locating(Protocol):
    """A method that can say how a training image was forgotten: where in it, and at which timesteps."""

    def loss_map(self, context: QueryContext, row: int) -> LossMap | None:
        """Return its loss before and after; None unless the query was asked a short while ago."""
        ...


@runtime_checkable
class Judged(Protocol):
    """A method whose scores are held against those of pictures that have nothing to do with an image."""

    def null(self, workspace: Workspace, settings: Settings) -> Null | None:
        """Return what its scores would be by chance; None where that is not known."""
        ...


@runtime_checkable
class Particular(Protocol):
    """A method that some queries cannot be asked with."""

    def refusal(self, query: Query) -> str | None:
        """Return why it cannot answer a query, as a sentence for the person; None if it can."""
        ...


DEFAULT = "relative-divergence"  # the method that measures, unless others are named
# Where a workspace lacks what a method needs, another answers in its place unless it was asked for by name.
INSTEAD = {"d-trak": "first-order"}


@cache
def discovered() -> tuple[Method, ...]:
    """Return all methods in the order of their files."""
    return plugins("attribution.methods", "METHODS")


@cache
def methods() -> dict[str, Method]:
    """Return all methods by name, in the order in which the page shows them.

    Family by family; in each, those first that know what is promising.
    """
    families = list(Family)
    in_order = sorted(discovered(), key=lambda each: (families.index(each.family), not each.shortlists))
    return {each.name: each for each in in_order}


def by_family(chosen: Iterable[Method]) -> dict[Family, list[Method]]:
    """Return some methods in their families; a family without any is left out."""
    found = list(chosen)
    groups = {family: [each for each in found if each.family is family] for family in Family}
    return {family: group for family, group in groups.items() if group}


def method(name: str) -> Method:
    """Return the method called `name`.

    Raises:
        UnknownNameError: there is none; the known ones are named.
    """
    return named("method", methods(), name)


def could_be_asked(workspace: Workspace) -> list[str]:
    """Return the methods whose artifacts could be made in a workspace; they may still be missing.

    Those that another stands in for are there if theirs have been made.
    """
    names = []
    for name, each in methods().items():
        needed = [key for kind in each.needs(workspace) for key in kind.fingerprint_keys().values()]
        if all(key in workspace.fingerprints for key in needed):
            names.append(name)
    return [name for name in names if name not in INSTEAD or available(methods()[name], workspace)]


def usual_methods(wanted: Iterable[str], offered: Collection[str]) -> list[str]:
    """Return those of some methods that are offered, or what stands in for them."""
    names = (name if name in offered else INSTEAD.get(name, name) for name in wanted)
    return list(dict.fromkeys(name for name in names if name in offered))


def with_options(each: Method, given: Mapping[str, Any]) -> MethodOptions:
    """Return a method's options with some of them replaced by plain values.

    Raises:
        SettingsError: it has no such option, or the value makes no sense; says which.
    """
    known = asdict(each.options)
    for name in given:
        if name not in known:
            has = f"choose from {', '.join(known)}" if known else "it has none"
            raise SettingsError(f"{each.name} has no option {name!r}: {has}")
    try:
        options: MethodOptions = TypeAdapter(type(each.options)).validate_python({**known, **given})
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join([each.name, *map(str, first["loc"])])
        raise SettingsError(f"{where} is {first['input']!r}: {first['msg'].lower()}") from None
    return options


def changed_options(settings: Settings) -> list[str]:
    """Return the options that are not a method's own, as the command line takes them."""
    words = []
    for name, options in settings.options.items():
        own = asdict(method(name).options)
        for key, value in asdict(options).items():
            if value != own[key]:
                words.append(f"{name}.{key}={'none' if value is None else value}")
    return words


def settings_from_json(data: Mapping[str, Any]) -> Settings:
    """Return the settings that `Settings.to_json` wrote.

    Raises:
        InputError, TypeError: it did not write this.
    """
    candidates = data.get("candidates")
    named_images = tuple(candidates) if isinstance(candidates, list) else candidates
    given = {name: with_options(method(name), values) for name, values in data["options"].items()}
    own = {name: options for name, options in given.items() if options != method(name).options}
    return Settings(**{**data, "candidates": named_images, "options": own})


def refusal(each: Method, query: Query) -> str | None:
    """Return why a method cannot answer a query; None if it can."""
    return each.refusal(query) if isinstance(each, Particular) else None


def check_answerable(each: Method, query: Query) -> None:
    """Raise `SettingsError` if a method cannot answer a query."""
    why = refusal(each, query)
    if why is not None:
        raise SettingsError(why)


def available(each: Method, workspace: Workspace) -> bool:
    """Whether everything that a method needs has been precomputed."""
    return all(workspace.has(kind) for kind in each.needs(workspace))


def told_options(given: Sequence[str], alpha: float | None = None) -> dict[str, MethodOptions]:
    """Return the options of single methods as a person writes them: `METHOD.NAME=VALUE`.

    Args:
        alpha: of each method that takes a step.

    Raises:
        SettingsError: words are none of these, or a method has no such option.
        UnknownNameError: there is no such method.
    """
    stepping = [name for name, each in methods().items() if hasattr(each.options, "alpha")]
    chosen: dict[str, dict[str, Any]] = {}
    if alpha is not None:
        chosen = {name: {"alpha": alpha} for name in stepping}
    for words in given:
        place, _, value = words.partition("=")
        name, _, option = place.partition(".")
        if not option or not value:
            raise SettingsError(f"--option {words!r}: write METHOD.NAME=VALUE, such as abu.damping=0.05")
        chosen.setdefault(name, {})[option] = None if value == "none" else value
    return {name: with_options(method(name), values) for name, values in chosen.items()}
