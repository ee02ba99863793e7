"""A collection of training images: how far kept pictures lean on it, and what unlearning it does to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.frontend.templates import render
from app.runs.collection import Collection, Leaning, MethodShare, Question
from app.views.change_words import change_words, counted
from app.views.counterfactual import NOT_AGAINST, sets_view
from app.views.counterfactual_sets import SetTitle
from app.views.history import when
from app.views.pictures import data_uri
from attribution.analysis.collection import FEWEST, TOP, MeanShare
from attribution.analysis.counterfactual import CounterfactualCheck, Outcome
from attribution.analysis.verdict import bears_out
from attribution.methods.base import method

SHOWN, LEANING = 24, 24  # of its images, and of the pictures that lean on it
THUMBNAIL = 128  # pixels
NO_QUESTIONS = (
    "No question is kept in this browser yet. Ask some, and come back: how far each answer leans on these "
    "images is summed up here."
)


def collection_view(found: Leaning) -> str:
    """The whole of it, with a button to unlearn it beside each picture."""
    collection = found.collection
    return render(
        "collection.html",
        name=collection.name,
        **facts_of(found),
        cells=[_cell(collection, int(row)) for row in collection.rows[:SHOWN]],
        more=f"{len(collection.rows) - SHOWN:,}" if len(collection.rows) > SHOWN else "",
        pictures=[picture_of(each) for each in found.questions[:LEANING]],
        nothing=NO_QUESTIONS,
    )


def facts_of(found: Leaning) -> dict[str, Any]:
    """What page and dossier both say of it."""
    collection = found.collection
    return {
        "images": f"{len(collection.rows):,}",
        "total": f"{len(collection.training_set):,}",
        "base": percent(collection.base),
        "shares": [_share(share, collection.base) for share in found.shares],
        "by": method(found.questions[0].method).title if found.questions else "",
        "headline": headline(found),
        "few": any(share.first.low is None for share in found.shares),
        "fewest": FEWEST,
        "top": TOP,
        "told": found.told,
    }


def headline(found: Leaning) -> str:
    """What the first method's questions say, in a sentence; "" without any."""
    if not found.questions:
        return ""
    own = next(share for share in found.shares if share.method == found.questions[0].method)
    base, first = found.collection.base, own.first
    said = (
        f"{percent(first.value)} of the first images that {method(own.method).title} names for "
        f"{counted(own.pictures, 'picture')} are of it; of the whole training set {percent(base)} are"
    )
    if first.low is None or first.high is None:
        return f"{said}."
    if first.low > base:
        return f"{said}: more than its share."
    if first.high < base:
        return f"{said}: less than its share."
    return f"{said}: no more and no less than chance would give, as far as can be told."


def picture_of(question: Question) -> dict[str, Any]:
    """A kept picture that leans on it."""
    run, lean = question.run, question.lean
    return {
        "run": run.id,
        "part": question.part.label,
        "picture": data_uri(run.picture.image, THUMBNAIL),
        "caption": run.caption,
        "box": None if question.part.query.box is None else question.part.query.box.as_tuple(),
        "title": question.part.title if question.part.query.box is not None else "",
        "words": f"{lean.first} of the first {lean.top}",
        "score": "" if lean.score is None else f"{percent(lean.score)} of all positive scores",
        "width": f"{100 * lean.share:.0f}",
        "date": when(run.begun),
    }


def collection_check_view(check: CounterfactualCheck, collection: Collection) -> str:
    """The picture before and after unlearning some of a collection, random others, and matched ones."""
    count = len(check.outcome.ids) if check.outcome else 0
    number = f"{count} " if count else ""
    of = "" if count == len(collection.rows) else f", drawn from its {len(collection.rows):,}"
    sets = [
        SetTitle(f"{number}of the collection", f"{collection.name}{of}", "the collection's"),
        SetTitle(f"{number}random others", "control", "random"),
        SetTitle(f"{number}other random ones", "control", "random"),
        SetTitle(f"{number}with the same words", "control: captions most like theirs", "same words"),
    ]
    verdict = collection_verdict(check) if check.final else None
    return sets_view(check, sets, verdict, at_work=not check.final)


def collection_verdict(check: CounterfactualCheck) -> tuple[str, str]:
    """(a headline, what was measured), for a test that has ended."""
    assert check.outcome is not None
    *random, matched = check.controls
    own = check.outcome.loss
    measured = (
        f"Unlearning {len(check.outcome.ids)} of its images changed what the model predicts for the "
        f"picture by {change_words(own)} of its loss; as many random others, by "
        f"{' and '.join(change_words(control.loss) for control in random)}; as many others whose captions "
        f"share most words with theirs, by {change_words(matched.loss)}."
    )
    if not _above(check.outcome, random):
        return "This test cannot tell the collection from random images.", f"{measured} {NOT_AGAINST}"
    if not _above(check.outcome, [matched]):
        return (
            "The picture depends on this collection more than on random images, but not clearly more than "
            "on others with the same words.",
            f"{measured} What counts may be what they show, and not whose they are.",
        )
    return (
        "The picture depends on this collection more than on random images, and more than on others with "
        "the same words.",
        measured,
    )


def percent(share: float) -> str:
    """A share of something."""
    return f"{100 * share:.1f}%"


def _above(outcome: Outcome, controls: Sequence[Outcome]) -> bool:
    return bears_out(outcome.loss.relative_change, [each.loss.relative_change for each in controls])


def _share(share: MethodShare, base: float) -> dict[str, Any]:
    return {
        "method": share.method,
        "title": method(share.method).title,
        "pictures": f"{share.pictures:,}",
        "first": percent(share.first.value),
        "interval": _interval(share.first),
        "times": f"{share.first.value / base:.1f}" if base else "",
        "score": "" if share.score is None else percent(share.score.value),
        "score_interval": "" if share.score is None else _interval(share.score),
        "width": f"{100 * share.first.value:.1f}",
        "left": None if share.first.low is None else f"{100 * share.first.low:.1f}",
        "error": _width(share.first),
        "base": f"{100 * base:.1f}",
    }


def _interval(share: MeanShare) -> str:
    if share.low is None or share.high is None:
        return ""
    return f"{percent(share.low)} to {percent(share.high)}"


def _width(share: MeanShare) -> str:
    return "" if share.low is None or share.high is None else f"{100 * (share.high - share.low):.1f}"


def _cell(collection: Collection, row: int) -> dict[str, Any]:
    example = collection.training_set.examples[row]
    return {"id": example.id, "row": row, "caption": example.caption}
