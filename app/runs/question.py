"""A question before it is computed: which methods can be asked, and whether it makes sense."""

from __future__ import annotations

from collections.abc import Sequence

from app.runs.run import Picture, Run, made_here, parts_of
from attribution.errors import CaptionError, SettingsError
from attribution.methods.base import DEFAULT, Cost, Method, available, check_answerable, methods
from attribution.methods.base import usual_methods as usual
from attribution.models.base import Generation
from attribution.query import Box, Settings
from attribution.workspace.workspace import Workspace

MAX_SEED = 2**31 - 1
LONGEST = 2000  # characters of a prompt or a caption
# One that measures, what gradients say at once, and what to hold both against (docs/EVIDENCE.md).
USUAL = (DEFAULT, "d-trak", "clip", "dino")


def offered_methods(workspace: Workspace) -> list[Method]:
    """The methods whose artifacts have been made."""
    return [each for each in methods().values() if available(each, workspace)]


def usual_methods(offers: Sequence[Method]) -> list[str]:
    """The names of the methods that are asked unless others are named."""
    names = [each.name for each in offers]
    return usual(USUAL, names) or names[:1]


def measures(each: Method) -> bool:
    """Whether a method measures each training image by itself, which effort "instant" does not allow."""
    return each.cost is Cost.PER_EXAMPLE


def checked_run(
    picture: Picture | None,
    boxes: tuple[Box, ...],
    chosen: object,
    effort: str,
    caption: str | None,
    model: str = "",
) -> Run:
    """The question as the page puts it, checked.

    Args:
        model: the fingerprint of the one that is asked.

    Raises:
        InputError: something is missing or makes no sense; says what to do.
    """
    if picture is None:
        raise SettingsError("make or bring a picture first")
    if not isinstance(chosen, list) or not chosen:
        raise SettingsError("choose at least one method")
    caption = picture.caption or (caption or "").strip()
    if not caption:
        raise CaptionError("the picture needs its caption: write it under Upload, beside the picture")
    check_length(caption, "caption")
    names = tuple(
        name
        for name, each in methods().items()
        if name in chosen and not (effort == "instant" and measures(each))
    )
    if not names:
        raise SettingsError("instant measures nothing: choose D-TRAK, CLIP, DINO or pixels, or more effort")
    parts = parts_of(picture.image, caption, boxes, made_here(picture, model))
    for name in names:
        check_answerable(methods()[name], parts[0].query)
    return Run(picture, caption, names, Settings(effort=effort), parts)


def checked_generation(
    prompt: str | None, seed: float | None, steps: float, guidance: float, negative: str | None
) -> Generation:
    """The fields of the form as a `Generation`.

    Raises:
        SettingsError: a field is empty or out of range.
    """
    if seed is None or not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"the seed must be a whole number from 0 to {MAX_SEED:,}")
    prompt, negative = (prompt or "").strip(), (negative or "").strip()
    check_length(prompt, "prompt")
    check_length(negative, "negative prompt")
    return Generation(prompt, int(seed), int(steps), float(guidance), negative)


def check_length(text: str, what: str) -> None:
    """Raise `CaptionError` for a text that is too long: nothing is cut silently."""
    if len(text) > LONGEST:
        raise CaptionError(f"the {what} has {len(text):,} characters: shorten it to {LONGEST:,}")
