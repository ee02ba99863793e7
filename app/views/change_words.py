"""What unlearning changed, in words."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.unlearning.change import LossChange

MINUS = "\N{MINUS SIGN}"


def signed(rise: str) -> str:
    """A rise with its sign; a fall has one already."""
    return rise if rise.startswith(MINUS) else f"+{rise}"


def rise_words(loss: LossChange) -> str:
    """How far the loss itself rose, as a share of it, with one standard error."""
    return f"{percent_words(loss.relative)} ± {100 * loss.rise_stderr / loss.before:.1f}"


def change_words(loss: LossChange) -> str:
    """How far predictions moved, as a share of the loss, with one standard error."""
    share, error = loss.relative_change
    return f"{percent_words(share)} ± {100 * error:.1f}"


def percent_words(share: float) -> str:
    """A share, in percent."""
    return f"{100 * share:.1f}%".replace("-", MINUS)


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, noun: str) -> str:
    """ "1 picture", "2 pictures"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def capital(words: str) -> str:
    """Words as a sentence begins."""
    return words[:1].upper() + words[1:]
