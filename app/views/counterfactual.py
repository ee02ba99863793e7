"""A test of an answer in words and pictures: pure functions from a `Proof` to what is shown."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from statistics import mean

from PIL import Image

from app.views.pictures import data_uri
from attribution.analysis.counterfactual import Outcome, Proof, Survivor
from attribution.unlearning.change import Change, LossChange

SIDE = 256  # pixels of a picture on the screen
CLEAR = 2.0  # standard errors between two rises that are told apart
MINUS = "\N{MINUS SIGN}"

INTRO = (
    '<p class="proof-intro">A ranking says which images this picture owes most to. Put it to the test: the '
    "model unlearns the first images, and as a control as many random ones, and makes the picture again "
    "from the same noise.</p>"
)
INTRO_ITSELF = (
    '<p class="proof-intro">The other way round: the model unlearns this very picture, which is what the '
    "scores are made of. It should change; pictures that have nothing to do with it should not.</p>"
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


def top_view(proof: Proof | None, words: str) -> str:
    """The picture before, without the first ranks, and without random images. `words`: what ranked them."""
    if proof is None:
        return ""
    count = len(proof.outcome.ids) if proof.outcome else 0
    first = f"Without the first {count}" if count else "Without the first ranks"
    columns = [_before(proof), _outcome(proof, proof.outcome, first, words)]
    for number in range(proof.settings.controls):
        done = proof.controls[number] if number < len(proof.controls) else None
        which = "random ones" if number == 0 else "other random ones"
        title = f"Without {count} {which}" if count else f"Without {which}"
        columns.append(_outcome(proof, done, title, "control"))
    verdict = _said(top_verdict(proof), proof.warnings) if proof.final else ""
    return (
        f'<section class="proof" data-final="{str(proof.final).lower()}">{verdict}'
        f'<div class="proof-row">{"".join(columns)}</div>{rise_chart(proof)}'
        f"{_origin(proof)}{_notes(NOT_SHOWN)}</section>"
    )


def picture_view(proof: Proof | None) -> str:
    """The picture before and after it was unlearned, and unrelated pictures before and after."""
    if proof is None:
        return ""
    columns = _before(proof) + _outcome(proof, proof.outcome, "Unlearned", "the picture itself")
    survivors = "".join(map(_survivor, proof.survivors))
    if not proof.final:
        missing = max(proof.settings.survivors - len(proof.survivors), 0)
        survivors += '<li class="survivor"><span class="proof-blank"></span></li>' * missing
    verdict = _said(picture_verdict(proof), proof.warnings) if proof.final else ""
    return (
        f'<section class="proof" data-final="{str(proof.final).lower()}">{verdict}'
        f'<div class="proof-row">{columns}</div>'
        f'<h4>Pictures that have nothing to do with it, before and after</h4><ul class="survivors">'
        f"{survivors}</ul>{_origin(proof)}{_notes(NOT_SHOWN_OF_ITSELF)}</section>"
    )


def top_verdict(proof: Proof) -> tuple[str, str]:
    """(a headline, what was measured), for a test of the first ranks that has ended."""
    assert proof.outcome is not None
    loss, count = proof.outcome.loss, len(proof.outcome.ids)
    where = "in the box " if proof.query.get("box") else ""
    rises = f"Unlearning the first {count} raised the picture's own loss {where}by {_rise(loss)}"
    if not proof.controls:
        return "There is no control to compare with.", f"{rises}."
    others = _listed([_rise(control.loss) for control in proof.controls])
    measured = f"{rises}; unlearning as many random ones, by {others}. {_picture_words(proof)}"
    if all(_above(loss, control.loss) for control in proof.controls):
        return "The picture depends on these images more than on random ones.", measured
    if any(_above(control.loss, loss) for control in proof.controls):
        return "Random images mattered as much here: this answer is not borne out.", measured
    return "The difference is within the error: this neither supports nor refutes the answer.", measured


def picture_verdict(proof: Proof) -> tuple[str, str]:
    """(a headline, what was measured), for a test that unlearned the picture itself and has ended."""
    assert proof.outcome is not None
    own = proof.outcome.loss
    measured = f"Its own loss rose by {_rise(own)}"
    if not proof.survivors:
        return "There is no unrelated picture to compare with.", f"{measured}."
    spared = mean(survivor.loss.relative for survivor in proof.survivors)
    moved = mean(survivor.change.inside for survivor in proof.survivors)
    changed = mean(change.inside for change in proof.outcome.changes)
    measured += (
        f"; that of {_counted(len(proof.survivors), 'unrelated picture')} by {_percent(spared)} on "
        f"average. Its pixels changed by {changed:.0f} of 255 levels, theirs by {moved:.0f}."
    )
    if all(_above(own, survivor.loss) for survivor in proof.survivors) and spared < own.relative / 4:
        return "The picture was forgotten, and what has nothing to do with it survived.", measured
    return "Unrelated pictures suffered too: read the scores of this picture with care.", measured


def _above(one: LossChange, other: LossChange) -> bool:
    """Whether one relative rise is clearly larger than another."""
    error = (one.rise_stderr / one.before) ** 2 + (other.rise_stderr / other.before) ** 2
    return one.relative - other.relative > CLEAR * math.sqrt(error)


def _picture_words(proof: Proof) -> str:
    """How far the pictures made again are from the one before."""
    assert proof.outcome is not None
    top = mean(change.inside for change in proof.outcome.changes)
    controls = [mean(change.inside for change in control.changes) for control in proof.controls]
    boxed = any(change.outside is not None for change in proof.outcome.changes)
    where = " in the box" if boxed else ""
    others = _listed([f"{value:.0f}" for value in controls])
    return f"Made again, its pixels{where} changed by {top:.0f} of 255 levels, and by {others}."


def _before(proof: Proof) -> str:
    pictures = "".join(_picture(image, _box(proof), "before") for image in proof.before)
    return (
        f'<figure class="proof-column"><div class="proof-pictures">{pictures}</div>'
        "<figcaption><strong>Before</strong><small>made by the model as it is</small></figcaption></figure>"
    )


def _outcome(proof: Proof, outcome: Outcome | None, title: str, words: str) -> str:
    head = f"<strong>{html.escape(title)}</strong><small>{html.escape(words)}</small>"
    if outcome is None:
        blanks = '<span class="proof-blank"></span>' * len(proof.before)
        return (
            f'<figure class="proof-column is-blank"><div class="proof-pictures">{blanks}</div>'
            f"<figcaption>{head}</figcaption></figure>"
        )
    pictures = "".join(_picture(image, _box(proof), title) for image in outcome.pictures)
    return (
        f'<figure class="proof-column"><div class="proof-pictures">{pictures}</div><figcaption>{head}'
        f"<dl><div><dt>own loss</dt><dd>+{_rise(outcome.loss)}</dd></div>{_changed(outcome.changes)}</dl>"
        "</figcaption></figure>"
    ).replace("+" + MINUS, MINUS)


def _changed(changes: Sequence[Change]) -> str:
    inside = mean(change.inside for change in changes)
    outside = [change.outside for change in changes if change.outside is not None]
    where = ("pixels in the box", "pixels outside") if outside else ("pixels", "")
    lines = [(where[0], f"{inside:.0f} of 255")]
    if outside:
        lines.append((where[1], f"{mean(outside):.0f} of 255"))
    for name in changes[0].likeness:
        alike = mean(change.likeness[name] for change in changes)
        lines.append((f"{name.upper()} likeness", f"{alike:.2f}".replace("-", MINUS)))
    return "".join(f"<div><dt>{html.escape(name)}</dt><dd>{value}</dd></div>" for name, value in lines)


def _survivor(survivor: Survivor) -> str:
    prompt = html.escape(survivor.generation.prompt)
    return (
        f'<li class="survivor"><div class="survivor-pair">{_picture(survivor.before, None, "before")}'
        f"{_picture(survivor.after, None, 'after')}</div><p>{prompt}</p>"
        f"<small>own loss +{_percent(survivor.loss.relative)} · pixels "
        f"{survivor.change.inside:.0f} of 255</small></li>"
    ).replace("+" + MINUS, MINUS)


def _picture(image: Image.Image, box: Sequence[float] | None, words: str) -> str:
    frame = ""
    if box is not None:
        left, top, right, bottom = (100 * side for side in box)
        frame = (
            f'<i class="proof-box" style="left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;'
            f'height:{bottom - top:.2f}%"></i>'
        )
    uri, alt = data_uri(image, SIDE), html.escape(words)
    return f'<span class="proof-picture"><img src="{uri}" alt="{alt}">{frame}</span>'


def _box(proof: Proof) -> Sequence[float] | None:
    return proof.query.get("snapped_box") if proof.same_noise else None


def rise_chart(proof: Proof) -> str:
    """The rise of the picture's own loss under each set, as bars with one standard error."""
    outcomes = [o for o in (proof.outcome, *proof.controls) if o is not None]
    if not outcomes:
        return ""
    most = max(o.loss.relative + o.loss.rise_stderr / o.loss.before for o in outcomes)
    scale = 100 / max(most, 0.01)
    rows = ""
    for number, outcome in enumerate(outcomes):
        name = "the first" if number == 0 else "random"
        share, error = outcome.loss.relative, outcome.loss.rise_stderr / outcome.loss.before
        left, right = scale * max(share - error, 0), scale * max(share + error, 0)
        rows += (
            f'<tr data-kind="{"top" if number == 0 else "control"}"><th scope="row">{name} '
            f"{len(outcome.ids)}</th><td><span class='rise'><span class='rise-fill' "
            f"style='width:{max(scale * share, 0):.1f}%'></span><span class='rise-error' "
            f"style='left:{left:.1f}%;width:{right - left:.1f}%'></span></span></td>"
            f"<td>{_rise(outcome.loss)}</td></tr>"
        )
    return (
        '<table class="rises"><caption>How much more the picture surprises the model afterwards: the rise '
        f"of its own loss, with one standard error</caption><tbody>{rows}</tbody></table>"
    )


