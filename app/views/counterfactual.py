"""A test of an answer in words and pictures: pure functions from a check to what is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any, NamedTuple

from app.frontend.templates import render
from app.views.pictures import data_uri
from attribution.analysis.counterfactual import CounterfactualCheck, Outcome, Survivor
from attribution.analysis.verdict import bears_out
from attribution.unlearning.change import Change, LossChange

SIDE = 256  # pixels of a picture on the screen
CLEAR = 2.0  # standard errors between two rises that are told apart
MINUS = "\N{MINUS SIGN}"

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


def top_view(check: CounterfactualCheck | None, words: str) -> str:
    """The picture before and after unlearning the first ranks, or random images. `words`: their ranking."""
    if check is None:
        return ""
    count = len(check.outcome.ids) if check.outcome else 0
    number = f"{count} " if count else ""
    sets = [SetTitle(f"the first {count or 'ranks'}", words, "the first")]
    for control in range(check.settings.controls):
        which = "random ones" if control == 0 else "other random ones"
        sets.append(SetTitle(f"{number}{which}", "control", "random"))
    return sets_view(check, sets, top_verdict(check) if check.final else None)


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


def sets_view(check: CounterfactualCheck, sets: Sequence[SetTitle], verdict: tuple[str, str] | None) -> str:
    """The picture before and after unlearning some sets: the one that is tested, then its controls."""
    found = [check.outcome, *check.controls]
    found += [None] * (len(sets) - len(found))
    columns = [
        _column(outcome, f"After unlearning {each.unlearned}", each.words)
        for outcome, each in zip(found, sets, strict=True)
    ]
    bars = _bars(check, [each.short for each in sets])
    columns.insert(0, _before(check))
    return _rendered(check, columns, verdict, bars=bars, survivors=None, missing=0, notes=NOT_SHOWN)


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
        warnings=[_capital(warning) for warning in check.warnings],
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
    others = _listed([change_words(control.loss) for control in check.controls])
    measured = (
        f"{changed} of its loss; unlearning as many random ones, by {others}. {_picture_words(check)}"
    )
    controls = [control.loss.relative_change for control in check.controls]
    if bears_out(loss.relative_change, controls):
        return "The picture depends on these images more than on random ones.", measured
    return "This test cannot tell these images from random ones.", f"{measured} {NOT_AGAINST}"


def picture_verdict(check: CounterfactualCheck) -> tuple[str, str]:
    """(a headline, what was measured), for a test that unlearned the picture itself and has ended."""
    assert check.outcome is not None
    own = check.outcome.loss
    measured = f"Its own loss rose by {_rise(own)}"
    if not check.survivors:
        return "There is no unrelated picture to compare with.", f"{measured}."
    spared = mean(survivor.loss.relative for survivor in check.survivors)
    moved = mean(survivor.change.inside for survivor in check.survivors)
    changed = mean(change.inside for change in check.outcome.changes)
    measured += (
        f"; that of {_counted(len(check.survivors), 'unrelated picture')} by {_percent(spared)} on "
        f"average. Its pixels changed by {changed:.0f} of 255 levels, theirs by {moved:.0f}."
    )
    if all(_above(own, survivor.loss) for survivor in check.survivors) and spared < own.relative / 4:
        return "The picture was forgotten, and what has nothing to do with it survived.", measured
    return "Unrelated pictures suffered too: read the scores of this picture with care.", measured


def _above(one: LossChange, other: LossChange) -> bool:
    """Whether one relative rise is clearly larger than another."""
    error = (one.rise_stderr / one.before) ** 2 + (other.rise_stderr / other.before) ** 2
    return one.relative - other.relative > CLEAR * math.sqrt(error)


def _picture_words(check: CounterfactualCheck) -> str:
    """How far the pictures made again are from the one before."""
    assert check.outcome is not None
    top = mean(change.inside for change in check.outcome.changes)
    controls = [mean(change.inside for change in control.changes) for control in check.controls]
    boxed = any(change.outside is not None for change in check.outcome.changes)
    where = " in the box" if boxed else ""
    others = _listed([f"{value:.0f}" for value in controls])
    return f"Made again, its pixels{where} changed by {top:.0f} of 255 levels, and by {others}."


def _before(check: CounterfactualCheck) -> dict[str, Any]:
    return {
        "title": "Before",
        "words": "made by the model as it is",
        "alt": "before",
        "pictures": [data_uri(image, SIDE) for image in check.before],
        "facts": [],
    }


def _column(outcome: Outcome | None, title: str, words: str) -> dict[str, Any]:
    """What some unlearned weights do to the picture; blank until it is known."""
    head = {"title": title, "words": words, "alt": title}
    if outcome is None:
        return {**head, "pictures": [], "facts": []}
    pictures = [data_uri(image, SIDE) for image in outcome.pictures]
    loss = outcome.loss
    facts = [
        ("predictions", change_words(loss)),
        ("own loss", _signed(_rise(loss))),
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
    rise = _signed(_percent(survivor.loss.relative))
    return {
        "before": data_uri(survivor.before, SIDE),
        "after": data_uri(survivor.after, SIDE),
        "prompt": survivor.generation.prompt,
        "words": f"own loss {rise} · pixels {survivor.change.inside:.0f} of 255",
    }


def _bars(check: CounterfactualCheck, names: Sequence[str]) -> list[dict[str, Any]]:
    """How much each set changed the predictions for the picture, as bars with one standard error."""
    outcomes = [o for o in (check.outcome, *check.controls) if o is not None]
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
    seeds = _listed([str(made.seed) for made in check.generations])
    return (
        "The noise that this picture was made from is not known, so it cannot be made again. These are "
        f"made from its caption with seeds {seeds}; the loss is the picture's own."
    )


def _signed(rise: str) -> str:
    """A rise with its sign; a fall has one already."""
    return rise if rise.startswith(MINUS) else f"+{rise}"


def _rise(loss: LossChange) -> str:
    return f"{_percent(loss.relative)} ± {100 * loss.rise_stderr / loss.before:.1f}"


def change_words(loss: LossChange) -> str:
    """How far predictions moved, as a share of the loss, with one standard error."""
    share, error = loss.relative_change
    return f"{_percent(share)} ± {100 * error:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%".replace("-", MINUS)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
