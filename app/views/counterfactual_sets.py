"""What the sets of training images are called that a test of an answer unlearns."""

from __future__ import annotations

from typing import NamedTuple

from attribution.analysis.counterfactual import MATCHED, CounterfactualCheck
from attribution.methods.base import method


class SetTitle(NamedTuple):
    """What a set of images is called where a test shows it.

    Attributes:
        unlearned: what was unlearned, after "After unlearning".
        words: a line below that.
        short: before its number, in the table of changes.
    """

    unlearned: str
    words: str
    short: str


def top_titles(check: CounterfactualCheck, words: str) -> list[SetTitle]:
    """What the sets of a test of the first ranks are called, in the order in which they are unlearned."""
    count = len(check.outcome.ids) if check.outcome else 0
    number = f"{count} " if count else ""
    sets = [SetTitle(f"the first {count or 'ranks'}", words, "the first")]
    for control in range(check.settings.controls):
        which = "random ones" if control == 0 else "other random ones"
        sets.append(SetTitle(f"{number}{which}", "control", "random"))
    for each in check.compared:
        if each.name == MATCHED:
            same = f"{number}with the same words"
            sets.append(SetTitle(same, "control: captions most like theirs", "same words"))
        else:
            title = method(each.name).title
            ranked = f"the images that {title} ranks first"
            sets.append(SetTitle(f"the first {number}of {title}", ranked, f"{title}’s first"))
    return sets