def _said(verdict: tuple[str, str], warnings: Sequence[str]) -> str:
    head, measured = map(html.escape, verdict)
    warned = "".join(f"<li>{html.escape(_capital(warning))}</li>" for warning in warnings)
    listed = f'<ul class="warnings" role="note">{warned}</ul>' if warned else ""
    return f'<div class="verdict"><h3>{head}</h3><p>{measured}</p></div>{listed}'


def _origin(proof: Proof) -> str:
    if proof.same_noise:
        made = proof.generations[0]
        words = (
            f"Each is made from the same noise: seed {made.seed}, {made.steps} steps, guidance "
            f"{made.guidance:g}."
        )
    else:
        seeds = _listed([str(made.seed) for made in proof.generations])
        words = (
            "The noise that this picture was made from is not known, so it cannot be made again. These are "
            f"made from its caption with seeds {seeds}; the loss is the picture's own."
        )
    return f'<p class="proof-origin">{html.escape(words)}</p>'


def _notes(notes: Sequence[str]) -> str:
    lines = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    head = "<summary>What this shows, and what it does not</summary>"
    return f'<details class="proof-notes">{head}<ul>{lines}</ul></details>'


def _rise(loss: LossChange) -> str:
    return f"{_percent(loss.relative)} ± {100 * loss.rise_stderr / loss.before:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%".replace("-", MINUS)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
