"""Why a training image may stand where it does for other reasons than influence, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.runs.selection import Strip, answered
from attribution.analysis.significance import FIRST, Null
from attribution.data.training_set import Example
from attribution.data.words import words
from attribution.methods.likeness import Likeness

MINUS = "\N{MINUS SIGN}"
NAMED = 6  # shared words at most
ALIKE = 20  # ranks of a likeness: an image among them looks or reads like the picture


@dataclass(frozen=True)
class Reason:
    """One thing to know before a rank is believed; `doubt` where it speaks against influence."""

    about: str
    words: str
    doubt: bool = False


def reasons(
    example: Example, shown: Sequence[Strip], nulls: Mapping[str, Null], common: set[str]
) -> list[Reason]:
    """What else than influence may have put an image where it is, in the rankings that are shown.

    Args:
        nulls: by the title of a method, of those that know what unrelated pictures score.
        common: words that say nothing of what a picture shows.
    """
    ranked = answered(shown)
    if not ranked:
        return []
    found = [_chance(example, strip) for strip, _ in ranked]
    found += [_noise(example, strip) for strip, _ in ranked]
    found += [_often(example, title, null) for title, null in nulls.items()]
    found += [_caption(example, ranked[0][0], common)]
    found += [_likeness(example, strip) for strip, _ in ranked]
    return [reason for reason in found if reason is not None]


def _chance(example: Example, strip: Strip) -> Reason | None:
    assert strip.ranking is not None
    rank = strip.ranking.rank_of(example.id)
    if rank is None or strip.ranking.standing_out is None or strip.ranking.z is None:
        return None
    z = f"z {strip.ranking.z[rank - 1]:.1f}".replace("-", MINUS)
    if strip.ranking.standing_out[rank - 1]:
        return Reason(
            "Chance", f"{_name(strip)}: it stands out ({z}); unrelated pictures would not do this."
        )
    words = f"{_name(strip)}: it does not stand out ({z}). Among so many images, chance alone does as much."
    return Reason("Chance", words, doubt=True)


def _noise(example: Example, strip: Strip) -> Reason | None:
    assert strip.ranking is not None
    rank = strip.ranking.rank_of(example.id)
    if rank is None or strip.ranking.sure[rank - 1]:
        return None
    words = f"{_name(strip)}: its score is less than two standard errors from nothing, and may be noise."
    return Reason("Noise", words, doubt=True)


def _often(example: Example, title: str, null: Null) -> Reason:
    images, pictures = len(null.first), int(null.unrelated[example.row])
    first, usual = int(null.first[example.row]), pictures * min(FIRST / images, 1.0)
    words = (
        f"{title}: it is among the first {FIRST} for {first} of {pictures} pictures that have "
        f"nothing to do with it; an image like any other is for {usual:.1f}."
    )
    return Reason("Other pictures", words, doubt=first > 2 * usual + 3)


def _caption(example: Example, strip: Strip, common: set[str]) -> Reason:
    asked = dict.fromkeys(words(strip.part.query.caption))
    own = set(words(example.caption)) - common
    shared = [word for word in asked if word in own]
    if not shared:
        return Reason("Caption", "It shares no telling word with the picture's.")
    named = ", ".join(f"“{word}”" for word in shared[:NAMED])
    return Reason(
        "Caption", f"It shares {named} with the picture's: the model learns words as well as looks."
    )


def _likeness(example: Example, strip: Strip) -> Reason | None:
    assert strip.ranking is not None
    rank = strip.ranking.rank_of(example.id)
    if not isinstance(strip.method, Likeness) or strip.method.captions or rank is None or rank > ALIKE:
        return None
    words = f"{_name(strip)} ranks it {rank}: it looks like the picture, in its background or as a whole."
    return Reason("Likeness", words)


def _name(strip: Strip) -> str:
    """The method's, and the part's where parts stand side by side."""
    method = strip.method.title
    return method if strip.title == method else f"{method}, {strip.title}"
