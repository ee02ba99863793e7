"""A test of an answer in words and pictures: pure functions from a check to what is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any, NamedTuple

from app.frontend.templates import render
from app.views.change_words import (
    MINUS,
    capital,
    change_words,
    counted,
    listed,
    percent_words,
    rise_words,
    signed,
)
from app.views.counterfactual_sets import SetTitle, top_titles
from app.views.pictures import data_uri
from attribution.analysis.counterfactual import MATCHED, CounterfactualCheck, Outcome, Survivor
from attribution.analysis.verdict import bears_out
from attribution.methods.base import method
from attribution.unlearning.change import Change, LossChange

SIDE = 256  # pixels of a picture on the screen
CLEAR = 2.0  # standard errors between two rises that are told apart

NOT_AGAINST = (
    "That says nothing against the answer: between them, random images show much of what the picture does, "
    "and unlearning them changes it too."
)
NOT_SHOWN = (
    "Unlearning stands in for training without these images. It is an approximation: a model that had "
    "never seen them might have found another way to this picture.",
    "Every set is unlearned until its own loss has risen by the same share, so that none is favoured. How "
    "far a picture then changes still depends on its seed: a small change can tip it over.",
    "A change shows that these weights need those images for this picture, not that nothing else does, and "
    "not that anything was copied.",
)
NOT_SHOWN_OF_ITSELF = (
    "That unrelated pictures survive shows that what was taken away belongs to this picture, and that the "
    "scores, which are made in the same way, measure it and not damage in general.",
    "It does not show which training images taught it: for that there are the ranking and the test above.",
    "Unlearning one picture is one step from these weights; related pictures are meant to suffer with it.",
)


def introduction(itself: bool) -> str:
    """What a test is for: of the first ranks, or of the picture itself."""
    return render("counterfactual_intro.html", itself=itself)


class Beside(NamedTuple):
    """What stands beside the slider of a test, of the answer that is tested.

    Attributes:
        finding: its sentence; "" where it has none.
        first: (row, caption) of the first training images that were unlearned.
    """

    finding: str
    first: Sequence[tuple[int, str]]


def top_view(
    check: CounterfactualCheck | None, words: str, beside: Beside | None = None, at_work: bool = False
) -> str:
    """The picture before and after unlearning the first ranks, and other images.

    Args:
        words: what they were ranked by.
        beside: what stands beside a slider over the pictures; None for no slider, as on paper.
        at_work: more is on its way.
    """
    if check is None:
        return ""
    verdict = top_verdict(check) if check.tested else None
    return sets_view(check, top_titles(check, words), verdict, beside, at_work)


def sets_view(
    check: CounterfactualCheck,
    sets: Sequence[SetTitle],
    verdict: tuple[str, str] | None,
    beside: Beside | None = None,
    at_work: bool = False,
) -> str:
    """The picture before and after unlearning some sets: the one that is tested, then the others.

    Args:
        beside, at_work: as `top_view` takes them; what is not there yet has a blank place.
    """
    found: list[Outcome | None] = list(check.found)
    found += [None] * (len(sets) - len(found)) if at_work else []
    columns = [
        _column(outcome, f"After unlearning {each.unlearned}", each.words, each.unlearned)
        for outcome, each in zip(found, sets, strict=False)
    ]
    bars = _bars(check, [each.short for each in sets])
    columns.insert(0, _before(check))
    return _rendered(
        check, columns, verdict, bars=bars, survivors=None, missing=0, notes=NOT_SHOWN,
        beside=beside, stopped=not (at_work or check.final),
    )  # fmt: skip


def picture_view(check: CounterfactualCheck | None) -> str:
    """The picture before and after it was unlearned, and unrelated pictures before and after."""
    if check is None:
        return ""
    return _rendered(
        check,
        [_before(check), _column(check.outcome, "Unlearned", "the picture itself")],
        picture_verdict(check) if check.final else None,
        bars=[],
        survivors=[_survivor(survivor) for survivor in check.survivors],
        missing=0 if check.final else max(check.settings.survivors - len(check.survivors), 0),
        notes=NOT_SHOWN_OF_ITSELF,
        beside=None,
        stopped=False,
    )


def _rendered(
    check: CounterfactualCheck,
    columns: Sequence[dict[str, Any]],
    verdict: tuple[str, str] | None,
    **more: Any,
) -> str:
    return render(
        "counterfactual.html",
        final=check.final,
        verdict=None if verdict is None else dict(zip(("head", "measured"), verdict, strict=True)),
        warnings=[capital(warning) for warning in check.warnings],
        columns=columns,
        pictures=len(check.before),
        # In a picture from other noise, what the box was about lies elsewhere.
        box_sides=check.query.get("snapped_box") if check.same_noise else None,
        origin=_origin(check),
        **more,
    )


def top_verdict(check: CounterfactualCheck) -> tuple[str, str]:
    """(a headline, what was measured), for a test of the first ranks that has ended."""
    assert check.outcome is not None
    loss, count = check.outcome.loss, len(check.outcome.ids)
    what = "this part" if check.query.get("box") else "the picture"
    changed = (
        f"Unlearning the first {count} changed what the model predicts for {what} by {change_words(loss)}"
    )
    if not check.controls:
        return "There is no control to compare with.", f"{changed} of its loss."
    others = listed([change_words(control.loss) for control in check.controls])
    measured = (
        f"{changed} of its loss; unlearning as many random ones, by {others}. {_compared_words(check)}"
        f"{_picture_words(check)}"
    )
    controls = [control.loss.relative_change for control in check.controls]
    if bears_out(loss.relative_change, controls):
        return "The picture depends on these images more than on random ones.", measured
    return "This test cannot tell these images from random ones.", f"{measured} {NOT_AGAINST}"


def picture_verdict(check: CounterfactualCheck) -> tuple[str, str]:
    """(a headline, what was measured), for a test that unlearned the picture itself and has ended."""
    assert check.outcome is not None
    own = check.outcome.loss
    measured = f"Its own loss rose by {rise_words(own)}"
    if not check.survivors:
        return "There is no unrelated picture to compare with.", f"{measured}."
    spared = mean(survivor.loss.relative for survivor in check.survivors)
    moved = mean(survivor.change.inside for survivor in check.survivors)
    changed = mean(change.inside for change in check.outcome.changes)
    measured += (
        f"; that of {counted(len(check.survivors), 'unrelated picture')} by {percent_words(spared)} on "
        f"average. Its pixels changed by {changed:.0f} of 255 levels, theirs by {moved:.0f}."
    )
    if all(_above(own, survivor.loss) for survivor in check.survivors) and spared < own.relative / 4:
        return "The picture was forgotten, and what has nothing to do with it survived.", measured
    return "Unrelated pictures suffered too: read the scores of this picture with care.", measured


def _above(one: LossChange, other: LossChange) -> bool:
    """Whether one relative rise is clearly larger than another."""
    error = (one.rise_stderr / one.before) ** 2 + (other.rise_stderr / other.before) ** 2
    return one.relative - other.relative > CLEAR * math.sqrt(error)


def _compared_words(check: CounterfactualCheck) -> str:
    """What the further sets changed, as far as they are there."""
    said = []
    for each in check.compared:
        if each.outcome is not None:
            which = (
                "as many with the same words"
                if each.name == MATCHED
                else f"the first of {method(each.name).title}"
            )
            said.append(f"{which}, by {change_words(each.outcome.loss)}")
    return f"{capital('; '.join(said))}. " if said else ""


def _picture_words(check: CounterfactualCheck) -> str:
    """How far the pictures made again are from the one before."""
    assert check.outcome is not None
    top = mean(change.inside for change in check.outcome.changes)
    controls = [mean(change.inside for change in control.changes) for control in check.controls]
    boxed = any(change.outside is not None for change in check.outcome.changes)
    where = " in the box" if boxed else ""
    others = listed([f"{value:.0f}" for value in controls])
    return f"Made again, its pixels{where} changed by {top:.0f} of 255 levels, and by {others}."


def _before(check: CounterfactualCheck) -> dict[str, Any]:
    return {
        "title": "Before",
        "stop": "as made",
        "words": "made by the model as it is",
        "alt": "before",
        "pictures": [data_uri(image, SIDE) for image in check.before],
        "facts": [],
    }


def _column(outcome: Outcome | None, title: str, words: str, stop: str = "") -> dict[str, Any]:
    """What some unlearned weights do to the picture; blank until it is known. `stop`: on the slider."""
    head = {"title": title, "stop": stop, "words": words, "alt": title}
    if outcome is None:
        return {**head, "pictures": [], "facts": []}
    pictures = [data_uri(image, SIDE) for image in outcome.pictures]
    loss = outcome.loss
    facts = [
        ("predictions", change_words(loss)),
        ("own loss", signed(rise_words(loss))),
        *_changes(outcome.changes),
    ]
    return {**head, "pictures": pictures, "facts": facts}


def _changes(changes: Sequence[Change]) -> list[tuple[str, str]]:
    inside = mean(change.inside for change in changes)
    outside = [change.outside for change in changes if change.outside is not None]
    lines = [("pixels in the box" if outside else "pixels", f"{inside:.0f} of 255")]
    if outside:
        lines.append(("pixels outside", f"{mean(outside):.0f} of 255"))
    for name in changes[0].likeness:
        likeness = mean(change.likeness[name] for change in changes)
        lines.append((f"{name.upper()} likeness", f"{likeness:.2f}".replace("-", MINUS)))
    return lines


def _survivor(survivor: Survivor) -> dict[str, str]:
    rise = signed(percent_words(survivor.loss.relative))
    return {
        "before": data_uri(survivor.before, SIDE),
        "after": data_uri(survivor.after, SIDE),
        "prompt": survivor.generation.prompt,
        "words": f"own loss {rise} · pixels {survivor.change.inside:.0f} of 255",
    }


def _bars(check: CounterfactualCheck, names: Sequence[str]) -> list[dict[str, Any]]:
    """How much each set changed the predictions for the picture, as bars with one standard error."""
    outcomes = check.found
    named = zip(names[: len(outcomes)], outcomes, strict=True)
    scale = 100 / max((sum(o.loss.relative_change) for o in outcomes), default=1.0)
    bars = []
    for name, outcome in named:
        share, error = outcome.loss.relative_change
        left = scale * max(share - error, 0)
        bars.append(
            {
                "name": name,
                "images": len(outcome.ids),
                "width": f"{scale * share:.1f}",
                "left": f"{left:.1f}",
                "error": f"{scale * (share + error) - left:.1f}",
                "words": change_words(outcome.loss),
            }
        )
    return bars


def _origin(check: CounterfactualCheck) -> str:
    if check.same_noise:
        made = check.generations[0]
        return (
            f"Each is made from the same noise: seed {made.seed}, {made.steps} steps, guidance "
            f"{made.guidance:g}."
        )
    seeds = listed([str(made.seed) for made in check.generations])
    return (
        "The noise that this picture was made from is not known, so it cannot be made again. These are "
        f"made from its caption with seeds {seeds}; the loss is the picture's own."
    )
