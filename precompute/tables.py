"""What a workspace has, and what would become of a model and a training set, as tables for a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from attribution.workspace.workspace import Workspace
from precompute.doctor import Examination, Planned
from precompute.status import states


def print_status(workspace: Workspace) -> None:
    """One line an artifact, on stdout."""
    table = Table("artifact", "state", "size", "", title=str(workspace.folder), title_justify="left")
    for state in states(workspace):
        size = f"{state.bytes / 2**20:,.1f} MB" if state.bytes else ""
        table.add_row(state.artifact, state.state, size, state.detail)
    Console().print(table)


def print_examination(found: Examination, device: str) -> None:
    """What was recognised and what it takes on stdout, what is wrong on stderr."""
    facts = Table("recognised", "", title="What there is", title_justify="left")
    for name, words in found.facts.items():
        facts.add_row(name, Text(words))
    Console().print(facts)
    if found.planned:
        Console().print(_plan(found))
        Console().print(
            f"Seconds: measured in a few passes on {device} just now, and a guess: a busy machine makes "
            "them longer; reading, projections and eigenbases not counted. Bytes: reckoned from shapes.",
            style="dim",
        )
    for finding in found.findings:
        print(f"{'error' if finding.refused else 'warning'}: {finding.words}", file=sys.stderr)


def _plan(found: Examination) -> Table:
    title = "What `python -m precompute all` would compute"
    table = Table("artifact", "of", "about", "size", title=title, title_justify="left", show_footer=True)
    for each in found.planned:
        otherwise = f"within {each.within}" if each.within else "not reckoned"
        about = duration(each.seconds) if each.seconds else otherwise
        table.add_row(each.artifact, f"{each.rows:,} {each.unit}", about, size_words(each.bytes))
    most = max(map(sum, _sums_of_passes(found.planned)))
    meanwhile = f", {size_words(most)} more on the way" if most else ""
    table.columns[0].footer = "together"
    table.columns[2].footer = duration(sum(each.seconds for each in found.planned))
    table.columns[3].footer = size_words(sum(each.bytes for each in found.planned)) + meanwhile
    return table


def _sums_of_passes(planned: Sequence[Planned]) -> list[list[int]]:
    """Bytes of the sums that there are at the same time."""
    of_passes = dict[str, list[int]]()
    for each in planned:
        of_passes.setdefault(each.within or each.artifact, []).append(each.sums)
    return list(of_passes.values())


def duration(seconds: float) -> str:
    """In the unit that a person would use."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s" if seconds >= 1 else "under 1 s"


def size_words(count: int) -> str:
    """Bytes in the unit that a person would use."""
    for size, unit in ((2**30, "GB"), (2**20, "MB")):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 2**10:,.0f} kB"
