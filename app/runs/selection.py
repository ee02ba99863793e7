"""Which rankings stand side by side: several methods on one part, or one method on several parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.runs.run import Part, Run
from attribution.analysis.significance import Null
from attribution.methods.base import Judged, Method, method
from attribution.methods.finding import nothing_stands_out as none_stands_out
from attribution.query import Settings
from attribution.results import Ranking
from attribution.workspace.workspace import Workspace

METHODS, PARTS = "methods", "parts"  # what stands side by side
SHOWN = 24  # ranks a method shows at first, and as many more each time; the exports have them all
MOST = 10 * SHOWN


@dataclass(frozen=True)
class Selection:
    """What of a run is shown.

    Attributes:
        beside: "methods" (of one part) or "parts" (under one method).
        part: number of the part whose methods are shown.
        method: the method under which parts are shown; "" for the run's first.
        earlier: ids of earlier runs whose parts are shown as well.
        most: ranks of each row.
        only_out: the rows show only images that stand out by a method that can tell.
        truth: the images that are known to be the answer are marked; until then one can guess.
    """

    beside: str = METHODS
    part: int = 0
    method: str = ""
    earlier: tuple[str, ...] = ()
    most: int = SHOWN
    only_out: bool = False
    truth: bool = False

    def for_new_run(self, run: Run) -> Selection:
        """Methods side by side, of the first part; the method looked at stays if it is asked again."""
        return Selection(method=self.method if self.method in run.methods else "", earlier=self.earlier)


@dataclass(frozen=True)
class Strip:
    """One row of the results grid: a ranking under a name, or the place where it will be.

    Attributes:
        key: of this strip among those shown with it.
        problem: why there will be none; "" where there is one, or may still be.
    """

    key: str
    title: str
    method: Method
    ranking: Ranking | None
    part: Part
    problem: str = ""


def strips(run: Run, selection: Selection, earlier: Mapping[str, Run] | None = None) -> list[Strip]:
    """What stands side by side, in order. `earlier`: the runs of `selection.earlier` that could be read."""
    if selection.beside == METHODS:
        part = run.parts[min(selection.part, len(run.parts) - 1)]
        return [_strip(name, method(name).title, method(name), part) for name in run.methods]
    shared = method(selection.method if selection.method in run.methods else run.methods[0])
    rows = [_strip(part.label, part.title, shared, part) for part in run.parts]
    for other in (earlier or {}).values():
        for part in other.parts:
            if shared.name in part.rankings:
                title = f"Earlier: {other.caption}" + (f", part {part.label}" if part.query.box else "")
                rows.append(_strip(f"{other.id}-{part.label}", title, shared, part))
    return rows


def answered(shown: Sequence[Strip]) -> list[tuple[Strip, Ranking]]:
    """The strips whose ranking is there."""
    return [(strip, strip.ranking) for strip in shown if strip.ranking is not None]


def own_strips(run: Run, shown: Sequence[Strip]) -> list[Strip]:
    """The answered strips of this very run: an earlier one's picture is not on the page."""
    return [strip for strip, _ in answered(shown) if any(strip.part is part for part in run.parts)]


def nothing_stands_out(strip: Strip) -> bool:
    """Whether what can tell found no image of a strip's part beyond what unrelated pictures give."""
    own = () if strip.ranking is None else (strip.ranking,)
    return none_stands_out((*strip.part.rankings.values(), *own))


def warnings_of(run: Run, selection: Selection) -> tuple[str, ...]:
    """What should be known of the parts that are shown before believing them, each said once."""
    whole = selection.beside == PARTS
    parts = run.parts if whole else run.parts[selection.part : selection.part + 1]
    found = [w for part in parts if part.attribution is not None for w in part.attribution.warnings]
    return tuple(dict.fromkeys(found))


def shared_method(run: Run, chosen: str, earlier: Iterable[Run]) -> str:
    """The chosen method if the earlier runs have it too, else the first that all have."""
    chosen = chosen if chosen in run.methods else run.methods[0]
    theirs = [each.methods for each in earlier]
    common = [name for name in run.methods if all(name in each for each in theirs)]
    return chosen if chosen in common or not common else common[0]


def _strip(key: str, title: str, shown: Method, part: Part) -> Strip:
    problem = "" if part.attribution is None else part.attribution.problems.get(shown.name, "")
    return Strip(key, title, shown, part.rankings.get(shown.name), part, problem)


def nulls_of(workspace: Workspace, settings: Settings, shown: Sequence[Strip]) -> dict[str, Null]:
    """What unrelated pictures score under each method that is shown and knows it, by its title."""
    known = {s.method.title: s.method for s in shown if s.ranking is not None and s.ranking.z is not None}
    found = {t: each.null(workspace, settings) for t, each in known.items() if isinstance(each, Judged)}
    return {title: null for title, null in found.items() if null is not None}
